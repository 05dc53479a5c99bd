"""Files are whole or absent; what is there keeps its kind, its links and its mode."""

from __future__ import annotations

import ast
import errno
import io
import json
import os
import resource
import signal
import socket
import stat
import subprocess
import sys
import threading
import zipfile
from pathlib import Path

import pytest

from onchip.files import temporary
from onchip.files.seal import check_seal, is_sealed, seal
from onchip.files.targets import check_target, error_text, require_distinct, stream_of
from onchip.files.temporary import new_name, remove_stale
from onchip.files.writing import write_bytes, write_csv, write_json, write_text

NAMED = pytest.param(True, id="named")
NAMELESS = pytest.param(False, id="nameless")


@pytest.fixture(params=[NAMED, NAMELESS], autouse=True)
def file_system(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a file system that knows files without a name, and as on one that does not."""
    if request.param:
        monkeypatch.setattr(temporary, "_open_nameless", lambda folder, mode: None)


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_file_appears_only_when_it_is_complete(tmp_path, monkeypatch) -> None:
    target, seen = tmp_path / "x.txt", []
    honest = os.fsync

    def watched(descriptor: int) -> None:
        seen.append((target.exists(), stat.S_ISDIR(os.fstat(descriptor).st_mode)))
        honest(descriptor)

    monkeypatch.setattr(os, "fsync", watched)
    write_text(target, "whole")
    assert target.read_text() == "whole" and list(tmp_path.iterdir()) == [target]
    assert seen == [(False, False), (True, True)]  # the data first, then the folder


@pytest.mark.parametrize("failing", ["fsync", "fchmod", "replace"])
def test_an_exception_leaves_what_was_there(tmp_path, monkeypatch, failing: str) -> None:
    target = tmp_path / "x.txt"
    write_text(target, "old")

    def fail(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Path if failing == "replace" else os, failing, fail)
    with pytest.raises(KeyboardInterrupt):
        write_text(target, "new")
    monkeypatch.undo()
    assert target.read_text() == "old" and list(tmp_path.iterdir()) == [target]


def test_json_is_strict(tmp_path: Path) -> None:
    write_json(tmp_path / "x.json", {"a": [1, 2.5, None]})
    assert json.loads((tmp_path / "x.json").read_text()) == {"a": [1, 2.5, None]}
    with pytest.raises(ValueError, match="JSON compliant"):
        write_json(tmp_path / "y.json", {"a": float("nan")})
    assert not (tmp_path / "y.json").exists()


def test_a_table_has_a_header_and_empty_places(tmp_path: Path) -> None:
    write_csv(tmp_path / "x.csv", ["a", "b"], [{"a": 1, "b": 2.5}, {"a": 3}])
    assert (tmp_path / "x.csv").read_bytes() == b"a,b\n1,2.5\n3,\n"


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o444, 0o755])
def test_the_mode_of_a_file_that_is_written_again_stays(tmp_path: Path, mode: int) -> None:
    target = tmp_path / "x"
    target.write_text("old")
    target.chmod(mode)
    if mode == 0o444 and os.geteuid() != 0:
        with pytest.raises(PermissionError):
            write_text(target, "new")
        return
    write_text(target, "new")
    assert mode_of(target) == mode and target.read_text() == "new"


def test_a_file_that_cannot_be_linked_is_copied(tmp_path, monkeypatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    for content in (b"old", bytes(range(256)) * 1000):
        write_bytes(tmp_path / "x", content)
        assert (tmp_path / "x").read_bytes() == content
        (tmp_path / "x").chmod(0o640)
    write_bytes(tmp_path / "x", b"new")
    assert mode_of(tmp_path / "x") == 0o640 and len(list(tmp_path.iterdir())) == 1


def test_a_private_file_is_private_while_it_is_written(tmp_path, monkeypatch) -> None:
    target, modes = tmp_path / "x", []
    target.write_text("old")
    target.chmod(0o600)
    honest = os.fchmod

    def watched(descriptor: int, mode: int) -> None:
        modes.append(stat.S_IMODE(os.fstat(descriptor).st_mode))
        honest(descriptor, mode)

    monkeypatch.setattr(os, "fchmod", watched)
    write_text(target, "new")
    assert modes == [0o600]


def test_a_new_file_follows_the_umask_which_nobody_changes(tmp_path, monkeypatch) -> None:
    before = os.umask(0o027)
    try:
        monkeypatch.setattr(os, "umask", None)
        write_text(tmp_path / "x", "new")
    finally:
        monkeypatch.undo()
        os.umask(before)
    assert mode_of(tmp_path / "x") == 0o640


def test_links_are_followed_and_stay(tmp_path: Path) -> None:
    (tmp_path / "far").mkdir()
    (tmp_path / "far" / "x").write_text("old")
    (tmp_path / "one").symlink_to("far/x")
    (tmp_path / "two").symlink_to(tmp_path / "one")
    write_text(tmp_path / "two", "new")
    assert (tmp_path / "two").is_symlink() and (tmp_path / "one").is_symlink()
    assert (tmp_path / "far" / "x").read_text() == "new"
    assert len(list((tmp_path / "far").iterdir())) == 1 and len(list(tmp_path.iterdir())) == 3


def test_a_link_to_nowhere_gets_its_file_and_a_circle_is_named(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("file")
    write_text(tmp_path / "link", "new")
    assert (tmp_path / "file").read_text() == "new" and (tmp_path / "link").is_symlink()
    (tmp_path / "circle").symlink_to("circle")
    with pytest.raises(OSError, match="circle") as caught:
        write_text(tmp_path / "circle", "new")
    assert caught.value.errno == errno.ELOOP
    (tmp_path / "lost").symlink_to("none/x")
    with pytest.raises(FileNotFoundError, match=r"folder .*none does not exist; make it first"):
        write_text(tmp_path / "lost", "new")


@pytest.mark.parametrize("write", [check_target, lambda path: write_text(path, "x")])
def test_what_is_no_file_is_refused_in_one_line_and_stays(tmp_path: Path, write) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("pipe")
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(tmp_path / "socket"))
    for name, kind in (("pipe", "a named pipe"), ("link", "a named pipe"), ("socket", "a socket")):
        with pytest.raises(ValueError, match=f"{name} is {kind}, not a regular file; name a file"):
            write(tmp_path / name)
    listener.close()
    with pytest.raises(ValueError, match="is a folder"):
        write(tmp_path)
    assert (tmp_path / "pipe").is_fifo() and (tmp_path / "socket").is_socket()
    assert len(list(tmp_path.iterdir())) == 3


def test_a_missing_folder_and_a_file_in_its_place_are_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"folder .*none does not exist; make it first"):
        check_target(tmp_path / "none" / "x")
    (tmp_path / "file").write_text("")
    with pytest.raises(NotADirectoryError, match=r"file is a file, so .*x cannot be in it"):
        check_target(tmp_path / "file" / "x")


@pytest.mark.parametrize("length", [250, 255])
def test_the_longest_names_can_be_written_and_longer_ones_are_named(tmp_path, length: int) -> None:
    check_target(tmp_path / ("a" * length))
    write_text(tmp_path / ("a" * length), "x")
    for write in (check_target, lambda path: write_text(path, "x")):
        with pytest.raises(OSError, match=r"a{256}") as caught:
            write(tmp_path / ("a" * 256))
        assert caught.value.errno == errno.ENAMETOOLONG
        assert error_text(caught.value).endswith("a: File name too long")


def test_a_folder_that_cannot_be_written_is_named_before_the_work(tmp_path, monkeypatch) -> None:
    def refuse(*_: object, **__: object) -> int:
        raise OSError(errno.EROFS, "Read-only file system", "/hidden")

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(OSError, match=r"Read-only file system: '.*x'"):
        check_target(tmp_path / "x")


def with_limit(kind: int, value: int, work) -> None:
    kept = resource.getrlimit(kind)
    resource.setrlimit(kind, (value, kept[1]))
    try:
        work()
    finally:
        resource.setrlimit(kind, kept)


def test_a_file_that_is_too_large_is_refused_before_the_work_and_leaves_the_old_one(tmp_path):
    target = tmp_path / "x"
    write_text(target, "old")

    def work() -> None:
        check_target(target, 4000)
        for write in (lambda: check_target(target, 5000), lambda: write_bytes(target, bytes(5000))):
            with pytest.raises(OSError, match="File too large") as caught:
                write()
            assert caught.value.filename == str(target)

    with_limit(resource.RLIMIT_FSIZE, 4096, work)
    assert target.read_text() == "old" and list(tmp_path.iterdir()) == [target]


def test_two_threads_and_a_process_write_one_file_without_harm(tmp_path: Path) -> None:
    target, contents = tmp_path / "x", [letter * 70_000 for letter in "abc"]
    write_text(target, contents[0])
    code = "import sys; from onchip.files.writing import write_text as w\n"
    code += "for _ in range(30): w(sys.argv[1], 'c' * 70_000)"
    other = subprocess.Popen([sys.executable, "-c", code, str(target)])

    def work(content: str) -> None:
        for _ in range(30):
            write_text(target, content)

    threads = [threading.Thread(target=work, args=(content,)) for content in contents[:2]]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        assert target.read_text() in contents
    assert other.wait() == 0
    assert target.read_text() in contents and list(tmp_path.iterdir()) == [target]


# -- temporary files -------------------------------------------------------------------------------


def test_temporary_names_are_never_the_same_and_tell_their_process() -> None:
    names = {new_name() for _ in range(100)}
    assert len(names) == 100 and all(f"-{os.getpid()}-" in name for name in names)
    assert max(map(len, names)) < 100


def test_files_of_dead_processes_are_removed_and_those_of_living_ones_are_not(tmp_path) -> None:
    code = "from onchip.files.temporary import new_name; print(new_name(), flush=True); input()"
    command = [sys.executable, "-c", code]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, **pipes) as living:
        dead = subprocess.run(command, input="\n", capture_output=True, text=True, check=True)
        theirs, gone = living.stdout.readline().strip(), dead.stdout.strip()
        machine, pid, started, random = gone.removeprefix(".onchip-").split("-")
        again = f".onchip-{machine}-{living.pid}-{started}1-{random}"  # the PID of another one
        elsewhere = f".onchip-00000000-{pid}-{started}-{random}"
        old = f".onchip-11111111-{pid}-{started}-{random}"
        others = ["x.tmp", ".onchip-notes.tmp"]
        for name in (new_name(), theirs, gone, again, elsewhere, old, *others):
            (tmp_path / name).write_text("half")
        os.utime(tmp_path / old, (0, 0))
        write_text(tmp_path / "x", "new")
        left = {path.name for path in tmp_path.iterdir()}
        assert left & {gone, again, old} == set()
        assert len(left) == 6 and {theirs, elsewhere, "x", *others} < left
        living.stdin.write("\n")
    remove_stale(tmp_path)
    assert theirs not in {path.name for path in tmp_path.iterdir()}


# -- streams ---------------------------------------------------------------------------------------


def test_a_path_to_a_descriptor_is_a_stream_and_is_written_into(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    (tmp_path / "link").symlink_to(f"/proc/self/fd/{writing}")
    for path in (Path(f"/dev/fd/{writing}"), Path(f"/proc/self/fd/{writing}"), tmp_path / "link"):
        assert stream_of(path) == writing
        check_target(path)
        write_text(path, "hello")
        assert os.read(reading, 99) == b"hello"
        with pytest.raises(ValueError, match="is a stream, not a regular file"):
            check_target(path, stream=False)
    os.close(reading)
    write_text(path, "nobody reads")  # and that is no error
    os.close(writing)
    with pytest.raises(OSError, match="Bad file descriptor"):
        check_target(path)
    assert stream_of(tmp_path / "x") is None


def test_standard_output_in_a_file_is_written_into_after_what_was_printed(tmp_path: Path) -> None:
    code = "from onchip.files.writing import write_text; print('first')\n"
    code += "write_text('/dev/stdout', 'second\\n'); print('third')"
    with (tmp_path / "out").open("w") as out:
        subprocess.run([sys.executable, "-c", code], stdout=out, check=True)
    assert (tmp_path / "out").read_text() == "first\nsecond\nthird\n"
    assert len(list(tmp_path.iterdir())) == 1


def test_two_outputs_in_one_file_are_refused(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("x")
    require_distinct([("--out", tmp_path / "x"), ("--json", tmp_path / "y")])
    with pytest.raises(ValueError, match=r"--out and --json both name .*link; name two files"):
        require_distinct([("--out", tmp_path / "x"), ("--json", tmp_path / "link")])


# -- seals -----------------------------------------------------------------------------------------


def archive() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as writer:
        writer.writestr("a", bytes(range(100)))
    return file.getvalue()


def test_every_flipped_bit_of_a_sealed_archive_is_noticed() -> None:
    data = seal(archive(), "name")
    check_seal(data, "name")
    assert zipfile.ZipFile(io.BytesIO(data)).read("a") == bytes(range(100))
    for place in range(8 * len(data)):
        damaged = bytearray(data)
        damaged[place // 8] ^= 1 << place % 8
        with pytest.raises(ValueError, match="digest"):
            check_seal(bytes(damaged), "name")


def test_a_seal_is_of_one_name_and_of_whole_archives() -> None:
    data = seal(archive(), "name")
    for other in (data[:-1], data + b"x", archive(), b""):
        with pytest.raises(ValueError, match="digest"):
            check_seal(other, "name")
    with pytest.raises(ValueError, match="does not match"):
        check_seal(data, "another name")
    assert is_sealed(data) and not is_sealed(archive())
    for wrong in (data, b"text", archive()[:-1]):
        with pytest.raises(ValueError, match="no zip archive without a comment"):
            seal(wrong)


def test_a_killed_writer_leaves_the_old_file_or_the_new_one(tmp_path: Path) -> None:
    """SIGKILL at many moments; what is left is removed by the next write."""
    target = tmp_path / "x"
    code = "import sys; from onchip.files.writing import write_text as w\n"
    code += "print(flush=True)\nwhile True: [w(sys.argv[1], c * 100_000) for c in 'ab']"
    write_text(target, "a" * 100_000)
    for pause in range(5):
        command = [sys.executable, "-c", code, str(target)]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as writer:
            writer.stdout.readline()
            threading.Event().wait(0.003 * pause)
            writer.send_signal(signal.SIGKILL)
        assert target.read_text() in ("a" * 100_000, "b" * 100_000)
    write_text(target, "end")
    assert list(tmp_path.iterdir()) == [target]


# -- the one writer --------------------------------------------------------------------------------

ROOT = Path(__file__).parents[2]
WRITERS = {
    "onchip/files": "it is the writer",
    "models/data/walkthrough.py": "a folder of its own",
    "deploy/studies/execution.py": "a log in a run's own folder, which its process writes",
}
WRITING = {"write_text", "write_bytes", "mkstemp", "NamedTemporaryFile", "umask", "savez", "save"}
IN_MEMORY = ("content", "picture", "file")
"""What `np.savez`, `torch.save` and `savefig` write to: streams in memory."""


def calls_that_write(path: Path) -> list[str]:
    """Calls by name that write a file by themselves, with their line."""
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.Call):
            continue
        name = getattr(node.func, "attr", getattr(node.func, "id", ""))
        texts = [a.value for a in node.args if isinstance(a, ast.Constant)]
        names = [a.id for a in node.args if isinstance(a, ast.Name)]
        opened = name == "open" and any(str(mode)[0] in "wax" or "+" in str(mode) for mode in texts)
        method = isinstance(node.func, ast.Attribute)
        library = getattr(getattr(node.func, "value", None), "id", "") in ("np", "torch")
        if name == "save" and not library:
            continue
        written = name in {*WRITING, "savefig"} and method and not {*names} & {*IN_MEMORY}
        if opened or written:
            found.append(f"{path.name}:{node.lineno} {name}")
    return found


def test_nothing_but_the_one_writer_writes_files(tmp_path: Path) -> None:
    for package in ("onchip", "models", "deploy"):
        for path in (ROOT / package).rglob("*.py"):
            if not any(path.relative_to(ROOT).as_posix().startswith(name) for name in WRITERS):
                assert calls_that_write(path) == []
    (tmp_path / "x.py").write_text("p.open('w')\np.write_text('x')\nnp.savez(path, a=1)\nopen('r')")
    assert len(calls_that_write(tmp_path / "x.py")) == 3
