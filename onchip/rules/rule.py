"""The three-factor rule: presynaptic trace x postsynaptic derivative x fed-back error.

    e[n] = kappa e[n-1] + psi[n] a[n]^T          the eligibility of a synapse, psi = sigma'(u - Vth)
    grad W[n] = L[n] e[n]                        the third factor L, the error as it is fed back

With kappa = 0 there is no filter, and grad W[n] = g[n] a[n]^T with g = L psi (the bias: g c).
Other eligibilities e[n] are in `onchip.rules.eligibilities`. Two ways to apply it: "online"
(OTTT_O) subtracts eta times the gradient at every step, "accumulate" (OTTT_A) sums the gradients of
a sample and applies them once at its end. Sources: Xiao et al. 2022, Eq. 5, 6; for the filter Zenke
and Ganguli 2018, Bellec et al. 2020.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from onchip.checks import require_between
from onchip.rules.eligibility import Eligibility
from onchip.rules.filtered import Filtered, Instantaneous

Array = Any

UPDATE_MODES = ("online", "accumulate")


@dataclass(frozen=True)
class Rule:
    """How the synapses of a connection learn.

    `learning_rate` eta > 0 per step (online) or per sample (accumulate); `eligibility_decay` kappa
    in [0, 1) of the filter of each synapse's eligibility, 0 for none; `eligibility` is another one
    than that (`onchip.rules.eligibilities.ELIGIBILITIES`), and `kind` the one that holds. Raises
    ValueError outside of these ranges, and for a decay beside another eligibility.
    """

    learning_rate: float
    eligibility_decay: float = 0.0
    eligibility: Eligibility | None = None

    def __post_init__(self) -> None:
        """Check the ranges."""
        require_between("rule: learning_rate", self.learning_rate, 0, 1e6, open_low=True)
        require_between("rule: eligibility_decay", self.eligibility_decay, 0, 1)
        if self.eligibility_decay == 1:
            raise ValueError("rule: eligibility_decay is 1; a filter must forget, use less than 1")
        if self.eligibility is None:
            return
        if self.eligibility_decay:
            raise ValueError(
                f"rule: eligibility_decay {self.eligibility_decay} and eligibility "
                f"{type(self.eligibility).__name__} were given; leave one of them out"
            )
        if type(self.eligibility) in (Instantaneous, Filtered):
            raise ValueError(
                f"rule: eligibility {type(self.eligibility).__name__} is written as "
                "eligibility_decay; use Rule.of, or that"
            )

    @classmethod
    def of(cls, learning_rate: float, eligibility: Eligibility) -> Rule:
        """Return the rule with this eligibility, in the one way in which it is written."""
        if type(eligibility) is Instantaneous:
            return cls(learning_rate)
        if type(eligibility) is Filtered:
            return cls(learning_rate, eligibility.decay)
        return cls(learning_rate, eligibility=eligibility)

    @property
    def kind(self) -> Eligibility:
        """The eligibility, whichever way it is written."""
        if self.eligibility is not None:
            return self.eligibility
        return Filtered(self.eligibility_decay) if self.eligibility_decay else Instantaneous()

    @property
    def plain(self) -> bool:
        """Whether its gradient is trace x factor: no filter, and no other eligibility."""
        return self.eligibility is None and not self.eligibility_decay


def weight_gradient(factor: Array, trace: Array) -> Array:
    """Mean over the batch of g a^T: `factor` [batch, post], `trace` [batch, pre] -> [post, pre]."""
    return factor.T @ trace / factor.shape[0]


def bias_gradient(factor: Array, bias_trace: float) -> Array:
    """Mean over the batch of g c: `factor` [batch, post], `bias_trace` c[n] -> [post]."""
    return factor.sum(0) * (bias_trace / factor.shape[0])
