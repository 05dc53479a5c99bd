"""`onchip check`: what is known of a float network, the report and the command."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from check_cases import (
    ALL,
    HARD,
    HIDDEN,
    OUT,
    Finds,
    assert_told,
    forced,
    integers,
    network,
    with_layer,
)

from onchip import ConvSpec, DenseSpec, LeakyIntegrator, NetworkSpec, Surrogate
from onchip.deploy.checks.findings import Finding
from onchip.deploy.checks.limits import LIMITS
from onchip.deploy.checks.network import check, connections
from onchip.deploy.cli import main
from onchip.deploy.files.hdf5 import Bundle, save_bundle
from onchip.network.learning import with_learning
from onchip.neurons.surrogates import SURROGATES, rectangle


def convolution(shape: tuple[int, int, int], weight: np.ndarray, padding: int) -> NetworkSpec:
    conv = ConvSpec("conv", weight, HARD, shape, padding=(padding, padding))
    readout = DenseSpec("out", np.ones((1, math.prod(conv.output_shape))), HARD)
    return NetworkSpec((conv, readout), shape, 2)


def wide(post: int) -> NetworkSpec:
    layers = (
        DenseSpec("wide", np.ones((post, 1)), HARD),
        DenseSpec("out", np.ones((1, post)), HARD),
    )
    return NetworkSpec(layers, (1,), 2)


def deep(depth: int) -> NetworkSpec:
    layers = tuple(DenseSpec(f"l{i}", np.ones((1, 1)), HARD) for i in range(depth))
    return with_learning(NetworkSpec(layers, (1,), 2), learning_rate=0.1, feedback="symmetric")


def many_synapses() -> NetworkSpec:
    """120,000,002 weights that share their memory."""
    weight = np.broadcast_to(np.float32(1), (2, 60_000_001))
    return forced(
        NetworkSpec((DenseSpec("out", np.ones((2, 1)), HARD),), (1,), 2),
        layers=(forced(DenseSpec("out", np.ones((2, 1)), HARD), weight=weight),),
    )


def test_good_networks_pass_with_nothing_but_the_usual_warnings() -> None:
    report = check(network())
    assert_told(report, set())
    assert {f.quantity for f in report.of_severity("warning")} == {"integers", "error process"}
    assert_told(check(network(), integers()), set())
    assert_told(check(network(mode="accumulate"), integers("accumulate")), set())


FLOAT_CASES: dict[str, tuple[Callable[[], NetworkSpec], Finds]] = {
    "neurons": (
        lambda: convolution((1, 1000, 1001), np.ones((1, 1, 1, 1)), 0),
        {("error", ALL, "neurons"), ("warning", "layer 'conv'", "neurons per layer")},
    ),
    "neurocores": (
        lambda: convolution((1, 1024, 1025), np.ones((1, 1, 1, 1)), 0),
        {
            ("error", ALL, "neurons"),
            ("error", ALL, "neurocores"),
            ("warning", "layer 'conv'", "neurons per layer"),
        },
    ),
    "neurons per layer": (
        lambda: wide(8193),
        {("warning", "layer 'wide'", "neurons per layer")},
    ),
    "8192 neurons": (lambda: wide(8192), set()),
    "synapses": (many_synapses, {("error", ALL, "synapses")}),
    "unrolled": (
        lambda: convolution((128, 32, 32), np.ones((128, 128, 3, 3)), 1),
        {
            ("warning", "network (convolutions unrolled)", "synapses"),
            ("warning", "layer 'conv'", "neurons per layer"),
        },
    ),
    "decay": (lambda: network(replace(HARD, decay=1e-4), HARD), {("error", HIDDEN, "decay")}),
    "decay 1/8192": (
        lambda: network(replace(HARD, decay=1 / 8192), HARD),
        {("error", HIDDEN, "decay")},
    ),
    "trace decay": (
        lambda: network(HARD, replace(HARD, decay=0.999)),
        {("error", OUT, "trace decay")},
    ),
    "no decay": (lambda: network(HARD, replace(HARD, decay=1)), {("error", OUT, "trace decay")}),
    "threshold": (
        lambda: with_layer(network(), 0, neuron=forced(HARD, v_threshold=-1.0)),
        {("error", HIDDEN, "threshold")},
    ),
    "reset": (
        lambda: network(replace(HARD, reset="soft"), HARD),
        {("warning", HIDDEN, "reset")},
    ),
    "readout": (lambda: network(HARD, LeakyIntegrator()), {("warning", OUT, "readout")}),
    "recurrent readout": (
        lambda: with_layer(network(), 1, recurrent_weight=np.ones((2, 2))),
        {("error", OUT, "recurrent readout")},
    ),
    "nan": (
        lambda: with_layer(network(), 0, weight=np.array([[1.0, np.nan, np.inf, 0]])),
        {("error", HIDDEN, "NaN or infinite")},
    ),
    "zeros": (
        lambda: with_layer(network(), 1, weight=np.zeros((2, 3))),
        {("error", OUT, "weights")},
    ),
    "surrogate": (
        lambda: network(replace(HARD, surrogate=Surrogate("own")), HARD),
        {("error", HIDDEN, "surrogate")},
    ),
    "surrogate of a frozen layer": (
        lambda: network(
            replace(HARD, surrogate=Surrogate("own")), HARD, plastic=["out"]
        ),
        set(),
    ),
    "feedback": (lambda: network(feedback="exact"), {("error", ALL, "feedback")}),
    "exact feedback to nobody": (lambda: network(feedback="exact", plastic=["out"]), set()),
    "epoch": (lambda: deep(32), {("error", ALL, "learning epoch")}),
    "pipelined": (lambda: network(update_delay=1), {("error", ALL, "pipelined schedule")}),
}  # fmt: skip


@pytest.fixture(autouse=True)
def own_surrogate(monkeypatch):
    """A surrogate of one's own, which has no integer form: all others have one."""
    monkeypatch.setitem(SURROGATES, "own", (rectangle, 1.0))


