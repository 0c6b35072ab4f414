"""How the cost pulls on the output: the protocol that hardware nudges follow, and the ideal one."""

from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

import torch
from jaxtyping import Float, Num
from torch import Tensor

Mode = Literal["closed", "frozen"]


@runtime_checkable
class Nudge(Protocol):
    """A force -beta dC/ds on the output neurons, as hardware can make it.

    `mode` says when it is set: 'closed' follows the state in every sweep, 'frozen' is set once from the free
    state. Setting and acting are two steps because a frozen setting still acts with fresh noise in each read.
    """

    @property
    def mode(self) -> Mode:
        """When the nudge is set."""
        ...

    def emit(self, wanted: Float[Tensor, "batch k"]) -> Tensor:
        """Set the hardware for a wanted force: what its converters and its range make of it."""
        ...

    def act(self, setting: Tensor, generator: torch.Generator | None) -> Float[Tensor, "batch k"]:
        """Return the force that this setting exerts during one read."""
        ...


@dataclass(frozen=True, kw_only=True)
class IdealNudge:
    """The force is exactly what is wanted."""

    mode: Mode = "closed"

    def emit(self, wanted: Num[Tensor, "batch k"]) -> Tensor:
        """Return the wanted force itself."""
        return wanted

    def act(self, setting: Tensor, generator: torch.Generator | None) -> Num[Tensor, "batch k"]:
        """Return the setting itself."""
        return setting
