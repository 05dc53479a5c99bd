"""Three-factor learning rules for Lava's synapses, built from typed terms, never from user strings.

    online      dw = u0*x1*y1                      y1 = -eta g
    accumulate  dt = u0*x1*y1 - u0*t*y3,  dw = u0*t*y2      y2 applies the tag, y3 clears it

On the pipelined schedule x1 already holds the spike of the next step; the term -x0*y1 takes it back
and y1 carries 1/lambda, since a[n] = (x1 - s[n+1]) / lambda.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from lava.magma.core.learning.learning_rule import Loihi3FLearningRule

from onchip.arithmetic.accumulator import FixedProduct
from onchip.engine.loihi_synapses import FixedSynapses
from onchip.program.timetable import Schedule, trace_impulse, trace_time_constant

Y_TAU = 65535
"""Time constant that Loihi3FLearningRule gives to y1, y2, y3; it cannot be switched off."""


@dataclass(frozen=True)
class Product:
    """One product of a rule: sign, dependency ("u0" every epoch, "x0" on a presynaptic spike),
    factors.
    """

    sign: int
    dependency: str
    factors: tuple[str, ...]

    def __str__(self) -> str:
        return ("-" if self.sign < 0 else "+") + "*".join((self.dependency, *self.factors))


def rule_text(products: tuple[Product, ...]) -> str:
    """The sum of products in Lava's notation."""
    return " ".join(map(str, products)).removeprefix("+")


def three_factor_rule(
    schedule: Schedule, mode: str, decay: float, arrival: int
) -> Loihi3FLearningRule:
    """The rule of a connection whose spikes arrive in phase `arrival` 1..K of the epoch.

    `mode` is "online" or "accumulate", `decay` lambda of the postsynaptic membrane.
    """
    gradient = [Product(1, "u0", ("x1", "y1"))]
    if schedule.period == 1:
        gradient.append(Product(-1, "x0", ("y1",)))
    if mode == "online":
        targets = {"dw": rule_text(tuple(gradient))}
    else:
        targets = {
            "dt": rule_text((*gradient, Product(-1, "u0", ("t", "y3")))),
            "dw": rule_text((Product(1, "u0", ("t", "y2")),)),
        }
    return Loihi3FLearningRule(
        **targets,
        x1_impulse=trace_impulse(decay, schedule.period, arrival),
        x1_tau=trace_time_constant(decay, schedule.period),
        t_epoch=schedule.period,
    )


def factor_scale(schedule: Schedule, learning_rate: float, decay: float) -> float:
    """y1 / g: -eta, made up for the decay of y within the epoch and, pipelined, for x1's lead."""
    lead = 1 / decay if schedule.period == 1 else 1.0
    return -learning_rate * lead * gate_scale(schedule)


def gate_scale(schedule: Schedule) -> float:
    """The value of a gate y2, y3 that acts as one at the epoch's end."""
    return math.exp(schedule.period / Y_TAU)


def fixed_rule(synapses: FixedSynapses) -> Loihi3FLearningRule:
    """The rule of integer synapses, its products written in Lava's notation."""
    targets = {"dw": synapses.dw, "dt": synapses.dt}
    return Loihi3FLearningRule(
        **{name: fixed_rule_text(products) for name, products in targets.items() if products},
        x1_impulse=synapses.impulse,
        x1_tau=synapses.tau,
        t_epoch=synapses.epoch,
        rng_seed=synapses.seed,
    )


def fixed_rule_text(products: tuple[FixedProduct, ...]) -> str:
    """The sum of integer products in Lava's notation."""
    terms = [
        ("-" if product.mantissa < 0 else "+")
        + "*".join(
            (
                str(abs(product.mantissa)),
                f"2^{product.exponent}",
                product.dependency,
                *product.factors,
            )
        )
        for product in products
    ]
    return " ".join(terms).removeprefix("+")
