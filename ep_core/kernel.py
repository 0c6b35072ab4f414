"""The sweeps of the commonest network, compiled: one hidden layer of hard sigmoids, up to 64 outputs, ideal nudge.

Sixteen samples at a time, so that states and weights stay in the core's first caches; the free phase and the nudged
ones that start from it are one call. The dynamics are those of `solvers.GaussSeidel`, which serves all other networks.
"""

from collections.abc import Sequence

import numpy as np
from torch import Tensor

from ep_core.activation import HardSigmoid
from ep_core.edge import Edge
from ep_core.lanes import LANES, relax_all
from ep_core.network import Network
from ep_core.solvers import GaussSeidel, Solver

WIDEST = 64  # outputs up to which the weights stay in the first caches; wider products are torch's
EDGES = [Edge(pre=0, post=1), Edge(pre=1, post=2)]


def fits(network: Network, solvers: Sequence[Solver], like: Tensor) -> bool:
    """Whether the compiled sweeps are those of this network and of these solvers, in the precision of `like`."""
    return (
        network.sizes[-1] <= WIDEST
        and like.device.type == "cpu"
        and not like.is_complex()
        and all(type(solver) is GaussSeidel and solver.damping == solver.average == 1 for solver in solvers)
        and network.readout is None
        and network.edges == EDGES
        and all(type(a) is HardSigmoid and a.bits is None and not a.noise for a in network.activations)
        and network.operators[1].symmetric
        and not network.operators[1].noisy
    )


class Phases:
    """A free phase, and phases from its end that are pulled by -beta (s - y), one a strength.

    Attributes:
        hidden, output, residual, count: of the free phase, then of each pulled one; count is in sweeps.

    """

    def __init__(
        self,
        network: Network,
        constant: Sequence[Tensor],
        solvers: Sequence[Solver],
        *,
        start: Sequence[Tensor] | None = None,
        strengths: Sequence[float] = (),
        target: Tensor | None = None,
        frozen: bool = False,
    ) -> None:
        drive, bias = constant
        (batch, hidden), outputs = drive.shape, bias.shape[1]
        rows = batch * (1 + len(strengths))
        self.batch, number = batch, drive.numpy().dtype.type
        states = drive.new_empty(hidden, rows), drive.new_empty(outputs, rows)
        if start is not None:
            for own, given in zip(states, start, strict=True):
                own[:, :batch] = given.mT
        self.hidden, self.output = (own.mT for own in states)
        self.residual, self.count = drive.new_empty(rows), np.empty(rows, np.int64)
        relax_all(
            network.operators[1].matrix().contiguous().numpy(),
            drive.contiguous().numpy(),
            bias.numpy(),
            (bias if target is None else target).numpy(),
            np.array(strengths, dtype=number),
            frozen,
            start is None,
            np.array([(a.low, a.high) for a in network.activations], dtype=number),
            np.array([solver.steps for solver in solvers]),
            np.array([solver.tolerance for solver in solvers], dtype=number),
            states[0].numpy(),
            states[1].numpy(),
            self.residual.numpy(),
            self.count,
            # torch's memory is aligned, as the vectors need it.
            drive.new_empty((2 * hidden + 3 * outputs + 3) * LANES).numpy(),
        )
