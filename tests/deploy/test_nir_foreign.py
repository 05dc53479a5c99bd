"""NIR graphs of others: their parameters by their conventions, and what is refused by name."""

from __future__ import annotations

import itertools

import nir
import numpy as np
import pytest
from nir_cases import CASES

from onchip import LIF, CuBa, Engine, LeakyIntegrator, LinearReadout, with_learning
from onchip.deploy import quantize
from onchip.deploy.interchange.conventions import CONVENTIONS
from onchip.deploy.interchange.files import read_nir, write_nir
from onchip.deploy.interchange.reading import from_nir
from onchip.deploy.interchange.writing import to_nir

OPTIONS = {"dt": 1e-3, "reset": "zero", "time_steps": 5}


def lif(size=3, tau=2e-3, r=2.0, v_leak=0.0, v_threshold=1.0, v_reset=0.0):
    values = dict(tau=tau, r=r, v_leak=v_leak, v_threshold=v_threshold, v_reset=v_reset)
    return nir.LIF(**{k: np.broadcast_to(v, size).astype(float) for k, v in values.items()})


def cuba(size=3, w_in=1.0, r=1.0, tau_syn=4e-3):
    full = {k: np.full(size, v) for k, v in dict(r=r, v_leak=0.0, v_threshold=1.0).items()}
    return nir.CubaLIF(
        tau_mem=np.full(size, 2e-3), tau_syn=np.full(size, tau_syn), w_in=w_in, **full
    )


def chain(*nodes, size=4):
    """Input -> dense weights -> `nodes` -> Output."""
    weights = nir.Linear(np.arange(1.0, 1 + 3 * size).reshape(3, size) / 8)
    names = [f"n{i}" for i in range(len(nodes))]
    everything = {"input": nir.Input(np.array([size])), "w": weights}
    everything |= dict(zip(names, nodes, strict=True))
    everything["output"] = nir.Output(np.array([3]))
    order = list(everything)
    edges = list(itertools.pairwise(order))
    return nir.NIRGraph(everything, edges, type_check=False)


def test_euler_turns_tau_and_r_into_a_decay_and_a_gain():
    network = from_nir(chain(lif(tau=4e-3, r=2.0)), **OPTIONS)
    (population,) = network.populations
    assert population.neuron == LIF(0.75, np.nextafter(1.0, 2.0), "hard")
    weights = np.arange(1.0, 13.0).reshape(3, 4) / 8
    np.testing.assert_allclose(network.connections[0].transform.weight, weights * 0.5)


def test_the_exponential_step_is_sinabs():
    graph = chain(lif(tau=2.0, r=1.0))
    found = from_nir(graph, written_by="sinabs", reset="subtract", time_steps=5)
    neuron = found.populations[0].neuron
    assert neuron.decay == pytest.approx(np.exp(-0.5), rel=1e-12)
    assert (neuron.reset, neuron.v_threshold) == ("soft", 1.0)
    gain = found.connections[0].transform.weight / (np.arange(1.0, 13.0).reshape(3, 4) / 8)
    np.testing.assert_allclose(gain, 1 - np.exp(-0.5))


def test_a_leak_potential_shifts_the_threshold():
    found = from_nir(chain(lif(v_leak=-0.5, v_reset=-0.5, v_threshold=0.25)), fires=">=", **OPTIONS)
    assert found.populations[0].neuron.v_threshold == 0.75


def test_thresholds_of_several_neurons_divide_their_weights():
    graph = chain(lif(r=2.0, v_threshold=np.array([1.0, 2.0, 4.0])))
    found = from_nir(graph, fires=">=", **OPTIONS)
    assert found.populations[0].neuron.v_threshold == 1
    weights = np.arange(1.0, 13.0).reshape(3, 4) / 8
    np.testing.assert_allclose(
        found.connections[0].transform.weight, weights / np.array([[1], [2], [4]])
    )


