"""Learning where the backward weights differ from the forward ones: the vector field's contrast, and AsymEP.

With W_b != W there is no energy; the contrast is that of the drives at the free state, -sum_i c_i s_i . du/dtheta(s*)
(Scellier et al. 2018; Laborieux & Zenke, ICLR 2024). It is the gradient only as far as the Jacobian is symmetric;
AsymEP (arXiv 2602.03670) corrects the nudged phases for the rest.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Int
from torch import Tensor

from ep_core.contrast import Contrast
from ep_core.dense import DenseWeight
from ep_core.estimators import Holomorphic, Nudging, Points, Symmetric
from ep_core.network import Network, State
from ep_core.nudge import Force, Pull
from ep_core.weight import WeightOperator


class FieldContrast(Nudging):
    """Contrast of the drives instead of the energies; mixed into an estimator that says which phases there are."""

    @torch.no_grad()
    def contrast(
        self, network: Network, x: Tensor, target: Tensor, free: State, nudged: State, points: Points
    ) -> Contrast:
        """-Re sum_i c_i s_i . du/dtheta(s*): what edges send upwards and, into weights of their own, backwards."""
        states, weights = self._stacked(free, nudged, points, len(x))
        # ds/dbeta ~ Re sum_i c_i s_i, one row a sample
        moved = tuple((weights * s).unflatten(0, (-1, len(x))).sum(0) for s in states)
        forces = tuple(-(m.real if m.is_complex() else m) for m in moved)
        readout = tuple(
            f.real.unflatten(0, (-1, len(x))).sum(0) for f in self._readout(network, target, nudged, points)
        )
        return Contrast.of(network, (*forces, *readout), free, x, backward=True)


@dataclass(frozen=True, kw_only=True)
class VectorField(FieldContrast, Symmetric):
    """-(s+ - s-) / 2 beta . du/dtheta(s*): error O(beta^2) where W_b = W, biased where not."""


@dataclass(frozen=True, kw_only=True)
class HolomorphicField(FieldContrast, Holomorphic):
    """The vector field's contrast from N complex nudges, as Laborieux & Zenke (ICLR 2024) use it."""


@dataclass(frozen=True, kw_only=True)
class AsymEP(VectorField):
    """`VectorField` whose nudged drives get -2 A (s - s*), A = (J - J')/2 of J = du/ds.

    Then the nudged states move along the adjoint: exact to O(beta^2) for any W_b.

    Simulation only: A comes from the matrices of mvm and vmm, which are their VJPs; no hardware reads W_f backwards.
    Raises ValueError for edges whose drive is not linear in the state (max pooling).
    """

    def check(self, network: Network) -> None:
        """Raise ValueError for max pooling."""
        if not all(edge.linear for edge in network.edges):
            raise ValueError("AsymEP needs edges without max pooling: their Jacobian is not a matrix product")

    def _force(self, network: Network, pull: Pull, free: State) -> Force:
        return Corrected(inner=pull, network=network, free=free, skews=[_skew(w) for w in network.operators])


def _skew(operator: WeightOperator) -> DenseWeight:
    """W_f - W_b as an operator."""
    return DenseWeight.of(operator.matrix() - operator.reverse())


@dataclass(frozen=True, kw_only=True)
class Corrected:
    """A force with -(J - J')(s - s*) added to every drive."""

    inner: Force
    network: Network
    free: State
    skews: Sequence[DenseWeight]

    def __call__(self, layer: int, state: list[Tensor], generator: torch.Generator | None) -> Tensor | None:
        """Return the force on a layer."""
        total = self.inner(layer, state, generator)
        for index, (edge, skew) in enumerate(zip(self.network.edges, self.skews, strict=True)):
            if edge.pre == 0 or index == self.network.readout:
                continue
            away = [s - f for s, f in zip(state, self.free, strict=True)]
            # (J - J') v: (W_f - W_b) v_pre into post, -(W_f - W_b)' v_post into pre
            if edge.post == layer + 1:
                total = _add(total, -edge.up(skew, away[edge.pre - 1]))
            if edge.pre == layer + 1:
                total = _add(total, edge.down(skew, away[edge.post - 1], away[layer]))
        return total

    def take(self, keep: Int[Tensor, " kept"]) -> "Corrected":
        """Return the force on some of the rows."""
        return replace(self, inner=self.inner.take(keep), free=tuple(f[keep] for f in self.free))


def _add(total: Tensor | None, part: Tensor) -> Tensor:
    return part if total is None else total + part
