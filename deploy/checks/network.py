"""What Loihi 2 cannot hold of a network, told before deployment.

`check` compares every layer to every limit of `onchip.deploy.checks.limits` that applies. A float
network is checked for what can be known without its integers; with them also for what
`onchip.deploy.quantization.network` made. Arrays are read as they are, so that a network is judged
even where its specification would have refused it.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import Any, cast

import numpy as np

from onchip.arithmetic.loihi import WEIGHT_BITS
from onchip.deploy.checks.findings import NETWORK, CheckReport, Finding, compare, demand, layer_name
from onchip.deploy.checks.graph import graph_findings
from onchip.deploy.checks.graph_learning import chip_learning_findings, graph_learning_findings
from onchip.deploy.checks.integers import integer_layer_findings
from onchip.deploy.checks.learning import integer_learning_findings, learning_findings
from onchip.deploy.checks.neurons import readout_findings, spiking_findings
from onchip.deploy.checks.placement import placement_findings
from onchip.deploy.checks.sizes import neurocores, taps_inside
from onchip.network.graph import Network
from onchip.network.layer_spec import LayerSpec
from onchip.network.spec import NetworkSpec, is_convolution
from onchip.neurons.lif import LIF
from onchip.program.chip_network import ChipNetwork
from onchip.program.graphs import as_graph
from onchip.program.integer_spec import FixedNetworkSpec


def check(
    spec: NetworkSpec | Network, fixed: FixedNetworkSpec | ChipNetwork | None = None
) -> CheckReport:
    """All findings about a network and, where it has been quantized, about its integers.

    `fixed` holds the integers of `spec`, or is None; the report then warns of that.
    """
    if isinstance(spec, Network):
        found = [*_graph_findings(spec, None if fixed is None else as_graph(fixed))]
    else:
        found = [*_findings(spec, cast("FixedNetworkSpec | None", fixed))]
    if not any(f.severity == "error" and f.quantity in UNPLACED for f in found):
        found += placement_findings(spec)
    return CheckReport.of(found)


UNPLACED = ("neurons", "neurocores", "synapses", "NaN or infinite")
"""What a network is too large or too broken by for a partition."""


def _graph_findings(network: Network, integers: Any) -> Iterator[Finding]:
    yield _integers(integers is not None)
    yield from graph_findings(network, integers)
    if network.learning is not None:
        yield from graph_learning_findings(network, integers)
    if integers is not None and integers.learning is not None:
        yield from chip_learning_findings(integers)


def _findings(spec: NetworkSpec, fixed: FixedNetworkSpec | None) -> Iterator[Finding]:
    yield _integers(fixed is not None)
    yield from _sizes(spec)
    for layer in spec.layers:
        yield from _layer_findings(layer)
    yield from _readout(spec.layers[-1])
    if spec.learning is not None:
        yield from learning_findings(spec, fixed)
    if fixed is not None:
        for integers in fixed.layers:
            yield from integer_layer_findings(integers)
        if fixed.learning is not None:
            yield from integer_learning_findings(fixed)


def _integers(there: bool) -> Finding:
    return demand(
        there,
        "warning",
        NETWORK,
        "integers",
        "all layers" if there else "none",
        "the chip computes in integers",
        "quantize the network and check again: nothing is known of its integers",
    )


# -- size ---------------------------------------------------------------------------------------


def _sizes(spec: NetworkSpec) -> Iterator[Finding]:
    """Neurons, synapses and what they need, of the network and of each layer."""
    neurons = sum(_neurons(layer) for layer in spec.layers)
    synapses = sum(_synapses(layer) for layer in spec.layers) + _feedback_synapses(spec)
    unrolled = synapses + sum(connections(layer) - _synapses(layer) for layer in spec.layers)
    yield compare("neurons", NETWORK, neurons)
    yield compare("neurocores", NETWORK, neurocores(neurons))
    yield compare("synapses", NETWORK, synapses)
    if unrolled != synapses:
        yield compare(
            "synapses",
            f"{NETWORK} (convolutions unrolled)",
            unrolled,
            "warning",
            "deploy it with a compiler that shares the weights of convolutions",
        )
    yield compare("synaptic memory", NETWORK, synapses * WEIGHT_BITS // 8)
    yield compare("synaptic delay", NETWORK, 0)
    for layer, above in itertools.zip_longest(spec.layers, spec.layers[1:]):
        yield compare("neurons per layer", layer_name(layer), _neurons(layer), "warning")
        yield compare("fan-in", layer_name(layer), _fan_in(layer))
        if above is not None:
            yield compare("fan-out", layer_name(layer), _fan_out(layer, above))


def _neurons(layer: LayerSpec) -> int:
    return int(np.prod(layer.output_shape))


def _synapses(layer: LayerSpec) -> int:
    """Weights that are stored: those of a convolution are shared by all positions."""
    biases = layer.bias.size if layer.plastic and layer.bias is not None else 0
    return int(layer.weight.size + _recurrent(layer).size + biases)


def _feedback_synapses(spec: NetworkSpec) -> int:
    matrices = spec.learning.feedback_matrices if spec.learning is not None else {}
    return sum(matrix.size for matrix in matrices.values())


def connections(layer: LayerSpec) -> int:
    """Synapses of a layer with no weight shared; taps on a convolution's padding do not count."""
    if not is_convolution(layer):
        return _synapses(layer)
    return int(layer.weight.shape[0] * layer.weight.shape[1] * taps_inside(layer))


def _fan_in(layer: LayerSpec) -> int:
    """Synapses onto one neuron."""
    return int(np.prod(layer.weight.shape[1:])) + len(_recurrent(layer))


def _fan_out(layer: LayerSpec, above: LayerSpec) -> int:
    """Most synapses that one neuron sends to."""
    targets = above.weight.shape[0]
    if is_convolution(above):
        geometry: Any = above
        kernel = zip(above.weight.shape[2:], geometry.stride, strict=True)
        targets *= math.prod(-(-size // step) for size, step in kernel)
    return int(targets) + len(_recurrent(layer))


def _recurrent(layer: LayerSpec) -> np.ndarray:
    weight = getattr(layer, "recurrent_weight", None)
    return np.zeros((0, 0)) if weight is None else weight


# -- layers -------------------------------------------------------------------------------------


def _layer_findings(layer: LayerSpec) -> Iterator[Finding]:
    """Values and neurons of a float layer."""
    where = layer_name(layer)
    arrays = [layer.weight, _recurrent(layer), *([] if layer.bias is None else [layer.bias])]
    bad = sum(int((~np.isfinite(array)).sum()) for array in arrays)
    yield demand(
        bad == 0, "error", where, "NaN or infinite", bad, "none", "retrain or repair the weights"
    )
    yield demand(
        bool(np.any(layer.weight)),
        "error",
        where,
        "weights",
        "all 0" if not np.any(layer.weight) else "not all 0",
        "at least one that is not 0",
        "train the layer, or leave it out: it has no scale",
    )
    yield compare("decay", where, layer.neuron.decay)
    if isinstance(layer.neuron, LIF):
        yield from spiking_findings(where, layer.neuron)


def _readout(layer: LayerSpec) -> Iterator[Finding]:
    """The last layer: how its output leaves the chip."""
    where = layer_name(layer)
    yield from readout_findings(where, layer.neuron)
    yield demand(
        _recurrent(layer).size == 0,
        "error",
        where,
        "recurrent readout",
        f"{_recurrent(layer).size} weights",
        "none",
        "leave out recurrent_weight, or put a readout above the layer",
    )
