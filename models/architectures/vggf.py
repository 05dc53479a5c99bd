"""VGG-F: the paper's VGG with a feedback connection from its last hidden spikes to an early layer.

    u^1[n] = lambda (u^1[n-1] - Vth s^1[n-1]) + W^1 x[n] + b^1 + up(F y[n-1])

y[n-1] are the spikes of the last convolution at the step before, scaled as the next layer sees
them but before the average of each map; F is a 3 x 3 convolution, up() repeats each value over a
square that fills the early layer's map. At the first step nothing is fed back. F learns by three
factors like any other weight,

    dF = g^1[n] a_F[n]^T,    a_F[n] = lambda a_F[n-1] + y[n-1],

and no gradient goes through y[n-1] into the past. Source: Xiao et al. 2022 (VGG-F).

`paper_code=True` is the published network: its feedback is F up(y[n-1]) + b_F, a plain convolution
of the enlarged map with a bias, all of which start at zero, so that it begins as the VGG without
feedback; b_F learns without a trace, as all biases do there. The default differs in three things.
It enlarges after the convolution, where a step of the connection costs as many times less as the
square has values (64 with three pools). Its weights are standardized as all others are, so that
they cannot start at zero and the feedback is at work from the first update on. It has no bias of
its own: the receiving layer's does the same from the second step on.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional as F

from onchip.models.architectures.vgg import VGGConfig
from onchip.models.networks.layers import LayerState, OTTTConv2d, SpikingLayer, TraceState
from onchip.models.networks.network import NetworkState, SpikingNetwork


@dataclass(frozen=True)
class VGGFConfig(VGGConfig):
    """`VGGConfig` with `feedback_to`, the number of the convolution that receives, 1 for conv1."""

    feedback_to: int = 1

    def __post_init__(self) -> None:
        """Check that the receiving layer lies before the sending one and is some times larger."""
        super().__post_init__()
        maps = self.maps()
        if isinstance(self.feedback_to, bool) or not 1 <= self.feedback_to < len(maps):
            raise ValueError(
                f"vggf: feedback_to is {self.feedback_to!r}; it must be a convolution before the "
                f"last, 1 to {len(maps) - 1}"
            )
        large, small = maps[self.feedback_to - 1], maps[-1]
        if (
            large[0] % small[0]
            or large[1] % small[1]
            or large[0] // small[0] != large[1] // small[1]
        ):
            raise ValueError(
                f"vggf: the map of {small[0]}x{small[1]} does not fill that of "
                f"{large[0]}x{large[1]} by repeating; change the frame size or the pools"
            )


class FeedbackPath(nn.Module):
    """up(F y), or F up(y) + b with `paper_code`, from the layer at `source` to that at `target`."""

    name = "feedback"

    def __init__(
        self, layers: Sequence[SpikingLayer], source: int, target: int, *, paper_code: bool = False
    ) -> None:
        super().__init__()
        self.source, self.target, self.paper_code = source, target, paper_code
        high, low = layers[source].connection, layers[target].connection
        self.enlarge = math.prod(layer.pool for layer in layers[target:source])
        self.connection = OTTTConv2d(
            (high.weight.shape[0], low.weight.shape[0]),
            (3, 3),
            layers[target].neuron.decay,
            padding=(1, 1),
            bias=paper_code and low.bias is not None,
            normalised=low.gain is not None and not paper_code,
            bias_traced=not paper_code,
        )
        if paper_code:
            nn.init.zeros_(self.connection.weight)

    def step(self, y: Tensor, state: TraceState, decay: float) -> tuple[Tensor, TraceState]:
        """One step by OTTT: y[n-1] [batch, channels, h, w] -> (current of the target, traces).

        `decay` is that of the target's neurons.
        """
        if self.paper_code:
            return self.connection.step(self._up(y), state, decay)
        current, state = self.connection.step(y, state, decay)
        return self._up(current), state

    def forward(self, y: Tensor) -> Tensor:
        """The same current for torch's own backward pass."""
        if self.paper_code:
            return self.connection(self._up(y))  # type: ignore[no-any-return]
        return self._up(self.connection(y))

    def _up(self, values: Tensor) -> Tensor:
        """[batch, channels, h, w] -> the same, each value over a square of side `enlarge`."""
        if self.enlarge == 1:
            return values
        return F.interpolate(values, scale_factor=float(self.enlarge))


class FeedbackNetwork(SpikingNetwork):
    """A chain of layers whose last convolution also sends to an earlier one, a step later.

    `config["feedback_to"]` is the receiving convolution's number, 1 where it is missing, and
    `config["paper_code"]` says which feedback it is. The state is that of the layers and, last, the
    traces of the feedback connection.
    """

    def __init__(
        self,
        layers: Sequence[SpikingLayer],
        input_shape: Sequence[int],
        time_steps: int,
        architecture: str = "",
        config: dict[str, object] | None = None,
    ) -> None:
        super().__init__(layers, input_shape, time_steps, architecture, config)
        convolutions = [i for i, x in enumerate(layers) if isinstance(x.connection, OTTTConv2d)]
        number = int(self.config.get("feedback_to", 1))  # type: ignore[call-overload]
        published = bool(self.config.get("paper_code", False))
        self.path = FeedbackPath(layers, convolutions[-1], number - 1, paper_code=published)

    def parts(self) -> list[nn.Module]:
        """The layers and the feedback connection."""
        return [*super().parts(), self.path]

    def initial_state(self) -> NetworkState:
        """Every layer's state and the feedback's traces at zero."""
        return (*super().initial_state(), self.path.connection.initial_state())  # type: ignore[return-value]

    def step(
        self, x: Tensor, state: NetworkState, *, cut: bool = False
    ) -> tuple[list[Tensor], NetworkState]:
        """As `SpikingNetwork.step`; the feedback of the last step arrives at its target."""
        *before, traces = state
        extra, last = None, self._last_spikes(before)
        if last is not None:
            decay = self.layers[self.path.target].neuron.decay
            extra, traces = self.path.step(last.detach(), traces, decay)  # type: ignore[arg-type]
        outputs, after = [], []
        for index, (layer, own) in enumerate(zip(self.layers, before, strict=True)):
            x = x.detach() if cut else x
            x, own = layer.step(x, own, extra if index == self.path.target else None)
            outputs.append(x)
            after.append(own)
        return outputs, (*after, traces)

    def step_through_time(
        self, x: Tensor, state: NetworkState, *, detach_reset: bool = True
    ) -> tuple[Tensor, NetworkState]:
        """As `SpikingNetwork.step_through_time`; gradients also flow through the feedback."""
        *before, traces = state
        last, after = self._last_spikes(before), []
        for index, (layer, own) in enumerate(zip(self.layers, before, strict=True)):
            here = index == self.path.target and last is not None
            extra = self.path(last) if here else None
            x, own = layer.step_through_time(x, own, detach_reset=detach_reset, extra=extra)
            after.append(own)
        return x, (*after, traces)

    def _last_spikes(self, states: Sequence[LayerState]) -> Tensor | None:
        """y[n-1], None at the first step."""
        own = states[self.path.source]
        if own.neuron.spikes.ndim == 0:
            return None
        return self.layers[self.path.source].scaled(own.neuron.spikes, own.mask)
