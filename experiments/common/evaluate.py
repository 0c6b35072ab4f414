"""What a finished run is worth: errors, the quality of its gradient, and the controls beside it."""

from dataclasses import replace

import torch

from ep_core.adjoint import adjoint_gradient, compare
from ep_core.loss import one_hot
from ep_core.network import Network
from ep_core.relax import GaussSeidel, relax
from ep_core.train import error, predict
from experiments.common import controls
from experiments.common.build import Job, build_network
from experiments.common.rundir import RunDirectory


def evaluate(job: Job, folder: RunDirectory) -> dict[str, float]:
    """Look at the test set, once; run the controls."""
    ledger, data = folder.ledger, job.data
    predicted = predict(job.network, data.test, job.estimator.free)
    summary: dict[str, float] = {
        "test_error": 100 * float((predicted != data.test.labels).double().mean()),
        "train_error": error(job.network, data.train, job.estimator.free),
        "best_val_error": folder.best_val_error,
        "seconds": folder.seconds,
        "epochs": len(folder.history),
        "steps_mean": ledger.sweeps / max(1, ledger.relaxations),
        "reads": ledger.reads,
        "nonconverged": 100 * ledger.nonconverged / max(1, ledger.samples),
        "cosine": cosine(job),
        "classes_never_predicted": data.classes - len(predicted.unique()),
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
