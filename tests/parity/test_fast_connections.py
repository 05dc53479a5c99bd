"""The fast models of Dense and LearningDense give what Lava's stock models give.

Both are built in this interpreter and stepped side by side for the long runs (float within 1e-12,
integers in every bit), and as OS processes in whole networks.
"""

from __future__ import annotations

import copy

import numpy as np
import pytest
from built_models import built_model, step
from parity_cases import dense

from onchip.lava.network import LavaNetwork  # settles Lava's start method, so it comes first

# isort: split
from lava.magma.core.learning.constants import GradedSpikeCfg
from lava.magma.core.learning.learning_rule import Loihi2FLearningRule, Loihi3FLearningRule
from lava.magma.core.run_configs import Loihi2SimCfg
from lava.proc.dense.models import (
    PyDenseModelBitAcc,
    PyDenseModelFloat,
    PyLearningDenseModelBitApproximate,
    PyLearningDenseModelFloat,
)
from lava.proc.dense.process import Dense, LearningDense
from lava.proc.lif.process import LIF as StockLIF
from lava.utils.weightutils import SignMode

from onchip import LIF, LeakyIntegrator, NetworkSpec
from onchip.deploy.quantization.network import Quantization, quantize
from onchip.lava.processes.fast_dense import FastDenseModelFixed, FastDenseModelFloat
from onchip.lava.processes.fast_learning_dense import (
    FastLearningDenseModelFixed,
    FastLearningDenseModelFloat,
)
from onchip.lava.rules import learning_rule
from onchip.lava.run_config import FAST_MODELS, FastSimCfg
from onchip.lava.runtime.memory import read_var
from onchip.network.learning import with_learning
from onchip.program.real_lowering import plasticity
from onchip.program.timetable import SCHEDULES, Schedule
from onchip.rules.rule import UPDATE_MODES

INPUTS, TIME_STEPS = (2, 5, 5), 5
TOLERANCE = 1e-12
"""Relative to the largest value of a variable."""

FLOAT = (FastLearningDenseModelFloat, PyLearningDenseModelFloat)
FIXED = (FastLearningDenseModelFixed, PyLearningDenseModelBitApproximate)
VARIABLES = ("weights", "tag_1", "x1", "y1", "tx")

SEQUENCED = Schedule("sequenced", 4, 10, 10, 2)
PIPELINED = Schedule("pipelined", 1, 10, 12, 2)

GRADIENT = "5*2^-5*u0*x1*y1 - 5*2^-5*u0*x1*y2"
EPOCH = {"x1_impulse": 63, "x1_tau": 5.8, "t_epoch": 4, "rng_seed": 11}
STEP = {"x1_impulse": 40, "x1_tau": 1.44, "t_epoch": 1, "rng_seed": 5}
PRESENT = "2^-3*u0*x1*y1 - 2^-3*u0*x1*y2 - 4*x0*y1 + 4*x0*y2"
GATES = "- 2^-1*u0*t*y3"
FIXED_RULES = {
    "online": {"dw": GRADIENT, **EPOCH},
    "accumulate": {"dt": f"{GRADIENT} {GATES}", "dw": "2^-1*u0*t*y3", **EPOCH},
    "pipelined": {"dw": PRESENT, **STEP},
    "pipelined accumulate": {"dt": f"{PRESENT} {GATES}", "dw": "2^-1*u0*t*y3", **STEP},
    # Tags reach -257, which Lava clips in the next epoch even where nothing is learned.
    "saturating": {"dw": GRADIENT, "dt": "7*2^8*x0*x1*y1 - 7*2^8*x0*x1*y2", **STEP},
}
STDP = {"x1_impulse": 20, "x1_tau": 8, "y1_impulse": 30, "y1_tau": 5, "rng_seed": 9}
GENERAL_RULES = {
    "STDP": Loihi2FLearningRule(dw="2^-2*x0*y1 - 2^-2*y0*x1", t_epoch=1, **STDP),
    "epoch": Loihi2FLearningRule(dw="2^-3*u0*x1*y1 - 2^-6*u0*w", t_epoch=3, **STDP),
    "constants": Loihi3FLearningRule(
        dw="2^-4*u0*(y1-3)*x1 + 2*u0*sgn(w) - x0*(w-2)", dd="u0*x1 - 2^-2*u0*d*y2", **STEP
    ),
    "second trace": Loihi3FLearningRule(
        dw="2^-3*u0*x2*y1 - y0*x1*t", dt="2^-4*u0*w*y1 - 2^-2*u0*t", x2_impulse=5, x2_tau=9, **STEP
    ),
    "decimated": Loihi3FLearningRule(dw="2^-2*u2*x1*y1 - 2^-2*u2*x1*y2", **EPOCH),
}


