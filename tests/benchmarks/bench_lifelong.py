"""New classes after deployment: every way to learn, in both precisions, as JSON rows.

digits-dvs (simulated sensor, random split): classes 0 to 5 are trained offline (the recommended
convnet, 8 epochs), 6 to 9 come in one session in `lava-fused`, one pass, from 5 and 20 samples of
each; accuracies are of the test part, learning off. Rows that are in the file stay; base networks
are kept in `--kept`. Rates, replays and the buffer were chosen on a quarter of the training data of
seed 0 (`--choose` measures that again), never on test samples; so were shares, strengths and scales
of the other ways.

    python tests/benchmarks/bench_lifelong.py --seeds 0 1 2 --kept FOLDER
    python tests/benchmarks/bench_lifelong.py --per-session 1 --ways direct-replay prototypes
    python tests/benchmarks/bench_lifelong.py --choose
"""

from __future__ import annotations

import argparse
import itertools
import json
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from onchip.deploy.cli.base_training import of_classes, train_on
from onchip.deploy.cli.data import DataChoice
from onchip.deploy.cli.offline_bound import bound_of
from onchip.deploy.files.hdf5 import load_spec, save_spec
from onchip.deploy.lifelong.play import SensorData, Stage
from onchip.deploy.lifelong.protocol import ORIGINAL, Protocol, make_protocol
from onchip.deploy.lifelong.splits import draw_split
from onchip.deploy.lifelong.ways import OFFLINE, WAYS, Way
from onchip.files.writing import write_json

OUT = Path(__file__).parent / "results" / "lifelong.json"
DATASET, SPLIT, MODEL, EPOCHS, BASE, CLASSES = "digits-dvs", "random", "convnet", 8, 6, 10
BACKEND = "lava-fused"
HELD_OUT, DRAWS = 0.25, 3

SPIKES: dict[tuple[int, bool], dict[Any, np.ndarray]] = {}
"""Of the trunks, by seed and whether samples were held out: computed once."""

