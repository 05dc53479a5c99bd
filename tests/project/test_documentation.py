"""Every example of the README and of the pages runs, and what they name is there.

The blocks of one page run in order, in one folder, python blocks in one namespace. A block that
begins with `# NAME.toml` or `# NAME.py` is that file in the folder as well. A block that is not run
says why in a comment before it, and is listed here.
"""

from __future__ import annotations

import argparse
import ast
import importlib
import re
import shlex
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

from onchip.deploy.backends.table import BACKENDS
from onchip.deploy.cli import main, make_parser
from onchip.deploy.files.codec import network_to_tree
from onchip.deploy.files.hdf5 import Bundle, save_bundle
from onchip.deploy.files.hdf5_tree import read_tree
from onchip.deploy.files.tree import Node
from onchip.deploy.quantization.network import Quantization, quantize
from onchip.models.fptt.command_line import main as train_fptt
from onchip.models.spike_times.command_line import main as train_spike_times
from onchip.models.tdbn.command_line import main as train_tdbn
from onchip.network.convolution import Convolution
from onchip.network.enlarging import EnlargingConvolution
from onchip.network.graph import Network
from onchip.network.layer_spec import ConvSpec, DenseSpec
from onchip.network.learning import with_learning
from onchip.network.parts import Connection, Population
from onchip.network.shares import with_shares
from onchip.network.spec import NetworkSpec
from onchip.network.transforms import Dense
from onchip.neurons.alif import ALIF
from onchip.neurons.cuba import CuBa
from onchip.neurons.lava_lif import LavaLIF
from onchip.neurons.lif import LIF
from onchip.neurons.readouts import LeakyIntegrator
from onchip.neurons.surrogates import SURROGATES, Surrogate
from onchip.objectives.regression import Regression
from onchip.objectives.spike_trains import SpikeTrains
from onchip.program.graphs import as_graph
from onchip.rules.eligibilities import ELIGIBILITIES
from onchip.rules.presets import RULES

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "notebooks" / "docs"
PAGES = {path.relative_to(DOCS).as_posix(): path for path in sorted(DOCS.rglob("*.rst"))}
PAGES["README.md"] = ROOT / "README.md"
RUN = ("bash", "console", "python")

PROGRAMS = {
    ("onchip",): main,
    ("python", "-m", "onchip.models.fptt"): train_fptt,
    ("python", "-m", "onchip.models.tdbn"): train_tdbn,
    ("python", "-m", "onchip.models.spike_times"): train_spike_times,
}
"""How a command that is run begins -> the function that takes its other words."""

NOT_RUN = {
    ("quickstart.rst", "make install"): "it makes an environment and trains for minutes; "
    "the targets are checked against the Makefile",
    ("cli.rst", "torchrun --nproc-per-node 2 -m onchip.models"): "it starts processes of its own, "
    "which tests/models/test_distributed.py does",
    ("howto/study.rst", "dask scheduler"): "it needs a cluster, which "
    "tests/deploy/test_studies.py starts on one machine",
    ("costs.rst", 'pip install "onchip[sanafe]"'): "it needs a package of its own",
    ("howto/lifelong.rst", "onchip lifelong --base 6"): "it trains for a minute; "
    "the command below is run",
}
"""(page, how the block begins) -> the reason that the page gives."""


class Block(NamedTuple):
    """One block of code: its language, text, line in the page, and why it is not run, if so."""

    language: str
    text: str
    line: int
    not_run: str | None


def blocks(page: str) -> list[Block]:
    text = PAGES[page].read_text()
    return list(fenced(text) if page.endswith(".md") else directives(text))


def fenced(text: str) -> Iterator[Block]:
    pattern = r"(?:^<!-- not run: (.*?) -->\n+)?^```(\w*)\n(.*?)^```$"
    for found in re.finditer(pattern, text, re.MULTILINE | re.DOTALL):
        reason, language, code = found.groups()
        yield Block(language, code, text[: found.start(3)].count("\n") + 1, reason)


def directives(text: str) -> Iterator[Block]:
    pattern = r"(?:^\.\. not run: (.*)\n\n)?^\.\. code-block:: (\w+)\n\n((?:(?: {3}.*)?\n)+)"
    for found in re.finditer(pattern, text, re.MULTILINE):
        reason, language, code = found.groups()
        lines = [line[3:] for line in code.split("\n")]
        yield Block(language, "\n".join(lines), text[: found.start(3)].count("\n") + 1, reason)


def commands(block: Block) -> list[list[str]]:
    """The words of each command line of a block, without comments and the prompt."""
    lines = block.text.replace("\\\n", " ").splitlines()
    words = (shlex.split(line.removeprefix("$ "), comments=True) for line in lines)
    return [command for command in words if command]


