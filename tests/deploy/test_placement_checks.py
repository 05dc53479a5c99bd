"""What `onchip check` says of a network's cores: the layer, and what would make it fit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from graph_cases import dense, lif, readout

from onchip.deploy import check
from onchip.deploy.checks.placement import LOIHI_2, QUANTITY, placement_findings
from onchip.deploy.costs.placement import LOIHI_1
from onchip.network.graph import Network
from onchip.network.parts import INPUT, Connection


def layers(rng, hidden: int, inputs: int = 10) -> Network:
    return Network(
        (lif("fc", hidden), readout()),
        (
            Connection(INPUT, "fc", dense(rng, hidden, inputs)),
            Connection("fc", "out", dense(rng, 3, hidden)),
        ),
        (inputs,),
        4,
    )


def test_a_network_that_fits_is_told_so(rng):
    report = check(layers(rng, 8193))
    finding = next(f for f in report.findings if f.quantity == QUANTITY)
    assert (finding.severity, finding.value) == ("ok", 3)  # 8192 + 1 neurons, and the readout


def test_too_many_cores_name_the_largest_layer_and_a_remedy(rng):
    few = replace(LOIHI_2, neurons=10, cores=4)
    [finding] = placement_findings(layers(rng, 95), few)
    assert (finding.severity, finding.value) == ("error", 11)
    assert finding.remedy == (
        "use 3 chips, or make layer 'fc' smaller, which takes 10 by its neurons: "
        "fewer neurons, a larger stride or a pool"
    )


def test_a_neuron_that_no_core_holds_names_its_layer(rng):
    [finding] = placement_findings(layers(rng, 5, inputs=5000), LOIHI_1)
    assert (finding.severity, finding.object) == ("error", "layer 'fc'")
    assert finding.value == "one neuron needs 5,000 inputs, and a core of Loihi 1 holds 4,096"
    assert finding.remedy.startswith("use a smaller input")


def test_neurons_that_send_to_too_many_cores_name_their_layer(rng):
    tight = replace(LOIHI_1, synapse_bits=8 * 50, output_axons=80)
    network = Network(
        (lif("a", 40), lif("b", 30), readout()),
        (
            Connection(INPUT, "a", dense(rng, 40, 1)),
            Connection("a", "b", dense(rng, 30, 40)),
            Connection("b", "out", dense(rng, 3, 30)),
        ),
        (1,),
        4,
    )
    findings = list(placement_findings(network, tight))
    assert [f.object for f in findings] == ["network", "layer 'a'"]
    assert findings[1].value == 40 * 30  # one neuron of b in each core


def test_the_limits_of_a_chip_are_those_of_the_table():
    assert (LOIHI_2.cores, LOIHI_2.neurons, LOIHI_2.synapses) == (128, 8192, 937_500)
    assert LOIHI_2.unknown == ("synapse_bits", "input_axons", "output_axons")
    assert np.prod([LOIHI_1.cores, LOIHI_1.neurons]) == 131_072
