"""A network whose frames or layers do not fit is refused before it trains, by its layer's name."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from onchip.models import build_model, train
from onchip.models.config import TrainingConfig
from onchip.models.description import describe_model
from onchip.models.networks.geometry import check_pools, check_shapes
from onchip.models.networks.layers import OTTTConv2d, OTTTLinear, SpikingLayer
from onchip.models.networks.network import SpikingNetwork
from onchip.models.training.evaluation import evaluate
from onchip.neurons.lif import LIF
from onchip.neurons.readouts import LeakyIntegrator

CHANNELS = (2, "P", 4, "P", 4)
SHAPE = {"classes": 3, "time_steps": 2, "channels": CHANNELS, "classifier": "full", "hidden": (8,)}


def vgg(height, width, **options):
    return build_model("vgg", input_shape=(2, height, width), **{**SHAPE, **options})


def frames_for(model):
    shape = (4, model.time_steps, *model.input_shape)
    labels = np.arange(4) % model.classes
    return SimpleNamespace(frames=np.zeros(shape, np.uint8), labels=labels, classes=model.classes)


def refusal(model):
    before = [p.detach().clone() for p in model.parameters()]
    data = frames_for(model)
    with pytest.raises(ValueError) as caught:
        train(model, data, data, TrainingConfig(epochs=1))
    assert "\n" not in str(caught.value)
    assert all((p == q).all() for p, q in zip(model.parameters(), before, strict=True))
    return str(caught.value)


@pytest.mark.parametrize(
    ("height", "width", "layer", "found", "size"),
    [(34, 34, "conv2", "17x17", 32), (9, 9, "conv1", "9x9", 8), (16, 18, "conv2", "8x9", 16)],
)
def test_a_vgg_whose_pool_does_not_divide_its_map_is_refused_with_the_size_that_fits(
    height, width, layer, found, size
):
    message = refusal(vgg(height, width))
    assert message.startswith(f"layer {layer!r}: its pool of 2 does not divide its map of {found}")
    assert f"take frames of {size}x{size} (--size {size}) or change the pools" in message
    check_pools(vgg(size, size))
    describe_model(vgg(size, size))  # what is recommended can be deployed


def test_frames_that_no_size_fits_are_told_to_change_the_pools():
    model = vgg(3, 3, channels=(2, "P", 4))
    connection = OTTTConv2d((2, 2), (3, 3), 0.5)  # 3x3 -> 1x1, which a pool of 2 cannot divide
    model.layers[0] = SpikingLayer("small", connection, LIF(0.5), pool=2)
    with pytest.raises(ValueError, match=r"'small': .* map of 1x1, .* deployed; change the pools"):
        check_pools(model)


@pytest.mark.parametrize("side", [16, 32, 48])
@pytest.mark.parametrize("name", ["vgg", "convnet"])
def test_what_training_accepts_can_be_described(name, side):
    options = SHAPE if name == "vgg" else {"classes": 3, "time_steps": 2}
    model = build_model(name, input_shape=(2, side, side), **options)
    check_pools(model)
    describe_model(model)


def by_hand(*layers):
    return SpikingNetwork(layers, (2, 6, 6), 3)


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ((SpikingLayer("fc", OTTTLinear(70, 3, 0.5), LIF(0.5)),), "'fc': its weight reads 70 val"),
        (
            (SpikingLayer("conv", OTTTConv2d((3, 2), (3, 3), 0.5), LIF(0.5)),),
            r"'conv': its weight reads 3 channels, but the input gives \(2, 6, 6\)",
        ),
        (
            (
                SpikingLayer("conv", OTTTConv2d((2, 4), (3, 3), 0.5), LIF(0.5), pool=2),
                SpikingLayer("out", OTTTLinear(64, 3, 0.5), LeakyIntegrator(0.5)),
            ),
            r"'out': its weight reads 64 values, but layer 'conv' gives \(4, 2, 2\)",
        ),
        (
            (SpikingLayer("conv", OTTTConv2d((2, 4), (9, 9), 0.5), LIF(0.5)),),
            r"'conv': its kernel is larger than the map \(2, 6, 6\)",
        ),
        (
            (
                SpikingLayer("fc", OTTTLinear(72, 5, 0.5), LIF(0.5)),
                SpikingLayer("conv", OTTTConv2d((5, 4), (3, 3), 0.5), LIF(0.5)),
            ),
            "'conv': its weight reads 5 channels, but layer 'fc' gives",
        ),
        (
            (
                SpikingLayer(
                    "fc", OTTTLinear(72, 5, 0.5), LIF(0.5), recurrent=OTTTLinear(4, 4, 0.5)
                ),
            ),
            r"'fc': its recurrent weight is \(4, 4\); it needs \(5, 5\)",
        ),
    ],
)
def test_layers_that_do_not_fit_each_other_are_named(layers, message):
    model = by_hand(*layers)
    with pytest.raises(ValueError, match=message):
        check_shapes(model)
    with pytest.raises(ValueError, match=message):
        evaluate(model, frames_for(model))


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("mlp", {"hidden": (6, 5), "recurrent": True}),
        ("convnet", {}),
        ("vgg", {"channels": CHANNELS, "classifier": "full"}),
        ("vgg", {"channels": (2, "P", 4), "hidden": (5,)}),
        ("vggf", {"channels": (4, 5, "P", 6, 5)}),
        ("resnet34", {"blocks": (1, 1), "widths": (4, 8)}),
    ],
)
def test_every_architecture_fits_itself(name, options):
    model = build_model(name, input_shape=(2, 16, 16), classes=3, time_steps=2, **options)
    check_shapes(model)
    check_pools(model)
    assert 0 <= evaluate(model, frames_for(model)) <= 1


def test_a_convnet_says_which_frame_size_its_pools_divide():
    with pytest.raises(ValueError, match=r"map of 3x3, which a pool .*; frames of (\d+)x\1 \(--si"):
        build_model("convnet", input_shape=(2, 12, 12), classes=3)
    build_model("convnet", input_shape=(2, 10, 10), classes=3)
