"""Ising machines trained by EP: simulated annealing, a sampler library (--sampler dimod), the MZI mesh (--mesh); MNIST.

Expected, 784-120-40 on 100 images a class, seeds 0-3, percent of the 10,000 test images: 87.4; --mesh 84.2 annealed,
--full 93.0. Minutes: 3; --mesh 30; --full 10.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import torch

from ep_core import data as datasets
from ep_core.data import Dataset
from experiments.common.folder import new_folder, write_config, write_json
from experiments.common.ising import whole
from experiments.common.ising_recipe import FULL, MESHES, NOISE, PLAIN, Recipe, mesh_rows, require_machine
from experiments.common.ising_rows import PAPER, config, load, logistic, means, noise_picture, resumed, run_all
from experiments.common.pictures import save
from experiments.common.shell import run
from experiments.common.table import Bar, show, verdict

BARS = {
    "test_10k": Bar(least=83),
    "train": Bar(least=96),
    "seconds": Bar(most=60),
    "full_test_10k": Bar(least=91.5),
    "full_seconds": Bar(most=300),
    "mesh_test_10k": Bar(least=82),
    "single_lost_by_noise": Bar(least=0),
    "noisy_lost_by_noise": Bar(least=0),
    "stopped": Bar(most=0),
}


@dataclass(frozen=True, kw_only=True)
class IsingOptions:
    """Train Ising machines by EP with several seeds; --resume goes on with an interrupted run, bit-exactly."""

    dataset: Literal["digits", "mnist"] | None = None
    """Default: mnist, 100 images a class, where --data-dir has it; else digits."""
    data_dir: Path | None = None
    """Folder with MNIST/raw/*-ubyte[.gz] (default: data)."""
    sampler: Literal["heat-bath", "dimod"] = "heat-bath"
    """Simulated annealing by layers, or by dwave-samplers (the extra 'ising'; a hundred times as slow)."""
    full: bool = False
    """Also train on all of MNIST's training images."""
    mesh: bool = False
    """Also train the mesh: annealed by its light's power and with constant noise, by several reads and by one."""
    epochs: int | None = None
    """Passes over the training images, of every row (default: each row's own)."""
    reads: int = PLAIN.reads
    """Draws of every sample in each phase; the update is their mean."""
    sweeps: int = PLAIN.sweeps
    """Sweeps of each phase."""
    cold: tuple[float, float] = PLAIN.cold
    """First and last inverse temperature of each phase (of --mesh: its own)."""
    seed: int = 0
    """The first seed."""
    seeds: int = 4
    """Trainings of each row, of seeds one after the other."""
    out: Path | None = None
    """Folder for the runs, the figure and summary.json (default: a new one under runs/)."""
    resume: Path | None = None
    """Go on with this folder's runs, with its own options."""
    check: bool = False
    """Exit with 1 if a bar is missed."""


def main(options: IsingOptions) -> int:
    """Train what is missing, look at the test images once, tabulate, draw."""
    torch.set_num_threads(1)
    chosen = options if options.resume is None else resumed(options, options.resume)
    if chosen.seeds < 1:
        raise ValueError(f"--seeds must be at least 1, not {chosen.seeds}")
    require_machine(chosen.sampler)
    name, data = load(chosen.dataset, chosen.data_dir)
    rows = rows_of(chosen, name, data)
    folder = options.resume or new_folder(options.out, f"ising-{name}")
    if options.resume is None:
        write_config(folder, options, config(replace(chosen, dataset=name)))
    print(f"run: {folder} ({data.name})", flush=True)
    runs = run_all(rows, range(chosen.seed, chosen.seed + chosen.seeds), folder)
    summary = means(runs) | logistic(data)
    if chosen.mesh:
        key, (low, *_, high) = whole(data), NOISE
        for row in MESHES:
            summary[f"{row}_lost_by_noise"] = summary[f"{row}_{low}_{key}"] - summary[f"{row}_{high}_{key}"]
        save(noise_picture(runs, summary, key), folder / "noise.png")
    write_json(folder / "summary.json", summary)
    bars = {key: bar for key, bar in BARS.items() if key in summary and _is_reference(chosen, name)}
    missed = show(summary, bars, f"{data.name}, {chosen.seeds} seeds -> {folder}")
    print(PAPER)
    return verdict(missed, check=options.check)


def rows_of(options: IsingOptions, name: str, data: Dataset) -> dict[str, tuple[Recipe, Dataset]]:
    """What is to be trained, by name: the main row has none."""
    main = replace(PLAIN, machine=options.sampler, reads=options.reads, sweeps=options.sweeps, cold=options.cold)
    rows = {"": (main, data)}
    if options.mesh:
        rows |= {row: (own, data) for row, own in mesh_rows().items()}
    if options.full:
        if name != "mnist":
            raise ValueError("--full is all of MNIST: it needs --data-dir")
        rows["full"] = (FULL, datasets.mnist(options.data_dir or Path("data")))
    if options.epochs is None:
        return rows
    return {row: (replace(own, epochs=options.epochs), content) for row, (own, content) in rows.items()}


def _is_reference(options: IsingOptions, name: str) -> bool:
    """Whether the rows are those that the bars are of."""
    own = (options.sampler, options.epochs, options.reads, options.sweeps, options.cold)
    return name == "mnist" and own == ("heat-bath", None, PLAIN.reads, PLAIN.sweeps, PLAIN.cold)


if __name__ == "__main__":
    raise SystemExit(run(main, IsingOptions))
