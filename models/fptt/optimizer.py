"""FPTT: a regularizer with running means and duals around any optimizer and any module.

Of a parameter w with its running mean wbar (w at first) and its dual lam (0 at first), each update

    minimizes   loss + (rho - 1) <w, lam> + alpha/2 |w - wbar|^2     by the optimizer, then
    lam  <- lam - alpha (w - wbar)
    wbar <- (1 - beta) wbar + beta w - (beta / alpha) lam            with the new lam

and at the end of an epoch w <- wbar. Source: Kag and Saligrama 2021, algorithm 1; rho and the order
of the two updates from the code of Yin et al. 2021.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from onchip.checks import require_between

LARGEST = 1e6


@dataclass(frozen=True)
class FPTTConfig:
    """alpha > 0 the regularizer's strength, beta in [0, 1] the running means' rate, rho in [0, 1].

    `clip` is the largest norm of the gradient of all parameters, the regularizer's part included; 0
    for no limit. Raises ValueError for other values.
    """

    alpha: float = 0.5
    beta: float = 0.5
    rho: float = 0.0
    clip: float = 1.0

    def __post_init__(self) -> None:
        require_between("FPTT: alpha (the means' update divides by it)", self.alpha, 0, LARGEST,
                        open_low=True)  # fmt: skip
        require_between("FPTT: beta", self.beta, 0, 1)
        require_between("FPTT: rho", self.rho, 0, 1)
        require_between("FPTT: clip", self.clip, 0, LARGEST)


class FPTT:
    """Wraps `optimizer`, which holds the parameters of `module`, any torch module.

    Use: ``loss.backward()`` for the part's own loss, then ``step()``; ``zero_grad()`` before. Every
    trained parameter has a mean and a dual of its own; those that the optimizer does not hold are
    refused with ValueError, as their means would follow nothing.
    """

    def __init__(
        self,
        module: nn.Module,
        optimizer: torch.optim.Optimizer,
        config: FPTTConfig | None = None,
    ) -> None:
        self.config = FPTTConfig() if config is None else config
        self.optimizer = optimizer
        named = {name: p for name, p in module.named_parameters() if p.requires_grad}
        _require_held(named, optimizer)
        self.names, self.weights = list(named), list(named.values())
        self.means = [w.detach().clone() for w in self.weights]
        self.duals = [torch.zeros_like(w) for w in self.means]

    def regularizer(self) -> Tensor:
        """(rho - 1) <w, lam> + alpha/2 |w - wbar|^2 over all parameters, for autograd."""
        rho, alpha = self.config.rho, self.config.alpha
        total = torch.zeros((), dtype=self.weights[0].dtype, device=self.weights[0].device)
        for w, mean, dual in zip(self.weights, self.means, self.duals, strict=True):
            total = total + (rho - 1) * (w * dual).sum() + alpha / 2 * (w - mean).square().sum()
        return total

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for w in self.weights:
            w.grad = None

    @torch.no_grad()
    def step(self) -> None:
        """One update: the regularizer's gradient is added to `grad`, clipped and followed.

        The gradient in closed form, (rho - 1) lam + alpha (w - wbar), costs no graph. A parameter
        that the loss did not reach moves by the regularizer alone.
        """
        self._add_gradient()
        if self.config.clip > 0:
            nn.utils.clip_grad_norm_(self.weights, self.config.clip, foreach=True)
        self.optimizer.step()
        self._follow()

    @torch.no_grad()
    def end_epoch(self) -> None:
        """w <- wbar; means, duals and the optimizer's state stay."""
        torch._foreach_copy_(self.weights, self.means)

    def state_dict(self) -> dict[str, Any]:
        """The optimizer's state, and means and duals by the parameter's name."""
        return {
            "optimizer": self.optimizer.state_dict(),
            "means": dict(zip(self.names, self.means, strict=True)),
            "duals": dict(zip(self.names, self.duals, strict=True)),
        }

    @torch.no_grad()
    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from `state_dict`; ValueError, before anything changes, where names or shapes
        differ.
        """
        for field, own in (("means", self.means), ("duals", self.duals)):
            found = {name: list(t.shape) for name, t in state[field].items()}
            wanted = {n: list(t.shape) for n, t in zip(self.names, own, strict=True)}
            if found != wanted:
                raise ValueError(
                    f"FPTT: the {field} are of {found}, the module's parameters are {wanted}; "
                    "load the state of the same network"
                )
        self.optimizer.load_state_dict(state["optimizer"])
        torch._foreach_copy_(self.means, [state["means"][name] for name in self.names])
        torch._foreach_copy_(self.duals, [state["duals"][name] for name in self.names])

    def _add_gradient(self) -> None:
        pulls = torch._foreach_sub(self.weights, self.means)
        torch._foreach_mul_(pulls, self.config.alpha)
        torch._foreach_add_(pulls, self.duals, alpha=self.config.rho - 1)
        for w, pull in zip(self.weights, pulls, strict=True):
            w.grad = pull if w.grad is None else w.grad.add_(pull)

    def _follow(self) -> None:
        """The duals and then the means."""
        alpha, beta = self.config.alpha, self.config.beta
        torch._foreach_sub_(self.duals, torch._foreach_sub(self.weights, self.means), alpha=alpha)
        torch._foreach_lerp_(self.means, self.weights, beta)
        torch._foreach_sub_(self.means, self.duals, alpha=beta / alpha)


def _require_held(named: Mapping[str, Tensor], optimizer: torch.optim.Optimizer) -> None:
    held = {id(p) for group in optimizer.param_groups for p in group["params"]}
    missing = [name for name, p in named.items() if id(p) not in held]
    if missing or not named:
        found = f"parameter {missing[0]!r} is not in the optimizer" if missing else "nothing trains"
        raise ValueError(f"FPTT: {found}; make the optimizer from all parameters of the module")
