"""Frozen convolutions as Lava processes of their own: equal to those that the host runs ahead."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from convolution_cases import SAMPLES, SHAPE, events, network, unrolled
from graph_cases import CLASSES, NEURON, dense, largest_difference, readout, weights_of
from lava.proc.io.sink import RingBuffer as Sink
from lava.proc.io.source import RingBuffer as Source
from parity_cases import TOLERANCE

from onchip import Engine
from onchip.deploy.backends.table import build
from onchip.deploy.quantization.network import Quantization, quantize
from onchip.lava.component import NetworkComponent
from onchip.lava.graphs import running
from onchip.lava.network import LavaNetwork
from onchip.network.convolution import Convolution
from onchip.network.graph import Network
from onchip.network.layer_spec import ConvSpec, DenseSpec
from onchip.network.learning import with_learning
from onchip.network.parts import ALWAYS_ON, INPUT, Connection, Population
from onchip.network.spec import NetworkSpec
from onchip.network.transforms import Bias
from onchip.neurons.lif import LIF
from onchip.neurons.readouts import LeakyIntegrator
from onchip.program.ahead import schedule_of_all
from onchip.program.chip_network import ChipConnection
from onchip.program.graphs import INTEGERS, as_graph, numbers_of
from onchip.program.schedules import make_schedule

LAYERED = ("lava", "lava-fast")
SCHEDULES = ("sequenced", "pipelined")


def followed(spec, backend, frames, labels, **options):
    """Outputs, spikes by layer and the learned weights of an execution."""
    with build(spec, backend, record=True, **options) as execution:
        learns = spec.learning is not None
        result = execution.learn(frames, labels) if learns else execution.run(frames)
        learned = weights_of(as_graph(execution.snapshot()))
    return result.outputs, result.spikes, learned


def assert_as_on_the_host(spec, frames, labels, schedule="sequenced", **reference) -> None:
    """Every spike is equal, outputs and weights to rounding, in integers in every bit."""
    exact = numbers_of(spec) == INTEGERS
    outputs, spikes, learned = followed(spec, "numpy", frames, labels, **reference)
    for backend in LAYERED:
        options = {"schedule": schedule, "convolutions": "lava"}
        ours = followed(spec, backend, frames, labels, **options)
        np.testing.assert_allclose(ours[0], outputs, rtol=0, atol=0 if exact else TOLERANCE)
        assert largest_difference(ours[2], learned) <= (0 if exact else TOLERANCE)
        assert set(ours[1]) == set(spikes)
        for name, expected in spikes.items():
            np.testing.assert_array_equal(ours[1][name], expected, name)
            assert 0 < expected.mean() < 1, name


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("integers", [False, True])
def test_a_network_without_learning(rng, integers, schedule):
    spec = network(rng)
    frames, labels = events(rng)
    assert_as_on_the_host(quantize(spec) if integers else spec, frames, labels, schedule)


@pytest.mark.parametrize("mode", ["online", "accumulate"])
@pytest.mark.parametrize("plastic", [("conv2", "out"), ("out",)])
def test_what_learns_above_them(rng, plastic, mode):
    options = {"feedback": "symmetric", "mode": mode, "plastic": plastic}
    spec = with_learning(network(rng), learning_rate=0.1, **options)
    frames, labels = events(rng)
    assert_as_on_the_host(spec, frames, labels)


def test_what_learns_above_them_on_the_pipelined_schedule(rng):
    spec = with_learning(network(rng), learning_rate=0.1, plastic=["out"], update_delay=1)
    assert_as_on_the_host(spec, *events(rng), "pipelined")


def hidden_above(rng) -> Network:
    """A dense hidden population that learns above two frozen convolutions."""
    spec = network(rng)
    *below, last = spec.connections
    hidden = Population("hidden", (9,), NEURON)
    return Network(
        (*spec.populations[:-1], hidden, readout()),
        (
            *below,
            Connection("conv2", "hidden", dense(rng, 9, last.transform.inputs)),
            Connection("hidden", "out", dense(rng, CLASSES, 9, 0.5)),
        ),
        SHAPE,
        spec.time_steps,
    )


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("mode", ["online", "accumulate"])
def test_integers_that_learn_above_them_round_as_the_engine_that_has_them_ahead(
    rng, mode, schedule
):
    """A sample takes more learning epochs than with the convolutions on the host."""
    piped = schedule == "pipelined"
    options = {
        "feedback": "symmetric",
        "mode": mode,
        "update_delay": int(piped and mode == "online"),
    }
    plastic = ["out"] if piped else ["hidden", "out"]
    spec = with_learning(hidden_above(rng), learning_rate=0.1, plastic=plastic, **options)
    chip = quantize(spec, Quantization(schedule=schedule))
    frames, labels = events(rng)
    ahead = followed(chip, "numpy", frames, labels, convolutions="lava")
    assert_as_on_the_host(chip, frames, labels, schedule, convolutions="lava")
    assert largest_difference(ahead[2], weights_of(chip)) > 0


def test_integers_with_skip_connections_above_them_round_the_same_wherever_they_run(rng):
    """The seeds of what learns do not depend on what a backend is given of the frozen part."""
    conv = Convolution(rng.normal(0.1, 0.6, (3, 2, 3, 3)), (2, 5, 4), (1, 1), (1, 1))
    spec = Network(
        (
            Population("conv", (3, 5, 4), NEURON),
            *(Population(n, (8,), NEURON) for n in "ab"),
            readout(),
        ),
        (
            Connection(INPUT, "conv", conv),
            Connection("conv", "a", dense(rng, 8, 60)),
            Connection("a", "b", dense(rng, 8, 8)),
            Connection("conv", "b", dense(rng, 8, 60)),
            Connection("b", "out", dense(rng, CLASSES, 8, 0.5)),
        ),
        (2, 5, 4),
        6,
    )
    plastic = ["a", "b", "out"]
    chip = quantize(with_learning(spec, learning_rate=0.5, plastic=plastic, feedback="symmetric"))
    frames, labels = (rng.random((6, 6, 2, 5, 4)) < 0.4).astype(np.uint8), np.arange(6) % CLASSES
    expected = followed(chip, "numpy", frames, labels)
    assert largest_difference(expected[2], weights_of(chip)) > 1
    for backend in ("lava-fused", "lava", "lava-fast"):
        found = followed(chip, backend, frames, labels)
        np.testing.assert_array_equal(found[0], expected[0], backend)
        assert largest_difference(found[2][1:], expected[2][1:]) == 0, backend


def test_the_epoch_stays_as_long_as_with_convolutions_on_the_host(rng):
    spec = with_learning(hidden_above(rng), learning_rate=0.1, plastic=["hidden", "out"])
    host, lava = make_schedule("sequenced", spec), schedule_of_all("sequenced", spec)
    assert (host.period, lava.period, lava.ahead) == (4, 4, 1)
    assert lava.sample_periods == host.sample_periods + 1
    assert lava.offsets == {"input": 0, "conv1": 1, "conv2": 2, "hidden": 5, "out": 6}


def folded_pool(rng) -> NetworkSpec:
    """An average pool folded into a convolution of 6 x 6, stride 2 and padding 2."""
    taps = rng.normal(0.05, 0.5, (4, 2, 3, 3)).repeat(2, axis=2).repeat(2, axis=3) / 4
    pool = ConvSpec("conv", taps, LIF(), (2, 8, 8), rng.normal(0, 0.1, 4), (2, 2), (2, 2))
    layers = (pool, DenseSpec("out", rng.normal(size=(CLASSES, 64)) / 4, LeakyIntegrator()))
    return NetworkSpec(layers, (2, 8, 8), 6)


@pytest.mark.parametrize("integers", [False, True])
def test_folded_pools(rng, integers):
    spec = folded_pool(rng)
    frames = (rng.random((3, 6, 2, 8, 8)) < 0.5).astype(np.uint8)
    assert_as_on_the_host(quantize(spec) if integers else spec, frames, np.zeros(3, int))


@pytest.mark.parametrize("exponent", [-3, 0, 2])
def test_integers_of_any_exponent_equal_sums_of_python_integers(rng, exponent):
    """In its first step a membrane holds the shifted sum of even weights, and nothing else."""
    weight = rng.integers(-256, 256, (2, 2, 3, 3))
    chip = quantize(small_chip(rng, weight))
    first, last = chip.connections
    sums = replace(first, transform=replace(first.transform, weight=weight), exponent=exponent)
    conv, out = chip.populations
    threshold = 64 * int(200 * 2.0**exponent)
    conv = replace(conv, neuron=replace(conv.neuron, v_threshold=threshold))
    chip = replace(chip, populations=(conv, out), connections=(sums, last))
    frames = (rng.random((2, 4, 2, 4, 4)) < 0.5).astype(np.uint8)
    matrix = unrolled(sums, weight & ~1).astype(np.int64)
    for backend in LAYERED:
        _, spikes, _ = followed(chip, backend, frames, np.zeros(2, int), convolutions="lava")
        for sample, found in zip(frames, spikes["conv"], strict=True):
            current = (matrix @ sample[0].ravel() << max(exponent, 0)) >> max(-exponent, 0)
            np.testing.assert_array_equal(found[0], current * 64 >= threshold)
    assert_as_on_the_host(chip, frames, np.zeros(2, int))


def small_chip(rng, weight) -> Network:
    return Network(
        (Population("conv", (2, 4, 4), LIF()), readout()),
        (
            Connection(INPUT, "conv", Convolution(weight / 200, (2, 4, 4), (1, 1), (1, 1))),
            Connection("conv", "out", dense(rng, CLASSES, 32)),
        ),
        (2, 4, 4),
        4,
    )


def test_sums_that_lava_would_wrap_around_are_refused():
    from onchip.lava.convolutions import frozen_convolution
    from onchip.program.lower import lower

    kernel = np.full((1, 40000, 1, 1), 254)
    spec = Network(
        (Population("conv", (1, 1, 1), LIF()), Population("out", (1,), LeakyIntegrator())),
        (
            Connection(INPUT, "conv", Convolution(kernel / 254, (40000, 1, 1))),
            Connection("conv", "out", dense(np.random.default_rng(0), 1, 1)),
        ),
        (40000, 1, 1),
        1,
    )
    chip = quantize(spec)
    first, last = chip.connections
    assert isinstance(first, ChipConnection)
    first = replace(first, transform=replace(first.transform, weight=kernel))
    program = lower(replace(chip, connections=(first, last)), "sequenced")
    with pytest.raises(ValueError, match=r"'conv.synapses'.* add up to 10160000.*beyond 8388607"):
        frozen_convolution(program.into("conv")[0])


def test_frames_that_are_currents(rng):
    spec = network(rng)
    frames = events(rng)[0] * rng.uniform(-1, 3, (SAMPLES, spec.time_steps, *SHAPE))
    assert_as_on_the_host(spec, frames, np.zeros(SAMPLES, int))
    with (
        build(quantize(spec), "lava", convolutions="lava") as execution,
        pytest.raises(ValueError, match="binary spikes"),
    ):
        execution.run(frames)


def branched(rng) -> Network:
    """Frozen branches of unequal length with a delay, and a skip connection over what learns."""
    kinds = {
        (INPUT, "a"): Convolution(rng.normal(0.1, 0.6, (2, 1, 3, 3)), (1, 4, 4), (1, 1), (1, 1)),
        ("a", "b"): Convolution(rng.normal(0.1, 0.6, (2, 2, 3, 3)), (2, 4, 4), (1, 1), (1, 1)),
        ("b", "c"): Convolution(rng.normal(0.1, 0.6, (2, 2, 1, 1)), (2, 4, 4)),
        ("a", "c"): Convolution(rng.normal(0.1, 0.6, (2, 2, 1, 1)), (2, 4, 4)),
    }
    found = [Connection(*ends, kind) for ends, kind in kinds.items()]
    found += [
        Connection("c", "a", Convolution(rng.normal(0, 0.3, (2, 2, 1, 1)), (2, 4, 4)), 1),
        Connection(ALWAYS_ON, "c", Bias(rng.normal(0, 0.1, 2), (2, 4, 4))),
        Connection("a", "h", dense(rng, 8, 32)),
        Connection("c", "h", dense(rng, 8, 32)),
        Connection(INPUT, "h", dense(rng, 8, 16)),
        Connection("h", "out", dense(rng, CLASSES, 8, 0.5)),
        Connection("c", "out", dense(rng, CLASSES, 32, 0.5)),
    ]
    maps = [Population(name, (2, 4, 4), NEURON) for name in "abc"]
    return Network((*maps, Population("h", (8,), NEURON), readout()), tuple(found), (1, 4, 4), 6)


def test_branches_skips_and_delays_that_no_host_could_part_off(rng):
    """All that is frozen runs ahead; what reads it or the frames gets them in its own step."""
    spec = with_learning(branched(rng), learning_rate=0.1, plastic=["h", "out"])
    frames = (rng.random((4, 6, 1, 4, 4)) < 0.5).astype(float)
    labels = rng.integers(0, CLASSES, 4)
    engine = Engine(spec)
    expected = np.concatenate([engine.learn(frames[[i]], labels[[i]]) for i in range(4)])
    for backend in LAYERED:
        with pytest.raises(ValueError, match="host can hand on the spikes"):
            build(spec, backend)
        with build(spec, backend, convolutions="lava") as execution:
            outputs = execution.learn(frames, labels).outputs
            np.testing.assert_allclose(outputs, expected, rtol=0, atol=TOLERANCE)
            ours, theirs = weights_of(execution.snapshot()), weights_of(engine.snapshot())
            assert largest_difference(ours, theirs) < TOLERANCE


def test_delayed_spikes_that_would_come_too_late_are_refused(rng):
    """One step of Lava for a step of the network leaves no time for what comes from above."""
    spec = with_learning(
        branched(rng), learning_rate=0.1, plastic=["out"], mode="accumulate", update_delay=0
    )
    with pytest.raises(ValueError, match=r"of 'c' would come 2 Lava steps too late to 'a'"):
        LavaNetwork(spec, "pipelined")


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_a_convolution_as_readout_of_a_frozen_network(rng, schedule):
    first = Convolution(rng.normal(0, 0.6, (3, 2, 3, 3)), SHAPE, (1, 1), (1, 1))
    last = Convolution(rng.normal(0, 0.2, (CLASSES, 3, 6, 5)), (3, 6, 5))
    spec = Network(
        (Population("conv1", (3, 6, 5), NEURON), readout()),
        (Connection(INPUT, "conv1", first), Connection("conv1", "out", last)),
        SHAPE,
        8,
    )
    frames = events(rng)[0]
    expected = Engine(spec).run(frames)
    for backend in LAYERED:
        with build(spec, backend, schedule, convolutions="lava") as execution:
            np.testing.assert_allclose(execution.run(frames).outputs, expected, atol=TOLERANCE)


def test_on_lavas_own_runtime_too(rng):
    options = {"feedback": "exact", "plastic": ["conv2", "out"]}
    spec = with_learning(network(rng), learning_rate=0.1, **options)
    frames, labels = events(rng)
    found = [
        followed(spec, "lava-fast", frames, labels, convolutions="lava", runtime=runtime)
        for runtime in ("one-process", "processes")
    ]
    np.testing.assert_array_equal(found[0][0], found[1][0])
    assert largest_difference(found[0][2], found[1][2]) == 0


def test_a_component_of_a_lava_network_has_its_convolutions_with_it(rng):
    """conv1 runs ahead, conv2 learns; spikes and targets come from other Lava processes."""
    spec = with_learning(network(rng), learning_rate=0.1, plastic=["conv2", "out"])
    frames, labels = events(rng)
    part = NetworkComponent(spec, form="layered")
    length, steps = part.steps_per_sample * len(frames), spec.time_steps
    spikes, targets = np.zeros((spec.input_size, length)), np.zeros((CLASSES + 1, length))
    for number, (sample, label) in enumerate(zip(frames, labels, strict=True)):
        first = number * part.steps_per_sample
        places = slice(first, first + steps * part.period, part.period)
        spikes[:, places] = sample.reshape(steps, -1).T
        targets[[label, CLASSES], places] = 1
    outputs = Sink(shape=(CLASSES,), buffer=length)
    sources = Source(data=spikes), Source(data=targets)
    sources[0].s_out.connect(part.s_in)
    sources[1].s_out.connect(part.target_in)
    part.o_out.connect(outputs.a_in)
    with running(part.process, part.run_config()) as supervisor:
        supervisor.run(length)
        found, learned = outputs.data.get().T, weights_of(part.snapshot())
    expected, _, weights = followed(spec, "numpy", frames, labels)
    taken = np.arange(steps) * part.period + part.delay
    for number, sample in enumerate(expected):
        ours = found[number * part.steps_per_sample + taken]
        np.testing.assert_allclose(ours, sample, rtol=0, atol=TOLERANCE)
    assert largest_difference(learned, weights) < TOLERANCE
