"""Objects that take no attribute which they have not got: a setting that does not exist is told."""

from __future__ import annotations

import difflib
from abc import ABCMeta
from typing import Any


class _Sealing(ABCMeta):
    """Seals an object once its constructor, and those of its subclasses, are done."""

    def __call__(cls, *arguments: Any, **options: Any) -> Any:
        made = super().__call__(*arguments, **options)
        object.__setattr__(made, "_sealed", True)
        return made


class Sealed(metaclass=_Sealing):
    """Raises AttributeError where an attribute is set that the constructor did not make.

    Python would make it, and nothing would ever read it: `network.learning_rate = 0.5`. Names that
    begin with an underscore are the object's own affair.
    """

    def __setattr__(self, name: str, value: Any) -> None:
        known = name.startswith("_") or not self.__dict__.get("_sealed") or hasattr(self, name)
        if not known and not self._admits(value):
            near = difflib.get_close_matches(name, dir(self), n=1)
            advice = f"; did you mean {near[0]!r}?" if near else ""
            raise AttributeError(
                f"{type(self).__name__} has no attribute {name!r}, and setting it would change "
                f"nothing{advice or '; settings are given where a network or its spec is made'}"
            )
        super().__setattr__(name, value)

    def _admits(self, value: Any) -> bool:
        """Whether a new attribute of this value is one that will be used."""
        return False
