"""`onchip to-nir` and `onchip from-nir`, and pictures of networks."""

from __future__ import annotations

import importlib
import json

import nir
import numpy as np
import pytest
from nir_cases import CASES, frames_for

from onchip import Engine, with_learning, without_learning
from onchip.deploy import draw, load_spec, save_spec
from onchip.deploy.cli import main
from onchip.deploy.interchange import drawing, nir_package
from onchip.program.graphs import as_graph


@pytest.fixture
def network_file(tmp_path):
    network = with_learning(CASES["chain"](np.random.default_rng(0)), learning_rate=0.1)
    save_spec(tmp_path / "net.h5", network)
    return tmp_path / "net.h5"


def test_a_network_goes_out_and_comes_in_by_the_command_line(network_file, tmp_path, capsys):
    out, back = tmp_path / "net.nir", tmp_path / "back.h5"
    words = ["to-nir", str(network_file), "--dt", "1e-4", "--out", str(out)]
    assert main([*words, "--json", str(tmp_path / "r.json")]) == 0
    said = capsys.readouterr()
    assert said.out == f"6 nodes, dt 0.0001: {out}\n"
    assert "NIR has no place for learning" in said.err
    assert json.loads((tmp_path / "r.json").read_text())["dataset"] == "digits-dvs"
    assert main(["from-nir", str(out), "--out", str(back)]) == 0
    assert capsys.readouterr().out == f"populations one, out; 8 steps: {back}\n"
    found, network = load_spec(back), as_graph(without_learning(load_spec(network_file)))
    assert (found.populations, found.connections) == (network.populations, network.connections)
    assert found.metadata["dataset"] == "digits-dvs"
    assert found.metadata["history"][-1]["command"].startswith("onchip from-nir")
    frames = frames_for(network)
    np.testing.assert_array_equal(Engine(found).run(frames), Engine(network).run(frames))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["to-nir", "{h5}", "--dt", "0", "--out", "{nir}"], "NIR: dt is 0.0"),
        (["to-nir", "{h5}", "--dt", "1", "--pools", "x", "--out", "{nir}"], "folded, separate"),
        (["from-nir", "{foreign}", "--out", "{out}"], "pass dt"),
        (["from-nir", "{foreign}", "--dt", "1e-3", "--out", "{out}"], "pass reset='zero'"),
        (["from-nir", "{h5}", "--out", "{out}"], "it holds no NIR graph"),
        (["from-nir", "{out}", "--out", "{nir}"], "does not exist"),
    ],
)
def test_bad_input_is_one_line_and_writes_nothing(words, said, network_file, tmp_path, capsys):
    one, zero = np.ones(2), np.zeros(2)
    graph = nir.NIRGraph.from_list(nir.Linear(np.ones((2, 3))), nir.LIF(one, one, zero, one))
    nir.write(tmp_path / "foreign.nir", graph)
    places = {"h5": network_file, "foreign": tmp_path / "foreign.nir"}
    places |= {"nir": tmp_path / "net.nir", "out": tmp_path / "out.h5"}
    assert main([word.format(**places) for word in words]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
    assert not places["nir"].exists()
    assert not places["out"].exists()


def test_without_the_package_nir_one_line_says_what_to_install(
    network_file, tmp_path, capsys, monkeypatch
):
    def missing(name):
        raise ImportError(f"No module named {name!r}")

    monkeypatch.setattr(nir_package.importlib, "import_module", missing)
    assert main(["to-nir", str(network_file), "--dt", "1", "--out", str(tmp_path / "n.nir")]) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert "needs the package nir" in error
    assert "pip install nir" in error


def test_a_picture_has_every_node_and_edge(network_file, tmp_path):
    draw(load_spec(network_file), tmp_path / "net.dot")
    text = (tmp_path / "net.dot").read_text()
    edges = [("input", "one_synapses"), ("one_synapses", "one"), ("one", "out_synapses")]
    edges += [("out_synapses", "out"), ("out", "output")]
    assert all(f"{a} -> {b}" in text for a, b in edges)
    assert text.count("->") == 5


def test_a_picture_as_svg_is_what_graphviz_gives(network_file, tmp_path, monkeypatch):
    class Drawn:
        def pipe(self, **options):
            assert options == {"format": "svg", "encoding": "utf-8"}
            return "<svg/>"

    assert drawing.svg_of(Drawn()) == "<svg/>"
    monkeypatch.setenv("PATH", str(tmp_path))  # where no dot is
    with pytest.raises(ValueError, match=r"Graphviz's dot does not run .* install Graphviz"):
        draw(load_spec(network_file), tmp_path / "net.svg")
    with pytest.raises(ValueError, match=r"use .svg or .dot"):
        draw(load_spec(network_file), tmp_path / "net.png")


def test_nir_and_its_pictures_are_installed_for_the_tests():
    for name in ("nir", "nirviz"):
        assert importlib.import_module(name)
