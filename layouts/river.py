"""Planar routing of wires in one layer of metal: pure functions of numbers [um], all wires running upwards.

A wire comes up at its source x, runs level to its target x, and goes on up. Sources and targets are in one order, so
nothing need cross: the classic river.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

Box = tuple[float, float, float, float]  # left, bottom, right, top


@dataclass(frozen=True, kw_only=True)
class Wire:
    """A wire of the river.

    Attributes:
        source, target: x where it comes up and where it leaves. width: of it.

    """

    source: float
    target: float
    width: float


def levels(wires: Sequence[Wire], space: float) -> list[float]:
    """Height of each wire's level piece (its centre line), above the line where sources end.

    A wire to the right lies above those that come up under it, and so does one to the left; those that go straight up
    have none. Raises ValueError where sources or targets are closer than `space`, or not in order.
    """
    for one, other in pairwise(wires):
        for what in ("source", "target"):
            first, second = getattr(one, what), getattr(other, what)
            gap = second - first - (one.width + other.width) / 2
            if gap < space - 1e-6:
                raise ValueError(f"two {what}s at {first:.3f} and {second:.3f} um leave {gap:.3f} um, not {space}")
    heights = [space + wire.width / 2 for wire in wires]
    for i in reversed(range(len(wires) - 1)):
        _lift(heights, wires, i, i + 1, space, right=True)
    for i in range(1, len(wires)):
        _lift(heights, wires, i, i - 1, space, right=False)
    return heights


def _lift(heights: list[float], wires: Sequence[Wire], i: int, under: int, space: float, *, right: bool) -> None:
    """Raise wire i over its neighbour's level piece and source where it runs above them."""
    wire, other = wires[i], wires[under]
    if (wire.target > wire.source) != right or wire.target == wire.source:
        return
    reach = (wire.width + other.width) / 2 + space
    over = wire.target > other.source - reach if right else wire.target < other.source + reach
    if over:
        heights[i] = max(heights[i], heights[under] + reach)


def boxes(wires: Sequence[Wire], space: float, bottom: float) -> tuple[list[list[Box]], float]:
    """Rectangles of every wire from `bottom` to the top of the river, and that top."""
    heights = levels(wires, space)
    top = bottom + max((h + w.width / 2 for h, w in zip(heights, wires, strict=True)), default=0.0) + space
    return [_pieces(w, bottom, bottom + h, top) for h, w in zip(heights, wires, strict=True)], top


def _pieces(wire: Wire, bottom: float, level: float, top: float) -> list[Box]:
    half = wire.width / 2
    if wire.source == wire.target:
        return [(wire.source - half, bottom, wire.source + half, top)]
    left, right = sorted((wire.source, wire.target))
    return [
        (wire.source - half, bottom, wire.source + half, level + half),
        (left - half, level - half, right + half, level + half),
        (wire.target - half, level - half, wire.target + half, top),
    ]
