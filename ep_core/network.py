"""A network of neurons whose couplings are weight operators, on any graph of layers, and its energy."""

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property

import torch
from jaxtyping import Float, Num
from torch import Tensor, nn

from ep_core.activation import Activation, HardSigmoid
from ep_core.edge import Edge, chain, sweep_order
from ep_core.ledger import Passes
from ep_core.weight import Like, WeightOperator, Written, require_finite

WeightFactory = Callable[[int, int], WeightOperator]
State = tuple[Tensor, ...]
Terms = list[
    list[tuple[list[int], Tensor]]
]  # of each layer: the layers that it sees, and the matrix that it sees them by


class Network(nn.Module):
    """E(s; theta, x) = sum_l G(s_l) - sum_edges s_post' W s_pre - sum_l b_l' s_l with s_0 = x clamped.

    Its fixed point is s_l = rho(u_l); the drive u_l sums b_l, W s_pre of the edges that end in layer l and W' s_post
    of those that start there. W' is what `vmm` computes.

    Args:
        sizes: neurons a layer, input first.
        weight: called as weight(out_features, in_features) for each edge; or one such callable an edge.
        activation: of the hidden layers, and of the output unless `output` is given.
        output: activation of the output layer, the last one.
        edges: of the graph; default: each layer with the next. See `Edge`, `Convolution`, `fully_connected`.
        readout: the last layer is read out of the layer before it, W s + b without box or feedback: it is no part of
            the energy. The cost then looks at that, and its pull reaches the neurons through W'.

    Attributes:
        operators: the weight operators, in the order of the edges.
        links: the edges of the energy with their operators: all but the read-out.
        shifts: the biases, in the order of the layers.

    """

    def __init__(
        self,
        sizes: Sequence[int],
        weight: WeightFactory | Sequence[WeightFactory],
        activation: Activation | None = None,
        *,
        output: Activation | None = None,
        edges: Sequence[Edge] | None = None,
        readout: bool = False,
    ) -> None:
        super().__init__()
        if len(sizes) < 2 or min(sizes) < 1:
            raise ValueError(f"sizes must be at least two positive numbers of neurons, not {list(sizes)}")
        self.sizes = tuple(sizes)
        self.edges = chain(sizes) if edges is None else list(edges)
        self.order = [layer - 1 for layer in sweep_order(self.edges, len(sizes))]
        self.readout = self._readout() if readout else None
        self.layers = len(sizes) - (2 if readout else 1)
        hidden = HardSigmoid() if activation is None else activation
        last = hidden if output is None or readout else output
        self.activations = (hidden,) * (self.layers - 1) + (last,)
        factories = [weight] * len(self.edges) if callable(weight) else list(weight)
        if len(factories) != len(self.edges):
            raise ValueError(f"{len(self.edges)} edges need as many weights, not {len(factories)}")
        shapes = [edge.shape(self.sizes) for edge in self.edges]
        # Every sweep looks at these plain lists: torch's are slow.
        self.operators = [make(*shape) for make, shape in zip(factories, shapes, strict=True)]
        self.weights = nn.ModuleList(self.operators)
        pairs = zip(self.edges, self.operators, strict=True)
        self.links = [pair for index, pair in enumerate(pairs) if index != self.readout]
        shared = {edge.post: edge.channels for edge in self.edges if edge.channels is not None}
        widths = [shared.get(layer, n) for layer, n in enumerate(sizes)][1:]
        self.shifts = [nn.Parameter(torch.zeros(n, **self.like())) for n in widths]
        self.biases = nn.ParameterList(self.shifts)

    def _readout(self) -> int:
        """Index of the edge that is the read-out."""
        last = len(self.sizes) - 1
        ends = [i for i, edge in enumerate(self.edges) if last in (edge.pre, edge.post)]
        if last < 2 or len(ends) != 1 or self.edges[ends[0]].pre != last - 1:
            raise ValueError("a read-out needs one edge, from the last layer of neurons, and at least 3 sizes")
        self.order.remove(last - 1)
        return ends[0]

    def like(self) -> Like:
        """The dtype and device of the network's parameters."""
        return self.operators[0].like()

    def bias(self, layer: int) -> Float[Tensor, " n"]:
        """b of every neuron of `layer` (0 = first hidden layer)."""
        own = self.shifts[layer]
        return own.repeat(self.sizes[layer + 1] // len(own)) if len(own) < self.sizes[layer + 1] else own

    def rest(self, batch: int) -> State:
        """Return the state from which a free phase starts: all neurons at 0."""
        return tuple(self.shifts[0].new_zeros(batch, n) for n in self.sizes[1 : self.layers + 1])

    def clamp(self, x: Float[Tensor, "batch n"], generator: torch.Generator | None = None) -> State:
        """What is constant in a phase, so that it is read once: b_l, and W x of the edges that start at the input."""
        constant = [self.bias(layer) for layer in range(self.layers)]
        for edge, operator in self.links:
            if edge.pre == 0 and _is_matrix(edge, operator, generator) and not torch.is_grad_enabled():
                constant[edge.post - 1] = torch.addmm(constant[edge.post - 1], x, operator.matrix().mT)
            elif edge.pre == 0:
                constant[edge.post - 1] = constant[edge.post - 1] + edge.up(operator, x, generator)
        return tuple([c.expand(x.shape[0], -1) if c.dim() == 1 else c for c in constant])

    def drive(
        self, layer: int, state: Sequence[Tensor], constant: Sequence[Tensor], generator: torch.Generator | None = None
    ) -> Num[Tensor, "batch n"]:
        """u_l of `layer` (0 = first hidden layer), `constant` being `clamp(x)`."""
        drive = constant[layer]
        for edge, operator in self.links:
            if edge.post == layer + 1 and edge.pre > 0:
                drive = drive + edge.up(operator, state[edge.pre - 1], generator)
            if edge.pre == layer + 1:
                drive = drive + edge.down(operator, state[edge.post - 1], state[layer], generator)
        return drive

    def terms(self, dtype: torch.dtype, generator: torch.Generator | None) -> Terms | None:
        """Each layer's drive as a few products with matrices, read once for a whole phase.

        A layer with many neighbours sees them as one. None where an edge is no plain matrix or reads draw noise.
        """
        links = [(edge, operator) for edge, operator in self.links if edge.pre > 0]
        if not all(_is_matrix(edge, operator, generator) for edge, operator in links):
            return None
        result: Terms = []
        for layer in range(1, self.layers + 1):
            own = [(edge.pre - 1, operator.matrix().mT) for edge, operator in links if edge.post == layer]
            own += [(edge.post - 1, operator.reverse()) for edge, operator in links if edge.pre == layer]
            if len(own) > 2:
                own = [([other for other, _ in own], torch.cat([matrix for _, matrix in own]))]
            else:
                own = [([other], matrix) for other, matrix in own]
            result.append([(others, matrix.to(dtype)) for others, matrix in own])
        return result

    def reads(self, passes: Passes) -> int:
        """Products of one sample with one operator in one direction that so many passes take."""
        once, looped = self._products
        return once * passes.clamps + looped * (passes.ups + passes.downs) + passes.pulls

    @cached_property
    def _products(self) -> tuple[int, int]:
        """With all operators of the input, and with all others in one direction."""
        once = sum(edge.reads for edge, _ in self.links if edge.pre == 0)
        return once, sum(edge.reads for edge, _ in self.links if edge.pre > 0)

    def output(self, state: Sequence[Tensor], generator: torch.Generator | None = None) -> Num[Tensor, "batch k"]:
        """What the cost looks at: the output neurons, or what the read-out makes of the last layer."""
        if self.readout is None:
            return state[-1]
        edge, operator = self.edges[self.readout], self.operators[self.readout]
        return edge.up(operator, state[-1], generator) + self.bias(self.layers)

    def pull(
        self, slope: Num[Tensor, "batch k"], state: Sequence[Tensor], generator: torch.Generator | None = None
    ) -> Num[Tensor, "batch n"]:
        """dC/ds of the last layer of neurons from dC/d(output): itself, or sent backwards through the read-out."""
        if self.readout is None:
            return slope
        return self.edges[self.readout].down(self.operators[self.readout], slope, state[-1], generator)

    def feedforward(self, x: Float[Tensor, "batch n"]) -> State:
        """One pass from the input up, without feedback: what plain backpropagation trains."""
        constant, state = self.clamp(x), list(self.rest(len(x)))
        for layer in self.order:
            state[layer] = self.activations[layer](self.upward(layer, state, constant))
        return tuple(state)

    def upward(self, layer: int, state: Sequence[Tensor], constant: Sequence[Tensor]) -> Float[Tensor, "batch n"]:
        """The drive of a layer (0 = first hidden layer) by what comes from below alone."""
        drive = constant[layer]
        for edge, operator in self.links:
            if edge.post == layer + 1 and edge.pre not in (0, edge.post):
                drive = drive + edge.up(operator, state[edge.pre - 1])
        return drive

    def energy(self, state: State, x: Float[Tensor, "batch n"]) -> Float[Tensor, " batch"]:
        """E(s; theta, x) of each sample."""
        full, total = (x, *state), torch.zeros(len(x), **self.like())
        for layer, s in enumerate(state):
            # E += G(s) - b' s
            total = total + self.activations[layer].energy(s).sum(1) - s @ self.bias(layer)
        for edge, operator in self.links:
            # E -= s_post' W s_pre
            total = total - (full[edge.post] * edge.up(operator, full[edge.pre])).sum(1)
        return total

    @torch.no_grad()
    def program_(self, deltas: dict[str, Tensor], generator: torch.Generator | None = None) -> Written:
        """Write the changes, keyed like `named_parameters()`; biases are held digitally, exactly."""
        biases = {name: delta for name, delta in deltas.items() if name.startswith("biases.")}
        require_finite(deltas)
        total = Written()
        for index, operator in enumerate(self.operators):
            prefix = f"weights.{index}."
            own = {name.removeprefix(prefix): d for name, d in deltas.items() if name.startswith(prefix)}
            if own:
                total += operator.program_(own, generator)
        for name, delta in biases.items():
            self.shifts[int(name.removeprefix("biases."))].add_(delta)
        return total

    def age_(self, reads: int, generator: torch.Generator | None = None) -> None:
        """Let the operators drift in the time of so many reads, which they share evenly and make at once."""
        for operator in self.operators:
            operator.age_(reads / len(self.operators), generator)

    def trainables(self) -> Iterator[tuple[str, nn.Parameter]]:
        """Names and parameters that learn."""
        return ((name, p) for name, p in self.named_parameters() if p.requires_grad)


def _is_matrix(edge: Edge, operator: WeightOperator, generator: torch.Generator | None) -> bool:
    """Whether what the edge sends is a product with the operator's matrix, the same in every read."""
    kind = type(edge)
    return kind.up is Edge.up and kind.down is Edge.down and (generator is None or not operator.noisy)


def shared(each: Float[Tensor, " n"], bias: Float[Tensor, " m"]) -> Float[Tensor, " m"]:
    """Sum what every neuron asks of its bias over the neurons that share it."""
    return each if len(each) == len(bias) else each.unflatten(0, (-1, len(bias))).sum(0)


def trainable(operator: WeightOperator) -> bool:
    """Whether any parameter of the operator is to be trained."""
    return any(p.requires_grad for p in operator.parameters())
