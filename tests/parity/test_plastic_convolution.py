"""`PlasticConv` learns what OTTT's convolution learns in torch, and in integers what a loop over
every weight at every position gives; convolving one pixel it is Lava's LearningDense.
"""

from __future__ import annotations

import itertools
import math
from contextlib import closing
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from in_process import in_process, step

from onchip.lava.runtime.supervisor import (
    Supervisor,  # settles Lava's start method, so it comes first
)

# isort: split
from lava.magma.core.learning.learning_rule import Loihi2FLearningRule, Loihi3FLearningRule
from lava.magma.core.learning.random import ConnVarRandom, TraceRandom
from lava.magma.core.run_configs import Loihi2SimCfg
from lava.proc.conv.models import PyConvModelFixed
from lava.proc.conv.process import Conv
from lava.proc.dense.models import PyLearningDenseModelBitApproximate, PyLearningDenseModelFloat
from lava.proc.dense.process import LearningDense
from lava.proc.io.sink import RingBuffer as Sink
from lava.proc.io.source import RingBuffer as Source

from onchip.arithmetic.accumulator import Product as RuleProduct
from onchip.engine import position_sums as engine_sums
from onchip.lava.fast import position_sums
from onchip.lava.fast.convolution import Geometry, Patches, from_lava_kernel, to_lava_kernel
from onchip.lava.processes.plastic_conv import PlasticConv
from onchip.lava.processes.plastic_conv_models import FixedPlasticConvModel, PlasticConvModel
from onchip.lava.rules import learning_rule
from onchip.models.networks.layers import OTTTConv2d
from onchip.program.real_lowering import plasticity
from onchip.program.teaching import factor_scale, gate_scale
from onchip.program.timetable import Schedule

MODELS: dict[str, tuple[Any, Any]] = {
    "floating_pt": (PlasticConvModel, PyLearningDenseModelFloat),
    "fixed_pt": (FixedPlasticConvModel, PyLearningDenseModelBitApproximate),
}
PRECISIONS = pytest.mark.parametrize("precision", MODELS)
FACTORS = ("y1", "y2", "y3")
DECAY = 0.6


class Product(NamedTuple):
    mantissa: int
    exponent: int
    dependency: str
    factors: tuple[str, ...]

    def __str__(self) -> str:
        scale = f"{'-' if self.mantissa < 0 else '+'}{abs(self.mantissa)}*2^{self.exponent}"
        return "*".join((scale, self.dependency, *self.factors))


class Rule(NamedTuple):
    """Products of dw and dt, and the epoch K."""

    dw: tuple[Product, ...]
    dt: tuple[Product, ...] = ()
    epoch: int = 1

    def of_lava(self, impulse, tau, seed=5):
        texts = {
            name: "".join(map(str, getattr(self, name))).strip("+") or None for name in ("dw", "dt")
        }
        return Loihi3FLearningRule(
            **texts, x1_impulse=impulse, x1_tau=tau, t_epoch=self.epoch, rng_seed=seed
        )


def signed(mantissa, exponent, *factors):
    """Products of an error in two parts."""
    return (
        Product(mantissa, exponent, "u0", ("x1", "y1", *factors)),
        Product(-mantissa, exponent, "u0", ("x1", "y2", *factors)),
    )


RULES = {
    "one factor pair": Rule(signed(1, -6), epoch=4),
    "gated": Rule(signed(3, -4, "y3"), epoch=3),
    "large": Rule(signed(7, -1), epoch=1),  # saturates the accumulator
    "pipelined": Rule(
        (Product(1, -5, "u0", ("x1", "y1")), Product(-5, -3, "x0", ("y1",))), epoch=1
    ),
    "both at once": Rule((*signed(5, -6), Product(1, -7, "x0", ("x1", "y2"))), epoch=1),
    "presynaptic alone": Rule((Product(-3, -6, "u0", ("x1",)),), epoch=2),
    "squared": Rule((Product(7, -2, "u0", ("x1", "x1", "y1")),), epoch=1),
    "accumulate": Rule(
        (Product(1, -2, "u0", ("t", "y3")),),
        (*signed(1, -6), Product(-1, -1, "u0", ("t", "y3"))),
        epoch=2,
    ),
}
GEOMETRIES: dict[str, dict[str, Any]] = {
    "plain": {},
    "padded": {"padding": (1, 2)},
    "strided": {"stride": (2, 1), "padding": 1},
    "dilated": {"dilation": (1, 2), "padding": (0, 1)},
    "grouped": {"groups": 2, "stride": 2, "padding": 1},
}
INPUT, KERNEL, OUTPUTS = (4, 5, 2), (2, 2), 2


