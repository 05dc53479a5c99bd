"""A headless Chromium, driven through its debugging pipe: what a page logs, loads, looks like."""

from __future__ import annotations

import base64
import itertools
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--remote-debugging-pipe",
)
LAUNCH = """
import os, sys
read, write = int(sys.argv[1]), int(sys.argv[2])
os.dup2(read, 3), os.dup2(write, 4)
os.execv(sys.argv[3], sys.argv[3:])
"""
"""Chromium reads from descriptor 3 and writes to 4."""


def find_chromium() -> str | None:
    """The path of the browser, where there is one."""
    return next(filter(None, map(shutil.which, NAMES)), None)


@dataclass
class Page:
    """A page that is open: `problems` are errors and warnings of its console, `requests` URLs."""

    read: BinaryIO
    write: BinaryIO
    problems: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    session: str = ""
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Send a command and return its result; events on the way are noted."""
        number = next(self.numbers)
        message = {"id": number, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        self.write.write(json.dumps(message).encode() + b"\0")
        self.write.flush()
        while True:
            answer = self._next()
            if answer.get("id") == number:
                assert "error" not in answer, answer
                return answer["result"]

    def wait_for(self, event: str) -> None:
        """Read until an event of this name comes."""
        while self._next().get("method") != event:
            pass

    def evaluate(self, expression: str) -> Any:
        """The value of an expression in the page."""
        found = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def open(self, path: Path, width: int, height: int = 900) -> None:
        """Load a file at a width in CSS pixels."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 600,
        )
        self.call("Page.navigate", url=path.resolve().as_uri())
        self.wait_for("Page.loadEventFired")

    def screenshot(self, path: Path) -> None:
        """Write a picture of the page from top to bottom."""
        found = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(found["data"]))

    def _next(self) -> dict[str, Any]:
        message: dict[str, Any] = json.loads(self._read_message())
        method, given = message.get("method"), message.get("params", {})
        if method == "Runtime.exceptionThrown":
            self.problems.append(str(given["exceptionDetails"]))
        elif method == "Runtime.consoleAPICalled" and given["type"] in ("error", "warning"):
            self.problems.append(str(given["args"]))
        elif method == "Log.entryAdded" and given["entry"]["level"] in ("error", "warning"):
            self.problems.append(given["entry"]["text"])
        elif method == "Network.requestWillBeSent":
            self.requests.append(given["request"]["url"])
        return message

    def _read_message(self) -> bytes:
        parts = bytearray()
        while (byte := self.read.read(1)) != b"\0":
            assert byte, "Chromium ended"
            parts += byte
        return bytes(parts)


@contextmanager
def chromium_page(program: str, profile: Path) -> Iterator[Page]:
    """An empty page in a browser of its own, whose profile is in the empty folder `profile`."""
    from_us, to_browser = os.pipe()
    from_browser, to_us = os.pipe()
    words = [program, *FLAGS, f"--user-data-dir={profile}", "about:blank"]
    process = subprocess.Popen(
        [sys.executable, "-c", LAUNCH, str(from_us), str(to_us), *words],
        pass_fds=(from_us, to_us),
        stderr=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
    os.close(from_us)
    os.close(to_us)
    with os.fdopen(from_browser, "rb") as read, os.fdopen(to_browser, "wb") as write:
        page = Page(read, write)
        try:
            targets = page.call("Target.getTargets")["targetInfos"]
            target = next(t["targetId"] for t in targets if t["type"] == "page")
            attached = page.call("Target.attachToTarget", targetId=target, flatten=True)
            page.session = attached["sessionId"]
            for domain in ("Page", "Runtime", "Log", "Network"):
                page.call(f"{domain}.enable")
            yield page
        finally:
            process.terminate()
            process.wait(timeout=20)
