# ruff: noqa: ANN001, ANN201, ANN202, ANN401, ARG001 (numba gives the types)
"""What `lines` does with vectors: numba does not keep them in registers by itself, so LLVM gets their operations here.

All work on one flat array of doubles, in which matrices have a first entry and a row length, and write to whole vectors
of it. In lanes, every entry of a matrix is a vector: one entry of each of eight matrices. numba's cache looks at the
file of `lines` only: delete it (`__pycache__`) after a change of this one.
"""

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from llvmlite.binding import get_host_cpu_features
from numba import extending, types
from numba.core import cgutils

from electronic_ep.dissection import LEAF, SMALL

intrinsic: Any = extending.intrinsic
LANES = 8  # of a vector: leaves, or columns of a matrix
WIDE = bool(get_host_cpu_features().get("avx512f"))  # else half the registers, of half the size
# Ports of a leaf in lanes: bit nodes that go, bit nodes below (S), N, and W and E in turns
BELOW, NORTH, SIDES, PORTS = SMALL, 2 * SMALL, 3 * SMALL, 5 * SMALL
LINE = PORTS * LANES
# Where its parts start: matrix, rows of the bit nodes that go (of even and odd rows), devices, ends; then all matrices
AT_ROWS = PORTS * LINE
AT_DEVICES = AT_ROWS + 2 * SMALL * LINE
AT_BEFORE = AT_DEVICES + SMALL * SMALL * LANES
AT_AFTER = AT_BEFORE + LANES
AT_TREE = AT_AFTER + LANES
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
HIGH, LEAF_HIGH, LEAF_WIDE = (8, 4, 4) if WIDE else (4, 2, 2)
gather = intrinsic(_gathers(HIGH, 2 if WIDE else 1, lanes=False, old=True))
gather_more = intrinsic(_gathers(HIGH, 2 if WIDE else 1, lanes=False, old=True, added=True))
fill = intrinsic(_gathers(HIGH, 2 if WIDE else 1, lanes=False, old=False))
gather_lanes = intrinsic(_gathers(LEAF_HIGH, LEAF_WIDE, lanes=True, old=True))
gather_lanes_more = intrinsic(_gathers(LEAF_HIGH, LEAF_WIDE, lanes=True, old=True, added=True))
fill_lanes = intrinsic(_gathers(LEAF_HIGH, LEAF_WIDE, lanes=True, old=False))


