"""The command line, end to end on a tiny network and a few samples."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from onchip.deploy.backends.table import BACKENDS
from onchip.deploy.cli import main, make_parser
from onchip.deploy.cli.data import take
from onchip.deploy.cli.train_command import make_config
from onchip.deploy.files.hdf5 import load_spec, save_spec
from onchip.models.data import FrameDataset
from onchip.network.learning import with_learning

COMMANDS = ["train", "evaluate", "export", "quantize", "check", "cost", "unroll", "add-classes"]
COMMANDS += ["run", "learn", "lifelong", "parity", "demo", "study", "datasets"]
COMMANDS += ["to-nir", "from-nir", "from-netx"]
COMMANDS += ["completion"]
COMMON = {"dataset", "split", "seed", "backend", "precision", "versions"}
DATA = ["--limit", "20"]
TRAIN = ["train", "--model", "mlp", "--hidden", "12", "--size", "8", "--time-steps", "4", *DATA]


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A folder with checkpoint.pt, train.json, network.h5 and a dataset cache of its own."""
    folder = tmp_path_factory.mktemp("cli")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ONCHIP_CACHE", str(folder / "cache"))
        checkpoint = str(folder / "checkpoint.pt")
        options = ["--epochs", "2", "--seed", "3", "--json", str(folder / "train.json")]
        assert main([*TRAIN, *options, "--out", checkpoint]) == 0
        assert main(["export", checkpoint, "--out", str(folder / "network.h5")]) == 0
        yield folder


def results(arguments: list[str], folder: Path, code: int = 0) -> dict[str, Any]:
    """What a command writes with --json."""
    path = folder / "results.json"
    assert main([*arguments, "--json", str(path)]) == code
    values = json.loads(path.read_text())
    assert COMMON <= values.keys()
    return values