class Loop:
    """The rule in plain Python, for every kernel weight at every position by itself."""

    def __init__(self, process, rule, impulse, tau, fixed, options):
        self.rule, self.impulse, self.fixed = rule, impulse, fixed
        self.decays = {"x": math.exp(-1 / tau), "y": math.exp(-1 / 65535)}
        self.weights = np.array(process.weights.init)
        if fixed:
            self.weights -= self.weights % 2  # the lowest bit is dropped at the start
        self.tag = np.zeros_like(self.weights)
        self.x1 = np.zeros(process.s_in.shape, self.weights.dtype)
        self.tx = np.zeros(process.s_in.shape, int)
        self.links = self._links(process, **options)
        self.time = 0
        # Lava's own generators: x, y and what rounds weights and tags.
        self.randoms = [TraceRandom(5), TraceRandom(7), ConnVarRandom()]

    def _links(self, process, stride=1, padding=0, dilation=1, groups=1):
        (sx, sy), (px, py), (dx, dy) = (
            (v, v) if isinstance(v, int) else v for v in (stride, padding, dilation)
        )
        outputs, kx, ky, inputs = self.weights.shape
        links = []
        for i, j, o in np.ndindex(process.a_out.shape):
            first = o // (outputs // groups) * inputs
            for p, q, c in itertools.product(range(kx), range(ky), range(inputs)):
                row, column = i * sx + (kx - 1 - p) * dx - px, j * sy + (ky - 1 - q) * dy - py
                if 0 <= row < self.x1.shape[0] and 0 <= column < self.x1.shape[1]:
                    links.append(((o, p, q, c), (row, column, first + c), (i, j, o)))
        return links

    def step(self, spikes, y):
        self.time += 1
        for pre in np.ndindex(spikes.shape):
            if spikes[pre]:
                if self.tx[pre]:
                    self.x1[pre] = self.limit(self.x1[pre] + self.impulse)
                self.tx[pre] = (self.time - 1) % self.rule.epoch + 1
        for random in self.randoms[:2] * 2:
            random.advance()
        if self.time % self.rule.epoch == 0:
            self.learn(y)

    def learn(self, y):
        x_random, y_random = (random.random_trace_decay for random in self.randoms[:2])
        self.randoms[2].advance()
        for pre in np.ndindex(self.x1.shape):
            for n in range(1, self.rule.epoch + 1):
                self.x1[pre] = self.decayed(self.x1[pre], "x", x_random)
                if self.tx[pre] == n:
                    self.x1[pre] = self.limit(self.x1[pre] + self.impulse)
        y = {name: value.copy() for name, value in y.items()}
        for name, post in itertools.product(y, np.ndindex(y["y1"].shape)):
            for _ in range(self.rule.epoch):
                y[name][post] = self.decayed(y[name][post], "y", y_random)
        weights = self.updated(self.weights, self.rule.dw, y, 255)
        self.tag = self.updated(self.tag, self.rule.dt, y, 255, tag=True)
        self.weights = weights
        self.tx[...] = 0

    def limit(self, trace):
        return min(trace, 127) if self.fixed else trace

    def decayed(self, trace, kind, random):
        value = self.decays[kind] * trace
        return math.floor(value) + (random < value % 1) if self.fixed else value

    def updated(self, variable, products, y, highest, tag=False):
        if not products:
            return variable
        accumulator = variable.astype(object) * (128 if self.fixed else 1)
        for product in products:
            accumulator += self.change(product, y)
            if self.fixed:
                accumulator = np.clip(accumulator, -(2**15) - 1, 2**15 - 1)
        if not self.fixed:
            return accumulator.astype(float)
        random = self.randoms[2].random_stochastic_round
        rounded = [math.floor(a / 128) + (random < a / 128 % 1) for a in accumulator.ravel()]
        lowest = -257 if tag else -256
        return np.clip(np.reshape(rounded, variable.shape), lowest, highest)

    def change(self, product, y):
        """The sum over the positions of one product; a tag's gate is taken at one of them."""
        change = np.zeros(self.weights.shape, object)
        if "t" in product.factors:
            for weight in np.ndindex(change.shape):
                post = (0, 0, weight[0])
                change[weight] += self.value(product, weight, None, post, y)
            return change
        for weight, pre, post in self.links:
            change[weight] += self.value(product, weight, pre, post, y)
        return change

    def value(self, product, weight, pre, post, y):
        value, width = product.mantissa, 4
        if product.dependency == "x0":
            value *= int(self.tx[pre] > 0)
        for factor in product.factors:
            value *= {"t": lambda: self.tag[weight], "x1": lambda: self.x1[pre]}.get(
                factor, lambda f=factor: y[f][post]
            )()
            width += 9 if factor == "t" else 7
        if not self.fixed:
            return value * 2.0**product.exponent
        value = (int(value) >> max(0, width - 15)) << (product.exponent + 7)
        return min(max(value, -(2**15) - 1), 2**15 - 1)


