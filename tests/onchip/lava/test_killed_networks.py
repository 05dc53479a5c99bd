"""Programs with Lava networks, and the OS processes of these, killed at random moments.

Nothing of them is left, and who called is told.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import kill_networks
import pytest
import sessions
from parity_cases import two_hidden_layers

from onchip.execution import ONE_PROCESS, PROCESSES
from onchip.lava.network import LavaNetwork
from onchip.lava.processes.lif import LIFLayerModel
from onchip.lava.runtime.errors import LavaExecutionError

LONG = (pytest.mark.long, pytest.mark.timeout(2400))


@pytest.mark.parametrize("kills", [9, pytest.param(200, marks=LONG)])
@pytest.mark.parametrize("runtime", [ONE_PROCESS, PROCESSES])
def test_nothing_is_left_of_a_killed_network_and_its_caller_is_told(runtime, kills):
    command = [sys.executable, kill_networks.__file__, runtime, str(kills), "1"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "FAULT" not in done.stdout and done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.endswith(f"{runtime}: {kills} kills, 0 faults\n")


FAULTY = """
import os, sys, time
from pathlib import Path
import kill_networks, sessions

def work(runtime, say, stopped):
    if os.fork() == 0:
        time.sleep(60)
        os._exit(0)
    Path(f"/dev/shm/onchip_test_{os.getpid()}").touch()
    Path(os.environ["TMPDIR"], "left").mkdir()
    say("brcbrc")
    time.sleep(60)

kill_networks.work, kill_networks.TOLD, sessions.SECONDS = work, 0.5, 0.5
kill_networks.ENDINGS = (kill_networks.signal.SIGKILL,)
sys.exit(kill_networks.main(sys.argv[1], "2", "0"))
"""


def test_the_guard_notices_orphans_stale_files_and_callers_who_wait_in_vain():
    support = str(Path(kill_networks.__file__).parent)
    environment = {**os.environ, "PYTHONPATH": support}
    command = [sys.executable, "-c", FAULTY, PROCESSES]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    for name in sessions.shared_files():
        if name.startswith("onchip_test_"):
            (sessions.SHARED_MEMORY / name).unlink()
    assert done.returncode == 1, done.stdout + done.stderr
    program, model = (line for line in done.stdout.splitlines() if line[0] in "01")
    assert "FAULT: orphans [" in program and "stale files ['onchip_test_" in program
    assert "'left'" in program
    assert "nobody was told" in model


def is_killed(self, proc_params):
    os.kill(os.getpid(), signal.SIGKILL)


def is_stopped(self, proc_params):
    os.kill(os.getpid(), signal.SIGSTOP)


@pytest.mark.parametrize(
    ("fault", "message"),
    [(is_killed, r"exit code -9 \(SIGKILL\)"), (is_stopped, "was stopped")],
)
def test_a_process_that_dies_while_it_is_built_does_not_hang_the_caller(
    rng, monkeypatch, fault, message
):
    monkeypatch.setattr(LIFLayerModel, "__init__", fault)
    start = time.monotonic()
    with pytest.raises(LavaExecutionError, match=message):
        LavaNetwork(two_hidden_layers(rng, (2, 3, 3)), runtime=PROCESSES)
    assert time.monotonic() - start < 10
    assert [p for p in sessions.children_of(os.getpid()) if not sessions.is_tracker(p)] == []


KILLED_BETWEEN = """
import os, signal
from multiprocessing import shared_memory
from onchip.lava.runtime.children import forking_children
from onchip.lava.runtime.shared_memory import FilelessManager

manager = FilelessManager()
with forking_children():
    manager.start()
manager.create_shared_memory(64)
shared_memory.mmap.mmap = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
manager.create_shared_memory(64)
"""


def test_a_block_of_shared_memory_is_freed_when_its_maker_dies_as_it_makes_it():
    before = sessions.shared_files()
    command = [sys.executable, "-c", KILLED_BETWEEN]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL, start_new_session=True)
    assert process.wait(60) == -signal.SIGKILL
    assert sessions.left_of(process.pid) == []
    assert not sessions.stale(sessions.shared_files() - before)
