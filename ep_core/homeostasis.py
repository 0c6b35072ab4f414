"""Jacobian homeostasis makes backward weights agree with forward ones (Laborieux & Zenke, ICLR 2024).

With J = du/ds the couplings of n neurons, L = (|J e|^2 - e' J J e) / n for e ~ N(0, I) has the mean
E[L] = |J - J'|_F^2 / 2n, which is 0 exactly where an energy exists. Both terms are reads: e in, J e out, and once more.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from ep_core.estimators import Estimate, Estimator, Nudging
from ep_core.ledger import Ledger, Passes
from ep_core.network import Network, trainable


def _require_linear(network: Network) -> None:
    if not all(edge.linear for edge in network.edges):
        raise ValueError("homeostasis needs edges without max pooling: their Jacobian differs from state to state")


def _noise(network: Network, draws: int, generator: torch.Generator) -> list[Tensor]:
    """Draw e, one row a draw, one tensor a layer."""
    if draws < 1:
        raise ValueError(f"homeostasis needs at least 1 draw, not {draws}")
    _require_linear(network)
    like, device = network.like(), generator.device
    drawn = [torch.randn(draws, n, generator=generator, dtype=like["dtype"], device=device) for n in _sizes(network)]
    return [e.to(like["device"]) for e in drawn]


def _sizes(network: Network) -> Sequence[int]:
    return network.sizes[1 : network.layers + 1]


def _jacobian(network: Network, e: list[Tensor]) -> list[Tensor]:
    """J e: the drives of the states e, without input and biases."""
    nothing = [torch.zeros_like(part) for part in e]
    return [network.drive(layer, e, nothing) for layer in range(network.layers)]


@torch.no_grad()
def asymmetry(network: Network, generator: torch.Generator, *, draws: int = 5) -> Float[Tensor, " draws"]:
    """L of each draw: unbiased for |J - J'|_F^2 / 2n. ValueError for max pooling, or without draws."""
    e = _noise(network, draws, generator)
    once = _jacobian(network, e)
    twice = _jacobian(network, once)
    parts = [y.square().sum(1) - (d * z).sum(1) for d, y, z in zip(e, once, twice, strict=True)]
    return sum(parts, torch.zeros(())) / sum(_sizes(network))


@torch.no_grad()
def asymmetry_gradient(network: Network, generator: torch.Generator, *, draws: int = 5) -> dict[str, Tensor]:
    """(2/n) mean of y' dJ e - e' dJ y, y = J e: unbiased for the gradient of |J - J'|_F^2 / 2n.

    For a looped pair of weights it is (2/n) (W_f - W_b) for the forward and its negative for the backward side. It is
    local: what a weight sees of e and of its echo y, in both orders. Keyed like `named_parameters()`, J's alone.
    """
    e = _noise(network, draws, generator)
    y = _jacobian(network, e)
    scale = 2 / (draws * sum(_sizes(network)))
    # y' dJ e - e' dJ y as one product: forces (y, -e) on states (e, y)
    forces = [scale * torch.cat([echo, -sent]) for sent, echo in zip(e, y, strict=True)]
    states = [torch.cat([sent, echo]) for sent, echo in zip(e, y, strict=True)]
    result: dict[str, Tensor] = {}
    for index, (edge, operator) in enumerate(zip(network.edges, network.operators, strict=True)):
        if edge.pre > 0 and index != network.readout and trainable(operator):
            up = edge.gradient(operator, forces[edge.post - 1], states[edge.pre - 1])
            down = edge.gradient(operator, states[edge.post - 1], forces[edge.pre - 1], backward=True)
            result |= {f"weights.{index}.{name}": up[name] + down[name] for name in up}
    return result


@dataclass(frozen=True, kw_only=True)
class Homeostatic(Estimator):
    """Another estimator's gradient plus `strength` times that of L; loss and free solver are the inner one's.

    Attributes:
        inner: the estimator of the cost's gradient. strength: weight of L beside the cost.
        draws: of e, for each sample of the batch.

    """

    inner: Nudging
    strength: float = 10.0
    draws: int = 5

    def __post_init__(self) -> None:
        if not (math.isfinite(self.strength) and self.strength >= 0) or self.draws < 1:
            raise ValueError(f"strength must not be negative, draws at least 1, not {self.strength} and {self.draws}")
        object.__setattr__(self, "loss", self.inner.loss)
        object.__setattr__(self, "free", self.inner.free)

    def check(self, network: Network) -> None:
        """Raise ValueError for what the inner estimator cannot do, and for max pooling."""
        self.inner.check(network)
        _require_linear(network)

    def __call__(
        self,
        network: Network,
        x: Float[Tensor, "batch n"],
        target: Float[Tensor, "batch k"],
        generator: torch.Generator | None = None,
        ledger: Ledger | None = None,
    ) -> Estimate:
        """Estimate both gradients. ValueError without a generator: the draws of e need one."""
        if generator is None:
            raise ValueError("homeostasis draws noise: give it a generator")
        estimate, draws = self.inner(network, x, target, generator, ledger), self.draws * len(x)
        gradients = dict(estimate.gradients)
        for name, part in asymmetry_gradient(network, generator, draws=draws).items():
            gradients[name] = gradients[name] + self.strength * part
        if ledger is not None:
            passes = Passes(ups=draws, downs=draws)
            ledger.passed(passes, network.reads(passes))
            ledger.rows += 2 * draws
        return replace(estimate, contrast=None, known=gradients)
