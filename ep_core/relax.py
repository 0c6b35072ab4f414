"""Relaxation to the fixed point of a network, with a report that admits failure."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Num
from torch import Tensor

from ep_core.network import Network, State

Force = Callable[[Tensor, torch.Generator | None], Tensor]


@dataclass(frozen=True, kw_only=True)
class Relaxation:
    """What a relaxation reached.

    Attributes:
        state: one tensor (batch, n) a layer.
        residual: max |rho(drive(s)) - s| over the neurons of each sample, of the synchronous map.
        steps: sweeps taken; reads: products of one sample with one operator in one direction.
        converged: per sample, residual <= tolerance.

    """

    state: State
    residual: Float[Tensor, " batch"]
    steps: int
    reads: int
    converged: Bool[Tensor, " batch"]

    @property
    def output(self) -> Num[Tensor, "batch k"]:
        """The state of the output neurons."""
        return self.state[-1]


@dataclass(frozen=True, kw_only=True)
class GaussSeidel:
    """Sweeps over the layers, first to last, each layer seeing the newest state of its neighbours.

    Attributes:
        steps: most sweeps of a phase.
        tolerance: the sweeps end when no neuron moves by more, and a sample counts as converged when its
            residual is no larger. States with levels converge to half a level at best: one level is added.

    """

    steps: int = 20
    tolerance: float = 1e-3

    def __post_init__(self) -> None:
        if self.steps < 1 or not self.tolerance >= 0:
            raise ValueError(f"relaxation needs steps >= 1 and tolerance >= 0, not {self.steps}, {self.tolerance}")


@torch.no_grad()
def relax(
    network: Network,
    x: Float[Tensor, "batch n"],
    solver: GaussSeidel,
    *,
    start: State | None = None,
    force: Force | None = None,
    clamped: Tensor | None = None,
    generator: torch.Generator | None = None,
) -> Relaxation:
    """Sweep s_l <- rho(u_l) until nothing moves or `solver.steps` sweeps are done.

    Args:
        network: whose fixed point is sought.
        x: clamped input.
        solver: how, and for how long.
        start: state to start from (default: all neurons at 0).
        force: added to the drive of the output neurons, a function of their state and of the noise: the nudge.
        clamped: `network.clamp(x)` where the caller has read it already.
        generator: of the read noise.

    """
    reads = 0 if clamped is not None else len(x)
    fixed = network.clamp(x, generator) if clamped is None else clamped
    state = list(network.rest(len(x)) if start is None else start)
    # A complex state takes two reads: one of its real, one of its imaginary part.
    per_sweep = 2 * (len(state) - 1) * len(x) * (2 if state[0].is_complex() else 1)
    steps, moved = 0, float("inf")
    while steps < solver.steps and moved > solver.tolerance:
        steps, moved = steps + 1, 0.0
        for layer in range(len(state)):
            new = _target(network, layer, tuple(state), fixed, force, generator)
            moved = max(moved, float((new - state[layer]).abs().max()))
            state[layer] = new
        reads += per_sweep
    return _report(network, tuple(state), fixed, force, solver, steps, reads)


def _target(
    network: Network,
    layer: int,
    state: State,
    clamped: Tensor,
    force: Force | None,
    generator: torch.Generator | None = None,
) -> Tensor:
    """rho(u_l + force): where the layer would go, its neighbours held."""
    drive = network.drive(layer, state, clamped, generator)
    if force is not None and layer == len(state) - 1:
        drive = drive + force(state[layer], generator)
    return network.activations[layer](drive)


def _report(
    network: Network,
    state: State,
    clamped: Tensor,
    force: Force | None,
    solver: GaussSeidel,
    steps: int,
    reads: int,
) -> Relaxation:
    # The residual is the simulator's own knowledge, without noise: it is not a read of the device.
    moves = [(_target(network, layer, state, clamped, force) - s).abs().amax(1) for layer, s in enumerate(state)]
    residual = torch.stack(moves).amax(0)
    if not torch.isfinite(residual).all():
        layer = next(i for i, s in enumerate(state) if not torch.isfinite(s).all())
        raise FloatingPointError(f"the state of layer {layer + 1} is no longer finite after {steps} sweeps")
    level = max(activation.level for activation in network.activations)
    converged = residual <= solver.tolerance + 1.01 * level
    return Relaxation(state=state, residual=residual, steps=steps, reads=reads, converged=converged)
