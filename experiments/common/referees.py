"""Referees of the estimators: nets that the bars are for, fixed points by Newton, units that cross a kink."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import torch

from ep_core import (
    Activation,
    AsymEP,
    ContrastiveHebbian,
    CoupledLearning,
    DenseWeight,
    Estimator,
    GaussSeidel,
    Holomorphic,
    Loss,
    Network,
    Nudging,
    OneSided,
    Solver,
    Symmetric,
    VectorField,
    adjoint_gradient,
    compare,
    one_hot,
    relax,
)
from ep_core.adjoint import couplings
from ep_core.relax import settle
from experiments.common.build import Job, build
from experiments.common.rundir import RunDirectory
from photonic_ep import MeshWeight

EXACT = GaussSeidel(steps=5000, tolerance=1e-13)
NORMS = (0.5, 0.3)  # spectral norms of the looped layers: EP's error depends on them


def uncrossed(net: Network, estimator: Symmetric, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Samples of which every unit is on the same piece of its activation in both nudged phases."""
    state, constant = estimator(net, x, y).nudged.state, net.clamp(torch.cat([x, x]))
    sign = torch.cat([torch.ones(len(x)), -torch.ones(len(x))])[:, None].to(x)
    keep = torch.ones(len(x), dtype=torch.bool)
    for layer, activation in enumerate(net.activations):
        drive = net.drive(layer, state, constant).detach()
        if layer == len(state) - 1:
            drive = drive - sign * estimator.beta * (state[-1] - torch.cat([y, y]))
        plus, minus = activation.piece(drive).chunk(2)
        keep &= (plus == minus).all(1)
    return keep


def problem(
    backend: str,
    hidden: tuple[int, ...],
    activation: Activation,
    *,
    batch: int,
    seed: int,
    dtype: torch.dtype = torch.float64,
) -> tuple[Network, torch.Tensor, torch.Tensor]:
    """A network whose looped layers have the norms of NORMS, and samples with targets."""
    source = torch.Generator().manual_seed(seed)
    sizes = (12, *hidden, 5)
    make = {"dense": DenseWeight, "mesh": MeshWeight}[backend]
    shapes = [(post, pre) for pre, post in pairwise(sizes)]
    operators = [make(post, pre, std=0.5 / pre**0.5, generator=source, dtype=dtype) for post, pre in shapes]
    for operator, norm in zip(operators[1:], NORMS, strict=False):
        # A norm is linear in the scale of the first weights, of which a mesh's receiver gain is the unit.
        held = operator.weight if isinstance(operator, DenseWeight) else operator.effective()
        scale = norm / float(torch.linalg.matrix_norm(held.detach(), 2))
        with torch.no_grad():
            if isinstance(operator, DenseWeight):
                operator.weight *= scale
            else:
                operator.gain *= scale
    net = Network(sizes, [lambda *_, own=operator: own for operator in operators], activation)
    x = torch.rand(batch, sizes[0], generator=source, dtype=torch.float64)
    labels = torch.randint(sizes[-1], (batch,), generator=source)
    return net, x.to(dtype), one_hot(labels, sizes[-1], dtype)


def by_newton(estimator: Nudging, net: Network, x: torch.Tensor, y: torch.Tensor) -> dict[str, torch.Tensor]:
    """The estimate from fixed points found by Newton's method instead of relaxation: the same at finite beta.

    s - rho(A s + c - beta dC/ds) = 0 with A = du/ds, c = W_0 x + b; its Jacobian is I - diag(rho') (A - beta P), P on
    the outputs.
    """
    a, sizes, points = couplings(net).to(torch.complex128), net.sizes[1:], estimator.points()
    first = relax(net, x, EXACT).state
    bias = torch.cat(net.clamp(x), 1).detach()
    output = torch.zeros(len(a), dtype=a.dtype)
    output[-sizes[-1] :] = 1
    pull = torch.nn.functional.pad(y, (len(a) - sizes[-1], 0))
    nudged = []
    for beta in (beta for beta, _ in points if beta != 0):
        s = torch.cat(first, 1).to(a.dtype)
        for _ in range(20):
            drive = s @ a.mT + bias - beta * output * (s - pull)
            rho, slope = net.activations[0].rho(drive), net.activations[0].slope(drive)
            jacobian = torch.eye(len(a)) - slope[:, :, None] * (a - beta * torch.diag(output))
            s = s - torch.linalg.solve(jacobian, (s - rho)[..., None])[..., 0]
        nudged.append(s)
    states = torch.cat(nudged)
    real = not any(isinstance(beta, complex) for beta, _ in points)
    return estimator.contrast(net, x, y, first, (states.real if real else states).split(sizes, 1), points).gradients()


def of_run(path: Path, batch: int) -> dict[str, float]:
    """Error and cosine of every estimator that a run's network can carry, in float64, on its validation samples.

    The network is continuous (no state levels) and differentiated through the true device; samples whose free phase
    does not converge are left out, `converged` says how many remain. ValueError or FileNotFoundError for no run.
    """
    folder, stored = RunDirectory.open(path.parent if path.name == "config.json" else path)
    gradient = None if stored.gradient is None else "oracle"
    job = build(replace(stored, state_bits=0, neuron_noise=0.0, gradient=gradient, dtype="float64"))
    job.network.double()
    trained = path.name != "config.json" and folder.load(job)
    job.network.double()
    x, labels = job.data.validation.x[:batch], job.data.validation.labels[:batch]
    loss, damping = job.estimator.loss, stored.damping or 1.0
    solver = GaussSeidel(steps=5000, tolerance=1e-11, damping=damping)
    free = settle(job.network, job.network.clamp(x), solver)
    x, y = x[free.converged], one_hot(labels, job.data.classes, torch.float64)[free.converged]
    result: dict[str, float] = {"trained": int(trained), "converged": float(free.converged.double().mean())}
    if not len(x):
        return result
    state = tuple(s[free.converged] for s in free.state)
    reference = adjoint_gradient(job.network, x, y, state, loss, damping=damping)
    for name, estimator in _carried(job, loss, solver).items():
        found = estimator(job.network, x, y)
        result[f"{name}_error"], result[f"{name}_cosine"] = compare(found.gradients, reference)
    return result


def _carried(job: Job, loss: Loss, solver: Solver) -> dict[str, Estimator]:
    """Every estimator that the job's network can carry, relaxed to the end, and the run's own as it trains."""
    net, both = job.network, {"loss": loss, "free": solver, "nudged": solver}
    linear = all(edge.linear for edge in net.edges)
    smooth = linear and all(a.holomorphic for a in net.activations)
    estimators: dict[str, Estimator] = {}
    for beta in (1e-3, 0.1):
        estimators |= {f"symmetric_{beta:g}": Symmetric(beta=beta, **both)}
        estimators |= {f"onesided_{beta:g}": OneSided(beta=beta, **both)}
    estimators |= {"vectorfield_0.1": VectorField(beta=0.1, **both)}
    estimators |= {"asymep_0.1": AsymEP(beta=0.1, **both)} if linear else {}
    estimators |= {f"holomorphic{n}_0.1": Holomorphic(beta=0.1, count=n, **both) for n in (4, 6, 10) if smooth}
    if net.readout is None:
        estimators |= {"coupled_0.1": CoupledLearning(eta=0.1, loss=loss, free=solver, clamped=solver)}
        estimators |= {"hebbian": ContrastiveHebbian(loss=loss, free=solver, clamped=solver)}
    own = job.options.estimator not in ("random-sign", "backpropagation", "holomorphic" if not smooth else "")
    return estimators | ({"own": job.estimator} if own else {})
