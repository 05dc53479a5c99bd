"""What is shown of networks, programs, results and models: short tables, as text and as HTML."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest

from onchip import LIF, ConvSpec, DenseSpec, LeakyIntegrator, NetworkSpec, chain, with_learning
from onchip.deploy import build, quantize
from onchip.deploy.backends.streams import StreamResult
from onchip.execution import RunResult
from onchip.models import build_model
from onchip.program.lower import lower
from onchip.showing import Sheet, as_html, as_text

LAYERS = (
    ConvSpec("conv", np.full((4, 2, 3, 3), 0.1), LIF(), (2, 8, 8), padding=(1, 1)),
    DenseSpec("fc1", np.full((6, 256), 0.1), LIF(0.75), np.zeros(6)),
    DenseSpec("readout", np.eye(3, 6), LeakyIntegrator(0.5)),
)


class Cells(HTMLParser):
    """The cells of a table, row by row."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        if tag == "tr":
            self.rows.append([])

    def handle_data(self, data: str) -> None:
        if self.rows:
            self.rows[-1].append(data)


@pytest.mark.parametrize("form", ["chain", "graph", "integers", "program"])
def test_a_network_is_a_row_for_each_part_with_its_parameters(form: str) -> None:
    spec = NetworkSpec(LAYERS, (2, 8, 8), 5)
    network: Any = chain(LAYERS, (2, 8, 8), 5) if form in ("graph", "program") else spec
    network = with_learning(network, learning_rate=0.1, feedback="symmetric")
    network = quantize(network) if form == "integers" else network
    shown: Any = lower(network, "sequenced") if form == "program" else network
    lines = repr(shown).splitlines()
    assert len(lines) == 5 and max(map(len, lines)) < 110
    cells = [line.split() for line in lines]
    assert cells[1] == ["name", "kind", "shape", "neuron", "plastic", "parameters"]
    counts = {row[0]: (row[-2], row[-1]) for row in cells[2:]}
    fc1 = "1,548" if form == "integers" else "1,542"  # the chip's bias, and synapses that learn it
    assert counts == {"conv": ("no", "72"), "fc1": ("yes", fc1), "readout": ("yes", "18")}
    assert "4 x 8 x 8" in lines[2] and "LIF 0.75" in lines[3]
    rows = Cells(shown._repr_html_()).rows
    assert [row[0] for row in rows] == ["name", "conv", "fc1", "readout"]
    assert rows[2][-1] == fc1
    title = "sequenced, epoch" if form == "program" else "5 time steps, 3 outputs, learns online"
    assert title in lines[0] and title in shown._repr_html_()


def test_html_is_escaped_and_text_is_aligned() -> None:
    sheet = Sheet("a < b", ("x", "y"), [("<1>", "2"), ("longer", "&")])
    assert as_text(sheet) == "a < b\n  x       y\n  <1>     2\n  longer  &"
    assert "<1>" not in as_html(sheet) and "&lt;1&gt;" in as_html(sheet)
    assert Cells(as_html(sheet)).rows[1:] == [["<1>", "2"], ["longer", "&"]]


def test_results_are_short_and_equal_as_before(rng: np.random.Generator) -> None:
    outputs = rng.normal(size=(7, 5, 3))
    spikes = {"fc1": np.ones((7, 5, 4), np.uint8)}
    text = repr(RunResult(outputs, spikes))
    assert "7 samples, 5 time steps, 3 outputs" in text and "fc1    1.0000" in text
    assert len(text.splitlines()) == 3
    result = StreamResult(np.zeros(4, np.int64), np.array([1, 0, -1, 1]), 3, 1.0, True)
    assert (
        "accuracy              0.6667" in repr(result) and "<td>0.6667</td>" in result._repr_html_()
    )


def test_an_execution_and_a_model_show_their_network(rng: np.random.Generator) -> None:
    spec = with_learning(chain(LAYERS[1:], (256,), 5), learning_rate=0.1)
    frames = (rng.random((2, 5, 256)) < 0.1).astype(np.uint8)
    with build(spec, "numpy") as execution:
        result = execution.learn(frames, np.array([0, 1]))
        assert repr(execution).startswith("Execution on numpy, 2 samples\nNetwork: input 256, 5")
    assert repr(result).startswith("LearnResult: 2 samples, none predicted before")
    model = build_model("mlp", input_shape=(2, 8, 8), classes=3, time_steps=5, hidden=[10])
    lines = repr(model).splitlines()
    assert lines[0] == "mlp: input 2 x 8 x 8, 5 time steps, 3 outputs"
    assert [line.split()[0] for line in lines[2:]] == ["fc1", "readout"]
    assert lines[2].split()[-1] == f"{128 * 10 + 10 + 10:,}" and "<table>" in model._repr_html_()
