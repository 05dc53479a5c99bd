"""What use brings to light: pipes that close, signals, full disks, special files, damaged files."""

from __future__ import annotations

import errno
import json
import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

import onchip.files.writing
from onchip.deploy.cli import main
from onchip.deploy.files.hdf5 import load_bundle
from onchip.models.cli.command_line import main as train_main
from onchip.models.training.checkpoint import load_checkpoint

SMALL = ["--model", "mlp", "--hidden", "8", "--size", "8", "--time-steps", "3", "--limit", "20"]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A folder with ck.pt, net.h5 and both.h5 (with integers), and the data's cache."""
    folder = tmp_path_factory.mktemp("faults")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ONCHIP_CACHE", str(folder / "cache"))
        checkpoint, network = str(folder / "ck.pt"), str(folder / "net.h5")
        assert main(["train", *SMALL, "--epochs", "1", "--out", checkpoint]) == 0
        options = ["--plastic", "readout", "--feedback", "symmetric", "--learning-rate", "0.01"]
        assert main(["export", checkpoint, *options, "--out", network]) == 0
        both = ["--out", str(folder / "both.h5"), "--samples", "2"]
        assert main(["quantize", network, *both, "--limit", "20"]) == 0
        yield folder


def command(*words: object) -> list[str]:
    return [sys.executable, "-m", "onchip.deploy.cli", *map(str, words)]


def refused(words: list[object], capsys: pytest.CaptureFixture[str]) -> str:
    """The one line with which a command is refused."""
    capsys.readouterr()
    assert main(list(map(str, words))) == 2
    lines = capsys.readouterr().err.splitlines()
    assert [line for line in lines if line.startswith("onchip: error: ")] == lines[-1:]
    return lines[-1]


# -- pipes and streams -----------------------------------------------------------------------------


@pytest.mark.parametrize("closed", ["stdout", "stderr", "both"])
def test_a_reader_that_goes_away_does_not_cost_the_result(made, tmp_path, closed: str) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    out, err = (writing if closed in (name, "both") else None for name in ("stdout", "stderr"))
    streams = {"stdout": out or subprocess.PIPE, "stderr": err or subprocess.PIPE}
    words = ["check", made / "both.h5", "--all", "--json", tmp_path / "check.json"]
    done = subprocess.run(command(*words), **streams, check=False)
    os.close(writing)
    assert done.returncode == 0
    assert (done.stderr or b"") == b"" and json.loads((tmp_path / "check.json").read_text())


