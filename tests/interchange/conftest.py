"""These tests need other frameworks: `make test-interchange` runs them, in .venv-interchange."""

from __future__ import annotations

import importlib.util

NEEDED = ("norse", "sinabs", "snntorch", "spikingjelly")

if any(importlib.util.find_spec(name) is None for name in NEEDED):
    collect_ignore_glob = ["test_*.py"]
