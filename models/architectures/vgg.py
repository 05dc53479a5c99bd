"""The VGG network of the paper: 64-128-P-256-256-P-512-512-P-512-512-GAP-FC.

3 x 3 convolutions with padding 1 and standardized weights, spiking neurons whose output is scaled
by 2.74, average pools of side 2 (P), then the average of each map (GAP) and the readout. Source:
Xiao et al. 2022, section 5 and appendix; dropout 0.1 on CIFAR10-DVS, at the same neurons for all
steps of a sample.

`paper_code=True` computes what the published code does, for comparison: the first convolution and
all biases learn by the present input, without a trace, and the readout has no memory (o = W s + b)
while its weight still learns by the trace (VGG-F: its feedback too is another, see
`onchip.models.architectures.vggf`). The default is the paper's text with the leaky readout,
in which every weight and bias has its trace and the last layer's gradient is that of BPTT.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

from onchip.checks import require_between, require_choice
from onchip.models.architectures.mlp import dense_layers
from onchip.models.networks.layers import OTTTConv2d, SpikingLayer
from onchip.models.networks.network import NetworkConfig

POOL = "P"
PAPER_CHANNELS = (64, 128, POOL, 256, 256, POOL, 512, 512, POOL, 512, 512)
CLASSIFIERS = ("light", "full")


@dataclass(frozen=True)
class VGGConfig(NetworkConfig):
    """`NetworkConfig` with the layers of the paper's network, or fewer and narrower ones.

    `channels`: the convolutions' output channels from the input on, "P" for an average pool of 2.
    `classifier`: "light" reads the average of each map, "full" every neuron of the last map; the
    dense layers of `hidden` lie before the readout of either. `dropout` of the hidden neurons in
    [0, 1). `paper_code`: see this module. `readout=None` is "leaky", or "linear" with `paper_code`.
    """

    readout: str | None = None  # type: ignore[assignment]
    channels: tuple[int | str, ...] = PAPER_CHANNELS
    classifier: str = "light"
    dropout: float = 0.0
    paper_code: bool = False

    def __post_init__(self) -> None:
        """Check the values and that the frame suits the pools."""
        if self.readout is None:
            object.__setattr__(self, "readout", "linear" if self.paper_code else "leaky")
        super().__post_init__()
        object.__setattr__(self, "channels", tuple(self.channels))
        require_choice("vgg: classifier", self.classifier, CLASSIFIERS)
        require_between("vgg: dropout", self.dropout, 0, 1 - 1e-6)
        if self.paper_code and self.readout != "linear":
            raise ValueError(
                f"vgg: paper_code has a linear readout, not {self.readout!r}; leave readout out"
            )
        _check_channels(self)
        _check_maps(self)

    def stages(self) -> list[tuple[int, int]]:
        """(output channels, side of the pool behind it) of every convolution, without the GAP."""
        found: list[tuple[int, int]] = []
        for entry in self.channels:
            if isinstance(entry, int):
                found.append((entry, 1))
            else:
                found[-1] = (found[-1][0], 2)
        return found

    def maps(self) -> list[tuple[int, int]]:
        """Height and width that each convolution works on."""
        height, width = self.input_shape[1:]
        sizes = []
        for _, pool in self.stages():
            sizes.append((height, width))
            height, width = height // pool, width // pool
        return sizes


def vgg_layers(config: VGGConfig) -> list[SpikingLayer]:
    """Layers conv1, conv2, ..., (fc1, ...,) readout."""
    stages, maps = config.stages(), config.maps()
    if config.classifier == "light":
        stages[-1] = (stages[-1][0], maps[-1][0])
    incoming = (config.input_shape[0], *(channels for channels, _ in stages))
    convolutions = [
        SpikingLayer(
            f"conv{i + 1}",
            _convolution(config, incoming[i], channels, first=i == 0),
            config.neuron,
            pool=pool,
            scale=config.output_scale,
            dropout=config.dropout,
        )
        for i, (channels, pool) in enumerate(stages)
    ]
    side = stages[-1][1]
    features = incoming[-1] * (maps[-1][0] // side) * (maps[-1][1] // side)
    dense = dense_layers(config, features, bias_traced=not config.paper_code)
    for layer in dense[:-1]:
        layer.dropout = config.dropout
    return convolutions + dense


def _convolution(config: VGGConfig, pre: int, post: int, *, first: bool) -> OTTTConv2d:
    return OTTTConv2d(
        (pre, post),
        (3, 3),
        padding=(1, 1),
        bias=config.bias,
        normalised=config.normalised,
        weight_gain=config.weight_gain,
        traced=not (config.paper_code and first),
        bias_traced=not config.paper_code,
    )


def _check_channels(config: VGGConfig) -> None:
    numbers = [entry for entry in config.channels if entry != POOL]
    wrong = any(isinstance(n, bool) or not isinstance(n, int) or n < 1 for n in numbers)
    doubled = (POOL, POOL) in itertools.pairwise(config.channels)
    if wrong or doubled or not numbers or config.channels[0] == POOL:
        raise ValueError(
            f"vgg: channels {config.channels} must be integers >= 1 with at most one 'P' behind "
            "each of them"
        )


def _check_maps(config: VGGConfig) -> None:
    if len(config.input_shape) != 3:
        raise ValueError(
            f"vgg: input_shape is {config.input_shape}; it must be (channels, height, width)"
        )
    height, width = config.maps()[-1]
    if min(height, width) < config.stages()[-1][1]:
        raise ValueError(
            f"vgg: {config.channels.count(POOL)} pools are too many for frames of "
            f"{config.input_shape[1]}x{config.input_shape[2]}"
        )
    if config.classifier == "light" and (height != width or config.channels[-1] == POOL):
        raise ValueError(
            f"vgg: the light classifier averages square maps right behind the last convolution, "
            f"not {height}x{width} behind {config.channels[-1]!r}; use classifier='full'"
        )