@pytest.mark.parametrize("case", FLOAT_CASES)
def test_what_is_known_of_a_float_network_is_told(case: str) -> None:
    make, expected = FLOAT_CASES[case]
    assert_told(check(make()), expected)


@pytest.mark.parametrize("name", ["graded spike", "synaptic delay"])
def test_limits_that_no_specification_reaches_are_compared_all_the_same(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(LIMITS, name, replace(LIMITS[name], value=-1))
    report = check(network(HARD, LeakyIntegrator()))
    found = [finding for finding in report.of_severity("error") if finding.quantity == name]
    assert len(found) == 1 and found[0].remedy == LIMITS[name].remedy


def test_limits_without_a_public_source_are_reported_as_unknown() -> None:
    """Their values are given, so that someone who knows the limit can judge."""
    report = check(network(), integers())
    unknown = {finding.quantity for finding in report.of_severity("unknown")}
    assert unknown == {name for name, limit in LIMITS.items() if limit.value is None}
    assert "products of a rule" in unknown and "fan-in" in unknown
    values = {(f.object, f.quantity): f.value for f in report.findings}
    assert values[HIDDEN, "fan-in"] == 4 and values[HIDDEN, "fan-out"] == 2
    assert values[HIDDEN, "trace time constant"] == pytest.approx(4 / math.log(2))
    assert values[HIDDEN, "products of a rule"] == 2


def test_connections_of_a_convolution_leave_out_the_padding() -> None:
    """Counted one by one by an independent loop."""
    layer = ConvSpec("conv", np.ones((4, 2, 3, 3)), HARD, (2, 6, 7), None, (2, 2), (1, 1))
    channels, height, width = layer.input_shape
    count = 0
    for y in range(layer.output_shape[1]):
        for x in range(layer.output_shape[2]):
            rows = [y * 2 - 1 + k for k in range(3) if 0 <= y * 2 - 1 + k < height]
            columns = [x * 2 - 1 + k for k in range(3) if 0 <= x * 2 - 1 + k < width]
            count += len(rows) * len(columns) * channels * layer.output_shape[0]
    assert connections(layer) == count


def test_the_report_is_sorted_and_its_table_aligned() -> None:
    report = check(with_layer(network(HARD, LeakyIntegrator()), 1, weight=np.zeros((2, 3))))
    severities = [finding.severity for finding in report.findings]
    assert severities == sorted(severities, key=["error", "warning", "unknown", "ok"].index)
    head, first, *_ = lines = report.table().splitlines()
    assert first.startswith("error    layer 'out'")
    for title in ("object", "quantity", "value", "limit", "remedy"):
        assert all(line[head.index(title) - 1] == " " for line in lines)
    assert len(report.table(include_ok=True).splitlines()) == len(report.findings) + 1
    assert report.summary().startswith("check: FAILED: 1 error, 3 warnings, ")
    with pytest.raises(ValueError, match="error, warning, unknown, ok"):
        report.of_severity("grave")
    with pytest.raises(ValueError, match="error, warning, unknown, ok"):
        Finding("grave", "network", "mood", 0, "none", "rest")


def test_json_holds_every_finding_and_the_counts() -> None:
    spec = network(HARD, replace(HARD, decay=1))
    report = check(spec, integers())
    values = json.loads(json.dumps(report.as_json(), allow_nan=False))
    assert values["passed"] is False and len(values["findings"]) == len(report.findings)
    assert sum(values["counts"].values()) == len(report.findings)
    assert values["counts"]["error"] == 1
    keys = {"severity", "object", "quantity", "value", "limit", "remedy", "source"}
    assert all(finding.keys() == keys for finding in values["findings"])
    taus = [f["value"] for f in values["findings"] if f["quantity"] == "trace time constant"]
    assert taus[1] == "inf"


@pytest.mark.parametrize("quantized", [False, True])
@pytest.mark.parametrize(("feedback", "code"), [("direct", 0), ("exact", 1)])
def test_the_command_exits_with_1_where_there_is_an_error(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    feedback: str,
    code: int,
    quantized: bool,
) -> None:
    path, out = tmp_path / "network.h5", tmp_path / "check.json"
    hidden, out_layer = network().layers
    layers = (replace(hidden, bias=np.zeros(3)), out_layer)
    spec = replace(network(feedback=feedback), layers=layers)
    save_bundle(path, Bundle(spec, integers(feedback=feedback) if quantized else None))
    assert main(["check", str(path), "--json", str(out)]) == code
    printed = capsys.readouterr().out.splitlines()
    values = json.loads(out.read_text())
    assert values["passed"] is (code == 0) and values["quantized"] is quantized
    assert printed[-1].startswith("check: passed: 0" if code == 0 else "check: FAILED: 1 error,")
    assert not any(line.startswith("ok ") for line in printed)
    assert main(["check", str(path), "--all"]) == code
    assert len(capsys.readouterr().out.splitlines()) == len(values["findings"]) + 2


def test_a_file_that_is_none_is_answered_with_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", str(tmp_path / "none.h5")]) == 2
    assert "does not exist" in capsys.readouterr().err
