"""Runs that differ by seed only, as one; what differs between those; the shortest command that makes a run again."""

import math
import shlex
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

from experiments.common.options import RUN_ONLY, TrainOptions
from experiments.common.provenance import words
from experiments.common.report.collect import Trained
from experiments.common.resolve import flag, resolve

SHOWN = ("test_error", "best_val_error", "train_error", "cosine", "seconds", "epochs", "reads", "pulses")


@dataclass(frozen=True, kw_only=True)
class Spread:
    """A number over the seeds: mean, sample standard deviation (NaN for one), count."""

    mean: float
    std: float
    count: int

    @classmethod
    def of(cls, values: list[float]) -> "Spread":
        """Of these values."""
        std = statistics.stdev(values) if len(values) > 1 else math.nan
        return cls(mean=statistics.fmean(values), std=std, count=len(values))


@dataclass(frozen=True, kw_only=True)
class Group:
    """Runs with the same options, seeds apart.

    Attributes:
        label: what tells it from the others. runs: by seed. asked: options that its command gives.

    """

    label: str
    runs: list[Trained]
    asked: TrainOptions

    @property
    def options(self) -> TrainOptions:
        """Resolved options, the first run's seed included."""
        return self.runs[0].options

    def values(self, name: str) -> list[float]:
        """One number of the summaries, of the runs that have it."""
        return [run.folder.summary[name] for run in self.runs if name in run.folder.summary]

    def spread(self, name: str) -> Spread | None:
        """Its mean and spread; None where no run has it."""
        values = self.values(name)
        return Spread.of(values) if values else None

    @property
    def commands(self) -> list[str]:
        """One command a run."""
        return [_command(replace(self.asked, seed=run.options.seed or None), run) for run in self.runs]


def _command(asked: TrainOptions, run: Trained) -> str:
    plain = replace(asked, controls="logistic_error" in run.folder.summary)
    return shlex.join(["python", "experiments/train.py", *words(plain)])


def grouped(runs: list[Trained]) -> list[Group]:
    """Group by options, in the order of the runs; name each group by what was asked for otherwise than in others."""
    found: dict[TrainOptions, list[Trained]] = {}
    for run in runs:
        found.setdefault(replace(run.options, seed=0), []).append(run)
    for own in found.values():
        own.sort(key=lambda run: run.options.seed)
    asked = [shortest(options) for options in found]
    chosen = differing(asked)
    labels = [_label(options, mine, chosen) for options, mine in zip(found, asked, strict=True)]
    kinds = [name for name in chosen if any(isinstance(getattr(options, name), str) for options in found)]
    short = [_label(options, mine, kinds) for options, mine in zip(found, asked, strict=True)]
    labels = short if len(set(short)) == len(short) else labels
    return [
        Group(label=label if labels.count(label) == 1 else f"{label} ({own[0].folder.path.name})", runs=own, asked=mine)
        for label, own, mine in zip(labels, found.values(), asked, strict=True)
    ]


def shortest(options: TrainOptions) -> TrainOptions:
    """Return a few options that become these resolved ones: those that can be left out, one by one, are."""
    kept = options
    for field in fields(TrainOptions):
        if field.name not in RUN_ONLY and getattr(kept, field.name) != field.default:
            trial = replace(kept, **{field.name: field.default})
            kept = trial if _becomes(trial, options) else kept
    return kept


def _becomes(trial: TrainOptions, wanted: TrainOptions) -> bool:
    try:
        return resolve(trial) == wanted
    except ValueError:
        return False


def differing(every: list[TrainOptions]) -> list[str]:
    """Names of the options that are not the same in all, seeds and bookkeeping apart."""
    names = [field.name for field in fields(TrainOptions) if field.name not in (*RUN_ONLY, "seed")]
    return [name for name in names if len({getattr(options, name) for options in every}) > 1]


def _label(options: TrainOptions, asked: TrainOptions, chosen: list[str]) -> str:
    """Say what was asked for, and what kinds of things were settled; where that is nothing, all that differs."""
    settled = {name: getattr(options, name) for name in chosen if getattr(options, name) is not None}
    given = [name for name in settled if not any(getattr(asked, name) is nothing for nothing in (None, False))]
    own = [name for name, value in settled.items() if isinstance(value, str) or name in given]
    told = [(name, settled[name]) for name in own or settled]
    parts = [value if isinstance(value, str) else f"{name.replace('_', ' ')} {shown(value)}" for name, value in told]
    return ", ".join(parts) or f"{options.dataset}, {options.backend}"


def shown(value: object) -> str:
    """An option's value in words."""
    if isinstance(value, tuple | list):
        return " ".join(shown(part) for part in value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "-" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def table(names: Sequence[str], groups: Sequence[Group]) -> list[tuple[str, list[str]]]:
    """Rows of a table of options: each one's spelling, and its value in every group."""
    return [(flag(name), [shown(getattr(group.options, name)) for group in groups]) for name in names]
