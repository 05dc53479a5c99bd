"""Write the tables of the README from the measurements in tests/benchmarks/results.

python tests/benchmarks/readme_tables.py
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from models.files import replace_file

FOLDER = Path(__file__).parent
README = FOLDER.parents[1] / "README.md"
START = "<!-- tables: python tests/benchmarks/readme_tables.py -->\n"
END = "<!-- end of tables -->\n"
METHODS = {"ottt_a": "OTTT_A", "ottt_o": "OTTT_O", "bptt": "BPTT"}


def main() -> None:
    text = README.read_text()
    replace_file(README, lambda temporary: temporary.write_text(with_tables(text)))


def with_tables(readme: str) -> str:
    """The README's text with its tables made anew."""
    before, rest = readme.split(START)
    _, after = rest.split(END)
    parts = (
        offline(),
        memory(),
        small_vgg(),
        training_step(),
        integers(),
        drift(),
        deep_drift(),
        online(),
        scratch(),
        speed(),
        engines(),
        held(),
    )
    return before + START + "\n" + "\n\n".join(parts) + "\n\n" + END + after


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
    seconds, relative = {}, {"bptt": 1.0}
    for row in cost["rows"]:
        method = next(name for name, text in METHODS.items() if row["name"].startswith(text))
        seconds[method], relative[method] = row["seconds"], 1 / row["ratio"]
        seconds.setdefault("bptt", row["baseline_seconds"])
    lines = [
        [
            text,
            *(share(mine[name, split]) if (name, split) in mine else "" for split in SPLITS),
            f"{seconds[name] * cost['updates_per_epoch']:.1f}",
            f"{relative[name]:.2f}",
            mebibytes(cost["peak_bytes"][name]),
        ]
        for name, text in METHODS.items()
    ]
    layers = vgg_layers(cost["network"])
    seeds = len(next(iter(mine.values()))["seeds"])
    title = (
        f"A small VGG ({layers}, P an average pool) on digits-dvs, test accuracy of {seeds} "
        "seeds, time of an epoch on one thread (updates in turn) and peak memory of the tensors of "
        f"an update of {cost['batch_size']} samples, T = {cost['time_steps']}:"
    )
    heading = ["method", *SPLITS, "s per epoch", "time / BPTT's", "MiB"]
    return f"{title}\n\n" + table(heading, lines)


SPLITS = ("random", "contiguous")


def vgg_layers(options: dict[str, Any]) -> str:
    """Its layers' sizes."""
    return "-".join(map(str, (*options["channels"], *options["hidden"], 10)))


def drift(source: str = "drift") -> str:
    """Accuracies of the demo's scenario, by precision."""
    content = results(source)
    run, seeds = content["runs"][0], [r["seed"] for r in content["runs"]]
    scenario = run["scenario"]
    deep = ""
    if scenario["model"] == "vgg":
        layers, plastic = vgg_layers(scenario["model_options"]), " and ".join(scenario["plastic"])
        deep = (
            f" with a VGG ({layers}, {plastic} learns; chosen on {scenario['chosen_on']}; "
            "`onchip demo --model vgg`)"
        )
    names = {
        "accuracy_offline": "original sensor, trained offline",
        "accuracy_drifted": "drifted sensor, before learning",
        "accuracy_recovered": "drifted sensor, after learning online in Lava",
        "accuracy_original_after": "original sensor, after learning online in Lava",
        "recovery": "share of the fall recovered",
    }
    groups = {f"{len(seeds)} seeds": content["summary"]}
    if "summary_of_fresh_seeds" in content:
        count = sum(seed not in content["chosen_on_seeds"] for seed in seeds)
        groups[f"the {count} the demo was not tuned on"] = content["summary_of_fresh_seeds"]
    columns = [
        (f"{PRECISIONS[precision]}, {group}", summary, precision)
        for group, summary in groups.items()
        for precision in PRECISIONS
    ]
    lines = [
        [text, *(share(summary[f"{precision}.{name}"]) for _, summary, precision in columns)]
        for name, text in names.items()
    ]
    title = (
        f"The demo's scenario{deep} on digits-dvs ({run['split']} split, "
        f"{run['stream_samples']} labelled samples, one pass), learning online in Lava in floating "
        "point and in integers:"
    )
    return f"{title}\n\n" + table(["measured on test samples", *(c[0] for c in columns)], lines)


PRECISIONS = {"float": "float", "fixed": "integers"}


def deep_drift() -> str:
    """The same with a VGG."""
    return drift("drift_deep")


def integers() -> str:
    """What integers cost trained networks."""
    content = results("fixed_inference")
    lines = [
        [entry["model"], *(share(entry[key]) for key in ("float", "fixed", "fine_tuned"))]
        for entry in content["summary"]
    ]
    seeds = len(content["summary"][0]["float"]["values"])
    title = (
        "Trained networks in Loihi 2's integers (8-bit weights, 24-bit membranes), test accuracy, "
        f"{content['split']} split, {seeds} seeds:"
    )
    heading = ["network", "float", "integers", "after an epoch of fine-tuning"]
    return f"{title}\n\n" + table(heading, lines)


