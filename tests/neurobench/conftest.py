"""These tests need NeuroBench: `make test-neurobench` runs them, in an environment of its own."""

from __future__ import annotations

import importlib.util

if importlib.util.find_spec("neurobench") is None:
    collect_ignore_glob = ["test_*.py"]
