"""These tests need a wheel in an environment of its own: `make test-wheel` makes both."""

from __future__ import annotations

from pathlib import Path

if not (Path(__file__).parents[2] / ".venv-wheel" / ".installed").exists():
    collect_ignore_glob = ["test_*.py"]
