"""Edges of a network's graph: which layer couples to which, and how states meet the edge's weight operator."""

from collections.abc import Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from itertools import combinations, pairwise

import torch
from jaxtyping import Num
from torch import Tensor

from ep_core.weight import WeightOperator, Written

Pre = Num[Tensor, "batch pre"]
Post = Num[Tensor, "batch post"]


@dataclass(frozen=True, kw_only=True)
class Edge:
    """All neurons of layer `pre` with all of layer `post`: E -= s_post' W s_pre. Layer 0 is the clamped input.

    Both directions are one hardware: `up` reads it forwards into the drive of post, `down` backwards into the drive
    of pre. An edge from a layer to itself couples its neurons among each other; it acts in both directions too.
    """

    pre: int
    post: int
    reads = 1  # products of a sample with the operator in one direction
    channels: int | None = None  # features that share a bias; None = every neuron has its own
    holomorphic = True  # whether it continues to complex states
    linear = True
    bilinear = True  # whether its energy is -s_post' W s_pre and no more; else `rows` says what more

    def shape(self, sizes: Sequence[int]) -> tuple[int, int]:
        """(out, in) of the weight operator. ValueError where the edge does not fit the layers' sizes."""
        return sizes[self.post], sizes[self.pre]

    def up(self, operator: WeightOperator, pre: Pre, generator: torch.Generator | None = None) -> Post:
        """W s_pre: what the edge adds to the drive of post."""
        return operator.mvm(pre, generator)

    def down(self, operator: WeightOperator, post: Post, at: Pre, generator: torch.Generator | None = None) -> Pre:
        """W_b' s_post: what the edge adds to the drive of pre, whose state is `at` (pooling looks at it)."""
        return operator.vmm(post, generator)

    def rows(self, post: Post, pre: Pre, at_post: Tensor, at_pre: Tensor | None) -> tuple[Post, Pre]:
        """Rows (post, pre) of a contrast, with more where the energy has terms of one end alone.

        Args:
            post: forces.
            pre: states; the gradient sums the products of both.
            at_post: sum over the rows of force times state, of each neuron of post.
            at_pre: the same of pre; None where that is the input.

        """
        return post, pre

    def gradient(
        self, operator: WeightOperator, post: Post, pre: Pre, *, at: Pre | None = None, backward: bool = False
    ) -> dict[str, Tensor]:
        """d<post' up(pre)>/dtheta, or with `backward` d<pre' down(post)>/dtheta, summed over the batch.

        `at` is the state of layer pre where pooling looks (default: `pre`).
        """
        return operator.bilinear_grad(post, pre, backward)

    def learn_(
        self, operator: WeightOperator, post: Post, pre: Pre, rate: float, generator: torch.Generator | None = None
    ) -> Written:
        """Step the operator down `gradient` by `rate`."""
        return operator.learn_(post, pre, rate, generator)


def chain(sizes: Sequence[int]) -> list[Edge]:
    """Each layer with the next."""
    return [Edge(pre=pre, post=post) for pre, post in pairwise(range(len(sizes)))]


def fully_connected(inputs: int, hidden: int, outputs: int, *, blocks: int = 4) -> tuple[tuple[int, ...], list[Edge]]:
    """Sizes and edges of a Hopfield network, all units with all (Scellier & Bengio 2017, figure 1).

    The hidden units are cut into `blocks` layers, which Gauss-Seidel sweeps update one after the other.
    Raises ValueError where the hidden units do not fall into that many equal blocks.
    """
    if blocks < 1 or hidden % blocks:
        raise ValueError(f"{hidden} hidden units do not fall into {blocks} equal blocks")
    sizes = (inputs, *(hidden // blocks,) * blocks, outputs)
    layers = range(1, len(sizes))
    ends = [(0, layer) for layer in layers] + list(combinations(layers, 2)) + [(layer, layer) for layer in layers]
    return sizes, [Edge(pre=pre, post=post) for pre, post in ends]


def sweep_order(edges: Sequence[Edge], layers: int) -> list[int]:
    """Layers above the input in the order of the edges, which is that of a sweep.

    Raises ValueError for edges that leave the graph, enter the input, repeat, or run in a circle.
    """
    seen: set[tuple[int, int]] = set()
    graph: dict[int, set[int]] = {layer: set() for layer in range(1, layers)}
    for edge in edges:
        ends = edge.pre, edge.post
        if not (0 <= edge.pre < layers and 0 < edge.post < layers):
            raise ValueError(f"the edge {ends} must go from a layer 0..{layers - 1} to a layer 1..{layers - 1}")
        if ends in seen or ends[::-1] in seen:
            raise ValueError(f"layers {ends} are joined twice; an edge acts in both directions already")
        seen.add(ends)
        if edge.pre not in (0, edge.post):
            graph[edge.post].add(edge.pre)
    joined = {layer for ends in seen for layer in ends}
    lonely = [layer for layer in range(layers) if layer not in joined]
    if lonely:
        raise ValueError(f"layer {lonely[0]} has no edge")
    try:
        order = list(TopologicalSorter(graph).static_order())
    except CycleError as error:
        circle = " -> ".join(map(str, error.args[1]))
        raise ValueError(
            f"no order of a sweep: the edges run in a circle {circle}; turn one around (edges act both ways)"
        ) from error
    return order
