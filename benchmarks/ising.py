"""Simulated annealing of layered Ising machines against dimod with dwave-samplers; one thread, processor time.

784-120-40 as trained: 160 spins a sample, 100 sweeps, set-up included, one read. The library gets one problem a sample
in three ways: fields and couplings as dicts (`sample_ising`) with its own schedule, as its documentation calls it; the
same with ours; and as arrays by `ep_core.DimodSampler`, the quickest that we found. Expected, on a Xeon with AVX-512:
.09 ms a sample; they take 118, 52 and 23 times as long; lowest energies of 20 reads agree.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch

from benchmarks.timing import clock
from ep_core import BoundedWeight, DimodSampler, HeatBath, NoisyReads, Sampler, Schedule
from ep_core.library import annealer, couplings
from ep_core.samplers import energy
from experiments.common.folder import new_folder, write_json
from experiments.common.shell import run
from experiments.common.table import Bar, show, verdict

HIDDEN, OUTPUTS, READS = 120, 40, 20
FIRST, LAST = 0.05, 20.0
BARS = {"dimod_ratio": Bar(least=50), "energy_gap": Bar(most=1e-3)}


@dataclass(frozen=True, kw_only=True)
class IsingSpeedOptions:
    """Time dwave-samplers on as many samples / ours."""

    batch: int = 100
    """Samples."""
    sweeps: int = 100
    """Sweeps of each sample."""
    rounds: int = 3
    """Rounds in which each contender is timed once; the medians are compared."""
    out: Path | None = None
    """Folder for summary.json (default: a new one under runs/)."""
    check: bool = False
    """Exit with 1 if a bar is missed."""


def main(options: IsingSpeedOptions) -> int:
    """Time all, compare energies, tabulate."""
    if min(options.batch, options.sweeps, options.rounds) < 1:
        raise ValueError("--batch, --sweeps and --rounds must be at least 1")
    try:
        annealer()
    except ModuleNotFoundError as error:
        raise ValueError(str(error)) from error
    torch.set_num_threads(1)
    folder = new_folder(options.out, "ising-speed")
    summary = measure(options)
    numbers = ("batch", "sweeps", "rounds")
    write_json(folder / "config.json", {name: getattr(options, name) for name in numbers})
    write_json(folder / "summary.json", summary)
    return verdict(show(summary, BARS, f"Ising machines -> {folder}"), check=options.check)


def measure(options: IsingSpeedOptions) -> dict[str, float]:
    """Milliseconds a sample, ratios, and how far the lowest energies are apart."""
    times = clock(contenders(options), options.rounds, timer=time.process_time)
    ours = times.pop("ours")
    summary = {f"{name}_ratio": seconds / ours for name, seconds in times.items()}
    return {
        "ms_per_sample": 1e3 * ours / options.batch,
        **summary,
        **{f"{name}_ms": 1e3 * seconds / options.batch for name, seconds in times.items()},
        "energy_gap": energy_gap(options),
    }


def contenders(options: IsingSpeedOptions) -> dict[str, Callable[[], object]]:
    """Calls that draw all samples once, from fields and couplings as a network has them."""
    fields, weight = machine(options.batch)
    schedule = Schedule.annealed(FIRST, LAST, options.sweeps)

    def call(sampler: Sampler) -> Callable[[], object]:
        return lambda: sampler.sample(fields, [weight], None, schedule, 1, torch.Generator().manual_seed(0))

    own = {"num_sweeps": options.sweeps}
    return {
        "ours": call(HeatBath()),
        "noisy_reads": call(NoisyReads()),
        "dimod": partial(by_dicts, fields, weight, own),
        "dimod_same_schedule": partial(by_dicts, fields, weight, own | {"beta_range": (FIRST, LAST)}),
        "dimod_arrays": call(DimodSampler()),
    }


def by_dicts(fields: list[torch.Tensor], weight: BoundedWeight, settings: dict[str, object]) -> None:
    """`sample_ising` of every sample; the couplings are listed once."""
    j = couplings([HIDDEN, OUTPUTS], [weight])
    rows, cols = (index.tolist() for index in j.nonzero(as_tuple=True))
    listed = dict(zip(zip(rows, cols, strict=True), j[rows, cols].tolist(), strict=True))
    sampler = annealer()
    for seed, h in enumerate(torch.cat(fields, 1).tolist()):
        sampler.sample_ising(dict(enumerate(h)), listed, num_reads=1, seed=seed, **settings)


def machine(batch: int) -> tuple[list[torch.Tensor], BoundedWeight]:
    """Fields and couplings of about the sizes that training comes to: fields of 1, couplings of .1."""
    source = torch.Generator().manual_seed(0)
    weight = BoundedWeight(HIDDEN, OUTPUTS, std=0.1, generator=source)
    return [torch.randn(batch, n, generator=source) for n in (HIDDEN, OUTPUTS)], weight


def energy_gap(options: IsingSpeedOptions) -> float:
    """Mean of how much our lowest energy of 20 reads is above theirs, over theirs; 10 samples."""
    fields, weight = machine(min(10, options.batch))
    schedule, lowest = Schedule.annealed(FIRST, LAST, options.sweeps), []
    for sampler in (HeatBath(), DimodSampler()):
        found = sampler.sample(fields, [weight], None, schedule, READS, torch.Generator().manual_seed(1))
        lowest.append(energy(fields, [weight], found.spins).min(0).values)
    return float(((lowest[0] - lowest[1]) / lowest[1].abs()).mean())


if __name__ == "__main__":
    raise SystemExit(run(main, IsingSpeedOptions))
