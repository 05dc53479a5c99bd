"""Convolutions that learn in integers: engine and Lava against a loop over synapses.

Every output, and every weight after learning, is the same integer; and the engine's shared synapses
are `PlasticConv`'s, whose `fixed_pt` model is the public reference for one process.
"""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from graph_cases import CLASSES, NEURON, dense, readout
from in_process import in_process, step
from integer_loops import IntegerLoops

from onchip import Engine
from onchip.arithmetic.accumulator import Product
from onchip.deploy.quantization.network import Quantization, quantize
from onchip.engine.shared_synapses import SharedIntegerSynapses
from onchip.lava.fast.convolution import from_lava_kernel, to_lava_kernel
from onchip.lava.fused import FusedLavaNetwork
from onchip.lava.network import LavaNetwork
from onchip.lava.processes.plastic_conv import PlasticConv
from onchip.lava.processes.plastic_conv_models import FixedPlasticConvModel
from onchip.lava.rules import learning_rule
from onchip.lava.run_config import FastSimCfg
from onchip.network.convolution import Convolution
from onchip.network.enlarging import EnlargingConvolution
from onchip.network.graph import Network
from onchip.network.learning import with_learning
from onchip.network.parts import ALWAYS_ON, INPUT, Connection, Population
from onchip.network.transforms import Bias
from onchip.network.unrolling import unrolled
from onchip.program.chip_network import ChipNetwork
from onchip.program.program import Synapses
from onchip.program.synapses import IntegerPlasticity
from onchip.rules.feedback import FEEDBACKS
from onchip.rules.rule import UPDATE_MODES

STEPS, SAMPLES, SHAPE = 6, 4, (2, 5, 4)


def network(rng) -> Network:
    """Two convolutions, of stride 2 and padding, each with a bias, under two dense populations."""
    first = Convolution(rng.normal(0, 0.6, (3, 2, 3, 3)), SHAPE, (1, 1), (1, 1))
    second = Convolution(rng.normal(0, 0.6, (4, 3, 3, 2)), (3, 5, 4), (2, 2), (1, 0))
    shapes = [c.output_shape for c in (first, second)]
    populations = [Population(f"conv{i}", s, NEURON) for i, s in enumerate(shapes, start=1)]
    size = int(np.prod(shapes[1]))
    return Network(
        (*populations, Population("fc", (6,), NEURON), readout()),
        (
            Connection(INPUT, "conv1", first),
            Connection(ALWAYS_ON, "conv1", Bias(rng.normal(0.1, 0.1, 3), shapes[0])),
            Connection("conv1", "conv2", second),
            Connection(ALWAYS_ON, "conv2", Bias(rng.normal(0.1, 0.1, 4), shapes[1])),
            Connection("conv2", "fc", dense(rng, 6, size)),
            Connection(ALWAYS_ON, "fc", Bias(rng.normal(0.1, 0.1, 6), (6,))),
            Connection("fc", "out", dense(rng, CLASSES, 6, 0.7)),
        ),
        SHAPE,
        STEPS,
    )


def events(rng):
    frames = (rng.random((SAMPLES, STEPS, *SHAPE)) < 0.4).astype(np.uint8)
    return frames, rng.integers(0, CLASSES, SAMPLES)


def weights_of(chip: ChipNetwork) -> dict[str, np.ndarray]:
    named = zip(chip.names, chip.connections, strict=True)
    return {name: c.transform.weight for name, c in named if c.plastic}


IN_LAVA = (
    FusedLavaNetwork,
    LavaNetwork,
    lambda chip: LavaNetwork(chip, run_config=FastSimCfg("fixed_pt")),
)


