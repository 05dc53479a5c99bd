"""These tests need NEST (GPL-2.0): `make test-nest` runs them, in an environment of its own."""

from __future__ import annotations

import importlib.util

if importlib.util.find_spec("nest") is None:
    collect_ignore_glob = ["test_*.py"]