def makefile_targets() -> set[str]:
    return set(re.findall(r"^([a-z][\w-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE))


RUNNABLE = [p for p in PAGES if any(b.language in RUN and b.not_run is None for b in blocks(p))]


@pytest.fixture(scope="session")
def frame_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("frames")


@pytest.fixture
def workplace(tmp_path: Path, frame_cache: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty folder to work in; what examples add to the tables is taken out again."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ONCHIP_CACHE", str(frame_cache))
    tables: list[dict[str, Any]] = [SURROGATES, BACKENDS, ELIGIBILITIES, RULES]
    kept = [dict(table) for table in tables]
    yield tmp_path
    for table, content in zip(tables, kept, strict=True):
        table.clear()
        table.update(content)


@pytest.mark.timeout(900)
@pytest.mark.parametrize("page", RUNNABLE)
def test_the_examples_of_a_page_run_in_order(page: str, workplace: Path) -> None:
    namespace: dict[str, Any] = {"__name__": "documentation"}
    for block in blocks(page):
        named = re.match(r"# (\w+\.(?:toml|py))\n", block.text)
        if named is not None:
            (workplace / named[1]).write_text(block.text)
        if block.not_run is not None or block.language not in RUN:
            continue
        if block.language == "python":
            code = "\n" * (block.line - 1) + block.text
            exec(compile(code, str(PAGES[page]), "exec", dont_inherit=True), namespace)
            continue
        for command in commands(block):
            program = next((p for p in PROGRAMS if tuple(command[: len(p)]) == p), None)
            assert program is not None, f"{page}:{block.line}: {command} is not run; say why"
            assert PROGRAMS[program](command[len(program) :]) == 0, (
                f"{page}:{block.line}: {shlex.join(command)} failed"
            )


def test_only_the_listed_blocks_are_not_run() -> None:
    found = {(p, b.text, b.not_run) for p in PAGES for b in blocks(p) if b.not_run is not None}
    listed = {(page, start): reason for (page, start), reason in NOT_RUN.items()}
    for page, text, reason in found:
        starts = [s for (p, s), r in listed.items() if p == page and text.startswith(s)]
        assert len(starts) == 1, f"{page}: {text!r} is not listed"
        assert listed.pop((page, starts[0])) == reason
    assert listed == {}


def test_the_pages_hold_no_block_that_the_extraction_misses() -> None:
    for page, path in PAGES.items():
        text = path.read_text()
        marks = r"^```\w+$" if page.endswith(".md") else r"^ *\.\. (?:code-block|code|sourcecode)::"
        assert len(re.findall(marks, text, re.MULTILINE)) == len(blocks(page)), page
        assert {block.language for block in blocks(page)} <= {*RUN, "text", "toml"}, page


def test_the_pages_toml_is_toml() -> None:
    found = [block for page in PAGES for block in blocks(page) if block.language == "toml"]
    assert found and all(tomllib.loads(block.text) for block in found)


def test_every_page_with_an_example_has_one_that_runs() -> None:
    assert len(RUNNABLE) >= 9
    assert {"README.md", "quickstart.rst", "cli.rst", "file_format.rst"} <= set(RUNNABLE)


def test_every_make_target_that_is_named_exists() -> None:
    targets = makefile_targets()
    assert {"install", "demo", "test", "docs", "bench"} <= targets
    for page, path in {**PAGES, "CONTRIBUTING.md": ROOT / "CONTRIBUTING.md"}.items():
        text = path.read_text()
        named = re.findall(r"(?:`|^ {3,4})make ([a-z][\w-]*)", text, re.MULTILINE)
        assert set(named) <= targets, page


# -- names ---------------------------------------------------------------------------------------


def resolves(path: str) -> bool:
    """Whether a dotted path is a module, or something in one."""
    parts = path.split(".")
    for end in range(len(parts), 0, -1):
        try:
            found: Any = importlib.import_module(".".join(parts[:end]))
        except ModuleNotFoundError:
            continue
        try:
            for name in parts[end:]:
                found = getattr(found, name)
        except AttributeError:
            return False
        return True
    return False


@pytest.mark.parametrize("page", PAGES)
def test_every_dotted_name_of_ours_in_a_page_can_be_imported(page: str) -> None:
    pattern = r"`~?((?:onchip|models|deploy)(?:\.\w+)+)[`(]|:: ((?:onchip|models|deploy)[.\w]*)$"
    found = re.findall(pattern, PAGES[page].read_text(), re.MULTILINE)
    names = {a or b for a, b in found} - {"onchip.network"}  # the schema's name in a file
    assert [name for name in sorted(names) if not resolves(name)] == []


@pytest.mark.parametrize("package", ["onchip", "onchip.models", "onchip.deploy"])
def test_every_public_name_is_on_its_api_page(package: str) -> None:
    text = PAGES[f"api/{package.rpartition('.')[2]}.rst"].read_text()
    shown = re.findall(
        rf"^\.\. auto(?:class|function):: {re.escape(package)}\.(\w+)$", text, re.MULTILINE
    )
    assert sorted(shown) == sorted(importlib.import_module(package).__all__)


def command_options() -> dict[str, set[str]]:
    """Command -> its options."""
    (table,) = (a for a in make_parser()._actions if isinstance(a, argparse._SubParsersAction))
    return {
        name: {option for action in parser._actions for option in action.option_strings}
        for name, parser in table.choices.items()
    }


@pytest.mark.parametrize("page", PAGES)
def test_commands_and_options_named_in_the_text_exist(page: str) -> None:
    options = command_options()
    for inline in re.findall(r"`+(onchip [^`]+)`+", PAGES[page].read_text().replace("\n", " ")):
        words = shlex.split(inline)
        if words[1] == "COMMAND":
            continue
        assert words[1] in options, inline
        assert {word for word in words[2:] if word.startswith("--")} <= options[words[1]], inline


def source_texts() -> list[str]:
    """Every string of the three packages, the values of f-strings as "..."."""
    texts = []
    for package in ("onchip", "models", "deploy"):
        for path in (ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.JoinedStr):
                    parts = (v.value if isinstance(v, ast.Constant) else "..." for v in node.values)
                    texts.append("".join(map(str, parts)))
                elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                    texts.append(node.value)
    return texts


def test_the_messages_that_troubleshooting_quotes_are_those_of_the_code() -> None:
    page = PAGES["troubleshooting.rst"].read_text().replace("\n", " ")
    quoted = [
        q for bold in re.findall(r"\*\*(.+?)\*\*", page) for q in re.findall(r'"(.+?)"', bold)
    ]
    texts = source_texts()
    assert len(quoted) >= 12
    unknown = []
    for message in quoted:
        fragments = [f.strip(" :") for f in re.split(r"\.\.\.|\bX\b", message) if f.strip(" :")]
        whole = [t for t in texts if all(fragment in t for fragment in fragments)]
        if message != "Too many open files" and not whole:  # the operating system's
            unknown.append(message)
    assert unknown == []


# -- the file format -----------------------------------------------------------------------------

TYPES = {str: "text", bool: "bool", int: "int", float: "float", list: "int list"}


def example_network(rng: np.random.Generator, reset: str, learns: bool) -> NetworkSpec:
    """A convolution, a dense layer and a readout with all that a file can hold of them."""
    lif = LIF(reset=reset, surrogate=Surrogate("triangle"))
    weight = rng.normal(size=(3, 2, 3, 3))
    conv = ConvSpec("conv1", weight, lif, (2, 6, 6), np.full(3, 0.1), padding=(1, 1))
    recurrent = rng.normal(size=(5, 5)) if learns else None
    dense = DenseSpec("fc1", rng.normal(size=(5, 108)), lif, np.full(5, 0.1), recurrent)
    readout = DenseSpec("readout", rng.normal(size=(3, 5)), LeakyIntegrator(), np.full(3, 0.1))
    spec = NetworkSpec((conv, dense, readout), (2, 6, 6), 4)
    return with_learning(spec, learning_rate=0.05, feedback="random") if learns else spec


def example_graph(rng: np.random.Generator) -> Network:
    """The same as a graph, whose convolution also reads its own spikes through larger maps."""
    network = as_graph(example_network(rng, "soft", True))
    weight = rng.normal(size=(3, 3, 3, 3))
    loop = EnlargingConvolution(weight, (3, 6, 6), (2, 2), (1, 1), 2, enlarge_first=True)
    connections = (*network.connections, Connection("conv1", "conv1", loop, delay=1))
    graph = replace(network, connections=connections)
    return with_shares(graph, {graph.populations[-1].name: np.full(graph.classes, 0.5)})


def integer_parts(rng: np.random.Generator) -> list[Node]:
    """What only some graphs in integers hold: shared weights, filters, other neurons and errors."""
    triangle = Surrogate("triangle")
    kernels = Convolution(rng.normal(size=(2, 1, 3, 3)), (1, 4, 4), padding=(1, 1))
    pair = (
        Population("maps", (2, 4, 4), LIF(0.7, surrogate=triangle)),
        Population("above", (2, 4, 4), LIF(0.7, surrogate=triangle)),
        Population("out", (3,), CuBa(0.75, 0.5, surrogate=triangle)),
    )
    higher = Convolution(rng.normal(size=(2, 2, 3, 3)), (2, 4, 4), padding=(1, 1))
    edges = (
        Connection("input", "maps", kernels),
        Connection("maps", "above", higher),
        Connection("above", "out", Dense(rng.normal(size=(3, 32)))),
    )
    maps = Network(pair, edges, (1, 4, 4), 4)
    adaptive = replace(pair[-1], neuron=ALIF(0.7, surrogate=triangle))
    drive = LavaLIF(0.5, 0.25, drive=(0.5, 0.25), surrogate=triangle)
    flat = Network(
        (replace(pair[0], shape=(2,), neuron=drive), adaptive),
        (
            Connection("input", "maps", Dense(rng.normal(size=(2, 4)))),
            Connection("maps", "out", Dense(rng.normal(size=(3, 2)))),
        ),
        (4,),
        4,
    )
    rules = [
        with_learning(
            maps, learning_rate=0.5, plastic=["maps", "above", "out"], feedback="symmetric"
        ),
        with_learning(flat, learning_rate=0.5, rule="reward-modulated"),
        with_learning(flat, learning_rate=1.0, objective=SpikeTrains()),
        with_learning(flat, learning_rate=1.0, objective=Regression()),
    ]
    roots = []
    for network in rules:
        root = Node()
        network_to_tree(quantize(network), root.add("fixed"))
        roots.append(root)
    return roots


def spike_trains_network(rng: np.random.Generator, rule: str) -> Network:
    """The neurons, rules and objectives that only graphs have."""
    surrogate = Surrogate("fast_sigmoid")
    neurons = {"one": CuBa(surrogate=surrogate), "two": ALIF(surrogate=surrogate)}
    found = Network(
        tuple(Population(name, (3,), neuron) for name, neuron in neurons.items()),
        (
            Connection("input", "one", Dense(rng.normal(size=(3, 3)))),
            Connection("one", "two", Dense(rng.normal(size=(3, 3)))),
        ),
        (3,),
        4,
    )
    feedback = None if RULES[rule].feedback else "direct"
    return with_learning(found, learning_rate=0.1, rule=rule, feedback=feedback)


def entries(node: Node) -> Iterator[tuple[str, str]]:
    """(path with N for numbers, type) of all that lies in a file."""
    path = re.sub(r"/\d+(?=/|$)", "/N", node.path).rstrip("/")
    for name, value in node.attributes.items():
        yield f"{path}/{name}", TYPES[type(value)]
    for name, array in node.arrays.items():
        yield f"{path}/{name}", "bytes" if array.dtype.kind == "S" else str(array.dtype)
    for child in node.children.values():
        yield from entries(child)


def test_the_page_on_the_file_format_lists_all_that_files_hold_and_nothing_else(
    rng: np.random.Generator, tmp_path: Path
) -> None:
    learning, netx = example_network(rng, "soft", True), example_network(rng, "hard", False)
    save_bundle(tmp_path / "learning.h5", Bundle(learning, quantize(learning)))
    save_bundle(tmp_path / "netx.h5", Bundle(netx, quantize(netx, Quantization(netx=True))))
    graph = example_graph(rng)
    save_bundle(tmp_path / "graph.h5", Bundle(graph, quantize(graph)))
    names = ("learning.h5", "netx.h5", "graph.h5")
    found = {entry for name in names for entry in entries(read_tree(tmp_path / name))}
    found |= set(entries(network_to_tree(spike_trains_network(rng, "superspike"))))
    found |= set(entries(network_to_tree(spike_trains_network(rng, "superspike-double"))))
    found |= set(entries(network_to_tree(spike_trains_network(rng, "e-prop"))))
    found |= set(entries(network_to_tree(spike_trains_network(rng, "erbp"))))
    found |= {entry for root in integer_parts(rng) for entry in entries(root)}
    rows = re.findall(
        r"^   \* - ``(/\S+)``\n     - (.+)$", PAGES["file_format.rst"].read_text(), re.MULTILINE
    )
    assert len(rows) == len(set(rows))
    assert sorted(rows) == sorted(found)


def test_the_tree_of_integers_alone_has_no_more_than_the_file(rng: np.random.Generator) -> None:
    fixed, found = quantize(example_network(rng, "soft", True)), set()
    for network in (fixed, quantize(example_graph(rng))):
        root = Node()
        network_to_tree(network, root.add("fixed"))
        found |= {path for path, _ in entries(root)}
    found |= {path for root in integer_parts(rng) for path, _ in entries(root)}
    rows = set(re.findall(r"``(/fixed/\S+)``", PAGES["file_format.rst"].read_text()))
    assert found == rows
