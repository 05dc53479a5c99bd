"""From torch to a specification: the same spikes, folds included, and refusals that say why."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from folding import assert_same_behaviour
from torch import nn
from torch.nn import functional as F

from onchip.models.describing.folding import before_pool, spread
from onchip.models.description import describe_model
from onchip.models.networks.layers import OTTTConv2d, OTTTLinear, SpikingLayer
from onchip.models.networks.network import SpikingNetwork
from onchip.network.convolution import Convolution
from onchip.network.layer_spec import ConvSpec, DenseSpec
from onchip.neurons.lif import LIF
from onchip.neurons.readouts import LeakyIntegrator


@pytest.mark.parametrize("readout", ["leaky", "linear", "lif"])
@pytest.mark.parametrize("reset", ["soft", "hard"])
def test_a_described_mlp_makes_the_same_spikes(make_mlp, make_batch, reset, readout):
    model = make_mlp(reset=reset, readout=readout, decay=0.7, v_threshold=1.3)
    spec = assert_same_behaviour(model, make_batch(model)[0])
    assert [layer.name for layer in spec.layers] == ["fc1", "fc2", "readout"]
    assert spec.learning is None
    assert spec.metadata == {"dataset": "none"}


def test_a_described_recurrent_mlp_makes_the_same_spikes(make_mlp, make_batch):
    model = make_mlp(recurrent=True, normalised=True, output_scale=2.74, weight_gain=1.0)
    spec = assert_same_behaviour(model, make_batch(model)[0])
    assert spec.layers[0].recurrent_weight.shape == (12, 12)


def test_pools_standardisation_and_output_scale_fold_into_plain_weights(make_convnet, make_batch):
    model = make_convnet()
    spec = assert_same_behaviour(model, make_batch(model)[0])
    kinds = [type(layer) for layer in spec.layers]
    assert kinds == [ConvSpec] * 3 + [DenseSpec] * 2
    assert spec.layers[1].weight.shape == (6, 4, 6, 6)
    assert (spec.layers[2].stride, spec.layers[2].padding) == ((4, 4), (2, 2))


def test_a_pool_before_a_dense_layer_folds_into_its_columns(make_batch):
    torch.manual_seed(1)
    conv = OTTTConv2d((2, 3), (3, 3), 0.5, padding=(1, 1), weight_gain=3.0)
    model = SpikingNetwork(
        [
            SpikingLayer("conv", conv, LIF(0.5), pool=2, scale=2.0),
            SpikingLayer("fc", OTTTLinear(3 * 2 * 3, 6, 0.5, weight_gain=2.0), LIF(0.5)),
            SpikingLayer("out", OTTTLinear(6, 4, 0.5), LeakyIntegrator(0.5)),
        ],
        (2, 4, 6),
        5,
    ).double()
    assert_same_behaviour(model, make_batch(model)[0])


def test_average_pool_then_convolution_is_one_larger_convolution(rng):
    x = torch.from_numpy(rng.normal(size=(2, 3, 8, 8)))
    weight = torch.from_numpy(rng.normal(size=(4, 3, 3, 3)))
    expected = F.conv2d(F.avg_pool2d(x, 2), weight, padding=1)
    folded = torch.from_numpy(spread(weight.numpy(), 2))
    torch.testing.assert_close(F.conv2d(x, folded, stride=2, padding=2), expected)


@pytest.mark.parametrize(("stride", "pool"), [((1, 1), 2), ((2, 1), 3), ((2, 2), 1)])
def test_convolution_then_average_pool_is_one_larger_convolution(rng, stride, pool):
    x, weight = rng.normal(size=(2, 3, 11, 5)), rng.normal(size=(4, 3, 3, 3))
    convolved = F.conv2d(torch.tensor(x), torch.tensor(weight), stride=stride, padding=1)
    pooled = before_pool(Convolution(weight, (3, 11, 5), stride, (1, 1)), pool)
    # A pool that divides the map: the border that torch would leave out is no question here.
    height, width = (side // pool * pool for side in convolved.shape[2:])
    expected = F.avg_pool2d(convolved[:, :, :height, :width], pool)
    found = pooled.transmit(x, pooled.weight)[:, :, : expected.shape[2], : expected.shape[3]]
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_what_cannot_be_described_is_named_with_its_reason(make_mlp):
    with pytest.raises(ValueError, match="Sequential is not a SpikingNetwork"):
        describe_model(nn.Sequential(nn.Linear(2, 2)))
    model = make_mlp()
    model.layers[1].connection = nn.Bilinear(12, 12, 9)
    with pytest.raises(ValueError, match=r"layer 'fc2': cannot describe.*Bilinear"):
        describe_model(model)
    model = make_mlp()
    model.layers[-1].scale = 2.74
    with pytest.raises(ValueError, match="layer 'readout': the readout's output is pooled or scal"):
        describe_model(model)


def test_nan_weights_are_refused_by_name(make_mlp):
    model = make_mlp()
    with torch.no_grad():
        model.layers[1].connection.weight[0, 0] = float("nan")
    with pytest.raises(ValueError, match="layer 'fc2': weight has 1 values that are NaN"):
        describe_model(model)


def test_a_pool_that_does_not_divide_the_map_is_refused():
    layers = [
        SpikingLayer("conv", OTTTConv2d((1, 2), (3, 3), 0.5, padding=(1, 1)), LIF(), pool=2),
        SpikingLayer("out", OTTTLinear(2 * 2 * 2, 3, 0.5), LeakyIntegrator()),
    ]
    with pytest.raises(ValueError, match="layer 'out': the pool of 2 before it does not divide"):
        describe_model(SpikingNetwork(layers, (1, 5, 5), 3))
