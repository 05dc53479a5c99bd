"""Modules of a network take no attribute that they have not got."""

from __future__ import annotations

from typing import Any

from torch import nn

from onchip.sealed import Sealed


class Declared(Sealed):
    """`onchip.sealed.Sealed` for torch's modules: parameters and modules may be added at any time.

    Those take part in training and in checkpoints; a misspelt number would not.
    """

    def _admits(self, value: Any) -> bool:
        return isinstance(value, (nn.Parameter, nn.Module))
