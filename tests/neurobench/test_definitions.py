"""What a network costs is what NeuroBench's own metrics say of the same network in torch."""

from __future__ import annotations

import numpy as np
import pytest
import snntorch
import torch
from graph_cases import CLASSES, NEURON, dense, lif, readout
from neurobench.metrics.static import ConnectionSparsity, Footprint
from neurobench.metrics.workload import ActivationSparsity, MembraneUpdates, SynapticOperations
from neurobench.models import TorchModel

from onchip.deploy.costs.counting import count
from onchip.deploy.costs.memory import total_memory
from onchip.network.convolution import Convolution
from onchip.network.graph import Network
from onchip.network.parts import ALWAYS_ON, INPUT, Connection, Population
from onchip.network.transforms import Bias

STEPS, SAMPLES, SHAPE = 5, 4, (2, 6, 5)


class Spikes(snntorch.SpikingNeuron):
    """Neurons with a soft reset, as NeuroBench looks for them."""

    def __init__(self, neuron) -> None:
        super().__init__(threshold=neuron.v_threshold)
        self.decay, self.fires_at = neuron.decay, neuron.v_threshold
        self.mem, self.spikes = torch.zeros(1), torch.zeros(1)

    def forward(self, current):
        if self.spikes.shape != current.shape:
            self.mem = self.spikes = torch.zeros_like(current)
        self.mem = self.decay * (self.mem - self.fires_at * self.spikes) + current
        self.spikes = (self.mem >= self.fires_at).to(current.dtype)
        return self.spikes, self.mem


class Chain(torch.nn.Module):
    """The layers of a chain, and their neurons; the readout's are left out."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.layers = torch.nn.ModuleList()
        self.neurons = torch.nn.ModuleList()
        for p in network.populations:
            self.layers.append(_layer(network, p))
            if p.neuron.spiking:
                self.neurons.append(Spikes(p.neuron))

    def forward(self, frames):
        for step in range(frames.shape[1]):
            x = frames[:, step]
            for index, layer in enumerate(self.layers):
                x = layer(x if isinstance(layer, torch.nn.Conv2d) else x.flatten(1))
                if index < len(self.neurons):
                    x, _ = self.neurons[index](x)
        return x


def _layer(network: Network, population: Population) -> torch.nn.Module:
    into = {c.source == ALWAYS_ON: c.transform for c in network.connections
            if c.target == population.name}  # fmt: skip
    transform, bias = into[False], into.get(True)
    weight = torch.tensor(transform.weight)
    if isinstance(transform, Convolution):
        layer: torch.nn.Module = torch.nn.Conv2d(
            *weight.shape[1::-1], tuple(weight.shape[2:]), transform.stride, transform.padding,
            bias=bias is not None,
        )  # fmt: skip
    else:
        layer = torch.nn.Linear(*weight.shape[::-1], bias=bias is not None)
    layer.weight = torch.nn.Parameter(weight)
    if bias is not None:
        layer.bias = torch.nn.Parameter(torch.tensor(bias.weight))
    return layer


def convolutional(rng) -> Network:
    kernel = Convolution(rng.normal(0, 0.7, (3, 2, 3, 3)), SHAPE, (2, 1), (1, 0))
    size = int(np.prod(kernel.output_shape))
    return Network(
        (Population("conv", kernel.output_shape, NEURON), lif("fc", 6), readout()),
        (
            Connection(INPUT, "conv", kernel),
            Connection(ALWAYS_ON, "conv", Bias(rng.normal(0, 0.2, 3), kernel.output_shape)),
            Connection("conv", "fc", dense(rng, 6, size)),
            Connection("fc", "out", dense(rng, CLASSES, 6)),
            Connection(ALWAYS_ON, "out", Bias(rng.normal(0, 0.2, CLASSES), (CLASSES,))),
        ),
        SHAPE,
        STEPS,
    )


def rows(rng) -> Network:
    sizes = [60, 9, 7, 5]
    names = [INPUT, "a", "b", "c", "out"]
    populations = [lif(n, s) for n, s in zip(names[1:4], sizes[1:], strict=True)]
    pairs = zip(names, names[1:], sizes, [*sizes[1:], CLASSES], strict=False)
    found = [Connection(a, b, dense(rng, n, m)) for a, b, m, n in pairs]
    return Network((*populations, readout()), tuple(found), SHAPE, STEPS)


def pruned(rng, network: Network) -> Network:
    named = zip(network.connections, network.names, strict=True)
    return network.with_weights(
        {
            name: c.transform.weight * (rng.random(c.transform.weight.shape) < 0.7)
            for c, name in named
            if c.source != ALWAYS_ON
        }
    )


@pytest.fixture(params=[convolutional, rows])
def network(request, rng) -> Network:
    return pruned(rng, request.param(rng))


def measured(network: Network, frames: np.ndarray, *metrics):
    """What NeuroBench's metrics say of all samples as one batch."""
    model = TorchModel(Chain(network))
    model.add_activation_module(snntorch.SpikingNeuron)
    model.register_hooks()
    data = torch.tensor(frames), torch.zeros(len(frames))
    with torch.no_grad():
        outputs = model(data[0])
    return [metric(model, outputs, data) for metric in metrics]


def events(rng) -> np.ndarray:
    return (rng.random((SAMPLES, STEPS, *SHAPE)) < 0.4).astype(float)


def test_synaptic_operations(network, rng):
    frames = events(rng)
    [found] = measured(network, frames, SynapticOperations())
    ours = count(network, frames).per_sample()
    assert found == {
        "Effective_MACs": ours["synaptic_macs"],
        "Effective_ACs": ours["synaptic_acs"],
        "Dense": ours["synaptic_dense"],
    }
    assert found["Effective_ACs"] > 0


def test_graded_inputs_are_multiply_accumulates_of_the_first_layer(network, rng):
    frames = events(rng) * rng.normal(2, 1, (SAMPLES, STEPS, *SHAPE))
    [found] = measured(network, frames, SynapticOperations())
    ours = count(network, frames).per_sample()
    pair = ours["synaptic_macs"], ours["synaptic_acs"]
    assert (found["Effective_MACs"], found["Effective_ACs"]) == pair
    assert min(pair) > 0


def test_activation_sparsity_and_membrane_updates(network, rng):
    frames = events(rng)
    sparsity, updates = measured(network, frames, ActivationSparsity(), MembraneUpdates())
    costs = count(network, frames)
    assert costs.activation_sparsity()["all"] == pytest.approx(sparsity, abs=1e-12)
    spiking = sum(p.membranes_changed for p in costs.populations if p.spiking)
    assert spiking / SAMPLES == updates


def test_connection_sparsity_and_footprint(network, rng):
    model = TorchModel(Chain(network))
    costs = count(network, events(rng))
    assert costs.connection_sparsity()["all"] == pytest.approx(
        ConnectionSparsity()(model), abs=5e-5
    )
    buffers = sum(b.numel() * b.element_size() for b in model.net.buffers())
    memory = total_memory(network).in_bytes()
    assert Footprint()(model) - buffers == memory["weights"] + memory["biases"]
