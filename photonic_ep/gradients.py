"""Two ways from the gradient of W to the gradient of every phase: what the device does, and what its model says.

Both are digital pull-backs (VJPs), never in situ: they need a model of the mesh, not light.
"""

from collections.abc import Iterator
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

Gradients = dict[str, Tensor]


@runtime_checkable
class Effective(Protocol):
    """A weight operator that shows its W(theta), differentiable."""

    def effective(self) -> Float[Tensor, "out in"]:
        """W(theta)."""
        ...

    def believed(self) -> "Effective":
        """Return the controller's model of it."""
        ...

    def named_parameters(self) -> Iterator[tuple[str, Tensor]]:
        """Return phases by name."""
        ...


@runtime_checkable
class PhaseGradient(Protocol):
    """d<cotangent, W(theta)>/dtheta of an operator, keyed like its `named_parameters()`."""

    def __call__(self, operator: Effective, cotangent: Float[Tensor, "out in"]) -> Gradients:
        """Pull the gradient of W back to the phases."""
        ...


def oracle(operator: Effective, cotangent: Float[Tensor, "out in"]) -> Gradients:
    """Pull back through the device as fabricated, unknown imperfections included: the upper bound."""
    names, parameters = zip(*operator.named_parameters(), strict=True)
    with torch.enable_grad():
        weight = operator.effective()
    return dict(zip(names, torch.autograd.grad(weight, parameters, cotangent), strict=True))


def twin(operator: Effective, cotangent: Float[Tensor, "out in"]) -> Gradients:
    """Pull back through the controller's model, which holds the known imperfections only."""
    return oracle(operator.believed(), cotangent)
