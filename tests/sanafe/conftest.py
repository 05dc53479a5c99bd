"""These tests need SANA-FE: `make test-sanafe` runs them, in an environment of its own."""

from __future__ import annotations

import importlib.util

if importlib.util.find_spec("sanafe") is None:
    collect_ignore_glob = ["test_*.py"]
