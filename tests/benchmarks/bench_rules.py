"""The family of rules on digits-dvs: offline accuracy, and recovery from drift online in Lava.

The toolkit's mlp (256 hidden neurons, T = 10, simulated sensor), trained by each rule with the
recommended settings of OTTT_O (at the share of the rate that plain weights take). `readout` learns
the readout alone, above random hidden weights. Online: the demo's drift, from 600 samples in one
pass in the demo's stages, in floating point and in integers, with the rule that the network was
trained by. Accuracies are of the test split, learning off. Settings were chosen on seed 0.

    python tests/benchmarks/bench_rules.py --seeds 0 1 2
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path
from statistics import mean, pstdev
from typing import Any

import numpy as np
from joblib import Parallel, delayed

from onchip.deploy.backends.online import learn_in_stages, recovery
from onchip.deploy.backends.table import build
from onchip.deploy.cli.data import DataChoice
from onchip.deploy.cli.demo_settings import FULL
from onchip.deploy.cli.rule_training import learning_network, suited
from onchip.deploy.quantization.network import Quantization, quantize
from onchip.files.writing import write_text
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
RATES = {
    name: tuple(share * rate for rate in FULL.learning_rates)
    for name, share in {"ottt": 0.7, "dfa": 0.7, "decolle": 1.0, "erbp": 0.3}.items()
}
"""Learning rates along the stream."""
ONLINE_FEEDBACK = {"ottt": "symmetric", "dfa": "direct"}
"""Feedback online where the rule leaves it open: `exact` is for the simulator only."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--rows", nargs="+", default=list(TRAINED), choices=TRAINED)
    parser.add_argument("--epochs", type=int, default=None, help="(the recommended)")
    parser.add_argument("--samples", type=int, default=FULL.stream_samples)
    parser.add_argument("--jobs", type=int, default=1, help="rows at once, a process each")
    parser.add_argument("--out", type=Path, default=OUT)
    args = parser.parse_args()
    tasks = [(name, seed) for seed in args.seeds for name in args.rows]
    rows = Parallel(args.jobs)(delayed(play)(*task, args.epochs, args.samples) for task in tasks)
    for name in args.rows:
        for key in ("offline", "float.recovery", "fixed.recovery", "float.original_after"):
            found = [row[key] for row in rows if row["rule"] == name and key in row]
            if found:
                print(f"{name:10} {key:22} {mean(found):.3f} +- {pstdev(found):.3f}", flush=True)
    note = {"seeds": args.seeds, "samples": args.samples, "split": FULL.split, "rows": rows}
    write_text(args.out, json.dumps(note, indent=1) + "\n")


def play(name: str, seed: int, epochs: int | None, samples: int) -> dict[str, Any]:
    """The row of one rule and seed."""
    choice = DataChoice(FULL.dataset, FULL.split, seed, FULL.time_steps)
    network, row = trained(name, seed, choice, epochs)
    if name != "readout":
        for precision in ("float", "fixed"):
            if precision == "float" or has_integers(network):
                found = learned_online(network, name, precision, choice, seed, samples)
                row |= {f"{precision}.{key}": value for key, value in found.items()}
    print(row, flush=True)
    return row


def trained(
    name: str, seed: int, choice: DataChoice, epochs: int | None
) -> tuple[Network, dict[str, Any]]:
    """The network, ready to learn online by its rule, and what its training gave."""
    train_set, test_set = choice.load()
    rule, feedback = TRAINED[name]
    changes = {} if epochs is None else {"epochs": epochs}
    config = recommended_training("mlp", "ottt_o", seed=seed, **changes)
    config = suited(config, None)
    model = build_model(
        "mlp",
        seed=seed,
        input_shape=tuple(train_set.frames.shape[2:]),
        classes=train_set.classes,
        time_steps=choice.time_steps,
    )
    if feedback is not None:
        config = replace(config, feedback=feedback)
    network = learning_network(model, rule, config)
    if name == "readout":
        network = with_learning(
            without_learning(network), learning_rate=0.1, plastic=("readout",), mode="online"
        )
    done = train_by_rule(network, train_set, test_set, config)
    row = {"rule": name, "seed": seed, "offline": done.accuracy, "epochs": config.epochs}
    return with_rates(done.network, FULL.learning_rates[0], rule, name, seed), row


def with_rates(network: Network, rate: float, rule: str, name: str, seed: int) -> Network:
    """The trained network with an online rule for a chip: fixed feedback, drawn or frozen now."""
    if name in ("decolle", "readout"):
        return network
    feedback = ONLINE_FEEDBACK.get(name)
    return with_learning(
        without_learning(network), learning_rate=rate, rule=rule, feedback=feedback, seed=seed
    )


def has_integers(network: Network) -> bool:
    """Whether the rule can be quantized."""
    return all(c.rule is None or c.rule.plain for c in network.connections)


def learned_online(
    network: Network, name: str, precision: str, choice: DataChoice, seed: int, samples: int
) -> dict[str, float]:
    """Learn from the drifted sensor in Lava; accuracies before and after."""
    spec: Any = network
    if precision == "fixed":  # small updates go through the tags, which round no weight at random
        spec = quantize(network, Quantization(late_updates=name == "decolle"))
    (_, test), (stream, drifted) = choice.load(), choice.load(drifted=True)
    order = np.random.default_rng(seed).permutation(len(stream.labels))[:samples]
    before = [accuracy(spec, part) for part in (test, drifted)]
    frames, labels = stream.frames[order], stream.labels[order]
    learned = learn_in_stages(spec, frames, labels, RATES[name], "lava-fused", measure=0)
    original, recovered = (accuracy(as_graph(learned.spec), part) for part in (test, drifted))
    return {
        "drifted": before[1],
        "recovered": recovered,
        "original_after": original,
        "recovery": recovery(*before, recovered),
    }


def accuracy(network: Any, part: Any) -> float:
    """Of a data set, learning off."""
    with build(network) as execution:
        return execution.evaluate(part.frames, part.labels)


if __name__ == "__main__":
    main()
