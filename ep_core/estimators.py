"""Equilibrium Propagation's gradient estimators: contrasts of energy between nudged (and free) phases.

dC/dtheta = Re sum_i c_i dE/dtheta(s^{beta_i}) as beta -> 0, with dE/dW = -post pre' (Scellier & Bengio 2017;
Laborieux et al. 2021 for the symmetric contrast, Laborieux & Zenke 2022 for the holomorphic one).
"""

import cmath
import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from ep_core.contrast import Contrast
from ep_core.kernel import Phases, fits
from ep_core.ledger import Ledger
from ep_core.loss import Loss, SquaredError
from ep_core.network import Network, State
from ep_core.nudge import Force, IdealNudge, Nudge, Pull
from ep_core.relax import Relaxation, both, settle, stacked
from ep_core.solvers import GaussSeidel, Solver

Points = Sequence[tuple[complex | float, complex | float]]


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A gradient of the mean cost over the batch, and the phases behind it.

    Attributes:
        free: the free phase. nudged: the nudged phases stacked along the batch, in the order of the estimator's points;
            None where there are none.
        contrast: what the gradient comes from. known: the gradient where it does not come from a contrast.
        aged: reads of these phases in whose time the device has drifted already.

    """

    free: Relaxation
    nudged: Relaxation | None = None
    contrast: Contrast | None = None
    known: dict[str, Tensor] | None = None
    aged: int = 0

    @cached_property
    def gradients(self) -> dict[str, Tensor]:
        """The gradient, keyed like `named_parameters()`; taken when first asked for, at the weights of then."""
        if self.known is not None:
            return self.known
        return {} if self.contrast is None else self.contrast.gradients()


@dataclass(frozen=True, kw_only=True)
class Estimator(ABC):
    """A way to the gradient of mean_batch C(o(s*)), s* the free fixed point.

    Attributes:
        loss: the cost C. free: solver of the free phase, which is also that of predictions.

    """

    loss: Loss = field(default_factory=SquaredError)
    free: Solver = field(default_factory=GaussSeidel)

    @abstractmethod
    def __call__(
        self,
        network: Network,
        x: Float[Tensor, "batch n"],
        target: Float[Tensor, "batch k"],
        generator: torch.Generator | None = None,
        ledger: Ledger | None = None,
    ) -> Estimate:
        """Estimate the gradient on a batch."""

    def check(self, network: Network) -> None:  # noqa: B027 (most run on every network)
        """Raise ValueError where this estimator cannot run on the network; every call does so first."""

    def infer(
        self, network: Network, x: Float[Tensor, "batch n"], generator: torch.Generator | None = None
    ) -> Relaxation:
        """Relax the free phase."""
        with torch.no_grad():
            return settle(network, network.clamp(x, generator), self.free, generator=generator)


@dataclass(frozen=True, kw_only=True)
class Nudging(Estimator):
    """Relaxes the free phase, then the nudged phases from it (stacked as one batch), and contrasts them.

    Attributes:
        beta: strength of the nudge; the estimate is the gradient only as beta -> 0. beta >= .5 is the
            contrastive regime: it may train well, but it is not the gradient.
        nudge: the hardware (or ideal) nudge.
        nudged: solver of the nudged phases.
        order: which phases a device makes one after the other. 'sample': all of a sample, so that what drifts is the
            same in them; 'batch': the free ones of the whole batch, then its nudged ones of each strength, while the
            device drifts on. Others than drifting devices do not tell the difference.

    """

    beta: float = 0.2
    nudge: Nudge = field(default_factory=IdealNudge)
    nudged: Solver = field(default_factory=lambda: GaussSeidel(steps=8))
    order: Literal["sample", "batch"] = "sample"

    def __post_init__(self) -> None:
        if not (math.isfinite(self.beta) and self.beta != 0):
            raise ValueError(f"beta must be a finite number other than 0, not {self.beta}")

    @abstractmethod
    def points(self, generator: torch.Generator | None = None) -> Points:
        """Return (nudge strength, coefficient c) of each phase; strength 0 is the free phase itself."""

    @torch.no_grad()
    def __call__(
        self,
        network: Network,
        x: Float[Tensor, "batch n"],
        target: Float[Tensor, "batch k"],
        generator: torch.Generator | None = None,
        ledger: Ledger | None = None,
    ) -> Estimate:
        """Estimate the gradient of mean_batch C(o(s*)) on a batch."""
        self.check(network)
        points = self.points(generator)
        constant = network.clamp(x, generator)
        strengths = [beta for beta, _ in points if beta != 0]
        aged = 0
        if self.order == "batch":
            free = settle(network, constant, self.free, generator=generator)
            nudged, aged = self._in_turn(network, x, target, free, strengths, generator)
            contrast = self.contrast(network, x, target, free.state, nudged.state, points)
        elif self._compiles(network, constant):
            free, nudged, contrast = self._compiled(network, x, constant, target, points)
        else:
            free = settle(network, constant, self.free, generator=generator)
            nudged = self._nudged(network, constant, target, free.state, strengths, generator)
            contrast = self.contrast(network, x, target, free.state, nudged.state, points)
        count(ledger, free)
        count(ledger, nudged)
        if ledger is not None:
            nudges = len(nudged.residual)
            ledger.nudges += nudges if self.nudge.mode == "frozen" else nudged.passes.ups
            ledger.rows += nudges + (len(x) if any(beta == 0 for beta, _ in points) else 0)
        return Estimate(free=free, nudged=nudged, contrast=contrast, aged=aged)

    def _in_turn(
        self,
        network: Network,
        x: Tensor,
        target: Tensor,
        free: Relaxation,
        strengths: Sequence[complex | float],
        generator: torch.Generator | None,
    ) -> tuple[Relaxation, int]:
        """Relax the nudged phases one strength after the other, the device ageing before each; stacked, and its age."""
        aged, parts = 0, [free]
        for strength in strengths:
            network.age_(parts[-1].reads, generator)
            aged += parts[-1].reads
            # The input is read anew: the device has changed.
            constant = network.clamp(x, generator)
            parts.append(self._nudged(network, constant, target, free.state, [strength], generator))
        return stacked(parts[1:]), aged

    def _compiled(
        self, network: Network, x: Tensor, constant: State, target: Tensor, points: Points
    ) -> tuple[Relaxation, Relaxation, Contrast]:
        """All phases and the forces of their contrast in one call."""
        batch = x.shape[0]
        free_share = sum((-c.real / batch for beta, c in points if beta == 0), 0.0)
        pulls = [(beta.real, -c.real / batch) for beta, c in points if beta != 0]
        solvers, strengths = (self.free, self.nudged), [beta for beta, _ in pulls]
        run = Phases(
            network,
            constant,
            solvers,
            strengths=strengths,
            target=target,
            frozen=self.nudge.mode == "frozen",
            shares=[free_share, *(share for _, share in pulls)],
        )
        free, nudged = both(network, constant, solvers, run)
        if type(self).contrast is not Nudging.contrast:
            return free, nudged, self.contrast(network, x, target, free.state, nudged.state, points)
        return free, nudged, run.contrast(x, with_free=free_share != 0)

    def _compiles(self, network: Network, constant: State) -> bool:
        """Whether the compiled sweeps do all phases: the ideal nudge on the commonest network."""
        return (
            type(self)._force is Nudging._force
            and type(self.nudge) is IdealNudge
            and type(self.loss) is SquaredError
            and fits(network, (self.free, self.nudged), constant[0])
        )

    def _nudged(
        self,
        network: Network,
        constant: State,
        target: Tensor,
        free: State,
        strengths: Sequence[complex | float],
        generator: torch.Generator | None,
    ) -> Relaxation:
        """Relax the nudged phases, stacked, from the free state."""
        copies, batch, real = len(strengths), len(target), free[0]
        dtype = _dtype(strengths, real.dtype)
        # Torch repeats slowly
        start = tuple(torch.cat([s] * copies).to(dtype) for s in free)
        betas = _column(tuple(strengths), batch, dtype, real.device)
        pull = Pull(network=network, loss=self.loss, nudge=self.nudge, beta=betas, target=torch.cat([target] * copies))
        return settle(
            network,
            [torch.cat([c] * copies) for c in constant],
            self.nudged,
            start=start,
            force=self._force(network, pull.freeze(start), start),
            generator=generator,
        )

    def _force(self, network: Network, pull: Pull, free: State) -> Force:
        """Return what the nudged phases add to the drives; `free` is the free state of every row."""
        return pull

    @torch.no_grad()
    def contrast(
        self, network: Network, x: Tensor, target: Tensor, free: State, nudged: State, points: Points
    ) -> Contrast:
        """-Re sum_i c_i post_i pre_i' over phases and samples, in one bilinear gradient an operator.

        `nudged` holds the nudged states of `points`, in their order, stacked along the batch.
        """
        states, weights = self._stacked(free, nudged, points, len(x))
        forces = tuple(-weights * s for s in states)
        forces = (*forces, *self._readout(network, target, nudged, points))
        return Contrast.of(network, forces, states, x)

    def _stacked(self, free: State, nudged: State, points: Points, batch: int) -> tuple[State, Tensor]:
        """States of all phases, the free one first where it is a point, and c_i / batch of their rows."""
        free_point = any(beta == 0 for beta, _ in points)
        states = tuple(torch.cat([f, n]) if free_point else n for f, n in zip(free, nudged, strict=True))
        values = tuple(c for _, c in sorted(points, key=lambda point: point[0] != 0))
        return states, _column(values, batch, _dtype(values, free[0].dtype), free[0].device) / batch

    def _readout(self, network: Network, target: Tensor, nudged: State, points: Points) -> State:
        """sum_i c_i beta_i dC/do(s_i): the read-out's parameters are in F = E + beta C through C alone."""
        if network.readout is None:
            return ()
        slope = self.loss.gradient(network.output(nudged), target.repeat(len(nudged[0]) // len(target), 1))
        shares = tuple(c * beta for beta, c in points if beta != 0)
        whole = _column(shares, len(target), slope.dtype, slope.device) * slope / len(target)
        if len(points) == sum(beta != 0 for beta, _ in points):
            return (whole,)
        # The free phase is stacked before the nudged ones; it has no part in this.
        return (torch.cat([torch.zeros_like(whole[: len(target)]), whole]),)


@dataclass(frozen=True, kw_only=True)
class OneSided(Nudging):
    """[dE/dtheta(s^beta) - dE/dtheta(s^0)] / beta: error O(beta)."""

    def points(self, generator: torch.Generator | None = None) -> Points:
        """Return the free phase and one nudged phase."""
        return ((0.0, -1 / self.beta), (self.beta, 1 / self.beta))


@dataclass(frozen=True, kw_only=True)
class Symmetric(Nudging):
    """[dE/dtheta(s^+beta) - dE/dtheta(s^-beta)] / 2 beta: error O(beta^2)."""

    def points(self, generator: torch.Generator | None = None) -> Points:
        """Return two opposite nudged phases."""
        return ((self.beta, 0.5 / self.beta), (-self.beta, -0.5 / self.beta))


@dataclass(frozen=True, kw_only=True)
class RandomSign(Nudging):
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
class Holomorphic(Nudging):
    """Re sum_k e^{-i t_k} dE/dtheta(s^{beta e^{i t_k}}) / N beta, t_k = 2 pi k / N: error O(beta^N).

    Laborieux & Zenke, NeurIPS 2022. The states are complex, so every read of the hardware is two. A referee: it
    needs an activation that is holomorphic and an ideal nudge, for neither a level nor an intensity is complex.

    Attributes:
        count: N, the number of nudged phases, even: each has its opposite, as +beta has -beta. 2 is `Symmetric`.

    """

    count: int = 6

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.count < 2 or self.count % 2:
            raise ValueError(f"the holomorphic estimator needs an even number of phases, not {self.count}")
        if not isinstance(self.nudge, IdealNudge):
            raise ValueError("the holomorphic estimator needs the ideal nudge: no intensity is complex")

    def points(self, generator: torch.Generator | None = None) -> Points:
        """Return N nudged phases on a circle of radius beta."""
        turns = [cmath.exp(2j * math.pi * k / self.count) for k in range(self.count)]
        return [(self.beta * turn, 1 / (turn * self.count * self.beta)) for turn in turns]

    def check(self, network: Network) -> None:
        """Raise ValueError for neurons with kinks or levels and for max pooling: they have no complex continuation."""
        for activation in network.activations:
            if not activation.holomorphic or activation.bits is not None:
                raise ValueError(f"the holomorphic estimator needs smooth neurons without levels, not {activation}")
        if not all(edge.holomorphic for edge in network.edges):
            raise ValueError("the holomorphic estimator needs edges without max pooling, which has kinks")


@lru_cache(maxsize=64)
def _column(values: tuple[complex | float, ...], rows: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """Each value `rows` times, as a column; kept, because every batch asks for the same one."""
    return torch.tensor(values, dtype=dtype, device=device).repeat_interleave(rows)[:, None]


def _dtype(values: Sequence[complex | float], real: torch.dtype) -> torch.dtype:
    """Complex where a value is."""
    return torch.promote_types(real, torch.complex32) if any(isinstance(v, complex) for v in values) else real


def count(ledger: Ledger | None, relaxation: Relaxation) -> None:
    """Enter a relaxation in the ledger, if there is one."""
    if ledger is not None:
        missed, samples = int((~relaxation.converged).sum()), len(relaxation.residual)
        ledger.relaxed(
            passes=relaxation.passes,
            reads=relaxation.reads,
            steps=relaxation.steps,
            samples=samples,
            nonconverged=missed,
        )