TRIED: dict[str, tuple[dict[str, Any], ...]] = {
    "direct-replay": (
        {"replays": 0},
        {"replays": 10, "kept": 40},
        {"replays": 40, "kept": 10},
        {"replays": 40, "kept": 40},
        {"replays": 80, "kept": 80},
        {"replays": 40, "kept": 40, "rate": 0.05},
        {"replays": 40, "kept": 40, "rate": 0.2},
        {"rate": 0.03},
        {"rate": 0.06},
    ),
    "class-rates-replay": (
        {"known_share": 0.1, "rate": 0.03},
        {"known_share": 0.3, "rate": 0.03},
        {"known_share": 0.3, "rate": 0.06},
    ),
    "importance-replay": ({"importance": 3.0, "rate": 0.03}, {"importance": 3.0, "rate": 0.06}),
    "decolle-replay": (
        {"local_scale": 1.0, "rate": 0.05},
        {"local_scale": 4.0, "rate": 0.15},
        {"local_scale": 4.0, "rate": 0.15, "replays": 80, "kept": 80},
    ),
    "head-replay": ({"rate": 0.05}, {"rate": 0.15}),
    "direct": ({"rate": 0.006}, {"rate": 0.01}, {"rate": 0.015}),
    "class-rates": (
        {"known_share": 0.3, "rate": 0.01},
        {"known_share": 0.1, "rate": 0.015},
        {"known_share": 0.3, "rate": 0.015},
    ),
    "importance": ({"importance": 3.0, "rate": 0.01}, {"importance": 3.0, "rate": 0.015}),
    "decolle": ({"local_scale": 4.0, "rate": 0.005}, {"local_scale": 4.0, "rate": 0.01}),
}
"""Settings of ways that `--choose` measures."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--shots", nargs="+", type=int, default=[5, 20])
    parser.add_argument("--precisions", nargs="+", default=["float", "fixed"])
    parser.add_argument("--per-session", type=int, default=4)
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    parser.add_argument("--kept", type=Path, default=None, help="folder of base networks")
    parser.add_argument("--choose", action="store_true", help="on held out training data, seed 0")
    parser.add_argument("--out", type=Path, default=OUT)
    args = parser.parse_args()
    content = json.loads(args.out.read_text()) if args.out.exists() else {"rows": [], "chosen": []}
    section = "chosen" if args.choose else "rows"
    with tempfile.TemporaryDirectory() as folder:
        measure = chosen if args.choose else rows
        for row in measure(args, content, Path(folder)):
            content[section].append(row)
            write_json(args.out, content)
            print({name: row[name] for name in row if name not in ("matrix", "chip")}, flush=True)


def rows(args: argparse.Namespace, content: dict[str, Any], folder: Path) -> Iterator[dict]:
    """The rows that are missing, as they are measured."""
    there = {key_of(row) for row in content["rows"]}
    for seed, precision, shots in itertools.product(args.seeds, args.precisions, args.shots):
        names = [
            name
            for name in args.ways
            if (seed, precision, shots, args.per_session, name) not in there
            and (WAYS[name].learner != OFFLINE or precision == "float")
        ]
        if not names:
            continue
        protocol = make_protocol("classes", CLASSES, BASE, args.per_session, shots)
        stage = stage_of(protocol, seed, precision, args.kept or folder)
        for name in names:
            key = dict(zip(KEY, (seed, precision, shots, args.per_session, name), strict=True))
            if WAYS[name].learner == OFFLINE:
                yield {**key, **offline(protocol, seed, args.kept or folder)}
            else:
                yield {**key, **played(stage, WAYS[name]), "chip": WAYS[name].chip}


KEY = ("seed", "precision", "shots", "per_session", "way")


def key_of(row: dict[str, Any]) -> tuple[Any, ...]:
    """What a row was measured for."""
    return tuple(row[name] for name in KEY)


def chosen(args: argparse.Namespace, content: dict[str, Any], folder: Path) -> Iterator[dict]:
    """Settings of ways on samples held out of the training data, `DRAWS` each; the missing ones."""
    there = [(row["draw"], row["shots"], row["way"], row["settings"]) for row in content["chosen"]]
    tried = [(name, settings) for name in TRIED if name in args.ways for settings in TRIED[name]]
    for draw, shots in itertools.product(range(DRAWS), args.shots):
        protocol = make_protocol("classes", CLASSES, BASE, args.per_session, shots)
        stage = stage_of(protocol, 0, "float", args.kept or folder, HELD_OUT, draw)
        for name, settings in tried:
            if (draw, shots, name, settings) not in there:
                way, key = replace(WAYS[name], **settings), {"draw": draw, "shots": shots}
                yield {**key, "way": name, "settings": settings, **played(stage, way)}


def played(stage: Stage, way: Way) -> dict[str, Any]:
    """One run, in few numbers."""
    found = stage.play(way).as_json()
    return {
        name: found[name]
        for name in ("final", "base_kept", "base_lost", "new", "forgetting", "backward_transfer")
    } | {name: found[name] for name in ("area", "accuracy", "matrix", "presented", "buffer_bytes")}


def stage_of(
    protocol: Protocol,
    seed: int,
    precision: str,
    kept: Path,
    held_out: float = 0.0,
    draw: int | None = None,
) -> Stage:
    """A base network and its data; with `held_out` its base is trained without those samples."""
    train_set, test_set = data_of(seed)
    split = draw_split(train_set.labels, protocol, seed, held_out)
    if draw is not None:
        split = other_draw(split, train_set.labels, protocol, draw)
    path = kept / f"base_{seed}{'_held_out' * bool(held_out)}.h5"
    if not path.exists():
        known = of_classes(train_set, protocol.base, np.array(split.base))
        tests = of_classes(test_set, protocol.base)
        path.parent.mkdir(parents=True, exist_ok=True)
        save_spec(path, train_on(known, tests, MODEL, {"epochs": EPOCHS}, seed, {}))
    parts = (train_set.frames, train_set.labels, test_set.frames, test_set.labels)
    data = {ORIGINAL: SensorData(*parts)}
    spikes = SPIKES.setdefault((seed, bool(held_out)), {})
    return Stage(load_spec(path), data, protocol, split, BACKEND, precision, seed, spikes)


def other_draw(split: Any, labels: np.ndarray, protocol: Protocol, draw: int) -> Any:
    """The same base and held out samples with other samples of the new classes."""
    rng, free = np.random.default_rng([draw, 5]), np.ones(len(labels), bool)
    free[list(split.held_out)] = False
    sessions = []
    for session in protocol.sessions:
        pools = [np.flatnonzero(free & (labels == c)) for c in session.new]
        drawn = np.concatenate([rng.permutation(pool)[: session.shots] for pool in pools])
        sessions.append(tuple(int(i) for i in rng.permutation(drawn)))
    return replace(split, sessions=tuple(sessions))


def offline(protocol: Protocol, seed: int, kept: Path) -> dict[str, Any]:
    """The same architecture and settings, trained on all classes with all samples."""
    parts = tuple(of_classes(part, protocol.order) for part in data_of(seed))
    path = kept / f"offline_{seed}.h5"
    if not path.exists():
        save_spec(path, train_on(*parts, MODEL, {"epochs": EPOCHS}, seed, {}))
    return bound_of(load_spec(path), protocol, {ORIGINAL: parts[1]})


def data_of(seed: int) -> Any:
    """(train, test) of the data set."""
    return DataChoice(DATASET, SPLIT, seed).load()


if __name__ == "__main__":
    main()
