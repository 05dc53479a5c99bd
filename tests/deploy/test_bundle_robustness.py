"""A thousand damaged files: each is refused in one line, or is the same network; none does harm."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import load_damaged
import numpy as np
import pytest
from bundle_mutations import MUTATIONS, mutate
from fixed_networks import conv_integers, float_twin
from integer_neurons import integer_integrator

from onchip import LIF
from onchip.arithmetic.integer_softmax import make_error
from onchip.deploy.files.hdf5 import Bundle, check_netx, load_bundle, save_bundle
from onchip.network.learning import with_learning
from onchip.program.graphs import as_graph
from onchip.program.integer_layer_spec import FixedDenseSpec, FixedPlasticity
from onchip.program.integer_spec import FixedFactor, FixedLearningSpec, FixedNetworkSpec
from onchip.program.rates import FixedRate

BATCHES = [(0, range(100)), (0, range(100, 200))]
BATCHES += [(1, range(first, first + 200)) for first in range(200, 1000, 200)]
"""Which of the good files, and the seeds of its damage: a thousand."""

BATCHES += [(2, range(first, first + 100)) for first in (3000, 3100)]
"""Two hundred more, of a graph."""

LONG = [(first // 200 % 2, range(first, first + 200)) for first in range(1000, 2000, 200)]
"""A thousand more."""


def learning_bundle() -> Bundle:
    """A convolution, a hidden layer and a readout that learn, and netx's part: all of a file."""
    rng = np.random.default_rng(4)
    fixed = conv_integers(rng)
    plasticity = FixedPlasticity(8, FixedRate(3, -2, 50, 1, 0.1, 0.11))
    hidden, readout = (replace(layer, plasticity=plasticity) for layer in fixed.layers[1:])
    readout = replace(readout, bias_weight=rng.integers(-9, 9, 4))
    matrix = rng.integers(-256, 256, (8, 4))
    hidden_neuron = replace(hidden.neuron, surrogate=LIF().surrogate)
    learning = FixedLearningSpec(
        "online",
        "direct",
        "sequenced",
        make_error(0.01, 0.1, 4),
        {"hidden": FixedFactor(9, 0.5, matrix), "readout": FixedFactor(0, 0.01)},
    )
    layers = (fixed.layers[0], replace(hidden, neuron=hidden_neuron), readout)
    fixed = replace(fixed, layers=layers, learning=learning, metadata={"dataset": "made up"})
    twin = float_twin(fixed)
    names = ["hidden", "readout"]
    spec = with_learning(twin, learning_rate=0.1, feedback="direct", plastic=names)
    return Bundle(spec, fixed)


def small_bundle() -> Bundle:
    """A readout alone, which takes the least time to read."""
    layer = FixedDenseSpec("out", [[2, -4, 6], [8, 0, -2]], integer_integrator(400), 0.1)
    fixed = FixedNetworkSpec((layer,), (3,), 2)
    return Bundle(float_twin(fixed), fixed)


def graph_bundle() -> Bundle:
    """Graphs that learn, in floats and in integers."""
    chains = learning_bundle()
    return Bundle(as_graph(chains.spec), as_graph(chains.fixed))


@pytest.fixture(scope="module")
def goods(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ...]:
    folder = tmp_path_factory.mktemp("good")
    for name, bundle in (("large.h5", learning_bundle()), ("small.h5", small_bundle())):
        save_bundle(folder / name, bundle)
        check_netx(folder / name)
    save_bundle(folder / "graph.h5", graph_bundle())
    return folder / "large.h5", folder / "small.h5", folder / "graph.h5"


def run_script(*arguments: Path) -> subprocess.CompletedProcess[str]:
    """Load files in a process of their own: a crash of the HDF5 library is noticed, and named."""
    script = [sys.executable, load_damaged.__file__, *map(str, arguments)]
    return subprocess.run(script, capture_output=True, text=True, timeout=90, check=False)


@pytest.mark.parametrize(
    ("which", "seeds"), [*BATCHES, *(pytest.param(*b, marks=pytest.mark.long) for b in LONG)]
)
def test_damaged_files_do_no_harm(
    goods: tuple[Path, ...], tmp_path: Path, which: int, seeds: range
) -> None:
    damaged = [mutate(goods[which], tmp_path, seed) for seed in seeds]
    done = run_script(goods[which], *damaged)
    lines = done.stdout.splitlines()
    assert not [line for line in lines if line.startswith("FAULT")]
    assert done.returncode == 0, f"{lines[-1:]}: code {done.returncode}; {done.stderr[-500:]}"
    assert len(lines) == len(seeds)


def test_the_damage_is_real(goods: tuple[Path, ...], tmp_path: Path) -> None:
    """Guards the above: of every kind of damage, some or all is refused."""
    refused = dict.fromkeys((mutation.__name__ for mutation in MUTATIONS), 0)
    for seed in range(3 * len(MUTATIONS)):
        try:
            load_bundle(mutate(goods[1], tmp_path, seed))
        except ValueError:
            refused[MUTATIONS[seed % len(MUTATIONS)].__name__] += 1
    assert min(refused.values()) > 0, refused


def test_the_guard_notices_what_it_should(goods: tuple[Path, ...]) -> None:
    """Another network, memory, a message of two lines, a message without the file's name."""
    done = run_script(*goods[:2])
    assert done.returncode == 1 and "loads to another network" in done.stdout
    path = goods[0]
    assert load_damaged.fault_of_message(f"{path}\nbad", path)
    assert load_damaged.fault_of_message("bad", path)
    assert load_damaged.fault_of_message(f"{path}: unable to allocate 9 TiB", path)
    assert load_damaged.fault_of_message(f"{path}: bad", path) is None
