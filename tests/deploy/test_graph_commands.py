"""The commands on a network file with a residual network, end to end."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from graph_networks import learning_residual

from onchip import Engine
from onchip.deploy import check_netx, dequantize, load_bundle, load_spec, save_spec
from onchip.deploy.cli import main
from onchip.deploy.cli.data import DataChoice, take
from onchip.network.graph import Network
from onchip.network.rule_change import with_rule
from onchip.rules.presets import RULES

DATA = ["--limit", "30"]
STEPS, SIZE = 4, 8


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A folder with network.h5, a residual network for digits-dvs, and a cache of its own."""
    folder = tmp_path_factory.mktemp("graphs")
    framing = {"time_steps": STEPS, "by": "time", "binary": True, "size": SIZE}
    metadata = {"dataset": "digits-dvs", "split": "random", "seed": 3, "framing": framing}
    network = learning_residual(
        np.random.default_rng(0),
        input_shape=(2, SIZE, SIZE),
        classes=10,
        time_steps=STEPS,
        metadata=metadata,
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ONCHIP_CACHE", str(folder / "cache"))
        save_spec(folder / "network.h5", network)
        yield folder


def results(command: str, folder: Path, *options: str, code: int = 0, file: str = "network.h5"):
    path = folder / "results.json"
    words = [command, str(folder / file), *options, "--json", str(path)]
    assert main(words) == code
    return json.loads(path.read_text())


def stored_data() -> tuple[Any, Any]:
    choice = DataChoice("digits-dvs", "random", 3, STEPS, "time", True, SIZE)
    return choice.load(limit=30)


def test_evaluate_is_what_the_engine_says_on_every_backend(workplace: Path) -> None:
    frames, labels = take(stored_data()[1], 6)
    outputs = Engine(load_spec(workplace / "network.h5")).run(frames)
    expected = float((outputs.sum(axis=1).argmax(axis=1) == labels).mean())
    for backend in ("numpy", "torch", "lava-fast", "lava-fused"):
        options = ("--backend", backend, "--samples", "6", *DATA)
        found = results("evaluate", workplace, *options)
        assert found["accuracy"] == expected and found["samples"] == 6
        assert found["precision"] == "float64" and found["backend"] == backend


def test_run_records_every_population_that_spikes(workplace: Path) -> None:
    out = workplace / "outputs.npz"
    options = ("--backend", "lava-fused", "--samples", "3", "--record", "--out", str(out))
    results("run", workplace, *options, *DATA)
    frames, _ = take(stored_data()[1], 3)
    spikes: dict[str, list[np.ndarray]] = {}
    engine = Engine(load_spec(workplace / "network.h5"))
    outputs = engine.run(frames, lambda name, s: spikes.setdefault(name, []).append(s.copy()))
    with np.load(out, allow_pickle=False) as found:
        recorded = {name for name in found.files if name.startswith("spikes/")}
        assert recorded == {f"spikes/{name}" for name in ("stem", "a1", "a2", "b1", "b2")}
        np.testing.assert_allclose(found["outputs"], outputs, rtol=1e-9, atol=1e-12)
        for name in recorded:
            np.testing.assert_array_equal(
                found[name], np.stack(spikes[name.removeprefix("spikes/")], axis=1)
            )
            assert found[name].any()


def test_learn_writes_the_graph_that_the_engine_learns(workplace: Path) -> None:
    out = workplace / "learned.h5"
    options = ("--samples", "8", "--test-samples", "4", "--measure", "--out", str(out), *DATA)
    found = results("learn", workplace, "--backend", "lava-fused", *options)
    assert found["samples"] == 8 and 0 <= found["accuracy_stream"] <= 1
    learned, before = load_spec(out), load_spec(workplace / "network.h5")
    assert type(learned) is Network and learned.metadata["learned"][0]["samples"] == 8
    engine = Engine(before)
    frames, labels = take(stored_data()[0], 8, np.random.default_rng(3))
    for i in range(8):
        engine.learn(frames[i : i + 1], labels[i : i + 1])
    moved = 0.0
    pairs = zip(learned.connections, engine.snapshot().connections, before.connections, strict=True)
    for ours, theirs, start in pairs:
        np.testing.assert_allclose(
            ours.transform.weight, theirs.transform.weight, rtol=1e-9, atol=1e-12
        )
        moved = max(moved, float(np.abs(ours.transform.weight - start.transform.weight).max()))
    assert moved > 1e-3


def test_an_interrupted_stream_goes_on_to_the_same_graph(workplace: Path, monkeypatch) -> None:
    from onchip.deploy.cli.keeping import Keeping

    whole, parts = workplace / "whole.h5", workplace / "parts.h5"
    options = ("--samples", "6", "--test-samples", "4", "--keep-every", "3", *DATA)
    results("learn", workplace, *options, "--out", str(whole))
    keep = Keeping.keep

    def interrupted(self: Keeping, learned: Any) -> None:
        keep(self, learned)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Keeping, "keep", interrupted)
        words = ["learn", str(workplace / "network.h5"), *options, "--out", str(parts)]
        assert main(words) == 130 and not parts.exists()
    results("learn", workplace, *options, "--out", str(parts), "--resume")
    assert load_spec(parts).connections == load_spec(whole).connections


