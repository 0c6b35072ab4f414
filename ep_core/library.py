"""Ising machines of sampler libraries: anything that is a dimod sampler draws the spins of a network's layers."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ep_core.samplers import Samples, Schedule, check
from ep_core.weight import WeightOperator

MISSING = "{} is missing: install the extra 'ising' (pip install 'photonic-ep[ising]')"


@dataclass(frozen=True, kw_only=True)
class DimodSampler:
    """A dimod sampler as an Ising machine: one problem a sample, all reads of it in a call.

    What a sampler does not take (schedule, seed, first spins) it is not given. One that says `h_range` or `j_range` in
    its properties, as quantum annealers do, gets nothing beyond.

    Attributes:
        sampler: e.g. a `dwave.samplers.TabuSampler()`; None = simulated annealing of dwave-samplers.

    """

    sampler: Any = None

    @cached_property
    def machine(self) -> Any:  # noqa: ANN401
        """The sampler itself. ModuleNotFoundError names the extra that brings it."""
        return annealer() if self.sampler is None else self.sampler

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
        """As of `Sampler`; ValueError where fields or couplings are beyond the machine's ranges."""
        check(fields, weights, reads)
        sizes = [h.shape[1] for h in fields]
        h, j = torch.cat(list(fields), 1).double().numpy(), couplings(sizes, weights)
        self._require_range(h, j)
        base = problem(j)
        first = None if initial is None else torch.cat(list(initial), 2).numpy().astype(np.int8)
        seeds = torch.randint(2**31 - 1, (len(h),), generator=generator).tolist()
        drawn = np.empty((reads, *h.shape), np.int8)
        for n, own in enumerate(h):
            bqm = base.copy()
            bqm.add_linear_from_array(own)
            drawn[:, n] = self._drawn(bqm, schedule, reads, seeds[n], None if first is None else first[:, n])
        spins = torch.from_numpy(drawn).to(fields[0].dtype).split(sizes, 2)
        return Samples(spins=list(spins), shares=fields[0].new_full((reads, len(h)), 1 / reads))

    def _drawn(self, bqm: Any, schedule: Schedule, reads: int, seed: int, first: np.ndarray | None) -> np.ndarray:  # noqa: ANN401
        """Spins (reads, n) of one problem."""
        offers = {
            "num_reads": reads,
            "seed": seed,
            "num_sweeps": len(schedule),
            "num_sweeps_per_beta": 1,
            "beta_schedule_type": "custom",
            "beta_schedule": list(schedule.values),
        }
        if first is not None:
            offers["initial_states"] = (first, list(range(len(bqm.variables))))
        taken = {name: value for name, value in offers.items() if name in self.machine.parameters}
        if "beta_schedule" in taken:
            del taken["num_sweeps"]  # the schedule says how many
        found = self.machine.sample(bqm, **taken)
        order = [found.variables.index(v) for v in range(len(bqm.variables))]
        best = np.argsort(found.record.energy, kind="stable") if "num_reads" not in taken else slice(None)
        rows = np.repeat(found.record.sample[best], found.record.num_occurrences[best], axis=0)[:, order]
        if "num_reads" not in taken:
            return np.broadcast_to(rows[0], (reads, rows.shape[1]))
        if len(rows) < reads:
            raise ValueError(f"the sampler returned {len(rows)} of {reads} reads")
        return rows[:reads]

    def _require_range(self, h: np.ndarray, j: Float[Tensor, "n n"]) -> None:
        held = self.machine.properties
        largest = {"h_range": (h.min(), h.max()), "j_range": (float(j.min()), float(j.max()))}
        for name, (low, high) in largest.items():
            if name in held and (low < min(held[name]) or high > max(held[name])):
                raise ValueError(f"{name} of the machine is {list(held[name])}, asked for {low:.4g} to {high:.4g}")


def annealer() -> Any:  # noqa: ANN401
    """Return simulated annealing of dwave-samplers; ModuleNotFoundError names the extra."""
    try:
        from dwave.samplers import SimulatedAnnealingSampler
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(MISSING.format("dwave-samplers")) from error
    return SimulatedAnnealingSampler()


def problem(j: Float[Tensor, "n n"]) -> Any:  # noqa: ANN401
    """Return the couplings as a dimod problem without fields; ModuleNotFoundError names the extra."""
    try:
        import dimod
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(MISSING.format("dimod")) from error
    row, col = np.nonzero(j.numpy())
    return dimod.BinaryQuadraticModel.from_numpy_vectors(
        np.zeros(len(j)), (row, col, j.numpy()[row, col]), 0.0, dimod.SPIN
    )


def couplings(sizes: Sequence[int], weights: Sequence[WeightOperator]) -> Float[Tensor, "n n"]:
    """All layers' couplings in one upper triangular matrix."""
    j, start = torch.zeros(sum(sizes), sum(sizes), dtype=torch.float64), 0
    for w, own in zip(weights, sizes, strict=False):
        middle = start + own
        j[start:middle, middle : middle + w.in_features] = w.matrix().double()
        start = middle
    return j
