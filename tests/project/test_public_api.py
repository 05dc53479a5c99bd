"""The names that the three packages offer: which they are, what they say, what they load."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

NAMES = {
    "onchip": [
        "ALIF",
        "Bias",
        "Classification",
        "Connection",
        "ConvSpec",
        "Convolution",
        "CuBa",
        "Dense",
        "DenseSpec",
        "Engine",
        "FeedbackKind",
        "FixedNetworkSpec",
        "LIF",
        "LeakyIntegrator",
        "Learning",
        "LearningSpec",
        "LinearReadout",
        "LocalConvolution",
        "Network",
        "NetworkSpec",
        "Neuron",
        "Objective",
        "OneToOne",
        "Population",
        "Preset",
        "Program",
        "Regression",
        "Reward",
        "Route",
        "Rule",
        "Schedule",
        "SpikeTrains",
        "Surrogate",
        "Transform",
        "add_classes",
        "chain",
        "local_readouts",
        "lower",
        "make_schedule",
        "unrolled",
        "with_learning",
        "without_learning",
    ],
    "onchip.lava": ["LavaMissingError", "NetworkComponent", "run", "running"],
    "onchip.models": [
        "FrameDataset",
        "OTTTConv2d",
        "OTTTLinear",
        "SensorConfig",
        "SpikingLayer",
        "SpikingNetwork",
        "TorchNetwork",
        "TrainingConfig",
        "TrainingResult",
        "build_model",
        "dataset_table",
        "describe_model",
        "evaluate",
        "from_torch",
        "load_checkpoint",
        "load_dataset",
        "recommended_network",
        "recommended_training",
        "seed_everything",
        "train",
        "train_by_rule",
    ],
    "onchip.deploy": [
        "Backend",
        "Bundle",
        "CheckReport",
        "EarlyStopping",
        "Execution",
        "LearnResult",
        "ParityReport",
        "Quantization",
        "QuantizationReport",
        "RunResult",
        "SampleEvent",
        "StreamLearning",
        "StreamLog",
        "StreamResult",
        "at_rate",
        "build",
        "check",
        "check_netx",
        "compare",
        "dequantize",
        "draw",
        "from_nir",
        "learn_in_stages",
        "load_bundle",
        "load_spec",
        "quantize",
        "read_nir",
        "recovery",
        "report_quantization",
        "resolve_backend",
        "save_bundle",
        "save_spec",
        "to_nir",
        "write_nir",
    ],
}
EVERY_NAME = [(package, name) for package, names in NAMES.items() for name in names]

OLD_PATHS = [
    ("onchip.models.description", "describe_model"),
    ("onchip.models.data", "load_dataset"),
    ("onchip.models.data", "SensorConfig"),
    ("onchip.deploy.quantization.network", "quantize"),
    ("onchip.deploy.quantization.network", "Quantization"),
    ("onchip.deploy.backends.table", "build"),
    ("onchip.deploy.backends.table", "resolve_backend"),
    ("onchip.deploy.files.hdf5", "save_bundle"),
    ("onchip.deploy.parity.comparison", "compare"),
    ("onchip.deploy.checks.network", "check"),
    ("onchip.network.learning", "with_learning"),
    ("onchip.program.integer_spec", "FixedNetworkSpec"),
]
"""Import paths that were there before the packages' own names."""

HEAVY = {"torch", "lava", "h5py", "scipy", "sklearn", "matplotlib", "tonic"}


def run_alone(code: str) -> str:
    """What a fresh interpreter prints."""
    command = [sys.executable, "-c", code]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return result.stdout


@pytest.mark.parametrize("package", NAMES)
def test_a_package_offers_exactly_these_names(package: str) -> None:
    module = importlib.import_module(package)
    assert sorted(module.__all__) == NAMES[package]
    assert dir(module) == NAMES[package]


