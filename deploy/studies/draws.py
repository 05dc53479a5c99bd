"""Settings drawn at random: ranges, even or logarithmic, and choices."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Drawn:
    """What a setting is drawn from: `low` to `high`, or one of `choices`.

    A range is even, with `log` even in the logarithm; `integer` draws whole numbers, both ends
    included. Other numbers have six digits, so that the table shows what was run.

    Raises:
        ValueError: neither or both are given, or the range is empty.
    """

    low: float | None = None
    high: float | None = None
    log: bool = False
    integer: bool = False
    choices: Sequence[Any] = ()

    def __post_init__(self) -> None:
        """Check that there is a range or a choice."""
        if bool(self.choices) == (self.low is not None or self.high is not None):
            raise ValueError(f"{self._text()}; give low and high, or choices")
        if self.choices:
            return
        if not all(_is_number(end) for end in (self.low, self.high)):
            raise ValueError(f"{self._text()}; low and high must be numbers")
        low, high = self._ends()
        if not low < high or (self.log and low <= 0):
            raise ValueError(f"{self._text()}; low must be below high, and above 0 with log")
        if self.integer and not (low.is_integer() and high.is_integer()):
            raise ValueError(f"{self._text()}; the ends of whole numbers must be whole")

    def draw(self, rng: random.Random) -> Any:
        """Draw one value."""
        if self.choices:
            return rng.choice(list(self.choices))
        low, high = self._ends()
        above = high + 1 if self.integer else high
        share = rng.random()
        if self.log:
            value = math.exp(math.log(low) + share * (math.log(above) - math.log(low)))
        else:
            value = low + share * (above - low)
        return min(max(int(value), int(low)), int(high)) if self.integer else float(f"{value:.6g}")

    def _ends(self) -> tuple[float, float]:
        assert self.low is not None and self.high is not None
        return float(self.low), float(self.high)

    def _text(self) -> str:
        return f"study: random draws from low {self.low}, high {self.high}, choices {self.choices}"


def draw_points(drawn: Mapping[str, Drawn], points: int, seed: int) -> list[dict[str, Any]]:
    """Return the settings of each point; one without any where nothing is drawn.

    Every setting has a generator of its own, by its name: more points leave the first ones as they
    were, and another setting leaves all others.
    """
    if not drawn:
        return [{}]
    generators = {name: random.Random(f"{seed}/{name}") for name in drawn}
    return [
        {name: source.draw(generators[name]) for name, source in drawn.items()}
        for _ in range(points)
    ]


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
