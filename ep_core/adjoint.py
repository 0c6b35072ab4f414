"""The referees of every estimator: the exact gradient by implicit differentiation, and by backpropagation.

Simulation only: they differentiate the true device by autograd, which no hardware could do.
"""

from abc import abstractmethod
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from ep_core.estimators import Estimate, Estimator, count
from ep_core.ledger import Ledger
from ep_core.loss import Loss
from ep_core.network import Network, State
from ep_core.solvers import GaussSeidel

Gradients = dict[str, Tensor]


def couplings(network: Network) -> Float[Tensor, "n n"]:
    """A = du/ds of all neurons, layer after layer. ValueError where the drives are not linear in the states."""
    if not all(edge.linear for edge in network.edges):
        raise ValueError("edges with max pooling have no constant couplings")
    sizes = network.sizes[1 : network.layers + 1]
    eye = torch.eye(sum(sizes), **network.like())
    nothing = [torch.zeros(len(eye), n, **network.like()) for n in sizes]
    # Row i is what neuron i alone sends to every other.
    with torch.no_grad():
        rows = [network.drive(layer, eye.split(sizes, 1), nothing) for layer in range(network.layers)]
    return torch.cat(rows, 1).mT


def adjoint_gradient(
    network: Network,
    x: Float[Tensor, "batch n"],
    target: Float[Tensor, "batch k"],
    state: State,
    loss: Loss,
    *,
    tolerance: float | None = None,
    steps: int = 10_000,
    damping: float = 1.0,
    drop: bool = False,
) -> Gradients:
    """Gradient of mean_batch C at the fixed point `state`, keyed like `named_parameters()`.

    With Phi one Gauss-Seidel sweep, s* = Phi(s*; theta): dC/dtheta = lambda' dPhi/dtheta with
    lambda = dC/ds + (dPhi/ds)' lambda, summed up until a term is below `tolerance` of the sum in every sample
    (default: 1e-14 in float64, 1e-7 in float32). Where the sweeps that found the state were damped, so must these be.
    A sample that takes more than `steps` terms has no stable fixed point there: with `drop` it is left out of the sum
    (the mean is still over all), else FloatingPointError is raised.
    """
    names, parameters = zip(*network.trainables(), strict=True)
    with torch.enable_grad():
        constant = network.clamp(x)
        old = tuple(s.detach().requires_grad_() for s in state)
        new = list(old)
        for layer in network.order:
            way = network.activations[layer](network.drive(layer, new, constant))
            new[layer] = way if damping == 1 else old[layer] + damping * (way - old[layer])
        end = tuple(s.detach().requires_grad_() for s in state)
        cost = loss.value(network.output(end), target).mean()
        term = torch.autograd.grad(cost, end, retain_graph=True, allow_unused=True, materialize_grads=True)
        total = term
        limit = (1e-14 if x.dtype == torch.float64 else 1e-7) if tolerance is None else tolerance
        stable = torch.zeros(len(x), dtype=torch.bool)
        for _ in range(steps):
            term = torch.autograd.grad(new, old, term, retain_graph=True, allow_unused=True, materialize_grads=True)
            total = tuple(t + more for t, more in zip(total, term, strict=True))
            stable = _norms(term) <= limit * _norms(total)
            if stable.all():
                break
        else:
            if not drop:
                raise FloatingPointError(
                    f"the adjoint of {int((~stable).sum())} samples did not converge in {steps} terms: "
                    "is this a stable fixed point?"
                )
            total = tuple(torch.where(stable[:, None], t, 0) for t in total)
        through = torch.autograd.grad(new, parameters, total, allow_unused=True, materialize_grads=True)
        # The read-out is in the cost itself.
        direct = torch.autograd.grad(cost, parameters, allow_unused=True, materialize_grads=True)
    return {name: a + b for name, a, b in zip(names, through, direct, strict=True)}


def _norms(parts: State) -> Float[Tensor, " batch"]:
    """Largest entry of each sample."""
    return torch.stack([part.abs().amax(1) for part in parts]).amax(0)


