"""Rows of trainings of Ising machines: their data, runs one after the other with progress, means, and a picture."""

import json
import statistics
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Literal, TypeVar

from matplotlib.figure import Figure
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from ep_core import data as datasets
from ep_core.data import Dataset
from ep_core.ising_fit import IsingEpoch
from experiments.common.ising import IsingRun, few_of, whole
from experiments.common.ising_recipe import NOISE, Recipe
from experiments.common.provenance import MADE_BY

PAPER = "the paper, on its 100 test images: 88.8 +- 1.5 % (second-hand); logistic regression, another fit: 86.85 %"
LINES = (
    ("mesh", "mean of 5 reads", "C0"),
    ("single", "one read", "C1"),
    ("noisy", "one read, ideal couplings, last weights", "C2"),
)
T = TypeVar("T")
Results = list[dict[str, float]]


def load(dataset: Literal["digits", "mnist"] | None, folder: Path | None) -> tuple[str, Dataset]:
    """Return the name and the data: MNIST's first 100 images a class; where none is asked for or found, digits."""
    if dataset == "digits":
        return "digits", datasets.digits()
    try:
        return "mnist", datasets.few_mnist(Path("data") if folder is None else folder)
    except FileNotFoundError:
        if dataset == "mnist" or folder is not None:
            raise
        return "digits", datasets.digits()


def config(options: Any) -> dict[str, object]:  # noqa: ANN401
    """Options as config.json keeps them."""
    plain = {name: value for name, value in asdict(options).items() if name not in ("out", "resume", "check")}
    return {name: str(value) if isinstance(value, Path) else value for name, value in plain.items()}


def resumed(options: T, folder: Path) -> T:
    """Return the options that a run began with; ValueError where others are asked for, its data's folder apart."""
    try:
        kept = json.loads((folder / "config.json").read_text())
    except FileNotFoundError as error:
        raise FileNotFoundError(f"{folder} is not a run: it has no config.json") from error
    except ValueError as error:
        raise ValueError(f"{folder / 'config.json'} cannot be read ({error})") from error
    kept.pop(MADE_BY, None)
    asked, plain = json.loads(json.dumps(config(options))), json.loads(json.dumps(config(type(options)())))
    if kept.keys() != plain.keys():
        raise ValueError(f"{folder / 'config.json'} is not that of a run of this script")
    for name, value in asked.items():
        if name == "data_dir" and value is not None:
            kept[name] = value
        elif value not in (plain[name], kept[name]):
            raise ValueError(f"a resumed run keeps its options: {name} is {kept[name]}, not {value}")
    kept["data_dir"] = None if kept["data_dir"] is None else Path(kept["data_dir"])
    own = {name: tuple(value) if isinstance(value, list) else value for name, value in kept.items()}
    return replace(options, **own)


def run_all(rows: Mapping[str, tuple[Recipe, Dataset]], seeds: Sequence[int], folder: Path) -> dict[str, Results]:
    """Train what is missing of every row with every seed; results by row."""
    total = sum(recipe.epochs for recipe, _ in rows.values()) * len(seeds)
    found: dict[str, Results] = {name: [] for name in rows}
    with Shown(total) as shown:
        for name, (recipe, data) in rows.items():
            for seed in seeds:
                path = folder / f"{name or 'ising'}-seed{seed}"
                shown.begin(path.name, recipe.epochs)
                job = IsingRun(recipe, data, seed, path)
                shown.skip(len(job.history))
                job.train(shown.epoch)
                found[name].append(job.result())
    return found


