"""Failures in a Lava network reach the caller, and no OS process survives them."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from parity_cases import random_events, two_hidden_layers

from onchip.execution import ONE_PROCESS, PROCESSES
from onchip.lava.fused import FusedLavaNetwork
from onchip.lava.memory import read_var
from onchip.lava.network import LavaNetwork
from onchip.lava.processes.lif import LIFLayerModel
from onchip.lava.runtime import processes
from onchip.lava.runtime.errors import LavaExecutionError
from onchip.spec import with_learning

INPUTS = (2, 5, 5)
SUPPORT = Path(__file__).parents[2] / "support"
SECONDS = 30
"""How long processes and threads may take to be gone on a busy machine."""


def living(option: str, value: int) -> list[str]:
    """`ps` lines of living processes but ps itself."""
    command = ["ps", "-ww", "-o", "stat=,pid=,args=", option, str(value)]
    lines = subprocess.run(command, capture_output=True, text=True, check=False).stdout.splitlines()
    return [s for s in lines if not s.startswith("Z") and "ps -ww -o stat=" not in s]


def lava_children() -> list[str]:
    """Children of this process but Python's resource tracker, which stays."""
    return [line for line in living("--ppid", os.getpid()) if "resource_tracker" not in line]


def left_of_session(leader: int) -> list[str]:
    """What still lives of a session whose leader has ended, if it does not end in time.

    Python's resource tracker ends by itself too, after it has freed what the leader left behind.
    Told apart by name it would not be: a process on its way out has no command line any more.
    """
    deadline = time.monotonic() + SECONDS
    while (left := living("--sid", leader)) and time.monotonic() < deadline:
        time.sleep(0.05)
    return left


@pytest.fixture
def spec(rng):
    return with_learning(two_hidden_layers(rng, INPUTS), learning_rate=0.1)


def fails(self):
    raise KeyError("no such synapse")


def dies(self):
    os._exit(7)


both_runtimes = pytest.mark.parametrize("runtime", [ONE_PROCESS, PROCESSES])


@pytest.mark.parametrize(
    ("fault", "message", "runtime"),
    [
        (fails, "KeyError: 'no such synapse'", ONE_PROCESS),
        (fails, "KeyError: 'no such synapse'", PROCESSES),
        (dies, "exit code 7", PROCESSES),
    ],
)
def test_a_failing_process_model_reaches_the_caller(
    rng, spec, monkeypatch, fault, message, runtime
):
    monkeypatch.setattr(LIFLayerModel, "run_spk", fault)
    frames, labels = random_events(rng, 2, INPUTS)
    network = LavaNetwork(spec, runtime=runtime)
    with pytest.raises(LavaExecutionError, match=message), network:
        start = time.monotonic()
        network.learn(frames, labels)
    assert time.monotonic() - start < 10
    assert lava_children() == []


@both_runtimes
def test_a_process_model_that_cannot_be_built_reaches_the_caller(spec, monkeypatch, runtime):
    def broken(self, proc_params):
        raise TypeError("bad parameters")

    monkeypatch.setattr(LIFLayerModel, "__init__", broken)
    with pytest.raises(TypeError, match="bad parameters"):
        LavaNetwork(spec, runtime=runtime)
    assert lava_children() == []


@both_runtimes
@pytest.mark.filterwarnings("ignore:overflow", "ignore:invalid value")
def test_divergence_is_an_error_not_nan_weights(rng, runtime):
    spec = two_hidden_layers(rng, INPUTS)
    spec = with_learning(spec, learning_rate=1e6, mse_weight=1.0)
    frames, labels = random_events(rng, 60, INPUTS)
    with (
        pytest.raises(LavaExecutionError, match="diverged; lower the learning rate"),
        LavaNetwork(spec, runtime=runtime) as network,
    ):
        network.learn(frames, labels)
    assert lava_children() == []


def test_leaving_the_context_ends_every_process_and_closing_twice_is_harmless(spec):
    with LavaNetwork(spec, runtime=PROCESSES) as network:
        assert len(lava_children()) > 5
    assert lava_children() == []
    network.close()


