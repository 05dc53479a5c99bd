"""Failures in a Lava network reach the caller, and no OS process survives them."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from multiprocessing.managers import SharedMemoryManager
from pathlib import Path

import pytest
from parity_cases import random_events, two_hidden_layers

from onchip.execution import ONE_PROCESS, PROCESSES
from onchip.lava.fused import FusedLavaNetwork
from onchip.lava.network import LavaNetwork
from onchip.lava.processes.lif import LIFLayerModel
from onchip.lava.runtime import processes
from onchip.lava.runtime.errors import LavaExecutionError
from onchip.lava.runtime.memory import read_var
from onchip.network.learning import with_learning

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
from onchip.network.learning import with_learning
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
from onchip.network.learning import with_learning

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
from onchip.lava.runtime.children import forking_children
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
from onchip.lava.runtime import children
read, write = os.pipe()
if os.fork() == 0:
    with children.forking_children():
        if os.fork() == 0:
            time.sleep(2)
            os.write(write, b"lived")
            os._exit(0)
    os._exit(0)  # gone before its child has done anything
os.close(write)
print(os.read(read, 9))
"""


def test_a_child_whose_parent_is_gone_ends():
    command = [sys.executable, "-c", ORPHANED]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == "b''\n", done.stderr


IN_A_THREAD = """
import os, signal, sys, threading
import numpy as np
from parity_cases import random_events, two_hidden_layers
from onchip.lava.network import LavaNetwork
rng = np.random.default_rng(0)
spec = two_hidden_layers(rng, (2, 5, 5))
networks = []

def build():
    networks.append(LavaNetwork(spec, runtime="processes"))

thread = threading.Thread(target=build)
thread.start()
thread.join()
# The thread that built it is gone; the network is not.
print(networks[0].run(random_events(rng, 1, (2, 5, 5))[0]).predictions.shape, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_network_built_in_a_thread_outlives_the_thread_but_not_the_program():
    child = subprocess.Popen(
        [sys.executable, "-c", IN_A_THREAD],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(SUPPORT)},
        start_new_session=True,
    )
    output, _ = child.communicate(timeout=60)
    assert output == b"(1,)\n" and child.returncode == -signal.SIGKILL
    assert left_of_session(child.pid) == []


FORKED = """
import gc, os, sys
import numpy as np
from parity_cases import random_events, two_hidden_layers
from onchip.lava.network import LavaNetwork
rng = np.random.default_rng(0)
frames = random_events(rng, 1, (2, 5, 5))[0]
network = LavaNetwork(two_hidden_layers(rng, (2, 5, 5)), runtime="processes")
child = os.fork()
if child == 0:
    if sys.argv[1] == "drops":
        del network
        gc.collect()
    elif sys.argv[1] == "closes":
        network.close()
    sys.exit(0)  # in order, with all that is done at Python's end
os.waitpid(child, 0)
print(network.run(frames).predictions.shape)
network.close()
"""


@pytest.mark.parametrize("what", ["ends", "drops", "closes"])
def test_a_forked_child_leaves_its_parents_network_alone(what):
    environment = {**os.environ, "PYTHONPATH": str(SUPPORT)}
    command = [sys.executable, "-c", FORKED, what]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60)
    assert (done.stdout, done.returncode) == ("(1,)\n", 0), done.stderr


INTERRUPTED_WHILE_BUILDING = """
import os, signal, sys, threading, time
import numpy as np
from parity_cases import two_hidden_layers
from onchip.lava.runtime import supervisor
from onchip.lava.network import LavaNetwork
signal.signal(signal.SIGINT, signal.default_int_handler)
spec = two_hidden_layers(np.random.default_rng(0), (2, 5, 5))
LavaNetwork(spec, runtime=sys.argv[1]).close()  # the first one takes longer
start = supervisor.Supervisor.start

def interrupted(self):
    global began
    began = time.monotonic()
    threading.Timer(float(sys.argv[2]), os.kill, (os.getpid(), signal.SIGINT)).start()
    start(self)

supervisor.Supervisor.start = interrupted
try:
    with LavaNetwork(spec, runtime=sys.argv[1]):
        for _ in range(500):  # a signal may come right before a sleep begins
            time.sleep(0.01)
        print("it never came")
except KeyboardInterrupt:
    print("in time" if time.monotonic() - began < 3 else "late")
