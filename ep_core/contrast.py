"""What the phases of an estimate leave behind: from it comes the gradient, or a step down it without one."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ep_core.network import Network, State
from ep_core.weight import Written


@dataclass(frozen=True, kw_only=True)
class Contrast:
    """Forces f on states s, phases stacked: the gradient is Re sum f' du(s)/dtheta over all rows.

    Attributes:
        forces, states: one tensor a layer of neurons, and one more force for a read-out.
        x: the samples' input, not stacked.
        backward: whether what edges send backwards counts too: for weights of their own in that direction.

    """

    network: Network
    forces: State
    states: State
    x: Tensor
    backward: bool = False

    @torch.no_grad()
    def gradients(self) -> dict[str, Tensor]:
        """Keyed like `named_parameters()`."""
        result = self.network.gradient(self.forces, self.states, self.x)
        if self.backward:
            neurons = self.forces[: self.network.layers]
            for name, part in self.network.backward_gradient(neurons, self.states).items():
                result[name] = result[name] + part
        return result

    def learn_(self, rates: Sequence[float], bias_rate: float, generator: torch.Generator | None = None) -> Written:
        """Let every operator step down its own gradient. ValueError where the backward direction counts too."""
        if self.backward:
            raise ValueError("weights of two directions learn from their gradients, not from one product")
        return self.network.learn_(self.forces, self.states, self.x, rates, bias_rate, generator)
