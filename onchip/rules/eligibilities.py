"""The eligibilities by name."""

from __future__ import annotations

from onchip.rules.current_box import CurrentBox
from onchip.rules.eligibility import Eligibility
from onchip.rules.filtered import DoubleFiltered, Filtered, Instantaneous
from onchip.rules.recursive import Adaptive, ThroughReset

ELIGIBILITIES: dict[str, type[Eligibility]] = {
    "instantaneous": Instantaneous,
    "filtered": Filtered,
    "double_filtered": DoubleFiltered,
    "through_reset": ThroughReset,
    "adaptive": Adaptive,
    "current_box": CurrentBox,
}
"""One of one's own is a row more; its name is what files know it by."""
