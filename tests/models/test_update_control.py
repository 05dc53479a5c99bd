"""The training benchmark's control tells wrong updates from right ones, and nothing from either."""

from __future__ import annotations

import math
import sys
from pathlib import Path

import pytest
import torch

sys.path.append(str(Path(__file__).parents[1] / "benchmarks"))
import two_pass
import update_control

from onchip.models import build_model

SHAPE, STEPS = (2, 8, 8), 3


def model(channels=(4, 6, "P", 6)):
    options = {"classes": 4, "time_steps": STEPS, "channels": channels, "paper_code": True}
    return build_model("vgg", input_shape=SHAPE, seed=0, **options)


@pytest.fixture
def batch(rng):
    frames = torch.from_numpy((rng.random((4, STEPS, *SHAPE)) < 0.2).astype("uint8"))
    return frames, torch.eye(4)


@pytest.mark.parametrize("method", ["ottt_a", "ottt_o"])
def test_the_published_way_makes_the_same_updates_where_every_layer_fires(batch, method):
    found = update_control.spread(model(), batch[0])
    assert 0 < update_control.update_difference(found, method, *batch) < 1e-12


@pytest.mark.parametrize("method", ["ottt_a", "ottt_o"])
def test_another_decay_of_the_trace_is_seen(batch, method, monkeypatch):
    found = update_control.spread(model(), batch[0])
    monkeypatch.setattr(two_pass, "DECAY", 0.501)
    assert update_control.update_difference(found, method, *batch) > 1e-4


def test_a_silent_layer_is_an_error_that_names_it(batch):
    silenced = update_control.spread(model(), batch[0])
    with torch.no_grad():
        silenced.layers[1].connection.gain.zero_()
    name = silenced.layers[1].name
    message = rf"control: layers .*{name!r}: 0\.0.*spread the parameters"
    with pytest.raises(ValueError, match=message):
        update_control.update_difference(silenced, "ottt_a", *batch)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [([math.nan, 1.0], [1.0, 1.0]), ([0.0, 0.0], [0.0, 0.0]), ([1.0, 1.0], [math.inf, 1.0])],
    ids=["not a number", "all zero", "infinite"],
)
def test_a_comparison_that_says_nothing_is_an_error(ours, theirs):
    with pytest.raises(ValueError, match=r"parameter 'conv1': .* nothing is compared"):
        update_control.relative_difference("conv1", torch.tensor(ours), torch.tensor(theirs))


def test_differences_are_relative_to_the_largest_update():
    ours, theirs = torch.tensor([1.0, -3.0]), torch.tensor([1.5, -4.0])
    assert update_control.relative_difference("w", ours, theirs) == 0.25
