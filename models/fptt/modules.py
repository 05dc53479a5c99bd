"""Networks of `onchip.models.build_model` as modules that learn in parts."""

from __future__ import annotations

from torch import Tensor, nn

from onchip.models.networks.network import NetworkState, SpikingNetwork


class PartByPart(nn.Module):
    """A network of the package, called as ``output, state = module(x, state)``.

    The output [batch, classes] is the mean of the readout's over the steps of the part, the state
    that of its neurons; gradients pass through the part as in BPTT, resets detached. What is
    trained is `network` itself, which deploys like any other of its kind.
    """

    def __init__(self, network: SpikingNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor, state: NetworkState | None = None) -> tuple[Tensor, NetworkState]:
        """`x` [steps, batch, *input_shape], of any numeric type."""
        after = self.network.initial_state() if state is None else state
        outputs: list[Tensor] = []
        for frame in x:
            output, after = self.network.step_through_time(frame.to(self.network.dtype), after)
            outputs.append(output)
        return sum(outputs[1:], outputs[0]) / len(outputs), after
