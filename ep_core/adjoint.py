"""The exact gradient at the free fixed point by implicit differentiation: the referee of every estimator.

With s = rho(u(s)), J = diag(rho') A and A = du/ds, the adjoint lambda solves (I - J)' lambda = dC/ds and
dC/dtheta = lambda' diag(rho') du/dtheta. Simulation only: no hardware could run it.
"""

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ep_core.loss import SquaredError
from ep_core.network import Network, State, trainable


def couplings(network: Network) -> Float[Tensor, "n n"]:
    """A = du/ds of all neurons above the input, layer after layer, read from mvm and vmm."""
    sizes = network.sizes[1:]
    edges = torch.tensor((0, *sizes)).cumsum(0).tolist()
    a = torch.zeros(edges[-1], edges[-1], **network.operators[0].like())
    for layer in range(1, len(sizes)):
        below, here = slice(*edges[layer - 1 : layer + 1]), slice(*edges[layer : layer + 2])
        operator = network.operators[layer]
        a[here, below] = operator.matrix()
        a[below, here] = operator.vmm(torch.eye(operator.out_features, **operator.like())).mT
    return a


@torch.no_grad()
def adjoint_gradient(
    network: Network, x: Float[Tensor, "batch n"], target: Float[Tensor, "batch k"], state: State, loss: SquaredError
) -> dict[str, Tensor]:
    """Gradient of mean_batch C at the fixed point `state`, keyed like `named_parameters()`.

    The operators' `bilinear_grad` says how W depends on theta, so with an oracle operator this is exact.
    """
    drives = [network.drive(layer, state, network.clamp(x)) for layer in range(len(state))]
    slopes = torch.cat([f.slope(u) for f, u in zip(network.activations, drives, strict=True)], 1)
    cost = torch.zeros_like(slopes)
    cost[:, -network.sizes[-1] :] = loss.gradient(state[-1], target)
    # (I - A' D) lambda = dC/ds with D = diag(rho'), then delta = D lambda
    a = couplings(network)
    system = torch.eye(len(a), **network.operators[0].like()) - a.mT * slopes[:, None, :]
    adjoint = _solve(system, cost)
    delta = (slopes * adjoint / len(x)).split(network.sizes[1:], 1)
    return _pull_back(network, x, state, delta)


def unrolled_gradient(
    network: Network,
    x: Float[Tensor, "batch n"],
    target: Float[Tensor, "batch k"],
    state: State,
    loss: SquaredError,
    *,
    steps: int,
) -> dict[str, Tensor]:
    """Gradient of mean_batch C by backpropagation through `steps` synchronous sweeps from the fixed point `state`.

    s <- rho(u(s)), differentiated by autograd: sum_{k < steps} J^k of the adjoint's series, so it tends to
    `adjoint_gradient` of an oracle operator as J^steps -> 0. Simulation only, and memory grows with the steps.
    Raises ValueError if steps is below 1.
    """
    if steps < 1:
        raise ValueError(f"backpropagation through time needs at least 1 step, not {steps}")
    names, parameters = zip(*network.trainables(), strict=True)
    with torch.enable_grad():
        clamped, s = network.clamp(x), tuple(layer.detach() for layer in state)
        for _ in range(steps):
            drives = [network.drive(layer, s, clamped) for layer in range(len(s))]
            s = tuple(activation(drive) for activation, drive in zip(network.activations, drives, strict=True))
        slopes = torch.autograd.grad(loss.value(s[-1], target).mean(), parameters, materialize_grads=True)
    return dict(zip(names, slopes, strict=True))


def _solve(system: Float[Tensor, "batch n n"], cost: Float[Tensor, "batch n"]) -> Float[Tensor, "batch n"]:
    if system.device.type != "cpu":
        return torch.linalg.solve(system, cost)
    # NumPy's LAPACK: torch's batched solve on the CPU fails at n = 266 with more than one thread (MKL, torch 2.13).
    return torch.from_numpy(np.linalg.solve(system.numpy(), cost.numpy()[..., None])[..., 0])


def _pull_back(network: Network, x: Tensor, state: State, delta: State) -> dict[str, Tensor]:
    """Sum what W_l contributes to u_{l+1} (mvm) and, above the input, to u_l (vmm)."""
    result = network.gradient(delta, (x, *state[:-1]), delta)
    for index, operator in enumerate(network.operators):
        if index > 0 and trainable(operator):
            back = operator.bilinear_grad(state[index], delta[index - 1], backward=True)
            for name, part in back.items():
                key = f"weights.{index}.{name}"
                result[key] = result[key] + part
    return result


def compare(a: dict[str, Tensor], b: dict[str, Tensor]) -> tuple[float, float]:
    """Relative error |a - b| / |b| and cosine of two gradients, over all parameters; a zero gradient has cosine 0."""
    if a.keys() != b.keys():
        raise ValueError(f"the gradients have different parameters: {sorted(a)} and {sorted(b)}")
    first, second = (torch.cat([g[key].flatten() for key in b]) for g in (a, b))
    tiny = torch.finfo(second.dtype).tiny
    error = float((first - second).norm() / second.norm().clamp(min=tiny))
    return error, float(first @ second / (first.norm() * second.norm()).clamp(min=tiny))
