"""Crossbars whose terminals sense through another resistance than they drive: EP, AsymEP and homeostasis, on digits.

Memristors of 5 bits on 16 x 16 tiles, drivers of 10 ohm, two hidden layers, for then a wrong way back is felt. EP and
AsymEP learn by the outer product; homeostasis needs the difference of both directions, which only the true gradient
has, the oracle's: plain EP with that stands beside it. Expected: the more the ends differ, the lower the cosine of the
outer product's estimates (.7 at 3,000 ohm); the oracle's stay above .9. 15 minutes on 2 cores.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import torch

from experiments.common.build import build_network
from experiments.common.folder import begun_or_new, write_config, write_json
from experiments.common.options import TrainOptions
from experiments.common.pictures import save, terminals_picture
from experiments.common.resolve import resolve
from experiments.common.rows import Results, means, run_rows
from experiments.common.shell import run
from experiments.common.table import show, verdict

DRIVE = 10.0
PLAIN = TrainOptions(backend="crossbar", sizes=(64, 64, 64, 10), tile=16, epochs=8, controls=False)
METHODS = {
    "ep": PLAIN,
    "asymep": replace(PLAIN, estimator="asymep"),
    "oracle": replace(PLAIN, gradient="oracle"),
    "homeostasis": replace(PLAIN, estimator="vector-field", gradient="oracle", homeostasis=1.0),
}


@dataclass(frozen=True, kw_only=True)
class TerminalsOptions:
    """Train with every method behind every sensing resistance. A folder that holds some of the runs is gone on with."""

    sense: tuple[int, ...] = (10, 300, 1000, 3000)
    """Sensing resistances of both directions [ohm]; 10 is that of the drivers: the transpose is exact."""
    seeds: int = 3
    """Seeds 0, 1, ..."""
    epochs: int = 8
    """Passes over the training set."""
    jobs: int = 2
    """Runs at the same time."""
    out: Path | None = None
    """Folder for the runs, the figure and summary.json (default: a new one under runs/)."""
    check: bool = False
    """Exit with 1 if a bar is missed (there are none)."""


def main(options: TerminalsOptions) -> int:
    """Train, tabulate, draw."""
    if min(options.seeds, options.jobs, options.epochs) < 1 or min(options.sense, default=-1) < 0:
        raise ValueError("--seeds, --jobs and --epochs must be at least 1, --sense at least 0")
    folder = begun_or_new(options.out, "terminals")
    write_config(folder, options, {n: getattr(options, n) for n in ("sense", "seeds", "epochs")})
    recipes = {f"{m}_{r}": at(replace(PLAIN, epochs=options.epochs), r, m) for m in METHODS for r in options.sense}
    runs = run_rows(recipes, seeds=options.seeds, jobs=options.jobs, folder=folder)
    summary = summarise(runs, options.sense)
    write_json(folder / "summary.json", summary)
    save(terminals_picture(runs, list(METHODS), options.sense, summary), folder / "terminals.png")
    return verdict(show(summary, {}, f"digits, {options.seeds} seeds -> {folder}"), check=options.check)


def at(base: TrainOptions, sense: int, method: str) -> TrainOptions:
    """One method behind one sensing resistance."""
    return replace(METHODS[method], epochs=base.epochs, terminals=(DRIVE, float(sense), DRIVE, float(sense)))


def summarise(runs: dict[str, Results], sense: tuple[int, ...]) -> dict[str, float]:
    """Test error, its spread and the cosine of every row; how far both directions differ at the start."""
    found = means(runs)
    summary = {f"asymmetry_{ohm}": asymmetry(at(PLAIN, ohm, "ep")) for ohm in sense}
    for row in runs:
        summary |= {row: found[f"{row}_mean"], f"{row}_std": found[f"{row}_std"], f"{row}_val": found[f"{row}_val"]}
        summary[f"{row}_cosine"] = found[f"{row}_cosine"]
    return summary


def asymmetry(options: TrainOptions) -> float:
    """|W_b - W| / |W| of the weights between the hidden layers before training, seed 0."""
    weight = build_network(resolve(options), torch.Generator().manual_seed(0)).operators[1]
    return float((weight.reverse() - weight.matrix()).norm() / weight.matrix().norm())


if __name__ == "__main__":
    raise SystemExit(run(main, TerminalsOptions))
