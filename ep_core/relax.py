"""Relaxation to the fixed point of a network, with a report that admits failure."""

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce

import torch
from jaxtyping import Bool, Float, Num
from torch import Tensor

from ep_core.kernel import Phases, Swept, fits
from ep_core.ledger import Passes
from ep_core.network import Network, State
from ep_core.nudge import Force, Pull
from ep_core.phase import Phase
from ep_core.solvers import GaussSeidel, Solver


class NotConverged(UserWarning):
    """Some samples did not reach the tolerance in the steps that they had."""


@dataclass(frozen=True, kw_only=True)
class Relaxation:
    """What a relaxation reached.

    Attributes:
        state: one tensor (batch, n) a layer of neurons.
        output: what the cost looks at: the output neurons, or the read-out of the last layer.
        residual: max |rho(drive(s)) - s| over the neurons of each sample, of the synchronous map.
        steps: most sweeps that a sample took; reads: products of one sample with one operator in one direction.
        passes: what operators these were of.
        bound: residual up to which a sample has converged.

    """

    state: State
    output: Num[Tensor, "batch k"]
    residual: Float[Tensor, " batch"]
    steps: int
    reads: int
    passes: Passes
    bound: float

    @property
    def converged(self) -> Bool[Tensor, " batch"]:
        """Per sample, residual <= bound."""
        return self.residual <= self.bound


@torch.no_grad()
def relax(
    network: Network,
    x: Float[Tensor, "batch n"],
    solver: Solver | None = None,
    *,
    start: State | None = None,
    force: Force | None = None,
    hold: bool = False,
    generator: torch.Generator | None = None,
) -> Relaxation:
    """Find the fixed point s_l = rho(u_l + force), and warn (`NotConverged`) of samples that stay above tolerance.

    Args:
        network: whose fixed point is sought.
        x: clamped input.
        solver: how, and for how long; default `GaussSeidel()`.
        start: state to start from (default: all neurons at 0).
        force: added to the drives, such as a `Pull`.
        hold: keep the last layer of neurons at its start.
        generator: of the read noise and of the neurons' noise.

    """
    solver = GaussSeidel() if solver is None else solver
    constant = network.clamp(x, generator)
    found = settle(network, constant, solver, start=start, force=force, hold=hold, generator=generator)
    missed = int((~found.converged).sum())
    if missed:
        warnings.warn(
            f"{missed} of {len(x)} samples did not reach a residual of {solver.tolerance:g} in {solver.steps} sweeps: "
            f"the worst is {float(found.residual.max()):.1e}",
            NotConverged,
            stacklevel=2,
        )
    return found


@torch.no_grad()
def settle(
    network: Network,
    constant: Sequence[Tensor],
    solver: Solver,
    *,
    start: State | None = None,
    force: Force | None = None,
    hold: bool = False,
    generator: torch.Generator | None = None,
) -> Relaxation:
    """`relax` with the constant drives `network.clamp(x)` already read, and without its warning.

    `passes` has those of `clamp` in it when the relaxation starts from rest: a phase that goes on has no new ones.
    """
    batch = constant[0].shape[0]
    clamps = batch if start is None else 0
    pull = force if isinstance(force, Pull) and force.lawful else None
    if pull is force and not hold and fits(network, [solver], constant[0]):
        run = Phases(network, constant, [solver], start=start, pull=pull, generator=generator)
        return _compiled(network, constant, solver, run.free, run.finite, clamps)
    state = list(network.rest(batch) if start is None else start)
    state, residual, steps, sweeps = _sweeps(network, constant, solver, state, force, hold, generator)
    # A complex state takes two reads: one of its real, one of its imaginary part.
    through = sweeps * (2 if state[0].is_complex() else 1)
    passes = Passes(clamps=clamps, ups=through, downs=through, pulls=getattr(force, "reads", 0) * through)
    return _report(network, constant, tuple(state), residual, solver, steps, passes)


def _compiled(
    network: Network, constant: Sequence[Tensor], solver: Solver, found: Swept, finite: bool, clamps: int
) -> Relaxation:
    if not finite:
        raise _not_finite(network, constant, found.state, found.steps)
    passes = Passes(clamps=clamps, ups=found.sweeps, downs=found.sweeps)
    return Relaxation(
        state=found.state,
        output=found.state[-1],
        residual=found.residual,
        steps=found.steps,
        reads=network.reads(passes),
        passes=passes,
        bound=_bound(network, solver),
    )


