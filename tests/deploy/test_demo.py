"""The demo's scenario on a few samples, and its report."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from page_checks import require_alone

import onchip.deploy.cli.demo_settings
from onchip.deploy.backends.table import build
from onchip.deploy.cli import main, scenario, stages
from onchip.deploy.cli.data import DataChoice, take
from onchip.deploy.cli.demo_settings import DEEP, Scenario, choose
from onchip.deploy.cli.demo_training import train_offline
from onchip.deploy.files.hdf5 import load_bundle, load_spec
from onchip.deploy.pages.accuracy_bars import ACCURACY_NAMES
from onchip.deploy.parity.comparison import compare

TINY = Scenario(
    model="mlp",
    model_options={"hidden": (12,)},
    training={"epochs": 2},
    learning_rates=(0.1, 0.05),
    plastic=("readout",),
    stream_samples=4,
    measure=2,
    parity_samples=1,
    lava_checked=1,
    limit=20,
    time_steps=3,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("demo") / "results"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ONCHIP_CACHE", str(out.parent / "cache"))
        patch.setattr(onchip.deploy.cli.demo_settings, "QUICK", TINY)
        arguments = ["demo", "--out", str(out), "--quick", "--json", str(out.parent / "x.json")]
        assert main(arguments) == 0
    return out


def changed(before, after) -> set[str]:
    """The names of the connections whose weights differ."""
    pairs = zip(before.names, before.connections, after.connections, strict=True)
    return {
        name
        for name, old, new in pairs
        if not np.array_equal(old.transform.weight, new.transform.weight)
    }


def test_the_demo_writes_its_results(folder: Path) -> None:
    values = json.loads((folder / "results.json").read_text())
    assert values == json.loads((folder.parent / "x.json").read_text())
    names = ["offline", "drifted", "recovered", "original_after"]
    for key in [*(f"accuracy_{name}" for name in names), "recovery"]:
        assert values[key] == values[f"float.{key}"]
    assert values["passed"] and values["parity.lava-sequenced.passed"]
    assert values["parity.torch.spike_mismatches"] == 0
    assert values["precisions"] == ["float", "fixed"]
    assert values["fixed.parity.lava-sequenced.passed"] and values["fixed.passed"]
    assert values["fixed.parity.max_relative_weight_error"] == 0
    assert values["stream_samples"] == 4 and values["lava_prediction_mismatches"] == 0
    fall = values["accuracy_offline"] - values["accuracy_drifted"]
    gain = values["accuracy_recovered"] - values["accuracy_drifted"]
    assert values["recovery"] == (pytest.approx(gain / fall) if fall > 0 else 0)


def test_both_precisions_in_turn_find_the_same(folder: Path, tmp_path: Path) -> None:
    """On one processor no process is begun beside the first."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ONCHIP_CACHE", str(folder.parent / "cache"))
        patch.setattr(onchip.deploy.cli.demo_settings, "QUICK", TINY)
        patch.setattr(scenario, "has_another_processor", lambda: False)
        patch.setattr(scenario, "beside", None)
        assert main(["demo", "--out", str(tmp_path), "--quick"]) == 0
    ours, theirs = (json.loads((f / "results.json").read_text()) for f in (tmp_path, folder))
    found = {name for name in ours if "second" not in name and name not in ("options", "scenario")}
    assert len(found) > 100 and all(ours[name] == theirs[name] for name in found)
    assert ours.keys() == theirs.keys() and "seconds_fixed_measuring" in ours
    for name in ("learned.h5", "learned-fixed.h5"):
        pair = [load_bundle(place / name) for place in (tmp_path, folder)]
        assert pair[0].spec.connections == pair[1].spec.connections
        assert getattr(pair[0].fixed, "connections", 0) == getattr(pair[1].fixed, "connections", 0)


def test_the_demo_leaves_the_network_before_and_after(folder: Path) -> None:
    before, after = load_spec(folder / "network.h5"), load_spec(folder / "learned.h5")
    assert before.plastic_names == ("readout",)
    assert changed(before, after) == {"readout.synapses", "readout.bias"}
    assert after.metadata["learned"][0]["samples"] == 4


