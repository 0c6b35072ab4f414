"""Learning without weight symmetry: how EP's gradient fails as backward weights turn away, and three cures.

Expected: the first layer's cosine falls as cos^2 of the angle (two hidden layers), AsymEP's stays at 1; trained from 90
degrees, plain EP loses 5 points on digits, homeostasis most of that, AsymEP none. Digits: 10 minutes on 2 cores.
"""

import math
import statistics
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import torch
from joblib import Parallel, delayed
from rich.progress import track

from ep_core import AsymEP, HolomorphicField, Nudging, VectorField
from ep_core import data as datasets
from ep_core.data import Split
from experiments.common import untied
from experiments.common.folder import new_folder, write_config, write_json
from experiments.common.pictures import homeostasis_picture, save
from experiments.common.shell import run
from experiments.common.table import Bar, show, verdict

SETTINGS = {"digits": (1294, 20, 20), "mnist": (10_000, 5, 50)}  # images, epochs, batch
BARS = {
    **{f"cosine_gap_{angle}": Bar(most=0.08) for angle in untied.ANGLES},
    **{f"asymep_cosine_{angle}": Bar(least=0.999) for angle in untied.ANGLES},
    **{f"asymep_error_{angle}": Bar(most=5e-3) for angle in untied.ANGLES},
    "adjoint_minus_asymep": Bar(most=1.5),
    "asymep_minus_ep": Bar(least=2.0),
    "homeostasis_minus_ep": Bar(least=1.5),
    "homeostasis_cosine_min": Bar(least=0.95),
    "seconds_max": Bar(most=180),
}
ESTIMATORS: dict[str, Nudging] = {
    **{f"n{n}": HolomorphicField(beta=0.05, count=n, free=untied.EXACT, nudged=untied.EXACT) for n in (2, 4, 6)},
    "ep": VectorField(beta=0.05, free=untied.EXACT, nudged=untied.EXACT),
    "asymep": AsymEP(beta=0.05, free=untied.EXACT, nudged=untied.EXACT),
}


@dataclass(frozen=True, kw_only=True)
class HomeostasisOptions:
    """Align estimators with the adjoint at seven angles, then train from 90 degrees with each method and seed."""

    dataset: Literal["digits", "mnist"] = "digits"
    """digits, or the first 10,000 images of MNIST."""
    data_dir: Path = Path("data")
    """Folder with MNIST/raw/*-ubyte[.gz]."""
    seeds: int = 3
    """Seeds 0, 1, ... of the trainings."""
    samples: int = 60
    """Validation samples whose gradients are compared."""
    jobs: int = 2
    """Trainings at the same time."""
    out: Path | None = None
    """Folder for the figure and summary.json (default: a new one under runs/)."""
    check: bool = False
    """Exit with 1 if a bar is missed."""


def main(options: HomeostasisOptions) -> int:
    """Align, train, tabulate, draw."""
    if min(options.seeds, options.jobs, options.samples) < 1:
        raise ValueError("--seeds, --jobs and --samples must be at least 1")
    images, epochs, batch = SETTINGS[options.dataset]
    data = datasets.digits() if options.dataset == "digits" else datasets.mnist(options.data_dir)
    data = untied.subset(data, images)
    folder = new_folder(options.out, f"homeostasis-{options.dataset}")
    write_config(folder, options, {k: str(v) for k, v in asdict(options).items() if k not in ("out", "check")})
    split = Split(data.validation.x[: options.samples].double(), data.validation.labels[: options.samples])
    aligned = {angle: align(angle, split) for angle in track(untied.ANGLES, "alignment")}
    tasks = [(method, seed) for method in untied.METHODS for seed in range(options.seeds)]
    work = Parallel(n_jobs=options.jobs, return_as="generator")(
        delayed(untied.train)(method, seed, data, epochs=epochs, batch=batch) for method, seed in tasks
    )
    done = list(track(work, "training", total=len(tasks)))
    trained = {m: [run for (method, _), run in zip(tasks, done, strict=True) if method == m] for m in untied.METHODS}
    summary = summarise(aligned, trained)
    write_json(folder / "summary.json", summary)
    save(homeostasis_picture(aligned, trained, options.dataset), folder / "homeostasis.png")
    return verdict(show(summary, BARS, f"{options.dataset}, weights without symmetry -> {folder}"), check=options.check)


def align(angle: float, split: Split) -> dict[str, untied.Alignment]:
    """Every estimator at one angle, on one network with two hidden layers."""
    source = torch.Generator().manual_seed(0)
    net = untied.network(split.x.shape[1], 2, angle, source, torch.float64)
    return {name: untied.alignment(net, split, estimator) for name, estimator in ESTIMATORS.items()}


def summarise(
    aligned: dict[float, dict[str, untied.Alignment]], trained: dict[str, list[untied.Trained]]
) -> dict[str, float]:
    """Flat numbers: cosines, errors and converged fractions an angle; accuracies [%] with spread a method."""
    summary: dict[str, float] = {}
    for angle, found in aligned.items():
        for name, one in found.items():
            summary |= {f"{name}_cosine_{angle}": one.cosine, f"{name}_error_{angle}": one.error}
        summary[f"cosine_gap_{angle}"] = abs(found["ep"].cosine - math.cos(math.radians(angle)) ** 2)
        summary[f"converged_{angle}"] = min(one.converged for one in found.values())
    for method, runs in trained.items():
        accuracies = [one.test for one in runs]
        summary[f"{method}_test"] = statistics.mean(accuracies)
        summary[f"{method}_test_std"] = statistics.stdev(accuracies) if len(runs) > 1 else 0.0
        summary[f"{method}_train"] = statistics.mean(one.train for one in runs)
        summary[f"{method}_cosine_min"] = min(one.cosine for one in runs)
        summary[f"{method}_asymmetry"] = statistics.mean(one.asymmetry for one in runs)
        summary[f"{method}_converged"] = min(one.converged for one in runs)
    summary["adjoint_minus_asymep"] = summary["adjoint_test"] - summary["asymep_test"]
    summary["asymep_minus_ep"] = summary["asymep_test"] - summary["ep_test"]
    summary["homeostasis_minus_ep"] = summary["homeostasis_test"] - summary["ep_test"]
    return summary | {"seconds_max": max(one.seconds for runs in trained.values() for one in runs)}


if __name__ == "__main__":
    raise SystemExit(run(main, HomeostasisOptions))