@pytest.mark.parametrize(("written_by", "gain"), [("nir", 0.125), ("norse", 0.5)])
def test_w_in_is_a_rate_or_a_step(written_by, gain):
    step = {"nir": 1e-3, "norse": 1e-3}[written_by]
    found = from_nir(
        chain(cuba()), written_by=written_by, dt=step, reset="zero", fires=">=", time_steps=4
    )
    assert found.populations[0].neuron == CuBa(0.5, 0.75, 1.0, "hard")
    weights = np.arange(1.0, 13.0).reshape(3, 4) / 8
    np.testing.assert_allclose(found.connections[0].transform.weight, weights * gain)


@pytest.mark.parametrize(("written_by", "dt", "gain"), [("nir", 0.1, 0.3), ("sinabs", 1.0, 3.0)])
def test_r_of_an_integrator_is_a_rate_or_a_step(written_by, dt, gain):
    node = nir.IF(np.full(3, 3.0), np.full(3, 2.0), np.zeros(3))
    found = from_nir(chain(node), written_by=written_by, dt=dt, reset="zero", time_steps=4)
    assert found.populations[0].neuron.decay == 1
    weights = np.arange(1.0, 13.0).reshape(3, 4) / 8
    np.testing.assert_allclose(found.connections[0].transform.weight, weights * gain)


def test_readouts_are_integrators_or_nothing():
    tau = np.full(3, 4e-3)
    found = from_nir(chain(nir.LI(tau, np.full(3, 4.0), np.zeros(3))), dt=1e-3, time_steps=2)
    assert found.populations[0].neuron == LeakyIntegrator(0.75)
    assert from_nir(chain(), time_steps=2).populations[0].neuron == LinearReadout()


def test_a_strict_threshold_is_strict_here():
    """A membrane that meets the threshold fires with ">=" alone."""
    graph = chain(lif(tau=2e-3, r=2.0))  # weights 1/8 .. 12/8
    frames = np.zeros((1, 5, 4), np.uint8)
    frames[0, 0, 3] = 1  # 0.5, 1.0, 1.5
    for fires, expected in ((">", [0, 0, 1]), (">=", [0, 1, 1])):
        found = Engine(from_nir(graph, fires=fires, **OPTIONS)).run(frames)
        assert found[0, 0].tolist() == expected


def test_a_graph_in_a_graph_reads_itself_a_step_later():
    """The recurrence of snnTorch: a subgraph of neurons and the weights from them to themselves."""
    inner = nir.NIRGraph(
        {
            "input": nir.Input(np.array([3])),
            "lif": lif(r=2.0),
            "w_rec": nir.Affine(np.full((3, 3), -0.5), np.full(3, 0.25)),
            "output": nir.Output(np.array([3])),
        },
        [("input", "lif"), ("lif", "w_rec"), ("w_rec", "lif"), ("lif", "output")],
        type_check=False,
    )
    found = from_nir(chain(inner), **OPTIONS)
    kinds = {(c.source, c.target, c.delay) for c in found.connections}
    assert kinds == {
        ("input", "n0.lif", 0), ("n0.lif", "n0.lif", 1), ("always_on", "n0.lif", 0)
    }  # fmt: skip


