"""Untied weights: one operator reads forwards, another one backwards."""

import torch
from jaxtyping import Float
from torch import Tensor

from ep_core.cost import Cost
from ep_core.weight import Inputs, Outputs, WeightOperator, Written, require_finite

SIDES = ("forward", "backward")


class Paired(WeightOperator):
    """W_f of `forward` serves mvm, W_b of `backward` (of the same shape) serves vmm.

    Parameters are named forward.* and backward.*; `bilinear_grad` fills the first from the forward product and, with
    `backward=True`, the second from the backward one. Raises ValueError where the shapes differ.
    """

    symmetric = False

    def __init__(self, forward: WeightOperator, backward: WeightOperator) -> None:
        shapes = [(w.out_features, w.in_features) for w in (forward, backward)]
        if shapes[0] != shapes[1]:
            raise ValueError(f"paired weights need one shape, not {shapes[0]} and {shapes[1]}")
        super().__init__(*shapes[0])
        self.noisy = forward.noisy or backward.noisy
        self.drifting = forward.drifting or backward.drifting
        # By hand, because every module has a method called forward.
        self._modules |= dict(zip(SIDES, (forward, backward), strict=True))

    def side(self, name: str) -> WeightOperator:
        """The operator of 'forward' or 'backward'."""
        return self._modules[name]  # pyright: ignore[reportReturnType]

    def mvm(self, x: Inputs, generator: torch.Generator | None = None) -> Outputs:
        """W_f x."""
        return self.side("forward").mvm(x, generator)

    def vmm(self, y: Outputs, generator: torch.Generator | None = None) -> Inputs:
        """W_b' y."""
        return self.side("backward").vmm(y, generator)

    def believed(self) -> "Paired":
        """Return the pair of what both sides believe."""
        return Paired(self.side("forward").believed(), self.side("backward").believed())

    def bilinear_grad(
        self, post: Float[Tensor, "batch out"], pre: Float[Tensor, "batch in"], backward: bool = False
    ) -> dict[str, Tensor]:
        """d<post' W_f pre>/dtheta, or with `backward` d<post' W_b pre>/dtheta; zeros for the other side."""
        result = {}
        for name in SIDES:
            operator = self.side(name)
            if (name == "backward") == backward:
                parts = operator.bilinear_grad(post, pre, backward)
            else:
                parts = {key: torch.zeros_like(p) for key, p in operator.named_parameters()}
            result |= {f"{name}.{key}": part for key, part in parts.items()}
        return result

    def program_matrix_(self, target: Float[Tensor, "out in"], generator: torch.Generator | None = None) -> Written:
        """Write the same matrix on both sides."""
        return self.side("forward").program_matrix_(target, generator) + self.side("backward").program_matrix_(
            target, generator
        )

    def cost(self, *, backward: bool = False) -> Cost:
        """Both sides are there; one of them reads."""
        forth, back = (self.side(name).cost(backward=backward).renamed(name) for name in SIDES)
        both = forth + back
        one = back if backward else forth
        return Cost(read=one.read, contrast=one.contrast, write=both.write, update=both.update, hold=both.hold)

    def age_(self, reads: float, generator: torch.Generator | None = None) -> None:
        """Let both sides drift; each makes half of the reads."""
        for name in SIDES:
            self.side(name).age_(reads / 2, generator)

    def program_(self, deltas: dict[str, Tensor], generator: torch.Generator | None = None) -> Written:
        """Write both sides."""
        require_finite(deltas)
        total = Written()
        for name in SIDES:
            own = {k.removeprefix(f"{name}."): d for k, d in deltas.items() if k.startswith(f"{name}.")}
            total += self.side(name).program_(own, generator)
        return total
