# ruff: noqa: ANN001, ANN202 (numba gives the types)
"""What wires make of a crossbar's conductances, compiled: the steps of `dissection` for one tile after the other.

Eliminating a node that conductances c_x join to others leaves c_x c_y / sum c between any two of them (star and mesh).
With nothing but positive terms every entry keeps full relative precision, however unlike wires and devices are:
matrices hold the conductances between nodes, and no diagonal. Eight nodes go at a time, whose rows become X: all
others get C += X' X. Leaves are made eight at a time, in the lanes of vectors; of small tiles eight go side by side all
the way.
"""

from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from electronic_ep.dissection import COPY, ELIMINATE, LEAF, LEAVE, TAKE, plan
from electronic_ep.vectors import (
    AT_AFTER,
    AT_BEFORE,
    AT_DEVICES,
    AT_ROWS,
    AT_TREE,
    BELOW,
    HIGH,
    LANES,
    LEAF_HIGH,
    LINE,
    NORTH,
    PORTS,
    SIDES,
    WIDE,
    chain,
    copy,
    fill_lanes,
    gather,
    gather_lanes,
    gather_lanes_more,
    gather_more,
    panel,
    panel_lanes,
    pick,
    pick_lanes,
)
from ep_core.compiled import compiled

# Rows and columns up to which eight tiles side by side are faster than one by one
TOGETHER = 64 if WIDE else 32


@compiled
def _eliminate(room, at, ld, nodes, size):
    for row in range(0, nodes, LEAF):
        for half in range(row, row + LEAF, HIGH):
            gather(room, at, ld, at, ld, at, ld, row, half, row, size)
        panel(room, at + row * ld + row, ld, size - row)


@compiled
def _eliminate_lanes(room, at, ld, nodes, size):
    for row in range(0, nodes, LEAF):
        for half in range(row, row + LEAF, LEAF_HIGH):
            gather_lanes(room, at * LANES, ld, at * LANES, ld, at * LANES, ld, row, half, half, size)
        panel_lanes(room, (at + row * ld + row) * LANES, ld, size - row)


@compiled
def _leave(room, to, its, at, ld, top, bottom, left, right, triangle, nodes, added):
    for row in range(top, bottom, HIGH):
        first = left + (row - top) // LEAF * LEAF * triangle
        if added:
            gather_more(room, to, its, at, ld, at, ld, nodes, row, first, right)
        else:
            gather(room, to, its, at, ld, at, ld, nodes, row, first, right)


@compiled
def _leave_lanes(room, to, its, at, ld, top, bottom, left, right, triangle, nodes, added):
    to, at = to * LANES, at * LANES
    for row in range(top, bottom, LEAF_HIGH):
        first = left + (row - top) * triangle
        if added:
            gather_lanes_more(room, to, its, at, ld, at, ld, nodes, row, first, right)
        else:
            gather_lanes(room, to, its, at, ld, at, ld, nodes, row, first, right)


@compiled
def _move(room, kind, unit, to, its, at, ld, rows, cols, triangle):
    for row in range(rows):
        first = row // LEAF * LEAF if triangle else 0
        place, start, count = (to + row * its + first) * unit, (at + row * ld + first) * unit, (cols - first) * unit
        if kind == COPY:
            copy(room, place, start, count)
        else:
            room[place : place + count] = 0.0


