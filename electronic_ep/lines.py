# ruff: noqa: ANN001, ANN202 (numba gives the types)
"""What wires make of a crossbar's conductances, compiled: the steps of `dissection` for one tile after the other.

Eliminating a node that conductances c_x join to others leaves c_x c_y / sum c between any two of them (star and mesh).
With nothing but positive terms every entry keeps full relative precision, however unlike wires and devices are:
matrices hold the conductances between nodes, and no diagonal. Eight nodes go at a time, in lanes four, whose rows
become X: all others get C += X' X. Leaves are made eight at a time, in the lanes of vectors, out of four small leaves
each; of small tiles eight go side by side all the way.
"""

from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from electronic_ep.dissection import ELIMINATE, LEAF, SMALL, TAKE, plan
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
    fill,
    fill_lanes,
    gather,
    gather_lanes,
    gather_lanes_more,
    gather_more,
    panel,
    panel_lanes,
    pick,
    pick_lanes,
    pick_lanes_more,
    pick_more,
)
from ep_core.compiled import compiled, helper

# Rows and columns up to which eight tiles side by side are faster than one by one
TOGETHER = 64 if WIDE else 32


@helper
def _eliminate(room, at, ld, nodes, size):
    for row in range(0, nodes, LEAF):
        for half in range(row, row + LEAF, HIGH):
            gather(room, at, ld, at, ld, at, ld, row, half, row, size)
        panel(room, at + row * ld + row, ld, size - row)


@helper
def _eliminate_lanes(room, at, ld, nodes, size):
    for row in range(0, nodes, SMALL):
        for half in range(row, row + SMALL, LEAF_HIGH):
            gather_lanes(room, at * LANES, ld, at * LANES, ld, at * LANES, ld, row, half, half, size)
        panel_lanes(room, (at + row * ld + row) * LANES, ld, size - row)


@helper
def _leave(room, to, its, at, ld, top, bottom, left, right, triangle, how):
    nodes, added, new = how[0], how[1], how[2]
    for row in range(top, bottom, HIGH):
        first = left + (row - top) // LEAF * LEAF * triangle
        if added and new:
            gather(room, to, its, to, its, at, ld, nodes, row, first, right)
        elif new:
            fill(room, to, its, to, its, at, ld, nodes, row, first, right)
        elif added:
            gather_more(room, to, its, at, ld, at, ld, nodes, row, first, right)
        else:
            gather(room, to, its, at, ld, at, ld, nodes, row, first, right)


@helper
def _leave_lanes(room, to, its, at, ld, top, bottom, left, right, triangle, how):
    nodes, added, new = how[0], how[1], how[2]
    to, at = to * LANES, at * LANES
    for row in range(top, bottom, LEAF_HIGH):
        first = left + (row - top) * triangle
        if added and new:
            gather_lanes(room, to, its, to, its, at, ld, nodes, row, first, right)
        elif new:
            fill_lanes(room, to, its, to, its, at, ld, nodes, row, first, right)
        elif added:
            gather_lanes_more(room, to, its, at, ld, at, ld, nodes, row, first, right)
        else:
            gather_lanes(room, to, its, at, ld, at, ld, nodes, row, first, right)


