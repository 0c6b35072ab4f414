"""The sweeps of the commonest network, compiled: one hidden layer of hard sigmoids, up to 64 outputs, ideal nudge.

Two samples at a time, so that states and weights stay in the core's first caches; the free phase and the nudged ones
that start from it are one call, which also makes what the gradient needs of their states. The dynamics are those of
`solvers.GaussSeidel`, which serves all other networks.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from ep_core.activation import Activation, HardSigmoid
from ep_core.contrast import Contrast, Product
from ep_core.edge import Edge
from ep_core.lanes import relax_all, room
from ep_core.network import Network
from ep_core.nudge import Pull
from ep_core.solvers import GaussSeidel, Solver

WIDEST = 64  # outputs up to which the weights stay in the first caches; wider products are torch's
NUMBERS = {torch.float32: np.dtype(np.float32), torch.float64: np.dtype(np.float64)}
EDGES = [Edge(pre=0, post=1), Edge(pre=1, post=2)]


def fits(network: Network, solvers: Sequence[Solver], like: Tensor) -> bool:
    """Whether the compiled sweeps are those of this network and of these solvers, in the precision of `like`."""
    if not (like.is_cpu and like.dtype in NUMBERS and network.sizes[-1] <= WIDEST):
        return False
    if network.readout is not None or network.edges != EDGES:
        return False
    # Plain loops: every batch asks.
    for solver in solvers:
        if not (type(solver) is GaussSeidel and solver.damping == solver.average == 1):
            return False
    for neurons in network.activations:
        if type(neurons) is not HardSigmoid or neurons.noise:
            return False
    looped = network.operators[1]
    return looped.symmetric and not looped.noisy


@dataclass(frozen=True, kw_only=True)
class Swept:
    """What one kind of phase came to: states, residual, most sweeps of a sample and the sum over samples."""

    state: tuple[Tensor, Tensor]
    residual: Tensor
    steps: int
    sweeps: int


class Phases:
    """A free phase, and phases from its end that are pulled by -beta (s - y), one a strength.

    Args:
        network, constant, solvers: that `fits`; the second solver is that of the pulled phases.
        start: state to start from (default: all neurons at 0).
        pull: what pulls in a lone phase (default: nothing); with it, `generator`: of its noise.
        strengths, target, frozen: beta and y of the pulled phases; whether their pull stays that of the free state.
        shares: f of the free and of each pulled phase, whose f s the forces are (default: none are made).

    Attributes:
        free, pulled: what they came to.
        finite: whether every residual is.

    """

    def __init__(
        self,
        network: Network,
        constant: Sequence[Tensor],
        solvers: Sequence[Solver],
        *,
        start: Sequence[Tensor] | None = None,
        pull: Pull | None = None,
        generator: torch.Generator | None = None,
        strengths: Sequence[float] = (),
        target: Tensor | None = None,
        frozen: bool = False,
        shares: Sequence[float] = (),
    ) -> None:
        drive, bias = constant
        (batch, width), outputs, number = drive.shape, bias.shape[1], NUMBERS[drive.dtype]
        pulled, forced = batch * len(strengths), bool(shares)
        made = [n * rows for n in (width, outputs, 1) for rows in (batch, pulled)]
        if forced:
            made += [batch * width, batch * outputs, pulled * outputs, width, outputs]
        # torch's memory is aligned, as the vectors need it: what they work on comes first.
        sizes = (room(width, outputs, number.itemsize), *made)
        memory, counts = drive.new_empty(sum(sizes)), np.empty(5, np.int64)
        _, *parts = memory.split_with_sizes(sizes)
        free = parts[0].view(batch, width), parts[2].view(batch, outputs)
        nudged = parts[1].view(pulled, width), parts[3].view(pulled, outputs)
        if start is not None:
            for own, old in zip(free, start, strict=True):
                own.copy_(old)
        law, given = (None, None) if pull is None else _told(pull, solvers[0].steps, number, generator)
        relax_all(
            network.operators[1].matrix().contiguous().numpy(),
            drive.contiguous().numpy(),
            bias.numpy(),
            (bias if target is None else target).numpy(),
            law,
            given,
            frozen,
            start is None,
            forced,
            *_constants(number, network.activations, tuple(solvers), tuple(strengths), tuple(shares)),
            memory.numpy(),
            counts,
        )
        steps, pulled_steps, sweeps, pulled_sweeps, finite = counts.tolist()
        self.network, self.finite, self.parts = network, bool(finite), parts
        self.free = Swept(state=free, residual=parts[4], steps=steps, sweeps=sweeps)
        self.pulled = Swept(state=nudged, residual=parts[5], steps=pulled_steps, sweeps=pulled_sweeps)

    def contrast(self, x: Tensor, *, with_free: bool) -> Contrast:
        """Forces f s on the states of all phases, or of the pulled ones where the free one has no share."""
        pushes, free, pulled, *sums = self.parts[6:]
        pre, post = self.pulled.state[0], pulled.view(-1, self.network.sizes[-1])
        if with_free:
            pre, post = torch.cat([self.free.state[0], pre]), torch.cat([free.view(-1, post.shape[1]), post])
        products = [Product(edge=0, post=pushes.view(x.shape[0], -1), pre=x), Product(edge=1, post=post, pre=pre)]
        return Contrast(network=self.network, products=products, biases=sums, finite=self.finite)


def _told(
    pull: Pull, sweeps: int, number: np.dtype, generator: torch.Generator | None
) -> tuple[tuple[np.ndarray, ...] | None, np.ndarray | None]:
    """What `relax_all` has to know of a pull: its law and the numbers drawn for its noise, or its forces."""
    if pull.setting is not None:
        return None, pull.drawn(sweeps, generator).contiguous().numpy()
    law, (rows, outputs) = pull.nudge.law, pull.target.shape
    assert law is not None
    noisy = generator is not None and any(law.variances)
    dtype = pull.target.dtype
    drawn = torch.randn(sweeps, rows, outputs, generator=generator, dtype=dtype).numpy() if noisy else None
    responses = law.responses.to(dtype).expand(outputs, 2).contiguous().numpy()
    wanted = (pull.beta * pull.target).contiguous().numpy(), pull.beta.view(-1).contiguous().numpy()
    return (np.array([*law.curve, *law.variances], number), responses, *wanted), drawn


@lru_cache(maxsize=64)
def _constants(
    number: np.dtype,
    activations: tuple[Activation, ...],
    solvers: tuple[Solver, ...],
    strengths: tuple[float, ...],
    shares: tuple[float, ...],
) -> tuple[np.ndarray, np.ndarray | None, np.ndarray]:
    """What every batch has in common, as `relax_all` wants it."""
    boxes = [end for a in activations for end in (a.low, a.high)]
    tolerances = [solver.tolerance for solver in (solvers[0], solvers[-1])]
    levels = [1 / a.level if a.level else 0.0 for a in activations]
    stepped = np.array(levels, number) if any(levels) else None
    pulls = [
        end for pair in zip((0.0, *strengths), shares or (0.0,) * (1 + len(strengths)), strict=True) for end in pair
    ]
    return np.array(boxes + tolerances + pulls, number), stepped, np.array([solver.steps for solver in solvers])