def inputs(rng: np.random.Generator, pre: int, post: int, steps: int, fixed: bool):
    """Per step: spikes (some inputs fall silent for long), factors y1..y3, and firing neurons."""
    rates = np.repeat(rng.choice([0.0, 0.1, 0.5], (steps // 25 + 1, pre)), 25, axis=0)
    for rate in rates[:steps]:
        signed = rng.integers(-127, 128, post) * (rng.random() < 0.8)
        gate = np.full(post, 64 * (rng.random() < 0.1))
        factors = [np.maximum(signed, 0), np.maximum(-signed, 0), gate]
        if not fixed:
            factors = [0.01 * signed, factors[1] * 0.01, gate / 64]
        yield (rng.random(pre) < rate).astype(int), factors, rng.random(post) < 0.2


def built_pair(models, rule, weights, **options):
    """Our model and the stock one, each with a rule object of its own."""
    return [
        built_model(
            LearningDense(weights=weights.copy(), learning_rule=copy.deepcopy(rule), **options), m
        )
        for m in models
    ]


def assert_same(ours, stock, sent, names=VARIABLES, when=""):
    for name in (*names, "sent"):
        left, right = sent if name == "sent" else (getattr(ours, name), getattr(stock, name))
        if isinstance(stock, PyLearningDenseModelFloat):
            error = np.abs(left - 1.0 * right).max()
            assert error <= TOLERANCE * max(1, np.abs(right).max()), f"{name} {when}"
        else:
            assert np.array_equal(left, right), f"{name} {when}"


def run_side_by_side(rng, ours, stock, fixed, steps=1000, names=VARIABLES, every=5):
    """Step both; True if anything was learned."""
    post, pre = stock.weights.shape
    first = stock.weights.copy()
    for number, (spikes, factors, fired) in enumerate(inputs(rng, pre, post, steps, fixed)):
        sent = [step(model, spikes, factors, fired) for model in (ours, stock)]
        if number % every == 0 or number == steps - 1:
            assert_same(ours, stock, sent, names, f"after step {number + 1}")
    return np.abs(stock.weights - first).max() > 1e-3


@pytest.mark.parametrize("shape", [(40, 20), (5, 30)], ids=["by input", "by output"])
@pytest.mark.parametrize("mode", UPDATE_MODES)
@pytest.mark.parametrize("schedule", [SEQUENCED, PIPELINED], ids=lambda s: s.name)
def test_float_learning_equals_the_stock_model(rng, schedule, mode, shape):
    rule = learning_rule(plasticity(schedule, mode, ((1.0, 0.5),), arrival=1))
    ours, stock = built_pair(FLOAT, rule, rng.normal(size=shape))
    assert run_side_by_side(rng, ours, stock, fixed=False)


@pytest.mark.parametrize("name", FIXED_RULES)
def test_integer_learning_equals_the_stock_model_in_every_bit(rng, name):
    rule = Loihi3FLearningRule(**FIXED_RULES[name])
    options = {"weight_exp": 2} if name == "online" else {"weight_exp": -1}
    ours, stock = built_pair(FIXED, rule, rng.integers(-256, 256, (7, 12)), **options)
    assert run_side_by_side(rng, ours, stock, fixed=True)
    assert ours.weights.dtype == np.int32


def test_the_saturating_case_reaches_the_lowest_tag(rng):
    ours, _ = built_pair(FIXED, Loihi3FLearningRule(**FIXED_RULES["saturating"]), np.ones((7, 12)))
    lowest = 0
    for spikes, factors, _ in inputs(rng, 12, 7, 1000, fixed=True):
        step(ours, spikes, factors)
        lowest = min(lowest, ours.tag_1.min())
    assert lowest == -257


@pytest.mark.parametrize("fixed", [False, True], ids=["float", "integers"])
@pytest.mark.parametrize("name", GENERAL_RULES)
def test_rules_of_every_other_kind_equal_the_stock_model(rng, name, fixed):
    weights = rng.integers(-256, 256, (6, 9)) if fixed else rng.normal(size=(6, 9))
    ours, stock = built_pair(FIXED if fixed else FLOAT, GENERAL_RULES[name], weights)
    names = ("weights", "tag_1", "tag_2", "x1", "y1", "ty", "y0")
    if not fixed and name in ("constants", "second trace"):
        stock.weights *= 0.1
        ours.weights *= 0.1
    assert run_side_by_side(rng, ours, stock, fixed, steps=300 if fixed else 40, names=names)


@pytest.mark.parametrize("models", [FLOAT, FIXED], ids=["float", "integers"])
@pytest.mark.parametrize("sign_mode", [SignMode.EXCITATORY, SignMode.INHIBITORY])
def test_synapses_of_one_sign_and_graded_messages_equal_the_stock_model(rng, models, sign_mode):
    weights = rng.integers(0, 100, (4, 6)) * (1 if sign_mode == SignMode.EXCITATORY else -1)
    rule = Loihi3FLearningRule(**FIXED_RULES["online"])
    ours, stock = built_pair(models, rule, weights, sign_mode=sign_mode, num_message_bits=8)
    assert run_side_by_side(rng, ours, stock, fixed=models is FIXED, steps=200)


@pytest.mark.parametrize("epoch", [EPOCH, STEP], ids=["K=4", "K=1"])
def test_signed_factors_are_taken_as_the_stock_model_takes_them(rng, epoch):
    """A negative y counts, unless its neuron fires within the epoch: Lava clips it then."""
    rule = Loihi3FLearningRule(dw="2^-4*u0*x1*y1", **epoch)
    ours, stock = built_pair(FIXED, rule, rng.integers(-256, 256, (5, 8)))
    for spikes, (up, down, gate), fired in inputs(rng, 8, 5, 300, fixed=True):
        sent = [step(m, spikes, [2 * (up - down), down, gate], fired) for m in (ours, stock)]
        assert_same(ours, stock, sent)


@pytest.mark.parametrize("bits", [0, 8], ids=["binary", "graded"])
@pytest.mark.parametrize("fixed", [False, True], ids=["float", "integers"])
def test_variables_replaced_by_reference_ports_are_used(rng, fixed, bits):
    weights = rng.integers(-256, 256, (40, 12))
    rule = Loihi3FLearningRule(dw=GRADIENT, dt=f"{GRADIENT} {GATES}", **EPOCH)
    ours, stock = built_pair(FIXED if fixed else FLOAT, rule, weights, num_message_bits=bits)
    for _ in range(3):
        assert run_side_by_side(rng, ours, stock, fixed, steps=43)
        new = {"x1": np.zeros(12, np.int32), "weights": rng.integers(-300, 300, (40, 12))}
        new["tag_1"] = rng.integers(-300, 300, (40, 12))
        for model in (ours, stock):
            for name, value in new.items():
                setattr(model, name, value.copy() if fixed else value.astype(float))


@pytest.mark.parametrize(
    "models", [(FastDenseModelFloat, PyDenseModelFloat), (FastDenseModelFixed, PyDenseModelBitAcc)]
)
@pytest.mark.parametrize("bits", [0, 24], ids=["binary", "graded"])
def test_frozen_connections_equal_the_stock_model(rng, models, bits):
    whole = models[1] is PyDenseModelBitAcc
    for shape in ((40, 30), (6, 50)):
        weights = rng.integers(-300, 300, shape) if whole else rng.normal(size=shape)
        for options in ({}, {"weight_exp": 3}, {"weight_exp": -2, "num_weight_bits": 5}):
            process = Dense(weights=weights, num_message_bits=bits, **options)
            ours, stock = (built_model(process, model) for model in models)
            for rate in (0.0, 0.1, 1.0):
                spikes = (rng.random(shape[1]) < rate) * rng.integers(-5, 2**22, shape[1])
                spikes = spikes.astype(np.int32)  # products of which 32 bits cannot hold all
                for _ in range(2):
                    sent = [step(model, spikes) for model in (ours, stock)]
                    tolerance = 0 if whole else TOLERANCE
                    np.testing.assert_allclose(*sent, rtol=tolerance, atol=tolerance * 2**22)


def samples(rng: np.random.Generator, count: int) -> tuple[np.ndarray, np.ndarray]:
    frames = rng.random((count, TIME_STEPS, *INPUTS)) < 0.3
    return frames.astype(np.uint8), rng.integers(0, 10, count)


def network_spec(rng, schedule: str, mode: str, fixed: bool):
    """A recurrent layer, plastic or frozen, before a plastic readout."""
    layers = (
        dense(rng, "fc1", 34, 50, LIF(decay=0.7), recurrent=True),
        dense(rng, "readout", 10, 34, LeakyIntegrator()),
    )
    pipelined = schedule == "pipelined"
    spec = with_learning(
        NetworkSpec(layers, INPUTS, TIME_STEPS),
        learning_rate=0.1,
        feedback="symmetric" if pipelined else "exact",  # exact: read through a reference port
        mode=mode,
        **({"plastic": ["readout"]} if pipelined else {}),
        update_delay=int(pipelined and mode == "online"),
    )
    return quantize(spec, Quantization(schedule, seed=3)) if fixed else spec


@pytest.mark.parametrize("fixed", [False, True], ids=["float", "integers"])
@pytest.mark.parametrize("mode", UPDATE_MODES)
@pytest.mark.parametrize("schedule", SCHEDULES)
def test_a_network_of_fast_models_learns_as_one_of_stock_models(rng, schedule, mode, fixed):
    spec = network_spec(rng, schedule, mode, fixed)
    frames, labels = samples(rng, 2)
    found = []
    for config in (FastSimCfg("fixed_pt" if fixed else "floating_pt"), None):
        with LavaNetwork(spec, schedule, run_config=config) as network:
            outputs = [network.learn(frames[:1], labels[:1]).outputs]
            readout = network.layers[-1].synapses.weights
            readout.set(np.asarray(readout.get()) // 2 * 1.0 if fixed else readout.get() / 2)
            outputs.append(network.learn(frames[1:], labels[1:]).outputs)
            found.append((np.concatenate(outputs), network.state()))
            weights = network.layers[0].synapses.weights
            assert np.array_equal(weights.get(), read_var(weights))
    (ours, our_state), (stock, stock_state) = found
    tolerance = 0 if fixed else 1e-10
    np.testing.assert_allclose(ours, stock, rtol=tolerance, atol=tolerance)
    for name, value in stock_state.items():
        np.testing.assert_allclose(our_state[name], value, tolerance, tolerance, err_msg=name)


def test_lavas_own_set_reaches_weights_stored_by_input(rng):
    spec = network_spec(rng, "sequenced", "online", fixed=False)
    frames, labels = samples(rng, 1)
    with LavaNetwork(spec, run_config=FastSimCfg()) as network:
        network.learn(frames, labels)
        for variable in (network.layers[0].synapses.weights, network.layers[0].recurrent.weights):
            values = rng.normal(size=variable.shape)
            variable.set(values)
            assert np.array_equal(variable.get(), values)


def online(**options) -> Loihi3FLearningRule:
    return Loihi3FLearningRule(**{"dw": "u0*x1*y1", "x1_impulse": 1, "x1_tau": 2, **options})


REFUSED = {
    r"dw = 1\*2\^0\*x0\*x1\*y1 with dependency x0 and t_epoch 4": online(dw="x0*x1*y1", t_epoch=4),
    r"dt = -1\*2\^0\*u\*x2\*y1 with x2_tau 0": online(dt="-u0*x2*y1"),
    r"dw = 1\*2\^0\*x0\*y0\*x1 with the factor y0": online(dw="x0*y0*x1"),
}


@pytest.mark.parametrize("message", REFUSED)
def test_rules_without_an_exact_fast_form_are_refused_before_anything_starts(message):
    process = LearningDense(weights=np.ones((3, 4)), learning_rule=REFUSED[message], name="plastic")
    with pytest.raises(ValueError, match=rf"process 'plastic'.*{message}.*Loihi2SimCfg"):
        FastSimCfg("floating_pt").select(process, [PyLearningDenseModelFloat])
    with pytest.raises(ValueError, match=message):
        built_model(process, FastLearningDenseModelFloat)


@pytest.mark.parametrize(
    ("message", "options"),
    [
        ("x1_impulse 1.5, a fraction", {"learning_rule": online(x1_impulse=1.5)}),
        ("t_epoch 64 above 63", {"learning_rule": online(t_epoch=64)}),
        ("graded_spike_cfg OVERWRITE", {"graded_spike_cfg": GradedSpikeCfg.OVERWRITE}),
        ("sign_mode SignMode.NULL", {"sign_mode": SignMode.NULL}),
    ],
)
def test_integer_connections_without_an_exact_fast_form_are_refused(message, options):
    process = LearningDense(weights=np.ones((3, 4)), **{"learning_rule": online(), **options})
    with pytest.raises(ValueError, match=rf"{message}.*Loihi2SimCfg"):
        FastSimCfg("fixed_pt").select(process, [PyLearningDenseModelBitApproximate])


def test_the_run_configuration_picks_fast_models_and_leaves_the_rest_to_lava():
    dense_process = Dense(weights=np.ones((2, 2)))
    for tag, fast in FAST_MODELS[Dense].items():
        assert FastSimCfg(tag).select(dense_process, [PyDenseModelFloat]) is fast
        assert {tag, "fast"} <= set(fast.tags)
    asked = FastSimCfg(exception_proc_model_map={Dense: PyDenseModelFloat})
    assert asked.select(dense_process, [PyDenseModelFloat]) is PyDenseModelFloat
    neurons, models = StockLIF(shape=(2,)), [PyDenseModelBitAcc, PyDenseModelFloat]
    chosen = FastSimCfg("floating_pt").select(neurons, models)
    assert chosen is Loihi2SimCfg(select_tag="floating_pt").select(neurons, models)
    with pytest.raises(ValueError, match="floating_pt, fixed_pt"):
        FastSimCfg("fast")
