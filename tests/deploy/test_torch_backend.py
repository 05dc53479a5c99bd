"""Torch is a backend of `build` like the others; the names of backends and executions."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest

from onchip import Engine
from onchip.deploy.backends.engine_network import EngineNetwork
from onchip.deploy.backends.makers import TORCH_ENGINE, imported
from onchip.deploy.backends.table import (
    AUTO,
    BACKENDS,
    REFERENCE,
    Backend,
    build,
    executions,
    resolve_backend,
)
from onchip.deploy.cli import main, make_parser
from onchip.deploy.cli.networks import backend_help
from onchip.deploy.cli.parity_command import choose_executions, plain_name, simulated
from onchip.deploy.files.hdf5 import save_spec
from onchip.models import TorchNetwork
from onchip.models.torch_graph import TorchGraph
from onchip.models.torch_network import make_torch_network
from onchip.program.graphs import as_graph
from onchip.program.timetable import SCHEDULES


def test_torch_runs_learns_records_and_measures_as_the_engine_does(spec, samples, rng) -> None:
    frames, labels = samples(spec, 6, rng)
    with build(spec, record=True) as engine, build(spec, "torch", record=True) as network:
        pairs = [
            (network.run(frames[:2]), engine.run(frames[:2])),
            (network.learn(frames, labels, measure=2), engine.learn(frames, labels, measure=2)),
            (network.run(frames), engine.run(frames)),
        ]
        learned, expected = network.snapshot(), engine.snapshot()
        accuracies = network.evaluate(frames, labels), engine.evaluate(frames, labels)
    for ours, theirs in pairs:
        np.testing.assert_allclose(ours.outputs, theirs.outputs, rtol=1e-9, atol=1e-12)
        assert (
            ours.spikes.keys() == theirs.spikes.keys() == {layer.name for layer in spec.layers[:-1]}
        )
        assert any(spikes.any() for spikes in theirs.spikes.values())
        for name, spikes in theirs.spikes.items():
            np.testing.assert_array_equal(ours.spikes[name], spikes)
        assert ours.predictions.tolist() == theirs.predictions.tolist()
    assert len(pairs[1][0].predictions) == 3 and accuracies[0] == accuracies[1]
    for layer, other, start in zip(learned.layers, expected.layers, spec.layers, strict=True):
        np.testing.assert_allclose(layer.weight, other.weight, rtol=1e-9, atol=1e-12)
        assert layer.plastic == bool((layer.weight != start.weight).any())


def test_torch_is_the_trainers_network_named_in_text(dense) -> None:
    assert imported(TORCH_ENGINE) is make_torch_network
    assert type(make_torch_network(dense)) is TorchNetwork
    assert type(make_torch_network(as_graph(dense))) is TorchGraph


def test_torch_refuses_what_it_does_not_know(dense) -> None:
    with pytest.raises(ValueError, match=r"schedule 'later' is unknown; .*sequenced, pipelined"):
        build(dense, "torch", "later")
    with pytest.raises(ValueError, match="backend torch has none; leave the runtime out"):
        build(dense, "torch", runtime="processes")


def test_without_torch_its_backend_says_in_one_line_how_to_get_it(dense, monkeypatch) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda n: None if n == "torch" else find(n))
    with pytest.raises(ValueError, match="PyTorch is not installed; pip install torch") as caught:
        build(dense, "torch")
    assert "\n" not in str(caught.value)
    assert resolve_backend("numpy", dense).name == "numpy"


def test_an_execution_is_a_backend_or_a_backend_and_a_schedule() -> None:
    names = ("lava", "lava-fast", "lava-fused", "lava-compiled")
    lava = [f"{name}-{s}" for name in names for s in SCHEDULES]
    assert list(executions()) == ["torch", "compiled", *lava, *(f"loihi2-{s}" for s in SCHEDULES)]
    assert executions()["lava-fused-pipelined"] == ("lava-fused", "pipelined")
    assert simulated() == ["torch", "compiled", *lava]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("lava_sequenced", "lava-sequenced"),
        ("lava-fused_pipelined", "lava-fused-pipelined"),
        ("loihi2_sequenced", "loihi2-sequenced"),
        ("torch", "torch"),
        ("abacus_sequenced", "abacus_sequenced"),
    ],
)
def test_executions_are_found_by_their_older_names_too(dense, old, new) -> None:
    assert plain_name(old) == new
    if old == "lava_sequenced":
        assert list(choose_executions(dense, [old])[0]) == [new]


def test_the_command_line_knows_the_backends_of_the_table_and_no_others(
    dense, samples, rng, monkeypatch, tmp_path, capsys
) -> None:
    for name in (*BACKENDS, AUTO):
        assert f"{name} (" in backend_help()
    mine = Backend(lambda spec, schedule, record: EngineNetwork(Engine(spec), record), "at 100 %")
    monkeypatch.setitem(BACKENDS, "mine", mine)
    assert "mine" in executions() and "mine (at 100 %)" in " ".join(_help("run").split())
    save_spec(tmp_path / "network.h5", dense)
    assert main(["run", str(tmp_path / "network.h5"), "--backend", "abacus"]) == 2
    assert f"{', '.join(BACKENDS)}, {AUTO}" in capsys.readouterr().err
    assert list(choose_executions(dense, ["mine"])[0]) == ["mine"]


def test_the_reference_is_not_compared_to_itself() -> None:
    assert REFERENCE in BACKENDS and REFERENCE not in executions()


def _help(command: str) -> str:
    (table,) = (a for a in make_parser()._actions if hasattr(a, "choices") and a.choices)
    return table.choices[command].format_help()
