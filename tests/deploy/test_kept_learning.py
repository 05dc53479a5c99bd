"""Learning from a long stream goes on after an interruption to the result it would have had."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from onchip.deploy.backends.execution import Execution
from onchip.deploy.backends.kept_learning import Learned, learn_on, load_state, save_state
from onchip.deploy.backends.table import build
from onchip.deploy.cli import main
from onchip.deploy.files.hdf5 import Bundle, load_bundle, load_spec, save_bundle
from onchip.deploy.quantization.network import quantize

SETTINGS = {"network": "a", "backend": "numpy"}


EXACT = [
    *((backend, "float") for backend in ("numpy", "torch", "lava", "lava-fast", "lava-fused")),
    *((backend, "fixed") for backend in ("numpy", "lava", "lava-fast", "lava-fused")),
]


@pytest.mark.parametrize(("backend", "precision"), EXACT)
def test_learning_in_parts_with_a_new_execution_for_each_is_the_same(
    dense, samples, rng, tmp_path, backend: str, precision: str
) -> None:
    if precision == "fixed":
        surrogate = replace(dense.layers[0].neuron.surrogate, name="rectangle", parameter=None)
        layers = [
            replace(layer, neuron=replace(layer.neuron, surrogate=surrogate))
            for layer in dense.layers[:-1]
        ]
        dense = quantize(replace(dense, layers=(*layers, dense.layers[-1])))
    stream = samples(dense, 7, rng)
    with build(dense, backend) as execution:
        whole = learn_on(execution, stream, Learned(), 100, None, measure=True)
        expected = execution.snapshot()
    learned = Learned(accuracy_before=0.25)
    for part in (3, 6, 7):
        with build(dense, backend) as execution:
            until = (stream[0][:part], stream[1][:part])
            learned = learn_on(execution, until, learned, 100, lambda _: None, measure=True)
            save_state(tmp_path / "x.state", learned, SETTINGS)
            learned = load_state(tmp_path / "x.state", SETTINGS)
            found = execution.snapshot()
    for ours, theirs in zip(found.layers, expected.layers, strict=True):
        np.testing.assert_array_equal(ours.weight, theirs.weight)
        assert ours == theirs
    assert learned.samples == 7 and learned.accuracy_before == 0.25
    np.testing.assert_array_equal(learned.predictions, whole.predictions)


def test_the_state_is_kept_after_every_so_many_samples_but_the_last(dense, samples, rng) -> None:
    kept: list[Learned] = []
    with build(dense) as execution:
        learn_on(execution, samples(dense, 6, rng), Learned(), 2, kept.append)
    assert [learned.samples for learned in kept] == [2, 4]


def test_damage_anywhere_in_a_state_is_noticed(tmp_path, rng) -> None:
    path = tmp_path / "x.state"
    save_state(path, Learned(3, 1.0, 0.5, {"a.weight": np.ones((2, 3))}), SETTINGS)
    data = path.read_bytes()
    assert load_state(path, SETTINGS).state["a.weight"].tolist() == np.ones((2, 3)).tolist()
    for _ in range(300):
        damaged = bytearray(data)
        damaged[int(rng.integers(len(data)))] ^= 1 << int(rng.integers(8))
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match=r"x\.state: it is damaged or none \(.*\); start anew"):
            load_state(path, SETTINGS)


def test_a_state_of_other_learning_is_refused_naming_both_values(tmp_path) -> None:
    path = tmp_path / "x.state"
    save_state(path, Learned(3), SETTINGS)
    with pytest.raises(ValueError, match="it had backend 'numpy', here it is 'lava'; resume with"):
        load_state(path, {**SETTINGS, "backend": "lava"})
    with pytest.raises(FileNotFoundError, match="nothing to go on from; leave --resume out"):
        load_state(tmp_path / "none.state", SETTINGS)


# -- the command -----------------------------------------------------------------------------------

DATA = ["--limit", "30"]


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A network file, and the data's cache beside it."""
    folder = tmp_path_factory.mktemp("long")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ONCHIP_CACHE", str(folder / "cache"))
        options = ["--hidden", "8", "--size", "8", "--time-steps", "3", "--epochs", "1", *DATA]
        checkpoint = str(folder / "x.pt")
        assert main(["train", "--model", "mlp", *options, "--out", checkpoint]) == 0
        assert main(["export", checkpoint, "--out", str(folder / "network.h5")]) == 0
        spec = load_spec(folder / "network.h5")
        save_bundle(folder / "both.h5", Bundle(spec, quantize(spec)))
        yield folder / "both.h5"


def interrupt_after(monkeypatch: pytest.MonkeyPatch, times: int) -> None:
    """Ctrl-C when samples were learned from so many times."""
    honest, calls = Execution.learn, []

    def learn(*arguments: Any) -> Any:
        calls.append(1)
        if len(calls) > times:
            raise KeyboardInterrupt
        return honest(*arguments)

    monkeypatch.setattr(Execution, "learn", learn)


