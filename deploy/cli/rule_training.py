"""`onchip train --rule NAME`: train by a rule other than OTTT, write a network file."""

from __future__ import annotations

import argparse
from dataclasses import asdict, replace
from typing import Any

from onchip.checks import require_choice
from onchip.deploy.cli.common import common_results, say, with_provenance
from onchip.deploy.cli.data import chosen_data, split_name
from onchip.deploy.cli.training_report import write_training_report
from onchip.files.targets import check_target
from onchip.models.cli.options import make_config, make_model, settings_line

ONLINE_RATE = 0.05
"""Of the file that is written, as `onchip export` has it: the optimizer's is another."""

READOUT_SCALE = 2.0
"""Of local readouts: found on digits-dvs with an mlp, on training samples that were held out."""


def train_and_write(args: argparse.Namespace) -> dict[str, Any]:
    """Train the network's graph by `args.rule`; results as those of `onchip train`, and `file`."""
    from onchip.deploy.files.hdf5 import save_spec
    from onchip.models.training.by_rule import train_by_rule

    _refuse_options(args)
    check_target(args.out, stream=False)
    choice = chosen_data(args)
    train_set, test_set = choice.load(args.data_root, args.limit)
    config = make_config(args, train_set)
    network = learning_network(make_model(args, train_set), args.rule, config)
    count = f"{len(train_set.labels)} samples, {len(test_set.labels)} to test"
    say(f"training {args.model} by {args.rule} on {count}")
    say(settings_line(config))
    report = _report(config.epochs)
    done = train_by_rule(network, train_set, test_set, config, standardized=True, report=report)
    metadata = {**choice.metadata(train_set, test_set), "training": asdict(config)}
    metadata |= {"test_accuracy": done.accuracy, "rule": args.rule}
    save_spec(args.out, replace(done.network, metadata=with_provenance(metadata, args)))
    print(f"test accuracy {done.accuracy:.4f} after {config.epochs} epochs: {args.out}")
    results = {
        **common_results(choice.dataset, split_name(train_set), config.seed, "torch", "float32"),
        "accuracy": done.accuracy,
        "epochs": config.epochs,
        "seconds": sum(entry["seconds"] for entry in done.history),
        "model": args.model,
        "rule": args.rule,
        "method": config.method,
        "train_samples": len(train_set.labels),
        "test_samples": len(test_set.labels),
        "file": str(args.out),
    }
    if args.report is not None:
        networks = (network, done.network)
        results |= write_training_report(args, results, done.history, networks, test_set)
    return results


def learning_network(model: Any, rule: str, config: Any) -> Any:
    """The graph of a model, all of it plastic by a rule, with local readouts where it needs them.

    Raises ValueError for an unknown rule and for one whose objective is not classification.
    """
    from onchip.models.description import describe_model
    from onchip.network.learning import with_learning
    from onchip.network.readouts import local_readouts
    from onchip.program.graphs import as_graph
    from onchip.rules.presets import RULES

    require_choice("rule", rule, RULES)
    preset, graph = RULES[rule], as_graph(describe_model(model))
    if preset.objective is not None:
        raise ValueError(
            f"rule {rule!r} is defined for {type(preset.objective).__name__}, not for labels; "
            "train by another, or learn from targets of your own with onchip.Engine"
        )
    local = preset.feedback is not None and preset.feedback.local
    if local:
        graph = local_readouts(graph, draw_last=True, scale=READOUT_SCALE, seed=config.seed)
    names = [p.name for p in graph.populations if p.neuron.spiking or not local]
    return with_learning(
        graph,
        rule=rule,
        plastic=names,
        learning_rate=ONLINE_RATE,
        mode="online" if config.method == "ottt_o" else "accumulate",
        feedback=None if preset.feedback else config.feedback,
        mse_weight=config.mse_weight,
        update_delay=config.update_delay,
        seed=config.seed,
    )


def _refuse_options(args: argparse.Namespace) -> None:
    """Those that belong to the trainer of chains alone."""
    for name in ("resume", "log", "autocast", "compiled", "scaled_start", "patience"):
        if getattr(args, name):
            raise ValueError(f"--{name.replace('_', '-')} is for --rule ottt; leave it out")
    if args.method == "bptt":
        raise ValueError("--method bptt is no learning rule; leave --rule out")


def _report(epochs: int) -> Any:
    def line(entry: dict[str, Any]) -> None:
        say(
            f"epoch {entry['epoch']}/{epochs}: train {entry['train_accuracy']:.4f}, test "
            f"{entry['test_accuracy']:.4f}, {entry['seconds']:.1f} s"
        )

    return line
