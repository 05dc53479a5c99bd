"""The names by which files know the types that a field may hold, where there are several."""

from __future__ import annotations

from collections.abc import Mapping
from types import UnionType
from typing import Any, Union, get_args, get_origin

from onchip.network.graph import Network
from onchip.network.layer_spec import ConvSpec, DenseSpec
from onchip.network.parts import Connection, Population
from onchip.network.spec import NetworkSpec
from onchip.network.transform import Transform
from onchip.network.transforms import TRANSFORMS
from onchip.neurons.base import Neuron
from onchip.neurons.table import NEURONS
from onchip.objectives.base import Objective
from onchip.objectives.table import OBJECTIVES
from onchip.program.chip_network import ChipConnection, ChipNetwork, ChipPopulation
from onchip.program.integer_layer_spec import FixedConvSpec, FixedDenseSpec
from onchip.program.integer_spec import FixedFactor, FixedNetworkSpec
from onchip.rules.eligibilities import ELIGIBILITIES
from onchip.rules.eligibility import Eligibility

FloatNetwork = NetworkSpec | Network
IntegerNetwork = FixedNetworkSpec | ChipNetwork

Table = Mapping[str, type]

OF_BASES: dict[type, Table] = {
    Neuron: NEURONS,
    Transform: TRANSFORMS,
    Objective: OBJECTIVES,
    Eligibility: ELIGIBILITIES,
    Population: {"population": Population, "chip_population": ChipPopulation},
    Connection: {"connection": Connection, "chip_connection": ChipConnection},
}
"""Base class -> names of it and its subclasses; a row that a user adds to a table counts."""

OF_UNIONS: dict[frozenset[type], Table] = {
    frozenset(get_args(FloatNetwork)): {"chain": NetworkSpec, "graph": Network},
    frozenset(get_args(IntegerNetwork)): {"chain": FixedNetworkSpec, "graph": ChipNetwork},
    frozenset((DenseSpec, ConvSpec)): {"dense": DenseSpec, "conv": ConvSpec},
    frozenset((FixedDenseSpec, FixedConvSpec)): {"dense": FixedDenseSpec, "conv": FixedConvSpec},
}

INTEGER_ARRAYS = frozenset((FixedDenseSpec, FixedConvSpec, FixedFactor, ChipPopulation))
"""Types all of whose arrays are integers."""


def table_of(hint: Any) -> Table | None:
    """Return the names of the types that a field of this type holds; None where it is the one."""
    if get_origin(hint) in (Union, UnionType):
        return OF_UNIONS.get(frozenset(get_args(hint)))
    if get_origin(hint) is not None or not isinstance(hint, type):
        return None  # Python 3.10 takes tuple[int, ...] for a type, of which issubclass fails
    for base, table in OF_BASES.items():
        if issubclass(hint, base):
            return {name: kind for name, kind in table.items() if issubclass(kind, hint)}
    return None


def name_of(table: Table, value: object) -> str:
    """Return a value's name by its type; ValueError for a type that has none."""
    for name, kind in table.items():
        if type(value) is kind:
            return name
    known = ", ".join(kind.__name__ for kind in table.values())
    raise ValueError(f"{type(value).__name__} has no place in a network file; known: {known}")
