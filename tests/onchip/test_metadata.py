"""Metadata of a network are equal to themselves after a file, or refused before there is one."""

from __future__ import annotations

import json
from collections import OrderedDict
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pytest

from onchip import DenseSpec, LeakyIntegrator, NetworkSpec
from onchip.metadata import plain_metadata


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ({"size": (3, 4)}, {"size": [3, 4]}),
        ({"a": {"b": ((1,), [2, (3,)])}}, {"a": {"b": [[1], [2, [3]]]}}),
        ({1: "one", np.int64(2): "two"}, {"1": "one", "2": "two"}),
        ({"n": np.float32(0.5), "k": np.int16(3)}, {"n": 0.5, "k": 3}),
        ({"m": np.arange(4).reshape(2, 2)}, {"m": [[0, 1], [2, 3]]}),
        ({"b": np.bool_(True), "none": None}, {"b": True, "none": None}),
        (MappingProxyType({"x": OrderedDict(y=2**80)}), {"x": {"y": 2**80}}),
        ({}, {}),
    ],
)
def test_plain_metadata_are_what_json_gives_back(given, kept):
    found = plain_metadata(given)
    assert found == kept and json.loads(json.dumps(found, allow_nan=False)) == found
    assert plain_metadata(found) == found
    layer = DenseSpec("readout", np.ones((2, 3)), LeakyIntegrator())
    assert NetworkSpec((layer,), (3,), 1, metadata=given).metadata == kept


def circle():
    values: dict[str, object] = {}
    values["again"] = values
    return values


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"loss": float("nan")}, "metadata 'loss' is nan, which JSON cannot hold"),
        ({"a": {"b": [1.0, float("-inf")]}}, "metadata 'a' 'b' is -inf"),
        ({"x": np.array([np.nan])}, "metadata 'x' is nan"),
        ({"x": {1, 2}}, "metadata 'x' is a set"),
        ({"x": Path("y")}, "metadata 'x' is a PosixPath"),
        ({"x": b"y"}, "metadata 'x' is a bytes"),
        ({"x": 1j}, "metadata 'x' is a complex"),
        ({1: "a", "1": "b"}, "metadata has the key '1' twice"),
        ({True: 1}, "metadata has the key True; use text"),
        ({(1, 2): 1}, r"metadata has the key \(1, 2\); use text"),
        ([("a", 1)], "metadata is a list; it must map names"),
        (circle(), "holds itself"),
    ],
)
def test_what_no_file_could_give_back_is_refused_when_the_network_is_made(given, message):
    with pytest.raises(ValueError, match=message) as caught:
        plain_metadata(given)
    assert "\n" not in str(caught.value)
    layer = DenseSpec("readout", np.ones((2, 3)), LeakyIntegrator())
    with pytest.raises(ValueError, match=message):
        NetworkSpec((layer,), (3,), 1, metadata=given)