def test_the_integers_have_learned_as_well(folder: Path) -> None:
    before, after = load_bundle(folder / "network.h5"), load_bundle(folder / "learned-fixed.h5")
    assert before.fixed is not None and after.fixed is not None
    moved = changed(before.fixed, after.fixed)
    assert "readout.synapses" in moved and moved <= {"readout.synapses", "readout.bias"}
    learned, worth = (
        n.connections[n.names.index("readout.synapses")] for n in (after.fixed, after.spec)
    )
    unit = learned.weight_step(after.fixed.population("readout").membrane_unit)
    np.testing.assert_allclose(
        worth.transform.weight, learned.transform.weight // 2 * 2 * unit, rtol=1e-12
    )
    assert after.fixed.metadata["learned"][0]["precision"] == "integers"
    assert after.spec.learning is not None and worth.rule.learning_rate == 0.05
    assert after.spec.metadata["history"][0]["command"].startswith("onchip demo ")


def test_the_demo_can_be_played_in_one_precision(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ONCHIP_CACHE", str(folder.parent / "cache"))
        patch.setattr(onchip.deploy.cli.demo_settings, "QUICK", TINY)
        options = ["--quick", "--precision", "fixed"]
        assert main(["demo", "--out", str(tmp_path), *options]) == 0
    assert "epoch 1/" in capsys.readouterr().err  # without a terminal each epoch is a line
    values = json.loads((tmp_path / "results.json").read_text())
    assert values["precisions"] == ["fixed"] and "float.recovery" not in values
    both = json.loads((folder / "results.json").read_text())
    assert values["fixed.accuracy_recovered"] == both["fixed.accuracy_recovered"]


def test_a_vgg_is_deployed_as_plain_layers_and_one_of_its_head_learns(
    folder: Path, tmp_path: Path
) -> None:
    small = {"channels": (4, "P", 3), "hidden": (6,)}
    tiny = replace(TINY, model="vgg", model_options=small, plastic=DEEP.plastic)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ONCHIP_CACHE", str(folder.parent / "cache"))
        patch.setattr(onchip.deploy.cli.demo_settings, "in_little_time", lambda scenario: tiny)
        options = ["--model", "vgg", "--quick", "--precision", "float"]
        assert main(["demo", "--out", str(tmp_path), *options]) == 0
    values = json.loads((tmp_path / "results.json").read_text())
    assert values["passed"] and values["parity.torch.spike_mismatches"] == 0
    before, after = load_spec(tmp_path / "network.h5"), load_spec(tmp_path / "learned.h5")
    assert [p.name for p in before.populations] == ["conv1", "conv2", "fc1", "readout"]
    kernels = before.connections[before.names.index("conv2.synapses")].transform.weight
    assert kernels.shape == (3, 4, 6, 6)  # the pool of 2, unfolded
    assert changed(before, after) == {"fc1.synapses", "fc1.bias"}


def test_convolutions_learn_at_their_share_of_the_rate(folder: Path, tmp_path: Path) -> None:
    names = ("conv2", "conv3", "readout")
    tiny = replace(TINY, model="convnet", model_options={}, plastic=names)
    tiny = replace(tiny, training={"epochs": 3, "batch_size": 8, "scaled_start": True})
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ONCHIP_CACHE", str(folder.parent / "cache"))
        patch.setattr(onchip.deploy.cli.demo_settings, "QUICK", replace(tiny, limit=60))
        assert main(["demo", "--out", str(tmp_path), "--quick"]) == 0
    values = json.loads((tmp_path / "results.json").read_text())
    assert values["passed"] and values["fixed.parity.lava-sequenced.passed"]
    for pair in (("network.h5", "learned.h5"), ("network.h5", "learned-fixed.h5")):
        before, after = (load_bundle(tmp_path / name) for name in pair)
        ours, theirs = (b.fixed if "fixed" in pair[1] else b.spec for b in (before, after))
        assert {name.split(".")[0] for name in changed(ours, theirs)} == set(names)
    rates = {c.target: c.rule.learning_rate for c in before.spec.connections if c.plastic}
    assert rates == {n: 0.1 * (0.2 if "conv" in n else 1) for n in names} == tiny.rates(0)
    assert "conv2, conv3 and readout learn" in (tmp_path / "report.md").read_text()


def test_a_scenario_is_chosen_by_the_name_of_its_model() -> None:
    assert choose("convnet", quick=False).model == "convnet"
    assert choose("vgg", quick=False) is DEEP
    assert choose("vgg", quick=True).stream_samples < DEEP.stream_samples
    with pytest.raises(ValueError, match="model 'mlp' is unknown; choose one of convnet, vgg"):
        choose("mlp", quick=False)


def test_the_report_shows_every_figure_and_the_parity_table(folder: Path) -> None:
    report = (folder / "report.md").read_text()
    pictures = {path.name for path in folder.glob("*.png")}
    assert len(pictures) == 6
    assert all(f"]({name})" in report for name in pictures)
    assert "lava-sequenced" in report and "simulated" in report and "Quick run" in report


def test_the_page_holds_every_figure_and_needs_nothing_beside_it(folder: Path) -> None:
    page = require_alone((folder / "report.html").read_text(encoding="utf-8"))
    assert {path.stem for path in folder.glob("*.png")} <= set(page.ids)
    values = json.loads((folder / "results.json").read_text())
    for precision in ("float", "fixed"):
        for name in (*ACCURACY_NAMES, "recovery"):
            assert f"{values[f'{precision}.{name}']:.1%}" in page.texts["span"]
    rows = page.texts["th"]
    assert [text for text in rows if "learning online" in text] == list(ACCURACY_NAMES.values())
    assert page.texts["strong"].count("passed") == 2 and "lava-sequenced" in page.texts["td"]
    assert any(text.startswith("onchip demo --out") for text in page.texts["code"])
    report = (folder / "report.md").read_text()
    assert all(text in report for text in ACCURACY_NAMES.values())


def test_nothing_half_written_is_left(folder: Path) -> None:
    assert not [path for path in folder.iterdir() if path.name.startswith(".")]


def test_an_interrupted_demo_goes_on_to_the_result_it_would_have_had(
    folder: Path, tmp_path: Path, monkeypatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import onchip.models.training.run

    monkeypatch.setenv("ONCHIP_CACHE", str(folder.parent / "cache"))
    monkeypatch.setattr(onchip.deploy.cli.demo_settings, "QUICK", TINY)
    honest = onchip.models.training.run.evaluate
    calls: list[int] = []

    def interrupted(*arguments):
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return honest(*arguments)

    monkeypatch.setattr(onchip.models.training.run, "evaluate", interrupted)
    command = ["demo", "--out", str(tmp_path), "--quick", "--precision", "float"]
    assert main(command) == 130
    assert capsys.readouterr().err.splitlines()[-1] == (
        "onchip: interrupted: go on with the same command and --resume; "
        f"{tmp_path / 'checkpoint.pt'} holds epoch 1 of 2"
    )
    monkeypatch.setattr(onchip.models.training.run, "evaluate", honest)
    assert main([*command, "--resume"]) == 0
    said = capsys.readouterr().err
    assert "epoch 2/2" in said and "epoch 1/2" not in said
    values, whole = (json.loads((f / "results.json").read_text()) for f in (tmp_path, folder))
    names = [name for name in whole if name.startswith("float.accuracy")]
    assert len(names) == 4 and all(values[name] == whole[name] for name in names)
    ours, theirs = (load_spec(place / "learned.h5") for place in (tmp_path, folder))
    assert ours.connections == theirs.connections


def test_a_demo_of_another_scenario_is_not_gone_on_with(
    folder: Path, monkeypatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ONCHIP_CACHE", str(folder.parent / "cache"))
    monkeypatch.setattr(onchip.deploy.cli.demo_settings, "QUICK", replace(TINY, limit=30))
    before = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert main(["demo", "--out", str(folder), "--quick", "--resume"]) == 2
    line = capsys.readouterr().err.splitlines()[-1]
    assert "checkpoint.pt: its run had train_samples 20, not 30; resume with the same" in line
    assert before == {path: path.stat().st_mtime_ns for path in folder.iterdir()}


@pytest.mark.timeout(300)
def test_the_quick_demo_trains_until_its_parity_tests_something(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ONCHIP_CACHE", str(tmp_path / "cache"))
    quick, seed = choose("convnet", quick=True), 0
    choice = DataChoice(quick.dataset, quick.split, seed, quick.time_steps)
    train, test = choice.load(limit=quick.limit)
    drifted, _ = choice.load(limit=quick.limit, drifted=True)
    data = stages.Data(train, test, drifted, test)
    checkpoint = tmp_path / "checkpoint.pt"
    train_offline(quick, choice, data, checkpoint, seed, {}, False, lambda epoch: None)
    bundle = stages.export(quick, tmp_path, seed)
    frames, labels = take(drifted, quick.stream_samples, np.random.default_rng(seed))
    for precision in ("float", "fixed"):
        spec = stages.network_of(bundle, precision)
        same = {"numpy": lambda spec=spec: build(spec, record=True)}
        report = compare(spec, frames[: quick.parity_samples], labels[: quick.parity_samples], same)
        assert report.passed, report.markdown()
        assert report.executions[0].weights_changed > 256  # more than the biases
    with build(bundle.spec) as network:
        assert network.evaluate(test.frames, test.labels) > 0.4
