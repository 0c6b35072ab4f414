"""Referees of the estimators: nets that the bars are for, fixed points by Newton, units that cross a kink."""

from itertools import pairwise

import torch

from ep_core import (
    Activation,
    DenseWeight,
    GaussSeidel,
    Network,
    Nudging,
    Symmetric,
    one_hot,
    relax,
)
from ep_core.adjoint import couplings
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
    return estimator.contrast(net, x, y, first, (states.real if real else states).split(sizes, 1), points)
