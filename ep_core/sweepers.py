"""Ising machines that sweep a chain of layers: even and odd ones take turns, all spins of a layer at once."""

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ep_core.samplers import SLOPE, Samples, Schedule, check
from ep_core.spins import sweeps
from ep_core.weight import WeightOperator

FLOATS = (torch.float32, torch.float64)
LEAST = 1e-12  # noise that is as good as none


@dataclass(frozen=True, kw_only=True)
class Sweeper(ABC):
    """Layers that take turns, all samples at once; compiled for two layers whose products do not change.

    Attributes:
        compiled: whether the compiled sweeps may be used; else all is torch. Laws are the same, draws are not.

    """

    compiled: bool = True
    noisy: ClassVar[bool]

    @abstractmethod
    def coldness(self, schedule: Schedule) -> list[float]:
        """What stands for the temperature of each sweep in `turned`."""

    @abstractmethod
    def turned(self, drive: Float[Tensor, "rows n"], cold: float, generator: torch.Generator) -> Tensor:
        """Spins drawn anew from what pulls on them."""

    @torch.no_grad()
    def sample(
        self,
        fields: Sequence[Tensor],
        weights: Sequence[WeightOperator],
        initial: Sequence[Tensor] | None,
        schedule: Schedule,
        reads: int,
        generator: torch.Generator,
    ) -> Samples:
        """As of `Sampler`."""
        check(fields, weights, reads)
        spins = list(_started(fields, initial, reads, generator))
        live = self.noisy and any(w.noisy for w in weights)
        if self.compiled and not live and len(spins) == 2 and fields[0].is_cpu and fields[0].dtype in FLOATS:
            self._swept(fields, weights[0], spins, schedule, generator)
        else:
            source = generator if self.noisy else None
            for cold in self.coldness(schedule):
                for layer in _in_turn(len(spins)):
                    drive = _drive(layer, fields, weights, spins, source)
                    spins[layer] = self.turned(drive, cold, generator)
        batch = len(fields[0])
        return Samples(
            spins=[s.unflatten(0, (reads, batch)) for s in spins],
            shares=fields[0].new_full((reads, batch), 1 / reads),
            products=2 * reads * len(schedule) * len(weights),
        )

    def _swept(
        self,
        fields: Sequence[Tensor],
        weight: WeightOperator,
        spins: Sequence[Tensor],
        schedule: Schedule,
        generator: torch.Generator,
    ) -> None:
        """Draw two layers in place by the compiled sweeps."""
        dtype = fields[0].dtype
        matrices = weight.matrix().to(dtype).mT, weight.reverse().to(dtype)
        seeds = torch.randint(2**63 - 1, (len(spins[0]),), generator=generator)
        cold = np.array(self.coldness(schedule), np.float32)
        given = (*fields, *matrices)
        arrays = [t.contiguous().numpy() for t in given]
        sweeps(*arrays, cold, self.noisy, seeds.numpy(), spins[0].numpy(), spins[1].numpy())


@dataclass(frozen=True, kw_only=True)
class HeatBath(Sweeper):
    """P(s = -1) = 1 / (1 + exp(-2 beta f)), f what pulls on a spin: the Boltzmann law of E at inverse temperature beta.

    Reads have no noise of their own; where W and its way back differ, there is no such law.
    """

    noisy: ClassVar[bool] = False

    def coldness(self, schedule: Schedule) -> list[float]:
        """The inverse temperatures."""
        return list(schedule.values)

    def turned(self, drive: Float[Tensor, "rows n"], cold: float, generator: torch.Generator) -> Tensor:
        """-1 with probability 1 / (1 + exp(-2 beta f))."""
        u = torch.rand(drive.shape, generator=generator, dtype=drive.dtype, device=drive.device)
        return torch.where(u < torch.sigmoid(2 * cold * drive), -1.0, 1.0).to(drive.dtype)


@runtime_checkable
class Noise(Protocol):
    """What makes the reads of a machine as noisy as a schedule asks."""

    def reached(self, phi: float) -> float:
        """Return the noise that it comes to where `phi` is asked: the nearest within its range."""
        ...


@dataclass(frozen=True, kw_only=True)
class Injected:
    """Noise added to reads on purpose, in units of drives: from `floor`, which they always have, up to `most`."""

    floor: float = 0.0
    most: float = math.inf

    def __post_init__(self) -> None:
        if not 0 <= self.floor < self.most:
            raise ValueError(
                f"noise reaches from a floor of 0 or more to more than that, not {self.floor}, {self.most}"
            )

    def reached(self, phi: float) -> float:
        """The nearest within the range."""
        return min(max(phi, self.floor), self.most)


@dataclass(frozen=True, kw_only=True)
class NoisyReads(Sweeper):
    """s <- -sign(h + W s' + phi xi), xi ~ N(0, 1): a machine made of nothing but products with noise, `mvm` and `vmm`.

    P(s = -1) = Phi(f / phi): a heat bath but for probit instead of logit, beta about .851 / phi. Hidden spins of two
    layers are h <- -sign(h_hid + mvm(o) + phi xi), outputs o <- -sign(h_out + vmm(h) + phi xi). Noise and drift of the
    operators' own reads come on top.

    Attributes:
        noise: what makes phi, and within which range.

    """

    noise: Noise = field(default_factory=Injected)
    noisy: ClassVar[bool] = True

    def coldness(self, schedule: Schedule) -> list[float]:
        """1 / phi of each sweep, within the range of `noise`."""
        reached = [self.noise.reached(SLOPE / beta) for beta in schedule.values]
        return [1 / max(phi, LEAST) for phi in reached]

    def turned(self, drive: Float[Tensor, "rows n"], cold: float, generator: torch.Generator) -> Tensor:
        """-sign(f + phi xi)."""
        xi = torch.randn(drive.shape, generator=generator, dtype=drive.dtype, device=drive.device)
        return torch.where(drive + xi / cold > 0, -1.0, 1.0).to(drive.dtype)


def _started(
    fields: Sequence[Tensor], initial: Sequence[Tensor] | None, reads: int, generator: torch.Generator
) -> Iterator[Float[Tensor, "rows n"]]:
    """Spins to start from, which may be written on."""
    for layer, h in enumerate(fields):
        if initial is None:
            drawn = torch.randint(2, (reads * len(h), h.shape[1]), generator=generator, device=h.device)
            yield drawn.mul_(2).sub_(1).to(h.dtype)
        else:
            yield initial[layer].reshape(reads * len(h), h.shape[1]).to(h.dtype, copy=True)


def _in_turn(layers: int) -> list[int]:
    """All even layers, then all odd ones."""
    return [*range(0, layers, 2), *range(1, layers, 2)]


def _drive(
    layer: int,
    fields: Sequence[Tensor],
    weights: Sequence[WeightOperator],
    spins: Sequence[Tensor],
    generator: torch.Generator | None,
) -> Float[Tensor, "rows n"]:
    """h_k + W_k s_(k+1) + W_(k-1)' s_(k-1)."""
    h = fields[layer]
    total = h.repeat(len(spins[layer]) // len(h), 1)
    if layer < len(weights):
        total = total + weights[layer].mvm(spins[layer + 1], generator)
    return total + weights[layer - 1].vmm(spins[layer - 1], generator) if layer else total
