"""How `onchip learn` keeps the state of a long stream, and goes on from it."""

from __future__ import annotations

import argparse
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from onchip.deploy.cli.common import say
from onchip.files.targets import check_target

if TYPE_CHECKING:
    from onchip.deploy.backends.kept_learning import Learned
    from onchip.program.graphs import AnyNetwork

KEEP_EVERY = 500
"""Samples after which the state is kept, unless an option says otherwise."""


@dataclass(frozen=True)
class Keeping:
    """What is kept of one learning: its state in `path` after `every` samples (0: nothing).

    `settings` are what it is known by, `total` its samples. `ours`: the files that this command
    wrote or went on from; no other is removed, whatever its name.
    """

    args: argparse.Namespace
    path: Path
    every: int
    total: int
    settings: dict[str, Any]
    ours: set[Path] = field(default_factory=set)

    @classmethod
    def of(
        cls,
        args: argparse.Namespace,
        spec: AnyNetwork,
        backend: str,
        stream: tuple[np.ndarray, np.ndarray],
    ) -> Keeping:
        """As the command's options say.

        Raises ValueError where keeping is asked for and there is no `--out` for it to be beside, or
        where the backend cannot go on exactly.
        """
        asked = args.resume or args.keep_every is not None
        reason = why_not(args, spec, backend)
        if asked and reason is not None:
            raise ValueError(f"--resume and --keep-every: {reason}")
        if reason is not None:
            return cls(args, Path(), 0, len(stream[1]), {})
        from onchip.deploy.backends.kept_learning import state_file, stream_digest

        path = state_file(args.out)
        check_target(path, stream=False)
        settings = {
            "network": network_digest(spec),
            "stream": stream_digest(*stream),
            "backend": backend,
            "schedule": args.schedule,
            "measure": args.measure,
            "test_samples": args.test_samples,
            "evaluate_on": args.evaluate_on,
        }
        if args.patience is not None:
            settings["patience"] = args.patience
        if args.convolutions is not None:
            settings["convolutions"] = args.convolutions
        return cls(args, path, args.keep_every or KEEP_EVERY, len(stream[1]), settings)

    def start(self) -> Learned | None:
        """What an earlier run kept, with --resume; None to begin at the beginning."""
        if not self.args.resume:
            return None
        from onchip.deploy.backends.kept_learning import load_state

        learned = load_state(self.path, self.settings)
        say(f"going on after {learned.samples} of {self.total} samples")
        self._tell(learned.samples)
        return learned

    def keep(self, learned: Learned) -> None:
        """Keep the state."""
        from onchip.deploy.backends.kept_learning import save_state

        save_state(self.path, learned, self.settings)
        self._tell(learned.samples)

    def finished(self) -> None:
        """All was learned and saved: what was kept of it is of no more use."""
        for path in self.ours:
            path.unlink(missing_ok=True)
        self.args.left = lambda: ""

    def _tell(self, samples: int) -> None:
        self.ours.add(self.path)
        self.args.left = lambda: (
            f"go on with the same command and --resume; {self.path} holds what was learned from "
            f"{samples} of {self.total} samples"
        )


def why_not(args: argparse.Namespace, spec: AnyNetwork, backend: str) -> str | None:
    """Why the state cannot be kept so that learning goes on exactly, or None where it can."""
    from onchip.deploy.backends.table import BACKENDS, precision_of

    if args.out is None:
        return "the state is kept beside --out; name a network file there"
    resumes = BACKENDS[backend].resumes
    if not resumes:
        return f"backend {backend} has no state to go on from; learn on numpy or lava-fused"
    if precision_of(spec) not in resumes:
        return f"backend {backend} does not go on exactly in integers; learn on numpy or lava-fused"
    return None


def network_digest(spec: AnyNetwork) -> str:
    """SHA-256 (hexadecimal) of a network, without its metadata."""
    from onchip.deploy.files.codec import network_to_tree
    from onchip.deploy.files.tree import digest

    return digest(network_to_tree(replace(spec, metadata={})))