"""


@both_runtimes
@pytest.mark.parametrize("moment", [0.001, 0.02, 0.1])
def test_ctrl_c_while_a_network_is_built_comes_and_leaves_nothing(runtime, moment):
    child = subprocess.Popen(
        [sys.executable, "-c", INTERRUPTED_WHILE_BUILDING, runtime, str(moment)],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(SUPPORT)},
        start_new_session=True,
    )
    output, _ = child.communicate(timeout=60)
    assert output == b"in time\n"
    assert left_of_session(child.pid) == []


IN_A_DAEMON = """
import multiprocessing
import numpy as np
from parity_cases import two_hidden_layers
from onchip.lava.network import LavaNetwork

def work(_=None):
    try:
        LavaNetwork(two_hidden_layers(np.random.default_rng(0), (2, 5, 5)), runtime="processes")
    except Exception as error:
        return f"{type(error).__name__} {error}"

if __name__ == "__main__":
    with multiprocessing.get_context("fork").Pool(1) as pool:
        print(pool.map(work, [1])[0])
    multiprocessing.set_start_method("spawn", force=True)
    with LavaNetwork(two_hidden_layers(np.random.default_rng(0), (2, 5, 5)), runtime="processes"):
        print(multiprocessing.get_start_method())
"""


def test_daemons_are_told_why_and_a_programs_start_method_stays(tmp_path):
    script = tmp_path / "program.py"
    script.write_text(IN_A_DAEMON)
    environment = {**os.environ, "PYTHONPATH": str(SUPPORT)}
    command = [sys.executable, str(script)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60)
    assert done.returncode == 0, done.stderr
    told, method = done.stdout.splitlines()
    assert told.startswith("RuntimeError runtime 'processes': a daemonic process")
    assert method == "spawn"


def test_what_cleaning_up_raises_does_not_hide_the_first_error(spec, monkeypatch):
    def no_memory(self, address=None):
        raise OSError("no space left on /dev/shm")

    monkeypatch.setattr(SharedMemoryManager, "start", no_memory)
    with pytest.raises(OSError, match="no space left"):
        LavaNetwork(spec, runtime=PROCESSES)
    assert lava_children() == []


def test_two_threads_on_one_network_are_refused(rng, spec):
    frames, labels = random_events(rng, 40, INPUTS)
    with LavaNetwork(spec, runtime=PROCESSES) as network:
        thread = threading.Thread(target=network.learn, args=(frames, labels))
        thread.start()
        time.sleep(0.1)
        with pytest.raises(RuntimeError, match="steps are being run; ask between two runs"):
            network.run(frames[:1])
        thread.join()
        assert network.run(frames[:1]).outputs.shape == (1, 10, 10)


def test_a_stopped_process_is_told_to_the_caller(rng, spec):
    frames, _ = random_events(rng, 1, INPUTS)
    with LavaNetwork(spec, runtime=PROCESSES) as network:
        actor = network.supervisor.require_runtime()._messaging_infrastructure.actors[-1]
        os.kill(actor.pid, signal.SIGSTOP)
        start = time.monotonic()
        with pytest.raises(LavaExecutionError, match=rf"process {actor.pid} was stopped"):
            network.run(frames)
    assert time.monotonic() - start < 10
    assert lava_children() == []


ABANDONED = """
import gc, os, sys, threading, time
import numpy as np
from parity_cases import random_events, two_hidden_layers
from onchip.deploy.backends.table import build
from onchip.network.learning import with_learning
rng = np.random.default_rng(0)
spec = with_learning(two_hidden_layers(rng, (2, 3, 3)), learning_rate=0.1)
frames, labels = random_events(rng, 1, (2, 3, 3))

def held():
    gc.collect()
    time.sleep(0.3)  # threads that were told to end
    listed = open(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read().split()
    maps = len(open("/proc/self/maps").readlines())
    return len(listed), len(os.listdir("/proc/self/fd")), threading.active_count(), maps

def abandon(number):
    build(spec, ("lava-fused", "lava-fast")[number % 2], runtime="processes").learn(frames, labels)

for number in range(4):
    abandon(number)
before = held()
for number in range(int(sys.argv[1])):
    abandon(number)
    after = held()
    assert after[:3] == before[:3] and after[3] <= before[3] + 8, (number, before, after)
print(time.time(), flush=True)
"""


@pytest.mark.parametrize(
    "count", [6, pytest.param(50, marks=(pytest.mark.long, pytest.mark.timeout(600)))]
)
def test_abandoned_networks_leave_nothing_and_python_ends(count):
    environment = {**os.environ, "PYTHONPATH": str(SUPPORT)}
    command = [sys.executable, "-c", ABANDONED, str(count)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    assert time.time() - float(done.stdout) < 5


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
