"""Current-based and adaptive neurons in integers: every execution against a slow loop.

Outputs and weights after learning are the same integers in the engine, in Lava with its stock
LearningDense (two traces x1 and x2 for current-based neurons), with the fast models and fused.
"""

from __future__ import annotations

import numpy as np
import pytest
from in_process import in_process
from integer_cases import INPUTS, STEPS, assert_the_loops, events, network

from onchip import ALIF, CuBa, Engine, Surrogate
from onchip.deploy.quantization.network import Quantization, quantize
from onchip.lava.fused import FusedLavaNetwork

# isort: split
from lava.proc.lif.models import PyLifModelBitAcc
from lava.proc.lif.process import LIF as StockLIF

from onchip.arithmetic.membrane import LOIHI
from onchip.deploy.files.hdf5 import Bundle, load_bundle, save_bundle
from onchip.network.learning import with_learning
from onchip.program.lower import lower_for_engine
from onchip.rules.rule import UPDATE_MODES

TRIANGLE = Surrogate("triangle")
NEURONS = {
    "cuba": CuBa(0.75, 0.5, surrogate=TRIANGLE),
    "cuba, slow current": CuBa(0.4, 0.8, reset="hard", surrogate=TRIANGLE),
    "alif": ALIF(0.7, 0.9, 0.3, surrogate=TRIANGLE),
    "alif, hard": ALIF(0.5, 0.75, 0.2, reset="hard", surrogate=TRIANGLE),
}


@pytest.mark.parametrize("mode", UPDATE_MODES)
@pytest.mark.parametrize("neuron", NEURONS.values(), ids=NEURONS)
def test_every_execution_is_the_loop_over_synapses(rng, neuron, mode):
    options = {"learning_rate": 0.3, "feedback": "symmetric", "mode": mode}
    assert_the_loops(quantize(with_learning(network(rng, neuron), **options)), *events(rng))


@pytest.mark.parametrize("kind", ["cuba", "alif"])
def test_updates_through_the_tag_are_the_loops_too(rng, kind):
    spec = with_learning(network(rng, NEURONS[kind]), learning_rate=0.3, feedback="direct")
    chip = quantize(spec, Quantization(late_updates=True))
    assert chip.learning.update_delay == 1
    assert_the_loops(chip, *events(rng))


def test_spiking_readouts_of_both_kinds_learn(rng):
    for neuron in (NEURONS["cuba"], NEURONS["alif"]):
        spec = with_learning(network(rng, neuron, neuron), learning_rate=0.3)
        chip = quantize(spec)
        engine, (frames, labels) = Engine(chip), events(rng)
        outputs = engine.learn(frames, labels)
        assert set(np.unique(outputs)) == {0, 1}
        with FusedLavaNetwork(chip) as fused:
            np.testing.assert_array_equal(fused.learn(frames, labels).outputs, outputs)
            assert fused.snapshot() == engine.snapshot()


@pytest.mark.parametrize(("decay", "current_decay"), [(0.8, 0.7), (0.7, 0.8)])
def test_decays_too_near_for_two_traces_are_refused_by_name(rng, decay, current_decay):
    neuron = CuBa(decay, current_decay, surrogate=TRIANGLE)
    spec = with_learning(network(rng, neuron), learning_rate=0.1)
    with pytest.raises(ValueError, match=r"'one': decays 0\.8\S* and 0\.7\S* are too near") as e:
        quantize(spec)
    assert "\n" not in str(e.value)


