"""Files are whole or absent."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from deploy.atomic import atomic_path, write_json, write_text


def test_a_file_appears_only_when_it_is_complete(tmp_path: Path) -> None:
    target = tmp_path / "x.txt"
    with atomic_path(target) as temporary:
        temporary.write_text("half")
        assert not target.exists() and temporary.parent == tmp_path
    assert target.read_text() == "half" and list(tmp_path.iterdir()) == [target]


def test_an_exception_leaves_what_was_there(tmp_path: Path) -> None:
    target = tmp_path / "x.txt"
    write_text(target, "old")

    def fail() -> None:
        with atomic_path(target) as temporary:
            temporary.write_text("new")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert target.read_text() == "old" and list(tmp_path.iterdir()) == [target]


def test_json_is_strict(tmp_path: Path) -> None:
    write_json(tmp_path / "x.json", {"a": [1, 2.5, None]})
    assert json.loads((tmp_path / "x.json").read_text()) == {"a": [1, 2.5, None]}
    with pytest.raises(ValueError, match="JSON compliant"):
        write_json(tmp_path / "y.json", {"a": float("nan")})
    assert not (tmp_path / "y.json").exists()


def test_a_folder_in_the_way_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="is a folder"):
        write_text(tmp_path, "x")
