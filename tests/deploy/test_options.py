"""Options: from files, kept in results, chosen so that a chip can do them, explained, completed."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from onchip import __version__
from onchip.deploy import Bundle, load_bundle, load_spec, quantize, save_bundle
from onchip.deploy.cli import COMMANDS, main, make_parser
from onchip.models import load_checkpoint
from onchip.models.training.run import Run

SMALL = {"hidden": "8", "size": 8, "time-steps": 3, "epochs": 1, "limit": 30}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A folder with a checkpoint that was trained by a file of options, and its results."""
    place = tmp_path_factory.mktemp("options")
    lines = [f"{name} = {json.dumps(value)}" for name, value in SMALL.items()]
    (place / "small.toml").write_text("\n".join(['model = "mlp"', *lines]))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ONCHIP_CACHE", str(place / "cache"))
        files = ["--out", str(place / "x.pt"), "--json", str(place / "train.json")]
        logs = ["--tensorboard", str(place / "run"), "--log", str(place / "train.csv")]
        assert main(["train", "--config", str(place / "small.toml"), *files, *logs]) == 0
        assert main(["export", str(place / "x.pt"), "--out", str(place / "network.h5")]) == 0
        yield place


def parsers() -> dict[str, Any]:
    """The commands' parsers by name."""
    (commands,) = (a for a in make_parser()._actions if a.dest == "command" or a.choices)
    return commands.choices


def test_a_result_has_every_option_and_runs_again_to_the_same_result(folder: Path) -> None:
    first = json.loads((folder / "train.json").read_text())
    assert first["command"] == "train"
    given = {name: str(value) for name, value in SMALL.items()}
    assert first["options"].items() >= {**given, "model": "mlp", "framing": "time"}.items()
    again = ["--out", str(folder / "again.pt"), "--json", str(folder / "again.json")]
    assert main(["train", "--config", str(folder / "train.json"), *again]) == 0
    second = json.loads((folder / "again.json").read_text())
    assert second["accuracy"] == first["accuracy"]
    assert {**second["options"], "out": 0} == {**first["options"], "out": 0}


def test_the_command_line_wins_over_the_file_and_tables_are_for_commands(
    folder: Path, tmp_path: Path
) -> None:
    network, out = folder / "network.h5", tmp_path / "learned.h5"
    (tmp_path / "o.toml").write_text(
        f'seed = 3\n[learn]\nfile = "{network}"\nsamples = 4\nmeasure = true\n[run]\nsamples = 9\n'
    )
    options = ["--samples", "5", "--out", str(out), "--json", str(tmp_path / "r.json")]
    log = ["--log", str(tmp_path / "log.csv"), "--limit", "30"]
    assert main(["learn", "--config", str(tmp_path / "o.toml"), *options, *log]) == 0
    result = json.loads((tmp_path / "r.json").read_text())
    assert result["samples"] == 5 and result["seed"] == 3 and "accuracy_stream" in result
    rows = (tmp_path / "log.csv").read_text().splitlines()
    assert len(rows) == 6 and rows[0].startswith("sample,label,prediction,correct,accuracy")
    right = [int(row.split(",")[3]) for row in rows[1:]]
    assert np.mean(right) == result["accuracy_stream"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("speed = 3", "x.toml: onchip learn has no 'speed'; it has backend, convolutions, "),
        ("measure = 3", "x.toml: measure is 3; it must be true or false"),
        ("samples = true", "x.toml: samples is True; it must be a value"),
        ("samples = ", "it must be TOML, or a result in JSON"),
    ],
)
def test_a_file_of_wrong_options_is_refused_in_one_line(
    tmp_path: Path, capsys, text: str, message: str
) -> None:
    (tmp_path / "x.toml").write_text(text)
    assert main(["learn", "x.h5", "--config", str(tmp_path / "x.toml")]) == 2
    said = capsys.readouterr().err
    assert message in said and len(said.splitlines()) == 1
    assert main(["learn", "x.h5", "--config", str(tmp_path / "none.toml")]) == 2
    assert "none.toml does not exist" in capsys.readouterr().err
    (tmp_path / "r.json").write_text('{"command": "train", "options": {}}')
    assert main(["learn", "x.h5", "--config", str(tmp_path / "r.json")]) == 2
    assert "it is a result of onchip train, not of learn" in capsys.readouterr().err


def test_a_value_of_a_file_is_checked_as_on_the_command_line(tmp_path: Path, capsys) -> None:
    (tmp_path / "x.toml").write_text("samples = 0")
    with pytest.raises(SystemExit):
        main(["learn", "x.h5", "--config", str(tmp_path / "x.toml")])
    assert "argument --samples: " in capsys.readouterr().err


def test_export_takes_what_a_chip_can_do_and_warns_of_what_it_cannot(
    folder: Path, tmp_path: Path, capsys
) -> None:
    assert load_spec(folder / "network.h5").learning.feedback == "symmetric"
    command = ["export", str(folder / "x.pt"), "--out", str(tmp_path / "x.h5")]
    capsys.readouterr()
    assert main(command) == 0
    assert "exact" not in capsys.readouterr().err
    assert main([*command, "--feedback", "exact"]) == 0
    assert (
        "exact feedback reads the live weights, which simulators alone" in capsys.readouterr().err
    )