def stacked(parts: Sequence[Relaxation]) -> Relaxation:
    """Several relaxations by one solver as one, stacked along the batch."""
    return Relaxation(
        state=tuple(torch.cat(layers) for layers in zip(*(part.state for part in parts), strict=True)),
        output=torch.cat([part.output for part in parts]),
        residual=torch.cat([part.residual for part in parts]),
        steps=max(part.steps for part in parts),
        reads=sum(part.reads for part in parts),
        passes=sum((part.passes for part in parts), Passes()),
        bound=parts[0].bound,
    )


def both(
    network: Network, constant: Sequence[Tensor], solvers: Sequence[Solver], run: Phases
) -> tuple[Relaxation, Relaxation]:
    """Report the free and the pulled phases of compiled sweeps from rest."""
    return (
        _compiled(network, constant, solvers[0], run.free, run.finite, constant[0].shape[0]),
        _compiled(network, constant, solvers[1], run.pulled, run.finite, 0),
    )


def _report(
    network: Network,
    constant: Sequence[Tensor],
    state: State,
    residual: Tensor,
    solver: Solver,
    steps: int,
    passes: Passes,
) -> Relaxation:
    if not math.isfinite(float(residual.sum())):
        raise _not_finite(network, constant, state, steps)
    return Relaxation(
        state=state,
        output=network.output(state),
        residual=residual,
        steps=steps,
        reads=network.reads(passes),
        passes=passes,
        bound=_bound(network, solver),
    )


def _bound(network: Network, solver: Solver) -> float:
    """Residual up to which a sample has converged."""
    return solver.tolerance + 1.01 * max([activation.level for activation in network.activations])


def _sweeps(
    network: Network,
    constant: Sequence[Tensor],
    solver: Solver,
    state: list[Tensor],
    force: Force | None,
    hold: bool,
    generator: torch.Generator | None,
) -> tuple[list[Tensor], Tensor, int, int]:
    """Relax in torch; return state, residual, most sweeps of a sample and the sum over samples."""
    order = [layer for layer in network.order if not (hold and layer == network.layers - 1)]
    phase = Phase(network=network, constant=constant, state=list(state), force=force, order=order, generator=generator)
    phase.watched = solver.stops
    if not solver.stops:
        _make_all(solver, phase)
        return phase.state, _residual(phase), solver.steps, solver.steps * len(state[0])
    going, steps, sweeps, count = phase, 0, 0, len(state[0])
    rows = torch.arange(count, device=state[0].device)
    while steps < solver.steps and count:
        steps, sweeps = steps + 1, sweeps + count
        moved = solver.sweep(going)
        assert moved is not None  # it was watched
        more = moved > solver.tolerance
        if not more.all():
            # Samples that have arrived are left alone; the others go on without them.
            keep = more.nonzero()[:, 0]
            if going is not phase:
                _put(phase, rows[~more], [s[~more] for s in going.state])
            rows, going, count = rows[keep], going.take(keep), len(keep)
    if going is not phase:
        _put(phase, rows, going.state)
    return phase.state, _residual(phase), steps, sweeps


def _make_all(solver: Solver, phase: Phase) -> None:
    """Make all sweeps; where there is an average, the state becomes the mean of the last ones."""
    mean = [torch.zeros_like(s) for s in phase.state] if solver.average > 1 else []
    for step in range(solver.steps):
        solver.sweep(phase)
        if mean and step >= solver.steps - solver.average:
            mean = [total + s / solver.average for total, s in zip(mean, phase.state, strict=True)]
    phase.state = mean or phase.state


def _residual(phase: Phase) -> Tensor:
    """Largest |rho(u) - s| of each sample: the simulator's own knowledge, without noise, and no read of the device."""
    phase.generator = None
    return reduce(torch.maximum, [(phase.target(k) - phase.state[k]).abs().amax(1) for k in phase.order])


def _put(phase: Phase, rows: Tensor, state: list[Tensor]) -> None:
    """Put the states of some samples where they belong."""
    for whole, part in zip(phase.state, state, strict=True):
        whole[rows] = part


def _not_finite(
    network: Network, constant: Sequence[Tensor], state: Sequence[Tensor], steps: int
) -> FloatingPointError:
    return FloatingPointError(f"{_broken(network, constant, state)} is no longer finite after {steps} sweeps")


def _broken(network: Network, constant: Sequence[Tensor], state: Sequence[Tensor]) -> str:
    """Name the first place where a number is not finite: what comes in, or what a layer became."""
    for layer in range(network.layers):
        if not torch.isfinite(constant[layer]).all():
            return f"the input or bias of layer {layer + 1}"
    for layer in range(network.layers):
        drive = network.drive(layer, state, constant)
        if not (torch.isfinite(state[layer]).all() and torch.isfinite(drive).all()):
            return f"the state of layer {layer + 1}"
    return "the force on the last layer"