def _panels(lanes: bool) -> Callable[..., Any]:
    """Some nodes one by one: their rows, the square of them first, become X, by which C += X' X for all others."""
    nodes = SMALL if lanes else LEAF

    def typed(typing, room, at, ld, last):
        def code(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            array = context.make_array(signature.args[0])(context, builder, values[0])
            v, at, ld, last = _Vectors(builder, array), *values[1:]
            one, unit, across = (v, LANES, 1) if lanes else (_Vectors(builder, array, 1), 1, LANES)
            lines = [v.add(at, v.mul(v.mul(ld, k), unit)) for k in range(nodes)]

            def square(k: int, m: int) -> Any:
                return v.add(lines[k], m * unit)

            def columns() -> Any:
                return cgutils.for_range(builder, builder.sdiv(v.add(last, -nodes), v.number(across)))

            totals = [cgutils.alloca_once_value(builder, v.constant(0.0)) for _ in range(nodes)]
            with columns() as loop:
                column = v.add(v.mul(loop.index, LANES), nodes * unit)
                for line, total in zip(lines, totals, strict=True):
                    builder.store(v.plus(builder.load(total), v.load(v.add(line, column))), total)
            sums = [builder.load(total) if lanes else v.total(builder.load(total)) for total in totals]
            rows = [[one.load(square(k, m)) for m in range(k + 1, nodes)] for k in range(nodes)]
            for k, row in enumerate(rows):
                inverse = one.over(one.plus(sums[k], *row))
                factor = one.root(inverse)
                one.store(factor, square(k, k))
                for m, value in enumerate(row, k + 1):
                    share = one.times(value, inverse)
                    sums[m] = one.more(sums[m], share, sums[k])
                    for j in range(m + 1, nodes):
                        rows[m][j - m - 1] = one.more(rows[m][j - m - 1], share, row[j - k - 1])
                    one.store(one.times(value, factor), square(k, m))
            held = v.load if lanes else v.each
            with columns() as loop:
                column = v.add(v.mul(loop.index, LANES), nodes * unit)
                values = [v.load(v.add(line, column)) for line in lines]
                for k in range(nodes):
                    values[k] = v.times(values[k], held(square(k, k)))
                    for m in range(k + 1, nodes):
                        values[m] = v.more(values[m], held(square(k, m)), values[k])
                for line, value in zip(lines, values, strict=True):
                    v.store(value, v.add(line, column))
            return context.get_dummy_value()

        return types.void(room, at, ld, last), code

    return typed


# From the first of eight nodes, in lanes of four, to so many columns
panel, panel_lanes = (intrinsic(_panels(lanes=lanes)) for lanes in (False, True))


@intrinsic
def copy(typing, room, to, start, count):
    """So many numbers from one place to another."""

    def code(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        v = _Vectors(builder, context.make_array(signature.args[0])(context, builder, values[0]))
        to, start, count = values[1:]
        with cgutils.for_range(builder, builder.sdiv(count, v.number(LANES))) as loop:
            piece = v.mul(loop.index, LANES)
            v.store(v.load(v.add(start, piece)), v.add(to, piece))
        return context.get_dummy_value()

    return types.void(room, to, start, count), code


def _picks(lanes: bool, added: bool) -> Callable[..., Any]:
    """Eight entries, in lanes four, that lie `along` from each other, side by side, or added to those."""

    def typed(typing, room, to, start, along):
        def code(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            v = _Vectors(builder, context.make_array(signature.args[0])(context, builder, values[0]))
            to, start, along = values[1:]
            vector = ir.Constant(v.kind, ir.Undefined)
            for j in range(SMALL if lanes else LEAF):
                place = v.add(start, v.mul(along, j))
                if lanes:
                    there = v.add(to, j * LANES)
                    v.store(v.plus(v.load(place), v.load(there)) if added else v.load(place), there)
                else:
                    value = builder.load(builder.gep(v.data, [place]))
                    vector = builder.insert_element(vector, value, ir.Constant(ir.IntType(32), j))
            if not lanes:
                v.store(v.plus(vector, v.load(to)) if added else vector, to)
            return context.get_dummy_value()

        return types.void(room, to, start, along), code

    return typed


pick, pick_more = (intrinsic(_picks(lanes=False, added=added)) for added in (False, True))
pick_lanes, pick_lanes_more = (intrinsic(_picks(lanes=True, added=added)) for added in (False, True))


@intrinsic
def chain(typing, room, devices, before, wire, square, west, own):
    """What the inner nodes of a row of devices leave between W, the bit nodes and E, added to what is in `square`.

    With u_x from x to the inner node y before that goes, f = 1 / (its sum) and h = f wire, W and bit nodes x < y of it
    get u_x G_y q_y, q_y = f_y + h_y^2 q_(y+1). The last inner node is E itself, which stays.
    """

    def code(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        v = _Vectors(builder, context.make_array(signature.args[0])(context, builder, values[0]))
        devices, before, wire, square, west, own = values[1:]
        g = [v.load(v.add(devices, y * LANES)) for y in range(SMALL)]
        wire, total = v.splat(wire), v.load(before)
        u, seen, f, h = [total], [], [], []
        for y in range(SMALL - 1):
            total = v.plus(total, g[y])
            f.append(v.over(v.plus(total, wire)))
            h.append(v.times(f[y], wire))
            seen.append(u)
            u = [v.times(value, h[y]) for value in (*u, g[y])]
            total = v.times(total, h[y])
        v.store(u[0], v.mul(v.add(v.mul(own, PORTS + 1), 1), LANES))
        for x, value in enumerate((*u[1:], g[-1])):
            v.store(value, v.add(west, x * LINE + LANES))
        v.store(v.constant(0.0), v.add(west, (SMALL - 1) * LINE))
        q = v.constant(0.0)
        for y in reversed(range(SMALL - 1)):
            q = v.more(f[y], v.times(h[y], h[y]), q)
            share = v.times(g[y], q)
            v.store(v.times(seen[y][0], share), v.add(west, y * LINE))
            for x in range(y):
                place = v.add(square, x * LINE + y * LANES)
                v.store(v.more(v.load(place), seen[y][1 + x], share), place)
        return context.get_dummy_value()

    return types.void(room, devices, before, wire, square, west, own), code
