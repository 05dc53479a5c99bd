"""The committed notebooks are complete and clean, and notebooks run off the network."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import nbformat
import pytest

from onchip.models.data.walkthrough import made_cifar10dvs

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
EXECUTE = runpy.run_path(str(ROOT / "tests" / "notebooks" / "execute.py"))

MOST_CELLS = 25
# an absolute path of two parts or more, a home, a Windows drive
PATH = re.compile(r"(?<![\w.<:/])/[\w.@-]+/[\w.@-]+|~/|\b[A-Za-z]:\\|file://")
TROUBLE = re.compile(r"warning|traceback|deprecat|\berror:|exception", re.IGNORECASE)


def faults(notebook: nbformat.NotebookNode) -> list[str]:
    """What is wrong with a notebook that was run from top to bottom and committed."""
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    found = [] if len(notebook.cells) <= MOST_CELLS else [f"{len(notebook.cells)} cells"]
    if [cell.execution_count for cell in code] != list(range(1, len(code) + 1)):
        found.append("not run once from top to bottom")
    if not code or not re.search(r"^\s*assert\b", code[-1].source, re.MULTILINE):
        found.append("the last cell asserts nothing")
    if not any(cell.outputs for cell in code):
        found.append("no outputs")
    for cell in code:
        found += [f"cell {cell.execution_count}: {fault}" for fault in cell_faults(cell)]
    return found


def cell_faults(cell: nbformat.NotebookNode) -> list[str]:
    """What is wrong with a cell's source and outputs."""
    found = ["its source names a path of one machine"] if PATH.search(cell.source) else []
    for output in cell.outputs:
        if output.output_type == "error":
            found.append(f"failed with {output.ename}")
        elif output.output_type == "stream" and output.name == "stderr":
            found.append("writes to stderr")
        said = text(output)
        found += [f"its output says {match[0]!r}" for match in TROUBLE.finditer(said)]
        found += [f"its output holds the path {match[0]}" for match in PATH.finditer(said)]
        if "image/png" in output.get("data", {}) and "caption" not in cell.source:
            found.append("its figure has no caption that says which data it shows")
    return found


def text(output: nbformat.NotebookNode) -> str:
    """All that an output says in words."""
    spoken = [v for k, v in output.get("data", {}).items() if not k.startswith("image/png")]
    return "\n".join([output.get("text", ""), *map(str, spoken)])


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_a_committed_notebook_was_run_in_full_and_is_clean(path: Path) -> None:
    assert faults(nbformat.read(path, 4)) == []


def good_notebook() -> nbformat.NotebookNode:
    new = nbformat.v4
    printed = new.new_output("stream", name="stdout", text="accuracy 1/2, spikes and/or events")
    figure = new.new_output("display_data", {"image/png": "iVBORw0KGgo/a/b", "text/plain": "<F>"})
    cells = [
        new.new_markdown_cell("# Question"),
        new.new_code_cell("print(1)", execution_count=1, outputs=[printed]),
        new.new_code_cell("plot(data.caption)", execution_count=2, outputs=[figure]),
        new.new_code_cell("assert accuracy > 0.5", execution_count=3),
    ]
    return new.new_notebook(cells=cells)


def test_a_clean_notebook_has_no_faults() -> None:
    assert faults(good_notebook()) == []


def stream(words: str, name: str = "stdout") -> nbformat.NotebookNode:
    return nbformat.v4.new_output("stream", name=name, text=words)


SPOILED = {
    "30 cells": lambda nb: nb.cells.extend([nbformat.v4.new_markdown_cell("more")] * 26),
    "not run": lambda nb: nb.cells[1].update(execution_count=7),
    "asserts nothing": lambda nb: nb.cells[-1].update(source="accuracy"),
    "no outputs": lambda nb: [cell.update(outputs=[]) for cell in nb.cells[1:]],
    "stderr": lambda nb: nb.cells[1].outputs.append(stream("0 %", "stderr")),
    "failed with ValueError": lambda nb: nb.cells[1].outputs.append(
        nbformat.v4.new_output("error", ename="ValueError", evalue="bad", traceback=[])
    ),
    "says 'Warning'": lambda nb: nb.cells[1].outputs.append(stream("UserWarning: old")),
    "path /home/someone": lambda nb: nb.cells[1].outputs.append(stream("in /home/someone/x")),
    "path of one machine": lambda nb: nb.cells[1].update(source="open('/data/cifar/x')"),
    "no caption": lambda nb: nb.cells[2].update(source="plot()"),
}


@pytest.mark.parametrize("fault", SPOILED)
def test_a_spoiled_notebook_is_caught(fault: str) -> None:
    notebook = good_notebook()
    SPOILED[fault](notebook)
    assert any(fault in found for found in faults(notebook)), faults(notebook)


@pytest.fixture(scope="module")
def users_folder(tmp_path_factory) -> Path:
    """A tree with CIFAR10-DVS's class folders, file names and format, as a user would have it."""
    return made_cifar10dvs(20, 6, seed=1, cache_dir=tmp_path_factory.mktemp("data"))


@pytest.mark.long
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("number", ["02", "04"])
def test_a_walkthrough_runs_on_a_users_folder(number, users_folder, tmp_path, monkeypatch) -> None:
    """By the same cells, of which the caption alone tells whose data it is."""
    (path,) = [path for path in NOTEBOOKS if path.name.startswith(number)]
    monkeypatch.setenv("ONCHIP_DATA", str(users_folder))
    monkeypatch.setenv("ONCHIP_CACHE", str(tmp_path))
    monkeypatch.setenv("ONCHIP_QUICK", "1")
    notebook = EXECUTE["execute"](nbformat.read(path, 4), path.parent, timeout=1000)
    said = "\n".join(text(o) for cell in notebook.cells for o in cell.get("outputs", []))
    assert "CIFAR10-DVS as given by the user (120 training" in said
    assert "made set" not in said


REACHING = """
import socket, subprocess, sys, urllib.request

def refused(reach):
    try:
        reach()
    except OSError as error:
        return "notebooks run without network" in str(error)
    return False

program = "import socket; socket.create_connection(('192.0.2.1', 80), timeout=1)"
child = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
server = socket.create_server(("127.0.0.1", 0))
print(
    refused(lambda: socket.create_connection(("192.0.2.1", 80), timeout=1)),
    refused(lambda: socket.create_connection(("example.org", 80), timeout=1)),
    refused(lambda: urllib.request.urlopen("https://192.0.2.1", timeout=1)),
    refused(lambda: socket.socket(type=socket.SOCK_DGRAM).sendto(b"x", ("192.0.2.1", 53))),
    refused(lambda: socket.socket().connect_ex(("192.0.2.1", 80))),
    "notebooks run without network" in child.stderr,
    refused(lambda: socket.create_connection(server.getsockname(), timeout=1)),
)
"""


def test_cells_reach_the_machine_itself_and_nothing_else(tmp_path: Path) -> None:
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(REACHING)])
    (output,) = EXECUTE["execute"](notebook, tmp_path, timeout=60).cells[0].outputs
    assert output.text.split() == ["True"] * 6 + ["False"], output


def test_a_notebook_that_fails_is_left_as_it_was(tmp_path: Path, monkeypatch) -> None:
    path = tmp_path / "failing.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("1 / 0")]), path)
    before = path.read_bytes()
    monkeypatch.setattr("sys.argv", ["execute.py", str(path)])
    with pytest.raises(Exception, match="ZeroDivisionError"):
        EXECUTE["main"]()
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]
