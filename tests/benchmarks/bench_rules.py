"""The family of rules on digits-dvs: offline accuracy, and recovery from drift online in Lava.

The toolkit's mlp (256 hidden neurons, T = 10, simulated sensor), trained by each rule with the
recommended settings of OTTT_O and standardized weights. `readout` learns the readout alone, above
random hidden weights. Online: the demo's drift, from 600 samples in one pass in the demo's stages,
in floating point and in integers (updates at once, and a step late through the tags), with the rule
that the network was trained by. Accuracies are of the test split, learning off.

Nothing was chosen on what is reported: the settings below on seed 0, of offline learning by a fifth
of the training samples that was held out, of online learning by drifted training samples that are
not in the stream (`--choose` prints them).

A row is written as soon as it is there, and rows of the file stay: a run that was stopped goes on.

    python tests/benchmarks/bench_rules.py --seeds 1 2 3
    python tests/benchmarks/bench_rules.py --choose decolle late --shares 0.5 1 2
"""

from __future__ import annotations

import argparse
import json
import tempfile
from dataclasses import replace
from pathlib import Path
from statistics import mean, pstdev
from typing import Any

import numpy as np
import torch

from onchip.deploy.backends.online import learn_in_stages, recovery
from onchip.deploy.backends.table import build
from onchip.deploy.cli.data import DataChoice
from onchip.deploy.cli.demo_settings import FULL
from onchip.deploy.cli.rule_training import learning_network
from onchip.deploy.files.hdf5 import load_spec, save_spec
from onchip.deploy.quantization.network import Quantization, quantize
from onchip.files.writing import write_json
from onchip.models import build_model, recommended_training, train_by_rule
from onchip.network.graph import Network
from onchip.network.learning import with_learning, without_learning
from onchip.program.graphs import as_graph

OUT = Path(__file__).parent / "results" / "rules.json"
TRAINED = {
    "ottt": ("ottt", "exact"),
    "dfa": ("ottt", "direct"),
    "decolle": ("decolle", None),
    "erbp": ("erbp", None),
    "readout": ("ottt", "exact"),
}
"""Name of a row -> (rule, feedback of the offline training)."""
SHARES = {"ottt": 0.7, "dfa": 0.7, "decolle": 1.0, "erbp": 0.3}
"""Of the demo's learning rates, online."""
PRECISIONS = ("float", "fixed", "late")
"""Floating point, and integers whose updates act at once or wait a step in the synapses' tags. eRBP
has no form in integers."""
ONLINE_FEEDBACK = {"ottt": "symmetric", "dfa": "direct"}
"""Feedback online where the rule leaves it open: `exact` is for the simulator only."""
SETTINGS: dict[str, Any] = {"samples": FULL.stream_samples, "split": FULL.split}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3])
    parser.add_argument("--rows", nargs="+", default=list(TRAINED), choices=TRAINED)
    parser.add_argument("--kept", type=Path, default=None, help="folder of trained networks")
    parser.add_argument("--choose", nargs=2, metavar=("ROW", "PRECISION"))
    parser.add_argument("--shares", nargs="+", type=float, default=[0.5, 1.0, 2.0])
    parser.add_argument("--out", type=Path, default=OUT)
    args = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        kept = args.kept or Path(folder)
        if args.choose:
            choose(*args.choose, args.shares, kept)
        else:
            measure(args.out, args.seeds, args.rows, kept)


def measure(out: Path, seeds: list[int], names: list[str], kept: Path) -> None:
    """Add what is missing to the file, row by row."""
    content = json.loads(out.read_text()) if out.exists() else {}
    rows = content.get("rows", []) if content.get("settings") == SETTINGS else []
    for seed in seeds:
        for name in names:
            wanted = {"rule": name, "seed": seed, "share": SHARES.get(name)}
            if any(wanted.items() <= row.items() for row in rows):
                continue
            rows = [r for r in rows if (r["rule"], r["seed"]) != (name, seed)]
            rows.append(wanted | play(name, seed, kept))
            print(rows[-1], flush=True)
            write_json(out, {"settings": SETTINGS, "rows": rows})
    for name in names:
        for key in ("offline", *(f"{precision}.recovery" for precision in PRECISIONS)):
            found = [r[key] for r in rows if r["rule"] == name and key in r]
            if found:
                print(f"{name:10} {key:22} {mean(found):.3f} +- {pstdev(found):.3f}", flush=True)