def test_pools_scales_groups_and_dilation_are_in_the_weights():
    rng = np.random.default_rng(0)
    conv = nir.Conv2d((8, 8), rng.normal(size=(4, 1, 2, 2)), 1, 1, 2, 2, np.ones(4))
    nodes = {
        "input": nir.Input(np.array([2, 8, 8])),
        "conv": conv,
        "pool": nir.SumPool2d(np.array([2, 2]), np.array([2, 2]), np.array([0, 0])),
        "flat": nir.Flatten({"input": None}, 0, -1),
        "w": nir.Affine(rng.normal(size=(3, 64)), np.ones(3)),
        "scale": nir.Scale(np.array([1.0, 2.0, 3.0])),
        "lif": lif(r=2.0),
        "output": nir.Output(np.array([3])),
    }
    names = list(nodes)
    graph = nir.NIRGraph(nodes, list(itertools.pairwise(names)), type_check=False)
    found = from_nir(graph, **OPTIONS)
    import torch
    from torch import nn

    torch_conv = nn.Conv2d(2, 4, 2, 1, 1, 2, 2).double()
    torch_conv.weight.data, torch_conv.bias.data = map(torch.from_numpy, (conv.weight, conv.bias))
    x = torch.from_numpy(rng.normal(size=(5, 2, 8, 8)))
    summed = 4 * nn.functional.avg_pool2d(torch_conv(x), 2)
    w = nodes["w"]
    expected = (summed.flatten(1).detach().numpy() @ w.weight.T + w.bias) * nodes["scale"].scale
    dense, bias = (c.transform for c in found.connections)
    np.testing.assert_allclose(x.flatten(1).numpy() @ dense.weight.T + bias.weight, expected)


