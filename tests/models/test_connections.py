"""The connections' backward passes against explicit loops over neurons, taps and steps."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from onchip.models.networks.layers import OTTTConv2d, OTTTLinear, SpikingLayer
from onchip.models.networks.normalization import OUTPUT_SCALE, standardize
from onchip.neurons.lif import LIF

DECAY = 0.6


def run_connection(connection, spikes, factors):
    """Steps through `spikes` [T, ...] and sends `factors` back; -> (currents, spike gradients)."""
    state, currents, back = connection.initial_state(), [], []
    for x, factor in zip(spikes, factors, strict=True):
        x = x.clone().requires_grad_()
        current, state = connection.step(x, state)
        current.backward(factor)
        currents.append(current.detach())
        back.append(x.grad)
    connection.collect_gradients()
    return currents, back


def traces_of(spikes):
    """a[n] = sum over m <= n of lambda^(n-m) s[m], the closed form."""
    return [
        sum(DECAY ** (n - m) * spikes[m].numpy() for m in range(n + 1)) for n in range(len(spikes))
    ]


def loop_conv(weight, bias, x, stride, padding):
    """Cross-correlation of one step, tap by tap: (current, list of index tuples that touch)."""
    out_h = (x.shape[2] + 2 * padding[0] - weight.shape[2]) // stride[0] + 1
    out_w = (x.shape[3] + 2 * padding[1] - weight.shape[3]) // stride[1] + 1
    touches = []
    for i, j, p, q in itertools.product(
        range(out_h), range(out_w), range(weight.shape[2]), range(weight.shape[3])
    ):
        row, column = i * stride[0] + p - padding[0], j * stride[1] + q - padding[1]
        if 0 <= row < x.shape[2] and 0 <= column < x.shape[3]:
            touches.append((i, j, p, q, row, column))
    current = np.tile(bias[None, :, None, None], (len(x), 1, out_h, out_w))
    for i, j, p, q, row, column in touches:
        current[:, :, i, j] += x[:, :, row, column] @ weight[:, :, p, q].T
    return current, touches


@pytest.mark.parametrize(
    ("stride", "padding"), [((1, 1), (1, 1)), ((2, 2), (1, 1)), ((2, 1), (0, 2))]
)
def test_convolution_gradients_are_factor_times_trace_in_a_loop(rng, stride, padding):
    connection = OTTTConv2d((2, 3), (3, 3), DECAY, stride, padding).double()
    spikes = torch.from_numpy((rng.random((4, 2, 2, 6, 5)) < 0.4).astype(float))
    weight, bias = connection.weight.detach().numpy(), connection.bias.detach().numpy()
    forward = [loop_conv(weight, bias, x.numpy(), stride, padding) for x in spikes]
    factors = [torch.from_numpy(rng.normal(size=current.shape)) for current, _ in forward]
    currents, back = run_connection(connection, spikes, factors)

    weight_gradient, bias_gradient = np.zeros_like(weight), np.zeros_like(bias)
    for n, (trace, factor) in enumerate(zip(traces_of(spikes), factors, strict=True)):
        g, sent = factor.numpy(), np.zeros(spikes[n].shape)
        for i, j, p, q, row, column in forward[n][1]:
            weight_gradient[:, :, p, q] += g[:, :, i, j].T @ trace[:, :, row, column]
            sent[:, :, row, column] += g[:, :, i, j] @ weight[:, :, p, q]
        bias_gradient += g.sum((0, 2, 3)) * sum(DECAY**k for k in range(n + 1))
        np.testing.assert_allclose(currents[n].numpy(), forward[n][0], atol=1e-12)
        np.testing.assert_allclose(back[n].numpy(), sent, atol=1e-12)
    np.testing.assert_allclose(connection.weight.grad.numpy(), weight_gradient, atol=1e-12)
    np.testing.assert_allclose(connection.bias.grad.numpy(), bias_gradient, atol=1e-12)


def test_dense_gradients_are_factor_times_trace(rng):
    connection = OTTTLinear(7, 4, DECAY).double()
    spikes = torch.from_numpy((rng.random((5, 3, 7)) < 0.4).astype(float))
    factors = torch.from_numpy(rng.normal(size=(5, 3, 4)))
    _, back = run_connection(connection, spikes, factors)
    weight = sum(
        np.einsum("bi,bj->ij", g.numpy(), a)
        for g, a in zip(factors, traces_of(spikes), strict=True)
    )
    np.testing.assert_allclose(connection.weight.grad.numpy(), weight, atol=1e-12)
    expected = np.einsum("tbi,ij->tbj", factors.numpy(), connection.weight.detach().numpy())
    np.testing.assert_allclose(torch.stack(back).numpy(), expected, atol=1e-12)


def test_a_feedback_matrix_replaces_the_weight_on_the_way_back(rng):
    connection = OTTTLinear(7, 4, DECAY).double()
    connection.feedback = torch.from_numpy(rng.normal(size=(7, 4)))
    spikes = torch.from_numpy((rng.random((2, 3, 7)) < 0.4).astype(float))
    factors = torch.from_numpy(rng.normal(size=(2, 3, 4)))
    _, back = run_connection(connection, spikes, factors)
    expected = np.einsum("tbi,ji->tbj", factors.numpy(), connection.feedback.numpy())
    np.testing.assert_allclose(torch.stack(back).numpy(), expected, atol=1e-12)


def test_recurrent_gradient_is_factor_times_delayed_trace_of_own_spikes(rng):
    own = OTTTLinear(4, 4, DECAY, bias=False).double()
    layer = SpikingLayer("fc", OTTTLinear(6, 4, DECAY).double(), LIF(DECAY), recurrent=own)
    with torch.no_grad():
        layer.connection.weight.mul_(3)
    inputs = torch.from_numpy((rng.random((6, 2, 6)) < 0.5).astype(float))
    signals = rng.normal(size=(6, 2, 4))
    state, expected = layer.initial_state(), np.zeros((4, 4))
    u = s = trace = np.zeros((2, 4))
    fired = 0.0
    weight, bias = (p.detach().numpy() for p in (layer.connection.weight, layer.connection.bias))
    for x, signal in zip(inputs, signals, strict=True):
        output, state = layer.step(x, state)
        output.backward(torch.from_numpy(signal))
        trace = DECAY * trace + s
        u = DECAY * (u - s) + x.numpy() @ weight.T + bias + s @ own.weight.detach().numpy().T
        s = (u >= 1).astype(float)
        fired += s.sum()
        np.testing.assert_array_equal(output.detach().numpy(), s)
        sigmoid = 1 / (1 + np.exp(-4 * (u - 1)))
        expected += (signal * 4 * sigmoid * (1 - sigmoid)).T @ trace
    assert fired > 5
    np.testing.assert_allclose(own.weight.grad.numpy(), expected, atol=1e-12)


def test_nothing_of_the_past_is_kept_in_the_graph(make_mlp, make_batch):
    model = make_mlp(recurrent=True)
    frames, _ = make_batch(model)
    state = model.initial_state()
    for n in range(3):
        _, state = model.step(frames[:, n].double(), state)
    tensors = [t for layer in state for part in layer for t in part if torch.is_tensor(t)]
    assert len(tensors) == 12
    assert not any(t.requires_grad for t in tensors)


def test_traces_are_kept_only_where_a_weight_learns(rng):
    connection = OTTTLinear(3, 2, DECAY).double().requires_grad_(False)
    x = torch.ones(1, 3, dtype=torch.float64)
    _, state = connection.step(x, connection.initial_state())
    assert float(state.trace.sum()) == 0.0
    connection.requires_grad_(True)
    _, state = connection.step(x, connection.initial_state())
    assert float(state.trace.sum()) == 3.0


def test_standardised_weights_follow_their_formula_channel_by_channel(rng):
    weight, gain = rng.normal(2.0, 3.0, size=(4, 3, 5, 5)), rng.normal(size=4)
    found = standardize(torch.from_numpy(weight), torch.from_numpy(gain)).numpy()
    for k in range(4):
        taps = weight[k].ravel()
        variance = sum((tap - taps.mean()) ** 2 for tap in taps) / (len(taps) - 1)
        expected = gain[k] * (weight[k] - taps.mean()) / np.sqrt(variance * len(taps) + 1e-4)
        np.testing.assert_allclose(found[k], expected, atol=1e-12)


def test_the_output_scale_is_the_inverse_deviation_of_a_normal_spike(rng):
    spikes = rng.normal(size=2_000_000) >= 1
    assert abs(1 / spikes.std() - OUTPUT_SCALE) < 0.01


@pytest.mark.parametrize("frozen", ["weight", "bias", "gain"])
def test_what_is_not_frozen_learns_as_if_nothing_were(frozen):
    spikes, factors = (torch.rand(4, 2, 5) < 0.5).double(), torch.randn(4, 2, 3).double()
    gradients = {}
    for name in ("nothing", frozen):
        torch.manual_seed(1)
        connection = OTTTLinear(5, 3, DECAY, normalised=True).double()
        for parameter, value in connection.named_parameters():
            value.requires_grad_(parameter != name)
        run_connection(connection, spikes, factors)
        gradients[name] = {k: p.grad for k, p in connection.named_parameters() if k != frozen}
    for name, gradient in gradients["nothing"].items():
        assert gradient.abs().max() > 0.1
        torch.testing.assert_close(gradients[frozen][name], gradient)


@pytest.mark.parametrize("through_time", [False, True])
@pytest.mark.parametrize(
    ("shape", "name", "message"),
    [
        ((5, 5), "mlp", r"layer 'fc1': its input \[2, 5, 5\] does not fit its weights \[12"),
        ((20, 20), "convnet", r"layer 'fc1': its input \["),
        ((3, 3), "convnet", r"layer 'conv2': its input \["),
    ],
)
def test_frames_that_do_not_fit_are_named_with_the_layer_that_they_stop_at(
    make_mlp, make_convnet, shape, name, message, through_time
):
    model = make_mlp() if name == "mlp" else make_convnet(normalised=False)
    x = torch.zeros(2, 2, *shape, dtype=torch.double)
    step = model.step_through_time if through_time else model.step
    with pytest.raises(ValueError, match=message) as caught:
        step(x, model.initial_state())
    assert "\n" not in str(caught.value)


def test_another_error_of_torch_is_not_taken_for_a_misfit(make_mlp, monkeypatch):
    model = make_mlp()

    def fail(*_):
        raise RuntimeError("CUDA error: out of memory")

    monkeypatch.setattr(model.layers[0].connection, "step", fail)
    with pytest.raises(RuntimeError, match="out of memory"):
        model.step(torch.zeros(2, 2, 4, 4, dtype=torch.double), model.initial_state())
