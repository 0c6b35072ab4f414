"""The main job over several seeds, on ideal weights and on the chip: means, spread, controls, one figure.

Expected (digits, seeds 0-4): photonic mean test error <= 3.3 %, ideal <= 2.8 %, within .8 points; about 4 minutes.
"""

import statistics
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from experiments.common.folder import begun_or_new, write_config, write_json
from experiments.common.options import TrainOptions
from experiments.common.pictures import save, seed_strip
from experiments.common.rows import Results, run_rows
from experiments.common.shell import run
from experiments.common.table import Bar, show, verdict

BACKENDS: tuple[Literal["ideal", "photonic"], ...] = ("ideal", "photonic")
BARS = {
    "photonic_mean": Bar(most=3.3),
    "photonic_max": Bar(most=4.5),
    "ideal_mean": Bar(most=2.8),
    "gap": Bar(most=0.8),
    "cosine_min": Bar(least=0.8),
    "photonic_seconds_max": Bar(most=45),
    "classes_never_predicted": Bar(most=0),
}


@dataclass(frozen=True, kw_only=True)
class SeedsOptions:
    """Train with several seeds on both backends and compare; everything else is the main job's default. A folder with
    some of the runs is gone on with.
    """

    dataset: Literal["digits", "mnist"] = "digits"
    """Data set of all runs."""
    data_dir: Path = Path("data")
    """Folder with MNIST/raw/*-ubyte[.gz]."""
    seeds: int = 5
    """Seeds 0, 1, ..."""
    jobs: int = 2
    """Runs at the same time."""
    out: Path | None = None
    """Folder for the runs, the figure and summary.json (default: a new one under runs/)."""
    check: bool = False
    """Exit with 1 if a bar is missed (the bars are those of digits)."""


def main(options: SeedsOptions) -> int:
    """Train all, tabulate, draw."""
    if options.seeds < 1 or options.jobs < 1:
        raise ValueError(f"--seeds and --jobs must be at least 1, not {options.seeds} and {options.jobs}")
    folder = begun_or_new(options.out, f"seeds-{options.dataset}")
    write_config(folder, options, {"dataset": options.dataset, "seeds": options.seeds})
    runs = run_rows(recipes(options), seeds=options.seeds, jobs=options.jobs, folder=folder)
    summary = summarise(runs)
    write_json(folder / "summary.json", summary)
    save(seed_strip(runs, summary, options.dataset), folder / "seeds.png")
    bars = BARS if options.dataset == "digits" else {}
    print(f"runs: {folder}")
    return verdict(show(summary, bars, f"{options.dataset}, {options.seeds} seeds"), check=options.check)


def recipes(options: SeedsOptions) -> dict[str, TrainOptions]:
    """The main job on both backends."""
    own = TrainOptions(dataset=options.dataset, data_dir=options.data_dir)
    return {backend: replace(own, backend=backend) for backend in BACKENDS}


def summarise(runs: dict[str, Results]) -> dict[str, float]:
    """Return means and spreads over the seeds; errors in percent."""
    summary: dict[str, float] = {}
    for backend, rows in runs.items():
        errors = [row["test_error"] for row in rows]
        summary[f"{backend}_mean"] = statistics.mean(errors)
        summary[f"{backend}_std"] = statistics.stdev(errors) if len(errors) > 1 else 0.0
        summary[f"{backend}_max"] = max(errors)
        summary[f"{backend}_best_val_mean"] = statistics.mean(row["best_val_error"] for row in rows)
        summary[f"{backend}_cosine_mean"] = statistics.mean(row["cosine"] for row in rows)
        summary[f"{backend}_cosine_pooled_mean"] = statistics.mean(row["cosine_pooled"] for row in rows)
        summary[f"{backend}_frozen_mean"] = statistics.mean(row["frozen_error"] for row in rows)
        summary[f"{backend}_seconds_max"] = max(row["seconds"] for row in rows)
    everything = [row for rows in runs.values() for row in rows]
    return summary | {
        "gap": summary["photonic_mean"] - summary["ideal_mean"],
        "cosine_min": min(row["cosine"] for row in runs["photonic"]),
        "classes_never_predicted": max(row["classes_never_predicted"] for row in everything),
        "logistic_error": everything[0]["logistic_error"],
    }


if __name__ == "__main__":
    raise SystemExit(run(main, SeedsOptions))
