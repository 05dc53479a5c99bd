"""Lava's learning rules as in-place updates: what the fast process models compute.

A rule is a sum of products, `mantissa 2^exponent dependency f1 f2 ...` (Lava's product series). The
factors split into those of the postsynaptic neurons (`y1`, `y2`, `y3`, a row vector each), of the
inputs (`x1`, `x2`, columns) and of the synapses (`w`, `d`, `t`, matrices). Without the last a
product is an outer product, so that it can be added to the weights where they lie, and nothing
larger than the weights themselves is ever made. The results are those of lava-nc 0.10.0's stock
models (learning/learning_rule_applier.py, model/py/connection.py).
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from lava.magma.core.learning.constants import FACTOR_TO_WIDTH_DICT
from lava.magma.core.learning.string_symbols import SYNAPTIC_VARIABLE_VAR_MAPPING

from onchip.arithmetic.accumulator import FACTOR_BITS, Product
from onchip.arithmetic.loihi import ACCUMULATOR_BITS, MANTISSA_BITS

ROWS = ("y0", "y1", "y2", "y3")
COLUMNS = ("x0", "x1", "x2")
VARIABLES: dict[str, str] = SYNAPTIC_VARIABLE_VAR_MAPPING
"""Synaptic variables in a rule -> names of their Vars: w weights, d tag_2, t tag_1."""

WIDTHS: dict[str, int] = FACTOR_TO_WIDTH_DICT
"""Bits of each factor in integers: spikes 1, traces 7, synaptic variables 9 with their sign."""

UNLIMITED = (-math.inf, math.inf)


class Factor(NamedTuple):
    """f + constant, or its sign: one factor of a product; `name` as in Lava's rules."""

    name: str
    constant: float = 0
    is_sign: bool = False

    def of(self, values: Mapping[str, np.ndarray]) -> np.ndarray:
        """The factor's value from those of the traces and synaptic variables by name."""
        value = values[self.name] + self.constant if self.constant else values[self.name]
        return np.sign(value) if self.is_sign else value

    def __str__(self) -> str:
        text = f"({self.name}{self.constant:+g})" if self.constant else self.name
        return f"sgn({text})" if self.is_sign else text


@dataclass(frozen=True)
class Term:
    """One product of a rule; `exponent` is the real one (-7..8), `dependency` u, x0 or y0."""

    target: str
    mantissa: int
    exponent: int
    dependency: str
    factors: tuple[Factor, ...]

    def __str__(self) -> str:
        scale = f"{self.mantissa}*2^{self.exponent}"
        return f"{self.target} = {'*'.join((scale, self.dependency, *map(str, self.factors)))}"

    @functools.cached_property
    def rows(self) -> tuple[Factor, ...]:
        """Factors [post], the dependency y0 included."""
        return self._of(ROWS)

    @functools.cached_property
    def columns(self) -> tuple[Factor, ...]:
        """Factors [pre], the dependency x0 included."""
        return self._of(COLUMNS)

    @functools.cached_property
    def matrices(self) -> tuple[Factor, ...]:
        """Factors [post, pre]."""
        return self._of(tuple(VARIABLES))

    @functools.cached_property
    def fixed_product(self) -> Product | None:
        """The same product for `onchip.arithmetic`; None where that has no such factors."""
        names = tuple(factor.name for factor in self.factors)
        plain = all(not f.constant and f.name in FACTOR_BITS for f in self.factors)
        fits = plain and not self.matrices and self.dependency != "y0" and 1 <= len(names) <= 3
        if not fits or self.mantissa == 0:
            return None
        dependency = "u0" if self.dependency == "u" else self.dependency
        return Product(self.mantissa, self.exponent, names, dependency)

    @property
    def right_shift(self) -> int:
        """In integers: bits dropped to return to the accumulator."""
        return max(0, sum(WIDTHS[f.name] for f in self.factors) + MANTISSA_BITS - ACCUMULATOR_BITS)

    @functools.cached_property
    def vectors(self) -> frozenset[Factor]:
        """The factors of rows and columns: where one is 0 everywhere, so is the product."""
        return frozenset((*self.rows, *self.columns))

    def _of(self, names: tuple[str, ...]) -> tuple[Factor, ...]:
        gates = (Factor(self.dependency),) if self.dependency != "u" else ()
        return tuple(factor for factor in (*gates, *self.factors) if factor.name in names)


class Trace(NamedTuple):
    """A trace with its impulse, its time constant tau (steps) and exp(-1 / tau)^0..K."""

    name: str
    impulse: float
    tau: float
    decays: np.ndarray


@dataclass(frozen=True)
class FastRule:
    """A learning rule as the fast models use it.

    `terms` by the synaptic variable w, d or t that they change; `x` and `y`, the traces that are
    computed (those that a product uses or that have an impulse); `epoch` K; `third_factor`, whether
    the y are received; `limits` of each variable; `decimation` 2^k, the epochs from one at which
    products of u_k act to the next.
    """

    terms: dict[str, tuple[Term, ...]]
    x: tuple[Trace, ...]
    y: tuple[Trace, ...]
    epoch: int
    third_factor: bool
    limits: dict[str, tuple[Any, Any]]
    decimation: int

    @functools.cached_property
    def synaptic(self) -> tuple[str, ...]:
        """The synaptic variables that are changed or read."""
        read = {f.name for terms in self.terms.values() for term in terms for f in term.matrices}
        return tuple(sorted(read | set(self.terms)))

    @functools.cached_property
    def vectors(self) -> frozenset[Factor]:
        """Those of all terms."""
        return frozenset().union(*(t.vectors for terms in self.terms.values() for t in terms))

    @functools.cached_property
    def gates(self) -> frozenset[str]:
        """Which of the spikes x0 and y0 a term reads."""
        return frozenset({"x0", "y0"} & {factor.name for factor in self.vectors})

    def silent(self, values: Mapping[str, np.ndarray]) -> frozenset[Factor]:
        """The factors of rows and columns that are 0 everywhere."""
        return frozenset(factor for factor in self.vectors if not factor.of(values).any())

    def acting(self, variable: str, time_step: int, silent: frozenset[Factor]) -> list[Term]:
        """The terms of a variable without those that are 0 by one of the factors `silent`.

        Nor is a term with the dependency u_k there at a step at which it does not act.
        """
        u = time_step // self.epoch % self.decimation == 0
        return [
            term
            for term in self.terms[variable]
            if (u or term.dependency != "u") and term.vectors.isdisjoint(silent)
        ]
