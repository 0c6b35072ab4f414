"""Noise on both machines: test error against measured effective bits a read, and noise against beta; digits.

Expected: both machines lose accuracy below about three effective bits; a larger beta stands more noise. Half an hour.
"""

from dataclasses import dataclass, replace
from pathlib import Path

from rich.progress import track

from experiments.common.deploying import effective_bits
from experiments.common.folder import begun_or_new, finite, write_config, write_json
from experiments.common.options import TrainOptions
from experiments.common.pictures import save
from experiments.common.pictures_machines import bits_picture, noise_picture
from experiments.common.rows import means, run_rows
from experiments.common.rundir import rebuilt
from experiments.common.shell import run
from experiments.common.table import show, verdict

MACHINES = {
    "photonic": (TrainOptions(backend="photonic", controls=False, threads=1), "detector_noise", (0.01, 0.03, 0.1, 0.3)),
    "crossbar": (
        TrainOptions(backend="crossbar", wire_ohm=0.0, terminals=(0.0,) * 4, controls=False, threads=1),
        "read_noise",
        (0.01, 0.03, 0.1, 0.3),
    ),
}
BETAS = (0.05, 0.2, 0.8)


@dataclass(frozen=True, kw_only=True)
class NoiseOptions:
    """Train at every noise and beta on both machines. A folder that holds some of the runs is gone on with."""

    betas: tuple[float, ...] = BETAS
    """Strengths of the nudge; the figure of bits is of the middle one."""
    levels: int = 4
    """How many of the four noises, the smallest first; runs without noise come on top."""
    epochs: int = 10
    """Passes over the training set."""
    seeds: int = 2
    """Seeds 0, 1, ..."""
    jobs: int = 2
    """Runs at the same time."""
    out: Path | None = None
    """Folder for the runs, figures and summary.json (default: a new one under runs/)."""
    check: bool = False
    """Without a meaning here: no bar is promised."""


def main(options: NoiseOptions) -> int:
    """Train what is missing, measure bits, tabulate, draw."""
    if min(options.seeds, options.jobs, options.epochs) < 1 or not 1 <= options.levels <= 4 or not options.betas:
        raise ValueError("--seeds, --jobs and --epochs must be at least 1, --levels 1 to 4, --betas not empty")
    folder = begun_or_new(options.out, "noise")
    write_config(folder, options, {"betas": list(options.betas), "epochs": options.epochs})
    recipes = {name_of(*key): recipe for key, recipe in rows(options).items()}
    found = means(run_rows(recipes, seeds=options.seeds, jobs=options.jobs, folder=folder))
    middle = sorted(options.betas)[len(options.betas) // 2]
    summary = {name: found[f"{name}_mean"] for name in recipes}
    summary |= {f"{name}_std": found[f"{name}_std"] for name in recipes}
    at = [key for key in rows(options) if key[2] == middle]
    for key in track(at, "measuring bits"):
        bits = effective_bits(rebuilt(folder / f"{name_of(*key)}-seed0")[1])
        summary[f"{name_of(*key)}_bits"] = bits
    write_json(folder / "summary.json", finite(summary))
    points = {key: (summary[f"{name_of(*key)}_bits"], summary[name_of(*key)]) for key in at if key[1]}
    save(bits_picture(points, {m: summary[name_of(m, 0.0, middle)] for m in MACHINES}), folder / "bits.png")
    save(noise_picture({key: summary[name_of(*key)] for key in rows(options)}), folder / "noise.png")
    return verdict(show(summary, {}, f"digits, {options.seeds} seeds -> {folder}"), check=options.check)


def rows(options: NoiseOptions) -> dict[tuple[str, float, float], TrainOptions]:
    """Recipes by machine, noise and beta."""
    return {
        (machine, noise, beta): replace(base, **{knob: noise}, beta=beta, epochs=options.epochs)
        for machine, (base, knob, noises) in MACHINES.items()
        for noise in (0.0, *noises[: options.levels])
        for beta in options.betas
    }


def name_of(machine: str, noise: float, beta: float) -> str:
    """Name of a row, also in the summary."""
    return f"{machine}_noise_{noise:g}_beta_{beta:g}"


if __name__ == "__main__":
    raise SystemExit(run(main, NoiseOptions))
