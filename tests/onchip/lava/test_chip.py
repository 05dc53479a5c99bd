"""Processes that Lava silently runs on the CPU are named, on real networks in the simulator.

The chip's own classes are made up: none of this was run on hardware.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from fake_loihi import VERSION, write_extension, write_sinfo
from lava.magma.core import run_configs
from lava.magma.core.run_configs import Loihi2HwCfg
from lava.proc.dense.models import PyDenseModelBitAcc
from lava.proc.dense.process import Dense, LearningDense
from parity_cases import dense, random_events

import onchip.lava.loihi2.chip as chip
from onchip import LIF, LeakyIntegrator, NetworkSpec, Surrogate
from onchip.deploy.quantization.network import quantize
from onchip.lava.loihi2.chip import (
    ChipRunConfig,
    chosen_models,
    loihi2_network,
    python_processes,
    require_chip_models,
)
from onchip.lava.loihi2.hardware import NEVER_RUN, HardwareUnavailableError
from onchip.lava.network import LavaNetwork
from onchip.network.learning import with_learning
from onchip.program.integer_spec import FixedNetworkSpec

ON_CHIP = {
    "fc1.synapses (LearningDense)",
    "fc1 (LIFLayer)",
    "fc1.feedback (Dense)",
    "readout.synapses (LearningDense)",
    "readout (Readout)",
}
"""Every process of `float_spec`'s network but the source, which is on the host by design."""


ROOT = Path(__file__).parents[3]


class MadeUpCModel:
    """The class of a model for the embedded CPU, under the name Lava looks for."""


class UntaggedChipModel(MadeUpCModel):
    required_resources: tuple = ()
    tags: tuple = ()


@pytest.fixture
def float_spec(rng: np.random.Generator) -> NetworkSpec:
    hidden = dense(rng, "fc1", 6, 8, LIF(surrogate=Surrogate("rectangle")))
    layers = (hidden, dense(rng, "readout", 10, 6, LeakyIntegrator()))
    return with_learning(NetworkSpec(layers, (8,), 10), learning_rate=0.1, feedback="symmetric")


@pytest.fixture
def spec(float_spec: NetworkSpec) -> FixedNetworkSpec:
    return quantize(float_spec)