def test_an_exception_of_the_caller_ends_every_process(spec):
    with pytest.raises(ZeroDivisionError), LavaNetwork(spec, runtime=PROCESSES):
        raise ZeroDivisionError
    assert lava_children() == []


@both_runtimes
def test_a_closed_network_says_so(rng, spec, runtime):
    frames, _ = random_events(rng, 1, INPUTS)
    with LavaNetwork(spec, runtime=runtime) as network:
        pass
    with pytest.raises(RuntimeError, match="closed"):
        network.run(frames)
    with pytest.raises(RuntimeError, match="closed"):
        network.snapshot()


INTERRUPTED = """
import signal
import numpy as np
from parity_cases import random_events, two_hidden_layers
from onchip.lava.network import LavaNetwork
from onchip.spec import with_learning
signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job inherits it ignored
rng = np.random.default_rng(0)
spec = with_learning(two_hidden_layers(rng, (2, 5, 5)), learning_rate=0.01)
with LavaNetwork(spec, runtime={runtime!r}) as network:
    print("running", flush=True)
    while True:
        network.learn(*random_events(rng, 1, (2, 5, 5)))
"""


@both_runtimes
@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_no_process_outlives_its_parent_however_it_ends(ending, runtime):
    child = subprocess.Popen(
        [sys.executable, "-c", INTERRUPTED.replace("{runtime!r}", repr(runtime))],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": str(SUPPORT)},
        start_new_session=True,
    )
    try:
        assert child.stdout is not None
        assert child.stdout.readline() == b"running\n"
        time.sleep(0.5)
        if ending == signal.SIGINT:
            os.killpg(child.pid, ending)  # what a terminal does
        else:
            child.send_signal(ending)
        assert child.wait(timeout=SECONDS) != 0
        assert left_of_session(child.pid) == []
    finally:
        for line in living("--sid", child.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(line.split()[1]), signal.SIGKILL)
        child.communicate()


COUNTS_THREADS = """
import numpy as np
from threadpoolctl import threadpool_info
from parity_cases import random_events, two_hidden_layers
from onchip.lava.fused import FusedLavaNetwork
from onchip.lava.network import LavaNetwork
from onchip.lava.processes.fused import FusedNetworkModel
from onchip.lava.processes.lif import LIFLayerModel
from onchip.lava.runtime import processes
from onchip.execution import ONE_PROCESS, PROCESSES
from onchip.lava.runtime.errors import LavaExecutionError
from onchip.spec import with_learning

def threads(self=None):
    return [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]

def tell(self):
    raise RuntimeError(f"threads {max(threads())}")

LIFLayerModel.run_spk = FusedNetworkModel.run_spk = tell
rng = np.random.default_rng(0)
spec = with_learning(two_hidden_layers(rng, (2, 5, 5)), learning_rate=0.01)
for kind in (LavaNetwork, FusedLavaNetwork):
    for runtime in ("one-process", "processes"):
        try:
            with kind(spec, runtime=runtime) as network:
                network.run(random_events(rng, 1, (2, 5, 5))[0])
        except LavaExecutionError as error:
            print("here", max(threads()), "there", str(error).partition("RuntimeError: ")[2])
"""


def test_each_process_has_one_blas_thread_and_the_host_keeps_its_own():
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    environment = {**os.environ, **dict.fromkeys(names, "2"), "PYTHONPATH": str(SUPPORT)}
    command = [sys.executable, "-c", COUNTS_THREADS]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
    lines = done.stdout.splitlines()
    assert lines == 4 * ["here 2 there threads 1"], done.stderr


@pytest.mark.parametrize("ask", ["close", "state", "run"])
def test_a_process_that_dies_between_runs_does_not_hang_the_caller(rng, spec, ask):
    frames, _ = random_events(rng, 1, INPUTS)
    with LavaNetwork(spec, runtime=PROCESSES) as network:
        network.run(frames)
        actor = network.supervisor.require_runtime()._messaging_infrastructure.actors[-1]
        os.kill(actor.pid, signal.SIGKILL)
        deadline = time.monotonic() + SECONDS
        while actor.exitcode is None and time.monotonic() < deadline:
            time.sleep(0.01)
        start = time.monotonic()
        if ask != "close":
            with pytest.raises(LavaExecutionError, match="exit code -9"):
                network.state() if ask == "state" else network.run(frames)
    assert time.monotonic() - start < 15
    assert lava_children() == []