def scratch() -> str:
    """Learning from scratch in integers."""
    content = results("fixed_scratch")
    summary, settings = content["summary"], content["settings"]
    seeds, passes = len(content["runs"]), len(content["runs"][0]["float"])
    cells = [
        share(summary["float"]),
        share(summary["fixed"]),
        f"{100 * summary['difference']['mean']:.1f} ± {100 * summary['difference']['spread']:.1f}",
    ]
    title = (
        f"From scratch by OTTT_O with plain gradient steps, one sample at a time, {passes} passes "
        f"(an MLP 2048-{settings['hidden'][0]}-10, random split, {seeds} seeds), the same rule in "
        "both:"
    )
    return f"{title}\n\n" + table(["float", "integers", "difference in points"], [cells])


def online() -> str:
    """Accuracy of learning from scratch, one sample at a time."""
    content = results("accuracy_online")
    passes = range(1, content["settings"]["training"]["epochs"] + 1)
    lines = [[f"after pass {n}", share(content["summary"][n - 1])] for n in passes]
    seeds = len(content["runs"])
    title = (
        "From scratch by OTTT_O in PyTorch, one sample at a time with Adam (convnet, random split, "
        f"{seeds} seeds):"
    )
    return f"{title}\n\n" + table(["", "test accuracy"], lines)


def speed() -> str:
    """Times against stock Lava and the floor."""
    sources = ("network", "drift_speed", "connections", "convolution")
    title = (
        "Speed in Lava's simulator, two CPU cores, medians of one run each (the baseline runs in "
        "turn with it; a step is an algorithmic step of learning unless it says otherwise):"
    )
    return f"{title}\n\n" + ratios(row for name in sources for row in results(name)["rows"])


def training_step() -> str:
    """Time and memory of an update of the paper's VGG against the published way."""
    content = results("training_step")
    (row,) = content["rows"]
    ours, theirs = content["peak_bytes"], content["baseline_peak_bytes"]
    heading = ["", "seconds", *(f"peak MiB, T = {steps}" for steps in ours)]
    lines = [
        [
            name,
            f"{seconds:.2f}",
            *(mebibytes(peak[n]) if n in peak else "" for n in ours),
        ]
        for name, seconds, peak in (
            ("OTTT_A here", row["seconds"], ours),
            (row["baseline"], row["baseline_seconds"], theirs),
        )
    ]
    size = " x ".join(map(str, content["input_shape"]))
    title = (
        f"{row['name']}: an update on {size} frames, {content['threads']} threads, "
        f"{row['ratio']:.2f} times as fast as what the published code does (memory for one sample):"
    )
    return f"{title}\n\n" + table(heading, lines)


def engines() -> str:
    """Times of the engines against the plain loop."""
    title = (
        "The NumPy engines against a plain NumPy loop of the same equations, a step of learning:"
    )
    return f"{title}\n\n" + ratios(results("engine")["rows"])


def held() -> str:
    """What a long stream leaves behind."""
    content = results("streaming")
    lines = [
        [
            run["backend"],
            "-".join(map(str, run["sizes"])),
            str(run["samples"]),
            *(str(run["growth"][name]) for name in HELD),
        ]
        for run in content["runs"]
    ]
    title = (
        "What changes while one network learns from a long stream, from sample "
        f"{content['settled_after']} to the last (all of its processes together):"
    )
    return f"{title}\n\n" + table(["backend", "network", "samples", *HELD.values()], lines)


HELD = {
    "open_files": "open files",
    "processes": "OS processes",
    "shared_memory_segments": "shared memory segments",
    "resident_kib": "resident KiB",
}


def ratios(rows: Iterable[dict[str, Any]]) -> str:
    """Rows of a benchmark as a table."""
    lines = [
        [
            row["name"],
            row["baseline"],
            f"{row['ratio']:.3g}",
            milliseconds(row["seconds"]),
            milliseconds(row["baseline_seconds"]),
        ]
        for row in rows
    ]
    return table(["", "against", "times faster", "ms", "ms, baseline"], lines)


def milliseconds(seconds: float) -> str:
    """Seconds as milliseconds."""
    return f"{1000 * seconds:.3g}"


def results(name: str) -> Any:
    """The content of one measurement."""
    return json.loads((FOLDER / "results" / f"{name}.json").read_text())


def share(entry: dict[str, float]) -> str:
    """Mean and spread of a fraction, in per cent."""
    return f"{100 * entry['mean']:.1f} ± {100 * entry['spread']:.1f} %"


def mebibytes(count: float) -> str:
    """Bytes in MiB."""
    return f"{count / 2**20:.2f}"


def table(heading: list[str], lines: list[list[str]]) -> str:
    """A Markdown table."""
    rows = [heading, ["---"] * len(heading), *lines]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


if __name__ == "__main__":
    main()