def complaint(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """The one line on stderr with which a command refuses bad input."""
    capsys.readouterr()
    try:
        code = main(arguments)
    except SystemExit as stop:
        code = stop.code
    captured = capsys.readouterr()
    lines = [line for line in captured.err.splitlines() if line.startswith("onchip: error: ")]
    assert code == 2 and len(lines) == 1, captured.err
    assert "Traceback" not in captured.err
    return lines[0]


def test_train_writes_a_checkpoint_and_its_results(workplace: Path) -> None:
    values = json.loads((workplace / "train.json").read_text())
    assert values.keys() >= COMMON | {"accuracy", "epochs", "seconds", "peak_memory_bytes"}
    assert values["epochs"] == 2 and values["seed"] == 3 and values["dataset"] == "digits-dvs"
    assert values["split"] == "random" and values["precision"] == "float32"
    assert 0 <= values["accuracy"] <= 1 and values["peak_memory_bytes"] > 1e7
    assert not list(workplace.glob(".checkpoint*"))


def test_training_twice_gives_the_same_and_resuming_goes_on(workplace: Path) -> None:
    again, part = str(workplace / "again.pt"), str(workplace / "part.pt")
    first = json.loads((workplace / "train.json").read_text())
    options = ["--epochs", "2", "--seed", "3"]
    assert results([*TRAIN, *options, "--out", again], workplace)["accuracy"] == first["accuracy"]
    resumed = results([*TRAIN, *options, "--resume", again, "--out", part], workplace)
    assert resumed["accuracy"] == first["accuracy"] and resumed["epochs"] == 2


def test_resuming_a_run_that_had_ended_writes_its_checkpoint(workplace: Path) -> None:
    again = str(workplace / "ended.pt")
    options = ["--epochs", "2", "--seed", "3", "--resume", str(workplace / "checkpoint.pt")]
    values = results([*TRAIN, *options, "--out", again], workplace)
    assert values["accuracy"] == json.loads((workplace / "train.json").read_text())["accuracy"]
    assert results(["evaluate", again, *DATA], workplace)["samples"] == 20


def test_training_in_half_precision_says_so_and_what_it_does(workplace: Path, capsys) -> None:
    options = ["--epochs", "1", "--autocast", "bf16", "--augment", "shift=2"]
    capsys.readouterr()
    found = results([*TRAIN, *options, "--out", str(workplace / "half.pt")], workplace)
    assert found["precision"] == "bf16" and found["training"]["autocast"] == "bf16"
    lines = capsys.readouterr().err.splitlines()
    settings = "ottt_a, 1 epoch, batches of 32, adam 0.0025, augmented by shift=2, bf16"
    assert settings in lines
    assert any(line.startswith("epoch 1/1: loss") for line in lines)


def test_frames_of_height_one_are_not_shifted_or_turned_unless_asked_to() -> None:
    sound = FrameDataset("s", "a:b", np.zeros((2, 4, 1, 1, 9), np.uint8), np.arange(2), 2)
    args = make_parser().parse_args(["train", "--model", "mlp", "--out", "x.pt"])
    config = make_config(args, sound)
    assert (config.max_shift, config.max_rotation, config.max_zoom) == (0, 0, 0)
    args = make_parser().parse_args(["train", "--max-shift", "2", "--out", "x.pt"])
    assert make_config(args, sound).max_shift == 2


def test_samples_of_a_dataset_sorted_by_class_are_taken_from_all_classes() -> None:
    labels = np.repeat(np.arange(3), 4)
    frames = np.arange(12, dtype=np.uint8).reshape(12, 1, 1, 1, 1)
    sorted_set = FrameDataset("sorted", "a:b", frames, labels, 3)
    taken, found = take(sorted_set, 6)
    assert found.tolist() == [0, 0, 1, 1, 2, 2]
    assert taken.ravel().tolist() == [0, 1, 4, 5, 8, 9]


def test_export_remembers_the_data_and_flags_the_layers(workplace: Path) -> None:
    spec = load_spec(workplace / "network.h5")
    assert spec.plastic_names == ("fc1", "readout")
    assert spec.metadata["dataset"] == "digits-dvs" and spec.metadata["split"] == "random"
    assert spec.metadata["seed"] == 3 and spec.metadata["framing"]["size"] == 8
    trained, made = spec.metadata["history"]
    assert trained["command"].startswith("onchip train ")
    assert made["command"].startswith("onchip export ") and "torch" in made["versions"]
    out = str(workplace / "last.h5")
    values = results(
        [
            "export",
            str(workplace / "checkpoint.pt"),
            "--out",
            out,
            "--plastic",
            "readout",
            "--learning-rate",
            "0.5",
            "--mode",
            "accumulate",
            "--feedback",
            "direct",
        ],
        workplace,
    )
    assert values["plastic"] == ["readout"]
    learning = load_spec(out).learning
    assert learning is not None and learning.learning_rate == 0.5
    assert (learning.mode, learning.feedback) == ("accumulate", "direct")


def test_every_backend_evaluates_the_same(workplace: Path) -> None:
    network, checkpoint = str(workplace / "network.h5"), str(workplace / "checkpoint.pt")
    command = ["--samples", "6", *DATA]
    found = [
        results(["evaluate", network, "--backend", backend, *command], workplace)
        for backend in ("numpy", "torch", "lava")
    ]
    found.append(results(["evaluate", checkpoint, *command], workplace))
    assert [values["samples"] for values in found] == [6] * 4
    assert len({values["accuracy"] for values in found}) == 1
    assert [values["backend"] for values in found] == ["numpy", "torch", "lava", "numpy"]


def test_evaluate_equals_the_trainers_own_accuracy(workplace: Path) -> None:
    """float32 in training, float64 here: the same predictions on the same 20 test samples."""
    trained = json.loads((workplace / "train.json").read_text())
    values = results(["evaluate", str(workplace / "network.h5"), *DATA], workplace)
    assert values["samples"] == trained["test_samples"] == 20
    assert values["accuracy"] == trained["accuracy"]


def test_run_keeps_outputs_and_spikes(workplace: Path) -> None:
    out = workplace / "outputs.npz"
    values = results(
        [
            "run",
            str(workplace / "network.h5"),
            "--samples",
            "3",
            "--record",
            "--out",
            str(out),
            *DATA,
        ],
        workplace,
    )
    with np.load(out, allow_pickle=False) as arrays:
        assert arrays["outputs"].shape == (3, 4, 10)
        assert arrays["spikes/fc1"].shape == (3, 4, 12)
        assert arrays["outputs"].sum(1).argmax(1).tolist() == values["predictions"]
        assert arrays["labels"].tolist() == values["labels"]


def test_learning_in_lava_and_on_numpy_leaves_the_same_network(workplace: Path) -> None:
    learned = {}
    for backend in ("numpy", "lava"):
        out = workplace / f"learned-{backend}.h5"
        values = results(
            [
                "learn",
                str(workplace / "network.h5"),
                "--backend",
                backend,
                "--samples",
                "5",
                "--measure",
                "--drifted",
                "--out",
                str(out),
                *DATA,
            ],
            workplace,
        )
        assert values.keys() >= {"accuracy_before", "accuracy_after", "accuracy_stream"}
        assert values["samples"] == 5 and values["steps_per_second"] > 0
        assert values["backend"] == backend
        learned[backend] = load_spec(out)
    start = load_spec(workplace / "network.h5")
    for layer, ours, theirs in zip(
        start.layers, *[s.layers for s in learned.values()], strict=True
    ):
        assert not np.array_equal(layer.weight, ours.weight)
        np.testing.assert_allclose(ours.weight, theirs.weight, rtol=0, atol=1e-12)
    assert learned["lava"].metadata["learned"][0]["samples"] == 5


def test_parity_passes_and_prints_its_table(
    workplace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    values = results(["parity", str(workplace / "network.h5"), "--samples", "2", *DATA], workplace)
    printed = capsys.readouterr().out
    assert values["passed"] and values["spike_mismatches"] == 0
    assert values["max_relative_weight_error"] <= 1e-9
    for name in ("torch", "lava-sequenced"):
        assert values[f"{name}.passed"] is True and values[f"{name}.spikes_fired"] > 0
        assert values[f"{name}.spike_mismatches"] == 0
        assert values[f"{name}.max_relative_weight_error"] <= 1e-9
        assert name in printed
    assert "only the last layer can learn" in values["left_out"]["lava-pipelined"]


def test_parity_runs_the_pipelined_schedule_where_it_fits(workplace: Path) -> None:
    """Of a network trained until it spikes: with a silent one nothing would be compared."""
    out, trained = str(workplace / "pipelined.h5"), str(workplace / "spiking.pt")
    settings = "--limit 60 --epochs 10 --batch-size 4 --lr 0.01 --augment none --seed 3".split()
    assert main([*TRAIN, *settings, "--out", trained]) == 0
    command = ["export", trained, "--out", out]
    assert main([*command, "--plastic", "readout", "--update-delay", "1"]) == 0
    names = "torch,lava-pipelined"
    values = results(["parity", out, "--samples", "2", "--executions", names, *DATA], workplace)
    assert values["lava-pipelined.passed"] and values["torch.passed"] and not values["left_out"]
    assert values["torch.spikes_fired"] > 0 and 10 < values["torch.weights_changed"] < 130


def test_parity_of_a_network_that_never_spikes_is_not_tested(
    workplace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = str(workplace / "silent.h5")
    command = ["export", str(workplace / "checkpoint.pt"), "--out", out]
    assert main([*command, "--plastic", "readout"]) == 0
    arguments = ["parity", out, "--samples", "2", "--executions", "torch", *DATA]
    values = results(arguments, workplace, code=1)
    assert values["passed"] is False and values["spike_mismatches"] == 0
    assert values["untested"].startswith("no spike was fired by fc1")
    printed = capsys.readouterr().out
    assert "not tested" in printed and printed.rstrip().endswith("parity: FAILED: not tested")


def test_parity_exits_with_1_on_a_miss(
    workplace: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Torch is given another learning rate than the reference."""
    honest = BACKENDS["torch"]

    def perturbed(spec, schedule, record):
        return honest.make(with_learning(spec, learning_rate=0.0201), schedule, record)

    monkeypatch.setitem(BACKENDS, "torch", replace(honest, make=perturbed))
    command = ["parity", str(workplace / "network.h5"), "--samples", "1", "--executions", "torch"]
    values = results([*command, *DATA], workplace, code=1)
    assert values["passed"] is False and values["max_relative_weight_error"] > 1e-9
    assert "FAILED" in capsys.readouterr().out


def test_datasets_lists_names_splits_and_where_to_get_them(
    workplace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    values = results(["datasets"], workplace)
    printed = capsys.readouterr().out
    assert {"digits-dvs", "cifar10dvs", "nmnist", "dvsgesture", "shd"} <= values["datasets"].keys()
    assert "contiguous" in printed and "simulated sensor" in printed


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["fly"], "invalid choice: 'fly'"),
        (["train"], "--out"),
        ([*TRAIN, "--out", "{tmp}/x.pt", "--model", "transformer"], "mlp, convnet"),
        ([*TRAIN, "--out", "{tmp}/x.pt", "--method", "magic"], "ottt_a, ottt_o, bptt"),
        ([*TRAIN, "--out", "{tmp}/x.pt", "--dataset", "mnist3d"], "digits-dvs"),
        ([*TRAIN, "--out", "{tmp}/x.pt", "--split", "odd"], "contiguous"),
        ([*TRAIN, "--out", "{tmp}/x.pt", "--framing", "mood"], "count"),
        ([*TRAIN, "--out", "{tmp}/x.pt", "--epochs", "0"], "at least 1"),
        ([*TRAIN, "--out", "{tmp}/x.pt", "--epochs", "three"], "'three' is not a whole number"),
        ([*TRAIN, "--out", "{tmp}/x.pt", "--model-options", '["a"]'], "not a JSON object"),
        ([*TRAIN, "--out", "{tmp}/x.pt", "--model-options", '{{"depth": 3}}'], "'depth'"),
        ([*TRAIN, "--out", "{tmp}/x.pt", "--model-options", '{{"seed": 3}}'], "'seed'"),
        ([*TRAIN, "--out", "{tmp}/x.pt", "--model-options", '{{"classes": 3}}'], "'classes'"),
        ([*TRAIN, "--out", "{tmp}/x.pt", "--seed", "-1"], "must lie in"),
        ([*TRAIN, "--out", "{tmp}/none/x.pt"], "does not exist"),
        ([*TRAIN, "--out", "{tmp}/x.pt", "--dataset", "nmnist", "--data-root", "{tmp}"], "{tmp}"),
        ([*TRAIN, "--out", "{tmp}/x.pt", "--resume", "{net}"], "checkpoint"),
        ([*TRAIN, "--out", "{tmp}/x.pt", "--hidden", "9", "--resume", "{ckpt}"], "hidden"),
        ([*TRAIN, "--out", "{tmp}/x.pt", "--split", "contiguous", "--resume", "{ckpt}"], "random"),
        ([*TRAIN, "--out", "{tmp}/x.pt", "--counts", "--resume", "{ckpt}"], "framing"),
        (["export", "{ckpt}", "--out", "{tmp}/x.h5", "--plastic", "fc9"], "fc1, readout"),
        (["export", "{ckpt}", "--out", "{tmp}/x.h5", "--feedback", "psychic"], "direct"),
        (["export", "{ckpt}", "--out", "{tmp}/x.h5", "--learning-rate", "-1"], "learning_rate"),
        (["export", "{net}", "--out", "{tmp}/x.h5"], "network file already"),
        (["export", "{tmp}/none.pt", "--out", "{tmp}/x.h5"], "does not exist"),
        (["evaluate", "{net}", "--backend", "abacus"], "torch, numpy, compiled, lava"),
        (["evaluate", "{net}", "--schedule", "sideways"], "sequenced, pipelined"),
        (["evaluate", "{net}", "--part", "middle"], "train, test"),
        (["evaluate", "{net}", "--samples", "21"], "has 20"),
        (["evaluate", "{text}"], "checkpoint"),
        (["learn", "{net}", "--backend", "abacus"], "torch, numpy, compiled, lava"),
        (["learn", "{net}", "--evaluate-on", "abacus"], "torch, numpy, compiled, lava"),
        (["run", "{text}"], "not an HDF5 file"),
        (["run", "{ckpt}"], "not an HDF5 file"),
        (["run", "{cut}"], "truncated or damaged"),
        (["run", "{foreign}"], "another program"),
        (["run", "{future}"], "upgrade"),
        (["run", "{net}", "--dataset", "shd", "--data-root", "{tmp}"], "{tmp}"),
        (["learn", "{plain}", "--samples", "2"], "no learning section"),
        (["parity", "{net}", "--executions", "abacus"], "torch, compiled, lava-sequenced"),
        (["parity", "{late}"], "lava-sequenced cannot run this network"),
        (["demo", "--out", "{text}"], "{text} is a file"),
        (["demo", "--out", "{tmp}/demo", "--json", "{tmp}/none/x.json"], "does not exist"),
        (["datasets", "--json", "{tmp}/none/x.json"], "does not exist"),
        (["learn", "{net}", "--out", "{tmp}"], "is a folder"),
    ],
)  # fmt: skip
def test_bad_input_is_answered_with_one_line(
    workplace: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    message: str,
) -> None:
    names = make_bad_files(workplace, tmp_path / "given")
    target = tmp_path / "target"
    target.mkdir()
    names["tmp"] = str(target)
    if arguments[0] in ("evaluate", "run", "learn", "parity") and "--limit" not in arguments:
        arguments = [*arguments, *DATA]
    line = complaint([argument.format(**names) for argument in arguments], capsys)
    assert message.format(**names) in line
    assert list(target.iterdir()) == []


def test_a_damaged_network_file_is_not_taken_for_a_checkpoint(tmp_path, capsys) -> None:
    path = tmp_path / "network.h5"
    path.write_text("no HDF5")
    assert "network.h5: it is not an HDF5 file" in complaint(["evaluate", str(path)], capsys)


@pytest.mark.parametrize("backend", ["numpy", "torch", "lava"])
@pytest.mark.filterwarnings("ignore:(overflow|invalid value) encountered:RuntimeWarning")
def test_learning_that_diverges_is_answered_with_one_line(
    workplace: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], backend: str
) -> None:
    network = str(tmp_path / "eager.h5")
    options = ["--learning-rate", "1e6", "--mse-weight", "1", "--plastic", "readout"]
    assert main(["export", str(workplace / "checkpoint.pt"), "--out", network, *options]) == 0
    command = ["learn", network, "--backend", backend, "--passes", "4", *DATA]
    learned = tmp_path / "learned.h5"
    line = complaint([*command, "--test-samples", "2", "--out", str(learned)], capsys)
    assert "lower the learning rate" in line
    assert not learned.exists()


def make_bad_files(workplace: Path, folder: Path) -> dict[str, str]:
    """Files that the commands must refuse, by name, beside the good ones."""
    folder.mkdir()
    names = {
        "ckpt": workplace / "checkpoint.pt",
        "net": workplace / "network.h5",
        **{name: folder / name for name in ("text", "cut", "foreign", "future", "plain", "late")},
    }
    names["text"].write_text("hello")
    data = names["net"].read_bytes()
    names["cut"].write_bytes(data[: len(data) // 2])
    with h5py.File(names["foreign"], "w") as file:
        file["x"] = 1
    names["future"].write_bytes(data)
    with h5py.File(names["future"], "r+") as file:
        file.attrs["schema_version"] = 99
    main(["export", str(names["ckpt"]), "--out", str(names["plain"]), "--inference-only"])
    main(["export", str(names["ckpt"]), "--out", str(names["late"]), "--update-delay", "1"])
    return {name: str(path) for name, path in names.items()}


def test_the_split_of_a_network_stays_that_of_its_training(workplace: Path) -> None:
    """Another --seed changes the order of the stream, never which samples are tested."""
    command = ["run", str(workplace / "network.h5"), "--samples", "9", *DATA]
    first = results(command, workplace)
    second = results([*command, "--seed", "77"], workplace)
    assert first["labels"] == second["labels"] and first["predictions"] == second["predictions"]
    assert second["seed"] == 77


def test_a_test_on_training_samples_is_said_to_be_one(
    workplace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["run", str(workplace / "network.h5"), "--samples", "2", *DATA]
    assert main([*command, "--split", "random"]) == 0
    assert "training samples" not in capsys.readouterr().err
    assert main([*command, "--split", "contiguous"]) == 0
    assert "training samples are among the test samples" in capsys.readouterr().err


def test_a_network_that_remembers_no_data_asks_for_it(
    workplace: Path, tmp_path: Path, dense, capsys: pytest.CaptureFixture[str]
) -> None:
    from dataclasses import replace

    save_spec(tmp_path / "bare.h5", replace(dense, metadata={}))
    assert "--dataset" in complaint(["run", str(tmp_path / "bare.h5")], capsys)
    message = complaint(
        ["run", str(tmp_path / "bare.h5"), "--dataset", "digits-dvs", *DATA], capsys
    )
    assert "frames have shape" in message


def test_an_interrupted_training_keeps_its_last_checkpoint(
    workplace: Path, tmp_path: Path, monkeypatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import onchip.models.training.run

    honest = onchip.models.training.run.evaluate
    calls = []

    def interrupted(model, dataset, *rest):
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return honest(model, dataset, *rest)

    monkeypatch.setattr(onchip.models.training.run, "evaluate", interrupted)
    out = tmp_path / "x.pt"
    assert main([*TRAIN, "--epochs", "3", "--out", str(out)]) == 130
    assert "onchip: interrupted: go on with --resume" in capsys.readouterr().err
    monkeypatch.undo()
    monkeypatch.setenv("ONCHIP_CACHE", str(workplace / "cache"))
    whole = results([*TRAIN, "--epochs", "3", "--out", str(tmp_path / "whole.pt")], tmp_path)
    resumed = results(
        [*TRAIN, "--epochs", "3", "--resume", str(out), "--out", str(tmp_path / "y.pt")], tmp_path
    )
    assert resumed["accuracy"] == whole["accuracy"]


def test_unexpected_exceptions_keep_their_traceback(workplace: Path, monkeypatch) -> None:
    import onchip.deploy.files.hdf5

    def broken(path):
        raise RuntimeError("a bug")

    monkeypatch.setattr(onchip.deploy.files.hdf5, "load_bundle", broken)
    with pytest.raises(RuntimeError, match="a bug"):
        main(["run", str(workplace / "network.h5")])


def in_new_process(arguments: list[str]) -> subprocess.CompletedProcess[str]:
    """The command in an interpreter that has imported nothing yet."""
    command = [sys.executable, "-m", "onchip.deploy.cli", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True)


def test_lava_is_imported_in_time_in_a_process_that_shows_progress(
    workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Progress bars settle how processes start; lava insists on doing so when it is imported."""
    monkeypatch.setenv("ONCHIP_CACHE", str(workplace / "another cache"))
    network = str(workplace / "network.h5")
    names = ["--executions", "torch,lava-sequenced"]
    done = in_new_process(["parity", network, "--samples", "1", "--limit", "2", *names])
    assert "parity: passed" in done.stdout


def test_help_is_quick() -> None:
    """Processor time, which other work on the machine does not lengthen."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = in_new_process(["--help"])
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 1.0
    for name in COMMANDS:
        assert f"    {name}  " in done.stdout


def test_nothing_heavy_is_imported_before_a_command_needs_it() -> None:
    code = "import sys, onchip.deploy.cli; onchip.deploy.cli.make_parser(); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    heavy = {"torch", "lava", "tonic", "matplotlib", "h5py", "sklearn", "scipy"}
    assert "onchip.deploy.cli" in done.stdout.split()
    assert not heavy & set(done.stdout.split())


def test_every_command_has_an_example_a_seed_and_json() -> None:
    commands = make_parser()._subparsers._group_actions[0].choices  # type: ignore[union-attr]
    assert list(commands) == COMMANDS
    for name, parser in commands.items():
        text = parser.format_help()
        assert f"onchip {name}" in text.split("example:")[1]
        assert "--seed" in text and "--json" in text