def test_a_training_that_nobody_listens_to_leaves_its_checkpoint(made, tmp_path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    words = ["train", *SMALL, "--epochs", "3", "--out", tmp_path / "x.pt"]
    done = subprocess.run(command(*words), stdout=writing, stderr=writing, check=False)
    os.close(writing)
    assert done.returncode == 0 and load_checkpoint(tmp_path / "x.pt").epoch == 3


@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&- <&-"])
def test_closed_streams_get_into_no_file(made, tmp_path, closed: str) -> None:
    """A closed descriptor's number goes to the next file that is opened, which must be none."""
    shell = f'exec "$@" {closed}'
    words = command("check", made / "both.h5", "--json", tmp_path / "x.json")
    done = subprocess.run(
        ["bash", "-c", shell, "-", *words], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0 and "Traceback" not in done.stderr
    assert json.loads((tmp_path / "x.json").read_text())["passed"]


def test_results_go_into_a_pipe_of_the_shell(made) -> None:
    shell = 'exec "$@" --json /dev/stdout >&1 | tail -n +1'
    words = command("datasets")
    done = subprocess.run(["bash", "-c", shell, "-", *words], capture_output=True, check=True)
    assert json.loads(b"{" + done.stdout.split(b"\n{", 1)[1])["datasets"]


# -- special files, modes, links -------------------------------------------------------------------


@pytest.mark.parametrize(
    "words",
    [
        ["train", *SMALL, "--epochs", "1", "--out", "pipe"],
        ["train", *SMALL, "--epochs", "1", "--out", "x.pt", "--log", "pipe"],
        ["train", *SMALL, "--epochs", "1", "--out", "x.pt", "--json", "pipe"],
        ["export", "ck.pt", "--out", "pipe"],
        ["quantize", "net.h5", "--out", "pipe"],
        ["run", "net.h5", "--limit", "20", "--out", "pipe"],
        ["learn", "net.h5", "--limit", "20", "--out", "pipe"],
        ["evaluate", "net.h5", "--limit", "20", "--json", "pipe"],
        ["check", "net.h5", "--json", "link"],
    ],
)
def test_a_special_file_is_refused_and_stays(made, tmp_path, capsys, monkeypatch, words) -> None:
    monkeypatch.chdir(tmp_path)
    os.mkfifo("pipe")
    Path("link").symlink_to("pipe")
    words = [str(made / word) if word in ("ck.pt", "net.h5") else word for word in words]
    assert "is a named pipe, not a regular file; name a file to write" in refused(words, capsys)
    assert Path("pipe").is_fifo()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link", "pipe"]


def test_the_demo_refuses_a_special_file_in_its_folder_before_the_work(tmp_path, capsys) -> None:
    os.mkfifo(tmp_path / "report.md")
    assert "report.md is a named pipe" in refused(["demo", "--quick", "--out", tmp_path], capsys)
    assert [path.name for path in tmp_path.iterdir()] == ["report.md"]


def test_mode_and_link_of_an_output_stay(made, tmp_path) -> None:
    for name, words in {
        "x.pt": ["train", *SMALL, "--epochs", "1", "--out"],
        "x.h5": ["export", made / "ck.pt", "--out"],
        "x.csv": ["train", *SMALL, "--epochs", "1", "--out", tmp_path / "y.pt", "--log"],
        "x.npz": ["run", made / "net.h5", "--samples", "2", "--limit", "20", "--out"],
        "x.json": ["datasets", "--json"],
    }.items():
        (tmp_path / name).touch(0o600)
        (tmp_path / f"link-{name}").symlink_to(name)
        assert main([*map(str, words), str(tmp_path / f"link-{name}")]) == 0
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600, name
        assert (tmp_path / f"link-{name}").is_symlink() and (tmp_path / name).stat().st_size


def test_two_outputs_in_one_file_are_refused(made, tmp_path, capsys) -> None:
    path = tmp_path / "x.pt"
    words = ["train", *SMALL, "--epochs", "1", "--out", path]
    for option in ("--log", "--json"):
        assert f"--out and {option} both name" in refused([*words, option, path], capsys)
    assert not path.exists()


# -- finished work survives ------------------------------------------------------------------------


def test_a_log_that_cannot_be_written_is_refused_before_the_work(tmp_path, capsys) -> None:
    words = ["train", *SMALL, "--epochs", "2", "--out", tmp_path / "x.pt", "--log"]
    line = refused([*words, tmp_path / ("a" * 300)], capsys)
    assert line.endswith("aaa: File name too long")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("program", ["onchip", "onchip.models"])
def test_a_training_that_diverges_leaves_its_last_whole_epoch(
    made, tmp_path, capsys, monkeypatch, program: str
) -> None:
    """The loss is made NaN in the third epoch."""
    import onchip.models.training.run

    honest, epochs = onchip.models.training.run.Run.learn, []

    def learn(self: Any, *rest: Any) -> Any:
        epochs.append(1)
        if len(epochs) == 3:
            monkeypatch.setattr(onchip.models.training.run.math, "isfinite", lambda value: False)
        return honest(self, *rest)

    monkeypatch.setattr(onchip.models.training.run.Run, "learn", learn)
    out = tmp_path / "x.pt"
    words = [*SMALL, "--epochs", "5", "--out", str(out)]
    code = main(["train", *words]) if program == "onchip" else train_main(words)
    monkeypatch.undo()
    monkeypatch.setenv("ONCHIP_CACHE", str(made / "cache"))
    said = capsys.readouterr().err.splitlines()[-1]
    assert code == 2 and said.startswith(
        f"{program}: error: the loss is NaN or infinite in epoch 3"
    )
    assert said.endswith(f"; go on with --resume {out}; {out} holds epoch 2 of 5")
    assert load_checkpoint(out).epoch == 2
    assert main(["train", *words, "--resume", str(out)]) == 0


def full_disk_after(monkeypatch: pytest.MonkeyPatch, writes: int) -> None:
    """Data go into so many files more, then the disk is full (not for files without data)."""
    honest, done = onchip.files.writing._replace, []

    def replace(target: Any, data: bytes) -> None:
        done.append(1)
        if len(done) > writes:
            raise OSError(errno.ENOSPC, "No space left on device", "/hidden/name")
        honest(target, data)

    monkeypatch.setattr(onchip.files.writing, "_replace", replace)


def test_a_disk_that_fills_up_leaves_the_last_whole_epoch(made, tmp_path, capsys, monkeypatch):
    full_disk_after(monkeypatch, 2)
    out = tmp_path / "x.pt"
    assert main(["train", *SMALL, "--epochs", "4", "--out", str(out)]) == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert said == (
        f"onchip: error: {out}: No space left on device; go on with --resume {out}; "
        f"{out} holds epoch 2 of 4"
    )
    assert load_checkpoint(out).epoch == 2 and list(tmp_path.iterdir()) == [out]


def test_a_log_on_a_full_disk_does_not_cost_the_epoch(made, tmp_path, capsys, monkeypatch) -> None:
    full_disk_after(monkeypatch, 3)  # epoch 1's checkpoint and log, epoch 2's checkpoint
    out, log = tmp_path / "x.pt", tmp_path / "x.csv"
    words = ["train", *SMALL, "--epochs", "4", "--out", str(out), "--log", str(log)]
    assert main(words) == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert f"{log}: No space left on device" in said and "holds epoch 2 of 4" in said
    assert load_checkpoint(out).epoch == 2 and len(log.read_text().splitlines()) == 2


def test_a_disk_without_room_for_the_checkpoint_is_refused_before_the_work(made, tmp_path) -> None:
    """A limit on the size of files stands for the disk."""
    shell = 'ulimit -f 20; exec "$@"'
    words = command("train", *SMALL, "--hidden", "200", "--epochs", "1", "--out", tmp_path / "x.pt")
    done = subprocess.run(
        ["bash", "-c", shell, "-", *words], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2 and done.stderr.endswith("x.pt: File too large\n")
    assert "epoch 1/1" not in done.stderr and list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("program", ["onchip.deploy.cli", "onchip.models"])
def test_a_signal_ends_a_training_as_ctrl_c_does(made, tmp_path, program: str, number) -> None:
    out = tmp_path / "x.pt"
    words = [sys.executable, "-m", program, *(["train"] if program == "onchip.deploy.cli" else [])]
    words += [*SMALL, "--epochs", "100000", "--out", str(out)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    with subprocess.Popen(words, **pipes) as running:
        for line in running.stdout:
            if line.startswith("epoch 3/"):
                break
        running.send_signal(number)
        said = running.stdout.read().splitlines()[-1]
    assert running.returncode == 128 + number
    epoch = load_checkpoint(out).epoch
    left = {path.name for path in tmp_path.iterdir()}
    assert epoch >= 3 and left - {"x.best.pt"} == {"x.pt"}
    assert f"ended by {number.name}" in said
    assert said.endswith(f"go on with --resume {out}; {out} holds epoch {epoch} of 100000")


def test_a_signal_that_is_ignored_stays_ignored(made, tmp_path) -> None:
    """As behind nohup."""
    shell = 'trap "" HUP; exec "$@"'
    words = command("train", *SMALL, "--epochs", "60", "--out", tmp_path / "x.pt")
    pipes = {"stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(["bash", "-c", shell, "-", *words], **pipes) as running:
        for line in running.stderr:
            if line.startswith("epoch 3/"):
                break
        running.send_signal(signal.SIGHUP)
        running.stderr.read()
    assert running.returncode == 0 and load_checkpoint(tmp_path / "x.pt").epoch == 60


def test_a_killed_training_leaves_its_last_whole_epoch_and_nothing_else(made, tmp_path) -> None:
    out = tmp_path / "x.pt"
    words = command("train", *SMALL, "--epochs", "100000", "--out", out, "--log", tmp_path / "log")
    for _ in range(3):
        with subprocess.Popen(words, stderr=subprocess.PIPE, text=True) as running:
            for line in running.stderr:
                if line.startswith("epoch 2/"):
                    break
            time.sleep(0.01)
            running.kill()
        assert load_checkpoint(out).epoch >= 2
    assert main(["train", *SMALL, "--epochs", "1", "--out", str(out)]) == 0
    assert {path.name for path in tmp_path.iterdir()} == {"x.pt", "log"}


# -- one line --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "words",
    [
        ["evaluate", "{long}.h5"],
        ["export", "{long}.pt", "--out", "x.h5"],
        ["export", "{ck}", "--out", "{long}.h5"],
        ["check", "{net}", "--json", "{long}.json"],
        ["run", "{net}", "--limit", "20", "--out", "{long}.npz"],
        ["quantize", "{net}", "--out", "{long}.h5"],
        ["learn", "{net}", "--limit", "20", "--out", "{long}.h5"],
        ["train", *SMALL, "--epochs", "1", "--out", "{long}.pt"],
        ["train", *SMALL, "--epochs", "1", "--out", "x.pt", "--resume", "{long}.pt"],
        ["demo", "--quick", "--out", "{long}"],
        ["evaluate", "{net}", "--dataset", "nmnist", "--data-root", "{long}"],
    ],
)
def test_a_name_that_is_too_long_is_named(made, tmp_path, capsys, monkeypatch, words) -> None:
    monkeypatch.chdir(tmp_path)
    names = {"long": "a" * 300, "ck": made / "ck.pt", "net": made / "net.h5"}
    line = refused([word.format(**names) for word in words], capsys)
    assert "a" * 300 in line and "too long" in line
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS, errno.EDQUOT, errno.EIO])
@pytest.mark.parametrize(
    "words", [["export", "ck.pt", "--out"], ["check", "both.h5", "--json"], ["demo", "--out"]]
)
def test_what_a_disk_refuses_is_named_with_its_path(
    made, tmp_path, capsys, monkeypatch, words, code: int
) -> None:
    honest = os.open

    def refuse(path: Any, flags: int, *rest: Any, **options: Any) -> int:
        if flags & os.O_ACCMODE != os.O_RDONLY and str(path).startswith(str(tmp_path)):
            raise OSError(code, os.strerror(code), str(path))
        return honest(path, flags, *rest, **options)

    words = [made / word if "." in word else word for word in words]
    monkeypatch.setattr(os, "open", refuse)
    line = refused([*words, tmp_path / "x"], capsys)
    assert str(tmp_path / "x") in line and line.endswith(f": {os.strerror(code)}")


def test_too_many_open_files_are_one_line(made, tmp_path) -> None:
    code = "import sys, os, resource, onchip.deploy.cli\n"
    code += "import onchip.deploy.cli.networks, onchip.deploy.files.hdf5\n"
    code += "import onchip.deploy.checks.network\n"
    code += "resource.setrlimit(resource.RLIMIT_NOFILE, (40, 40))\n"
    code += "held = [os.dup(0) for _ in range(40 - len(os.listdir('/proc/self/fd')) + 1)]\n"
    code += "sys.exit(onchip.deploy.cli.main(sys.argv[1:]))"
    words = [sys.executable, "-c", code, "check", str(made / "both.h5")]
    words += ["--json", str(tmp_path / "x.json")]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith("onchip: error: ") and "Too many open files" in done.stderr


@pytest.mark.parametrize(
    ("variable", "words"),
    [("~nobody-of-this-name/cache", ["train", *SMALL, "--epochs", "1", "--out", "x.pt"])],
)
def test_a_user_that_is_unknown_is_one_line(
    tmp_path, monkeypatch, capsys, variable: str, words: list[object]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ONCHIP_CACHE", variable)
    assert f"cache folder {variable}" in refused(words, capsys)


def test_a_data_folder_of_an_unknown_user_is_one_line(made, capsys) -> None:
    for run, words in ((main, ["evaluate", str(made / "net.h5")]), (train_main, ["--out", "x"])):
        with pytest.raises(SystemExit) as stop:
            run([*words, "--data-root", "~nobody-of-this-name/data"])
        said = capsys.readouterr().err
        assert stop.value.code == 2 and "Traceback" not in said
        assert "--data-root: ~nobody-of-this-name/data: " in said.splitlines()[-1]


def test_unprintable_names_are_printed(made, tmp_path) -> None:
    """Names that are not text in the terminal's encoding; the file is written and named."""
    path = os.fsencode(tmp_path) + b"/\xff.h5"
    words = [*map(os.fsencode, command("export", made / "ck.pt", "--out")), path]
    done = subprocess.run(words, capture_output=True, check=False)
    assert done.returncode == 0 and b"\\udcff.h5" in done.stdout
    assert load_bundle(os.fsdecode(path)).spec.plastic_names


def test_a_full_standard_output_is_one_line_and_the_result_is_written(made, tmp_path) -> None:
    """A limit on the size of files stands for the disk."""
    shell = 'ulimit -f 0; exec "$@" > "$0"'
    words = ["bash", "-c", shell, str(tmp_path / "out"), *command("datasets")]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr == "onchip: error: standard output: File too large\n"


# -- damage ----------------------------------------------------------------------------------------


def test_a_flipped_bit_in_a_checkpoint_is_refused_by_every_command(made, tmp_path, capsys) -> None:
    data = bytearray((made / "ck.pt").read_bytes())
    data[len(data) // 2] ^= 0x40
    damaged = tmp_path / "x.pt"
    damaged.write_bytes(data)
    train = ["train", *SMALL, "--epochs", "1", "--out", tmp_path / "y.pt", "--resume", damaged]
    export = ["export", damaged, "--out", tmp_path / "y.h5"]
    tune = ["--fine-tune", "1", "--checkpoint", damaged, "--limit", "20"]
    quantize = ["quantize", made / "net.h5", "--out", tmp_path / "y.h5", *tune]
    for words in (["evaluate", damaged], export, train, quantize):
        assert f"checkpoint {damaged}: its content does not match" in refused(words, capsys)
    assert [path.name for path in tmp_path.iterdir()] == ["x.pt"]


# -- inputs, memory, locks -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "words",
    [
        ["export", "ck.pt", "--out", "ck.pt"],
        ["check", "net.h5", "--json", "net.h5"],
        ["run", "net.h5", "--limit", "20", "--out", "./net.h5"],
        ["quantize", "net.h5", "--out", "ck.pt", "--fine-tune", "1", "--checkpoint", "ck.pt"],
        ["train", *SMALL, "--epochs", "2", "--resume", "ck.pt", "--out", "x.pt", "--log", "ck.pt"],
        ["learn", "net.h5", "--limit", "20", "--out", "x.h5", "--json", "net.h5"],
    ],
)
def test_an_output_over_an_input_is_refused(made, tmp_path, capsys, monkeypatch, words) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("ck.pt", "net.h5"):
        Path(name).write_bytes((made / name).read_bytes())
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert "both name" in refused(words, capsys)
    assert before == {path.name: path.read_bytes() for path in tmp_path.iterdir()}


def test_what_goes_on_from_a_file_may_write_it_again(made, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("ck.pt").write_bytes((made / "ck.pt").read_bytes())
    Path("net.h5").write_bytes((made / "net.h5").read_bytes())
    data = ["--limit", "20"]
    assert main(["train", *SMALL, "--epochs", "1", "--resume", "ck.pt", "--out", "./ck.pt"]) == 0
    assert main(["quantize", "net.h5", "--samples", "2", "--out", "./net.h5", *data]) == 0
    assert main(["learn", "net.h5", "--samples", "2", "--out", "net.h5", *data]) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ck.pt", "net.h5"]


@pytest.mark.parametrize(
    "words",
    [
        [*SMALL, "--hidden", "900000000000"],
        [*SMALL, "--time-steps", "999999999999"],
    ],
)
def test_what_does_not_fit_into_memory_is_one_line(made, tmp_path, words) -> None:
    shell = 'ulimit -v 20000000; exec "$@"'
    words = command("train", *words, "--epochs", "1", "--out", tmp_path / "x.pt")
    done = subprocess.run(
        ["bash", "-c", shell, "-", *words], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert done.stderr.splitlines()[-1].startswith("onchip: error: not enough memory; make the")


def test_a_network_file_that_another_program_has_open_is_read(made, tmp_path) -> None:
    """HDF5's locks are for files that are changed in place, which these never are."""
    import h5py

    path = tmp_path / "x.h5"
    path.write_bytes((made / "net.h5").read_bytes())
    for mode in ("r", "r+"):
        with h5py.File(path, mode, locking=True):
            assert load_bundle(path).spec == load_bundle(made / "net.h5").spec


@pytest.mark.parametrize("words", [["evaluate"], ["export", "--out", "x.h5"], ["run"], ["check"]])
def test_a_special_file_as_input_is_refused_and_not_waited_for(
    tmp_path, capsys, monkeypatch, words
) -> None:
    monkeypatch.chdir(tmp_path)
    os.mkfifo("pipe")
    assert "pipe: it is not a file; name" in refused([words[0], "pipe", *words[1:]], capsys)
