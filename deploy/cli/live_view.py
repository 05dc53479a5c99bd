"""`onchip learn --live`: what happens while a network learns, in a terminal."""

from __future__ import annotations

import sys
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from onchip.deploy.backends.streams import SampleEvent
from onchip.deploy.cli.common import say
from onchip.execution import Closing

WINDOW = 100
"""Samples of the running accuracy, as in `StreamLog`."""

OFTEN = 0.25
"""Seconds between two drawings."""

COURSE = 40
"""Columns of the accuracy's course."""

BARS = " ▁▂▃▄▅▆▇█"

Weights = Callable[[], Mapping[str, np.ndarray]]
"""Returns the present weights by the names of connections."""


def wants_live(asked: bool) -> bool:
    """Whether the view can be shown; where stderr is no terminal it is left out, with a word.

    Raises ValueError where the package rich is not installed.
    """
    if not asked:
        return False
    try:
        from rich.console import Console
    except ModuleNotFoundError:
        raise ValueError(
            "--live needs the package rich, which is not installed; pip install 'onchip[live]', or "
            "leave --live out"
        ) from None
    console = Console(file=sys.stderr)
    if console.is_terminal and not console.is_dumb_terminal:
        return True
    say("note: --live is left out: standard error is not a terminal that can be drawn on")
    return False


class LiveView(Closing):
    """Draws accuracy, spikes, changed weights and speed on stderr; give it as `on_sample`.

    `title` stands above; `total` samples of `time_steps` each, of which `done` were learned from
    before; `weights` is called at most every `OFTEN` seconds.
    """

    def __init__(
        self, title: str, total: int, time_steps: int, weights: Weights, done: int = 0
    ) -> None:
        from rich.console import Console
        from rich.live import Live

        self._title, self._total, self._steps, self._done = title, total, time_steps, done
        self._weights, self._first = weights, {n: np.array(w) for n, w in weights().items()}
        self._changed = (0, 0.0)
        self._recent, self._measured = deque[bool](maxlen=WINDOW), False
        self._course: list[float] = []
        self._rates: dict[str, float] = {}
        self._seconds, self._learned, self._drawn = 0.0, 0, 0.0
        console = Console(file=sys.stderr, highlight=False)
        self._live = Live(console=console, auto_refresh=False, redirect_stdout=False)
        self._live.start(refresh=False)
        self._draw()

    def __call__(self, event: SampleEvent) -> None:
        """Count a sample in, and draw where the last drawing is old enough."""
        self._done, self._learned = self._done + 1, self._learned + 1
        self._seconds += event.seconds
        self._measured = event.before is not None
        if event.correct is not None:
            self._recent.append(event.correct)
            self._course.append(sum(self._recent) / len(self._recent))
        for name, spikes in event.spikes.items():
            rate = float(spikes.mean())
            self._rates[name] = rate + 0.9 * (self._rates.get(name, rate) - rate)
        if time.monotonic() - self._drawn >= OFTEN:
            self._draw()

    def close(self) -> None:
        """Give the terminal back; what was drawn last stays on the screen."""
        self._live.stop()

    def __exit__(self, *exception: object) -> None:
        if exception[:1] in ((), (None,)):
            self._draw()
        self.close()

    def _draw(self) -> None:
        now = self._weights()
        changes = [np.abs(now[name] - old) for name, old in self._first.items()]
        changed = sum(int((change > 0).sum()) for change in changes)
        self._changed = changed, max((float(c.max(initial=0.0)) for c in changes), default=0.0)
        self._live.update(self._panel(), refresh=True)
        self._drawn = time.monotonic()

    def _panel(self) -> Any:
        from rich.panel import Panel
        from rich.table import Table
        from rich.text import Text

        table = Table.grid(padding=(0, 2))
        table.add_column(no_wrap=True)
        table.add_column(no_wrap=True, overflow="ellipsis")
        for name, text in self._rows():
            table.add_row(Text(name, style="bold"), Text(text))
        return Panel(table, title=Text(self._title), title_align="left", width=self._width())

    def _width(self) -> int:
        return min(self._live.console.width, 100)

    def _rows(self) -> list[tuple[str, str]]:
        """What is told, a name and a text each."""
        size = sum(old.size for old in self._first.values())
        changed, largest = self._changed
        speed = self._learned * self._steps / max(self._seconds, 1e-9)
        return [
            (
                "samples",
                f"{bar(self._done / max(self._total, 1), 24)} {self._done} of {self._total}",
            ),
            ("accuracy", self._accuracy()),
            ("", course(self._course, COURSE)),
            ("weights", f"{changed:,} of {size:,} changed, by {largest:.3g} at most"),
            ("speed", f"{speed:,.0f} steps a second" if self._learned else "-"),
            *(
                (name, f"{bar(rate, 24)} {rate:.1%} spike in a step")
                for name, rate in self._rates.items()
            ),
        ]

    def _accuracy(self) -> str:
        if not self._recent:
            return "-"
        share, count = sum(self._recent) / len(self._recent), len(self._recent)
        when = "before" if self._measured else "while"
        return f"{share:.1%} of the last {count} samples, {when} learning"


def bar(share: float, width: int) -> str:
    """Return a bar of `width` columns, of which a share in [0, 1] is full."""
    eighths = round(8 * width * min(max(share, 0.0), 1.0))
    full, rest = divmod(eighths, 8)
    partial = "▏▎▍▌▋▊▉"[rest - 1] if rest else ""
    return f"{'█' * full}{partial}".ljust(width, "·")


def course(values: list[float], width: int) -> str:
    """Return the course of values in [0, 1], the last of each of at most `width` equal parts."""
    count = min(len(values), width)
    ends = [len(values) * (i + 1) // count - 1 for i in range(count)]
    return "".join(BARS[round(8 * values[end])] for end in ends)
