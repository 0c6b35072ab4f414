"""Plain backpropagation by hardware: errors sent back through `vmm`, gradients by `bilinear_grad`. A control for EP."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from ep_core.contrast import Contrast
from ep_core.estimators import Estimate, Estimator, count
from ep_core.ledger import Ledger, Passes
from ep_core.loss import Loss
from ep_core.network import Network, State
from ep_core.relax import Relaxation


@dataclass(frozen=True, kw_only=True)
class Backpropagation(Estimator):
    """Trains and predicts without feedback: the same operators as an ordinary feed-forward network.

    One pass up, one pass down with the errors; then every operator makes its gradient as it does for EP. Equal to
    `backpropagation_gradient` where operators are symmetric and their gradients exact.
    """

    def __call__(
        self,
        network: Network,
        x: Float[Tensor, "batch n"],
        target: Float[Tensor, "batch k"],
        generator: torch.Generator | None = None,
        ledger: Ledger | None = None,
    ) -> Estimate:
        """Estimate the gradient of mean_batch C(o) on a batch."""
        free = self.infer(network, x, generator)
        forces = errors(network, x, target, free.state, self.loss)
        count(ledger, free)
        if ledger is not None:
            back = Passes(downs=len(x))
            ledger.passed(back, network.reads(back))
            ledger.rows += len(x)
        return Estimate(free=free, contrast=Contrast.of(network, forces, free.state, x))

    @torch.no_grad()
    def infer(
        self, network: Network, x: Float[Tensor, "batch n"], generator: torch.Generator | None = None
    ) -> Relaxation:
        """One pass up: every edge is read once."""
        state = network.feedforward(x)
        still = torch.zeros(len(x), **network.like())
        passes = Passes(clamps=len(x), ups=len(x))
        return Relaxation(
            state=state,
            output=network.output(state),
            residual=still,
            steps=1,
            reads=network.reads(passes),
            passes=passes,
            bound=0.0,
        )


@torch.no_grad()
def errors(
    network: Network, x: Float[Tensor, "batch n"], target: Float[Tensor, "batch k"], state: State, loss: Loss
) -> State:
    """d mean_batch C / du of every layer, and of a read-out, at the states of `feedforward`.

    delta_L = dC/ds rho'(u_L); delta_l = rho'(u_l) sum over the edges that start there of W_b' delta_post.
    """
    slope = loss.gradient(network.output(state), target) / len(x)
    reach = [torch.zeros_like(s) for s in state]
    reach[-1] = network.pull(slope, state)
    constant, forces = network.clamp(x), list(reach)
    for layer in reversed(network.order):
        drive = network.upward(layer, state, constant)
        forces[layer] = _slope(network, layer, drive) * reach[layer]
        for edge, operator in network.links:
            if edge.post == layer + 1 and edge.pre not in (0, edge.post):
                reach[edge.pre - 1] = reach[edge.pre - 1] + edge.down(operator, forces[layer], state[edge.pre - 1])
    return (*forces, slope) if network.readout is not None else tuple(forces)


def _slope(network: Network, layer: int, drive: Float[Tensor, "batch n"]) -> Float[Tensor, "batch n"]:
    """rho'(u): of the smooth transfer, also where states have levels."""
    with torch.enable_grad():
        u = drive.detach().requires_grad_()
        return torch.autograd.grad(network.activations[layer].rho(u).sum(), u)[0]