@pytest.mark.parametrize(("package", "name"), EVERY_NAME)
def test_every_name_is_a_class_or_function_with_a_docstring_of_its_own(
    package: str, name: str
) -> None:
    found = getattr(importlib.import_module(package), name)
    assert inspect.isclass(found) or inspect.isfunction(found)
    text = inspect.cleandoc(found.__doc__ or "")
    assert len(text.split()) >= 5
    assert not text.startswith(f"{name}(")  # what a dataclass gets that says nothing


@pytest.mark.parametrize("package", NAMES)
def test_no_name_is_hidden_once_a_module_of_the_same_name_is_imported(package: str) -> None:
    modules = {m.name for m in pkgutil.iter_modules(importlib.import_module(package).__path__)}
    hidden = modules & set(NAMES[package])
    assert hidden == set()


@pytest.mark.parametrize(("module", "name"), OLD_PATHS)
def test_the_older_import_paths_give_the_same_objects(module: str, name: str) -> None:
    package = next(p for p in reversed(NAMES) if module.startswith(f"{p}."))
    found = getattr(importlib.import_module(module), name)
    assert getattr(importlib.import_module(package), name) is found


@pytest.mark.parametrize("package", NAMES)
def test_an_unknown_name_is_an_attribute_error(package: str) -> None:
    with pytest.raises(AttributeError, match=f"module '{package}' has no attribute 'nothing'"):
        importlib.import_module(package).nothing  # noqa: B018


def test_importing_and_listing_the_packages_loads_nothing_heavy() -> None:
    code = "import sys, onchip.models, onchip.deploy as d; dir(onchip), dir(onchip.models), dir(d);"
    loaded = set(run_alone(f"{code} print(*sys.modules)").split())
    assert {"onchip", "onchip.models", "onchip.deploy"} <= loaded
    assert loaded & HEAVY == set()


def test_the_names_of_deploy_load_neither_torch_nor_lava() -> None:
    code = "import sys, onchip.deploy as d; [getattr(d, name) for name in d.__all__];"
    loaded = set(run_alone(f"{code} print(*sys.modules)").split())
    assert "onchip.deploy.backends.table" in loaded
    assert loaded & {"torch", "lava"} == set()


def test_loading_data_does_not_wait_for_torch_or_lava() -> None:
    loaded = set(
        run_alone("import sys; from onchip.models import load_dataset; print(*sys.modules)").split()
    )
    assert "onchip.models.data.load" in loaded
    assert loaded & {"torch", "lava"} == set()


def test_networks_without_convolutions_do_not_wait_for_lavas_own() -> None:
    loaded = set(
        run_alone(
            "import sys, onchip.lava.network, onchip.lava.run_config; print(*sys.modules)"
        ).split()
    )
    assert "lava.proc.dense.process" in loaded
    assert loaded & {"lava.proc.conv.process", "scipy.signal", "scipy.stats"} == set()


def test_the_options_of_training_are_read_before_torch() -> None:
    code = "import contextlib, sys; from onchip.models.cli.command_line import main\n"
    code += "with contextlib.suppress(SystemExit): main(['--help'])\nprint('LOADED', *sys.modules)"
    shown, loaded = run_alone(code).split("LOADED")
    assert "usage: onchip.models [-h]" in shown
    assert "onchip.models.cli.command_line" in loaded.split()
    assert "torch" not in loaded.split()


def test_the_oldest_imports_of_onchip_leave_its_modules_reachable() -> None:
    code = "import onchip; print(onchip.network.learning.with_learning.__name__)\n"
    code += "print(onchip.neurons.lif.LIF.__name__)"
    assert run_alone(code).split() == ["with_learning", "LIF"]


def test_the_files_of_this_checkout_are_what_is_tested() -> None:
    for package in NAMES:
        file = importlib.import_module(package).__file__
        assert file is not None
        folder = (
            package.removeprefix("onchip.").split(".")
            if package != "onchip.lava"
            else ["onchip", "lava"]
        )
        assert Path(file).parent == Path(__file__).parents[2].joinpath(*folder)
