"""What the sequences hold."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from onchip.models.fptt.labelled import digits
from onchip.models.fptt.tasks import GUESSING, AddTask


@pytest.mark.parametrize("steps", [2, 7, 60])
def test_each_half_marks_one_number_and_the_target_is_their_sum(steps):
    batch = AddTask(steps).draw(300, torch.Generator().manual_seed(0))
    values, mask = (part.numpy() for part in batch.x.unbind(2))
    assert set(np.unique(mask)) <= {0.0, 1.0}
    half = steps // 2
    np.testing.assert_array_equal(mask[:half].sum(0), 1)
    np.testing.assert_array_equal(mask[half:].sum(0), 1)
    marked = mask.sum(1) > 0
    assert marked.all(), "every step is marked in some sequence"
    assert 0 <= values.min() < 0.05
    assert 0.95 < values.max() < 1
    for n in range(0, 300, 50):
        total = 0.0
        for t in range(steps):
            total += values[t, n] if mask[t, n] else 0.0
            assert batch.running[t, n, 0] == pytest.approx(total, abs=1e-6)
        assert batch.target[n, 0] == pytest.approx(total, abs=1e-6)


def test_guessing_costs_the_variance_of_the_target():
    target = AddTask(10).draw(200_000, torch.Generator().manual_seed(1)).target
    assert float(target.mean()) == pytest.approx(1, abs=0.01)
    assert float((target - 1).square().mean()) == pytest.approx(GUESSING, rel=0.01)


def test_batches_are_fresh_and_follow_from_the_generator():
    task, generator = AddTask(9), torch.Generator().manual_seed(2)
    first, second = task.draw(4, generator), task.draw(4, generator)
    again = task.draw(4, torch.Generator().manual_seed(2))
    assert torch.equal(first.x, again.x)
    assert not torch.equal(first.x, second.x)


def test_the_digits_are_scikit_learns_pixel_by_pixel():
    images, labels = load_digits(return_X_y=True)
    known = {image.tobytes(): label for image, label in zip(images, labels, strict=True)}
    train, test = digits(3)
    assert (len(train), len(test)) == (1437, 360)
    seen = set()
    for part in (train, test):
        for sequence, label in zip(part.x.numpy(), part.labels.numpy(), strict=True):
            image = (sequence[:, 0] * 16).astype(np.float64).tobytes()
            assert known[image] == label
            seen.add(image)
    assert seen == set(known)
    assert np.bincount(test.labels.numpy()).min() >= 34


def test_an_epoch_has_every_sequence_once_in_the_generators_order():
    train, _ = digits(3)
    orders = []
    for seed in (0, 0, 1):
        batches = list(train.batches(100, torch.Generator().manual_seed(seed)))
        assert [len(b.target) for b in batches] == [100] * 14 + [37]
        assert batches[0].x.shape == (64, 100, 1)
        orders.append(torch.cat([b.x[:, :, 0].t() for b in batches]))
    assert torch.equal(orders[0], orders[1])
    assert not torch.equal(orders[0], orders[2])

    def rows(x):
        return sorted(map(tuple, x.tolist()))

    assert rows(orders[0]) == rows(train.x[:, :, 0])
