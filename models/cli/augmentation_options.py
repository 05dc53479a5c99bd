"""The options that name augmentation: `--augment` for all of it, others for one change each."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from onchip.models.config import TrainingConfig

AUGMENTATIONS: dict[str, tuple[str, Callable[[str], Any] | None]] = {
    "shift": ("max_shift", int),
    "rotation": ("max_rotation", float),
    "zoom": ("max_zoom", float),
    "flip": ("flip", None),
    "drop": ("event_drop", float),
}
"""Name in `--augment` -> (field of `TrainingConfig`, type of its value; None where it has none)."""

OFF: dict[str, Any] = {
    "max_shift": 0,
    "max_rotation": 0.0,
    "max_zoom": 0.0,
    "flip": False,
    "event_drop": 0.0,
}
"""No augmentation."""


def add_augmentation_options(parser: argparse.ArgumentParser) -> None:
    """`--max-shift`, `--max-rotation`, `--max-zoom` and `--augment`."""
    parser.add_argument("--max-shift", type=int, default=None, help="augmentation, in pixels")
    parser.add_argument("--max-rotation", type=float, default=None, help="augmentation, in degrees")
    parser.add_argument("--max-zoom", type=float, default=None, help="augmentation, 0.1 is 10 %%")
    parser.add_argument(
        "--augment",
        type=augmentation,
        default=None,
        metavar="LIST",
        help="all of the augmentation: none, or e.g. shift=4,flip,drop=0.3 (also rotation, zoom)",
    )


def augmentation(text: str) -> dict[str, Any]:
    """Fields of `TrainingConfig` from text such as "shift=4,flip,drop=0.3" or "none".

    What is not named is off. Raises argparse.ArgumentTypeError for other text.
    """
    chosen: dict[str, Any] = {}
    for part in text.split(",") if text != "none" else []:
        name, equals, value = part.strip().partition("=")
        if name not in AUGMENTATIONS:
            raise argparse.ArgumentTypeError(
                f"{name!r} is unknown; choose none or some of shift=PIXELS, rotation=DEGREES, "
                "zoom=SHARE, flip, drop=SHARE"
            )
        field, convert = AUGMENTATIONS[name]
        if (convert is None) == bool(equals):
            wanted = "takes no value" if convert is None else f"needs a value, as in {name}=1"
            raise argparse.ArgumentTypeError(f"{name!r} {wanted}")
        try:
            chosen[field] = True if convert is None else convert(value)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{value!r} is no value for {name!r}") from None
    return chosen


def augmentation_text(config: TrainingConfig) -> str:
    """As `--augment` takes it."""
    chosen = [
        name if value is True else f"{name}={value:g}"
        for name, (field, _) in AUGMENTATIONS.items()
        if (value := getattr(config, field))
    ]
    return ",".join(chosen) or "none"
