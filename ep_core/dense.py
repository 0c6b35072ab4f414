"""Ideal weights: the matrix itself is the parameter. The reference that every hardware is compared with."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ep_core.compiled import compiled
from ep_core.weight import Inputs, Outputs, WeightOperator, Written, product, require_finite


@compiled
def _add(weight, delta):  # noqa: ANN001, ANN202
    """W += delta in place; returns how many entries changed. One pass, because memory is what it costs."""
    changed = 0
    for i in range(len(weight)):
        weight[i] += delta[i]
        changed += delta[i] != 0
    return changed


class DenseWeight(WeightOperator):
    """W = theta, drawn from N(0, std^2); exact in both directions and in every write.

    Args:
        out_features, in_features: shape of W.
        std: standard deviation of the initial entries; default .5 / sqrt(in_features).
        generator: source of the initial entries.
        dtype: of the parameter.
        hollow: keep the diagonal at 0, so that no neuron couples to itself on an edge from a layer to itself.

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
        hollow: bool = False,
    ) -> None:
        super().__init__(out_features, in_features)
        if hollow and out_features != in_features:
            raise ValueError(f"only a square weight has a diagonal to keep at 0, not {out_features} x {in_features}")
        scale = 0.5 / in_features**0.5 if std is None else std
        # Drawn in float64, so that a seed means the same weights at every precision.
        draw = torch.randn(out_features, in_features, generator=generator, dtype=torch.float64)
        self.hollow = hollow
        self.weight = nn.Parameter((scale * draw).to(dtype))
        if hollow:
            self.weight.data.fill_diagonal_(0)

    @classmethod
    def of(cls, matrix: Float[Tensor, "out in"]) -> "DenseWeight":
        """Return the operator of a given matrix."""
        made = cls(*matrix.shape, std=0.0, generator=torch.Generator(), dtype=matrix.dtype)
        made.weight = nn.Parameter(matrix.detach().clone())
        return made

    def _held(self) -> Float[Tensor, "out in"]:
        return self.weight - torch.diag(self.weight.diagonal()) if self.hollow else self.weight

    def mvm(self, x: Inputs, generator: torch.Generator | None = None) -> Outputs:
        """W x."""
        return product(x, self._held())

    def vmm(self, y: Outputs, generator: torch.Generator | None = None) -> Inputs:
        """W' y."""
        return product(y, self._held().mT)

    @torch.no_grad()
    def program_matrix_(self, target: Float[Tensor, "out in"], generator: torch.Generator | None = None) -> Written:
        """Take the matrix over, but for a diagonal that is kept at 0."""
        self._check_target(target)
        wanted = target.to(self.weight)
        wanted = wanted - torch.diag(wanted.diagonal()) if self.hollow else wanted
        changed = int(torch.count_nonzero(wanted != self.weight))
        self.weight.copy_(wanted)
        return Written(pulses=changed)

    @torch.no_grad()
    def bilinear_grad(
        self, post: Float[Tensor, "batch out"], pre: Float[Tensor, "batch in"], backward: bool = False
    ) -> dict[str, Tensor]:
        """Return the outer product: d<post' W pre>/dW = post pre'."""
        outer = post.mT @ pre
        return {"weight": outer.fill_diagonal_(0) if self.hollow else outer}

    def learn_(
        self,
        post: Float[Tensor, "batch out"],
        pre: Float[Tensor, "batch in"],
        rate: float,
        generator: torch.Generator | None = None,
    ) -> Written:
        """W <- W - rate post' pre in one product, which is never kept; `pulses` counts every entry."""
        weight = self.weight.detach()
        weight.addmm_(post.mT, pre, alpha=-rate)
        if self.hollow:
            weight.fill_diagonal_(0)
        return Written(pulses=self.weight.numel())

    def norm_grad(self) -> dict[str, Tensor]:
        """W itself."""
        return {"weight": self.matrix()}

    @torch.no_grad()
    def program_(self, deltas: dict[str, Tensor], generator: torch.Generator | None = None) -> Written:
        """W <- W + delta, exactly."""
        require_finite(deltas)
        delta = deltas["weight"].contiguous()
        if self.weight.device.type == "cpu" and self.weight.is_contiguous():
            pulses = _add(self.weight.numpy().reshape(-1), delta.numpy().reshape(-1))
            torch.autograd.graph.increment_version(self.weight)
            return Written(pulses=pulses)
        self.weight += delta
        return Written(pulses=int(torch.count_nonzero(delta)))

    def matrix(self) -> Float[Tensor, "out in"]:
        """W itself."""
        return self._held().detach()
