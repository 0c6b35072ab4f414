"""Ideal weights: the matrix itself is the parameter. The reference that every hardware is compared with."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ep_core.weight import Inputs, Outputs, WeightOperator, Written, product, require_finite


class DenseWeight(WeightOperator):
    """W = theta, drawn from N(0, std^2); exact in both directions and in every write.

    Args:
        out_features, in_features: shape of W.
        std: standard deviation of the initial entries; default .5 / sqrt(in_features).
        generator: source of the initial entries.
        dtype: of the parameter.

    """

    symmetric = True

    def __init__(
        self,
        out_features: int,
        in_features: int,
        *,
        std: float | None = None,
        generator: torch.Generator | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__(out_features, in_features)
        scale = 0.5 / in_features**0.5 if std is None else std
        # Drawn in float64, so that a seed means the same weights at every precision.
        draw = torch.randn(out_features, in_features, generator=generator, dtype=torch.float64)
        self.weight = nn.Parameter((scale * draw).to(dtype))

    def mvm(self, x: Inputs, generator: torch.Generator | None = None) -> Outputs:
        """W x."""
        return product(x, self.weight)

    def vmm(self, y: Outputs, generator: torch.Generator | None = None) -> Inputs:
        """W' y."""
        return product(y, self.weight.mT)

    @torch.no_grad()
    def bilinear_grad(
        self, post: Float[Tensor, "batch out"], pre: Float[Tensor, "batch in"], backward: bool = False
    ) -> dict[str, Tensor]:
        """Return the outer product: d<post' W pre>/dW = post pre'."""
        return {"weight": post.mT @ pre}

    @torch.no_grad()
    def program_(self, deltas: dict[str, Tensor], generator: torch.Generator | None = None) -> Written:
        """W <- W + delta, exactly."""
        require_finite(deltas)
        self.weight += deltas["weight"]
        return Written(pulses=int(torch.count_nonzero(deltas["weight"])))

    @torch.no_grad()
    def matrix(self) -> Float[Tensor, "out in"]:
        """W itself."""
        return self.weight.detach()
