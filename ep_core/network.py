"""A layered network of neurons whose couplings are weight operators, and its energy."""

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

import torch
from jaxtyping import Float, Num
from torch import Tensor, nn

from ep_core.activation import Activation, HardSigmoid
from ep_core.weight import WeightOperator, Written, require_finite

WeightFactory = Callable[[int, int], WeightOperator]
State = tuple[Tensor, ...]


class Network(nn.Module):
    """E(s; theta, x) = sum_l G(s_l) - sum_l s_{l+1}' W_l s_l - sum_l b_l' s_l with s_0 = x clamped.

    Its fixed point is s_l = rho(W_{l-1} s_{l-1} + W_l' s_{l+1} + b_l); W_l' is what `vmm` computes.

    Args:
        sizes: neurons a layer, input first.
        weight: called as weight(out_features, in_features) for each pair of layers; or one such callable a pair.
        activation: of the hidden layers, and of the output unless `output` is given.
        output: activation of the output layer.

    """

    def __init__(
        self,
        sizes: Sequence[int],
        weight: WeightFactory | Sequence[WeightFactory],
        activation: Activation | None = None,
        *,
        output: Activation | None = None,
    ) -> None:
        super().__init__()
        if len(sizes) < 2 or min(sizes) < 1:
            raise ValueError(f"sizes must be at least two positive numbers of neurons, not {list(sizes)}")
        pairs = list(pairwise(sizes))
        factories = [weight] * len(pairs) if callable(weight) else list(weight)
        if len(factories) != len(pairs):
            raise ValueError(f"{len(pairs)} pairs of layers need as many weights, not {len(factories)}")
        self.sizes = tuple(sizes)
        hidden = HardSigmoid() if activation is None else activation
        self.activations = (hidden,) * (len(pairs) - 1) + (hidden if output is None else output,)
        self.weights = nn.ModuleList(make(post, pre) for make, (pre, post) in zip(factories, pairs, strict=True))
        like = self.operators[0].like()
        self.biases = nn.ParameterList(torch.zeros(post, **like) for _, post in pairs)

    @property
    def operators(self) -> list[WeightOperator]:
        """The weight operators, first layer first."""
        return list(self.weights)  # pyright: ignore[reportReturnType]

    def rest(self, batch: int) -> State:
        """Return the state from which a free phase starts: all neurons at 0."""
        return tuple(torch.zeros(batch, n, **self.operators[0].like()) for n in self.sizes[1:])

    def clamp(self, x: Float[Tensor, "batch n"], generator: torch.Generator | None = None) -> Tensor:
        """W_0 x + b_0: constant in a phase, so it is read once."""
        return self.operators[0].mvm(x, generator) + self.biases[0]

    def drive(
        self, layer: int, state: State, clamped: Tensor, generator: torch.Generator | None = None
    ) -> Num[Tensor, "batch n"]:
        """u_l = W_{l-1} s_{l-1} + W_l' s_{l+1} + b_l of `layer` (0 = first hidden layer)."""
        drive = clamped
        if layer > 0:
            drive = self.operators[layer].mvm(state[layer - 1], generator) + self.biases[layer]
        if layer + 1 < len(state):
            drive = drive + self.operators[layer + 1].vmm(state[layer + 1], generator)
        return drive

    def energy(self, state: State, x: Float[Tensor, "batch n"]) -> Float[Tensor, " batch"]:
        """E(s; theta, x) of each sample."""
        total = torch.zeros(len(x), **self.operators[0].like())
        for activation, operator, bias, pre, post in zip(
            self.activations, self.operators, self.biases, (x, *state[:-1]), state, strict=True
        ):
            # E += G(s) - s' W s_pre - b' s
            total = total + activation.energy(post).sum(1)
            total = total - (post * operator.mvm(pre)).sum(1) - post @ bias
        return total

    def gradient(self, posts: State, pres: State, fields: State) -> dict[str, Tensor]:
        """Sum over the batch of d<post' W pre>/dtheta for each operator, and of `fields` for each bias.

        Keyed like `named_parameters()`; parameters that do not require a gradient are left out.
        """
        result = {}
        for index, (operator, post, pre, field) in enumerate(zip(self.operators, posts, pres, fields, strict=True)):
            if trainable(operator):
                parts = operator.bilinear_grad(post, pre)
                result |= {f"weights.{index}.{name}": part for name, part in parts.items()}
            if self.biases[index].requires_grad:
                result[f"biases.{index}"] = field.sum(0)
        return result

    @torch.no_grad()
    def program_(self, deltas: dict[str, Tensor], generator: torch.Generator | None = None) -> Written:
        """Write the changes, keyed like `gradient`; biases are held digitally, exactly."""
        require_finite(deltas)
        total = Written()
        for index, operator in enumerate(self.operators):
            prefix = f"weights.{index}."
            own = {name.removeprefix(prefix): d for name, d in deltas.items() if name.startswith(prefix)}
            if own:
                total += operator.program_(own, generator)
            bias = f"biases.{index}"
            if bias in deltas:
                self.biases[index] += deltas[bias]
        return total

    def trainables(self) -> Iterator[tuple[str, nn.Parameter]]:
        """Names and parameters that `gradient` returns."""
        return ((name, p) for name, p in self.named_parameters() if p.requires_grad)


def trainable(operator: WeightOperator) -> bool:
    """Whether any parameter of the operator is to be trained."""
    return any(p.requires_grad for p in operator.parameters())
