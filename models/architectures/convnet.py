"""A small convolutional spiking network with a dense head that fits on the chip.

The convolutions reduce a frame to a few hundred binary features; the dense layers behind them are
the part that keeps learning after deployment. The last convolution therefore ends in spikes, not in
a pool.
"""

from __future__ import annotations

from dataclasses import dataclass

from onchip.models.architectures.mlp import dense_layers
from onchip.models.networks.layers import OTTTConv2d, SpikingLayer
from onchip.models.networks.network import NetworkConfig, positive_tuple


@dataclass(frozen=True)
class ConvNetConfig(NetworkConfig):
    """`NetworkConfig` with one entry per convolution in each of the following.

    `channels`, `kernels` (odd sides), `strides`, `pools` (sides of average pools, 1 for none, the
    last must be 1). Padding is half a kernel, so that stride 1 keeps the size, or the next smaller
    one with which the pool divides the map (34 x 34 frames, stride 2, pool 2: 1 instead of 2).
    """

    hidden: tuple[int, ...] = (128,)
    channels: tuple[int, ...] = (48, 64, 32)
    kernels: tuple[int, ...] = (5, 3, 3)
    strides: tuple[int, ...] = (2, 1, 1)
    pools: tuple[int, ...] = (2, 2, 1)

    def __post_init__(self) -> None:
        """Check that the lists agree and that the frame is large enough."""
        super().__post_init__()
        for name in ("channels", "kernels", "strides", "pools"):
            values = positive_tuple(name, getattr(self, name))
            object.__setattr__(self, name, values)
            if len(values) != len(self.channels) or not values:
                raise ValueError(
                    f"convnet: {name} {values} must have one entry for each of the "
                    f"{len(self.channels)} channels {self.channels}"
                )
        if len(self.input_shape) != 3:
            raise ValueError(
                f"convnet: input_shape is {self.input_shape}; it must be (channels, height, width)"
            )
        if any(kernel % 2 == 0 for kernel in self.kernels):
            raise ValueError(f"convnet: kernels {self.kernels} must be odd")
        _check_pools(self)

    def geometry(
        self, frame: tuple[int, ...] | None = None
    ) -> list[tuple[tuple[int, int], tuple[int, int]]]:
        """Padding and map size (before its pool) of each convolution, vertical and horizontal.

        `frame` is (height, width) where it is not that of `input_shape`.
        """
        height, width = frame or self.input_shape[1:]
        maps = []
        for kernel, stride, pool in zip(self.kernels, self.strides, self.pools, strict=True):
            rows, height = _fit(height, kernel, stride, pool)
            columns, width = _fit(width, kernel, stride, pool)
            maps.append(((rows, columns), (height, width)))
            height, width = height // pool, width // pool
        return maps


def convnet_layers(config: ConvNetConfig) -> list[SpikingLayer]:
    """Layers conv1, conv2, ..., fc1, ..., readout."""
    incoming = (config.input_shape[0], *config.channels)
    convolutions = [
        SpikingLayer(
            f"conv{i + 1}",
            _convolution(config, i, (incoming[i], incoming[i + 1])),
            config.neuron,
            pool=config.pools[i],
            scale=config.output_scale,
        )
        for i in range(len(config.channels))
    ]
    height, width = config.geometry()[-1][1]
    return convolutions + dense_layers(config, config.channels[-1] * height * width)


def _convolution(config: ConvNetConfig, index: int, channels: tuple[int, int]) -> OTTTConv2d:
    side, stride = config.kernels[index], config.strides[index]
    return OTTTConv2d(
        channels,
        (side, side),
        stride=(stride, stride),
        padding=config.geometry()[index][0],
        bias=config.bias,
        normalised=config.normalised,
        weight_gain=config.weight_gain,
    )


def _fit(size: int, kernel: int, stride: int, pool: int) -> tuple[int, int]:
    """(padding, size of the map): the largest padding up to half a kernel that suits the pool."""
    fits = [
        (padding, (size + 2 * padding - kernel) // stride + 1)
        for padding in range(kernel // 2, -1, -1)
    ]
    return next((fit for fit in fits if fit[1] > 0 and fit[1] % pool == 0), fits[0])


def _check_pools(config: ConvNetConfig) -> None:
    if config.pools[-1] != 1:
        raise ValueError(f"convnet: pools {config.pools} must end in 1; the head reads spikes")
    for number, (size, pool) in enumerate(_pooled(config, config.input_shape[1:]), 1):
        if not _divides(size, pool):
            sides = range(min(config.input_shape[1:]), 0, -1)
            fit = (n for n in sides if all(_divides(*p) for p in _pooled(config, (n, n))))
            largest = next(fit, None)
            advice = f"; frames of {largest}x{largest} (--size {largest}) would fit"
            raise ValueError(
                f"convnet: conv{number} gives a map of {size[0]}x{size[1]}, which a pool of {pool} "
                "does not divide; change strides, pools or the frame size"
                + ("" if largest is None else advice)
            )


def _pooled(config: ConvNetConfig, frame: tuple[int, ...]) -> list[tuple[tuple[int, int], int]]:
    """(map before its pool, side of the pool) of each convolution, for frames of this size."""
    maps = [size for _, size in config.geometry(frame)]
    return list(zip(maps, config.pools, strict=True))


def _divides(size: tuple[int, int], pool: int) -> bool:
    return min(size) >= 1 and size[0] % pool == 0 and size[1] % pool == 0
