"""What wires make of a crossbar's conductances: exact, for all inputs at once, in both directions.

Word line i is driven at column 0 and meets a device at every column; bit line j is sensed at its last row, at virtual
ground. u_ij and w_ij are the voltages of word and bit line at device ij, g_w and g_b conductances of a piece of wire:

    word line i:  T_i u_i = G_i w_i + g_drive v_i e_0,   T_i = (pieces of wire) + g_drive e_0 e_0' + diag(G_i)
    bit lines:    D_i w_i - g_b (w_(i-1) + w_(i+1)) = G_i T_i^-1 e_0 g_drive v_i = b_i v_i
                  D_i = diag(G_i) - G_i T_i^-1 G_i + g_b (neighbours), + g_sense in the last row

Eliminating bit lines from the first row on leaves S_i = D_i - g_b^2 S_(i-1)^-1, and the currents into ground are
W_eff v with column i of W_eff = Z_i b_i, Z_last = g_sense S_last^-1, Z_i = g_b Z_(i+1) S_i^-1. The network is passive
and ohmic, hence reciprocal: the other direction has the transpose of the W_eff with its own terminals.

That is what has a gradient, and the referee of `lines`, which makes W_eff where none is asked for.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from electronic_ep.lines import effective as compiled_effective

Conductances = Float[Tensor, "*tiles rows cols"]
Matrix = Float[Tensor, "*tiles cols rows"]
Volts = Float[Tensor, "*tiles batch lines"]
Voltages = Float[Tensor, "*tiles batch rows cols"]


@dataclass(frozen=True, kw_only=True)
class Wires:
    """Resistance of the wire between two devices.

    Attributes:
        word, bit: along a word line, along a bit line [ohm]; both positive, or both 0: no wires at all.

    """

    word: float
    bit: float

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not (math.isfinite(value) and value >= 0):
                raise ValueError(f"a wire's {name} must be a resistance of at least 0 ohm, not {value}")
        if (self.word == 0) != (self.bit == 0):
            raise ValueError(f"wires have resistance along both lines or none: word {self.word}, bit {self.bit} ohm")


@dataclass(frozen=True, kw_only=True)
class Terminals:
    """Resistance in series at the ends of the lines, by what the end does.

    Forwards word lines are driven and bit lines sensed; backwards bit lines are driven and word lines sensed.

    Attributes:
        word_drive, bit_sense: forwards [ohm]. bit_drive, word_sense: backwards [ohm].

    """

    word_drive: float = 0.0
    bit_sense: float = 0.0
    bit_drive: float = 0.0
    word_sense: float = 0.0

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not (math.isfinite(value) and value >= 0):
                raise ValueError(f"a terminal's {name} must be a resistance of at least 0 ohm, not {value}")

    @property
    def symmetric(self) -> bool:
        """Whether every line has one resistance, driven or sensed: then backwards is exactly the transpose."""
        return self.word_drive == self.word_sense and self.bit_drive == self.bit_sense


def effective(
    conductances: Conductances, wires: Wires, terminals: Terminals | None = None, *, backward: bool = False
) -> Matrix:
    """W_eff [S], by which the currents of the sensed lines are W_eff times the voltages of the driven ones.

    Args:
        conductances: of the devices [S], tiles first.
        wires: of all tiles.
        terminals: of all tiles; default: without resistance.
        backward: for bit lines driven and word lines sensed, as its transpose: currents of the words = W_eff' volts.

    The gradient reaches the conductances; use double precision for it: in single it is 1e-4 off. Without a gradient
    it is compiled on the CPU, in double precision inside, and 20 to 50 times as fast (16 x 16 to 256 x 256).
    Raises ValueError for conductances that are not positive and finite.

    """
    word, bit = ends(conductances, terminals, backward)
    if wires.word == 0:
        return _without_wires(conductances, word, bit)
    if conductances.is_cpu and not (torch.is_grad_enabled() and conductances.requires_grad):
        terminated = 1 / (wires.word + word), 1 / (wires.bit + bit)
        return compiled_effective(conductances, 1 / wires.word, 1 / wires.bit, *terminated)
    return _Lines(conductances, wires, word, bit).effective()


def drops(
    conductances: Conductances,
    volts: Volts,
    wires: Wires,
    terminals: Terminals | None = None,
    *,
    backward: bool = False,
) -> Voltages:
    """Voltage across every device [V], from its word to its bit line, for given voltages of the driven lines.

    The network is reciprocal, so that (Tellegen) the local rule

        d(post' W_eff pre)/dG_ij = -(u - w)_ij (u^ - w^)_ij

    holds, u - w with `pre` driving and u^ - w^ with `post` driving the other side, both behind the terminals of W_eff.
    Without resistance that is the outer product post_j pre_i. No chip can read these voltages: it is a referee.

    Args:
        conductances: as of `effective`.
        volts: of the word lines, (*tiles, batch, rows); backward of the bit lines, (*tiles, batch, cols).
        wires: as of `effective`.
        terminals: as of `effective`.
        backward: bit lines are driven.

    Raises ValueError as `effective` does.

    """
    word, bit = ends(conductances, terminals, backward)
    return _across(conductances, wires, word, bit)(volts, backward=backward)


def local_rule(
    conductances: Conductances,
    pre: Float[Tensor, "*tiles batch rows"],
    post: Float[Tensor, "*tiles batch cols"],
    wires: Wires,
    terminals: Terminals | None = None,
    *,
    backward: bool = False,
) -> Conductances:
    """d(post' W_eff pre)/dG summed over the batch: minus the product of both voltages across each device (`drops`).

    `pre` (*tiles, batch, rows) drives the word lines, `post` (*tiles, batch, cols) the bit lines, both behind the
    terminals of W_eff, or of the W_eff that serves the other direction if `backward`.
    """
    voltages = _across(conductances, wires, *ends(conductances, terminals, backward))
    return -(voltages(pre, backward=False) * voltages(post, backward=True)).sum(-3)


def _across(g: Conductances, wires: Wires, word: float, bit: float) -> Callable[..., Voltages]:
    """Voltages across the devices as a function of what drives them; the equations are factorised once."""
    if wires.word:
        network = _Lines(g, wires, word, bit)

        def solved(volts: Volts, *, backward: bool) -> Voltages:
            words, bits = network.voltages(volts, backward=backward)
            return words - bits

        return solved
    whole = _without_wires(g, word, bit)

    def direct(volts: Volts, *, backward: bool) -> Voltages:
        if backward:
            words = word * volts @ whole
            bits = _behind(volts, words, g.mT, bit)
        else:
            bits = bit * volts @ whole.mT
            words = _behind(volts, bits, g, word)
        return words[..., :, None] - bits[..., None, :]

    return direct


def ends(conductances: Conductances, terminals: Terminals | None, backward: bool) -> tuple[float, float]:
    """Resistances at the words' and at the bits' ends [ohm], once the conductances are checked."""
    ranges = conductances.detach().aminmax() if conductances.numel() else ()
    if not all(0 < end.item() < math.inf for end in ranges):
        bad = ~(torch.isfinite(conductances) & (conductances > 0))
        raise ValueError(f"a conductance must be positive and finite, not {float(conductances[bad][0].detach())} S")
    own = terminals or Terminals()
    return (own.word_sense, own.bit_drive) if backward else (own.word_drive, own.bit_sense)


class _Lines:
    """The equations above, bit lines eliminated row by row: S_i as Cholesky factors."""

    def __init__(self, g: Conductances, wires: Wires, word: float, bit: float) -> None:
        self.g, self.g_b = g, 1 / wires.bit
        self.at_word, self.at_bit = 1 / (wires.word + word), 1 / (wires.bit + bit)
        rows, cols = g.shape[-2:]
        line = _line(cols, 1 / wires.word, self.at_word, g)
        self.inverse = torch.cholesky_inverse(torch.linalg.cholesky(line + torch.diag_embed(g)))
        pieces = torch.full((rows,), 2 * self.g_b, dtype=g.dtype, device=g.device)
        pieces[0] -= self.g_b
        pieces[-1] += self.at_bit - self.g_b
        own = torch.diag_embed(g + pieces[:, None]) - g[..., :, None] * self.inverse * g[..., None, :]
        self.factors = [torch.linalg.cholesky(own[..., 0, :, :])]
        for i in range(1, rows):
            before = torch.cholesky_inverse(self.factors[-1])
            self.factors.append(torch.linalg.cholesky(own[..., i, :, :] - self.g_b**2 * before))

    def effective(self) -> Matrix:
        eye = torch.eye(self.g.shape[-1], dtype=self.g.dtype, device=self.g.device)
        # b_i, and Z_i' = g_b S_i^-1 Z_(i+1)'
        sources = self.at_word * self.g * self.inverse[..., 0]
        z = self.at_bit * torch.cholesky_solve(eye.expand_as(self.factors[-1]), self.factors[-1])
        columns = [z.mT @ sources[..., -1, :, None]]
        for i in reversed(range(len(self.factors) - 1)):
            z = self.g_b * torch.cholesky_solve(z, self.factors[i])
            columns.append(z.mT @ sources[..., i, :, None])
        return torch.cat(columns[::-1], -1)

    def voltages(self, volts: Volts, *, backward: bool) -> tuple[Voltages, Voltages]:
        """Those of the word and of the bit lines at every device."""
        driven = self.at_word * self.inverse[..., 0]
        if backward:
            last = self.at_bit * volts[..., None, :]
            sources = torch.cat([torch.zeros_like(last)] * (len(self.factors) - 1) + [last], -2)
        else:
            sources = (self.g * driven)[..., None, :, :] * volts[..., None]
        # Down the rows y_i = b_i v_i + g_b S_(i-1)^-1 y_(i-1), and up again S_i w_i = y_i + g_b w_(i+1)
        gathered = [sources[..., 0, :]]
        for i in range(1, len(self.factors)):
            gathered.append(sources[..., i, :] + self.g_b * self._solve(gathered[-1], i - 1))
        rows = [self._solve(gathered[-1], len(self.factors) - 1)]
        for i in reversed(range(len(self.factors) - 1)):
            rows.append(self._solve(gathered[i] + self.g_b * rows[-1], i))
        bits = torch.stack(rows[::-1], -2)
        pulled = self.g[..., None, :, :] * bits
        words = torch.einsum("...ijk,...bik->...bij", self.inverse, pulled)
        return words if backward else words + driven[..., None, :, :] * volts[..., None], bits

    def _solve(self, currents: Float[Tensor, "*tiles batch cols"], row: int) -> Float[Tensor, "*tiles batch cols"]:
        return torch.cholesky_solve(currents.mT, self.factors[row]).mT


def _behind(
    volts: Float[Tensor, "*tiles batch rows"],
    others: Float[Tensor, "*tiles batch cols"],
    g: Conductances,
    ohm: float,
) -> Float[Tensor, "*tiles batch rows"]:
    """Voltage of lines that are one node each behind a terminal, joined by g to others of known voltage."""
    return (volts + ohm * others @ g.mT) / (1 + ohm * g.sum(-1))[..., None, :]


def _line(count: int, wire: float, drive: float, like: Tensor) -> Float[Tensor, "cols cols"]:
    """Conductances of a word line's wire, driven at its first device."""
    diagonal = torch.full((count,), 2 * wire, dtype=like.dtype, device=like.device)
    diagonal[-1] -= wire
    diagonal[0] += drive - wire
    beside = torch.full((count - 1,), -wire, dtype=like.dtype, device=like.device)
    return torch.diag(diagonal) + torch.diag(beside, 1) + torch.diag(beside, -1)


def _without_wires(g: Conductances, word: float, bit: float) -> Matrix:
    """Every line is one node behind its terminal.

    Word line i: u = (v + r sum_j G_ij w_j) / (1 + r sum_j G_ij); bit lines: (1 / r' + sum_i G_ij) w = G' u.
    With r, r' the terminals' resistances this solves (1 + r' C) i = G' u for the currents i = w / r'.
    """
    kept = 1 / (1 + word * g.sum(-1, keepdim=True))
    driven = g * kept
    # (1 + r' (C - r G' diag(kept) G)) i = (diag(kept) G)' v
    folded = torch.diag_embed(g.sum(-2)) - word * g.mT @ driven
    eye = torch.eye(g.shape[-1], dtype=g.dtype, device=g.device)
    return torch.linalg.solve(eye + bit * folded, driven.mT)
