"""A program's learning rules in Lava's notation, built from products, never from user strings."""

from __future__ import annotations

from typing import Any

from lava.magma.core.learning.learning_rule import Loihi3FLearningRule

from onchip.arithmetic.accumulator import Product
from onchip.program.synapses import Plasticity


def learning_rule(plasticity: Plasticity) -> Loihi3FLearningRule:
    """Return Lava's rule of plastic synapses."""
    targets = {"dw": plasticity.dw, "dt": plasticity.dt, "dd": plasticity.dd}
    options: dict[str, Any] = {
        n: rule_text(products) for n, products in targets.items() if products
    }
    if plasticity.second is not None:
        options["x2_impulse"], options["x2_tau"] = plasticity.second
    return Loihi3FLearningRule(
        **options,
        x1_impulse=plasticity.impulse,
        x1_tau=plasticity.tau,
        t_epoch=plasticity.epoch,
        rng_seed=plasticity.seed,
    )


def rule_text(products: tuple[Product, ...]) -> str:
    """Return the sum of products in Lava's notation; a scale of one is left out."""
    return " ".join(map(_term, products)).removeprefix("+")


def _term(product: Product) -> str:
    scale = abs(product.mantissa), product.exponent
    factors = (product.dependency, *product.factors)
    shown = factors if scale == (1, 0) else (str(scale[0]), f"2^{scale[1]}", *factors)
    return ("-" if product.mantissa < 0 else "+") + "*".join(shown)