class Shown:
    """A bar over the epochs of all trainings on a terminal, a line an epoch elsewhere; says where learning stopped."""

    def __init__(self, total: int) -> None:
        self.console, self.row, self.epochs = Console(), "", 0
        columns = (TextColumn("training"), BarColumn(None), MofNCompleteColumn(), TextColumn("{task.fields[note]}"))
        self.progress = Progress(
            *columns, TimeRemainingColumn(), console=self.console, disable=not self.console.is_terminal
        )
        self.task = self.progress.add_task("training", total=total, note="")

    def __enter__(self) -> "Shown":
        self.progress.start()
        return self

    def __exit__(self, *raised: object) -> None:
        self.progress.stop()

    def begin(self, row: str, epochs: int) -> None:
        """A training begins."""
        self.row, self.epochs = row, epochs

    def skip(self, epochs: int) -> None:
        """So many of its epochs were finished before."""
        self.progress.advance(self.task, epochs)

    def epoch(self, epoch: IsingEpoch) -> None:
        """Show a finished epoch."""
        note = f"{self.row}  validation {100 - epoch.val_error:.2f} %  flips {epoch.flips:.1f} an update"
        self.progress.update(self.task, advance=1, note=note)
        if not self.console.is_terminal:
            train = f"train {100 - epoch.train_error:.2f} %"
            print(f"{self.row}  epoch {epoch.epoch}/{self.epochs}  {train}  {note[len(self.row) + 2 :]}", flush=True)
        if epoch.stopped:
            self.console.print(
                f"{self.row}: learning has stopped in epoch {epoch.epoch}: {epoch.flips_nudged:.2g} spins flip between "
                f"the phases of a nudged sample; {epoch.train_error:.3g} % of the samples are wrong"
            )


def means(runs: Mapping[str, Results]) -> dict[str, float]:
    """Means and spreads over the seeds, as ROW_NAME (the first row's without a prefix); trainings that stopped."""
    summary: dict[str, float] = {}
    for row, results in runs.items():
        prefix = f"{row}_" if row else ""
        for name in results[0]:
            values = [result[name] for result in results]
            if name.startswith(("joules", "seconds_")) and row:
                continue
            if name == "stopped":
                summary[name] = summary.get(name, 0) + sum(values)
                continue
            summary[f"{prefix}{name}"] = statistics.mean(values)
            if name in ("test_100", "test_10k", "test") and len(values) > 1:
                summary[f"{prefix}{name}_std"] = statistics.stdev(values)
    return summary


def logistic(data: Dataset) -> dict[str, float]:
    """Percent correct of logistic regression on the same images."""
    model = LogisticRegression(max_iter=200)
    x, labels = data.test.x.double().numpy(), data.test.labels.numpy()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(data.train.x.double().numpy(), data.train.labels.numpy())
    few = few_of(data.test)
    return {
        f"logistic_{whole(data)}": 100 * float(model.score(x, labels)),
        "logistic_test_100": 100 * float(model.score(x[few], labels[few])),
    }


def noise_picture(runs: Mapping[str, Results], summary: Mapping[str, float], key: str) -> Figure:
    """Test images answered rightly (`key`) against the noise of reads, with each seed; annealing as levels."""
    figure = Figure(figsize=(6.4, 4.2), layout="constrained")
    axes = figure.subplots()
    for row, label, color in LINES:
        at = {phi: [result[key] for result in runs[f"{row}_{phi}"]] for phi in NOISE}
        axes.plot(NOISE, [statistics.mean(values) for values in at.values()], color=color, label=f"{label}, constant")
        for phi, values in at.items():
            axes.plot([phi] * len(values), values, "o", color=color, alpha=0.5)
        annealed = summary[f"{row}_{key}"]
        axes.axhline(annealed, color=color, linestyle="--", label=f"{label}, annealed: {annealed:.1f}")
    for name, label, style in ((key, "heat bath, 5 reads", "-"), (f"logistic_{key}", "logistic regression", ":")):
        axes.axhline(summary[name], color="0.4", linestyle=style, label=f"{label}: {summary[name]:.1f}")
    axes.set(xlabel="noise of a read, phi [drives]", ylabel="test images right [%]", title="The mesh as Ising machine")
    axes.margins(y=0.1)
    axes.legend(fontsize="small")
    return figure
