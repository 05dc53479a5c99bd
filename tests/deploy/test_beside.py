"""Work in a process beside this one: its result, its errors, and its end."""

from __future__ import annotations

import os
import signal
import time

import pytest

from onchip.deploy.cli.beside import InProcessError, beside


def is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def test_the_result_comes_from_a_process_of_its_own() -> None:
    with beside(lambda: (os.getpid(), [1.5, "x"])) as other:
        process, values = other.result()
    assert process != os.getpid() and values == [1.5, "x"]
    assert not is_running(process)


def test_what_it_raises_is_raised_here_with_the_place() -> None:
    def wrong() -> None:
        raise ValueError("sample 3 has no label; give one")

    with pytest.raises(ValueError, match="sample 3 has no label; give one") as told:
        with beside(wrong) as other:
            other.result()
    assert isinstance(told.value.__cause__, InProcessError)
    assert "in wrong" in str(told.value.__cause__)


def test_a_process_that_was_killed_is_told_of() -> None:
    with pytest.raises(RuntimeError, match="ended with exit code -9 before its work was done"):
        with beside(lambda: os.kill(os.getpid(), signal.SIGKILL)) as other:
            other.result()


def test_it_ignores_ctrl_c_and_ends_with_the_block_that_is_left() -> None:
    reading, writing = os.pipe()

    def endless() -> None:
        os.write(writing, f"{os.getpid()}\n".encode())
        time.sleep(60)

    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt), beside(endless):
        process = int(os.read(reading, 20))
        os.kill(process, signal.SIGINT)
        assert is_running(process)
        raise KeyboardInterrupt
    assert not is_running(process) and time.monotonic() - started < 30
    os.close(reading)
    os.close(writing)
