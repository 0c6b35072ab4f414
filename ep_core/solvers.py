"""Ways to a fixed point s_l = rho(u_l(s)): Gauss-Seidel and synchronous sweeps, gradient flow, Anderson's."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from ep_core.moves import moves
from ep_core.phase import Phase


@dataclass(frozen=True, kw_only=True)
class Solver(ABC):
    """How a phase relaxes.

    Attributes:
        steps: most sweeps of a phase.
        tolerance: a sample's sweeps end when none of its neurons would move by more (0: all are made), and it counts
            as converged when its residual is no larger. States with levels converge to half a level at best: one
            level is added.
        average: last sweeps whose mean state is reported, against noise: its variance falls with their number. Above 1
            all sweeps are made, whatever the tolerance.

    """

    steps: int = 20
    tolerance: float = 1e-3
    average: int = 1

    def __post_init__(self) -> None:
        if self.steps < 1 or not self.tolerance >= 0:
            raise ValueError(f"relaxation needs steps >= 1 and tolerance >= 0, not {self.steps}, {self.tolerance}")
        if not 1 <= self.average <= self.steps:
            raise ValueError(f"relaxation averages over 1 to {self.steps} sweeps, which it has, not {self.average}")

    @property
    def stops(self) -> bool:
        """Whether samples stop by themselves before all sweeps are made."""
        return self.tolerance > 0 and self.average == 1

    @abstractmethod
    def sweep(self, phase: Phase) -> Float[Tensor, " batch"] | None:
        """Move the state once over all layers; return max |rho(u) - s| met on the way, of each sample, if watched."""


def _check_share(name: str, value: float) -> None:
    if not 0 < value <= 1:
        raise ValueError(f"{name} must be more than 0 and at most 1, not {value}")


@dataclass(frozen=True, kw_only=True)
class GaussSeidel(Solver):
    """Sweeps over the layers, first to last, each layer seeing the newest state of its neighbours.

    With the hard sigmoid a layer without an edge to itself goes to its exact minimum: the energy never rises.

    Attributes:
        damping: share eta of the way to rho(u) that a layer goes; layers with edges to themselves need less than 1:
            1/(1 - lambda_min) of their own coupling W + W' never raises the energy of hard sigmoids.

    """

    damping: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_share("damping", self.damping)

    def sweep(self, phase: Phase) -> Float[Tensor, " batch"] | None:
        """s_l <- s_l + eta (rho(u_l) - s_l), one layer after the other."""
        return _in_turn(phase, self.damping)


@dataclass(frozen=True, kw_only=True)
class Synchronous(Solver):
    """All layers at once see the old state: s <- rho(u(s)). It may run in circles where Gauss-Seidel converges."""

    def sweep(self, phase: Phase) -> Float[Tensor, " batch"] | None:
        """s <- rho(u(s))."""
        return _together(phase, 1.0)


@dataclass(frozen=True, kw_only=True)
class GradientFlow(Solver):
    """Euler steps of ds/dt = rho(u) - s: the flow -dE/ds inside a hard sigmoid's box, and downhill for every rho.

    Attributes:
        step: dt, in units of the neurons' time constant.

    """

    steps: int = 100
    step: float = 0.2

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_share("step", self.step)

    def sweep(self, phase: Phase) -> Float[Tensor, " batch"] | None:
        """s <- s + dt (rho(u) - s)."""
        return _together(phase, self.step)


def _in_turn(phase: Phase, share: float) -> Float[Tensor, " batch"] | None:
    moved = []
    if share == 1 and not phase.watched:
        phase.moves = phase.moves or moves(phase)
        for move in phase.moves:
            move()
        return None
    for layer in phase.order:
        old, way = phase.state[layer], phase.target(layer)
        if phase.watched:
            moved.append((way - old).abs().amax(1))
        phase.state[layer] = way if share == 1 else old + share * (way - old)
    return _largest(moved)


def _together(phase: Phase, share: float) -> Float[Tensor, " batch"] | None:
    ways = {layer: phase.target(layer) for layer in phase.order}
    moved = [(way - phase.state[layer]).abs().amax(1) for layer, way in ways.items() if phase.watched]
    for layer, way in ways.items():
        phase.state[layer] = way if share == 1 else phase.state[layer] + share * (way - phase.state[layer])
    return _largest(moved)


def _largest(moved: list[Tensor]) -> Float[Tensor, " batch"] | None:
    return torch.stack(moved).amax(0) if moved else None


@dataclass(frozen=True, kw_only=True)
class Anderson(Solver):
    """Gauss-Seidel sweeps g(s), extrapolated: s <- sum_i a_i g(s_i), a minimising |sum_i a_i (g(s_i) - s_i)|.

    Anderson 1965; Walker & Ni, SIAM J. Numer. Anal. 49 (2011) 1715. For smooth neurons to a tight tolerance.

    Attributes:
        memory: sweeps that are looked back on. ridge: relative weight of |a|^2 beside the residuals.

    """

    memory: int = 5
    ridge: float = 1e-8

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.memory < 1 or not self.ridge > 0:
            raise ValueError(f"Anderson needs memory >= 1 and a positive ridge, not {self.memory} and {self.ridge}")

    def sweep(self, phase: Phase) -> Float[Tensor, " batch"]:
        """One sweep, then the extrapolation over the last ones; states stay in their boxes."""
        before = torch.cat([phase.state[layer] for layer in phase.order], 1)
        _in_turn(phase, 1.0)
        after = torch.cat([phase.state[layer] for layer in phase.order], 1)
        new, moved = torch.stack([after, after - before], 1)[:, None], (after - before).abs().amax(1)
        seen, last = new, moved
        if phase.memory:
            seen, last = torch.cat([phase.memory[0], new], 1)[:, -self.memory :], phase.memory[1]
        phase.memory = [seen, moved]
        if seen.shape[1] > 1:
            mixed = (self._weights(seen[:, :, 1])[..., None] * seen[:, :, 0]).sum(1)
            # Where the last extrapolation led away, a plain sweep comes next.
            mixed = torch.where((moved <= last)[:, None], mixed, after)
            widths = [phase.state[layer].shape[1] for layer in phase.order]
            for layer, part in zip(phase.order, mixed.split(widths, 1), strict=True):
                activation = phase.network.activations[layer]
                phase.state[layer] = part if part.is_complex() else part.clamp(activation.low, activation.high)
        return moved

    def _weights(self, residuals: Tensor) -> Tensor:
        """a: sums to 1, least |sum_i a_i r_i|^2 + ridge |a|^2 (scaled)."""
        gram = residuals.conj() @ residuals.mT
        scale = gram.diagonal(dim1=1, dim2=2).real.amax(1)[:, None, None]
        tiny = torch.finfo(residuals.dtype).tiny
        eye = torch.eye(gram.shape[1], dtype=gram.dtype, device=gram.device)
        raw = torch.linalg.solve(gram / (scale + tiny) + self.ridge * eye, torch.ones_like(gram[..., :1]))[..., 0]
        return raw / raw.sum(1, keepdim=True)
