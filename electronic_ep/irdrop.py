"""What wires make of a crossbar's conductances: exact, for all inputs at once, in both directions.

Word line i is driven at column 0 and meets a device at every column; bit line j is sensed at its last row, at virtual
ground. u_ij and w_ij are the voltages of word and bit line at device ij, g_w and g_b conductances of a piece of wire:

    word line i:  T_i u_i = G_i w_i + g_drive v_i e_0,   T_i = (pieces of wire) + g_drive e_0 e_0' + diag(G_i)
    bit lines:    D_i w_i - g_b (w_(i-1) + w_(i+1)) = G_i T_i^-1 e_0 g_drive v_i = b_i v_i
                  D_i = diag(G_i) - G_i T_i^-1 G_i + g_b (neighbours), + g_sense in the last row

Eliminating bit lines from the first row on leaves S_i = D_i - g_b^2 S_(i-1)^-1, and the currents into ground are
W_eff v with column i of W_eff = Z_i b_i, Z_last = g_sense S_last^-1, Z_i = g_b Z_(i+1) S_i^-1. The network is passive
and ohmic, hence reciprocal: the other direction has the transpose of the W_eff with its own terminals.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

Conductances = Float[Tensor, "*tiles rows cols"]
Matrix = Float[Tensor, "*tiles cols rows"]


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

    The gradient reaches the conductances. Use double precision: in single it is 1e-4 off.
    Raises ValueError for conductances that are not positive and finite.

    """
    bad = ~(torch.isfinite(conductances) & (conductances > 0))
    if bad.any():
        raise ValueError(f"a conductance must be positive and finite, not {float(conductances[bad][0].detach())} S")
    ends = terminals or Terminals()
    word, bit = (ends.word_sense, ends.bit_drive) if backward else (ends.word_drive, ends.bit_sense)
    if wires.word == 0:
        return _without_wires(conductances, word, bit)
    return _with_wires(conductances, wires, 1 / (wires.word + word), 1 / (wires.bit + bit))


def _with_wires(g: Conductances, wires: Wires, drive: float, sense: float) -> Matrix:
    rows, cols = g.shape[-2:]
    g_b = 1 / wires.bit
    line = _line(cols, 1 / wires.word, drive, g)
    whole = torch.linalg.cholesky(line + torch.diag_embed(g))
    # G_i T_i^-1 G_i, and b_i = G_i T_i^-1 e_0 g_drive
    inverse = torch.cholesky_inverse(whole)
    folded = g[..., :, None] * inverse * g[..., None, :]
    sources = drive * g * inverse[..., 0]
    pieces = torch.full((rows,), 2 * g_b, dtype=g.dtype, device=g.device)
    pieces[0] -= g_b
    pieces[-1] += sense - g_b
    own = torch.diag_embed(g + pieces[:, None]) - folded
    eye = torch.eye(cols, dtype=g.dtype, device=g.device)
    factors = [torch.linalg.cholesky(own[..., 0, :, :])]
    for i in range(1, rows):
        factors.append(torch.linalg.cholesky(own[..., i, :, :] - g_b**2 * torch.cholesky_inverse(factors[-1])))
    # Z_i' = g_b S_i^-1 Z_(i+1)'
    z, columns = sense * torch.cholesky_solve(eye.expand_as(factors[-1]), factors[-1]), list[Tensor]()
    for i in reversed(range(rows)):
        if i < rows - 1:
            z = g_b * torch.cholesky_solve(z, factors[i])
        columns.append((z.mT @ sources[..., i, :, None])[..., 0])
    return torch.stack(columns[::-1], -1)


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
