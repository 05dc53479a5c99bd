"""Vars of models in this OS process: read and written as Lava does, and as whole arrays.

Lava sends a Var element by element as float64 (`get`, `set`); here they are attributes. A model
that answers such requests itself (`_get_var`, `_set_var`) is asked through its own handlers.
"""

from __future__ import annotations

from collections import deque
from typing import Any

import numpy as np
from lava.magma.core.model.py.connection import AbstractLearningConnection
from lava.magma.core.model.py.model import AbstractPyProcessModel
from lava.magma.core.process.variable import Var
from lava.utils.sparse import find
from scipy.sparse import csr_matrix

SYNAPTIC_STATE = ("weights", "tag_1", "tag_2", "x1", "x2", "y1", "y2", "y3", "a_buff")
"""Vars of plastic synapses after whose change nothing needs to be derived anew. Lava's models would
read the time constants again, in fixed_pt out of integer Vars: 5.77 steps would become 5."""


def get(model: Any, var: Var) -> np.ndarray:
    """What Lava's `Runtime.get_var` returns: float64, a sparse matrix's values, a text's codes."""
    collect(model)
    value = getattr(model, var.name)
    if value is None:
        raise ValueError(f"{var.process.name}.{var.name}: it holds nothing that can be read")
    if isinstance(value, csr_matrix):
        return np.array(find(value, explicit_zeros=True)[2], np.float64)
    if isinstance(value, str):
        codes = np.zeros((1, int(np.prod(var.shape))))
        codes[0, : len(value)] = list(value.encode("ascii"))
        return codes.reshape(var.shape)
    values: np.ndarray = np.array(value, np.float64, order="C")
    if values.size != int(np.prod(var.shape)):
        raise ValueError(
            f"{var.process.name}.{var.name}: its model holds {values.size} values now, the Var has "
            f"shape {tuple(var.shape)}"
        )
    return values.reshape(var.shape)


def set_from_lava(model: Any, var: Var, value: Any) -> None:
    """What Lava's `Runtime.set_var` does with an array, a text's codes or a sparse matrix's values.

    Raises ValueError for another number of elements.
    """
    collect(model)
    present, given = getattr(model, var.name), np.asarray(value)
    name = f"{var.process.name}.{var.name}"
    if isinstance(present, str):
        if given.size > int(np.prod(var.shape)):
            _require_size(name, given, int(np.prod(var.shape)))
        setattr(model, var.name, bytes(given.astype(int).tolist()).decode("ascii"))
    elif isinstance(present, csr_matrix):
        _require_size(name, given, present.data.size)
        rows, columns, _ = find(present, explicit_zeros=True)
        values = given.astype(np.float64).ravel()
        setattr(model, var.name, csr_matrix((values, (rows, columns)), present.shape))
    elif isinstance(present, np.ndarray):
        _require_size(name, given, present.size)
        present[...] = given.astype(np.float64).reshape(present.shape)
    else:
        _require_size(name, given, 1)
        number = type(present)(given.item())
        if number != given.item():
            raise ValueError(f"{name}: it holds whole numbers, and {given.item()} was given")
        setattr(model, var.name, number)
    model.on_var_update()


def read(model: Any, var: Var) -> np.ndarray:
    """A copy of a Var in the type of its model."""
    collect(model)
    value = getattr(model, var.name)
    return np.array(value) if isinstance(value, np.ndarray) else np.array(value).reshape(var.shape)


def write(model: Any, var: Var, values: np.ndarray) -> None:
    """Replace a Var by a new array of its type, as a reference port would."""
    collect(model)
    present = getattr(model, var.name)
    if isinstance(present, np.ndarray):
        setattr(model, var.name, np.array(values.astype(present.dtype), order="C"))
    else:
        setattr(model, var.name, type(present)(values.item()))
    if not (isinstance(model, AbstractLearningConnection) and var.name in SYNAPTIC_STATE):
        model.on_var_update()


def collect(model: Any) -> None:
    """Let a model that keeps its state elsewhere copy it into its Vars."""
    collects = getattr(model, "collect_vars", None)
    if collects is not None:
        collects()


def plain(model: Any, var: Var) -> bool:
    """Whether a Var is an array or a number."""
    return isinstance(getattr(model, var.name), (np.ndarray, int, float, np.number))


def answers_itself(model: Any, request: str) -> bool:
    """Whether a model's class has its own `_get_var` or `_set_var` (`request`)."""
    return getattr(type(model), request) is not getattr(AbstractPyProcessModel, request)


class Requests:
    """Stands for a model's `service_to_process`: what a request brings, number by number."""

    name = "service_to_process"

    def __init__(self) -> None:
        self.numbers: deque[np.ndarray] = deque()

    def recv(self) -> np.ndarray:
        """The next number [1]."""
        return self.numbers.popleft()

    def join(self) -> None:
        """A thread ends in Lava's; nothing is to be ended here."""


class Answers:
    """Stands for a model's `process_to_service`: keeps what it answers, `last` the last number."""

    name = "process_to_service"

    def __init__(self) -> None:
        self.last: np.ndarray | None = None
        self.numbers: list[np.ndarray] = []

    def send(self, number: np.ndarray) -> None:
        """Keep a number [1]."""
        self.last = number
        self.numbers.append(number)

    def join(self) -> None:
        """As for `Requests`."""


def get_by_handler(model: Any, var: Var) -> np.ndarray:
    """As `get`, through the model's own `_get_var`."""
    model.service_to_process.numbers.append(np.array([float(var.id)]))
    answers = model.process_to_service
    answers.numbers.clear()
    model._get_var()
    values = [float(number[0]) for number in answers.numbers[1:]]
    return np.array(values, np.float64).reshape(var.shape)


def set_by_handler(model: Any, var: Var, value: Any) -> None:
    """As `set_from_lava`, through the model's own `_set_var`."""
    given = np.asarray(value, np.float64).ravel()
    numbers = (float(var.id), float(given.size), *given.tolist())
    model.service_to_process.numbers.extend(np.array([number]) for number in numbers)
    model.process_to_service.numbers.clear()
    model._set_var()


def _require_size(name: str, given: np.ndarray, size: int) -> None:
    if given.size != size:
        raise ValueError(
            f"{name}: {given.size} values were given and it holds {size}; give it all of them"
        )
