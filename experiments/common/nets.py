"""The graphs of the main job: layered, fully connected and convolutional networks from their options."""

import math
from dataclasses import dataclass

from ep_core import (
    Activation,
    Convolution,
    Edge,
    HardSigmoid,
    Linear,
    Modulator,
    Sigmoid,
    Softplus,
    Tanh,
    chain,
    fully_connected,
)
from experiments.common.options import TrainOptions

ACTIVATIONS: dict[str, type[Activation]] = {
    "hard-sigmoid": HardSigmoid,
    "sigmoid": Sigmoid,
    "tanh": Tanh,
    "softplus": Softplus,
    "modulator": Modulator,
}
POOL = 2


@dataclass(frozen=True, kw_only=True)
class Graph:
    """Sizes and edges of a network; `groups` says whose learning rate and first weights each edge has."""

    sizes: tuple[int, ...]
    edges: list[Edge]
    groups: list[int]


def graph(options: TrainOptions) -> Graph:
    """Build the graph that resolved options ask for. ValueError where it cannot be."""
    if options.net == "hopfield":
        sizes, edges = fully_connected(*options.sizes, blocks=options.blocks)
        return Graph(sizes=sizes, edges=edges, groups=[int(edge.pre > 0) for edge in edges])
    edges = chain(options.sizes)
    if options.net == "conv":
        edges[: len(options.channels)] = convolutions(options)
    layers = len(options.sizes)
    shortcuts = [Edge(pre=layer, post=layer + 2) for layer in range(layers - 2)] if options.skip else []
    groups = [edge.post - 1 for edge in [*edges, *shortcuts]]
    return Graph(sizes=options.sizes, edges=[*edges, *shortcuts], groups=groups)


def convolutions(options: TrainOptions) -> list[Convolution]:
    """Edges of the convolutions, from a square grey image on. ValueError where kernel and pooling do not fit it."""
    side = math.isqrt(options.sizes[0])
    if side**2 != options.sizes[0]:
        raise ValueError(f"--net conv needs a square image, not {options.sizes[0]} pixels")
    image, edges = (side, side, 1), []
    for layer, channels in enumerate(options.channels):
        edge = Convolution(
            pre=layer,
            post=layer + 1,
            image=image,
            channels=channels,
            kernel=options.kernel,
            pool=POOL,
            pooling=options.pooling,
        )
        image = edge.pooled
        edges.append(edge)
    return edges


def neurons(options: TrainOptions) -> tuple[Activation, Activation]:
    """Activations of hidden and of output neurons."""
    bits = options.state_bits or None
    hidden = ACTIVATIONS[options.activation](bits=bits, noise=options.neuron_noise)
    if options.output == "linear":
        return hidden, Linear(bits=bits, noise=options.neuron_noise)
    if options.output_range is None:
        return hidden, hidden
    low, high = options.output_range
    return hidden, HardSigmoid(bits=bits, low=low, high=high, noise=options.neuron_noise)
