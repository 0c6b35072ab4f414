"""What the phases of an estimate leave behind: from it comes the gradient, or a step down it without one."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Num
from torch import Tensor

from ep_core.network import Network, State, shared, trainable
from ep_core.weight import Written, require_finite


@dataclass(frozen=True, kw_only=True)
class Product:
    """Sum_rows d<post' W pre>/dtheta, a part of the gradient of an edge's weights.

    Attributes:
        edge: index. post, pre: as many rows of each; real.
        at: state of the layer that the edge sends back to, where it is the backward direction that counts.

    """

    edge: int
    post: Num[Tensor, "rows post"]
    pre: Num[Tensor, "rows pre"]
    at: Num[Tensor, "rows pre"] | None = None


@dataclass(frozen=True, kw_only=True)
class Contrast:
    """Re sum_rows f' du(s)/dtheta of forces f on states s, as sums of products.

    Attributes:
        products: of the edges that learn.
        biases: sum of the forces on each layer of neurons, and on a read-out.
        backward: whether products of what edges send backwards are among them.
        finite: whether all of it is known to be.

    """

    network: Network
    products: Sequence[Product]
    biases: Sequence[Tensor]
    backward: bool = False
    finite: bool = False

    @classmethod
    def of(
        cls,
        network: Network,
        forces: State,
        states: State,
        x: Num[Tensor, "samples n"],
        *,
        backward: bool = False,
    ) -> "Contrast":
        """Of phases that are stacked along the batch, all of the same input, which is not stacked.

        With `backward` what edges send backwards counts too: for weights of their own in that direction.
        """
        # Re(f s') = Re f Re s' - Im f Im s': two real products, one under the other
        real = [f.real if f.is_complex() else f for f in forces]
        whole = [torch.cat([f.real, -f.imag]) if f.is_complex() else f for f in forces]
        states = tuple(torch.cat([s.real, s.imag]) if s.is_complex() else s for s in states)
        products = []
        for index, edge in enumerate(network.edges):
            at = None if edge.pre == 0 else states[edge.pre - 1]
            if at is None:
                # The input is the same in all phases. Torch is slow at summing a few slices at once.
                first, *others = real[edge.post - 1].split(len(x))
                post, pre = sum(others, first), x
            else:
                post, pre = whole[edge.post - 1], at
            if not edge.bilinear:
                if backward:
                    raise ValueError(f"the contrast of drives knows edges of energy -s' W s alone, not {edge}")
                at_post = (whole[edge.post - 1] * states[edge.post - 1]).sum(0)
                at_pre = None if at is None else (whole[edge.pre - 1] * at).sum(0)
                post, pre = edge.rows(post, pre, at_post, at_pre)
            products.append(Product(edge=index, post=post, pre=pre))
            if backward and at is not None and index != network.readout:
                products.append(Product(edge=index, post=states[edge.post - 1], pre=whole[edge.pre - 1], at=at))
        return cls(network=network, products=products, biases=[f.sum(0) for f in real], backward=backward)

    @torch.no_grad()
    def gradients(self) -> dict[str, Tensor]:
        """Keyed like `named_parameters()`; parameters that do not require a gradient are left out."""
        result: dict[str, Tensor] = {}
        for product in self.products:
            edge, operator = self.network.edges[product.edge], self.network.operators[product.edge]
            if trainable(operator):
                backward = product.at is not None
                parts = edge.gradient(operator, product.post, product.pre, at=product.at, backward=backward)
                for key, part in parts.items():
                    name = f"weights.{product.edge}.{key}"
                    result[name] = result[name] + part if name in result else part
        for layer, (total, bias) in enumerate(zip(self.biases, self.network.shifts, strict=True)):
            if bias.requires_grad:
                result[f"biases.{layer}"] = shared(total, bias)
        return result

    @torch.no_grad()
    def learn_(self, rates: Sequence[float], bias_rate: float, generator: torch.Generator | None = None) -> Written:
        """One plain step down the gradient, a rate an operator, that each operator makes by itself: none is kept.

        Raises ValueError, before anything is written, where a force or the input is not finite (relaxations see to it
        that states are), and where the backward direction counts too.
        """
        network = self.network
        if self.backward:
            raise ValueError("weights of two directions learn from their gradients, not from one product")
        if not self.finite:
            inputs = {f"input of edge {p.edge}": p.pre for p in self.products if network.edges[p.edge].pre == 0}
            require_finite({f"force on layer {layer + 1}": f for layer, f in enumerate(self.biases)} | inputs)
        total = Written()
        for product in self.products:
            rate = rates[product.edge]
            if rate:
                edge, operator = network.edges[product.edge], network.operators[product.edge]
                total += edge.learn_(operator, product.post, product.pre, rate, generator)
        for gradient, bias in zip(self.biases, network.shifts, strict=True):
            if bias.requires_grad:
                bias.sub_(shared(gradient, bias), alpha=bias_rate)
        return total
