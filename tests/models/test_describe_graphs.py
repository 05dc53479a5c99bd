"""VGG-F and the normalizer-free ResNet as graphs: every spike the same, and every execution."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from sheets_of_neurons import recorded
from slow_ottt import spread_parameters

from onchip import Engine, Network, with_learning
from onchip.deploy import build, load_spec, quantize, save_spec
from onchip.models import build_model, describe_model
from onchip.models.describing.feedback import STARTED
from onchip.network.enlarging import EnlargingConvolution

VGGF = {"input_shape": (2, 8, 8), "classes": 4, "time_steps": 6, "channels": (4, 5, "P", 6, 5)}
RESNET = {
    "input_shape": (2, 8, 8), "classes": 4, "time_steps": 6, "blocks": (2, 1, 2),
    "widths": (3, 4, 4), "stem_kernel": 3, "stem_stride": 1,
}  # fmt: skip


def vggf(**options):
    model = build_model("vggf", **{**VGGF, **options}).double()
    spread_parameters(model)
    if model.path.paper_code:  # away from its zeros, so that its order and edges show
        generator = torch.Generator().manual_seed(11)
        kernel = model.path.connection.weight
        with torch.no_grad():
            kernel.copy_(0.2 * torch.randn(kernel.shape, generator=generator, dtype=kernel.dtype))
    return model


def resnet(**options):
    model = build_model("resnet34", **{**RESNET, **options}).double()
    spread_parameters(model)
    return model


def frames_for(model, samples=8):
    generator = torch.Generator().manual_seed(2)
    shape = (samples, model.time_steps, *model.input_shape)
    return (torch.rand(shape, generator=generator) < 0.4).double()


def assert_same_spikes(model, rates=(0.01, 0.99)):
    """Of every sheet of neurons, in float64, and the outputs to rounding."""
    frames = frames_for(model)
    graph = describe_model(model, {"dataset": "none"})
    assert isinstance(graph, Network) and graph.metadata == {"dataset": "none"}
    seen = {population.name: [] for population in graph.populations}
    outputs = Engine(graph).run(
        frames.numpy(), lambda name, x: seen[name].append(x.reshape(len(x), -1).copy())
    )
    ours = recorded(model, frames)
    spiking = [p.name for p in graph.populations if p.neuron.spiking and p.name != STARTED]
    assert list(ours) == spiking
    for name, expected in ours.items():
        assert rates[0] < expected.mean() < rates[1], name
        np.testing.assert_array_equal(np.stack(seen[name], axis=1), expected, name)
    np.testing.assert_allclose(outputs, model(frames).numpy(), atol=1e-12)
    return graph


def delayed(graph):
    return [c for c in graph.connections if c.delay]


@pytest.mark.parametrize("classifier", ["light", "full"])
@pytest.mark.parametrize("paper_code", [False, True])
@pytest.mark.parametrize("feedback_to", [1, 2, 3])
def test_vggf_is_its_chain_and_a_connection_that_comes_a_step_later(
    feedback_to, paper_code, classifier
):
    model = vggf(feedback_to=feedback_to, paper_code=paper_code, classifier=classifier)
    graph = assert_same_spikes(model)
    connection = delayed(graph)[0]
    assert (connection.source, connection.target) == ("conv4", f"conv{feedback_to}")
    assert isinstance(connection.transform, EnlargingConvolution)
    side = 1 if feedback_to == 3 else 2
    assert (connection.transform.enlarge, connection.transform.enlarge_first) == (side, paper_code)
    assert graph.population(f"conv{feedback_to}").shape == connection.transform.output_shape


@pytest.mark.parametrize("reset", ["soft", "hard"])
def test_the_feedback_of_a_network_without_biases_and_with_two_pools(reset):
    graph = assert_same_spikes(
        vggf(channels=(4, "P", 5, "P", 6), bias=False, reset=reset, readout="lif")
    )
    assert [c.transform.enlarge for c in delayed(graph)] == [4]
    assert STARTED not in [p.name for p in graph.populations]


def test_the_published_feedbacks_bias_acts_from_the_second_step_on():
    model = vggf(paper_code=True)
    graph = assert_same_spikes(model)
    assert [p.name for p in graph.populations][:2] == ["conv1", STARTED]
    bias = model.path.connection.bias.detach().numpy()
    started = next(c for c in delayed(graph) if c.source == STARTED)
    np.testing.assert_array_equal(
        started.transform.weight.reshape(4, 64), bias[:, None].repeat(64, 1)
    )
    engine, frames = Engine(graph), frames_for(model).numpy()
    engine.reset(len(frames))
    for n in range(6):
        engine.step(frames[:, n])
        assert (engine.spikes()[STARTED] == 1).all()
    at_rest = vggf(paper_code=True)
    with torch.no_grad():
        at_rest.path.connection.bias.zero_()
    assert STARTED not in [p.name for p in describe_model(at_rest).populations]


def test_without_the_delay_or_the_feedback_it_would_answer_otherwise():
    """Guards the comparisons above: each of the two would be seen."""
    graph, frames = describe_model(vggf()), frames_for(vggf()).numpy()
    expected = Engine(graph).run(frames)
    kept = tuple(c for c in graph.connections if not c.delay)
    without = Engine(replace(graph, connections=kept)).run(frames)
    np.testing.assert_array_equal(without[:, 0], expected[:, 0])  # nothing is fed back yet
    assert np.abs(without - expected)[:, 1:].max() > 1e-3


@pytest.mark.parametrize("paper_code", [False, True])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"stem_kernel": 5, "stem_stride": 2, "input_shape": (2, 16, 16)},
        {"stem_pool": 1, "bias": False, "alpha": 0.5},
        {"blocks": (3,), "widths": (5,), "reset": "hard", "hidden": (7,)},
    ],
)
def test_the_sum_that_passes_residual_blocks_is_their_currents(options, paper_code):
    assert_same_spikes(resnet(paper_code=paper_code, **options))


def test_neurons_read_one_connection_from_each_block_since_the_size_changed():
    graph = describe_model(resnet())
    into = {
        p.name: [c.source for c in graph.connections if c.target == p.name][:-1]  # the bias
        for p in graph.populations
    }
    assert into["block1.outer"] == ["input"]
    assert into["block2.outer"] == ["input", "block1.inner"]
    assert into["block3.outer"] == ["input", "block1.inner", "block2.inner"]
    # The third and fourth halve the map, the fifth does not.
    assert into["block4.outer"] == ["block3.outer", "block3.inner"]
    assert into["block5.outer"] == ["block4.outer", "block4.inner"]
    assert into["features"] == ["block4.outer", "block4.inner", "block5.inner"]
    assert into["block2.inner"] == ["block2.outer"]
    assert graph.population("features").shape == (4, 1, 1)


def test_layers_out_of_place_are_named():
    model = resnet()
    model.layers = model.layers[1:]
    with pytest.raises(ValueError, match="layer 'block1': cannot describe it below residual bloc"):
        describe_model(model)
    model = resnet()
    del model.layers[-2]
    with pytest.raises(ValueError, match=r"layer 'readout': cannot describe SpikingLayer behind"):
        describe_model(model)


def learned_as_on_the_engine(graph, frames, labels, backend):
    """What the engine learns sample by sample; the backend's outputs and weights are the same."""
    engine = Engine(graph)
    outputs = [engine.learn(frames[[i]], labels[[i]])[0] for i in range(len(frames))]
    expected = engine.snapshot()
    with build(graph, backend) as execution:
        np.testing.assert_allclose(execution.learn(frames, labels).outputs, outputs, atol=1e-9)
        learned = execution.snapshot()
    for ours, theirs in zip(learned.connections, expected.connections, strict=True):
        np.testing.assert_allclose(ours.transform.weight, theirs.transform.weight, atol=1e-9)
    return expected


