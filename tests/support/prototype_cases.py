"""Heads of prototypes that know two of four classes, and streams of what comes then."""

from __future__ import annotations

import numpy as np

from onchip.deploy.lifelong.integer_prototypes import IntegerPrototypes, calibrate
from onchip.deploy.lifelong.prototypes import Prototypes, base_prototypes

STEPS, FEATURES, LIMIT = 4, 12, 7
TAGS = {"float": "floating_pt", "integers": "fixed_pt"}


def prototype_case(precision, samples=60, novelty=0.75, seed=2):
    """A head, and a stream of (spikes, label): labels are missing, samples have no spike."""
    rng = np.random.default_rng(seed)
    centres = rng.random((4, FEATURES)) ** 2
    labels = np.concatenate([np.repeat([0, 1], 10), rng.integers(0, 4, samples)])
    spikes = (rng.random((len(labels), STEPS, FEATURES)) < centres[labels][:, None]).astype(int)
    spikes[-3] = spikes[-20] = 0
    base, counts = slice(0, 20), spikes.sum(axis=1)
    known = (base_prototypes(counts[base], labels[base], [0, 1]), [0, 1], [20, 20])
    if precision == "float":
        head = Prototypes(*known, novelty, LIMIT)
    else:
        scales = calibrate(known[0], counts[base], STEPS, seed=3)
        head = IntegerPrototypes(*known, scales, novelty, LIMIT)
    given = [None if i % 5 == 3 else int(c) for i, c in enumerate(labels[20:])]
    return head, list(zip(spikes[20:], given, strict=True))


def same_state(ours, theirs, precision):
    """Assert that two states are equal, in floating point up to the last bits of the weights."""
    assert set(ours) == set(theirs)
    for name, values in ours.items():
        if precision == "float" and name == "weights":
            np.testing.assert_allclose(theirs[name], values, rtol=1e-12, atol=1e-14)
        else:
            np.testing.assert_array_equal(theirs[name], values, name)
