"""These tests need lava-dl: `make test-netx` runs them, in an environment of its own."""

from __future__ import annotations

import importlib.util

if importlib.util.find_spec("lava.lib") is None:
    collect_ignore_glob = ["test_*.py"]