REFUSED = {
    "no dt": (chain(lif()), {"reset": "zero"}, "pass dt"),
    "no reset": (chain(lif()), {"dt": 1e-3}, "'n0' resets; pass reset='zero'"),
    "no steps": (chain(lif()), {"dt": 1e-3, "reset": "zero", "time_steps": None}, "time_steps"),
    "the delayed subtraction of snnTorch": (
        chain(lif()), {"dt": 1e-3, "reset": "subtract-delayed"}, "reset_delay=False"
    ),
    "an unknown reset": (chain(lif()), {"dt": 1e-3, "reset": "soft"}, "subtract, zero"),
    "an unknown writer": (chain(lif()), {"written_by": "nest"}, "snntorch"),
    "a step longer than tau": (
        chain(lif()), {"dt": 1.0, "reset": "zero"}, "pass a smaller dt"
    ),
    "several time constants": (
        chain(lif(tau=np.array([2e-3, 3e-3, 4e-3]))), {}, "tau has 3 values"
    ),
    "a reset elsewhere": (chain(lif(v_reset=-1.0)), {}, "v_reset -1 is not v_leak 0"),
    "subtraction with a leak": (
        chain(lif(v_leak=0.5)), {"reset": "subtract"}, "v_leak is not 0"
    ),
    "a threshold below the leak": (chain(lif(v_leak=2.0, v_reset=2.0)), {}, "fire without end"),
    "NaN": (chain(lif(tau=np.nan)), {}, "tau is empty, NaN or infinite"),
    "equal decays": (chain(cuba(tau_syn=2e-3)), {}, "'n0': CuBa: current_decay"),
    "a filtered readout": (
        chain(nir.CubaLI(*(np.ones(3),) * 4)), {}, "CubaLI: no readout here filters its current"
    ),
    "a threshold alone": (chain(nir.Threshold(np.ones(3))), {}, "'n0': Threshold"),
    "a readout with an offset": (
        chain(nir.LI(np.ones(3), np.ones(3), np.ones(3))), {}, "v_leak is not 0"
    ),
    "a wrong size": (chain(nir.Scale(np.ones(2))), {}, "'n0' (Scale): shape (3,) has not as many"),
    "a delay of two steps": (
        chain(lif(), nir.Delay(np.full(3, 2e-3)), nir.Scale(np.ones(3)), lif()), {}, "2 steps"
    ),
    "half a step of delay": (
        chain(lif(), nir.Delay(np.full(3, 5e-4)), nir.Scale(np.ones(3)), lif()), {}, "whole number"
    ),
    "readouts that are read": (
        chain(nir.LI(*(np.full(3, 0.01),) * 2, np.zeros(3)), nir.Scale(np.ones(3)), lif()),
        {}, "does not spike"
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_a_foreign_graph_is_refused_in_one_line_that_names_the_part(case):
    graph, options, text = REFUSED[case]
    with pytest.raises(ValueError) as error:
        from_nir(graph, **({"time_steps": 5} if case in NEED else OPTIONS) | options)
    assert text in str(error.value)
    assert "\n" not in str(error.value)


NEED = ("no dt", "no reset")


def test_a_cycle_of_two_populations_needs_a_delay():
    nodes = {
        "input": nir.Input(np.array([3])),
        "a": lif(),
        "b": lif(),
        "output": nir.Output(np.array([3])),
    }
    edges = [("input", "a"), ("a", "b"), ("b", "a"), ("b", "output")]
    graph = nir.NIRGraph(nodes, edges, type_check=False)
    with pytest.raises(ValueError, match="a, b read each other in a cycle"):
        from_nir(graph, **OPTIONS)
    nodes["wait"] = nir.Delay(np.full(3, 1e-3))
    edges[2:3] = [("b", "wait"), ("wait", "a")]
    found = from_nir(nir.NIRGraph(nodes, edges, type_check=False), **OPTIONS)
    assert {(c.source, c.target, c.delay) for c in found.connections} == {
        ("input", "a", 0), ("a", "b", 0), ("b", "a", 1)
    }  # fmt: skip


def test_what_nir_cannot_say_is_not_written():
    rng = np.random.default_rng(0)
    chain_ = CASES["chain"](rng)
    with pytest.raises(ValueError, match="float network it was quantized from"):
        to_nir(quantize(chain_), dt=1e-3)
    with pytest.raises(ValueError, match=r"onchip.without_learning"):
        to_nir(with_learning(chain_, learning_rate=0.1), dt=1e-3)
    from nir_cases import _graph

    from onchip import ALIF

    with pytest.raises(ValueError, match="'one': ALIF: NIR has no such neuron"):
        to_nir(_graph(chain_, ALIF()), dt=1e-3)
    with pytest.raises(ValueError, match="dt"):
        to_nir(chain_, dt=0.0)
    with pytest.raises(ValueError, match="folded, separate"):
        to_nir(chain_, dt=1.0, pools="no")


def test_arguments_that_contradict_what_was_written_are_refused():
    graph = to_nir(CASES["hard reset"](np.random.default_rng(0)), dt=1e-3)
    for option, value in {"dt": 1e-4, "reset": "subtract", "fires": ">", "time_steps": 3}.items():
        with pytest.raises(ValueError, match=f"{option} is .*was written with"):
            from_nir(graph, **{option: value})
    assert from_nir(graph, dt=1e-3, reset="zero", fires=">=", time_steps=8) == from_nir(graph)


def test_parameters_that_were_changed_behind_the_metadata_are_seen():
    graph = to_nir(CASES["chain"](np.random.default_rng(0)), dt=1e-3)
    graph.nodes["one"].tau = graph.nodes["one"].tau * 2
    with pytest.raises(ValueError, match="'one': its parameters are not those"):
        from_nir(graph)


def test_damaged_files_are_one_line(tmp_path):
    write_nir(tmp_path / "net.nir", CASES["chain"](np.random.default_rng(0)), dt=1e-3)
    content = (tmp_path / "net.nir").read_bytes()
    (tmp_path / "short.nir").write_bytes(content[: len(content) // 2])
    (tmp_path / "text.nir").write_text("no")
    import h5py

    with h5py.File(tmp_path / "other.nir", "w") as file:
        file["x"] = 1
    with h5py.File(tmp_path / "odd.nir", "w") as file:
        file["node/type"] = "Convolution9d"
    (tmp_path / "folder.nir").mkdir()
    for name in ("short", "text", "other", "odd", "folder"):
        with pytest.raises(ValueError, match=f"NIR file .*{name}.nir: ") as error:
            read_nir(tmp_path / f"{name}.nir")
        assert "\n" not in str(error.value)
    with pytest.raises(FileNotFoundError, match=r"none.nir does not exist"):
        read_nir(tmp_path / "none.nir")


def test_conventions_are_the_frameworks():
    assert set(CONVENTIONS) == {"nir", "snntorch", "spikingjelly", "norse", "sinabs"}
