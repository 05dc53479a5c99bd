"""A setting that does not exist is told, wherever it is set."""

from __future__ import annotations

import copy

import numpy as np
import pytest

from onchip import LIF, DenseSpec, Engine, LeakyIntegrator, NetworkSpec
from onchip.execution import Closing
from onchip.sealed import Sealed


class Outer(Sealed):
    def __init__(self):
        self.rate = 1


class Inner(Outer):
    def __init__(self):
        super().__init__()
        self.depth = 2


def test_a_constructor_and_its_subclass_make_attributes_and_nobody_else():
    made = Inner()
    made.rate, made.depth, made._own = 3, 4, 5
    assert (made.rate, made.depth) == (3, 4)
    with pytest.raises(AttributeError, match=r"Inner has .*'rates', .*mean 'rate'") as told:
        made.rates = 5
    assert "\n" not in str(told.value) and not hasattr(made, "rates")
    with pytest.raises(AttributeError, match="settings are given where"):
        copy.deepcopy(made).learning_momentum = 5


def test_a_context_manager_is_sealed_too():
    with pytest.raises(AttributeError, match="Closing has no attribute 'learning_rate'"):
        Closing().learning_rate = 0.5


@pytest.mark.parametrize("name", ["learning_rate", "decay", "mode", "plastic"])
def test_engines_take_no_settings_that_are_the_spec_s(name, rng):
    from onchip.deploy.quantization.network import quantize

    layers = (
        DenseSpec("a", rng.normal(0, 1, (4, 5)), LIF()),
        DenseSpec("b", rng.normal(0, 1, (3, 4)), LeakyIntegrator()),
    )
    spec = NetworkSpec(layers, (5,), 2)
    for engine in (Engine(spec), Engine(quantize(spec))):
        with pytest.raises(AttributeError, match=f"has no attribute '{name}'"):
            setattr(engine, name, 0.5)
        assert engine.run(np.ones((1, 2, 5))).shape == (1, 2, 3)