@pytest.fixture
def extension(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if Lava had imported an extension and a board were there."""
    monkeypatch.setattr(run_configs, "CLoihiProcessModel", MadeUpCModel, raising=False)
    monkeypatch.setattr(chip, "require_loihi", lambda: None)


def lava_children() -> str:
    command = ["ps", "-ww", "-o", "args=", "--ppid", str(os.getpid())]
    lines = subprocess.run(command, capture_output=True, text=True, check=False).stdout.splitlines()
    return "\n".join(line for line in lines if not line.startswith("ps") and "tracker" not in line)


def test_the_fixture_of_the_parity_tests_is_the_simulators_network(request, fixed_network, spec):
    if request.config.getoption("--backend") == "lava":
        assert fixed_network is LavaNetwork


def test_in_the_simulator_every_process_but_the_source_is_a_python_one(rng, spec):
    with LavaNetwork(spec) as network:
        models = chosen_models(network.supervisor.require_runtime())
        network.learn(*random_events(rng, 1, (8,)))
    assert len(models) == len(ON_CHIP) + 1
    assert set(python_processes(models)) == ON_CHIP
    with pytest.raises(HardwareUnavailableError) as refusal:
        require_chip_models(models)
    text = str(refusal.value)
    assert all(name in text for name in ON_CHIP) and "source" not in text
    assert "\n" not in text and NEVER_RUN in text
    assert text.endswith("--backend lava --precision fixed")


def test_a_process_with_a_chip_model_is_not_named(spec):
    with LavaNetwork(spec) as network:
        models = chosen_models(network.supervisor.require_runtime())
    synapses = {p for p in models if isinstance(p, (Dense, LearningDense))}
    mixed = {p: UntaggedChipModel if p in synapses else model for p, model in models.items()}
    assert set(python_processes(mixed)) == {"fc1 (LIFLayer)", "readout (Readout)"}
    require_chip_models({p: UntaggedChipModel for p in models})


def test_without_the_extension_the_run_configuration_refuses_in_one_line(monkeypatch):
    monkeypatch.delattr(run_configs, "CLoihiProcessModel", raising=False)
    with pytest.raises(HardwareUnavailableError, match=r"reinstall lava-loihi .*--backend lava"):
        ChipRunConfig()
    with pytest.raises(NameError, match="CLoihiProcessModel"):  # what Lava says
        Loihi2HwCfg().select(Dense(weights=np.eye(2)), [PyDenseModelBitAcc] * 2)


def test_a_chip_model_without_the_tag_is_not_dropped_for_a_python_one(extension):
    process, models = Dense(weights=np.eye(2)), [PyDenseModelBitAcc, UntaggedChipModel]
    config = ChipRunConfig()
    assert config.select(process, models) is UntaggedChipModel
    assert config.models == {process: UntaggedChipModel}
    assert Loihi2HwCfg(select_tag="fixed_pt").select(process, models) is PyDenseModelBitAcc


def test_a_network_that_fell_back_is_refused_and_leaves_no_process(extension, spec):
    with pytest.raises(HardwareUnavailableError) as refusal:
        loihi2_network(spec)
    assert all(name in str(refusal.value) for name in ON_CHIP)
    assert lava_children() == ""


def test_a_fallback_is_named_even_if_the_compiler_fails_because_of_it(extension, spec, monkeypatch):
    def fails_to_compile(spec, schedule, *, record, run_config, runtime):
        run_config.select(Dense(weights=np.eye(2), name="fc9"), [PyDenseModelBitAcc])
        raise RuntimeError("no channel between fc8 and fc9")

    monkeypatch.setattr(chip, "LavaNetwork", fails_to_compile)
    with pytest.raises(HardwareUnavailableError, match=r"fc9 \(Dense\)") as refusal:
        loihi2_network(spec)
    assert "fc8" in str(refusal.value.__context__)


def test_other_failures_of_the_compiler_reach_the_caller(extension, spec, monkeypatch):
    def runs_out_of_cores(spec, schedule, *, record, run_config, runtime):
        raise RuntimeError("out of cores")

    monkeypatch.setattr(chip, "LavaNetwork", runs_out_of_cores)
    with pytest.raises(RuntimeError, match="out of cores"):
        loihi2_network(spec)


def test_a_float_network_is_told_to_quantize_first(extension, float_spec):
    with pytest.raises(ValueError, match=r"floating point.*quantize first: onchip quantize"):
        loihi2_network(float_spec)


WITH_AN_EXTENSION = """
import numpy as np
from onchip.deploy.backends.table import build, resolve_backend
from onchip.deploy.quantization.network import quantize
from onchip import LIF, DenseSpec, LeakyIntegrator, NetworkSpec
weights = np.eye(3) + 0.1
layers = (DenseSpec("fc1", weights, LIF()), DenseSpec("readout", weights, LeakyIntegrator()))
spec = quantize(NetworkSpec(layers, (3,), 4))
print(resolve_backend("auto", spec))
try:
    build(spec, "loihi2")
except ValueError as error:
    print(error)
"""


def test_with_an_extension_and_a_board_a_network_is_refused_for_its_neurons(tmp_path: Path):
    paths = (write_extension(tmp_path / "extension"), ROOT)
    child = subprocess.run(
        [sys.executable, "-c", WITH_AN_EXTENSION],
        capture_output=True,
        text=True,
        check=True,
        env={
            "PATH": str(write_sinfo(tmp_path / "bin")),
            "PYTHONPATH": os.pathsep.join(map(str, paths)),
            "OMP_NUM_THREADS": "1",
            "SLURM": "1",
            "PARTITION": "oheogulch",
        },
    )
    chosen, refusal = child.stdout.splitlines()
    assert "name='loihi2'" in chosen and VERSION in chosen and NEVER_RUN in chosen
    assert "fc1 (LIFLayer)" in refusal and "readout (Readout)" in refusal