MODELS = {
    "vggf": vggf,
    "published vggf": lambda: vggf(paper_code=True),
    "resnet": lambda: resnet(blocks=(2, 1), widths=(3, 4)),
}


@pytest.mark.parametrize("backend", ["torch", "lava", "lava-fast", "lava-fused"])
@pytest.mark.parametrize("name", MODELS)
def test_executions_learn_the_same_in_floats_and_integers(name, backend):
    model = MODELS[name]()
    frames, labels = frames_for(model, 6).numpy().astype(np.uint8), np.arange(6) % 4
    graph = with_learning(describe_model(model), learning_rate=0.1, feedback="symmetric")
    expected = learned_as_on_the_engine(graph, frames, labels, backend)
    assert expected != graph
    if backend != "torch":
        integers = quantize(graph)
        engine = Engine(integers)
        outputs, expected = engine.learn(frames, labels), engine.snapshot()
        assert expected != integers
        with build(integers, backend) as execution:
            np.testing.assert_array_equal(execution.learn(frames, labels).outputs, outputs)
            assert execution.snapshot() == expected


@pytest.mark.parametrize("name", MODELS)
def test_a_file_holds_the_graph_and_its_integers_are_near_it(name, tmp_path):
    model = MODELS[name]()
    graph = describe_model(model)
    save_spec(tmp_path / "network.h5", graph)
    assert load_spec(tmp_path / "network.h5") == graph
    frames, integers = frames_for(model, 30).numpy(), quantize(graph)
    found = Engine(integers).run(frames).sum(1) * integers.populations[-1].membrane_unit
    assert np.corrcoef(found.ravel(), model(torch.tensor(frames)).sum(1).ravel())[0, 1] > 0.85


PLASTIC = {
    "vggf": ["conv1", "conv4", "readout"],
    "published vggf": ["conv1", "conv4", "readout"],
    "resnet": ["block2.inner", "readout"],
}


@pytest.mark.parametrize("backend", ["torch", "lava-fused"])
@pytest.mark.parametrize("name", MODELS)
def test_convolutions_and_feedback_connections_learn_the_same(name, backend):
    model = MODELS[name]()
    frames, labels = frames_for(model, 4).numpy().astype(np.uint8), np.arange(4)
    graph = describe_model(model)
    graph = with_learning(graph, learning_rate=0.02, plastic=PLASTIC[name], feedback="symmetric")
    expected = learned_as_on_the_engine(graph, frames, labels, backend)
    for old, new in zip(graph.connections, expected.connections, strict=True):
        assert (old.target in PLASTIC[name]) == (old != new), (old.source, old.target)
