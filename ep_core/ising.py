"""Ising networks for Equilibrium Propagation: spins +-1 in layers, the input as fields, the nudge as fields.

After Laydevant, Markovic & Grollier, Nature Communications 2024.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from ep_core.dense import DenseWeight
from ep_core.weight import WeightOperator, Written, require_finite

Factory = Callable[[int, int], WeightOperator]


class BoundedWeight(DenseWeight):
    """Ideal weights within +-limit: what a write asks beyond that is lost, and counted as clipped.

    Args:
        out_features, in_features, std, generator, dtype: as of `DenseWeight`.
        limit: largest entry.

    """

    def __init__(
        self,
        out_features: int,
        in_features: int,
        *,
        limit: float = 1.0,
        std: float | None = None,
        generator: torch.Generator | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__(out_features, in_features, std=std, generator=generator, dtype=dtype)
        if not limit > 0:
            raise ValueError(f"the largest weight must be positive, not {limit}")
        self.limit = limit
        self.weight.data.clamp_(-limit, limit)

    @torch.no_grad()
    def program_(self, deltas: dict[str, Tensor], generator: torch.Generator | None = None) -> Written:
        """W <- clip(W + delta, +-limit)."""
        require_finite(deltas)
        wanted = self.weight + deltas["weight"]
        held = wanted.clamp(-self.limit, self.limit)
        pulses = int(torch.count_nonzero(held != self.weight))
        self.weight.copy_(held)
        return Written(pulses=pulses, clipped=int(torch.count_nonzero(held != wanted)))

    def learn_(
        self,
        post: Float[Tensor, "batch out"],
        pre: Float[Tensor, "batch in"],
        rate: float,
        generator: torch.Generator | None = None,
    ) -> Written:
        """W <- clip(W - rate post' pre, +-limit); `pulses` counts every entry, and none is counted as clipped."""
        written = super().learn_(post, pre, rate, generator)
        self.weight.detach().clamp_(-self.limit, self.limit)
        return written


class IsingNetwork(nn.Module):
    """Layers of spins: E = sum_k s_k' W_k s_(k+1) + sum_k h_k' s_k, h_1 = clip(W_0 x + b_1), h_k = clip(b_k).

    Args:
        sizes: inputs, then spins of each layer; the last has as many a class.
        weight: makes each operator, input first: W_0 (spins of the first layer, inputs), W_k (spins of a layer, spins
            of the next), so that `mvm` pulls on the spins of the layer below and `vmm` on those above; one for all,
            or one each.
        classes: groups of output spins, which are +1 for the class of a sample and -1 for all others.
        coupling_limit: largest |W_k| that the machine holds; bias_limit: largest bias, to which they are clipped.
        field_limit: largest field of the machine, to which they are clipped.
        dtype: of the biases.

    """

    def __init__(
        self,
        sizes: Sequence[int],
        weight: Factory | Sequence[Factory] = BoundedWeight,
        *,
        classes: int = 10,
        coupling_limit: float = 1.0,
        bias_limit: float = 1.0,
        field_limit: float = 4.0,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__()
        if len(sizes) < 3 or min(sizes) < 1:
            raise ValueError(f"sizes are inputs and at least two layers of spins, each at least 1, not {tuple(sizes)}")
        if classes < 1 or sizes[-1] % classes:
            raise ValueError(f"{sizes[-1]} output spins are no whole number for each of {classes} classes")
        if min(coupling_limit, bias_limit, field_limit) <= 0:
            raise ValueError("limits of couplings, biases and fields must be positive")
        factories = [weight] * (len(sizes) - 1) if callable(weight) else list(weight)
        if len(factories) != len(sizes) - 1:
            raise ValueError(f"{len(sizes) - 1} operators need as many factories, not {len(factories)}")
        shapes = [(sizes[1], sizes[0]), *pairwise(sizes[1:])]
        self.sizes, self.classes = tuple(sizes), classes
        self.coupling_limit, self.bias_limit, self.field_limit = coupling_limit, bias_limit, field_limit
        self.weights = nn.ModuleList(make(*shape) for make, shape in zip(factories, shapes, strict=True))
        self.biases = nn.ParameterList(nn.Parameter(torch.zeros(n, dtype=dtype)) for n in sizes[1:])

    @property
    def operators(self) -> list[WeightOperator]:
        """W_0, W_1, ..."""
        return list(self.weights)  # pyright: ignore[reportReturnType]

    @property
    def couplings(self) -> list[WeightOperator]:
        """W_1, ...: those within the machine."""
        return self.operators[1:]

    def check(self) -> None:
        """Raise ValueError where couplings are beyond what the machine holds."""
        for k, operator in enumerate(self.couplings, 1):
            largest = float(operator.matrix().abs().max())
            if not largest <= self.coupling_limit * (1 + 1e-6):
                raise ValueError(
                    f"W_{k} reaches {largest:.4g}: the machine holds couplings up to {self.coupling_limit:g}"
                )

    @torch.no_grad()
    def fields(self, x: Float[Tensor, "batch n"], generator: torch.Generator | None = None) -> list[Tensor]:
        """h of each layer (batch, n) in the free phase."""
        first, *others = self.biases
        source = generator if self.operators[0].noisy else None
        h = [self._clip(self.operators[0].mvm(x, source) + first)]
        return h + [self._clip(b.detach()).expand(len(x), -1) for b in others]

    @torch.no_grad()
    def nudged(self, fields: Sequence[Tensor], target: Float[Tensor, "batch k"], beta: float) -> list[Tensor]:
        """The same with the nudge: h_L = clip(b_L - beta t)."""
        return [*fields[:-1], self._clip(self.biases[-1] - beta * target)]

    def _clip(self, h: Tensor) -> Tensor:
        return h.clamp(-self.field_limit, self.field_limit)

    def target(self, labels: Int[Tensor, " batch"]) -> Float[Tensor, "batch k"]:
        """T: +1 for the spins of a sample's class, -1 for the others. ValueError where labels are no classes."""
        if len(labels) and not (int(labels.min()) >= 0 and int(labels.max()) < self.classes):
            raise ValueError(f"labels must lie within 0..{self.classes - 1}")
        same = labels[:, None] == torch.arange(self.classes, device=labels.device)
        return torch.where(same, 1.0, -1.0).to(self.biases[-1].dtype).repeat_interleave(self._each, 1)

    @property
    def _each(self) -> int:
        return self.sizes[-1] // self.classes

    def votes(self, outputs: Float[Tensor, "batch k"]) -> Float[Tensor, "batch classes"]:
        """Sum of the output spins of each class."""
        return outputs.unflatten(1, (self.classes, self._each)).sum(2)
