"""The integer synapses equal stock LearningDense in `fixed_pt`, in every bit and at every step.

Random spikes and factors are fed to both, to Lava's by stock ring buffers.
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace

import numpy as np
import pytest

from onchip.lava.runtime.supervisor import (
    Supervisor,  # settles Lava's start method, so it comes first
)

# isort: split
from integer_neurons import integer_lif
from lava.magma.core.learning import constants
from lava.magma.core.learning.learning_rule import Loihi3FLearningRule
from lava.magma.core.learning.learning_rule_applier import LearningRuleApplierFloat
from lava.magma.core.run_configs import Loihi2SimCfg
from lava.proc.dense.process import LearningDense
from lava.proc.io.source import RingBuffer
from lava.proc.lif.process import LIF

from onchip.arithmetic import loihi as arithmetic
from onchip.arithmetic.accumulator import FACTOR_BITS, Product, product_value
from onchip.arithmetic.draws import LearningDraws
from onchip.arithmetic.loihi import MEMBRANE_MAX
from onchip.arithmetic.membrane import LOIHI
from onchip.engine.loihi_synapses import initial_state, synapse_step
from onchip.neurons.base import NeuronState
from onchip.program.rates import FLOAT_OVER_FIXED
from onchip.program.synapses import IntegerPlasticity
from onchip.program.timetable import trace_time_constant

# Six OS processes exchange messages at every step: slow on a machine that is busy otherwise.
pytestmark = pytest.mark.timeout(300)

POST, PRE = 3, 4
VARIABLES = ("weights", "tag", "x1", "spike_times", "activation")

GRADIENT = (Product(5, -5, ("x1", "y1")), Product(-5, -5, ("x1", "y2")))
ONLINE = IntegerPlasticity(
    dw=GRADIENT, impulse=63, tau=trace_time_constant(0.5, 4), epoch=4, seed=11
)
ACCUMULATE = IntegerPlasticity(
    dw=(Product(1, -1, ("t", "y3")),),
    dt=(*GRADIENT, Product(-1, -1, ("t", "y3"))),
    impulse=40,
    tau=trace_time_constant(0.7, 3),
    epoch=3,
    seed=5,
    weight_exponent=2,
)
# Large steps: weights, tag (down to -257) and accumulator saturate again and again.
SATURATING = replace(
    ACCUMULATE,
    impulse=63,
    tau=trace_time_constant(0.5, 1),
    epoch=1,
    weight_exponent=-3,
    dw=(Product(7, 0, ("x1", "y1")), Product(-7, 0, ("x1", "y2"))),
    dt=(Product(7, 8, ("x1", "y1")), Product(-8, 8, ("x1", "y2"))),
)
CASES = {
    "online": (ONLINE, 1000),
    "accumulate": (ACCUMULATE, 1000),
    "saturating": (SATURATING, 400),
}
"""Name -> synapses, steps."""


def rule_string(products: tuple[Product, ...]) -> str | None:
    """The products in Lava's notation; None for none."""
    terms = [
        ("-" if p.mantissa < 0 else "+")
        + f"{abs(p.mantissa)}*2^{p.exponent}*u0*"
        + "*".join(p.factors)
        for p in products
    ]
    return " ".join(terms).removeprefix("+") or None


def stock_learning_dense(weights: np.ndarray, synapses: IntegerPlasticity) -> LearningDense:
    rule = Loihi3FLearningRule(
        dw=rule_string(synapses.dw),
        dt=rule_string(synapses.dt),
        x1_impulse=synapses.impulse,
        x1_tau=synapses.tau,
        t_epoch=synapses.epoch,
        rng_seed=synapses.seed,
    )
    return LearningDense(
        weights=weights.copy(), learning_rule=rule, weight_exp=synapses.weight_exponent
    )


def random_inputs(rng: np.random.Generator, steps: int) -> tuple[np.ndarray, np.ndarray]:
    """Spikes [steps, PRE] and factors [steps, 3, POST]: y1 or y2 and, now and then, y3 = 64."""
    spikes = (rng.random((steps, PRE)) < 0.4).astype(int)
    signed = rng.integers(-127, 128, (steps, POST))
    gate = np.where(rng.random((steps, 1)) < 0.1, 64, 0) * np.ones((1, POST), int)
    return spikes, np.stack([np.maximum(signed, 0), np.maximum(-signed, 0), gate], axis=1)


