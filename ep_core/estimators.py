"""Equilibrium Propagation's gradient estimators: contrasts of energy between nudged (and free) phases.

dC/dtheta = sum_i c_i dE/dtheta(s^{beta_i}) as beta -> 0, with dE/dW = -post pre' (Scellier & Bengio 2017;
Laborieux et al. 2021 for the symmetric contrast).
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor

from ep_core.ledger import Ledger
from ep_core.loss import SquaredError
from ep_core.network import Network, State
from ep_core.nudge import IdealNudge, Nudge
from ep_core.relax import GaussSeidel, Relaxation, relax


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A gradient of the mean cost over the batch, keyed like `named_parameters()`, and the phases behind it.

    `nudged` holds the nudged phases stacked along the batch, in the order of the estimator's points.
    """

    gradients: dict[str, Tensor]
    free: Relaxation
    nudged: Relaxation


@dataclass(frozen=True, kw_only=True)
class Estimator(ABC):
    """Relaxes the free phase, then the nudged phases from it (stacked as one batch), and contrasts them.

    Attributes:
        beta: strength of the nudge; the estimate is the gradient only as beta -> 0. beta >= .5 is the
            contrastive regime: it may train well, but it is not the gradient.
        nudge: the hardware (or ideal) nudge.
        free, nudged: solvers of the two kinds of phases.

    """

    beta: float = 0.2
    loss: SquaredError = field(default_factory=SquaredError)
    nudge: Nudge = field(default_factory=IdealNudge)
    free: GaussSeidel = field(default_factory=GaussSeidel)
    nudged: GaussSeidel = field(default_factory=lambda: GaussSeidel(steps=8))

    def __post_init__(self) -> None:
        if not (math.isfinite(self.beta) and self.beta != 0):
            raise ValueError(f"beta must be a finite number other than 0, not {self.beta}")

    @abstractmethod
    def points(self) -> Sequence[tuple[float, float]]:
        """Return (nudge strength, coefficient c) of each phase; strength 0 is the free phase itself."""

    def __call__(
        self,
        network: Network,
        x: Float[Tensor, "batch n"],
        target: Float[Tensor, "batch k"],
        generator: torch.Generator | None = None,
        ledger: Ledger | None = None,
    ) -> Estimate:
        """Estimate the gradient of mean_batch C(s*) on a batch."""
        with torch.no_grad():
            clamped = network.clamp(x, generator)
            free = relax(network, x, self.free, clamped=clamped, generator=generator)
            nudged = self._nudged(network, x, target, clamped, free, generator)
        count(ledger, free, extra_reads=len(x))
        count(ledger, nudged)
        gradients = self._contrast(network, x, free.state, nudged.state)
        return Estimate(gradients=gradients, free=free, nudged=nudged)

    def _nudged(
        self,
        network: Network,
        x: Tensor,
        target: Tensor,
        clamped: Tensor,
        free: Relaxation,
        generator: torch.Generator | None,
    ) -> Relaxation:
        strengths = [beta for beta, _ in self.points() if beta != 0]
        copies = len(strengths)
        betas = torch.tensor(strengths, dtype=x.dtype, device=x.device).repeat_interleave(len(x))[:, None]
        targets = target.repeat(copies, 1)

        def wanted(output: Tensor) -> Tensor:
            # force = -beta dC/ds
            return -betas * self.loss.gradient(output, targets)

        frozen = self.nudge.emit(wanted(free.output.repeat(copies, 1))) if self.nudge.mode == "frozen" else None

        def force(output: Tensor, noise: torch.Generator | None) -> Tensor:
            setting = self.nudge.emit(wanted(output)) if frozen is None else frozen
            return self.nudge.act(setting, noise)

        return relax(
            network,
            x.repeat(copies, 1),
            self.nudged,
            start=tuple(s.repeat(copies, 1) for s in free.state),
            force=force,
            clamped=clamped.repeat(copies, 1),
            generator=generator,
        )

    @torch.no_grad()
    def _contrast(self, network: Network, x: Tensor, free: State, nudged: State) -> dict[str, Tensor]:
        """-sum_i c_i post_i pre_i' over phases and samples, in one bilinear gradient an operator."""
        free_point = any(beta == 0 for beta, _ in self.points())
        states = tuple(torch.cat([f, n]) if free_point else n for f, n in zip(free, nudged, strict=True))
        order = sorted(self.points(), key=lambda point: point[0] != 0)
        coefficients = torch.tensor([c for _, c in order], dtype=x.dtype, device=x.device)
        weights = (-coefficients / len(x)).repeat_interleave(len(x))[:, None]
        posts = tuple(weights * s for s in states)
        pres = (x.repeat(len(order), 1), *states[:-1])
        return network.gradient(posts, pres, posts)


@dataclass(frozen=True, kw_only=True)
class OneSided(Estimator):
    """[dE/dtheta(s^beta) - dE/dtheta(s^0)] / beta: error O(beta)."""

    def points(self) -> Sequence[tuple[float, float]]:
        """Return the free phase and one nudged phase."""
        return ((0.0, -1 / self.beta), (self.beta, 1 / self.beta))


@dataclass(frozen=True, kw_only=True)
class Symmetric(Estimator):
    """[dE/dtheta(s^+beta) - dE/dtheta(s^-beta)] / 2 beta: error O(beta^2)."""

    def points(self) -> Sequence[tuple[float, float]]:
        """Return two opposite nudged phases."""
        return ((self.beta, 0.5 / self.beta), (-self.beta, -0.5 / self.beta))


def count(ledger: Ledger | None, relaxation: Relaxation, extra_reads: int = 0) -> None:
    """Enter a relaxation in the ledger, if there is one."""
    if ledger is not None:
        missed = int((~relaxation.converged).sum())
        samples = len(relaxation.residual)
        reads = relaxation.reads + extra_reads
        ledger.relaxed(reads=reads, steps=relaxation.steps, samples=samples, nonconverged=missed)
