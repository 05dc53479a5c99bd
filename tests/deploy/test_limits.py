"""The table of limits holds Lava's numbers where Lava has them."""

from __future__ import annotations

import math

import pytest

from onchip.deploy.checks.limits import LIMITS


def test_the_table_has_lavas_numbers() -> None:
    """Where lava-nc names a width, the table's limit is what that width holds."""
    import lava.magma.core.learning.constants as widths
    from lava.proc.lif.models import PyLifModelBitAcc

    unsigned = {
        "trace": widths.W_TRACE,
        "tag": widths.W_TAG_1_U,
        "learning epoch": widths.W_EPOCH_TIME,
    }
    for name, bits in unsigned.items():
        assert LIMITS[name].value == 2**bits - 1
    weight, mantissa = widths.W_WEIGHTS_U, widths.W_S_MANT - 1
    assert LIMITS["weight"].value == (-(2**weight), 2**weight - 1)
    assert LIMITS["rate mantissa"].value == (-(2**mantissa), 2**mantissa - 1)
    model = PyLifModelBitAcc({})
    assert LIMITS["integer decay"].value == (0, model.decay_unity - 1)
    assert LIMITS["input of one step"].value == model.max_uv_val - 1
    assert LIMITS["threshold mantissa"].value == (0, 2**PyLifModelBitAcc.vth.precision - 1)


@pytest.mark.parametrize(("exponent", "accepted"), [(-8, False), (-7, True), (8, True), (9, False)])
def test_the_exponents_of_a_product_are_those_that_lava_accepts(
    exponent: int, accepted: bool
) -> None:
    from lava.magma.core.learning.learning_rule import Loihi3FLearningRule

    assert LIMITS["rate exponent"].holds(exponent) is accepted
    rule = f"2^{exponent}*u0*x1*y1"
    if accepted:
        Loihi3FLearningRule(dw=rule, x1_tau=2, x1_impulse=1)
    else:
        with pytest.raises(ValueError, match="within -7 and 9"):
            Loihi3FLearningRule(dw=rule, x1_tau=2, x1_impulse=1)


def test_limits_name_a_source_and_a_remedy() -> None:
    for name, limit in LIMITS.items():
        assert limit.name == name and limit.source and limit.remedy
        assert (limit.value is None) == (limit.holds(1) is None) == (limit.text == "not public")
    assert LIMITS["weight"].holds(math.nan) is False