def assert_the_loops(chip: ChipNetwork, frames, labels, in_lava=IN_LAVA) -> None:
    """Outputs and weights of engine and Lava are the loop's; all weights have moved."""
    loops, engine = IntegerLoops(chip), Engine(chip)
    expected = loops.learn(frames, labels)
    np.testing.assert_array_equal(engine.learn(frames, labels), expected)
    learned = weights_of(engine.snapshot())
    for make in in_lava:
        with make(chip) as execution:
            np.testing.assert_array_equal(execution.learn(frames, labels).outputs, expected)
            assert execution.snapshot() == engine.snapshot()
    before = weights_of(chip)
    slow = loops.weights()
    for name, weight in learned.items():
        kind, _, part = name.partition(".")
        theirs = slow[f"{kind}.synapses"] if name not in slow else slow[name]
        if name not in slow:
            theirs = theirs[:, -1]
        elif theirs.shape != weight.shape:
            theirs = theirs[:, :-1]
        np.testing.assert_array_equal(weight, theirs, name)
        assert (weight != before[name]).any(), (name, part)


@pytest.mark.parametrize("mode", UPDATE_MODES)
@pytest.mark.parametrize("feedback", FEEDBACKS)
def test_every_weight_is_that_of_a_loop_over_synapses_and_positions(rng, feedback, mode):
    plastic = ("conv1", "conv2", "fc", "out")
    spec = with_learning(
        network(rng), learning_rate=0.5, plastic=plastic, feedback=feedback, mode=mode
    )
    assert_the_loops(quantize(spec), *events(rng))


@pytest.mark.parametrize(("feedback", "mode"), [("exact", "online"), ("random", "accumulate")])
def test_a_kernel_for_each_position_learns_as_the_loop_over_synapses_does(rng, feedback, mode):
    plastic = ("conv1", "conv2", "fc", "out")
    spec = with_learning(
        network(rng), learning_rate=0.5, plastic=plastic, feedback=feedback, mode=mode
    )
    assert_the_loops(quantize(unrolled(spec)), *events(rng))


def test_taps_on_a_padding_stay_as_they_are_where_updates_are_late(rng):
    plastic = ("conv1", "conv2", "fc", "out")
    spec = unrolled(with_learning(network(rng), learning_rate=0.5, plastic=plastic))
    chip = quantize(spec, Quantization(late_updates=True))
    assert_the_loops(chip, *events(rng), [FusedLavaNetwork])


@pytest.mark.parametrize("feedback", ["exact", "direct"])
def test_updates_may_act_at_once(rng, feedback):
    plastic = ("conv1", "conv2", "fc", "out")
    spec = with_learning(network(rng), learning_rate=0.5, plastic=plastic, feedback=feedback)
    chip = quantize(spec, Quantization(late_updates=False))
    assert chip.learning.update_delay == 0 and quantize(spec).learning.update_delay == 1
    assert_the_loops(chip, *events(rng))


def test_rates_may_differ_between_populations_and_lower_convolutions_stay(rng):
    rates = {"conv2": 0.3, "out": 0.1}
    spec = with_learning(network(rng), learning_rate=rates, plastic=rates, feedback="symmetric")
    chip = quantize(spec)
    wanted = {c.target: c.plasticity.rate.wanted for c in chip.connections if c.plastic}
    assert wanted == rates
    assert_the_loops(chip, *events(rng), [FusedLavaNetwork])


