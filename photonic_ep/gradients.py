"""Two ways from the gradient of W to the gradient of every phase: what the device does, and what its model says.

Both are digital pull-backs (VJPs), never in situ: they need a model of the mesh, not light.
"""

from typing import Protocol, runtime_checkable

from jaxtyping import Float
from torch import Tensor

Gradients = dict[str, Tensor]


@runtime_checkable
class Modelled(Protocol):
    """A weight operator that can pull gradients of W back to its phases."""

    def pull_back(self, cotangent: Float[Tensor, "out in"], backward: bool = False) -> Gradients:
        """d<cotangent, W(theta)>/dtheta, of W_b if `backward`, keyed like `named_parameters()`."""
        ...

    def believed(self) -> "Modelled":
        """Return the controller's model of it."""
        ...


@runtime_checkable
class PhaseGradient(Protocol):
    """d<cotangent, W(theta)>/dtheta of an operator, keyed like its `named_parameters()`."""

    def __call__(self, operator: Modelled, cotangent: Float[Tensor, "out in"], backward: bool = False) -> Gradients:
        """Pull the gradient of W, or of W_b, back to the phases."""
        ...


def oracle(operator: Modelled, cotangent: Float[Tensor, "out in"], backward: bool = False) -> Gradients:
    """Pull back through the device as fabricated, unknown imperfections included: the upper bound."""
    return operator.pull_back(cotangent, backward)


def twin(operator: Modelled, cotangent: Float[Tensor, "out in"], backward: bool = False) -> Gradients:
    """Pull back through the controller's model, which holds the known imperfections only."""
    return oracle(operator.believed(), cotangent, backward)
