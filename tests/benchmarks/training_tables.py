"""Tables of the README about training: accuracies offline, time and memory."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from table_text import mebibytes, results, share, table

METHODS = {"ottt_a": "OTTT_A", "ottt_o": "OTTT_O", "bptt": "BPTT"}
SPLITS = ("random", "contiguous")


def offline() -> str:
    """Accuracy by architecture and split, one column per method."""
    rows = {}
    for entry in results("accuracy_offline")["summary"]:
        key = entry["model"], entry["split"]
        rows.setdefault(key, {"seeds": len(entry["seeds"])})[entry["method"]] = share(entry)
    lines = [
        [model, split, *(row.get(name, "") for name in METHODS), str(row["seeds"])]
        for (model, split), row in rows.items()
    ]
    heading = ["network", "split", *METHODS.values(), "seeds"]
    return "Test accuracy offline on digits-dvs, mean ± spread:\n\n" + table(heading, lines)


def memory() -> str:
    """Peak memory of one update against the number of steps."""
    rows = results("training_memory")["rows"]
    steps = list(rows[0]["peak_bytes"])
    lines = [
        [row["model"], METHODS[row["method"]], *(mebibytes(row["peak_bytes"][n]) for n in steps)]
        for row in rows
    ]
    heading = ["network", "method", *(f"T = {n}" for n in steps)]
    return "Peak memory of the tensors of one training update, MiB:\n\n" + table(heading, lines)


def small_vgg() -> str:
    """Accuracy, time and memory of the small VGG, one row per method."""
    cost, accuracy = results("vgg_cost"), results("accuracy_offline")["summary"]
    mine = {(e["method"], e["split"]): e for e in accuracy if e["model"] == "vgg"}
    seconds, relative = {"bptt": ""}, {"bptt": 1.0}
    for row in cost["rows"]:
        method = next(name for name, text in METHODS.items() if row["name"].startswith(text))
        pair = [cost["updates_per_epoch"] * row[name] for name in ("seconds", "baseline_seconds")]
        seconds[method], relative[method] = "{:.1f} / {:.1f}".format(*pair), 1 / row["ratio"]
    lines = [
        [
            text,
            *(share(mine[name, split]) if (name, split) in mine else "" for split in SPLITS),
            seconds[name],
            f"{relative[name]:.2f}",
            mebibytes(cost["peak_bytes"][name]),
        ]
        for name, text in METHODS.items()
    ]
    layers = vgg_layers(cost["network"])
    cells = results("accuracy_offline")["cells"]
    (epochs,) = {c["settings"]["training"]["epochs"] for c in cells if c["model"] == "vgg"}
    seeds = len(next(iter(mine.values()))["seeds"])
    title = (
        f"A small VGG ({layers}, P an average pool) on digits-dvs, test accuracy of {seeds} "
        f"seeds after {epochs} epochs, time of an epoch on one thread (updates in turn with "
        "BPTT's) and peak memory of the tensors of an update of "
        f"{cost['batch_size']} samples, T = {cost['time_steps']}:"
    )
    heading = ["method", *SPLITS, "s per epoch / BPTT's", "ratio", "MiB"]
    return f"{title}\n\n" + table(heading, lines)


def nmnist() -> str:
    """Accuracy on N-MNIST by seed, and the rates that networks start with."""
    content = results("nmnist")
    runs = content["runs"]
    found = ", ".join(f"{100 * run['accuracy']:.0f}" for run in runs)
    title = (
        f"N-MNIST, {runs[0]['train_samples']} training and {runs[0]['test_samples']} test "
        f"recordings of the real sensor, convnet with the recommended settings: "
        f"{share(content['summary'])} (seeds {found}). Spikes per neuron and step that "
        "networks start with, the least and the most of their layers:"
    )
    lines = [
        [
            " ".join([row["model"], *map(str, row["options"])]),
            *(_range(row[start].values()) for start in ("as_built", "scaled_start")),
        ]
        for row in content["rates_at_the_start"]
    ]
    return f"{title}\n\n" + table(["network", "as built", "scaled start"], lines)


def _range(rates: Iterable[float]) -> str:
    values = sorted(rates)
    return f"{values[0]:.3f} to {values[-1]:.3f}"


def vgg_layers(options: dict[str, Any]) -> str:
    """Its layers' sizes."""
    return "-".join(map(str, (*options["channels"], *options["hidden"], 10)))


def training_step() -> str:
    """Time and memory of an update of the paper's VGG against the published way."""
    content = results("training_step")
    lines = [line for one in content["measured"].values() for line in _step_lines(one)]
    size = " x ".join(map(str, content["input_shape"]))
    title = (
        f"An update of the paper's VGG on {size} frames ({content['threads']} thread, all layers "
        "fire) against what the published code does (memory for one sample):"
    )
    heading = ["", "times faster", "CPU seconds", "peak MiB, T = 4", "peak MiB, T = 64"]
    return f"{title}\n\n" + table(heading, lines)


def _step_lines(measured: dict[str, Any]) -> list[list[str]]:
    """One method here and the published way."""
    row, here, there = (measured[key] for key in ("row", "peak_bytes", "baseline_peak_bytes"))
    return [
        [name, ratio, f"{seconds:.2f}", *(mebibytes(p[n]) if n in p else "" for n in ("4", "64"))]
        for name, ratio, seconds, p in (
            (row["name"], f"{row['ratio']:.2f}", row["seconds"], here),
            (row["baseline"], "", row["baseline_seconds"], there),
        )
    ]
