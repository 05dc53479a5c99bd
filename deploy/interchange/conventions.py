"""What NIR's continuous equations mean in steps, by framework.

NIR defines a neuron by differential equations and leaves steps, reset and comparison to whoever
simulates it. A file does not say which were meant. With the step dt, every framework here computes

    v[n] = lambda v'[n-1] + (1 - lambda) (v_leak + r I[n]),    v' the membrane after the reset,

which is this package's equation with u = v - v_leak and weights times (1 - lambda) r. They differ
in

- lambda: 1 - dt / tau (forward Euler), or exp(-dt / tau);
- the reset: to v_reset, or by subtraction of the threshold;
- the comparison: v > v_threshold (NIR's own, snnTorch, Norse) or v >= (SpikingJelly, sinabs);
- what r of an IF or I node is: an input adds r dt (NIR's own), or r itself;
- what w_in of a CubaLIF is: an input adds w_in dt / tau_syn (NIR's own), or w_in itself.

`CONVENTIONS` has them by name, as read from the frameworks' own exporters and steps (nir 1.0.8,
snnTorch 1.0.0, SpikingJelly 2.0.0, Norse 1.1.0, sinabs 3.1.3) and held to them by the tests in
tests/interchange.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from onchip.checks import require_between, require_choice

RESETS = {"subtract": "soft", "zero": "hard"}
"""NIR users' words for the reset, and `onchip.neurons.lif.LIF`'s."""

DELAYED = {
    "subtract-delayed": "takes the threshold off after the decay",
    "zero-delayed": "clears the membrane with the input of the step after a spike",
}
"""What snnTorch's reset_delay=True does, its default; no neuron here does either."""

DECAYS = ("euler", "exponential")
FIRES = (">", ">=")
GAINS = ("rate", "step")


@dataclass(frozen=True)
class Convention:
    """How the parameters of a NIR graph become steps.

    Attributes:
        dt: the step in the unit of the graph's time constants; None must be given by the reader.
        reset: "subtract" or "zero"; None must be given by the reader.
        decay: "euler" for lambda = 1 - dt / tau, "exponential" for exp(-dt / tau).
        fires: ">" or ">=".
        integrator: "rate" where an IF or I node adds r dt I in a step, "step" where it adds r I.
        synapse: "rate" where a CubaLIF's current grows by w_in dt / tau_syn I, "step" by w_in I.

    Raises ValueError, naming the option, for anything else.
    """

    dt: float | None = None
    reset: str | None = None
    decay: str = "euler"
    fires: str = ">"
    integrator: str = "rate"
    synapse: str = "rate"

    def __post_init__(self) -> None:
        """Check the names and the step."""
        if self.dt is not None:
            require_between("NIR: dt", self.dt, 0, 1e9, open_low=True)
        if self.reset in DELAYED:
            raise ValueError(
                f"NIR: reset {self.reset!r} (snnTorch's reset_delay=True) {DELAYED[self.reset]}, "
                "which no neuron here does; train with reset_delay=False"
            )
        if self.reset is not None:
            require_choice("NIR: reset", self.reset, RESETS)
        require_choice("NIR: decay", self.decay, DECAYS)
        require_choice("NIR: fires", self.fires, FIRES)
        require_choice("NIR: integrator", self.integrator, GAINS)
        require_choice("NIR: synapse", self.synapse, GAINS)

    def with_choices(self, dt: float | None, reset: str | None, fires: str | None) -> Convention:
        """Return the convention with what a reader chose."""
        chosen = {"dt": dt, "reset": reset, "fires": fires}
        return replace(self, **{k: v for k, v in chosen.items() if v is not None})  # type: ignore[arg-type]


CONVENTIONS: dict[str, Convention] = {
    "nir": Convention(),
    "snntorch": Convention(dt=1e-4),
    "spikingjelly": Convention(dt=1e-4, reset="zero", fires=">="),
    "norse": Convention(dt=1e-6, integrator="step", synapse="step"),
    "sinabs": Convention(dt=1.0, decay="exponential", fires=">=", integrator="step"),
}
"""By the name of who wrote a graph.

snnTorch's exporter has dt 1e-4 built in and loses the reset: with its reset_delay=True a
subtraction is `DELAYED`, and so is a reset to zero of all its neurons but Leaky. SpikingJelly's
takes dt (1e-4 unless one is named) and refuses soft reset. Norse writes tau dt instead of tau, so
that with its default dt of 1e-3 s a step is 1e-6 of the file's unit; another dt counts squared.
sinabs counts tau in steps; a LIF with norm_input=False is not what its file says, and one with its
default MultiSpike fires several times in a step, which no neuron here does."""


def convention_of(written_by: str) -> Convention:
    """Return a convention by name; ValueError with the valid ones."""
    require_choice("NIR: written_by", written_by, CONVENTIONS)
    return CONVENTIONS[written_by]


def next_above(v_threshold: float, fires: str) -> float:
    """Return the threshold at which u >= Vth fires where v > v_threshold, or v >=, would."""
    return math.nextafter(v_threshold, math.inf) if fires == ">" else v_threshold
