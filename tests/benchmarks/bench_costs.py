"""What the demo's network costs: operations, memory, cores and energy, by rule and what learns.

The network of `onchip demo` (its seed 0), frozen or with the readout, the dense layers or all
layers plastic, by OTTT and by DECOLLE, in floating point and in integers; counted on test samples
of the drifted sensor. Written as JSON.

    python tests/benchmarks/bench_costs.py --checkpoint demo-results/checkpoint.pt
"""

from __future__ import annotations

import argparse
import json
import platform
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from onchip.deploy.checks.placement import LOIHI_2
from onchip.deploy.cli import stages
from onchip.deploy.cli.data import DataChoice, take
from onchip.deploy.cli.demo_settings import FULL
from onchip.deploy.cli.demo_training import train_offline
from onchip.deploy.cli.networks import load_checkpoint_model
from onchip.deploy.costs.counting import count
from onchip.deploy.costs.energy import energy_of
from onchip.deploy.costs.memory import total_memory
from onchip.deploy.costs.placement import LOIHI_1, CoreLimits, place
from onchip.deploy.quantization.network import Quantization, quantize
from onchip.files.writing import write_text
from onchip.network.graph import Network
from onchip.network.learning import with_learning
from onchip.network.readouts import local_readouts
from onchip.network.transforms import Dense
from onchip.program.graphs import AnyNetwork, as_graph

RESULTS = Path(__file__).parent / "results" / "costs.json"
SAMPLES = 10
RATE, CONVOLUTIONS_RATE = 0.1, 0.03
"""A kernel sums the gradients of all its positions; integers hold no less than 0.026 there."""
LAYERS = {
    "frozen": (),
    "readout": ("readout",),
    "dense layers": FULL.plastic,
    "all layers": None,
}
"""What learns: the demo's own are the dense layers."""
RULES = ("ottt", "decolle")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--checkpoint", type=Path, help="of onchip demo (trained, if not given)")
    parser.add_argument("--samples", type=int, default=SAMPLES)
    parser.add_argument("--out", type=Path, default=RESULTS)
    args = parser.parse_args()
    choice = DataChoice(FULL.dataset, FULL.split, 0, FULL.time_steps)
    data = stages.load_data(choice, FULL)
    with tempfile.TemporaryDirectory() as folder:
        checkpoint = args.checkpoint or trained(Path(folder), choice, data)
        _, network = load_checkpoint_model(checkpoint)
    frames, labels = take(data.drifted_test, args.samples)
    rows = []
    for name, spec in variants(as_graph(network)):
        rows.append({**name, **measured(spec, frames, labels)})
        print(*name.values(), f"{rows[-1]['energy'].get('most', 0):.3g} J", flush=True)
    content = {
        "dataset": FULL.dataset,
        "split": FULL.split,
        "seed": 0,
        "samples": args.samples,
        "machine": platform.machine(),
        "rows": rows,
    }
    write_text(args.out, json.dumps(content, indent=1) + "\n")


def trained(folder: Path, choice: DataChoice, data: stages.Data) -> Path:
    """The demo's checkpoint, trained anew."""
    checkpoint = folder / "checkpoint.pt"
    train_offline(FULL, choice, data, checkpoint, 0, {}, False, lambda epoch: None)
    return checkpoint


def variants(network: Any) -> Iterator[tuple[dict[str, str], AnyNetwork]]:
    """What a row is called, and its network."""
    for learns, names in LAYERS.items():
        for rule in RULES if learns in ("dense layers", "all layers") else RULES[:1]:
            spec = network if learns == "frozen" else plastic(network, names, rule)
            title = {"learns": learns, "rule": "" if learns == "frozen" else rule}
            yield {**title, "precision": "float"}, spec
            yield {**title, "precision": "integers"}, quantize(spec, Quantization("sequenced"))


def plastic(network: Any, names: tuple[str, ...] | None, rule: str) -> AnyNetwork:
    """The network with layers that learn; those of DECOLLE have a readout each, others none."""
    chosen = [p.name for p in network.populations] if names is None else list(names)
    dense = {c.target for c in network.connections if type(c.transform) is Dense}
    rates = {name: RATE if name in dense else CONVOLUTIONS_RATE for name in chosen}
    options: dict[str, Any] = {"learning_rate": rates, "plastic": chosen, "mode": FULL.mode}
    if rule == "decolle":
        return with_learning(with_readouts(network, chosen), rule=rule, **options)
    return with_learning(network, feedback=FULL.feedback, **options)


def with_readouts(network: Network, chosen: list[str]) -> Network:
    """The network with a local readout for each of the populations `chosen` that has none."""
    whole = local_readouts(network)
    own = {p.name for p in network.populations} | {f"{name}_readout" for name in chosen}
    return replace(
        whole,
        populations=tuple(p for p in whole.populations if p.name in own),
        connections=tuple(c for c in whole.connections if c.target in own),
    )


def measured(spec: AnyNetwork, frames: Any, labels: Any) -> dict[str, Any]:
    """All that a row holds."""
    learns = as_graph(spec).learning is not None
    costs = count(spec, frames, labels if learns else None)
    energy = energy_of(spec, costs).as_json()
    return {
        "per_sample": costs.per_sample(),
        "activation_sparsity": costs.activation_sparsity()["all"],
        "memory": total_memory(spec).in_bytes(),
        "cores": {limits.chip: cores(spec, limits) for limits in (LOIHI_1, LOIHI_2)},
        "energy": energy["joules"],
        "dominant": energy["dominant"],
        "chip_steps": energy["chip_steps"],
        "schedule": energy["schedule"],
    }


def cores(spec: AnyNetwork, limits: CoreLimits) -> int | str:
    """The number of cores, or why there is none."""
    try:
        return len(place(spec, limits).cores)
    except ValueError as error:
        return str(error)


if __name__ == "__main__":
    main()