def plastic_conv(rng, rule, fixed, options, shape=INPUT):
    """A process with random weights for a test's rule; impulse and tau of x1."""
    impulse, tau = (63, 2.5) if fixed else (1.3, 2.5)
    size = (OUTPUTS, *KERNEL, shape[2] // options.get("groups", 1))
    weights = rng.integers(-256, 256, size) if fixed else rng.normal(size=size)
    process = PlasticConv(
        weights=weights, learning_rule=rule.of_lava(impulse, tau), input_shape=shape, **options
    )
    return process, impulse, tau


def random_factors(rng, shape, fixed, gated):
    """y1 and y2 exclude each other; the gate y3 is the same at all positions of a channel."""
    error = rng.integers(-127, 128, shape) * (rng.random(shape) < 0.6)
    gate = np.broadcast_to(rng.integers(0, 128, shape[2]) * gated, shape)
    values = (np.maximum(error, 0), np.maximum(-error, 0), gate)
    return {name: v.astype(np.int32) if fixed else v / 100 for name, v in zip(FACTORS, values)}  # noqa: B905


def received(y):
    return {f"s_in_{name}": value for name, value in y.items()}


def assert_equal(found, expected, precision):
    if precision == "fixed_pt":
        np.testing.assert_array_equal(found, expected)
    else:
        scale = max(1.0, np.abs(expected).max())
        np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-13 * scale)


@PRECISIONS
@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
@pytest.mark.parametrize("options", GEOMETRIES.values(), ids=GEOMETRIES)
def test_it_learns_what_a_loop_over_weights_and_positions_learns(precision, rule, options, rng):
    fixed = precision == "fixed_pt"
    process, impulse, tau = plastic_conv(rng, rule, fixed, options)
    model = in_process(process, MODELS[precision][0])
    loop, moved = Loop(process, rule, impulse, tau, fixed, options), 0
    for n in range(1, 5 * rule.epoch + 1):
        spikes = rng.random(INPUT) < 0.4
        y = random_factors(rng, process.a_out.shape, fixed, n % 4 < 2)
        before = loop.weights
        step(model, spikes, **received(y))
        loop.step(spikes, y)
        assert_equal(model.x1, loop.x1, precision)
        assert_equal(model.tag_1, loop.tag, precision)
        assert_equal(model.weights, loop.weights, precision)
        moved += np.any(loop.weights != before)
    assert moved > 1


