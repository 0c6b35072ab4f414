"""Several kinds of runs with several seeds each, at the same time, in one folder that can be gone on with."""

import json
import statistics
from dataclasses import replace
from pathlib import Path

from joblib import Parallel, delayed
from rich.progress import track

from experiments import train
from experiments.common.folder import begun, finished
from experiments.common.options import TrainOptions
from experiments.common.provenance import MADE_BY
from experiments.common.resolve import resolve, to_config

Results = list[dict[str, float]]


def run_rows(recipes: dict[str, TrainOptions], *, seeds: int, jobs: int, folder: Path) -> dict[str, Results]:
    """Train every row with seeds 0, 1, ..; summaries by row. Finished runs are read, interrupted ones go on.

    Raises ValueError where a run in the folder was made with other options.
    """
    tasks = [(row, seed) for row in recipes for seed in range(seeds)]
    wanted = [replace(recipes[row], seed=seed, out=folder / f"{row}-seed{seed}") for row, seed in tasks]
    for options in wanted:
        _require_same(options)
    calls = (delayed(_one)(options) for options in wanted)
    work = Parallel(n_jobs=jobs, return_as="generator")(calls)
    runs: dict[str, Results] = {row: [] for row in recipes}
    for (row, _), result in zip(tasks, track(work, "training", total=len(tasks)), strict=True):
        runs[row].append(result)
    return runs


def _require_same(options: TrainOptions) -> None:
    """ValueError if the folder of a run holds one with other options, its data's folder apart."""
    path, full = options.out / "config.json", to_config(resolve(options))
    if not path.exists():
        return
    stored = json.loads(path.read_text())
    names = (full.keys() | stored.keys()) - {MADE_BY}
    differ = sorted(name for name in names if full.get(name) != stored.get(name))
    if [name for name in differ if name != "data_dir"]:
        raise ValueError(f"{options.out} holds a run with other {', '.join(differ)}: choose another --out")


def _one(options: TrainOptions) -> dict[str, float]:
    out = options.out
    done = finished(out)
    if done is not None:
        return done
    if begun(out):
        return train.launch(TrainOptions(resume=out, controls=options.controls), show=False)
    return train.launch(options, show=False)


def means(runs: dict[str, Results]) -> dict[str, float]:
    """Of every row: test error with its spread over the seeds, validation error, cosine [%], the slowest, seconds."""
    summary: dict[str, float] = {}
    for row, results in runs.items():
        errors = [result["test_error"] for result in results]
        summary[f"{row}_mean"] = statistics.mean(errors)
        summary[f"{row}_std"] = statistics.stdev(errors) if len(errors) > 1 else 0.0
        summary[f"{row}_val"] = statistics.mean(result["best_val_error"] for result in results)
        if "cosine" in results[0]:
            summary[f"{row}_cosine"] = statistics.mean(result["cosine"] for result in results)
        summary[f"{row}_nonconverged_max"] = max(result["nonconverged_free"] for result in results)
        summary[f"{row}_seconds"] = statistics.mean(result["seconds"] for result in results)
    return summary
