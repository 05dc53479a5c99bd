"""The closed form is held to an integrated membrane, to finite differences and to the events."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from onchip.models.spike_times.closed_form import spike_times_z
from onchip.models.spike_times.events import run_events
from onchip.models.spike_times.network import SpikeTimeNetwork, first_to_fire


def integrated(times: np.ndarray, weight: np.ndarray, end: float, dt: float) -> np.ndarray:
    """First crossings of 1 [post] of V' = I, I' = -I + input spikes, step by step."""
    current, membrane = np.zeros(len(weight)), np.zeros(len(weight))
    found = np.full(len(weight), np.inf)
    for step in range(round(end / dt)):
        now, before = step * dt, membrane
        membrane = membrane + current * -np.expm1(-dt)
        current = current * np.exp(-dt)
        for i in np.flatnonzero((times >= now) & (times < now + dt)):
            rest = now + dt - times[i]
            membrane = membrane - weight[:, i] * np.expm1(-rest)
            current = current + weight[:, i] * np.exp(-rest)
        crossed = np.isinf(found) & (membrane >= 1)
        part = (1 - before[crossed]) / (membrane - before)[crossed]
        found[crossed] = now + dt * part
    return found


def test_spike_times_equal_those_of_an_integrated_membrane() -> None:
    rng = np.random.default_rng(0)
    times, weight = rng.uniform(0, 3, 12), rng.normal(0.15, 0.4, (60, 12))
    times[[2, 7]] = np.inf
    z = spike_times_z(torch.from_numpy(np.exp(times))[None], torch.from_numpy(weight))
    ours, theirs = np.log(z.numpy()[0]), integrated(times, weight, 8.0, 1e-4)
    assert 10 < np.isfinite(theirs).sum() < 60
    early = ours < 7.9
    np.testing.assert_array_equal(early, np.isfinite(theirs))
    np.testing.assert_allclose(ours[early], theirs[early], atol=1e-4, rtol=0)


def test_the_denominator_sums_over_the_causal_set_alone() -> None:
    z = torch.tensor([[1.0, 2.0, 50.0]], dtype=torch.float64)
    weight = torch.tensor([[1.5, 0.5, 3.0]], dtype=torch.float64)
    # By hand: 1.5 / 0.5 = 3 is after 2, so the second counts: (1.5 + 1) / (2 - 1) = 2.5 < 50.
    assert spike_times_z(z, weight).item() == pytest.approx(2.5, abs=1e-12)


def test_gradients_equal_finite_differences_through_two_layers() -> None:
    network = SpikeTimeNetwork((6, 5, 3), seed=1)
    rng, step = np.random.default_rng(2), 1e-6
    z = torch.from_numpy(np.exp(rng.uniform(0, 2, (4, 6)))).requires_grad_()
    mix = torch.from_numpy(rng.normal(size=(4, 3)))
    assert torch.isfinite(network(z)).all()

    def value() -> torch.Tensor:
        return (mix * network(z)).sum()

    value().backward()
    for tensor in (z, *network.weights):
        flat = tensor.detach().view(-1)
        for i, ours in enumerate(tensor.grad.view(-1).tolist()):
            kept = flat[i].item()
            flat[i] = kept + step
            above = value().item()
            flat[i] = kept - step
            slope = (above - value().item()) / (2 * step)
            flat[i] = kept
            assert ours == pytest.approx(slope, rel=1e-5, abs=1e-5)


def test_neurons_and_inputs_that_never_fire_leave_no_nan() -> None:
    z = torch.tensor([[1.0, np.inf], [np.inf, np.inf]], dtype=torch.float64, requires_grad=True)
    weight = torch.tensor([[2.0, 1.0], [0.5, 9.0]], dtype=torch.float64, requires_grad=True)
    found = spike_times_z(z, weight)
    assert found.tolist() == [[2.0, np.inf], [np.inf, np.inf]]
    torch.where(torch.isfinite(found), found, 0.0).sum().backward()
    assert z.grad.tolist() == [[2.0, 0.0], [0.0, 0.0]]
    assert weight.grad.tolist() == [[-1.0, 0.0], [0.0, 0.0]]


def test_event_by_event_execution_equals_the_closed_form_in_every_layer() -> None:
    rng, spikes, silent = np.random.default_rng(3), 0, 0
    network = SpikeTimeNetwork((8, 12, 7, 3), time_constant=2.0)
    with torch.no_grad():
        for weight in network.weights:
            weight.copy_(torch.from_numpy(rng.normal(0.25, 0.5, weight.shape)))
    times = rng.integers(0, 6, (40, 8)).astype(float)  # many inputs at one time
    times[rng.random(times.shape) < 0.2] = np.inf
    layers = network.run(times)
    for sample in range(len(times)):
        found, events = run_events(network.arrays(), times[sample], 2.0)
        for ours, theirs in zip(layers, found, strict=True):
            np.testing.assert_allclose(ours[sample], theirs, rtol=1e-9, atol=1e-9)
            spikes, silent = spikes + np.isfinite(theirs).sum(), silent + np.isinf(theirs).sum()
        assert events == np.isfinite(times[sample]).sum() + sum(np.isfinite(x).sum() for x in found)
    assert spikes > 100
    assert silent > 100


@pytest.mark.parametrize(
    ("times", "message"),
    [
        ([[-1.0, 0.0]], "-1 is negative"),
        ([[np.nan, 0.0]], "hold NaN"),
        ([[51.0, 0.0]], "over 50 time constants"),
        ([[0.0]], r"must be \[batch, 2\]"),
    ],
)
def test_times_out_of_range_are_refused(times: list, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SpikeTimeNetwork((2, 3)).run(np.array(times))


@pytest.mark.parametrize("constant", [0.0, -1.0, np.inf, np.nan])
def test_time_constants_out_of_range_are_refused(constant: float) -> None:
    with pytest.raises(ValueError, match="time constant"):
        SpikeTimeNetwork((2, 3), time_constant=constant)


def test_no_output_is_no_class() -> None:
    assert first_to_fire(np.array([[np.inf, np.inf], [np.inf, 2.0]])).tolist() == [-1, 1]
