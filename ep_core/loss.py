"""The cost C(s, y) at the output: its value and the gradient that becomes the nudge."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int, Num
from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class SquaredError:
    """C = 1/2 sum_k (s_k - y_k)^2 per sample, y the one-hot label."""

    def value(self, output: Float[Tensor, "batch k"], target: Float[Tensor, "batch k"]) -> Float[Tensor, " batch"]:
        """Return C of each sample."""
        return (output - target).square().sum(1) / 2

    def gradient(self, output: Num[Tensor, "batch k"], target: Float[Tensor, "batch k"]) -> Num[Tensor, "batch k"]:
        """dC/ds = s - y, also of complex s."""
        return output - target


def one_hot(labels: Int[Tensor, " batch"], classes: int, dtype: torch.dtype) -> Float[Tensor, "batch k"]:
    """Targets in {0, 1} of shape (batch, classes)."""
    return torch.nn.functional.one_hot(labels, classes).to(dtype)
