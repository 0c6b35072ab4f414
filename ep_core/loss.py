"""The cost C(o, y) of an output o: its value and the gradient that becomes the nudge."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int, Num
from torch import Tensor


@runtime_checkable
class Loss(Protocol):
    """A cost per sample of the output neurons, or of the read-out."""

    def value(self, output: Float[Tensor, "batch k"], target: Float[Tensor, "batch k"]) -> Float[Tensor, " batch"]:
        """Return C of each sample."""
        ...

    def gradient(self, output: Num[Tensor, "batch k"], target: Float[Tensor, "batch k"]) -> Num[Tensor, "batch k"]:
        """Return dC/do, also of complex o."""
        ...


@dataclass(frozen=True, kw_only=True)
class SquaredError:
    """C = 1/2 sum_k (o_k - y_k)^2 per sample, y the one-hot label."""

    def value(self, output: Float[Tensor, "batch k"], target: Float[Tensor, "batch k"]) -> Float[Tensor, " batch"]:
        """Return C of each sample."""
        return (output - target).square().sum(1) / 2

    def gradient(self, output: Num[Tensor, "batch k"], target: Float[Tensor, "batch k"]) -> Num[Tensor, "batch k"]:
        """dC/do = o - y, also of complex o."""
        return output - target


@dataclass(frozen=True, kw_only=True)
class CrossEntropy:
    """C = -sum_k y_k ln softmax(o)_k per sample; o are the logits of a read-out (Laborieux et al. 2021)."""

    def value(self, output: Float[Tensor, "batch k"], target: Float[Tensor, "batch k"]) -> Float[Tensor, " batch"]:
        """Return C of each sample."""
        return -(target * torch.log_softmax(output, 1)).sum(1)

    def gradient(self, output: Num[Tensor, "batch k"], target: Float[Tensor, "batch k"]) -> Num[Tensor, "batch k"]:
        """dC/do = softmax(o) - y, also of complex o."""
        top = (output.real if output.is_complex() else output).amax(1, keepdim=True)
        exponential = torch.exp(output - top)
        return exponential / exponential.sum(1, keepdim=True) - target


def one_hot(labels: Int[Tensor, " batch"], classes: int, dtype: torch.dtype) -> Float[Tensor, "batch k"]:
    """Targets in {0, 1} of shape (batch, classes)."""
    return torch.nn.functional.one_hot(labels, classes).to(dtype)
