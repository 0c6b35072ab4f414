"""A relaxation under way."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from jaxtyping import Int
from torch import Tensor

from ep_core.network import Network, Terms
from ep_core.nudge import Force

Move = Callable[[], None]


@dataclass(kw_only=True)
class Phase:
    """A relaxation under way: what is constant in it, and the state of the samples that are not there yet.

    Attributes:
        order: layers in the order of a sweep, without those that are held.
        watched: whether sweeps measure how far neurons move.
        memory: what a solver keeps of earlier sweeps, tensors with the samples first.
        moves: of the layers in turn, where nobody watches.

    """

    network: Network
    constant: Sequence[Tensor]
    state: list[Tensor]
    force: Force | None
    order: Sequence[int]
    generator: torch.Generator | None
    watched: bool = True
    memory: list[Tensor] = field(default_factory=list)
    terms: Terms | None = None
    moves: list[Move] = field(default_factory=list, init=False)

    def __post_init__(self) -> None:
        if self.terms is None:
            self.terms = self.network.terms(self.state[0].dtype, self.generator)
        if self.terms is not None:
            self.constant = [c.to(s.dtype) for c, s in zip(self.constant, self.state, strict=True)]

    def target(self, layer: int) -> Tensor:
        """rho(u_l + force): where the layer would go, its neighbours held."""
        state, activation = self.state, self.network.activations[layer]
        if self.terms is None or not self.terms[layer]:
            drive, force = self.network.drive(layer, state, self.constant, self.generator), self._force(layer)
            return activation(drive if force is None else drive + force, self.generator)
        drive, force = self.constant[layer], self._force(layer)
        for others, matrix in self.terms[layer]:
            seen = state[others[0]] if len(others) == 1 else torch.cat([state[other] for other in others], 1)
            drive = torch.addmm(drive, seen, matrix)
        return activation.consume(drive if force is None else drive + force, self.generator)

    def _force(self, layer: int) -> Tensor | None:
        return None if self.force is None else self.force(layer, self.state, self.generator)

    def take(self, keep: Int[Tensor, " kept"]) -> "Phase":
        """Return the phase of some of its samples."""
        return Phase(
            network=self.network,
            constant=[c[keep] for c in self.constant],
            state=[s[keep] for s in self.state],
            force=None if self.force is None else self.force.take(keep),
            order=self.order,
            generator=self.generator,
            watched=self.watched,
            memory=[m[keep] for m in self.memory],
            terms=self.terms,
        )