def play(name: str, seed: int, kept: Path) -> dict[str, Any]:
    """What one rule learns with one seed."""
    choice = DataChoice(FULL.dataset, FULL.split, seed, FULL.time_steps)
    network = trained(name, seed, choice, kept)
    train, test = choice.load()
    stream, drifted = choice.load(drifted=True)
    row: dict[str, Any] = {"offline": accuracy(network, test), "train": accuracy(network, train)}
    order = np.random.default_rng(seed).permutation(len(stream.labels))[: SETTINGS["samples"]]
    for precision in precisions_of(name):
        spec = in_precision(network, precision)
        found = learned_online(spec, SHARES[name], part_of(stream, order), test, drifted)
        row |= {f"{precision}.{key}": value for key, value in found.items()}
    return row


def precisions_of(name: str) -> tuple[str, ...]:
    """Those in which a row learns online."""
    if name not in SHARES:
        return ()
    return PRECISIONS[:1] if name == "erbp" else PRECISIONS


def choose(name: str, precision: str, shares: list[float], kept: Path) -> None:
    """Print the recovery of seed 0 on drifted training samples that are not in the stream."""
    choice = DataChoice(FULL.dataset, FULL.split, 0, FULL.time_steps)
    spec = in_precision(trained(name, 0, choice, kept), precision)
    (train, _), (stream, _) = choice.load(), choice.load(drifted=True)
    order = np.random.default_rng(0).permutation(len(stream.labels))
    seen, other = np.split(order, [SETTINGS["samples"]])
    held = [part_of(part, other) for part in (train, stream)]
    for share in shares:
        found = learned_online(spec, share, part_of(stream, seen), *held)
        print(name, precision, share, found, flush=True)


def trained(name: str, seed: int, choice: DataChoice, kept: Path) -> Network:
    """The network, trained offline or as it was kept, ready to learn online by its rule."""
    file = kept / f"rules_{name}_{seed}.h5"
    if not file.exists():
        save_spec(file, train_offline(name, seed, choice))
    rule = TRAINED[name][0]
    network: Any = as_graph(load_spec(file))
    if name in ("decolle", "readout"):
        return network
    feedback = ONLINE_FEEDBACK.get(name)
    rate = FULL.learning_rates[0]
    network = without_learning(network)
    return with_learning(network, learning_rate=rate, rule=rule, feedback=feedback, seed=seed)


def train_offline(name: str, seed: int, choice: DataChoice) -> Network:
    """The network that a rule learns with the recommended settings of OTTT_O."""
    (rule, feedback), (train_set, test_set) = TRAINED[name], choice.load()
    config = recommended_training("mlp", "ottt_o", seed=seed)
    shape = tuple(train_set.frames.shape[2:])
    options = {"input_shape": shape, "classes": train_set.classes, "time_steps": choice.time_steps}
    model = build_model("mlp", seed=seed, **options)
    if feedback is not None:
        config = replace(config, feedback=feedback)
    network = learning_network(model, rule, config)
    if name == "readout":
        network = with_learning(
            without_learning(network), learning_rate=0.1, plastic=("readout",), mode="online"
        )
    return train_by_rule(network, train_set, test_set, config, standardized=True).network


def in_precision(network: Network, precision: str) -> Any:
    """The network as it learns online."""
    if precision == "float":
        return network
    return quantize(network, Quantization(late_updates=precision == "late"))


def learned_online(
    spec: Any, share: float, stream: Any, original: Any, drifted: Any
) -> dict[str, float]:
    """Learn in Lava from `stream`; accuracies on parts of both sensors before and after."""
    before = [accuracy(spec, part) for part in (original, drifted)]
    rates = [share * rate for rate in FULL.learning_rates]
    done = learn_in_stages(spec, stream.frames, stream.labels, rates, "lava-fused", measure=0)
    after = [accuracy(as_graph(done.spec), part) for part in (original, drifted)]
    return {
        "original": before[0],
        "drifted": before[1],
        "recovered": after[1],
        "original_after": after[0],
        "recovery": recovery(*before, after[1]),
    }


def part_of(data: Any, chosen: np.ndarray) -> Any:
    """Some of the samples."""
    return replace(data, frames=data.frames[chosen], labels=data.labels[chosen])


def accuracy(network: Any, part: Any) -> float:
    """Of a data set, learning off."""
    with build(network) as execution:
        return execution.evaluate(part.frames, part.labels)


if __name__ == "__main__":
    main()