def unrolled_gradient(
    network: Network,
    x: Float[Tensor, "batch n"],
    target: Float[Tensor, "batch k"],
    state: State,
    loss: Loss,
    *,
    steps: int,
) -> Gradients:
    """Gradient of mean_batch C by backpropagation through `steps` synchronous sweeps from the fixed point `state`.

    s <- rho(u(s)), differentiated by autograd: sum_{k < steps} J^k of the adjoint's series, so it tends to
    `adjoint_gradient` as J^steps -> 0. Memory grows with the steps. Raises ValueError if steps is below 1.
    """
    if steps < 1:
        raise ValueError(f"backpropagation through time needs at least 1 step, not {steps}")
    with torch.enable_grad():
        constant, s = network.clamp(x), tuple(layer.detach() for layer in state)
        for _ in range(steps):
            drives = [network.drive(layer, s, constant) for layer in range(len(s))]
            s = tuple(activation(drive) for activation, drive in zip(network.activations, drives, strict=True))
        return _slopes(network, loss.value(network.output(s), target).mean())


def backpropagation_gradient(
    network: Network, x: Float[Tensor, "batch n"], target: Float[Tensor, "batch k"], loss: Loss
) -> Gradients:
    """Gradient of mean_batch C of the same operators without feedback: plain backpropagation."""
    with torch.enable_grad():
        return _slopes(network, loss.value(network.output(network.feedforward(x)), target).mean())


def _slopes(network: Network, cost: Tensor) -> Gradients:
    names, parameters = zip(*network.trainables(), strict=True)
    slopes = torch.autograd.grad(cost, parameters, allow_unused=True, materialize_grads=True)
    return dict(zip(names, slopes, strict=True))


@dataclass(frozen=True, kw_only=True)
class Referee(Estimator):
    """Relaxes the free phase and differentiates the true device there."""

    def __call__(
        self,
        network: Network,
        x: Float[Tensor, "batch n"],
        target: Float[Tensor, "batch k"],
        generator: torch.Generator | None = None,
        ledger: Ledger | None = None,
    ) -> Estimate:
        """Relax the free phase, then differentiate."""
        free = self.infer(network, x, generator)
        count(ledger, free)
        if ledger is not None:
            ledger.rows += len(x)
        return Estimate(known=self.slopes(network, x, target, free.state), free=free)

    @abstractmethod
    def slopes(self, network: Network, x: Tensor, target: Tensor, state: State) -> Gradients:
        """Return the gradient at the free state, keyed like `named_parameters()`."""


@dataclass(frozen=True, kw_only=True)
class Adjoint(Referee):
    """Trains by `adjoint_gradient` at the free state that the solver reaches: what exact EP would do.

    Attributes:
        tolerance, steps: of its series; samples without a stable fixed point have no part in the gradient.

    """

    tolerance: float = 1e-6
    steps: int = 500

    def slopes(self, network: Network, x: Tensor, target: Tensor, state: State) -> Gradients:
        """By `adjoint_gradient`, damped as the free phase is."""
        damping = self.free.damping if isinstance(self.free, GaussSeidel) else 1.0
        limits = {"tolerance": self.tolerance, "steps": self.steps}
        return adjoint_gradient(network, x, target, state, self.loss, damping=damping, drop=True, **limits)


@dataclass(frozen=True, kw_only=True)
class Unrolled(Referee):
    """Trains by `unrolled_gradient` over `steps` sweeps: backpropagation through time."""

    steps: int = 15

    def slopes(self, network: Network, x: Tensor, target: Tensor, state: State) -> Gradients:
        """By `unrolled_gradient`."""
        return unrolled_gradient(network, x, target, state, self.loss, steps=self.steps)


def compare(a: dict[str, Tensor], b: dict[str, Tensor]) -> tuple[float, float]:
    """Relative error |a - b| / |b| and cosine of two gradients, over all parameters; a zero gradient has cosine 0."""
    if a.keys() != b.keys():
        raise ValueError(f"the gradients have different parameters: {sorted(a)} and {sorted(b)}")
    first, second = (torch.cat([g[key].flatten() for key in b]) for g in (a, b))
    tiny = torch.finfo(second.dtype).tiny
    error = float((first - second).norm() / second.norm().clamp(min=tiny))
    return error, float(first @ second / (first.norm() * second.norm()).clamp(min=tiny))