@pytest.mark.parametrize("rule", ["online", "accumulate"])
@pytest.mark.parametrize("stride, padding", [((1, 1), (0, 0)), ((2, 1), (1, 2))])
def test_shared_synapses_learn_as_the_process_plastic_conv(rng, stride, padding, rule):
    """Activations, traces, tags and weights after each of many epochs, tags at their limits too."""
    kernel = rng.integers(-256, 256, (4, 2, 3, 2))
    transform = Convolution(kernel / 1.0, (2, 6, 5), stride, padding)
    pair = (Product(3, 2, ("x1", "y1")), Product(-3, 2, ("x1", "y2")))
    products = {
        "online": {"dw": tuple(Product(p.mantissa, -2, (*p.factors, "y3")) for p in pair)},
        "accumulate": {
            "dw": (Product(1, -2, ("t", "y3")),),
            "dt": (*pair, Product(-1, -1, ("t", "y3"))),
        },
    }[rule]
    epoch = 3
    plasticity = IntegerPlasticity(
        impulse=40, tau=4.5, epoch=epoch, seed=7, weight_exponent=1, **products
    )
    synapses = Synapses(
        "c", "a", "b", transform, kernel.astype(np.int64), 1, plastic=True, plasticity=plasticity
    )
    ours = SharedIntegerSynapses(synapses)
    process = PlasticConv(
        weights=to_lava_kernel(kernel),
        learning_rule=learning_rule(plasticity),
        input_shape=(5, 6, 2),
        stride=stride[::-1],
        padding=padding[::-1],
        weight_exp=1,
    )
    model = in_process(process, FixedPlasticConvModel)
    quiet = np.zeros((5, 6, 2), bool)
    none = {f"s_in_{y}": np.zeros(process.a_out.shape, np.int32) for y in ("y1", "y2", "y3")}
    moved = lowest = 0
    for n in range(30):
        spikes = rng.random((2, 6, 5)) < 0.4
        error = rng.integers(-127, 128, transform.output_shape) * (n % 7 > 0)
        gate = 64 if rule == "online" or n % 7 == 0 else 0
        factors = np.stack((np.maximum(-error, 0), np.maximum(error, 0), 0 * error + gate))
        before = ours.weights.copy()
        current = ours.current(spikes[np.newaxis].astype(np.int64))
        ours.learn(ours.received[0], 2, factors)
        sent = [
            step(model, quiet, **none),
            step(model, spikes.transpose(2, 1, 0), **none),
            step(
                model,
                quiet,
                **{f"s_in_y{i + 1}": f.transpose(2, 1, 0) for i, f in enumerate(factors)},
            ),
        ]
        np.testing.assert_array_equal(sent[2].transpose(2, 1, 0), current[0])
        np.testing.assert_array_equal(from_lava_kernel(model.weights), ours.weights)
        np.testing.assert_array_equal(from_lava_kernel(model.tag_1), ours.learning.tag)
        np.testing.assert_array_equal(model.x1.transpose(2, 1, 0).ravel(), ours.learning.x1)
        moved += np.any(before != ours.weights)
        lowest = min(lowest, int(ours.learning.tag.min()))
    assert moved >= (24 if rule == "online" else 4)
    assert lowest == 0 if rule == "online" else lowest <= -256


def test_a_state_of_shared_synapses_is_restored_to_the_bit(rng):
    spec = with_learning(network(rng), learning_rate=0.5, plastic=("conv1", "conv2", "fc", "out"))
    chip, (frames, labels) = quantize(spec), events(rng)
    whole, half = Engine(chip), Engine(chip)
    whole.learn(frames, labels)
    half.learn(frames[:2], labels[:2])
    other = Engine(chip)
    other.restore(half.state())
    other.learn(frames[2:], labels[2:])
    assert other.snapshot() == whole.snapshot()


def test_an_enlarging_convolution_that_learns_is_refused_by_name(rng):
    transform = EnlargingConvolution(rng.normal(size=(3, 2, 1, 1)), SHAPE, enlarge=2)
    shape = transform.output_shape
    spec = Network(
        (Population("up", shape, NEURON), readout()),
        (
            Connection(INPUT, "up", transform),
            Connection("up", "out", dense(rng, CLASSES, int(np.prod(shape)))),
        ),
        SHAPE,
        STEPS,
    )
    learning = with_learning(spec, learning_rate=0.1, plastic=("up", "out"))
    with pytest.raises(ValueError, match=r"'up': an enlarging convolution that learns has no"):
        quantize(learning)
    synapses = SimpleNamespace(
        name="up.synapses",
        transform=transform,
        plastic=True,
        plasticity=None,
        weights=np.zeros((3, 2, 1, 1), np.int64),
    )
    with pytest.raises(ValueError, match=r"'up.synapses': EnlargingConvolution has no integer"):
        SharedIntegerSynapses(synapses)
