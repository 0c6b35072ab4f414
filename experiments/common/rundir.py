"""A run's folder: config, metrics, checkpoints, summary. Every file is written whole or not at all."""

import csv
import io
import json
import statistics
from dataclasses import asdict
from itertools import pairwise
from pathlib import Path

from ep_core import Ledger, checkpoint
from ep_core.train import Epoch
from experiments.common.build import Job, build
from experiments.common.folder import new_folder, write_json, write_text
from experiments.common.options import TrainOptions
from experiments.common.provenance import MADE_BY, versions
from experiments.common.resolve import from_config, to_config

Row = dict[str, float | int]


class RunDirectory:
    """Keeps a run on disk so that it can be killed at any moment and go on.

    The last checkpoint holds the history; the metrics files are rendered from it, so they never run ahead.

    Attributes:
        path: the folder. history: one row an epoch. ledger: counts up to the last checkpoint.
        writes: whether this process keeps the files; of a team only one does.

    """

    def __init__(self, path: Path | None, *, writes: bool = True) -> None:
        self.path, self.writes = path, writes and path is not None
        self.history: list[Row] = []
        self.ledger = Ledger()

    @classmethod
    def create(cls, options: TrainOptions) -> "RunDirectory":
        """Make the folder and write config.json. ValueError if it is in use, OSError if it cannot be written."""
        path = new_folder(options.out, f"{options.dataset}-{options.backend}-seed{options.seed}")
        run = cls(path)
        write_json(path / "config.json", to_config(options) | {MADE_BY: versions()})
        return run

    @classmethod
    def open(cls, path: Path, *, writes: bool = True) -> tuple["RunDirectory", TrainOptions]:
        """Return an existing run and its options; FileNotFoundError or ValueError says what is wrong with it."""
        config = path / "config.json"
        if not config.is_file():
            raise FileNotFoundError(f"{path} is not a run: it has no config.json")
        try:
            return cls(path, writes=writes), from_config(json.loads(config.read_text()))
        except (UnicodeDecodeError, json.JSONDecodeError) as error:
            raise ValueError(f"{config} cannot be read ({error})") from error

    def load(self, job: Job) -> bool:
        """Put the last checkpoint's weights into the job's network; False where no epoch is finished."""
        if not self.last.exists():
            return False
        checkpoint.load_network(self.last, job.network)
        return True

    @property
    def last(self) -> Path:
        """Checkpoint of the last finished epoch."""
        return self.path / "last.safetensors"

    @property
    def seconds(self) -> float:
        """Time spent in the training loop so far, without validation and files."""
        return float(self.history[-1]["seconds"]) if self.history else 0.0

    @property
    def epoch_seconds(self) -> float:
        """Time of an epoch likewise: the median, for the first one may have to compile."""
        ends = [0.0, *(float(row["seconds"]) for row in self.history)]
        return statistics.median(after - before for before, after in pairwise(ends))

    @property
    def best_val_error(self) -> float:
        """Smallest validation error of the finished epochs [%]."""
        return min(float(row["val_error"]) for row in self.history)

    def restore(self, job: Job) -> None:
        """Put the last checkpoint, if any, into the job and cut the metrics back to it."""
        if not self.last.exists():
            return
        _, meta = checkpoint.read(self.last)
        if meta.get("config") != to_config(job.options):
            raise ValueError(f"{self.last} was written with other options than {self.path / 'config.json'}")
        checkpoint.load(self.last, job.network, job.updater, job.generator)
        self.history = meta["history"]  # pyright: ignore[reportAttributeAccessIssue]
        self.ledger = Ledger(**meta["ledger"])  # pyright: ignore[reportCallIssue]
        self._render()

    def finished(self, job: Job, epoch: Epoch) -> None:
        """Record an epoch: checkpoint first (last, and best by validation), then the metrics files."""
        best = not self.history or epoch.val_error < self.best_val_error
        self.history.append({**asdict(epoch), "seconds": self.seconds + epoch.seconds})
        if not self.writes:
            return
        meta: dict[str, object] = {
            "config": to_config(job.options),
            "history": self.history,
            "ledger": self.ledger.as_dict(),
        }
        if best:
            checkpoint.save(self.path / "best.safetensors", job.network, job.updater, job.generator, meta)
        checkpoint.save(self.last, job.network, job.updater, job.generator, meta)
        self._render()

    def summarise(self, summary: dict[str, float]) -> None:
        """Write summary.json: flat, name -> number."""
        write_json(self.path / "summary.json", summary)

    def _render(self) -> None:
        if not self.writes:
            return
        table = io.StringIO()
        writer = csv.DictWriter(table, list(self.history[0]))
        writer.writeheader()
        writer.writerows(self.history)
        write_text(self.path / "metrics.csv", table.getvalue())
        write_text(self.path / "metrics.jsonl", "".join(json.dumps(row) + "\n" for row in self.history))


def rebuilt(path: Path) -> tuple[RunDirectory, Job]:
    """A run with its last weights, to look at: nothing is written."""
    folder, options = RunDirectory.open(path, writes=False)
    job = build(options)
    folder.restore(job)
    return folder, job