@pytest.mark.parametrize("precision", ["float", "fixed"])
def test_the_command_goes_on_to_the_result_it_would_have_had(
    network: Path, tmp_path: Path, monkeypatch, capsys, precision: str
) -> None:
    command = ["learn", str(network), "--precision", precision, "--measure", *DATA]
    whole, parts = tmp_path / "whole.h5", tmp_path / "parts.h5"
    assert main([*command, "--out", str(whole), "--json", str(tmp_path / "a.json")]) == 0
    command += ["--out", str(parts), "--keep-every", "7"]
    interrupt_after(monkeypatch, 2)
    assert main(command) == 130
    state = tmp_path / "parts.h5.state"
    said = capsys.readouterr().err.splitlines()[-1]
    assert said == (
        f"onchip: interrupted: go on with the same command and --resume; {state} holds what was "
        "learned from 14 of 30 samples"
    )
    assert state.is_file() and not parts.exists()
    monkeypatch.undo()
    assert main([*command, "--resume", "--json", str(tmp_path / "b.json")]) == 0
    assert "going on after 14 of 30 samples" in capsys.readouterr().err
    assert not state.exists()
    ours, theirs = load_bundle(whole), load_bundle(parts)
    for one, other in ((ours.spec, theirs.spec), (ours.fixed, theirs.fixed)):
        assert (one is None) == (other is None)
        assert one is None or one.layers == other.layers
    first, second = (json.loads((tmp_path / f"{name}.json").read_text()) for name in "ab")
    for name in ("accuracy_before", "accuracy_after", "accuracy_stream", "samples"):
        assert first[name] == second[name]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--resume", "--out", "{tmp}/x.h5"], "x.h5.state does not exist, so there is nothing"),
        (["--keep-every", "5"], "the state is kept beside --out; name a network file there"),
        (
            ["--resume", "--backend", "lava", "--precision", "fixed", "--out", "{tmp}/x.h5"],
            "x.h5.state does not exist, so there is nothing",
        ),
        (["--keep-every", "0", "--out", "{tmp}/x.h5"], "at least 1"),
    ],
)
def test_what_cannot_go_on_is_refused_in_one_line(
    network: Path, tmp_path: Path, capsys, options: list[str], message: str
) -> None:
    options = [option.format(tmp=tmp_path) for option in options]
    try:
        code: Any = main(["learn", str(network), *options, *DATA])
    except SystemExit as stop:
        code = stop.code
    assert code == 2
    assert message in capsys.readouterr().err.splitlines()[-1]
    assert list(tmp_path.iterdir()) == []


def test_another_stream_is_not_gone_on_with(network: Path, tmp_path, monkeypatch, capsys) -> None:
    command = ["learn", str(network), *DATA, "--out", str(tmp_path / "x.h5"), "--keep-every", "7"]
    interrupt_after(monkeypatch, 1)
    assert main(command) == 130
    monkeypatch.undo()
    assert main([*command, "--resume", "--seed", "9"]) == 2
    assert "it had stream" in capsys.readouterr().err.splitlines()[-1]
    assert (tmp_path / "x.h5.state").is_file()


def test_a_state_kept_in_a_terminal_is_gone_on_with_where_there_is_none(
    network: Path, tmp_path: Path, monkeypatch, capsys
) -> None:
    command = ["learn", str(network), *DATA, "--out", str(tmp_path / "x.h5"), "--keep-every", "1"]
    command += ["--live", "--json", str(tmp_path / "x.json")]
    interrupt_after(monkeypatch, 3)
    with monkeypatch.context() as patch:
        patch.setenv("TERM", "xterm-256color")
        patch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
        assert main(command) == 130
    monkeypatch.undo()
    assert "╭" in capsys.readouterr().err
    assert (tmp_path / "x.h5.state").is_file()
    assert main([*command, "--resume"]) == 0
    assert "--live is left out" in capsys.readouterr().err
    assert "accuracy_stream" in json.loads((tmp_path / "x.json").read_text())


# -- whose file it is ------------------------------------------------------------------------------


def test_only_a_state_that_the_command_kept_is_removed(network: Path, tmp_path: Path) -> None:
    other = tmp_path / "x.h5.state"
    other.write_text("something else")
    command = ["learn", str(network), *DATA, "--test-samples", "5", "--out", str(tmp_path / "x.h5")]
    assert main(command) == 0
    assert other.read_text() == "something else"
    assert main([*command, "--keep-every", "20"]) == 0  # which writes there
    assert not other.exists()


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (["{tmp}/x.h5.state"], "the state of learning beside --out and the input file"),
        (["{net}", "--log", "{tmp}/x.h5.state"], "--log and the state of learning beside --out"),
        (["{net}", "--labels", "{tmp}/x.h5.state"], "beside --out and the input labels"),
        (["{net}", "--dataset", "{tmp}/x.h5.state"], "beside --out and the input dataset"),
    ],
)
def test_a_state_over_another_file_of_the_command_is_refused_before_the_work(
    network: Path, tmp_path: Path, capsys, options: list[str], named: str
) -> None:
    state = tmp_path / "x.h5.state"
    state.write_bytes(network.read_bytes())
    words = [option.format(tmp=tmp_path, net=network) for option in options]
    assert main(["learn", *words, *DATA, "--out", str(tmp_path / "x.h5")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert named in line and line.endswith(f"both name {state}; name two files")
    assert state.read_bytes() == network.read_bytes()


def test_in_integers_patience_changes_what_is_learned_as_measuring_does_and_says_so(
    network: Path, tmp_path: Path, capsys
) -> None:
    learned = []
    for number, options in enumerate(([], ["--measure"], ["--patience", "1000"])):
        out = tmp_path / f"{number}.h5"
        command = ["learn", str(network), "--precision", "fixed", *DATA, "--test-samples", "5"]
        assert main([*command, *options, "--out", str(out)]) == 0
        integers: Any = load_bundle(out).fixed
        learned.append(integers.layers[-1].weight)
    plain, measured, patient = learned
    np.testing.assert_array_equal(patient, measured)
    assert (patient != plain).any()
    with pytest.raises(SystemExit):
        main(["learn", "--help"])
    said = " ".join(capsys.readouterr().out.split())
    assert "predicting changes how integers round, as with --measure" in said