@helper
def _leaves(room, wire, between):
    """Eight small leaves at the start of `room` from devices[row, device, lane] and ends there: the matrix of ports."""
    for port in range(NORTH, PORTS):
        room[port * LINE + port // LEAF_HIGH * LEAF_HIGH * LANES : (port + 1) * LINE] = 0.0
    chain(room, AT_DEVICES, AT_BEFORE, wire, NORTH * LINE + NORTH * LANES, NORTH * LINE + SIDES * LANES, SIDES)
    ports = SIDES
    for row in range(1, SMALL):
        west, devices = SIDES + 2 * row, AT_DEVICES + row * SMALL * LANES
        at, after = AT_ROWS + row % 2 * SMALL * LINE, AT_ROWS + (row + 1) % 2 * SMALL * LINE
        known, ports = ports, (west + 1 + LEAF_HIGH) // LEAF_HIGH * LEAF_HIGH
        for j in range(SMALL):
            line = at + j * LINE
            if row == 1:
                room[line : line + SIDES * LANES] = 0.0
                _wire(room, line + (NORTH + j) * LANES, between)
            room[line + BELOW * LANES : line + NORTH * LANES] = 0.0
            room[line + known * LANES : line + ports * LANES] = 0.0
            if row < SMALL - 1:
                _wire(room, line + (BELOW + j) * LANES, between)
            else:
                copy(room, line + (BELOW + j) * LANES, AT_AFTER, LANES)
        chain(room, devices, AT_BEFORE, wire, at, at + west * LANES, west)
        panel_lanes(room, at, PORTS, ports)
        for i in range(BELOW, NORTH, LEAF_HIGH):
            if row < SMALL - 1:
                # Those below are the next that go
                to = after - BELOW * LINE
                fill_lanes(room, to - BELOW * LANES, PORTS, 0, 0, at, PORTS, SMALL, i, i, NORTH)
                fill_lanes(room, to, PORTS, 0, 0, at, PORTS, SMALL, i, NORTH, ports)
            else:
                fill_lanes(room, 0, PORTS, 0, 0, at, PORTS, SMALL, i, i, ports)
        for i in range(NORTH, ports, LEAF_HIGH):
            gather_lanes(room, 0, PORTS, 0, PORTS, at, PORTS, SMALL, i, i, ports)
    for i in range(SIDES, PORTS):
        for j in range(i + 1, PORTS):
            copy(room, j * LINE + i * LANES, i * LINE + j * LANES, LANES)


@helper
def _wire(room, at, conductance):
    for lane in range(LANES):
        room[at + lane] = conductance


@helper
def _take_lanes(room, at, ld, starts, added):
    """A small leaf in all lanes, its ports in the order that `starts` gives for W, E, N and S."""
    first, step = (SIDES, SIDES + 1, NORTH, BELOW), (2, 2, 1, 1)
    for p in range(4):
        for q in range(4):
            if starts[p] <= starts[q]:
                # The square of W and E is whole, of others there is what lies above the diagonal
                down, aside = (LINE, LANES) if first[p] <= first[q] or q == 0 else (LANES, LINE)
                start, to = first[p] * down + first[q] * aside, at + starts[p] * ld + starts[q]
                for i in range(SMALL):
                    place, line = AT_TREE + (to + i * ld) * LANES, start + i * down * step[p]
                    if p == q == added:
                        pick_lanes_more(room, place, line, aside * step[q])
                    else:
                        pick_lanes(room, place, line, aside * step[q])


@helper
def _take(room, lane, its, to, ld, starts, added):
    """A leaf out of its lane, where W, E, N and S follow on the nodes that are gone."""
    for p in range(4):
        for q in range(4):
            if starts[p] <= starts[q]:
                down, aside = (its, 1) if p <= q else (1, its)
                start = AT_TREE + LEAF * ((p + 1) * down + (q + 1) * aside) * LANES + lane
                for i in range(LEAF):
                    place, line = to + (starts[p] + i) * ld + starts[q], start + i * down * LANES
                    if p == q == added:
                        pick_more(room, place, line, aside * LANES)
                    else:
                        pick(room, place, line, aside * LANES)


@helper
def _place(room, g, up, aside, lane, wires):
    """A small leaf's devices and ends into its lane; what lies outside the tile conducts nothing."""
    for i in range(SMALL):
        for j in range(SMALL):
            row, col, to = up + i, aside + j, (i * SMALL + j) * LANES + lane
            room[AT_DEVICES + to] = g[row, col] if row >= 0 and col < g.shape[1] else 0.0
    room[AT_BEFORE + lane] = wires[2] if aside == 0 else wires[0]
    room[AT_AFTER + lane] = wires[3] if up + SMALL == g.shape[0] else wires[1]


@helper
def _in_lanes(g, wires, blocks, steps, leaves, room):
    """Steps for a block in every lane; blocks[lane]: its tile, first row and first column."""
    tree, taken = room[AT_TREE:], 0
    for step in steps:
        kind, at, n = step[0], step[1], step[2]
        if kind == TAKE:
            for lane in range(LANES):
                up, aside = blocks[lane, 1] + leaves[taken, 0] * SMALL, blocks[lane, 2] + leaves[taken, 1] * SMALL
                _place(room, g[blocks[lane, 0]], up, aside, lane, wires)
            _leaves(room, wires[0], wires[1])
            _take_lanes(room, at, n, step[3:7], step[7])
            taken += 1
        elif kind == ELIMINATE:
            _eliminate_lanes(tree, at, n, step[3], step[4])
        else:
            _leave_lanes(tree, at, n, step[3], step[4], step[5], step[6], step[7], step[8], step[9], step[10:])


@compiled
def _one_by_one(g, wires, steps, leaves, leaf, room, result, ld, out):
    """out[tile] for g[tile]; wires: between devices along words and bits, before the first and after the last ones.

    leaf: steps, leaves, room and row length of the plan that makes a leaf of small ones.
    """
    own_steps, own_leaves, own_room, own_ld = leaf
    first, count, taken = AT_TREE + own_room * LANES, len(leaves), 0
    tree, blocks = room[first:], np.empty((LANES, 3), np.int64)
    filled = (leaves[:, 0].max() + 1) * LEAF - g.shape[1]
    for tile in range(len(g)):
        for step in steps:
            kind, at, n = step[0], step[1], step[2]
            if kind == TAKE:
                if taken % LANES == 0:
                    for lane in range(LANES):
                        # Lanes that are left over repeat the last leaf
                        which, one = divmod(min(taken + lane, len(g) * count - 1), count)
                        blocks[lane, 0], blocks[lane, 1] = which, leaves[one, 0] * LEAF - filled
                        blocks[lane, 2] = leaves[one, 1] * LEAF
                    _in_lanes(g, wires, blocks, own_steps, own_leaves, room)
                _take(room, taken % LANES, own_ld, first + at, n, step[3:7], step[7])
                taken += 1
            elif kind == ELIMINATE:
                _eliminate(tree, at, n, step[3], step[4])
            else:
                _leave(tree, at, n, step[3], step[4], step[5], step[6], step[7], step[8], step[9], step[10:])
        for j in range(g.shape[2]):
            for i in range(g.shape[1]):
                out[tile, j, i] = tree[result + (filled + i) * ld + j]


@compiled
def _side_by_side(g, wires, steps, leaves, room, result, ld, out):
    """The same for so many tiles as there are lanes: the whole way in lanes."""
    filled = (leaves[:, 0].max() + 1) * SMALL - g.shape[1]
    blocks = np.zeros((LANES, 3), np.int64)
    blocks[:, 0], blocks[:, 1] = np.arange(LANES), -filled
    _in_lanes(g, wires, blocks, steps, leaves, room)
    tree = room[AT_TREE:]
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
    out = torch.empty((*tiles, cols, rows), dtype=torch.float64)
    if conductances.numel():
        g = conductances.detach().to(torch.float64).contiguous().view(-1, rows, cols).numpy()
        found, ends = out.view(-1, cols, rows).numpy(), np.array((word, bit, at_word, at_bit))
        together = len(g) // LANES * LANES if rows * cols <= TOGETHER**2 else 0
        if together:
            made = plan(-(-rows // SMALL), -(-cols // SMALL), SMALL)
            room = _room(made.room * LANES)
            for first in range(0, together, LANES):
                some = slice(first, first + LANES)
                _side_by_side(g[some], ends, made.steps, made.leaves, room, made.result, made.ld, found[some])
        if together < len(g):
            made, leaf = plan(-(-rows // LEAF), -(-cols // LEAF), LEAF), plan(2, 2, SMALL, "WENS")
            room, own = _room(leaf.room * LANES + made.room), (leaf.steps, leaf.leaves, leaf.room, leaf.ld)
            _one_by_one(g[together:], ends, made.steps, made.leaves, own, room, made.result, made.ld, found[together:])
    return out.to(conductances.dtype)


@lru_cache(maxsize=8)
def _room(size: int) -> np.ndarray:
    # torch's memory is aligned, as vectors need it; kept, for new memory costs as much as a small tile
    return torch.empty(AT_TREE + size, dtype=torch.float64).numpy()
