"""What is compiled, what is not and why, and where kernels are kept."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
from compiled_cases import assert_near, frames_of, network

from onchip import LIF, Engine, LeakyIntegrator, Network, Surrogate
from onchip.deploy.quantization.network import quantize
from onchip.network.convolution import Convolution
from onchip.network.learning import with_learning, without_learning
from onchip.network.parts import Connection, Population
from onchip.network.transforms import Dense, OneToOne
from onchip.neurons.cuba import CuBa
from onchip.neurons.lava_lif import LavaLIF
from onchip.objectives.regression import Regression
from onchip.rules.filtered import Filtered


def run(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **environment}, capture_output=True, text=True, timeout=110,
    )  # fmt: skip


def test_an_engine_is_numpy_unless_it_is_asked() -> None:
    spec = network(1)
    assert str(Engine(spec).compiled) == "NumPy: compiled=False was asked for"
    assert str(Engine(spec, compiled=True).compiled) == "compiled"


def one_hidden(rng, neuron, transform=None) -> Network:
    transform = transform or Dense(rng.normal(0, 1, (6, 4)))
    readout = Dense(rng.normal(0, 1, (3, 6)))
    return Network(
        (Population("hidden", (6,), neuron), Population("out", (3,), LeakyIntegrator())),
        (Connection("input", "hidden", transform), Connection("hidden", "out", readout)),
        (transform.inputs,),
        8,
    )


class Doubled(Regression):
    """An objective that is a kernel's, but for its error."""

    def error(self, output, target, time_steps):
        return 2 * super().error(output, target, time_steps)


class Slower(Filtered):
    """An eligibility that is a kernel's, but for its step."""

    def step(self, kept, trace, told):
        return super().step(kept, trace / 2, told)


def convolved(rng) -> Network:
    """A convolution into current-based neurons."""
    kernel = Convolution(rng.normal(0, 1, (2, 1, 2, 2)), (1, 3, 3))
    readout = Dense(rng.normal(0, 1, (3, 8)))
    return Network(
        (Population("hidden", (2, 2, 2), CuBa()), Population("out", (3,), LeakyIntegrator())),
        (Connection("input", "hidden", kernel), Connection("hidden", "out", readout)),
        (1, 3, 3),
        8,
    )


TRIANGLE, DIRECT = Surrogate("triangle"), {"feedback": "direct"}

REASONS = {
    "neuron LavaLIF has no kernel": lambda rng: with_learning(
        one_hidden(rng, LavaLIF(0.8, 0.5, 1.0)), learning_rate=0.1
    ),
    "neuron CuBa has no kernel in integers": lambda rng: quantize(
        with_learning(one_hidden(rng, CuBa(surrogate=TRIANGLE)), learning_rate=0.1, **DIRECT)
    ),
    "transform OneToOne has no kernel": lambda rng: with_learning(
        one_hidden(rng, LIF(), OneToOne(rng.normal(1, 1, 6))), learning_rate=0.1
    ),
    "objective Doubled has no kernel": lambda rng: with_learning(
        one_hidden(rng, LIF()), learning_rate=0.1, objective=Doubled()
    ),
    "eligibility Slower has no kernel": lambda rng: with_learning(
        one_hidden(rng, LIF()), learning_rate=0.1, eligibility=Slower(0.5)
    ),
    "traces of CuBa have no kernel for Convolution": lambda rng: with_learning(
        convolved(rng), learning_rate=0.1, plastic=["hidden", "out"]
    ),
    "the network has no learning section": lambda rng: without_learning(network(1)),
}


@pytest.mark.parametrize("reason", REASONS)
def test_what_has_no_kernel_is_told_and_learns_by_numpy(rng, reason) -> None:
    spec = REASONS[reason](rng)
    compiled, engine = Engine(spec, compiled=True), Engine(spec)
    assert not compiled.compiled.active and reason in compiled.compiled.reason
    frames = frames_of(spec, 0.5, 0)
    assert np.array_equal(compiled.run(frames), engine.run(frames))
    if spec.learning is not None:
        target = np.eye(spec.classes)[[[1] * spec.time_steps]]
        assert np.array_equal(compiled.learn(frames, target), engine.learn(frames, target))


def test_learning_goes_on_after_a_fork() -> None:
    spec = network(10)
    frames, labels = frames_of(spec, 0.3, 0), np.array([0])
    Engine(spec, compiled=True).compile()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            engine, same = Engine(spec, compiled=True), Engine(spec)
            assert_near(engine.learn(frames, labels), same.learn(frames, labels), "outputs")
            status = 0
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_to_compile_changes_nothing() -> None:
    for mode in ("online", "accumulate"):
        spec = network(11, mode=mode)
        engine, other = Engine(spec, compiled=True), Engine(spec, compiled=True)
        engine.compile()
        assert engine.snapshot() == spec
        frames, labels = frames_of(spec, 0.3, 0), np.array([0])
        assert np.array_equal(engine.learn(frames, labels), other.learn(frames, labels))


def test_importing_the_package_does_not_import_numba() -> None:
    code = "import sys, onchip, onchip.engine.engine; print('numba' in sys.modules)"
    assert run(code).stdout.strip() == "False"


WITHOUT_NUMBA = """
import importlib.util, warnings
import numpy as np
found = importlib.util.find_spec
importlib.util.find_spec = lambda name, *rest: None if name == "numba" else found(name, *rest)
from onchip import LeakyIntegrator, DenseSpec, Engine, NetworkSpec
from onchip.network.learning import with_learning
layer = DenseSpec("out", np.ones((2, 3)), LeakyIntegrator())
spec = with_learning(NetworkSpec((layer,), (3,), 2), learning_rate=0.1)
with warnings.catch_warnings(record=True) as told:
    warnings.simplefilter("always")
    engines = [Engine(spec, compiled=True) for _ in range(2)]
    engines[0].learn(np.ones((1, 2, 3), np.uint8), np.array([0]))
print(len(told), engines[0].compiled, "|", told[0].message)
"""


def test_without_numba_numpy_learns_and_it_is_said_once() -> None:
    done = run(WITHOUT_NUMBA)
    assert done.stdout.startswith("1 NumPy: numba is not installed | numba is not installed, so")


def test_kernels_are_compiled_where_nothing_can_be_kept() -> None:
    code = (
        "from numba.core import caching\n"
        "def nowhere(*arguments): raise RuntimeError('cannot cache: no locator available')\n"
        "caching.CacheImpl.__init__ = nowhere\n"
        "import numpy as np\n"
        "from onchip.engine.compiled.events import collect\n"
        "inputs, starts = np.zeros(3, int), np.zeros(2, int)\n"
        "print(collect(np.array([[0, 3, 1]]), starts, inputs, 0), inputs[:2])"
    )
    done = run(code)
    assert done.stdout.strip() == "2 [1 2]", done.stderr
