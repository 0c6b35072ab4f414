"""Equilibrium Propagation's gradient estimators: contrasts of energy between nudged (and free) phases.

dC/dtheta = Re sum_i c_i dE/dtheta(s^{beta_i}) as beta -> 0, with dE/dW = -post pre' (Scellier & Bengio 2017;
Laborieux et al. 2021 for the symmetric contrast, Laborieux & Zenke 2022 for the holomorphic one).
"""

import cmath
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

Points = Sequence[tuple[complex | float, complex | float]]


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
    def points(self, generator: torch.Generator | None = None) -> Points:
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
        points = self.points(generator)
        with torch.no_grad():
            clamped = network.clamp(x, generator)
            free = relax(network, x, self.free, clamped=clamped, generator=generator)
            nudged = self._nudged(network, x, target, clamped, free, points, generator)
        count(ledger, free, extra_reads=len(x))
        count(ledger, nudged)
        gradients = self.contrast(network, x, free.state, nudged.state, points)
        return Estimate(gradients=gradients, free=free, nudged=nudged)

    def _nudged(
        self,
        network: Network,
        x: Tensor,
        target: Tensor,
        clamped: Tensor,
        free: Relaxation,
        points: Points,
        generator: torch.Generator | None,
    ) -> Relaxation:
        strengths = [beta for beta, _ in points if beta != 0]
        copies = len(strengths)
        dtype = _dtype(strengths, x.dtype)
        betas = torch.tensor(strengths, dtype=dtype, device=x.device).repeat_interleave(len(x))[:, None]
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
            start=tuple(s.repeat(copies, 1).to(dtype) for s in free.state),
            force=force,
            clamped=clamped.repeat(copies, 1),
            generator=generator,
        )

    @torch.no_grad()
    def contrast(self, network: Network, x: Tensor, free: State, nudged: State, points: Points) -> dict[str, Tensor]:
        """-Re sum_i c_i post_i pre_i' over phases and samples, in one bilinear gradient an operator.

        `nudged` holds the nudged states of `points`, in their order, stacked along the batch.
        """
        free_point = any(beta == 0 for beta, _ in points)
        states = tuple(torch.cat([f, n]) if free_point else n for f, n in zip(free, nudged, strict=True))
        order = sorted(points, key=lambda point: point[0] != 0)
        values = [c for _, c in order]
        coefficients = torch.tensor(values, dtype=_dtype(values, x.dtype), device=x.device)
        weights = (-coefficients / len(x)).repeat_interleave(len(x))[:, None]
        posts = tuple(weights * s for s in states)
        pres = (x.repeat(len(order), 1), *states[:-1])
        if not posts[0].is_complex():
            return network.gradient(posts, pres, posts)
        # Re(post pre') = Re post Re pre' - Im post Im pre': two real contrasts, one under the other
        real = tuple(torch.cat([post.real, -post.imag]) for post in posts)
        both = tuple(torch.cat([pre.real, pre.imag if pre.is_complex() else torch.zeros_like(pre)]) for pre in pres)
        fields = tuple(torch.cat([post.real, torch.zeros_like(post.real)]) for post in posts)
        return network.gradient(real, both, fields)


@dataclass(frozen=True, kw_only=True)
class OneSided(Estimator):
    """[dE/dtheta(s^beta) - dE/dtheta(s^0)] / beta: error O(beta)."""

    def points(self, generator: torch.Generator | None = None) -> Points:
        """Return the free phase and one nudged phase."""
        return ((0.0, -1 / self.beta), (self.beta, 1 / self.beta))


@dataclass(frozen=True, kw_only=True)
class Symmetric(Estimator):
    """[dE/dtheta(s^+beta) - dE/dtheta(s^-beta)] / 2 beta: error O(beta^2)."""

    def points(self, generator: torch.Generator | None = None) -> Points:
        """Return two opposite nudged phases."""
        return ((self.beta, 0.5 / self.beta), (-self.beta, -0.5 / self.beta))


@dataclass(frozen=True, kw_only=True)
class RandomSign(Estimator):
    """`OneSided` with a sign of beta drawn for each batch: its error O(beta) averages out over batches.

    Scellier & Bengio 2017.
    """

    def points(self, generator: torch.Generator | None = None) -> Points:
        """Return the free phase and one nudged phase of either sign. ValueError without a generator."""
        if generator is None:
            raise ValueError("the random-sign estimator draws a sign a batch: give it a generator")
        device = generator.device
        beta = self.beta if bool(torch.randint(2, (), generator=generator, device=device)) else -self.beta
        return ((0.0, -1 / beta), (beta, 1 / beta))


@dataclass(frozen=True, kw_only=True)
class Holomorphic(Estimator):
    """Re sum_k e^{-i t_k} dE/dtheta(s^{beta e^{i t_k}}) / N beta, t_k = 2 pi k / N: error O(beta^N).

    Laborieux & Zenke, NeurIPS 2022. The states are complex, so every read of the hardware is two. A referee: it
    needs an activation that is holomorphic and an ideal nudge, for neither a level nor an intensity is complex.

    Attributes:
        count: N, the number of nudged phases; 2 is `Symmetric`.

    """

    count: int = 6

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.count < 2:
            raise ValueError(f"the holomorphic estimator needs 2 or more phases, not {self.count}")
        if not isinstance(self.nudge, IdealNudge):
            raise ValueError("the holomorphic estimator needs the ideal nudge: no intensity is complex")

    def points(self, generator: torch.Generator | None = None) -> Points:
        """Return N nudged phases on a circle of radius beta."""
        turns = [cmath.exp(2j * math.pi * k / self.count) for k in range(self.count)]
        return [(self.beta * turn, 1 / (turn * self.count * self.beta)) for turn in turns]

    def __call__(
        self,
        network: Network,
        x: Float[Tensor, "batch n"],
        target: Float[Tensor, "batch k"],
        generator: torch.Generator | None = None,
        ledger: Ledger | None = None,
    ) -> Estimate:
        """Estimate the gradient. ValueError for neurons with kinks or levels: they have no complex continuation."""
        for activation in network.activations:
            if not activation.holomorphic or activation.bits is not None:
                raise ValueError(f"the holomorphic estimator needs smooth neurons without levels, not {activation}")
        return super().__call__(network, x, target, generator, ledger)


def _dtype(values: Sequence[complex | float], real: torch.dtype) -> torch.dtype:
    """Complex where a value is."""
    return torch.promote_types(real, torch.complex32) if any(isinstance(v, complex) for v in values) else real


def count(ledger: Ledger | None, relaxation: Relaxation, extra_reads: int = 0) -> None:
    """Enter a relaxation in the ledger, if there is one."""
    if ledger is not None:
        missed = int((~relaxation.converged).sum())
        samples = len(relaxation.residual)
        reads = relaxation.reads + extra_reads
        ledger.relaxed(reads=reads, steps=relaxation.steps, samples=samples, nonconverged=missed)
