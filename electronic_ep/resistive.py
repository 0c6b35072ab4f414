"""A resistive network: layers of nodes joined by conductances, with diodes, whose co-content is EP's energy.

    E(v; g, x) = 1/2 sum_edges g_jk (v_j - v_k)^2

Kirchhoff's law minimises it over the free nodes (Kendall et al., arXiv 2006.01981; Scellier 2024, "A fast algorithm to
simulate nonlinear resistive networks"). Ideal diodes to ground keep v_j >= 0 or v_j <= 0, so that a layer whose
neighbours are held goes to

    v_j = clip(sum_k g_jk v_k / c_j),   c_j = sum_k g_jk

The nudge is a current -beta dC/dv into the outputs, beta a conductance. The gradient is a contrast of half squared
voltage drops, dE/dg_jk = 1/2 (v_j - v_k)^2: local, and measured at the resistor. There are no amplifiers: the input is
as large as it must be. Voltages are in V; conductances, and beta, are multiples of a unit that cancels out.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Num
from torch import Tensor, nn

from ep_core import Activation, Edge, Linear, Network, WeightOperator, Written
from ep_core.network import State, Terms, WeightFactory
from ep_core.weight import Inputs, Outputs, product, require_finite


class ConductanceWeight(WeightOperator):
    """g_jk >= least of the resistors between two layers: the currents that flow from one into the held other.

    Args:
        out_features, in_features: nodes of the two layers.
        most: conductances start uniform from `least` to here.
        least: end of their range, where writes stop; 0 = an open circuit.
        generator: source of the initial values.
        dtype: of the parameter.

    Raises ValueError for a range that is none.

    """

    symmetric = True

    def __init__(
        self,
        out_features: int,
        in_features: int,
        *,
        most: float = 1.0,
        least: float = 0.0,
        generator: torch.Generator | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__(out_features, in_features)
        if not 0 <= least < most < math.inf:
            raise ValueError(f"conductances start between least >= 0 and most > least, not {least} and {most}")
        self.least = least
        # Drawn in float64, so that a seed means the same conductances at every precision.
        draw = torch.rand(out_features, in_features, generator=generator, dtype=torch.float64)
        self.g = nn.Parameter((least + (most - least) * draw).to(dtype))

    def mvm(self, x: Inputs, generator: torch.Generator | None = None) -> Outputs:
        """G v: current into the nodes of the second layer, held at 0 V."""
        return product(x, self.g)

    def vmm(self, y: Outputs, generator: torch.Generator | None = None) -> Inputs:
        """G' v: the same from the other side."""
        return product(y, self.g.mT)

    @torch.no_grad()
    def bilinear_grad(
        self, post: Float[Tensor, "batch out"], pre: Float[Tensor, "batch in"], backward: bool = False
    ) -> dict[str, Tensor]:
        """d<post' G pre>/dG = post pre'."""
        return {"g": post.mT @ pre}

    @torch.no_grad()
    def program_(self, deltas: dict[str, Tensor], generator: torch.Generator | None = None) -> Written:
        """G <- max(G + delta, least)."""
        require_finite(deltas)
        wanted = self.g + deltas["g"]
        held = wanted.clamp(min=self.least)
        pulses = int(torch.count_nonzero(held != self.g))
        self.g.copy_(held)
        return Written(pulses=pulses, clipped=int(torch.count_nonzero(wanted < self.least)))


@dataclass(frozen=True, kw_only=True)
class Diodes(Activation):
    """Ideal diodes to ground at every node: v >= 0 at even ones, v <= 0 at odd ones."""

    low: float = -math.inf
    high: float = math.inf

    def rho(self, drive: Tensor) -> Tensor:
        """v of the open-circuit voltage u: u where the diode blocks, 0 where it conducts."""
        return torch.where(self.piece(drive) == 0, drive, torch.zeros_like(drive))

    def slope(self, drive: Tensor) -> Tensor:
        """1 where the diode blocks, 0 where it conducts."""
        return (self.piece(drive) == 0).to(drive.dtype)

    def energy(self, state: Tensor) -> Tensor:
        """0: an ideal diode takes no power."""
        return torch.zeros_like(state)

    def piece(self, drive: Tensor) -> Tensor:
        """1 where the diode conducts."""
        return (signs(drive.shape[-1]).to(drive) * drive < 0).int()


def signs(nodes: int) -> Float[Tensor, " nodes"]:
    """+1 for nodes whose diodes keep v >= 0, -1 for v <= 0, in turn."""
    return 1.0 - 2.0 * (torch.arange(nodes) % 2)


@dataclass(frozen=True, kw_only=True)
class Resistors(Edge):
    """Resistors between all nodes of two layers: E += 1/2 sum_jk g_jk (v_j - v_k)^2."""

    bilinear = False

    def rows(self, post: Tensor, pre: Tensor, at_post: Tensor, at_pre: Tensor | None) -> tuple[Tensor, Tensor]:
        """-v_j v_k as ever, and 1/2 v_j^2 + 1/2 v_k^2 as two more rows against ones; clamped v_k do not change."""
        more = [(-0.5 * at_post, torch.ones_like(pre[0]))]
        if at_pre is not None:
            more.append((torch.ones_like(post[0]), -0.5 * at_pre))
        posts, pres = zip(*more, strict=True)
        return torch.cat([post, torch.stack(posts)]), torch.cat([pre, torch.stack(pres)])