@pytest.mark.parametrize("currents", [4000, 200_000])
def test_hard_reset_cuba_in_integers_is_lavas_stock_lif(rng, currents):
    """Membranes, currents and spikes of 200 steps, currents that wrap around among them."""
    du, dv, vth = 700, 300, 900
    stock = StockLIF(shape=(20,), du=du - 1, dv=dv, vth=vth, bias_mant=0)
    model = in_process(stock, PyLifModelBitAcc)
    ours = CuBa(1 - dv / 4096, 1 - du / 4096, (vth << 6) + 1, "hard")
    state = ours.start(np.zeros(20, np.int64))
    fired = wrapped = 0
    for _ in range(200):
        arriving = rng.integers(-currents, currents + 1, 20)
        model.a_in.value = arriving.astype(np.int32)
        model.run_spk()
        past = state.i
        spikes, state = ours.step(arriving.astype(np.int64) << 6, state, LOIHI)
        np.testing.assert_array_equal(model.s_out.sent, spikes)
        np.testing.assert_array_equal(model.u, state.i)
        np.testing.assert_array_equal(model.v, state.u * (1 - spikes))
        fired += spikes.sum()
        wrapped += int((np.abs(state.i - past - (arriving << 6)) > 2**23).sum())
    assert fired > 100
    assert (wrapped > 0) == (currents > 10_000)


@pytest.mark.parametrize("mode", UPDATE_MODES)
@pytest.mark.parametrize(("slow", "fast"), [(0.9, 0.45), (0.75, 0.5), (0.3, 0.8)])
def test_two_traces_are_the_membranes_response_up_to_whole_impulses(rng, slow, fast, mode):
    """In closed form: what spikes of k steps ago leave of both at an epoch's end, unrounded."""
    neuron = CuBa(slow, fast, surrogate=TRIANGLE)
    spec = with_learning(network(rng, neuron), learning_rate=0.2, mode=mode, feedback="direct")
    chip = quantize(spec)
    program = lower_for_engine(chip)
    plan = program.schedule
    slow, fast = sorted((slow, fast), reverse=True)
    for s in program.synapses:
        if s.target == "out":
            continue
        rule, rest = s.plasticity, plan.period - plan.offsets[s.target]
        first, second = rule.impulse, rule.second[0]
        assert first / (1 - slow) <= 127 and second / (1 - fast) <= 127
        age = (np.arange(12) * plan.period + rest) / plan.period
        held = first * slow**age - second * fast**age
        response = [(slow ** (k + 1) - fast ** (k + 1)) / (slow - fast) for k in range(12)]
        unit = held.sum() / np.sum(response)
        np.testing.assert_allclose(held, unit * np.array(response), rtol=0.05)
        c = next(c for c in chip.connections if (c.source, c.target) == (s.source, s.target))
        rate, factor = c.plasticity.rate, chip.population(s.target).factor.unit
        gate, shift = (rate.gate, 10) if mode == "online" else (2.0**-rate.tag_shift, 3)
        per_factor = unit * gate * rate.mantissa * 2.0 ** (rate.exponent - shift)
        step = c.weight_step(chip.population(s.target).membrane_unit)
        assert per_factor * step / factor == pytest.approx(rate.realised, rel=0.04)
        assert rate.realised == pytest.approx(0.2, rel=0.125)


@pytest.mark.parametrize("neuron", NEURONS.values(), ids=NEURONS)
def test_a_file_brings_the_integers_back(rng, neuron, tmp_path):
    spec = with_learning(network(rng, neuron), learning_rate=0.3)
    chip = quantize(spec)
    save_bundle(tmp_path / "n.h5", Bundle(spec, chip))
    assert load_bundle(tmp_path / "n.h5").fixed == chip


def test_integers_spike_about_as_floats_do(rng):
    for neuron in NEURONS.values():
        spec = network(rng, neuron)
        frames = (rng.random((40, STEPS, INPUTS)) < 0.5).astype(float)
        counts = []
        for version in (spec, quantize(spec)):
            seen: list[np.ndarray] = []

            def record(name, output, seen=seen):
                if name != "out":
                    seen.append(output)

            Engine(version).run(frames, record)
            counts.append(np.concatenate([s.ravel() for s in seen]))
        agreeing = (counts[0] == counts[1]).mean()
        assert agreeing > 0.95 and counts[0].mean() > 0.05
