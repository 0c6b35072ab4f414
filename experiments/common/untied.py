"""Networks whose backward weights are turned away from the forward ones: how estimators align, how they train."""

import math
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor

from ep_core import (
    Adjoint,
    AsymEP,
    DenseWeight,
    Estimator,
    GaussSeidel,
    HolomorphicField,
    Network,
    Paired,
    Sigmoid,
    SquaredError,
    Updater,
    VectorField,
    adjoint_gradient,
    fit,
    one_hot,
)
from ep_core.data import Dataset, Split
from ep_core.homeostasis import Homeostatic, asymmetry
from ep_core.train import cosine, error

ANGLES = (0, 15, 30, 45, 60, 75, 90)
WIDTH = 128
EXACT = GaussSeidel(steps=500, tolerance=1e-10)
COARSE = GaussSeidel(steps=40, tolerance=1e-4)
BRIEF = GaussSeidel(steps=20, tolerance=1e-4)
DEPTH, RATE, BETA = 3, 1e-3, 0.05  # hidden layers, learning rate (Adam) and nudge of the trainings
STRENGTH = 10.0  # of homeostasis beside the cost
METHODS = ("ep", "homeostasis", "homeostasis4", "homeostasis6", "asymep", "adjoint")


def turned(w: Tensor, degrees: float, source: torch.Generator) -> Tensor:
    """A random matrix of the same norm, at this angle from w (Frobenius)."""
    other = torch.randn(w.shape, generator=source, dtype=w.dtype)
    other -= (other * w).sum() / (w * w).sum() * w
    turn = math.radians(degrees)
    return math.cos(turn) * w + math.sin(turn) * w.norm() / other.norm() * other


def network(features: int, depth: int, degrees: float, source: torch.Generator, dtype: torch.dtype) -> Network:
    """Sigmoids, `depth` hidden layers of 128; weights of standard deviation .5 / sqrt(fan-in): contractive."""

    def make(post: int, pre: int) -> Paired | DenseWeight:
        forward = DenseWeight(post, pre, std=0.5 / pre**0.5, generator=source, dtype=dtype)
        if pre == features:
            return forward
        return Paired(forward, DenseWeight.of(turned(forward.matrix(), degrees, source)))

    return Network((features, *(WIDTH,) * depth, 10), make, Sigmoid())


@dataclass(frozen=True, kw_only=True)
class Alignment:
    """Of one angle and one estimator: mean per-sample cosine of the first layer's gradient with the adjoint, mean
    relative error over all parameters, and the fraction of samples whose phases all converged.
    """

    cosine: float
    error: float
    converged: float


def alignment(net: Network, split: Split, estimator: VectorField | HolomorphicField) -> Alignment:
    """Compare sample by sample; samples that did not converge are left out and counted."""
    targets = one_hot(split.labels, 10, split.x.dtype)
    cosines, errors, kept = [], [], 0
    for x, y in zip(split.x.split(1), targets.split(1), strict=True):
        estimate = estimator(net, x, y)
        if not (estimate.free.converged.all() and estimate.nudged is not None and estimate.nudged.converged.all()):
            continue
        exact, kept = adjoint_gradient(net, x, y, estimate.free.state, SquaredError()), kept + 1
        first, reference = estimate.gradients["weights.0.weight"], exact["weights.0.weight"]
        cosines.append(float((first * reference).sum() / (first.norm() * reference.norm())))
        away = sum(float((estimate.gradients[name] - g).square().sum()) for name, g in exact.items())
        errors.append((away / sum(float(g.square().sum()) for g in exact.values())) ** 0.5)
    count = max(1, kept)
    return Alignment(cosine=sum(cosines) / count, error=sum(errors) / count, converged=kept / len(split))


def estimator(method: str) -> Estimator:
    """Return the estimator of a name in METHODS."""
    if method == "adjoint":
        return Adjoint(free=COARSE)
    real = {"beta": BETA, "free": COARSE, "nudged": BRIEF}
    if method == "asymep":
        return AsymEP(**real)
    count = {"homeostasis4": 4, "homeostasis6": 6}.get(method)
    inner = VectorField(**real) if count is None else HolomorphicField(count=count, **real)
    return inner if method == "ep" else Homeostatic(inner=inner, strength=STRENGTH)


@dataclass(frozen=True, kw_only=True)
class Trained:
    """One training at 90 degrees: accuracies [%], seconds, first-layer cosine and asymmetry at the end, val history."""

    train: float
    test: float
    seconds: float
    cosine: float
    asymmetry: float
    converged: float
    history: list[float]


def train(method: str, seed: int, data: Dataset, *, epochs: int, batch: int) -> Trained:
    """Train three hidden layers from weights at 90 degrees, and look at the test set once."""
    torch.set_num_threads(1)
    source = torch.Generator().manual_seed(seed)
    net = network(data.features, DEPTH, 90, source, torch.float32)
    rates = [RATE] * len(net.operators)
    updater = Updater(
        net,
        partial(torch.optim.Adam, fused=True),
        lrs=rates,
        bias_lr=RATE,
        schedule=partial(cosine, updates=epochs * -(-len(data.train) // batch)),
    )
    learner = estimator(method)
    rows = list(fit(net, data, learner, updater, epochs=epochs, batch=batch, generator=source))
    seen = replace(data.validation, x=data.validation.x[:200].double(), labels=data.validation.labels[:200])
    fine = HolomorphicField if method in ("homeostasis4", "homeostasis6") else VectorField
    probe = AsymEP if method == "asymep" else fine
    found = alignment(net.double(), seen, probe(beta=1e-2, free=EXACT, nudged=EXACT))
    net.float()
    return Trained(
        train=100 - error(net, data.train, learner),
        test=100 - error(net, data.test, learner),
        seconds=sum(row.seconds for row in rows),
        cosine=1.0 if method == "adjoint" else found.cosine,
        asymmetry=float(asymmetry(net, source, draws=200).mean()),
        converged=found.converged,
        history=[100 - row.val_error for row in rows],
    )


def subset(data: Dataset, count: int) -> Dataset:
    """The first samples of the training part alone; validation and test stay whole."""
    train = data.train
    return replace(data, train=Split(train.x[:count], train.labels[:count]))
