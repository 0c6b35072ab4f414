"""What a finished run is worth: errors, the quality of its gradient, and the controls beside it."""

import math
from dataclasses import replace

import torch

from ep_core.adjoint import adjoint_gradient, compare
from ep_core.loss import one_hot
from ep_core.network import Network
from ep_core.relax import settle
from ep_core.solvers import GaussSeidel
from ep_core.train import error, predict
from experiments.common import controls
from experiments.common.build import Job, build_network
from experiments.common.rundir import RunDirectory


def evaluate(job: Job, folder: RunDirectory) -> dict[str, float]:
    """Look at the test set, once; run the controls."""
    ledger, data, options = folder.ledger, job.data, job.options
    predicted = predict(job.network, data.test, job.estimator)
    summary: dict[str, float] = {
        "test_error": 100 * float((predicted != data.test.labels).double().mean()),
        "train_error": error(job.network, data.train, job.estimator),
        "best_val_error": folder.best_val_error,
        "seconds": folder.seconds,
        "epoch_seconds": folder.epoch_seconds,
        "epochs": len(folder.history),
        "steps_mean": ledger.sweeps / max(1, ledger.relaxations),
        "reads": ledger.reads,
        "pulses": ledger.pulses,
        "nonconverged": 100 * ledger.nonconverged / max(1, ledger.samples),
        "nonconverged_free": float(folder.history[-1]["nonconverged"]),
    }
    if options.estimator != "backpropagation":
        summary["cosine"], summary["cosine_pooled"] = cosines(job)
    summary |= {"classes_never_predicted": data.classes - len(predicted.unique()), "seed": options.seed}
    if options.controls:
        summary["logistic_error"] = controls.logistic_error(data)
        summary["backpropagation_error"] = controls.backpropagation_error(options, data)
        if options.net != "hopfield" and options.lr[-1] > 0:
            summary["frozen_error"] = controls.frozen_error(options, data)
    return summary


def cosines(job: Job, samples: int = 500) -> tuple[float, float]:
    """Cosine of the estimate with the exact gradient of the true device, over all parameters, on validation data.

    The estimate is the one that trains: its nudge, levels and phase gradient. The exact one is the adjoint at the
    converged fixed points of continuous states, differentiated through the true device; samples that have none are left
    out. Returns the mean over batches of the run's
    own size, which is what an update sees, and the cosine of the gradients of all samples pooled: their sum is small
    at the end of training, so it shows the bias of the estimate most.
    """
    exact, damping = _exact_copy(job), job.options.damping or 1.0
    solver = GaussSeidel(steps=1000, tolerance=1e-6, damping=damping)
    source = torch.Generator().manual_seed(job.options.seed)
    validation, loss = job.data.validation, job.estimator.loss
    pairs = []
    for index in torch.arange(min(samples, len(validation))).split(job.options.batch):
        x, target = validation.x[index], one_hot(validation.labels[index], job.data.classes, validation.x.dtype)
        free = settle(exact, exact.clamp(x), solver)
        x, target = x[free.converged], target[free.converged]
        if len(x):
            state = tuple(s[free.converged] for s in free.state)
            reference = adjoint_gradient(exact, x, target, state, loss, tolerance=1e-6, damping=damping)
            pairs.append((job.estimator(job.network, x, target, source).gradients, reference, len(x)))
    if not pairs:
        return math.nan, math.nan
    mean = sum(compare(a, b)[1] for a, b, _ in pairs) / len(pairs)
    pooled = [{name: sum(pair[side][name] * pair[2] for pair in pairs) for name in pairs[0][0]} for side in (0, 1)]
    return mean, compare(*pooled)[1]


def _exact_copy(job: Job) -> Network:
    gradient = None if job.options.gradient is None else "oracle"
    options = replace(job.options, state_bits=0, gradient=gradient)
    network = build_network(options, torch.Generator().manual_seed(options.seed))
    network.load_state_dict(job.network.state_dict())
    return network
