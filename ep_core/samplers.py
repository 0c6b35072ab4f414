"""What Ising machines have in common: the schedule, what they draw, and the protocol that they follow.

A chain of layers has the energy E = sum_k s_k' W_k s_(k+1) + sum_k h_k' s_k, s = +-1, to be made small.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from ep_core.weight import WeightOperator

SLOPE = 0.851  # Phi(f / phi) is nearest to 1 / (1 + exp(-2 beta f)) at beta = .851 / phi, half of the usual 1.702


@dataclass(frozen=True)
class Schedule:
    """Inverse temperatures, one a sweep; a machine only cools. ValueError if one is not positive, or they fall."""

    values: tuple[float, ...]

    def __post_init__(self) -> None:
        if not self.values:
            raise ValueError("a schedule needs at least one sweep")
        if not all(0 < value < math.inf for value in self.values):
            raise ValueError(f"inverse temperatures must be positive and finite, not {self.values}")
        for n, (old, new) in enumerate(zip(self.values, self.values[1:], strict=False), 2):
            if new < old:
                raise ValueError(f"inverse temperatures must not fall: sweep {n} goes from {old:g} to {new:g}")

    @classmethod
    def constant(cls, value: float, sweeps: int) -> "Schedule":
        """Return so many sweeps at one inverse temperature."""
        return cls((value,) * sweeps)

    @classmethod
    def annealed(cls, first: float, last: float, sweeps: int) -> "Schedule":
        """Return so many sweeps, from `first` to `last` by equal factors."""
        if not (first > 0 and last > 0 and sweeps > 0):
            raise ValueError(f"inverse temperatures and sweeps must be positive, not {first}, {last} and {sweeps}")
        return cls(tuple(first * (last / first) ** (n / max(1, sweeps - 1)) for n in range(sweeps)))

    @classmethod
    def of_noise(cls, first: float, last: float, sweeps: int) -> "Schedule":
        """Return the same for noise phi that falls from `first` to `last`."""
        return cls.annealed(SLOPE / first, SLOPE / last, sweeps)

    def __len__(self) -> int:
        return len(self.values)


@dataclass(frozen=True, kw_only=True)
class Samples:
    """What a machine drew.

    Attributes:
        spins: +-1 of each layer (reads, batch, n).
        shares: of each read in a mean (reads, batch).
        products: of one sample with one operator that this took, all reads together.

    """

    spins: list[Float[Tensor, "reads batch _"]]
    shares: Float[Tensor, "reads batch"]
    products: int = 0

    def best(self, fields: Sequence[Tensor], weights: Sequence[WeightOperator]) -> "Samples":
        """Return the read of least energy of every sample."""
        if len(self.shares) == 1:
            return self
        place = energy(fields, weights, self.spins).argmin(0)
        rows = torch.arange(len(place), device=place.device)
        kept = [s[place, rows][None] for s in self.spins]
        return Samples(spins=kept, shares=torch.ones_like(self.shares[:1]), products=self.products)

    def mean(self, layer: int) -> Float[Tensor, "batch n"]:
        """Mean spins of a layer."""
        if len(self.shares) == 1:
            return self.spins[layer][0]
        return (self.shares[:, :, None] * self.spins[layer]).sum(0)


@runtime_checkable
class Sampler(Protocol):
    """An Ising machine."""

    def sample(
        self,
        fields: Sequence[Tensor],
        weights: Sequence[WeightOperator],
        initial: Sequence[Tensor] | None,
        schedule: Schedule,
        reads: int,
        generator: torch.Generator,
    ) -> Samples:
        """Draw `reads` times the spins of every sample.

        Args:
            fields: h of each layer (batch, n).
            weights: W_k (n_k, n_(k+1)) between each layer and the next.
            initial: spins (reads, batch, n) to start from; None = random ones.
            schedule: inverse temperatures.
            reads: independent draws of every sample.
            generator: the only source of randomness.

        Raises:
            ValueError: fields and weights that do not fit, no reads, couplings that the machine cannot hold.

        """
        ...


def energy(
    fields: Sequence[Tensor], weights: Sequence[WeightOperator], spins: Sequence[Tensor]
) -> Float[Tensor, "reads batch"]:
    """E = sum_k s_k' W_k s_(k+1) + sum_k h_k' s_k of every read."""
    total = sum(((h * s).sum(-1) for h, s in zip(fields, spins, strict=True)), torch.zeros(()))
    for w, below, above in zip(weights, spins, spins[1:], strict=False):
        total = total + ((below @ w.matrix()) * above).sum(-1)
    return total


def check(fields: Sequence[Tensor], weights: Sequence[WeightOperator], reads: int) -> None:
    """Raise ValueError for what no machine can draw from."""
    if reads < 1:
        raise ValueError(f"reads must be at least 1, not {reads}")
    sizes = [h.shape[1] for h in fields]
    wanted = list(pairwise(sizes))
    found = [(w.out_features, w.in_features) for w in weights]
    if wanted != found:
        raise ValueError(f"layers of {sizes} spins need couplings of shapes {wanted}, not {found}")