def stock_trajectory(
    dense: LearningDense,
    spikes: np.ndarray,
    factors: np.ndarray,
    stops: list[int],
    post_spikes: bool = False,
) -> list:
    """Every variable of VARIABLES after the steps `stops`; `post_spikes` at every step."""
    inputs = [spikes.T, *factors.transpose(1, 2, 0)]
    ports = [dense.s_in, dense.s_in_y1, dense.s_in_y2, dense.s_in_y3]
    if post_spikes:
        inputs.append(np.ones_like(inputs[1]))
        ports.append(dense.s_in_bap)
    for data, port in zip(inputs, ports, strict=True):
        RingBuffer(data=data).s_out.connect(port)
    variables = (dense.weights, dense.tag_1, dense.x1, dense.tx, dense.a_buff)
    with closing(Supervisor(dense, Loihi2SimCfg(select_tag="fixed_pt"))) as supervisor:
        supervisor.start()
        trajectory = []
        for steps in np.diff([0, *stops]):
            supervisor.run(int(steps))
            trajectory.append(tuple(np.array(var.get()) for var in variables))
    return trajectory


def our_trajectory(
    weights: np.ndarray,
    synapses: IntegerPlasticity,
    spikes: np.ndarray,
    factors: np.ndarray,
    stops: list[int],
) -> list:
    state, draws, trajectory = initial_state(weights), LearningDraws(synapses), []
    for step_spikes, step_factors in zip(spikes, factors, strict=True):
        state = synapse_step(state, step_spikes, step_factors, synapses, draws)
        trajectory.append(tuple(getattr(state, name) for name in VARIABLES))
    return [trajectory[stop - 1] for stop in stops]


@pytest.fixture(scope="module", params=CASES)
def case(request):
    """Name, synapses, inputs (weights, spikes, factors, stops) and stock Lava's trajectory."""
    rng = np.random.default_rng(7)
    weights = rng.integers(-256, 256, (POST, PRE))
    synapses, steps = CASES[request.param]
    spikes, factors = random_inputs(rng, steps)
    # Every step of the first 60, then (a read costs a message per element) every epoch's end.
    stops = [*range(1, 61), *range(60 + synapses.epoch, steps + 1, synapses.epoch)]
    stock = stock_trajectory(stock_learning_dense(weights, synapses), spikes, factors, stops)
    return request.param, synapses, (weights, spikes, factors, stops), stock


def differing_steps(ours: list, stock: list) -> int:
    """How many steps differ in any value of any variable."""
    return sum(
        any(not np.array_equal(*pair) for pair in zip(*step, strict=True))
        for step in zip(ours, stock, strict=True)
    )


def learn(inputs: tuple, synapses: IntegerPlasticity) -> list:
    weights, spikes, factors, stops = inputs
    return our_trajectory(weights, synapses, spikes, factors, stops)


def test_every_weight_tag_and_trace_equals_stock_lava(case):
    _, synapses, inputs, stock = case
    ours = learn(inputs, synapses)
    for stop, our_step, stock_step in zip(inputs[-1], ours, stock, strict=True):
        for name, our_value, stock_value in zip(VARIABLES, our_step, stock_step, strict=True):
            np.testing.assert_array_equal(our_value, stock_value, f"{name} after step {stop}")


def test_the_comparison_sees_learning_and_its_random_numbers(case):
    name, synapses, inputs, stock = case
    weights = np.array([step[0] for step in stock])
    assert len(np.unique(weights.reshape(len(weights), -1), axis=0)) > 20
    other_seed = replace(synapses, seed=synapses.seed + 1)
    assert differing_steps(learn(inputs, other_seed), stock) > 50
    if name == "saturating":
        tags = np.array([step[1] for step in stock])
        assert (weights.min(), weights.max()) == (-256, 255)
        assert (tags.min(), tags.max()) == (-257, 255)


def test_a_wrong_shift_is_seen(case):
    _, synapses, inputs, stock = case
    wrong = replace(synapses, dw=tuple(replace(p, exponent=p.exponent - 1) for p in synapses.dw))
    assert differing_steps(learn(inputs, wrong), stock) > 50


