"""Tables from the measurements in tests/benchmarks/results, of which the README shows one.

python tests/benchmarks/readme_tables.py   (the others are made when the pages are built)
"""

from __future__ import annotations

from typing import Any

from cost_tables import cost_energy as cost_energy  # for the page of costs
from cost_tables import cost_memory as cost_memory  # likewise
from cost_tables import cost_operations as cost_operations  # likewise
from family_tables import family_tasks as family_tasks  # for the page of rules
from family_tables import spike_trains as spike_trains  # likewise
from fptt_tables import fptt_long as fptt_long  # for their own page
from fptt_tables import fptt_memory as fptt_memory
from fptt_tables import fptt_short as fptt_short
from lifelong_tables import lifelong_choice as lifelong_choice  # for their own page
from lifelong_tables import lifelong_choice_ways as lifelong_choice_ways
from lifelong_tables import lifelong_fresh as lifelong_fresh
from lifelong_tables import lifelong_nmnist as lifelong_nmnist
from lifelong_tables import lifelong_sessions as lifelong_sessions
from lifelong_tables import lifelong_stream as lifelong_stream
from lifelong_tables import lifelong_ways as lifelong_ways
from lifelong_tables import unlabelled as unlabelled
from peer_tables import peers as peers  # for the page of measurements
from peer_tables import peers_in_short
from prediction_tables import predictions as predictions  # likewise
from rules_tables import rules as rules  # for the page of measurements
from spike_time_tables import spike_time_settings as spike_time_settings  # for its own page
from spike_time_tables import spike_times as spike_times
from table_text import FOLDER, milliseconds, ratios, results, share, table, three_digits
from tdbn_tables import tdbn_accuracy as tdbn_accuracy  # for its own page
from tdbn_tables import tdbn_drift as tdbn_drift
from training_tables import memory as memory  # for the page of measurements
from training_tables import nmnist as nmnist  # likewise
from training_tables import offline as offline  # likewise
from training_tables import small_vgg as small_vgg  # likewise
from training_tables import training_step as training_step  # likewise
from training_tables import vgg_layers

from onchip.deploy.pages.accuracy_bars import ACCURACY_NAMES, RECOVERY
from onchip.files.writing import write_text

README = FOLDER.parents[1] / "README.md"
START = "<!-- tables: python tests/benchmarks/readme_tables.py -->\n"
END = "<!-- end of tables -->\n"


def main() -> None:
    text = README.read_text()
    write_text(README, with_tables(text))


def with_tables(readme: str) -> str:
    """The README's text with its tables made anew."""
    before, rest = readme.split(START)
    _, after = rest.split(END)
    parts = [drift(), peers_in_short()]  # all others are on the page of measurements
    return before + START + "\n" + "\n\n".join(parts) + "\n\n" + END + after


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
    names = {**ACCURACY_NAMES, "recovery": RECOVERY}
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
    title = (
        "Speed of whole networks in Lava's simulator, two CPU cores, medians of one run each (the "
        "baseline runs in turn with it; a step is an algorithmic step of learning):"
    )
    return f"{title}\n\n" + ratios(
        rows_of("network", "drift_speed", "plastic_convolution", "local_readouts")
    )


def runtimes() -> str:
    """Lava networks in one OS process against Lava's own runtime."""
    content = results("runtimes")
    lines = [
        [
            row["name"],
            *(three_digits(row[name]) for name in ("ratio", "cpu_ratio")),
            *(milliseconds(row[name]) for name in ("seconds", "baseline_seconds")),
            *(milliseconds(row[name]) for name in ("cpu_seconds", "baseline_cpu_seconds")),
        ]
        for row in content["rows"]
    ]
    title = (
        "The same process models in one OS process and on Lava's own runtime (in turn, two CPU "
        "cores, one BLAS thread; medians of a step of learning; CPU time is that of all processes):"
    )
    heading = ["network", "times faster", "times less CPU", "ms", "ms, Lava's runtime"]
    return f"{title}\n\n" + table([*heading, "CPU ms", "CPU ms, Lava's runtime"], lines)


def connections() -> str:
    """Times of single connections against stock Lava."""
    title = "Single connections, each in a process of its own, against Lava's:"
    return f"{title}\n\n" + ratios(rows_of("connections", "convolution"))


def rows_of(*names: str) -> list[dict[str, Any]]:
    """The rows of several measurements of speed."""
    return [row for name in names for row in results(name)["rows"]]


def engines() -> str:
    """Times of the engines against the plain loop."""
    title = (
        "The NumPy engines against a plain NumPy loop of the same equations, a step of learning:"
    )
    return f"{title}\n\n" + ratios(results("engine")["rows"])


def compiled() -> str:
    """Times of compiled learning against NumPy steps."""
    content = results("compiled")
    title = (
        "Learning by compiled kernels against NumPy steps, one BLAS thread (CPU time of a step of "
        "learning, in turn; the share of inputs that spike is named):"
    )
    bound = content["memory_bound"]["times_the_bound"]
    end = (
        "The step of float64 784-256-10 at 20% takes "
        f"{three_digits(bound)} times what reading and writing the weights that it must takes."
    )
    return f"{title}\n\n{ratios(content['rows'])}\n\n{end}"


def held() -> str:
    """What a long stream leaves behind."""
    lines = [
        [
            f"{run['backend']}, {run['runtime']}",
            "-".join(map(str, run["sizes"])),
            f"{run['settled_after']} to {run['samples']}",
            *(str(run["growth"][name]) for name in HELD),
        ]
        for run in results("streaming")["runs"]
    ]
    title = "What changes while one network learns from a long stream (all of its processes):"
    return f"{title}\n\n" + table(["backend", "network", "samples", *HELD.values()], lines)


HELD = {
    "open_files": "open files",
    "threads": "threads",
    "processes": "OS processes",
    "shared_memory_segments": "shared memory segments",
    "resident_kib": "resident KiB",
}


if __name__ == "__main__":
    main()
