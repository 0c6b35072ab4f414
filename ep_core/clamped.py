"""Controls that clamp the output instead of nudging it: contrastive Hebbian learning and coupled learning.

Neither is the gradient of C: they show what EP's nudge is worth.
"""

import math
from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor

from ep_core.contrast import Contrast
from ep_core.estimators import Estimate, Estimator, count
from ep_core.ledger import Ledger
from ep_core.network import Network
from ep_core.relax import settle
from ep_core.solvers import GaussSeidel, Solver


@dataclass(frozen=True, kw_only=True)
class CoupledLearning(Estimator):
    """[dE/dtheta(clamped) - dE/dtheta(free)] / eta, outputs clamped to s* + eta (y - s*).

    Stern, Hexner, Rocks & Liu, Phys. Rev. X 11 (2021) 021045.

    Attributes:
        eta: how far towards the target the outputs are held. clamped: solver of the clamped phase.

    """

    eta: float = 0.1
    clamped: Solver = field(default_factory=lambda: GaussSeidel(steps=8))

    def __post_init__(self) -> None:
        if not (math.isfinite(self.eta) and 0 < self.eta <= 1):
            raise ValueError(f"eta must be more than 0 and at most 1, not {self.eta}")

    def check(self, network: Network) -> None:
        """Raise ValueError for a read-out: there are no outputs to clamp."""
        if network.readout is not None:
            raise ValueError(f"{type(self).__name__} clamps output neurons; a network with a read-out has none")

    @torch.no_grad()
    def __call__(
        self,
        network: Network,
        x: Float[Tensor, "batch n"],
        target: Float[Tensor, "batch k"],
        generator: torch.Generator | None = None,
        ledger: Ledger | None = None,
    ) -> Estimate:
        """Contrast the clamped with the free phase."""
        self.check(network)
        constant = network.clamp(x, generator)
        free = settle(network, constant, self.free, generator=generator)
        # s* + eta (y - s*)
        start = (*free.state[:-1], free.state[-1] + self.eta * (target - free.state[-1]))
        held = settle(network, constant, self.clamped, start=start, hold=True, generator=generator)
        count(ledger, free)
        count(ledger, held)
        if ledger is not None:
            ledger.rows += 2 * len(x)
        states = tuple(torch.cat(pair) for pair in zip(free.state, held.state, strict=True))
        scale = 1 / (self.eta * len(x))
        signs = scale * torch.cat([torch.ones(len(x)), -torch.ones(len(x))])[:, None].to(states[0])
        contrast = Contrast.of(network, tuple(signs * s for s in states), states, x)
        return Estimate(free=free, nudged=held, contrast=contrast)


@dataclass(frozen=True, kw_only=True)
class ContrastiveHebbian(CoupledLearning):
    """dE/dtheta(clamped) - dE/dtheta(free), outputs clamped to y (Movellan 1991): `CoupledLearning` with eta = 1."""

    eta: float = 1.0