@compiled
def _leaves(room, wire, between):
    """Eight leaves at the start of `room` from devices[row, device, lane] and ends there: the matrix of their ports."""
    for port in range(NORTH, PORTS):
        room[port * LINE + port // LEAF_HIGH * LEAF_HIGH * LANES : (port + 1) * LINE] = 0.0
    chain(room, AT_DEVICES, AT_BEFORE, wire, NORTH * LINE + NORTH * LANES, NORTH * LINE + SIDES * LANES, SIDES)
    ports = SIDES
    for row in range(1, LEAF):
        west, devices = SIDES + 2 * row, AT_DEVICES + row * LEAF * LANES
        at, after = AT_ROWS + row % 2 * LEAF * LINE, AT_ROWS + (row + 1) % 2 * LEAF * LINE
        known, ports = ports, (west + 1 + LEAF_HIGH) // LEAF_HIGH * LEAF_HIGH
        for j in range(LEAF):
            line = at + j * LINE
            if row == 1:
                room[line : line + SIDES * LANES] = 0.0
                _wire(room, line + (NORTH + j) * LANES, between)
            room[line + BELOW * LANES : line + NORTH * LANES] = 0.0
            room[line + known * LANES : line + ports * LANES] = 0.0
            if row < LEAF - 1:
                _wire(room, line + (BELOW + j) * LANES, between)
            else:
                copy(room, line + (BELOW + j) * LANES, AT_AFTER, LANES)
        chain(room, devices, AT_BEFORE, wire, at, at + west * LANES, west)
        panel_lanes(room, at, PORTS, ports)
        for i in range(BELOW, NORTH, LEAF_HIGH):
            if row < LEAF - 1:
                # Those below are the next that go
                to = after - BELOW * LINE
                fill_lanes(room, to - BELOW * LANES, PORTS, 0, 0, at, PORTS, LEAF, i, i, NORTH)
                fill_lanes(room, to, PORTS, 0, 0, at, PORTS, LEAF, i, NORTH, ports)
            else:
                fill_lanes(room, 0, PORTS, 0, 0, at, PORTS, LEAF, i, i, ports)
        for i in range(NORTH, ports, LEAF_HIGH):
            gather_lanes(room, 0, PORTS, 0, PORTS, at, PORTS, LEAF, i, i, ports)
    for i in range(SIDES, PORTS):
        for j in range(i + 1, PORTS):
            copy(room, j * LINE + i * LANES, i * LINE + j * LANES, LANES)


@compiled
def _wire(room, at, conductance):
    for lane in range(LANES):
        room[at + lane] = conductance


@compiled
def _take(room, lane, at, ld, starts):
    """A leaf out of its lane, or in all lanes (-1), its ports in the order that `starts` gives for W, E, N and S."""
    first, step = (SIDES, SIDES + 1, NORTH, BELOW), (2, 2, 1, 1)
    for p in range(4):
        for q in range(4):
            if starts[p] <= starts[q]:
                # The square of W and E is whole, of others there is what lies above the diagonal
                down, aside = (LINE, LANES) if first[p] <= first[q] or q == 0 else (LANES, LINE)
                start, to = first[p] * down + first[q] * aside, at + starts[p] * ld + starts[q]
                down, aside = down * step[p], aside * step[q]
                for i in range(LEAF):
                    if lane < 0:
                        pick_lanes(room, AT_TREE + (to + i * ld) * LANES, start + i * down, aside)
                    else:
                        pick(room, AT_TREE + to + i * ld, lane + start + i * down, aside)


@compiled
def _place(room, g, up, aside, lane, wires, bottom):
    """A leaf's devices and ends into its lane; what lies outside the tile conducts nothing."""
    for i in range(LEAF):
        for j in range(LEAF):
            row, col, to = up + i, aside + j, (i * LEAF + j) * LANES + lane
            room[AT_DEVICES + to] = g[row, col] if row >= 0 and col < g.shape[1] else 0.0
    room[AT_BEFORE + lane] = wires[2] if aside == 0 else wires[0]
    room[AT_AFTER + lane] = wires[3] if bottom else wires[1]


@compiled
def _one_by_one(g, wires, steps, leaves, room, result, ld, out):
    """out[tile] for g[tile]; wires: between devices along words and bits, before the first and after the last ones."""
    tree, count = room[AT_TREE:], len(leaves)
    bottom, taken = leaves[:, 0].max(), 0
    filled = (bottom + 1) * LEAF - g.shape[1]
    for tile in range(len(g)):
        for step in steps:
            kind, at, n = step[0], step[1], step[2]
            if kind == TAKE:
                if taken % LANES == 0:
                    for lane in range(LANES):
                        # Lanes that are left over repeat the last leaf
                        which, leaf = divmod(min(taken + lane, len(g) * count - 1), count)
                        row, col = leaves[leaf]
                        _place(room, g[which], row * LEAF - filled, col * LEAF, lane, wires, row == bottom)
                    _leaves(room, wires[0], wires[1])
                _take(room, taken % LANES, at, n, step[3:7])
                taken += 1
            elif kind == ELIMINATE:
                _eliminate(tree, at, n, step[3], step[4])
            elif kind == LEAVE:
                _leave(tree, at, n, step[3], step[4], step[5], step[6], step[7], step[8], step[9], step[10], step[11])
            else:
                _move(tree, kind, 1, at, n, step[3], step[4], step[5], step[6], step[7])
        for j in range(g.shape[2]):
            for i in range(g.shape[1]):
                out[tile, j, i] = tree[result + (filled + i) * ld + j]


@compiled
def _side_by_side(g, wires, steps, leaves, room, result, ld, out):
    """The same for so many tiles as there are lanes: the whole way in lanes."""
    tree, taken, bottom = room[AT_TREE:], 0, leaves[:, 0].max()
    filled = (bottom + 1) * LEAF - g.shape[1]
    for step in steps:
        kind, at, n = step[0], step[1], step[2]
        if kind == TAKE:
            row, col = leaves[taken]
            for lane in range(LANES):
                _place(room, g[lane], row * LEAF - filled, col * LEAF, lane, wires, row == bottom)
            _leaves(room, wires[0], wires[1])
            _take(room, -1, at, n, step[3:7])
            taken += 1
        elif kind == ELIMINATE:
            _eliminate_lanes(tree, at, n, step[3], step[4])
        elif kind == LEAVE:
            _leave_lanes(tree, at, n, step[3], step[4], step[5], step[6], step[7], step[8], step[9], step[10], step[11])
        else:
            _move(tree, kind, LANES, at, n, step[3], step[4], step[5], step[6], step[7])
    for j in range(g.shape[2]):
        for i in range(g.shape[1]):
            for lane in range(LANES):
                out[lane, j, i] = tree[(result + (filled + i) * ld + j) * LANES + lane]


def effective(
    conductances: Float[Tensor, "*tiles rows cols"], word: float, bit: float, at_word: float, at_bit: float
) -> Float[Tensor, "*tiles cols rows"]:
    """W_eff [S] of sound conductances on the CPU, without a gradient, computed in double precision.

    Args:
        conductances: of the devices [S].
        word: of a word line's wires between devices [S].
        bit: of a bit line's [S].
        at_word: of the wire at the word's end, its terminal included [S].
        at_bit: of that at the bit's end [S].

    """
    *tiles, rows, cols = conductances.shape
    made = plan(-(-rows // LEAF), -(-cols // LEAF))
    out = torch.empty((*tiles, cols, rows), dtype=torch.float64)
    if conductances.numel():
        g = conductances.detach().to(torch.float64).contiguous().view(-1, rows, cols).numpy()
        found, ends = out.view(-1, cols, rows).numpy(), np.array((word, bit, at_word, at_bit))
        together = len(g) // LANES * LANES if rows * cols <= TOGETHER**2 else 0
        for first in range(0, together, LANES):
            some = slice(first, first + LANES)
            room = _room(made.room * LANES)
            _side_by_side(g[some], ends, made.steps, made.leaves, room, made.result, made.ld, found[some])
        if together < len(g):
            room = _room(made.room)
            _one_by_one(g[together:], ends, made.steps, made.leaves, room, made.result, made.ld, found[together:])
    return out.to(conductances.dtype)


@lru_cache(maxsize=8)
def _room(size: int) -> np.ndarray:
    # torch's memory is aligned, as vectors need it; kept, for new memory costs as much as a small tile
    return torch.empty(AT_TREE + size, dtype=torch.float64).numpy()