@pytest.mark.parametrize(
    ("options", "delay"),
    [
        ([], 0),
        (["--schedule", "pipelined", "--plastic", "readout"], 1),
        (["--schedule", "pipelined", "--plastic", "readout", "--mode", "accumulate"], 0),
        (["--schedule", "pipelined", "--plastic", "readout", "--update-delay", "0"], 0),
    ],
)
def test_the_delay_of_updates_follows_the_schedule(
    folder: Path, tmp_path: Path, options: list[str], delay: int
) -> None:
    command = ["export", str(folder / "x.pt"), "--out", str(tmp_path / "x.h5"), *options]
    assert main(command) == 0
    assert load_spec(tmp_path / "x.h5").learning.update_delay == delay


def test_add_classes_widens_both_precisions_of_a_file(folder: Path, tmp_path: Path) -> None:
    spec = load_spec(folder / "network.h5")
    save_bundle(tmp_path / "both.h5", Bundle(spec, quantize(spec)))
    out = tmp_path / "wider.h5"
    assert main(["add-classes", str(tmp_path / "both.h5"), "2", "--out", str(out)]) == 0
    wider = load_bundle(out)
    assert (wider.spec.classes, wider.fixed.classes) == (12, 12)
    np.testing.assert_array_equal(
        wider.spec.layers[-1].weight[:10], spec.layers[-1].weight, strict=True
    )
    assert wider.spec.metadata["history"][-1]["command"].startswith("onchip add-classes")


def test_training_writes_the_figures_of_its_epochs_for_tensorboard(folder: Path) -> None:
    from onchip.files.scalars import NAME

    data = (folder / "run" / NAME).read_bytes()
    for name in (b"training/loss", b"training/train_accuracy", b"training/test_accuracy"):
        assert data.count(name) == SMALL["epochs"]


def test_a_resumed_training_takes_model_and_settings_from_its_checkpoint(
    folder: Path, tmp_path: Path, monkeypatch, capsys
) -> None:
    """The oracle: the same training of two epochs that never stopped."""
    config = ["train", "--config", str(folder / "small.toml"), "--epochs", "2", "--seed", "4"]
    config += ["--learning-rate", "0.01"]
    assert main([*config, "--out", str(tmp_path / "whole.pt")]) == 0
    honest, epochs = Run.one_epoch, []

    def interrupted(*arguments: Any) -> None:
        epochs.append(1)
        if len(epochs) > 1:
            raise KeyboardInterrupt
        honest(*arguments)

    monkeypatch.setattr(Run, "one_epoch", interrupted)
    out = tmp_path / "on.pt"
    assert main([*config, "--out", str(out)]) == 130
    monkeypatch.undo()
    monkeypatch.setenv("ONCHIP_CACHE", str(folder / "cache"))
    assert main(["train", "--resume", str(out), "--out", str(out)]) == 0
    ours, theirs = (load_checkpoint(path) for path in (out, tmp_path / "whole.pt"))
    for name, values in theirs.build().state_dict().items():
        np.testing.assert_array_equal(ours.build().state_dict()[name], values, name)
    capsys.readouterr()
    assert main(["train", "--resume", str(out), "--out", str(out), "--seed", "5"]) == 2
    assert "checkpoint" in capsys.readouterr().err  # what is given still holds, and is refused


def test_version_and_bare_command(capsys) -> None:
    with pytest.raises(SystemExit) as end:
        main(["--version"])
    assert end.value.code == 0 and capsys.readouterr().out == f"onchip {__version__}\n"
    assert main([]) == 0
    said = capsys.readouterr().out
    assert said.startswith("usage: onchip") and "add-classes" in said


@pytest.mark.parametrize("command", sorted(parsers()))
def test_every_option_has_help(command: str) -> None:
    silent = [a.dest for a in parsers()[command]._actions if not a.help]
    assert silent == []
    assert len(parsers()) == len(COMMANDS) + 2  # the commands of interchange are three


def test_bash_completes_commands_and_options(tmp_path: Path, capsys) -> None:
    assert main(["completion", "bash"]) == 0
    (tmp_path / "c.sh").write_text(capsys.readouterr().out)

    def completed(*words: str) -> list[str]:
        line = " ".join(f"'{word}'" for word in words)
        code = f"COMP_WORDS=({line}); COMP_CWORD={len(words) - 1}; _onchip; echo ${{COMPREPLY[@]}}"
        command = ["bash", "-c", f"source {tmp_path / 'c.sh'}; {code}"]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()

    assert completed("onchip", "ex") == ["export"]
    assert completed("onchip", "learn", "--keep") == ["--keep-every"]
    assert completed("onchip", "export", "--up") == ["--update-delay"]
    assert completed("onchip", "learn", f"{tmp_path}/c") == [f"{tmp_path}/c.sh"]
