"""A plain `nn.Sequential` as a network: what lies between two sheets of neurons becomes weights."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from torch import nn

from onchip.models.describing.parts import GraphParts
from onchip.models.interchange.state import load_state
from onchip.models.interchange.torch_steps import NAMED, refusal_of, step_of
from onchip.network.convolution import Convolution
from onchip.network.currents import Currents
from onchip.network.graph import Network
from onchip.network.layer_spec import ConvSpec, DenseSpec, LayerSpec
from onchip.network.parts import ALWAYS_ON, INPUT, Connection, Population
from onchip.network.spec import NetworkSpec
from onchip.network.transforms import Dense
from onchip.neurons.base import Neuron
from onchip.neurons.lif import LIF
from onchip.neurons.readouts import LinearReadout
from onchip.neurons.table import CHAIN_NEURONS

Neurons = Neuron | Mapping[str, Neuron]

_THROUGH_NIR = {
    "snntorch": "snntorch.export_nir.export_to_nir",
    "spikingjelly": "spikingjelly.activation_based.nir_exchange.export_to_nir",
    "norse": "norse.torch.utils.export_nir.to_nir",
    "sinabs": "sinabs.nir.to_nir",
}


def from_torch(
    module: nn.Module,
    *,
    input_shape: tuple[int, ...],
    time_steps: int,
    neurons: Neurons | None = None,
    readout: Neuron | None = None,
    state: str | Path | Mapping[str, Any] | None = None,
    metadata: Mapping[str, Any] | None = None,
) -> NetworkSpec | Network:
    """Return the network of an `nn.Sequential`, for inference, its weights in float64.

    Args:
        module: linear layers, convolutions, batch normalizations (by their running statistics),
            average pools, flattenings and dropout, also inside another `nn.Sequential`, and
            neurons between them.
        input_shape: of one frame, without batch and time.
        time_steps: T of a sample.
        neurons: which neurons stand where: by the names of modules (as in `named_modules`), or one
            neuron for all modules that are not torch's. Modules with an attribute `neuron`
            (`onchip.models.tdbn.neurons.LIFLayer`) say it themselves.
        readout: neurons behind the last linear module, `LinearReadout()` for None; not where the
            last module is one of neurons.
        state: weights by name, a mapping or a file of `torch.save` (read with weights_only), that
            the module takes first; the module itself stays as it is.
        metadata: provenance.

    A chain of layers becomes a `NetworkSpec`, all else a `Network`. A population has the name of
    the weights that it reads, "layer3" for those of the module "3". Raises ValueError, naming the
    module and what to do, for what no network here computes, and for a state with other names or
    shapes.
    """
    if not isinstance(module, nn.Sequential):
        raise ValueError(_not_sequential(module))
    if state is not None:
        module = load_state(copy.deepcopy(module), state)
    walk = _Walk(tuple(int(side) for side in input_shape), neurons)
    for name, part in _leaves(module, ""):
        walk.take(name, part)
    walk.check_names()
    walk.finish(readout)
    return _plain(walk.parts.network(walk.input_shape, time_steps, metadata))


class _Walk:
    """The modules in turn: the currents since the last neurons, the populations so far."""

    def __init__(self, input_shape: tuple[int, ...], neurons: Neurons | None) -> None:
        self.input_shape, self.parts = input_shape, GraphParts()
        self.by_name = dict(neurons) if isinstance(neurons, Mapping) else {}
        self.everywhere = neurons if isinstance(neurons, Neuron) else None
        self.currents = Currents.of_spikes(INPUT, input_shape)
        self.name, self.used, self.pending = "", set[str](), False

    def take(self, name: str, module: nn.Module) -> None:
        """Go through one module."""
        neuron = self._neuron(name, module)
        if neuron is not None:
            self._fire(neuron, name)
            return
        step = step_of(module)
        if step is None:
            raise ValueError(f"module {name!r} ({type(module).__name__}): {_unknown(module)}")
        try:
            self.currents = step(module, self.currents)
        except ValueError as error:
            raise ValueError(f"module {name!r} ({type(module).__name__}): {error}") from None
        if isinstance(module, NAMED):
            self.name, self.pending = _layer_name(name), True

    def _neuron(self, name: str, module: nn.Module) -> Neuron | None:
        if name in self.by_name:
            self.used.add(name)
            return self.by_name[name]
        own = getattr(module, "neuron", None)
        if isinstance(own, Neuron):
            return own
        foreign = not type(module).__module__.startswith("torch.")
        return self.everywhere if foreign and step_of(module) is None else None

    def _fire(self, neuron: Neuron, where: str) -> None:
        name, found = self.name or _layer_name(where), self.currents
        if name in {p.name for p in self.parts.populations}:
            name = _layer_name(where)
        try:
            bias = found.bias()
        except ValueError as error:
            raise ValueError(f"module {where!r}: {error}") from None
        self.parts.populations.append(Population(name, found.shape, neuron))
        self.parts.connections += [
            Connection(source, name, found.transform_of(source)) for source in found.sent
        ]
        if bias is not None:
            self.parts.connections.append(Connection(ALWAYS_ON, name, bias))
        self.currents = Currents.of_spikes(name, found.shape)
        self.name, self.pending = "", False

    def check_names(self) -> None:
        """Raise ValueError for neurons of modules that are not there."""
        unknown = [name for name in self.by_name if name not in self.used]
        if unknown:
            raise ValueError(
                f"from_torch: neurons names {', '.join(map(repr, unknown))}, which are no modules "
                "of it; use the names of named_modules()"
            )

    def finish(self, readout: Neuron | None) -> None:
        """Add the readout behind a last linear module."""
        if not self.pending:
            if readout is not None:
                raise ValueError(
                    "from_torch: readout is given, but the last module is one of neurons; leave it "
                    "out, or the last neurons"
                )
            if not self.parts.populations:
                raise ValueError("from_torch: the module has no weights; pass one with layers")
            passed = all(transform is None for transform in self.currents.sent.values())
            if not passed or self.currents.offset is not None:
                raise ValueError(
                    "from_torch: a pool or normalization follows the last neurons, and nothing "
                    "reads it; leave it out"
                )
            return
        self._fire(LinearReadout() if readout is None else readout, self.name)


def _leaves(module: nn.Module, prefix: str) -> Iterator[tuple[str, nn.Module]]:
    for name, child in module.named_children():
        if type(child) is nn.Sequential:
            yield from _leaves(child, f"{prefix}{name}.")
        else:
            yield prefix + name, child


def _layer_name(name: str) -> str:
    """A population's name from a module's: those of a plain Sequential are numbers."""
    return f"layer{name}" if name.replace(".", "").isdigit() else name


def _unknown(module: nn.Module) -> str:
    reason = refusal_of(module)
    if reason is not None:
        return reason
    export = _THROUGH_NIR.get(type(module).__module__.split(".")[0])
    if export is not None:
        return (
            f"its constants mean what its framework does with them; export the network with "
            f"{export} and read it with onchip.deploy.from_nir, or say in neurons which neurons of "
            "onchip stand there"
        )
    return "it is not known here; say in neurons which neurons stand there, or leave it out"


def _not_sequential(module: Any) -> str:
    kind = type(module).__name__
    if hasattr(module, "time_steps") and isinstance(module, nn.Module):
        return f"from_torch: {kind} is a network of onchip; use onchip.models.describe_model"
    export = _THROUGH_NIR.get(type(module).__module__.split(".")[0])
    way = f"{export} and " if export else "its framework's exporter to NIR and "
    return (
        f"from_torch: {kind} is no nn.Sequential, so the order of its modules is not known; put "
        f"them into one, or use {way}onchip.deploy.from_nir"
    )


def _plain(network: Network) -> NetworkSpec | Network:
    """The chain of layers that a graph is, or the graph itself."""
    layers: list[LayerSpec] = []
    biases = {c.target: c.transform.weight for c in network.connections if c.source == ALWAYS_ON}
    for population in network.populations:
        transform: Any = next(
            c.transform
            for c in network.connections
            if c.target == population.name and c.source != ALWAYS_ON
        )
        bias, neuron = biases.get(population.name), population.neuron
        row = len(population.shape) == 1
        flat = bool(layers) and isinstance(layers[-1], DenseSpec)
        if type(transform) is Convolution and isinstance(neuron, LIF) and not flat:
            shape, stride, padding = transform.input_shape, transform.stride, transform.padding
            layers.append(
                ConvSpec(population.name, transform.weight, neuron, shape, bias, stride, padding)
            )
        elif row and isinstance(transform, Dense) and isinstance(neuron, CHAIN_NEURONS):
            layers.append(DenseSpec(population.name, transform.weight, neuron, bias))
        else:
            return network
    return NetworkSpec(
        tuple(layers), network.input_shape, network.time_steps, metadata=network.metadata
    )
