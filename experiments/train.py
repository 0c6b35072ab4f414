"""Train an Equilibrium Propagation network on a photonic chip, crossbars or ideal weights; keep the run.

Expected (digits, device F with nudge A, default options): test error 2-4 %, under a minute on one core.
"""

from dataclasses import replace
from pathlib import Path

from ep_core import interchange
from ep_core.parallel import Workers, workers
from ep_core.weight import OutOfRangeError
from experiments.common import pictures
from experiments.common.build import Job, build
from experiments.common.evaluate import evaluate
from experiments.common.options import RUN_ONLY, TrainOptions
from experiments.common.progress import TrainingProgress
from experiments.common.resolve import resolve, resumed
from experiments.common.rundir import RunDirectory
from experiments.common.shell import run
from experiments.common.table import Bar, show, verdict

DIGITS_F = {"test_error": Bar(most=4.5), "cosine": Bar(least=0.8), "seconds": Bar(most=45)}


def main(options: TrainOptions) -> int:
    """Train, evaluate once, and leave everything in the run directory."""
    with workers() as team:
        summary = launch(options, team=team)
    if team.rank:
        return 0
    bars = DIGITS_F if _is_reference(options) else {}
    title = str(options.resume) if options.resume else f"{options.dataset or 'digits'}, {options.backend or 'photonic'}"
    return verdict(show(summary, bars, title), check=options.check)


def launch(options: TrainOptions, *, show: bool = True, team: Workers | None = None) -> dict[str, float]:
    """Do one run, new or resumed, with or without its progress on the terminal; returns its summary.

    Of a team of processes the first one writes, shows and evaluates; the others only train, and return nothing.
    """
    team = Workers() if team is None else team
    first = team.rank == 0
    if options.resume is None:
        full = resolve(options)
        job = build(full)
        if full.weights is not None:
            start_from(full.weights, job)
        folder = RunDirectory.create(full) if first else RunDirectory(None)
    else:
        folder, stored = RunDirectory.open(options.resume, writes=first)
        job = build(resumed(options, stored))
        folder.restore(job)
    team.total(0)  # all have read what there is before the first one writes
    if show and first:
        print(f"run: {folder.path}", flush=True)
    train(job, folder, team, show=show and first)
    if not first:
        return {}
    summary = evaluate(job, folder)
    folder.summarise(summary)
    pictures.draw_run(job, folder, summary)
    return summary


def start_from(weights: Path, job: Job) -> None:
    """Write first weights and biases from a file; ValueError or FileNotFoundError names the file and what is wrong."""
    try:
        interchange.put_(job.network, interchange.read(weights), job.generator)
    except OutOfRangeError as beyond:
        raise ValueError(f"{weights}: {beyond}; --std {beyond.factor:.3g} times as large widens the range") from beyond
    except ValueError as error:
        raise ValueError(f"{weights}: {error}") from error


def train(job: Job, folder: RunDirectory, team: Workers, *, show: bool) -> None:
    """Run the epochs that are missing."""
    options, done, ledger = job.options, len(folder.history), folder.ledger
    with TrainingProgress(job.updates, done * (job.updates // options.epochs), ledger, show=show) as progress:
        for epoch in job.fit(ledger, done, progress.update, team):
            folder.finished(job, epoch)
            progress.epoch(epoch, options.epochs)


def _is_reference(options: TrainOptions) -> bool:
    """Whether these are the default options, seed and bookkeeping apart."""
    own = {name: getattr(options, name) for name in ("seed", *RUN_ONLY)}
    stored = options if options.resume is None else RunDirectory.open(options.resume)[1]
    return resolve(replace(stored, **own)) == resolve(TrainOptions(**own))


if __name__ == "__main__":
    raise SystemExit(run(main, TrainOptions))
