"""The folded network's spikes are the original's, on random frames and on digits-dvs, in float64.

Every way in which the architectures pool and pad: pools of 2, of 4 and of a whole map, before
convolutions and before dense layers, kernels of 3 and 5 with strides.
"""

from __future__ import annotations

import pytest
import torch
from folding import assert_same_behaviour
from slow_ottt import spread_parameters

from onchip.models.architectures.recommended import recommended_network
from onchip.models.architectures.table import build_model
from onchip.models.data import load_dataset
from onchip.models.description import describe_model

SAMPLES, TIME_STEPS, SIDE = 8, 10, 32
NETWORKS = {
    "convnet": ("convnet", SIDE, {}),
    "convnet, strides and large pools": (
        "convnet",
        SIDE,
        {"channels": (6, 8), "kernels": (5, 3), "strides": (1, 2), "pools": (4, 1)},
    ),
    "convnet, padded less": ("convnet", 26, {"channels": (6, 8, 5), "strides": (2, 1, 1)}),
    "small vgg": ("vgg", SIDE, recommended_network("vgg")),
    "vgg, light": ("vgg", SIDE, {"channels": (6, 8, "P", 10, "P", 12, 8)}),
    "vgg, full behind a pool": (
        "vgg",
        SIDE,
        {"channels": (6, "P", 8, "P"), "classifier": "full", "hidden": (16,)},
    ),
    "mlp": ("mlp", SIDE, {"hidden": (40,)}),
}


@pytest.fixture(scope="module")
def events(tmp_path_factory):
    """Frames [samples, T, 2, 32, 32] of the simulated event camera."""
    cache = tmp_path_factory.mktemp("cache")
    train, _ = load_dataset("digits-dvs", limit=SAMPLES, cache_dir=cache)
    assert train.frames.shape == (SAMPLES, TIME_STEPS, 2, SIDE, SIDE)
    return torch.from_numpy(train.frames)


@pytest.mark.parametrize("case", NETWORKS)
@pytest.mark.parametrize("inputs", ["random", "digits-dvs"])
def test_a_folded_network_makes_the_same_spikes(events, case, inputs):
    name, side, options = NETWORKS[case]
    shape = {"input_shape": (2, side, side), "classes": 10, "time_steps": TIME_STEPS}
    model = build_model(name, **shape, **options).double()
    spread_parameters(model)
    frames = events[..., :side, :side]
    if inputs == "random":
        frames = (torch.rand(frames.shape) < 0.3).to(torch.uint8)
    assert_same_behaviour(model, frames, rates=(0.01, 0.99))


def test_a_pool_that_does_not_divide_its_map_is_refused_by_name():
    model = build_model("vgg", input_shape=(2, 27, 27), classes=10, channels=(6, "P", 8, 8))
    with pytest.raises(ValueError, match=r"'conv2': the pool of 2 .* not divide the map \(6, 27"):
        describe_model(model)
