"""Two ways from the gradient of W to the gradient of every phase: what the device does, and what its model says.

Both are digital pull-backs (VJPs), never in situ: they need a model of the mesh, not light.
"""

from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from ep_core import WeightOperator

Gradients = dict[str, Tensor]


@runtime_checkable
class PhaseGradient(Protocol):
    """d<cotangent, W(theta)>/dtheta of an operator, keyed like its `named_parameters()`."""

    def __call__(self, operator: WeightOperator, cotangent: Float[Tensor, "out in"]) -> Gradients:
        """Pull the gradient of W back to the phases."""
        ...


def oracle(operator: WeightOperator, cotangent: Float[Tensor, "out in"]) -> Gradients:
    """Pull back through the device as fabricated, unknown imperfections included: the upper bound."""
    names, parameters = zip(*operator.named_parameters(), strict=True)
    with torch.enable_grad():
        # W row by row: the transpose of mvm on the identity
        rows = operator.mvm(torch.eye(operator.in_features, **operator.like()))
    return dict(zip(names, torch.autograd.grad(rows, parameters, cotangent.mT), strict=True))


def twin(operator: WeightOperator, cotangent: Float[Tensor, "out in"]) -> Gradients:
    """Pull back through the controller's model, which holds the known imperfections only."""
    return oracle(operator.believed(), cotangent)