@pytest.mark.parametrize("which", [0, -1])
def test_closing_does_not_wait_for_a_process_that_stops_answering(spec, monkeypatch, which):
    """It is alive when asked to end, as one is that is about to die."""
    monkeypatch.setattr(processes, "STOP_SECONDS", 0.5)
    with LavaNetwork(spec, runtime=PROCESSES) as network:
        actor = network.supervisor.require_runtime()._messaging_infrastructure.actors[which]
        os.kill(actor.pid, signal.SIGSTOP)
        start = time.monotonic()
    assert time.monotonic() - start < 15
    assert lava_children() == []


def test_a_process_that_dies_while_it_is_asked_does_not_hang_the_caller(rng, spec):
    """Stopped, it cannot answer; it is ended while the caller waits."""
    frames, _ = random_events(rng, 1, INPUTS)
    with LavaNetwork(spec, runtime=PROCESSES) as network:
        network.run(frames)
        synapses = network.layers[0].synapses
        actors = network.supervisor.require_runtime()._messaging_infrastructure.actors
        for actor in actors:
            os.kill(actor.pid, signal.SIGSTOP)
        killer = threading.Timer(0.5, os.kill, (actors[-1].pid, signal.SIGKILL))
        killer.start()
        with pytest.raises(LavaExecutionError, match="exit code -9"):
            read_var(synapses.weights)
        killer.join()
    assert lava_children() == []


FORKS = """
import os
from onchip.lava.children import forking_children
with forking_children():
    child = os.fork()
    if child == 0:  # as a process model is, it stays inside
        grandchild = os.fork()
        if grandchild == 0:
            os._exit(7)
        os._exit(os.waitstatus_to_exitcode(os.waitpid(grandchild, 0)[1]))
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def test_what_a_process_model_forks_lives():
    done = subprocess.run([sys.executable, "-c", FORKS], capture_output=True, text=True, check=True)
    assert done.stdout == "7\n", done.stderr


ORPHANED = """
import os, time
from onchip.lava import children
read, write = os.pipe()
if os.fork() == 0:
    with children.forking_children():
        children._tied_to = 1 + os.getpid()  # the parent that was: this one took its place
        if os.fork() == 0:
            os.write(write, b"lived")
            os._exit(0)
        os.wait()
        os._exit(0)
os.close(write)
os.wait()
print(os.read(read, 9))
"""


def test_a_child_whose_parent_is_gone_as_it_starts_ends():
    command = [sys.executable, "-c", ORPHANED]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == "b''\n", done.stderr


FORGETS = """
import numpy as np
from parity_cases import random_events, two_hidden_layers
from onchip.lava.fused import FusedLavaNetwork
from onchip.lava.network import LavaNetwork
rng = np.random.default_rng(0)
spec = two_hidden_layers(rng, (2, 5, 5))
runtimes = ("one-process", "processes")
kept = [kind(spec, runtime=r) for kind in (LavaNetwork, FusedLavaNetwork) for r in runtimes]
print(kept[0].run(random_events(rng, 1, (2, 5, 5))[0]).predictions.shape)
"""


def test_a_script_that_never_closes_its_network_ends():
    environment = {**os.environ, "PYTHONPATH": str(SUPPORT)}
    command = [sys.executable, "-c", FORGETS]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "(1,)\n"


@both_runtimes
def test_a_closed_network_leaves_no_thread_behind(rng, spec, runtime):
    before = threading.active_count()
    for _ in range(3):
        with FusedLavaNetwork(spec, runtime=runtime) as network:
            network.run(random_events(rng, 1, INPUTS)[0])
    deadline = time.monotonic() + SECONDS
    while threading.active_count() > before + 1 and time.monotonic() < deadline:
        time.sleep(0.05)
    assert threading.active_count() <= before + 1
