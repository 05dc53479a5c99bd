"""Integer networks that tests of files and of netx share, and float networks of their shapes."""

from __future__ import annotations

import numpy as np
from integer_neurons import integer_integrator, integer_lif

from onchip import LIF, ConvSpec, DenseSpec, LeakyIntegrator, NetworkSpec
from onchip.deploy.quantization.network import Quantization, quantize
from onchip.network.learning import with_learning
from onchip.neurons.base import Neuron
from onchip.program.integer_layer_spec import FixedConvSpec, FixedDenseSpec, FixedLayerSpec
from onchip.program.integer_spec import FixedNetworkSpec

STEPS = 6


def hard_lif(mantissa: int = 120, decay: int = 1500) -> LIF:
    return integer_lif(decay, 64 * mantissa + 1, "hard")


def random_weights(rng: np.random.Generator, *shape: int) -> np.ndarray:
    """Even weights of mixed sign, somewhat more excitation than inhibition."""
    return 2 * rng.integers(-60, 75, shape)


def random_dense(
    rng: np.random.Generator, name: str, post: int, pre: int, neuron: Neuron, **fields
) -> FixedDenseSpec:
    fields.setdefault("bias", 64 * rng.integers(-30, 40, post))
    return FixedDenseSpec(name, random_weights(rng, post, pre), neuron, 1.0, **fields)


def dense_integers(rng: np.random.Generator) -> FixedNetworkSpec:
    """12-9-4 with hard reset; the readout spikes, its weights have exponent 1."""
    readout = FixedDenseSpec("readout", 2 * rng.integers(-20, 45, (4, 9)), hard_lif(110), 1.0, 1)
    layers = (random_dense(rng, "hidden", 9, 12, hard_lif()), readout)
    return FixedNetworkSpec(layers, (2, 2, 3), STEPS)


def conv_integers(rng: np.random.Generator) -> FixedNetworkSpec:
    """A convolution of nothing square, a hidden layer, a readout that does not spike."""
    kernels, bias = random_weights(rng, 3, 2, 3, 2), 64 * rng.integers(-30, 30, 3)
    conv = FixedConvSpec("conv", kernels, hard_lif(150), 1.0, (2, 6, 5), 0, bias, (2, 1), (1, 0))
    layers = (
        conv,
        random_dense(rng, "hidden", 8, conv.output_shape[0] * 12, hard_lif(300)),
        random_dense(rng, "readout", 4, 8, integer_integrator(500)),
    )
    return FixedNetworkSpec(layers, (2, 6, 5), STEPS)


def quantized_hard_reset(rng: np.random.Generator) -> FixedNetworkSpec:
    """A float network with hard reset and biases, quantized to what netx can read."""
    hard = LIF(0.7, 1.3, "hard")
    layers = (
        DenseSpec("hidden", rng.normal(0.05, 0.4, (9, 12)), hard, rng.normal(0, 0.2, 9)),
        DenseSpec("readout", rng.normal(0.1, 0.02, (4, 9)), LeakyIntegrator(0.6)),
    )
    return quantize(NetworkSpec(layers, (2, 2, 3), STEPS), Quantization(netx=True))


def float_twin(fixed: FixedNetworkSpec) -> NetworkSpec:
    """A float network of the same names, shapes and way of learning, all its weights 0."""
    layers = tuple(_float_layer(layer) for layer in fixed.layers)
    spec = NetworkSpec(layers, fixed.input_shape, fixed.time_steps)
    learning = fixed.learning
    if learning is None:
        return spec
    ways = {"mode": learning.mode, "feedback": learning.feedback}
    return with_learning(spec, learning_rate=0.1, plastic=fixed.plastic_names, **ways)


def _float_layer(layer: FixedLayerSpec) -> DenseSpec | ConvSpec:
    weight = np.zeros(layer.weight.shape)
    biased = layer.bias is not None or layer.bias_weight is not None
    bias = np.zeros(len(weight)) if biased else None
    if isinstance(layer, FixedConvSpec):
        shape, stride, padding = layer.input_shape, layer.stride, layer.padding
        return ConvSpec(layer.name, weight, LIF(), shape, bias, stride, padding)
    spiking = isinstance(layer.neuron, LIF)
    own = None if layer.recurrent_weight is None else np.zeros(layer.recurrent_weight.shape)
    return DenseSpec(layer.name, weight, LIF() if spiking else LeakyIntegrator(), bias, own)
