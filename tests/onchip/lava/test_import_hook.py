"""Lava can be imported on every Python, and nobody else's dataclasses change for it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

REFUSED = sys.version_info >= (3, 11)
"""Whether this Python refuses a default without a hash, and so Lava as it is."""

OWN = """
import dataclasses

@dataclasses.dataclass
class Value:
    number: int = 0

def refused(kind=Value):
    "Whether a class whose default is a `kind` is refused, as Python does from 3.11 on."
    try:
        @dataclasses.dataclass
        class Holder:
            value: kind = kind()
    except ValueError:
        return True
    return False
"""


def run(folder: Path, code: str, *options: str) -> list[str]:
    """The lines that the code prints in an interpreter of its own, in `folder`."""
    command = [sys.executable, "-W", "error", *options, "-c", code]
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return result.stdout.splitlines()


@pytest.mark.parametrize("first", ["onchip.lava", "onchip.lava.fast.terms", "onchip.lava.fused"])
def test_lava_imports_without_a_warning_whichever_module_comes_first(
    tmp_path: Path, first: str
) -> None:
    code = f"import {first}, lava.magma.compiler.var_model as m; print(m.LoihiVarModel.__name__)"
    assert run(tmp_path, code) == ["LoihiVarModel"]


def test_python_dataclasses_are_what_they_were(tmp_path: Path) -> None:
    code = f"""{OWN}
before = dict(vars(dataclasses))
import onchip.lava.network
from lava.magma.compiler.var_model import ByteEncoder
print(vars(dataclasses) == before, refused(), refused(type("Sub", (Value,), {{}})))

@dataclasses.dataclass
class Mine(ByteEncoder):
    number: int = 0

print(refused(Mine))
"""
    assert run(tmp_path, code) == [f"True {REFUSED} {REFUSED}", f"{REFUSED}"]


def test_instances_of_lavas_dataclasses_have_no_hash_on_any_python(tmp_path: Path) -> None:
    code = """
import onchip.lava
from lava.magma.compiler.var_model import ByteEncoder
try:
    hash(ByteEncoder())
except TypeError as error:
    print(error)
"""
    assert run(tmp_path, code) == ["unhashable type: 'ByteEncoder'"]


def test_classes_made_in_other_threads_while_lava_is_imported_are_refused_as_ever(
    tmp_path: Path,
) -> None:
    code = f"""{OWN}
import sys, threading
sys.setswitchinterval(1e-5)
original, found, done = dataclasses.dataclass, [], threading.Event()

def look():
    while not done.is_set():
        found.append((refused(), dataclasses.dataclass is original))

threads = [threading.Thread(target=look) for _ in range(3)]
for thread in threads:
    thread.start()
import onchip.lava.network
from lava.magma.compiler.var_model import ByteEncoder
done.set()
for thread in threads:
    thread.join()
print(len(found) > 10, *set(found))
"""
    assert run(tmp_path, code) == [f"True ({REFUSED}, True)"]


def test_lava_imported_by_two_threads_at_once_is_one_lava(tmp_path: Path) -> None:
    code = """
import onchip.lava, importlib, sys, threading
sys.setswitchinterval(1e-5)
names = ["lava.magma.core.process.process", "lava.magma.core.run_configs", "lava.proc.lif.process"]
found = [[] for _ in names]

def look(name, classes):
    importlib.import_module(name)
    from lava.magma.core.process.variable import Var
    classes.append(Var)

threads = [threading.Thread(target=look, args=pair) for pair in zip(names, found)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(len({kind for classes in found for kind in classes}), sum(map(len, found)))
"""
    assert run(tmp_path, code) == ["1 3"]


def test_a_second_import_adds_no_second_hook(tmp_path: Path) -> None:
    code = """
import importlib, sys
import onchip.lava
importlib.reload(onchip.lava)
print(sum(type(finder).__name__ == "LavaFinder" for finder in sys.meta_path))
"""
    assert run(tmp_path, code) == [f"{int(REFUSED)}"]


NETWORK = """
import numpy as np
from lava.magma.core.run_conditions import RunSteps
from lava.magma.core.run_configs import Loihi2SimCfg
from lava.proc.lif.process import LIF

neuron = LIF(shape=(2,), bias_mant=np.array([3, 5]), du=0, dv=0, vth=100)
neuron.run(RunSteps(4), Loihi2SimCfg())
print(neuron.u.get().tolist(), neuron.v.get().tolist())
neuron.stop()
"""
"""Without current and leak v is 4 x the bias."""


def test_after_lava_failed_by_itself_onchip_lava_mends_it(tmp_path: Path) -> None:
    code = f"""
try:
    from lava.magma.core.process.process import AbstractProcess
    print("imported")
except ValueError as error:
    print(str(error)[:15])
import onchip.lava
{NETWORK}"""
    lines = run(tmp_path, code, "-W", "ignore::DeprecationWarning")
    assert lines == ["mutable default" if REFUSED else "imported", "[0.0, 0.0] [12.0, 20.0]"]


OWN_PROCESS = '''
"""A process of a user's, and its model."""
from lava.magma.core.decorator import implements, requires
from lava.magma.core.model.py.model import PyLoihiProcessModel
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.process.variable import Var
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol


class Counter(AbstractProcess):
    def __init__(self):
        super().__init__()
        self.count = Var(shape=(1,), init=0)


@implements(proc=Counter, protocol=LoihiProtocol)
@requires(CPU)
class CounterModel(PyLoihiProcessModel):
    count: int = LavaPyType(int, int)

    def run_spk(self):
        self.count += self.time_step
'''


def test_a_process_in_a_file_of_the_users_own_runs(tmp_path: Path) -> None:
    """Lava executes the files beside it, so one that wants Lava's dataclasses is there as well."""
    package = tmp_path / "mine"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "counter.py").write_text(OWN_PROCESS)
    (package / "beside.py").write_text("from lava.magma.core.process.process import LogConfig\n")
    code = """
import onchip.lava
from lava.magma.core.run_conditions import RunSteps
from lava.magma.core.run_configs import Loihi2SimCfg
from mine.counter import Counter

counter = Counter()
counter.run(RunSteps(4), Loihi2SimCfg())
print(counter.count.get().tolist())
counter.stop()
"""
    assert run(tmp_path, code, "-W", "ignore::DeprecationWarning") == ["[10.0]"]
