"""Train an Equilibrium Propagation network on a photonic chip (or on ideal weights) and keep the run.

Expected (digits, device F with nudge A, default options): test error 2-4 %, under a minute on one core.
"""

import time
from dataclasses import replace

import torch

from ep_core.adjoint import adjoint_gradient, compare
from ep_core.loss import one_hot
from ep_core.network import Network
from ep_core.relax import GaussSeidel, relax
from ep_core.train import error
from experiments.common import controls, pictures
from experiments.common.build import Job, build, build_network
from experiments.common.options import TrainOptions, resolve, resumed
from experiments.common.progress import TrainingProgress
from experiments.common.rundir import RunDirectory
from experiments.common.shell import run
from experiments.common.table import Bar, show, verdict

DIGITS_F = {"test_error": Bar(most=4.5), "cosine": Bar(least=0.8), "seconds": Bar(most=45)}


def main(options: TrainOptions) -> int:
    """Train, evaluate once, and leave everything in the run directory."""
    if options.resume is None:
        full = resolve(options)
        job = build(full)
        folder = RunDirectory.create(full)
    else:
        folder, stored = RunDirectory.open(options.resume)
        full = resumed(options, stored)
        job = build(full)
        folder.restore(job)
    print(f"run: {folder.path}", flush=True)
    train(job, folder)
    summary = evaluate(job, folder)
    folder.summarise(summary)
    pictures.draw_run(job, folder, summary)
    bars = DIGITS_F if _is_reference(full) else {}
    return verdict(show(summary, bars, f"{full.dataset}, {full.backend}"), check=options.check)


def train(job: Job, folder: RunDirectory) -> None:
    """Run the epochs that are missing."""
    options, done, ledger = job.options, len(folder.history), folder.ledger
    before, start = folder.seconds, time.perf_counter()
    with TrainingProgress(job.updates, done * (job.updates // options.epochs), ledger) as progress:
        for epoch in job.fit(ledger, done, progress.update):
            folder.finished(job, epoch, before + time.perf_counter() - start)
            progress.epoch(epoch, options.epochs)


def evaluate(job: Job, folder: RunDirectory) -> dict[str, float]:
    """Look at the test set, once; run the controls."""
    ledger, data = folder.ledger, job.data
    summary: dict[str, float] = {
        "test_error": error(job.network, data.test, job.estimator.free),
        "train_error": error(job.network, data.train, job.estimator.free),
        "best_val_error": folder.best_val_error,
        "seconds": folder.seconds,
        "epochs": len(folder.history),
        "steps_mean": ledger.sweeps / max(1, ledger.relaxations),
        "reads": ledger.reads,
        "nonconverged": 100 * ledger.nonconverged / max(1, ledger.samples),
        "cosine": cosine(job),
        "seed": job.options.seed,
    }
    if job.options.controls:
        summary["logistic_error"] = controls.logistic_error(data)
        summary["frozen_error"] = controls.frozen_error(job.options, data)
    return summary


def cosine(job: Job, samples: int = 500) -> float:
    """Cosine of the estimate with the exact gradient of the true device, over all parameters, on validation data.

    The estimate is the one that trains: its nudge, levels and phase gradient. The exact one is the adjoint at the
    converged fixed point of continuous states, pulled back by the oracle.
    """
    x = job.data.validation.x[:samples]
    target = one_hot(job.data.validation.labels[:samples], job.data.classes, x.dtype)
    estimate = job.estimator(job.network, x, target, torch.Generator().manual_seed(job.options.seed))
    exact = _exact_copy(job)
    state = relax(exact, x, GaussSeidel(steps=500, tolerance=1e-6)).state
    return compare(estimate.gradients, adjoint_gradient(exact, x, target, state, job.estimator.loss))[1]


def _exact_copy(job: Job) -> Network:
    gradient = None if job.options.gradient is None else "oracle"
    options = replace(job.options, state_bits=0, gradient=gradient)
    network = build_network(options, torch.Generator().manual_seed(options.seed))
    network.load_state_dict(job.network.state_dict())
    return network


def _is_reference(options: TrainOptions) -> bool:
    """Whether these are the default options, seed and bookkeeping apart."""
    return options == replace(
        resolve(TrainOptions()),
        seed=options.seed,
        out=options.out,
        resume=options.resume,
        controls=options.controls,
        check=options.check,
    )


if __name__ == "__main__":
    raise SystemExit(run(main, TrainOptions))