def test_parity_passes_on_torch_and_lava(workplace: Path) -> None:
    names = ["torch", "lava-sequenced", "lava-fast-sequenced", "lava-fused-sequenced"]
    found = results("parity", workplace, "--samples", "2", "--executions", ",".join(names), *DATA)
    assert found["passed"] and found["spike_mismatches"] == 0 and not found["left_out"]
    assert all(found[f"{name}.weights_changed"] > 100 for name in names)
    left = results("parity", workplace, "--samples", "1", *DATA)["left_out"]
    assert any("only the last layer can learn" in reason for reason in left.values())


def test_check_lists_populations_and_connections(workplace: Path, capsys) -> None:
    capsys.readouterr()
    found = results("check", workplace, "--all")
    assert found["passed"] and not found["quantized"]
    objects = {finding["object"] for finding in found["findings"]}
    assert {"layer 'b2'", "connection 'b2' to 'stem'", "network"} <= objects
    warned = {f["quantity"] for f in found["findings"] if f["severity"] == "warning"}
    assert {"integers", "reset", "readout"} <= warned
    assert "connection 'stem' to 'a2'" in capsys.readouterr().out


def test_the_integers_of_a_graph_are_made_learned_and_compared(workplace: Path, capsys) -> None:
    quantized, learned = workplace / "quantized.h5", workplace / "learned-fixed.h5"
    options = ("--out", str(quantized), "--samples", "6", *DATA)
    found = results("quantize", workplace, *options)
    assert found["samples"] == 6 and found["b2.from_a2.learning_rate"] is None
    assert "integers of 9 connections" in capsys.readouterr().out
    fixed = ("--precision", "fixed", *DATA)
    file = {"file": "quantized.h5"}
    parity = ("--samples", "1", "--executions", "lava-fused-sequenced", *fixed)
    assert results("parity", workplace, *parity, **file)["passed"]
    options = ("--samples", "4", "--test-samples", "4", "--backend", "lava-fused", *fixed)
    results("learn", workplace, *options, "--out", str(learned), **file)
    bundle, before = load_bundle(learned), load_bundle(quantized)
    engine = Engine(before.fixed)
    frames, labels = take(stored_data()[0], 4, np.random.default_rng(3))
    engine.learn(frames, labels)
    assert bundle.fixed.connections == engine.snapshot().connections != before.fixed.connections
    assert bundle.spec.connections == dequantize(engine.snapshot(), before.spec).connections
    checked = results("check", workplace, **file)
    assert checked["quantized"] and checked["passed"]
    found = results("evaluate", workplace, "--samples", "4", *fixed, file="learned-fixed.h5")
    assert found["precision"] == "integers" and found["samples"] == 4


def test_what_only_chains_have_is_refused_by_name(workplace: Path, capsys) -> None:
    words = ["quantize", str(workplace / "network.h5"), "--out", str(workplace / "x.h5"), *DATA]
    tuned = ["--fine-tune", "1", "--checkpoint", "x.pt"]
    for options, task in ((["--netx"], "--netx"), (tuned, "--fine-tune")):
        assert main([*words, *options]) == 2
        line = f"onchip: error: network: it is a graph of 6 populations, and {task} takes chains"
        assert line in capsys.readouterr().err
    with pytest.raises(ValueError, match="netx cannot run it: the network is a graph"):
        check_netx(workplace / "quantized.h5")


def test_learn_takes_another_rule(workplace: Path, capsys) -> None:
    before = load_spec(workplace / "network.h5")
    frames, labels = take(stored_data()[0], 3, np.random.default_rng(3))
    options = ("--samples", "3", "--test-samples", "2", *DATA)
    for rule in ("e-prop", "diagonal-rtrl", "erbp"):
        out = workplace / f"{rule}.h5"
        results("learn", workplace, *options, "--rule", rule, "--out", str(out))
        learned = load_spec(out)
        for c in learned.connections:
            kind = RULES[rule].kind.of(learned.population(c.target).neuron)
            assert c.rule is None or c.rule.kind == kind
        engine = Engine(with_rule(before, rule))
        for i in range(3):
            engine.learn(frames[i : i + 1], labels[i : i + 1])
        assert learned.connections == engine.snapshot().connections != before.connections
    path = str(workplace / "network.h5")
    for rule, message in (
        ("superspike", "rule 'superspike' learns by objective SpikeTrains, but a data set has lab"),
        ("other", "rule 'other' is unknown; choose one of ottt, e-prop"),
    ):
        assert main(["learn", path, "--rule", rule, *options]) == 2
        assert message in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["learn", "--help"])
    said = " ".join(capsys.readouterr().out.split())
    labeled = ", ".join(name for name, preset in RULES.items() if preset.objective is None)
    assert labeled.startswith("ottt, e-prop, diagonal-rtrl, erbp")
    assert f"learn by another rule: {labeled} (the file's)" in said
    with pytest.raises(SystemExit):
        main(["export", "--help"])
    said = "".join(capsys.readouterr().out.split())  # lines may end behind a hyphen
    assert f"learningrule:{','.join(RULES)}(ottt)" in said