def test_a_negative_error_lowers_the_weight_though_the_neuron_itself_spikes():
    weights, spikes, stops = np.full((POST, PRE), 100), np.ones((40, PRE), int), [39, 40]
    negative = np.zeros((40, 3, POST), int)
    negative[:, 1] = 50
    dense = stock_learning_dense(weights, ONLINE)
    stock = stock_trajectory(dense, spikes, negative, stops, post_spikes=True)
    assert differing_steps(learn((weights, spikes, negative, stops), ONLINE), stock) == 0
    assert (stock[-1][0] < 80).all()
    # One signed factor instead of two would be clipped to 0 by the spike, and nothing learned.
    signed = -negative[:, [1, 0, 0]] * np.array([[1], [0], [0]])
    dense = stock_learning_dense(weights, ONLINE)
    assert (stock_trajectory(dense, spikes, signed, stops, post_spikes=True)[-1][0] == 100).all()


def test_the_widths_are_lavas():
    assert arithmetic.TRACE_BITS == constants.W_TRACE
    assert arithmetic.WEIGHT_BITS == constants.W_WEIGHTS_U
    assert arithmetic.TAG_BITS == constants.W_TAG_1_U
    assert arithmetic.ACCUMULATOR_BITS == constants.W_ACCUMULATOR_U
    assert arithmetic.MANTISSA_BITS == constants.W_S_MANT
    assert arithmetic.EPOCH_BITS == constants.W_EPOCH_TIME
    assert all(constants.FACTOR_TO_WIDTH_DICT[name] == bits for name, bits in FACTOR_BITS.items())


def test_lava_accepts_our_mantissas_and_exponents_as_they_are_and_no_others():
    for product in (Product(m, e, ("x1",)) for m in (-7, 4, 7) for e in range(-7, 9)):
        (stored,) = Loihi3FLearningRule(dw=rule_string((product,))).dw.products
        assert (stored.s_mantissa, stored.s_exp) == (product.mantissa, product.left_shift)
    for scale in ("9*2^0", "1*2^-8", "1*2^9"):
        with pytest.raises(ValueError):
            Loihi3FLearningRule(dw=f"{scale}*u0*x1")
    (rewritten,) = Loihi3FLearningRule(dw="-8*2^0*u0*x1").dw.products
    assert (rewritten.s_mantissa, rewritten.s_exp) == (-4, 8)


def test_the_same_rule_learns_eight_times_as_fast_in_floating_point():
    product = Product(3, -4, ("x1", "y1"))
    rule = Loihi3FLearningRule(dw=rule_string((product,)))
    x1, y1 = np.array([[64]]), np.array([[40]])
    floating = LearningRuleApplierFloat(rule.dw).apply(np.zeros((1, 1)), u=1, x1_u=x1, y1_u=y1)
    fixed = product_value(product, {"x1": x1, "y1": y1}) / 128
    assert floating == FLOAT_OVER_FIXED * fixed == 3 / 16 * 64 * 40


def test_the_membrane_with_hard_reset_equals_stock_lif():
    rng, threshold, decay = np.random.default_rng(9), 50_000, 300
    currents = rng.integers(-60_000, 60_001, (6, 200))
    currents[0] = -60_000  # down to the limit
    lif = LIF(shape=(6,), du=4095, dv=decay, vth=threshold)  # du 4095: the current keeps nothing
    RingBuffer(data=currents).s_out.connect(lif.a_in)
    # Lava aligns inputs and threshold by 6 bits and fires above the threshold, we at it.
    neuron = integer_lif(decay, 64 * threshold + 1, "hard")
    state = NeuronState(np.zeros(6, int), np.zeros(6, int))
    lowest = fired = 0
    with closing(Supervisor(lif, Loihi2SimCfg(select_tag="fixed_pt"))) as supervisor:
        supervisor.start()
        for step in range(currents.shape[1]):
            supervisor.run(1)
            spikes, state = neuron.step(64 * currents[:, step], state, LOIHI)
            np.testing.assert_array_equal(state.u * (1 - spikes), lif.v.get(), f"step {step}")
            lowest, fired = min(lowest, state.u.min()), fired + spikes.sum()
    assert lowest == -MEMBRANE_MAX and fired > 20
