# ruff: noqa: ANN001, ANN201, ANN202, ANN401, ARG001 (numba gives the types)
"""What wires make of a crossbar's conductances, compiled: the steps of `dissection` for one tile after the other.

Eliminating a node that conductances c_x join to others leaves c_x c_y / sum c between any two of them (star and mesh).
With nothing but positive terms every entry keeps full relative precision, however unlike wires and devices are: matrices
hold the conductances between nodes, and no diagonal. Leaves are made eight at a time, in the lanes of vectors.

numba does not keep vectors in registers by itself, so the first part gives LLVM its vector operations, for any
processor; the second part is plain numba. It is one file because numba's cache looks at the file of what it compiles,
not at what that calls.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from llvmlite import ir
from llvmlite.binding import get_host_cpu_features
from numba import extending, types
from numba.core import cgutils
from torch import Tensor

from electronic_ep.dissection import COPY, ELIMINATE, LEAF, LEAVE, TAKE, plan
from ep_core.compiled import compiled

intrinsic: Any = extending.intrinsic
LANES = 8  # of a vector: leaves, or columns of a matrix
WIDE = bool(get_host_cpu_features().get("avx512f"))  # else half the registers, of half the size
# Ports of a leaf in lanes: bit nodes that go, bit nodes below (S), N, and W and E in turns
BELOW, NORTH, SIDES, PORTS = LEAF, 2 * LEAF, 3 * LEAF, 5 * LEAF
LINE = PORTS * LANES
# Where its parts start: matrix, rows of the bit nodes that go (of even and odd rows), devices, ends; then all matrices
AT_ROWS = PORTS * LINE
AT_DEVICES = AT_ROWS + 2 * LEAF * LINE
AT_BEFORE = AT_DEVICES + LEAF * LEAF * LANES
AT_AFTER = AT_BEFORE + LANES
AT_TREE = AT_AFTER + LANES
TOGETHER = 10**9
SUM = ("contract", "reassoc", "nsz")


class _Vectors:
    """Operations on vectors of a flat array of doubles, or on single ones."""

    def __init__(self, builder: Any, array: Any, lanes: int = LANES) -> None:
        self.builder, self.data, self.lanes = builder, array.data, lanes
        self.kind = ir.DoubleType() if lanes == 1 else ir.VectorType(ir.DoubleType(), lanes)

    def number(self, value: int) -> Any:
        return ir.Constant(ir.IntType(64), value)

    def add(self, *terms: Any) -> Any:
        total = terms[0]
        for term in terms[1:]:
            total = self.builder.add(total, self.number(term) if isinstance(term, int) else term)
        return total

    def mul(self, a: Any, b: Any) -> Any:
        return self.builder.mul(a, self.number(b) if isinstance(b, int) else b)

    def _at(self, place: Any) -> Any:
        return self.builder.bitcast(self.builder.gep(self.data, [place]), self.kind.as_pointer())

    def load(self, place: Any) -> Any:
        return self.builder.load(self._at(place), align=8 * self.lanes)

    def store(self, value: Any, place: Any) -> None:
        self.builder.store(value, self._at(place), align=8 * self.lanes)

    def splat(self, value: Any) -> Any:
        nothing, first = ir.Constant(self.kind, ir.Undefined), ir.Constant(ir.IntType(32), 0)
        lanes = ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES)
        return self.builder.shuffle_vector(self.builder.insert_element(nothing, value, first), nothing, lanes)

    def each(self, place: Any) -> Any:
        return self.splat(self.builder.load(self.builder.gep(self.data, [place])))

    def constant(self, value: float) -> Any:
        return ir.Constant(self.kind, value if self.lanes == 1 else [value] * self.lanes)

    def total(self, a: Any) -> Any:
        """Of all lanes."""
        kind = ir.FunctionType(ir.DoubleType(), [ir.DoubleType(), self.kind])
        name = f"llvm.vector.reduce.fadd.v{self.lanes}f64"
        summed = cgutils.get_or_insert_function(self.builder.module, kind, name)
        return self.builder.call(summed, [ir.Constant(ir.DoubleType(), 0.0), a], fastmath=SUM)

    def plus(self, *terms: Any) -> Any:
        total = terms[0]
        for term in terms[1:]:
            total = self.builder.fadd(total, term, flags=SUM)
        return total

    def times(self, *factors: Any) -> Any:
        product = factors[0]
        for factor in factors[1:]:
            product = self.builder.fmul(product, factor, flags=SUM)
        return product

    def over(self, a: Any) -> Any:
        return self.builder.fdiv(self.constant(1.0), a)

    def root(self, a: Any) -> Any:
        kind = ir.FunctionType(self.kind, [self.kind])
        sqrt = cgutils.get_or_insert_function(
            self.builder.module, kind, f"llvm.sqrt.{'' if self.lanes == 1 else f'v{self.lanes}'}f64"
        )
        return self.builder.call(sqrt, [a])

    def more(self, a: Any, b: Any, c: Any) -> Any:
        return self.plus(a, self.times(b, c))


def _gathers(high: int, wide: int, lanes: bool, old: bool, added: bool = False) -> Callable[..., Any]:
    """Sums over depth for `high` rows, columns first to last in groups of `wide` vectors and then one by one."""

    def typed(typing, room, to, its, at, ld, x, ldx, depth, row, first, last):
        def code(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            v = _Vectors(builder, context.make_array(signature.args[0])(context, builder, values[0]))
            to, its, at, ld, x, ldx, depth, row, first, last = values[1:]
            unit, across = (LANES, 1) if lanes else (1, LANES)  # numbers an entry; columns a vector

            def places(start: Any, line: Any, column: Any, count: int) -> list[Any]:
                lines = [v.add(start, v.mul(v.add(v.mul(v.add(row, r), line), column), unit)) for r in range(high)]
                return [v.add(place, c * LANES) for place in lines for c in range(count)]

            def some(column: Any, count: int) -> None:
                there, here = places(to, its, column, count), places(at, ld, column, count)
                sums = [cgutils.alloca_once(builder, v.kind) for _ in there]
                for total, place in zip(sums, here, strict=True):
                    builder.store(v.load(place) if old else v.constant(0.0), total)
                with cgutils.for_range(builder, depth) as loop:
                    start = v.mul(loop.index, ldx)
                    place = v.add(x, v.mul(v.add(start, column), unit))
                    right = [v.load(v.add(place, c * LANES)) for c in range(count)]
                    place = v.add(x, v.mul(v.add(start, row), unit))
                    for r in range(high):
                        left = v.load(v.add(place, r * LANES)) if lanes else v.each(v.add(place, r))
                        for total, value in zip(sums[r * count : (r + 1) * count], right, strict=True):
                            builder.store(v.more(builder.load(total), left, value), total)
                for total, place in zip(sums, there, strict=True):
                    value = builder.load(total)
                    v.store(v.plus(value, v.load(place)) if added else value, place)

            columns = builder.sub(last, first)
            groups = builder.sdiv(columns, v.number(wide * across))
            with cgutils.for_range(builder, groups) as loop:
                some(v.add(first, v.mul(loop.index, wide * across)), wide)
            if wide > 1:
                done = v.add(first, v.mul(groups, wide * across))
                with cgutils.for_range(builder, builder.sdiv(builder.sub(last, done), v.number(across))) as loop:
                    some(v.add(done, v.mul(loop.index, across)), 1)
            return context.get_dummy_value()

        return types.void(room, to, its, at, ld, x, ldx, depth, row, first, last), code

    return typed


# D[row : row + high, first : last] = C there + sum over k < depth of X[k, row : row + high]' X[k, first : last],
# added to D, or without C; D and its row length, C and its, X and its. In lanes every entry has them behind it.
HIGH, LEAF_HIGH = 8 if WIDE else 4, 4
_gather = intrinsic(_gathers(HIGH, 2 if WIDE else 1, lanes=False, old=True))
_gather_more = intrinsic(_gathers(HIGH, 2 if WIDE else 1, lanes=False, old=True, added=True))
_gather_lanes = intrinsic(_gathers(LEAF_HIGH, 4 if WIDE else 2, lanes=True, old=True))
_gather_lanes_more = intrinsic(_gathers(LEAF_HIGH, 4 if WIDE else 2, lanes=True, old=True, added=True))
_fill_lanes = intrinsic(_gathers(LEAF_HIGH, 4 if WIDE else 2, lanes=True, old=False))


def _panels(lanes: bool) -> Callable[..., Any]:
    """Eight nodes one by one: their rows, the square of them first, become X, by which C += X' X for all others."""

    def typed(typing, room, at, ld, last):
        def code(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            array = context.make_array(signature.args[0])(context, builder, values[0])
            v, at, ld, last = _Vectors(builder, array), *values[1:]
            one, unit, across = (v, LANES, 1) if lanes else (_Vectors(builder, array, 1), 1, LANES)
            lines = [v.add(at, v.mul(v.mul(ld, k), unit)) for k in range(LEAF)]

            def square(k: int, m: int) -> Any:
                return v.add(lines[k], m * unit)

            def columns() -> Any:
                return cgutils.for_range(builder, builder.sdiv(v.add(last, -LEAF), v.number(across)))

            totals = [cgutils.alloca_once_value(builder, v.constant(0.0)) for _ in range(LEAF)]
            with columns() as loop:
                column = v.add(v.mul(loop.index, LANES), LEAF * unit)
                for line, total in zip(lines, totals, strict=True):
                    builder.store(v.plus(builder.load(total), v.load(v.add(line, column))), total)
            sums = [builder.load(total) if lanes else v.total(builder.load(total)) for total in totals]
            rows = [[one.load(square(k, m)) for m in range(k + 1, LEAF)] for k in range(LEAF)]
            for k, row in enumerate(rows):
                inverse = one.over(one.plus(sums[k], *row))
                factor = one.root(inverse)
                one.store(factor, square(k, k))
                for m, value in enumerate(row, k + 1):
                    share = one.times(value, inverse)
                    sums[m] = one.more(sums[m], share, sums[k])
                    for j in range(m + 1, LEAF):
                        rows[m][j - m - 1] = one.more(rows[m][j - m - 1], share, row[j - k - 1])
                    one.store(one.times(value, factor), square(k, m))
            held = v.load if lanes else v.each
            with columns() as loop:
                column = v.add(v.mul(loop.index, LANES), LEAF * unit)
                values = [v.load(v.add(line, column)) for line in lines]
                for k in range(LEAF):
                    values[k] = v.times(values[k], held(square(k, k)))
                    for m in range(k + 1, LEAF):
                        values[m] = v.more(values[m], held(square(k, m)), values[k])
                for line, value in zip(lines, values, strict=True):
                    v.store(value, v.add(line, column))
            return context.get_dummy_value()

        return types.void(room, at, ld, last), code

    return typed


# From the first of the eight to so many columns
_panel, _panel_lanes = (intrinsic(_panels(lanes=lanes)) for lanes in (False, True))


@intrinsic
def _copy(typing, room, to, start, count):
    def code(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        v = _Vectors(builder, context.make_array(signature.args[0])(context, builder, values[0]))
        to, start, count = values[1:]
        with cgutils.for_range(builder, builder.sdiv(count, v.number(LANES))) as loop:
            piece = v.mul(loop.index, LANES)
            v.store(v.load(v.add(start, piece)), v.add(to, piece))
        return context.get_dummy_value()

    return types.void(room, to, start, count), code


def _picks(lanes: bool) -> Callable[..., Any]:
    """Eight entries that lie `along` from each other, side by side."""

    def typed(typing, room, to, start, along):
        def code(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            v = _Vectors(builder, context.make_array(signature.args[0])(context, builder, values[0]))
            to, start, along = values[1:]
            vector = ir.Constant(v.kind, ir.Undefined)
            for j in range(LEAF):
                place = v.add(start, v.mul(along, j))
                if lanes:
                    v.store(v.load(place), v.add(to, j * LANES))
                else:
                    value = builder.load(builder.gep(v.data, [place]))
                    vector = builder.insert_element(vector, value, ir.Constant(ir.IntType(32), j))
            if not lanes:
                v.store(vector, to)
            return context.get_dummy_value()

        return types.void(room, to, start, along), code

    return typed


_pick, _pick_lanes = (intrinsic(_picks(lanes=lanes)) for lanes in (False, True))


@intrinsic
def _chain(typing, room, devices, before, wire, square, west, own):
    """What the inner nodes of a row of devices leave between W, the bit nodes and E, added to what is in `square`.

    With u_x from x to the inner node y before that goes, f = 1 / (its sum) and h = f wire, W and bit nodes x < y of it
    get u_x G_y q_y, q_y = f_y + h_y^2 q_(y+1). The last inner node is E itself, which stays.
    """

    def code(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        v = _Vectors(builder, context.make_array(signature.args[0])(context, builder, values[0]))
        devices, before, wire, square, west, own = values[1:]
        g = [v.load(v.add(devices, y * LANES)) for y in range(LEAF)]
        wire, total = v.splat(wire), v.load(before)
        u, seen, f, h = [total], [], [], []
        for y in range(LEAF - 1):
            total = v.plus(total, g[y])
            f.append(v.over(v.plus(total, wire)))
            h.append(v.times(f[y], wire))
            seen.append(u)
            u = [v.times(value, h[y]) for value in (*u, g[y])]
            total = v.times(total, h[y])
        v.store(u[0], v.mul(v.add(v.mul(own, PORTS + 1), 1), LANES))
        for x, value in enumerate((*u[1:], g[-1])):
            v.store(value, v.add(west, x * LINE + LANES))
        v.store(v.constant(0.0), v.add(west, (LEAF - 1) * LINE))
        q = v.constant(0.0)
        for y in reversed(range(LEAF - 1)):
            q = v.more(f[y], v.times(h[y], h[y]), q)
            share = v.times(g[y], q)
            v.store(v.times(seen[y][0], share), v.add(west, y * LINE))
            for x in range(y):
                place = v.add(square, x * LINE + y * LANES)
                v.store(v.more(v.load(place), seen[y][1 + x], share), place)
        return context.get_dummy_value()

    return types.void(room, devices, before, wire, square, west, own), code


@compiled
def _eliminate(room, at, ld, nodes, size):
    for row in range(0, nodes, LEAF):
        for half in range(row, row + LEAF, HIGH):
            _gather(room, at, ld, at, ld, at, ld, row, half, row, size)
        _panel(room, at + row * ld + row, ld, size - row)


@compiled
def _eliminate_lanes(room, at, ld, nodes, size):
    for row in range(0, nodes, LEAF):
        for half in range(row, row + LEAF, LEAF_HIGH):
            _gather_lanes(room, at * LANES, ld, at * LANES, ld, at * LANES, ld, row, half, half, size)
        _panel_lanes(room, (at + row * ld + row) * LANES, ld, size - row)


@compiled
def _leave(room, to, its, at, ld, top, bottom, left, right, triangle, nodes, added):
    for row in range(top, bottom, HIGH):
        first = left + (row - top) // LEAF * LEAF * triangle
        if added:
            _gather_more(room, to, its, at, ld, at, ld, nodes, row, first, right)
        else:
            _gather(room, to, its, at, ld, at, ld, nodes, row, first, right)


@compiled
def _leave_lanes(room, to, its, at, ld, top, bottom, left, right, triangle, nodes, added):
    to, at = to * LANES, at * LANES
    for row in range(top, bottom, LEAF_HIGH):
        first = left + (row - top) * triangle
        if added:
            _gather_lanes_more(room, to, its, at, ld, at, ld, nodes, row, first, right)
        else:
            _gather_lanes(room, to, its, at, ld, at, ld, nodes, row, first, right)


@compiled
def _move(room, kind, unit, to, its, at, ld, rows, cols, triangle):
    for row in range(rows):
        first = row // LEAF * LEAF if triangle else 0
        place, start, count = (to + row * its + first) * unit, (at + row * ld + first) * unit, (cols - first) * unit
        if kind == COPY:
            _copy(room, place, start, count)
        else:
            room[place : place + count] = 0.0


@compiled
def _leaves(room, wire, between):
    """Eight leaves at the start of `room` from devices[row, device, lane] and ends there: the matrix of their ports."""
    for port in range(NORTH, PORTS):
        room[port * LINE + port // LEAF_HIGH * LEAF_HIGH * LANES : (port + 1) * LINE] = 0.0
    _chain(room, AT_DEVICES, AT_BEFORE, wire, NORTH * LINE + NORTH * LANES, NORTH * LINE + SIDES * LANES, SIDES)
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
                _copy(room, line + (BELOW + j) * LANES, AT_AFTER, LANES)
        _chain(room, devices, AT_BEFORE, wire, at, at + west * LANES, west)
        _panel_lanes(room, at, PORTS, ports)
        for i in range(BELOW, NORTH, LEAF_HIGH):
            if row < LEAF - 1:
                # Those below are the next that go
                to = after - BELOW * LINE
                _fill_lanes(room, to - BELOW * LANES, PORTS, 0, 0, at, PORTS, LEAF, i, i, NORTH)
                _fill_lanes(room, to, PORTS, 0, 0, at, PORTS, LEAF, i, NORTH, ports)
            else:
                _fill_lanes(room, 0, PORTS, 0, 0, at, PORTS, LEAF, i, i, ports)
        for i in range(NORTH, ports, LEAF_HIGH):
            _gather_lanes(room, 0, PORTS, 0, PORTS, at, PORTS, LEAF, i, i, ports)
    for i in range(SIDES, PORTS):
        for j in range(i + 1, PORTS):
            _copy(room, j * LINE + i * LANES, i * LINE + j * LANES, LANES)


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
                        _pick_lanes(room, AT_TREE + (to + i * ld) * LANES, start + i * down, aside)
                    else:
                        _pick(room, AT_TREE + to + i * ld, lane + start + i * down, aside)


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
        for i in range(g.shape[1]):
            for j in range(g.shape[2]):
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
    for i in range(g.shape[1]):
        for j in range(g.shape[2]):
            for lane in range(LANES):
                out[lane, j, i] = tree[(result + (filled + i) * ld + j) * LANES + lane]


def effective(
    conductances: Float[Tensor, "*tiles rows cols"], word: float, bit: float, at_word: float, at_bit: float
) -> Float[Tensor, "*tiles cols rows"]:
    """W_eff [S] of sound conductances on the CPU, without a gradient, computed in double precision.

    Args:
        conductances: of the devices [S].
        word, bit: of the wires between devices along word and bit lines [S].
        at_word, at_bit: of the wires at the word's and the bit's end, its terminal included [S].

    """
    *tiles, rows, cols = conductances.shape
    made = plan(-(-rows // LEAF), -(-cols // LEAF))
    out = torch.empty((*tiles, cols, rows), dtype=torch.float64)
    if conductances.numel():
        g = conductances.detach().to(torch.float64).contiguous().view(-1, rows, cols).numpy()
        found, ends = out.view(-1, cols, rows).numpy(), np.array((word, bit, at_word, at_bit))
        together = len(g) // LANES * LANES if max(rows, cols) <= TOGETHER else 0
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
