"""Spiking networks with tdBN: residual, plain, or as a control without normalization.

`ARCHITECTURES` names the settings. Source of ResNet-19: Zheng et al. 2021.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from onchip.checks import require_between, require_choice
from onchip.models.networks.attributes import Declared
from onchip.models.networks.network import positive_tuple
from onchip.models.tdbn.layers import (
    NORMALIZATIONS,
    ConvolutionLayer,
    DenseLayer,
    Geometry,
    Sheet,
    SkipBlock,
    pooled,
)
from onchip.models.tdbn.neurons import rectangle_lif
from onchip.neurons.lif import LIF


@dataclass(frozen=True)
class TdBNConfig:
    """What a network is built from; every field fits a JSON file.

    `input_shape` (channels, height, width) of a frame, `classes`, `time_steps` T. A stem of
    `stem_width` channels (3 x 3, `stem_stride`), stages of `blocks` blocks with `widths` channels
    (two 3 x 3 convolutions a block; each stage but the first halves the map), the mean over each
    map, dense layers of `hidden` neurons, a linear readout. `skip` adds the shortcuts; without them
    it is a chain. `normalization` one of `onchip.models.tdbn.layers.NORMALIZATIONS`. Neurons:
    `decay` tau in (0, 1], `v_threshold`, half width `half_width` of the surrogate. Raises
    ValueError for values that are out of range or do not fit together.
    """

    input_shape: tuple[int, ...]
    classes: int = 10
    time_steps: int = 6
    blocks: tuple[int, ...] = (1, 1, 1)
    widths: tuple[int, ...] = (16, 32, 64)
    stem_width: int = 16
    stem_stride: int = 2
    hidden: tuple[int, ...] = (64,)
    skip: bool = True
    normalization: str = "tdbn"
    decay: float = 0.25
    v_threshold: float = 0.5
    half_width: float = 0.5

    def __post_init__(self) -> None:
        for name in ("input_shape", "blocks", "widths", "hidden"):
            object.__setattr__(self, name, positive_tuple(name, getattr(self, name)))
        positive_tuple("stem", (self.stem_width, self.stem_stride))
        require_between("network: classes", self.classes, 2, 1_000_000)
        require_between("network: time_steps", self.time_steps, 1, 1_000_000)
        require_choice("network: normalization", self.normalization, NORMALIZATIONS)
        if not isinstance(self.skip, bool):
            raise ValueError(f"network: skip is {self.skip!r}; it must be true or false")
        self.neuron()
        self._require_stages()

    def neuron(self) -> LIF:
        """The neurons of all layers."""
        return rectangle_lif(self.decay, self.v_threshold, self.half_width)

    def _require_stages(self) -> None:
        if len(self.blocks) != len(self.widths) or not self.blocks:
            raise ValueError(
                f"network: blocks {self.blocks} and widths {self.widths} must have one entry each "
                "for every stage"
            )
        if len(self.input_shape) != 3:
            raise ValueError(
                f"network: input_shape is {self.input_shape}; it must be (channels, height, width)"
            )


SMALL: dict[str, Any] = {}
"""The defaults of `TdBNConfig`: seven convolutions, for frames of about 32 x 32."""

RESNET19: dict[str, Any] = {
    "blocks": (3, 3, 2),
    "widths": (128, 256, 512),
    "stem_width": 64,
    "stem_stride": 1,
    "hidden": (256,),
}

ARCHITECTURES: dict[str, dict[str, Any]] = {
    "resnet": SMALL,
    "plain": {**SMALL, "skip": False},
    "resnet19": RESNET19,
    "plain19": {**RESNET19, "skip": False},
}
"""Name -> fields of `TdBNConfig` that differ from its defaults."""


class TdBNNetwork(Declared, nn.Module):
    """A stem, blocks (residual or plain), the mean over each map, dense layers and a readout.

    `config` rebuilds it. `forward` is inference, as of the package's other networks, whatever the
    module's mode is; `learning_outputs` is for training.
    """

    def __init__(self, config: TdBNConfig) -> None:
        super().__init__()
        self.config = config
        self.features = nn.ModuleList(_features(config))
        sizes = (config.widths[-1], *config.hidden, config.classes)
        self.dense = nn.ModuleList(
            DenseLayer(f"fc{i + 1}", sizes[i], sizes[i + 1], config.neuron())
            for i in range(len(config.hidden))
        )
        self.readout = DenseLayer("readout", *sizes[-2:], None)

    @property
    def input_shape(self) -> tuple[int, ...]:
        """(channels, height, width) of a frame."""
        return self.config.input_shape

    @property
    def time_steps(self) -> int:
        """T of a sample."""
        return self.config.time_steps

    @property
    def classes(self) -> int:
        """Number of outputs."""
        return self.config.classes

    @property
    def dtype(self) -> torch.dtype:
        """Floating type of the weights."""
        return self.readout.connection.weight.dtype

    @property
    def layers(self) -> list[nn.Module]:
        """Layers and blocks from the stem to the readout, each with a `name`."""
        return [*self.features, *self.dense, self.readout]

    @torch.no_grad()
    def forward(self, frames: Tensor) -> Tensor:
        """Inference by running statistics: frames [batch, T, *input_shape] -> [batch, T, classes].

        Frames of any numeric type. The prediction is the argmax of the sum over the steps.
        """
        return self._outputs(frames, False)

    def learning_outputs(self, frames: Tensor) -> Tensor:
        """As `forward`, with the batch's statistics, which join the running ones, and a graph."""
        return self._outputs(frames, True)

    def _outputs(self, frames: Tensor, learning: bool) -> Tensor:
        x = frames.to(self.dtype).transpose(0, 1)
        for layer in self.features:
            x = layer(x, learning)
        x = pooled(x)
        for layer in (*self.dense, self.readout):
            x = layer(x, learning)
        return x.transpose(0, 1)


def build_network(config: TdBNConfig, seed: int = 0) -> TdBNNetwork:
    """The network with weights drawn from `seed`; torch's own generator is left as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return TdBNNetwork(config)


def architecture(name: str, **options: Any) -> TdBNConfig:
    """The settings of one of `ARCHITECTURES`, with options; ValueError for an unknown name."""
    require_choice("network", name, ARCHITECTURES)
    return TdBNConfig(**{**ARCHITECTURES[name], **options})


def _features(config: TdBNConfig) -> Iterator[nn.Module]:
    sheet = Sheet(config.neuron(), config.normalization)
    pre = config.stem_width
    stem = Geometry(config.input_shape[0], pre, 3, config.stem_stride)
    yield ConvolutionLayer("stem", stem, sheet)
    number = 0
    for stage, (count, width) in enumerate(zip(config.blocks, config.widths, strict=True)):
        for index in range(count):
            stride = 2 if stage > 0 and index == 0 else 1
            number += 1
            geometry = Geometry(pre, width, 3, stride)
            if config.skip:
                yield SkipBlock(f"block{number}", geometry, sheet)
            else:
                yield ConvolutionLayer(f"conv{2 * number - 1}", geometry, sheet)
                second = Geometry(width, width)
                yield ConvolutionLayer(f"conv{2 * number}", second, sheet)
            pre = width