@dataclass(frozen=True, kw_only=True)
class Rails(Resistors):
    """Resistors to what the input holds: a x, -a x, and two nodes at +1 and -1 V, for conductances have no sign.

    Attributes:
        gain: a [V], voltage of a pixel of 1.

    """

    gain: float = 1.0

    def shape(self, sizes: Sequence[int]) -> tuple[int, int]:
        """Two rails a pixel, and two more."""
        return sizes[self.post], 2 * sizes[self.pre] + 2

    def held(self, x: Num[Tensor, "batch n"]) -> Num[Tensor, "batch rails"]:
        """Voltages of the rails [V]."""
        one = torch.ones_like(x[:, :1])
        return torch.cat([self.gain * x, -self.gain * x, one, -one], 1)

    def up(self, operator: WeightOperator, pre: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Currents from the rails into the layer, held at 0 V."""
        return operator.mvm(self.held(pre), generator)

    def rows(self, post: Tensor, pre: Tensor, at_post: Tensor, at_pre: Tensor | None) -> tuple[Tensor, Tensor]:
        """As of `Resistors`, for the rails."""
        return super().rows(post, self.held(pre), at_post, at_pre)


class ResistiveNetwork(Network):
    """Layers of nodes from rails to outputs: hidden ones with diodes, the last without.

    Its drive is the open-circuit voltage sum_k g_jk v_k / c_j; so residuals are volts. A nudge follows the state, and
    its sweeps converge for |beta| < c of the outputs.

    Args:
        sizes: pixels, hidden nodes a layer, outputs.
        gain: voltage of a pixel of 1 [V].
        weight: called as weight(nodes, nodes of the layer before or rails) for each layer: `ConductanceWeight`, or any
            operator without negative entries.

    Raises ValueError as `Network` does, and for a gain that is not positive and finite.

    """

    def __init__(
        self, sizes: Sequence[int], weight: WeightFactory | Sequence[WeightFactory], *, gain: float = 1.0
    ) -> None:
        if not (math.isfinite(gain) and gain > 0):
            raise ValueError(f"the gain of the input must be positive and finite, not {gain}")
        edges = [Resistors(pre=n, post=n + 1) if n else Rails(pre=0, post=1, gain=gain) for n in range(len(sizes) - 1)]
        super().__init__(sizes, weight, Diodes(), output=Linear(), edges=edges)
        for bias in self.shifts:
            # The rails at +1 and -1 V are what biases are here.
            bias.requires_grad = False

    def load(self, layer: int) -> Float[Tensor, "1 n"]:
        """c_j: sum of the conductances at every node of `layer` (0 = first hidden layer)."""
        total = torch.zeros(1, self.sizes[layer + 1], **self.like())
        for edge, operator in self.links:
            if edge.post == layer + 1:
                total = total + operator.mvm(torch.ones(1, operator.in_features, **self.like()))
            if edge.pre == layer + 1:
                total = total + operator.vmm(torch.ones(1, operator.out_features, **self.like()))
        return total

    def clamp(self, x: Float[Tensor, "batch n"], generator: torch.Generator | None = None) -> State:
        """What the rails add to the open-circuit voltages [V]."""
        return tuple(current / self.load(layer) for layer, current in enumerate(super().clamp(x, generator)))

    def drive(
        self, layer: int, state: Sequence[Tensor], constant: Sequence[Tensor], generator: torch.Generator | None = None
    ) -> Num[Tensor, "batch n"]:
        """Open-circuit voltage of the nodes [V]: what flows into them at 0 V, over their load."""
        currents = super().drive(layer, state, [torch.zeros_like(c) for c in constant], generator)
        return constant[layer] + currents / self.load(layer)

    def terms(self, dtype: torch.dtype, generator: torch.Generator | None) -> Terms | None:
        """Matrices g_jk / c_j by which layers see their neighbours."""
        currents = super().terms(dtype, generator)
        if currents is None:
            return None
        loads = [self.load(layer).to(dtype) for layer in range(self.layers)]
        return [[(o, matrix / load) for o, matrix in own] for own, load in zip(currents, loads, strict=True)]

    def pull(
        self, slope: Num[Tensor, "batch k"], state: Sequence[Tensor], generator: torch.Generator | None = None
    ) -> Num[Tensor, "batch n"]:
        """dC/dv of the outputs as a voltage: a current into their load."""
        return slope / self.load(self.layers - 1)

    def energy(self, state: State, x: Float[Tensor, "batch n"]) -> Float[Tensor, " batch"]:
        """The co-content 1/2 sum g (v_j - v_k)^2 of each sample."""
        total = torch.zeros(len(x), **self.like())
        for edge, operator in self.links:
            post = state[edge.post - 1]
            pre = edge.held(x) if isinstance(edge, Rails) else state[edge.pre - 1]
            ends = post.square() @ operator.mvm(torch.ones_like(pre[:1]))[0]
            ends = ends + pre.square() @ operator.vmm(torch.ones_like(post[:1]))[0]
            total = total + ends / 2 - (post * operator.mvm(pre)).sum(1)
        return total

    def feedforward(self, x: Float[Tensor, "batch n"]) -> State:
        """Raise ValueError: current has no direction to leave out."""
        raise ValueError("a resistive network has no pass without feedback")