@pytest.mark.parametrize("values", [2, 100])  # fewer and more of them than taps
@pytest.mark.parametrize("part_size", [1, 2**19])
def test_products_are_summed_alike_with_a_table_and_without_in_parts_and_at_once(
    values, part_size, rng, monkeypatch
):
    monkeypatch.setattr(engine_sums, "PART_SIZE", part_size)
    geometry = Geometry((5, 4, 4), (6, 2, 2, 2), padding=(1, 0), groups=2)
    pre = rng.integers(0, values, geometry.input_shape)
    products = [RuleProduct(m, 4, ("x1", "y1")) for m in (7, -1)]
    posts = [p.mantissa * rng.integers(0, 128, geometry.output_shape) for p in products]
    patches = Patches(geometry, np.int16).of(pre).copy()
    found = position_sums.position_sums(pre, products, posts, Patches(geometry, np.int16))
    for total, post in zip(found, posts, strict=True):
        expected = np.zeros((6, 8), int)
        for o, tap in np.ndindex(expected.shape):
            for position, factor in enumerate(post.reshape(-1, 6)[:, o]):
                value = (int(patches[o // 3, position, tap]) * int(factor) >> 3) << 11
                expected[o, tap] += min(max(value, -(2**15) - 1), 2**15 - 1)
        np.testing.assert_array_equal(total, expected)


@PRECISIONS
@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_convolving_one_pixel_is_learning_dense(precision, rule, rng):
    fixed = precision == "fixed_pt"
    impulse, tau = (63, 2.5) if fixed else (1.3, 2.5)
    weights = rng.integers(-256, 256, (3, 6)) if fixed else rng.normal(size=(3, 6))
    conv = PlasticConv(
        weights=weights.reshape(3, 1, 1, 6),
        learning_rule=rule.of_lava(impulse, tau),
        input_shape=(1, 1, 6),
        weight_exp=-2 if fixed else 0,
    )
    dense = LearningDense(
        weights=weights, learning_rule=rule.of_lava(impulse, tau), weight_exp=-2 if fixed else 0
    )
    pairs = zip((conv, dense), MODELS[precision], strict=True)
    ours, stock = (in_process(process, model) for process, model in pairs)
    for n in range(12 * rule.epoch):
        spikes = rng.random((1, 1, 6)) < 0.4
        y = random_factors(rng, (1, 1, 3), fixed, n % 4 < 2)
        sent = step(ours, spikes, **received(y))
        flat = {name: value.ravel() for name, value in received(y).items()}
        assert_equal(sent.ravel(), step(stock, spikes.ravel(), **flat), precision)
        for name in ("weights", "tag_1", "x1"):
            found = getattr(ours, name).reshape(getattr(stock, name).shape)
            assert_equal(found, getattr(stock, name), precision)
    assert np.any(ours.weights.reshape(3, 6) != weights - weights % 2 * fixed)


class Torch(NamedTuple):
    """What OTTT's convolution in torch gives: kernels before and after, currents of each step."""

    before: np.ndarray
    after: np.ndarray
    currents: list[np.ndarray]


SPIKES, FACTOR, RATE = (5, 3, 7, 6), 0.4, 0.3
CONVOLUTIONS = [((1, 1), (1, 1)), ((2, 1), (0, 2))]


def torch_learning(spikes, factors, stride, padding):
    """One sample [T, in, h, w] and its factors g [T, out, oh, ow] through OTTTConv2d."""
    torch.set_num_threads(1)
    connection = OTTTConv2d((3, 4), (3, 2), DECAY, stride, padding, bias=False).double()
    state, currents = connection.initial_state(), []
    for s, g in zip(torch.from_numpy(spikes), torch.from_numpy(factors), strict=True):
        current, state = connection.step(s[None], state)
        current.backward(g[None])
        currents.append(current.detach().numpy()[0])
    before, gradient = connection.weight.detach().numpy(), connection.weight.grad.numpy()
    return Torch(before, before - RATE * gradient, currents)


def make_case(rng, stride, padding):
    spikes = (rng.random(SPIKES) < FACTOR).astype(float)
    height = (7 + 2 * padding[0] - 3) // stride[0] + 1
    width = (6 + 2 * padding[1] - 2) // stride[1] + 1
    factors = rng.normal(size=(5, 4, height, width))
    return spikes, factors, torch_learning(spikes, factors, stride, padding)


def make_conv(expected, schedule, mode, arrival, stride, padding):
    """Lava's axes are (x, y): the horizontal one comes first."""
    return PlasticConv(
        weights=to_lava_kernel(expected.before),
        learning_rule=learning_rule(plasticity(schedule, mode, ((1.0, DECAY),), arrival)),
        input_shape=(6, 7, 3),
        stride=stride[::-1],
        padding=padding[::-1],
    )


@pytest.mark.parametrize(("stride", "padding"), CONVOLUTIONS)
@pytest.mark.parametrize("mode", ["online", "accumulate"])
@pytest.mark.parametrize("arrival", [1, 3])
def test_on_the_sequenced_schedule_it_learns_as_torch(stride, padding, mode, arrival, rng):
    spikes, factors, expected = make_case(rng, stride, padding)
    schedule = Schedule("sequenced", 4, 5, 7, 2)
    model = in_process(
        make_conv(expected, schedule, mode, arrival, stride, padding), PlasticConvModel
    )
    silence, nothing = np.zeros((6, 7, 3)), np.zeros_like(factors[0].T)
    scale = factor_scale(schedule, RATE, DECAY)
    for s, g, current in zip(spikes, factors, expected.currents, strict=True):
        sent = []
        for phase in range(1, 5):
            y1 = scale * g.T if phase == 4 else nothing
            arriving = s.T if phase == arrival else silence
            sent.append(step(model, arriving, s_in_y1=y1))
        if mode == "accumulate":  # the kernel has not changed yet
            np.testing.assert_allclose(sent[arrival].T, current, atol=1e-12)
    assert (mode == "online") != np.array_equal(from_lava_kernel(model.weights), expected.before)
    for gate in ("s_in_y2", "s_in_y3") if mode == "accumulate" else ():
        for phase in range(1, 5):
            value = np.full_like(nothing, gate_scale(schedule)) if phase == 4 else nothing
            inputs = {"s_in_y1": nothing, "s_in_y2": nothing, "s_in_y3": nothing, gate: value}
            step(model, silence, **inputs)
    assert_equal(from_lava_kernel(model.weights), expected.after, "floating_pt")
    assert np.abs(expected.after - expected.before).max() > 0.1
    np.testing.assert_allclose(model.tag_1, 0, atol=1e-12)


@pytest.mark.parametrize(("stride", "padding"), CONVOLUTIONS)
def test_on_the_pipelined_schedule_it_learns_as_torch(stride, padding, rng):
    spikes, factors, expected = make_case(rng, stride, padding)
    schedule = Schedule("pipelined", 1, 5, 6, 1)
    model = in_process(
        make_conv(expected, schedule, "online", 1, stride, padding), PlasticConvModel
    )
    late = np.concatenate((np.zeros_like(factors[:1]), factors))
    scale = factor_scale(schedule, RATE, DECAY)
    for s, g in zip([*spikes, np.zeros_like(spikes[0])], late, strict=True):
        step(model, s.T, s_in_y1=scale * g.T)
    assert_equal(from_lava_kernel(model.weights), expected.after, "floating_pt")


def test_it_sends_what_the_stock_convolution_sends(rng):
    weights = 2 * rng.integers(-128, 128, (4, 3, 3, 1))
    options: Any = {"input_shape": (6, 5, 2), "groups": 2, "padding": 1, "num_message_bits": 8}
    rule = RULES["one factor pair"].of_lava(63, 2.5)
    ours = in_process(
        PlasticConv(weights=weights, learning_rule=rule, **options), FixedPlasticConvModel
    )
    stock = in_process(Conv(weight=weights, **options), PyConvModelFixed)
    for _ in range(6):
        messages = rng.integers(-128, 128, (6, 5, 2)) * (rng.random((6, 5, 2)) < 0.5)
        np.testing.assert_array_equal(step(ours, messages), step(stock, messages))


@PRECISIONS
def test_in_a_lava_network_it_learns_as_in_this_process(precision, rng):
    fixed, steps = precision == "fixed_pt", 9
    process, _, _ = plastic_conv(rng, RULES["gated"], fixed, {"padding": 1})
    model = in_process(process, MODELS[precision][0])
    spikes = rng.random((*INPUT, steps)) < 0.4
    drawn = [random_factors(rng, process.a_out.shape, fixed, True) for _ in range(steps)]
    activations = [
        step(model, spikes[..., n], **received(y)) for n, y in enumerate(drawn)
    ]  # all before Lava forks
    Source(data=spikes.astype(int)).s_out.connect(process.s_in)
    for name in FACTORS:
        data = np.stack([y[name] for y in drawn], axis=-1)
        Source(data=data).s_out.connect(getattr(process, f"s_in_{name}"))
    sink = Sink(shape=process.a_out.shape, buffer=steps)
    process.a_out.connect(sink.a_in)
    with closing(Supervisor(process, Loihi2SimCfg(select_tag=precision))) as supervisor:
        supervisor.start()
        supervisor.run(steps)
        weights, sent = process.weights.get(), sink.data.get()
    np.testing.assert_array_equal(weights, model.weights)
    np.testing.assert_array_equal(sent, np.stack(activations, axis=-1))
    assert np.any(weights != process.weights.init - process.weights.init % 2 * fixed)


REFUSED = {
    "u0*y1": "no presynaptic factor",
    "u0*x1*d": "the second tag d",
    "y0*x1": "the dependency y0",
    "u1*x1*y1": "the dependency u1",
    "x0*y1": "x0 with t_epoch 2",
    "u0*x1*w": "factor",
    "u0*x2*y1": "presynaptic factor",
    "u0*(x1+2)*y1": "constants",
    "u0*t*x1": "a tag with a presynaptic factor",
}


@pytest.mark.parametrize("text", REFUSED)
def test_a_rule_without_a_meaning_for_shared_weights_is_refused(text):
    rule = Loihi3FLearningRule(dw=text, x1_impulse=1, x1_tau=2, t_epoch=2)
    with pytest.raises(ValueError, match=REFUSED[text]):
        PlasticConv(weights=np.ones((1, 1, 1, 1)), learning_rule=rule, input_shape=(2, 2, 1))


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        (Loihi2FLearningRule(dw="u0*x1*y1", x1_tau=2), "Loihi3FLearningRule"),
        (Loihi3FLearningRule(dw="u0*x1*y1"), "x1_tau 0"),
        (Loihi3FLearningRule(dw="u0*x1*y1", dd="u0*x1*y1", x1_tau=2), "delays"),
        (Loihi3FLearningRule(dw="u0*x1*y1", x1_tau=2, t_epoch=64), "t_epoch 64"),
    ],
)
def test_other_rules_are_refused(rule, message):
    with pytest.raises(ValueError, match=message):
        PlasticConv(weights=np.ones((1, 1, 1, 1)), learning_rule=rule, input_shape=(2, 2, 1))


@pytest.mark.parametrize(
    "change",
    [{"groups": 3}, {"stride": 0}, {"padding": -1}, {"dilation": (1, 9)}, {"stride": (1, 1, 1)}],
)
def test_a_geometry_that_does_not_fit_is_refused(change):
    rule = RULES["gated"].of_lava(1, 2)
    with pytest.raises(ValueError, match=r"convolution: .* must"):
        PlasticConv(
            weights=np.ones((2, 2, 2, 2)), learning_rule=rule, input_shape=(4, 4, 2), **change
        )


@pytest.mark.parametrize(("weight", "message"), [(0.5, "must be integers"), (256, "in -256..255")])
def test_weights_that_the_integers_do_not_hold_are_refused(weight, message):
    rule = RULES["gated"].of_lava(63, 2)
    process = PlasticConv(
        weights=np.full((1, 1, 1, 1), weight), learning_rule=rule, input_shape=(2, 2, 1)
    )
    with pytest.raises(ValueError, match=message):
        in_process(process, FixedPlasticConvModel)


def test_a_weight_exponent_is_refused_in_floating_point():
    rule = RULES["gated"].of_lava(1, 2)
    process = PlasticConv(
        weights=np.ones((1, 1, 1, 1)), learning_rule=rule, input_shape=(2, 2, 1), weight_exp=1
    )
    with pytest.raises(ValueError, match="weight_exp is 1"):
        in_process(process, PlasticConvModel)


@pytest.mark.parametrize("value", [-1, 128])
def test_third_factors_beyond_7_bits_are_refused(value, rng):
    process, _, _ = plastic_conv(rng, RULES["large"], True, {})
    model = in_process(process, FixedPlasticConvModel)
    y1 = np.full(process.a_out.shape, value)
    with pytest.raises(ValueError, match=r"third factor y1.*integers in 0\.\.127"):
        step(model, np.ones(INPUT), s_in_y1=y1)


@PRECISIONS
def test_a_gate_that_differs_between_positions_cannot_apply_a_tag(precision, rng):
    process, _, _ = plastic_conv(rng, RULES["accumulate"], precision == "fixed_pt", {})
    model = in_process(process, MODELS[precision][0])
    gate = np.zeros(process.a_out.shape, np.int32)
    gate[0, 0] = 64
    step(model, np.ones(INPUT), s_in_y3=gate)
    with pytest.raises(ValueError, match=r"y3 gates a tag.*send the same value"):
        step(model, np.ones(INPUT), s_in_y3=gate)
