"""Without SANA-FE, an optional extra, its estimate is refused by name and all else works."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from graph_cases import residual

from onchip.deploy.costs.traffic import traffic_of


def test_the_missing_package_is_named_with_its_license(rng, monkeypatch):
    monkeypatch.setitem(sys.modules, "sanafe", None)
    with pytest.raises(
        ValueError, match=r"sanafe is not installed: pip install sanafe \(GPL-3.0\)"
    ):
        traffic_of(residual(rng), np.zeros((1, 10, 6)), False)
