# ruff: noqa: ANN001, ANN201, ANN202, ANN401, ARG001 (numba gives the types)
"""Light through meshes on the CPU, compiled: forwards, and back with the gradient, a few steps at a time in the caches.

Real and imaginary parts are apart, in vectors whose lanes are tiles where there are enough ("several"), else inputs of
one tile, padded to whole vectors. A row has a few such pieces; a step takes those that light has reached. numba does
not keep vectors in registers by itself, so the first part gives LLVM its vector operations, for any processor; the
second part is plain numba. It is one file because numba's cache looks at the file of what it compiles, not at what that
calls.
"""

import math
import platform
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from llvmlite import ir
from llvmlite.binding import get_host_cpu_features
from numba import extending, types
from numba.core import cgutils

from ep_core.compiled import compiled, helper

intrinsic: Any = extending.intrinsic
# Of a vector. Of 64 that the processor has not, half would spill out of its registers
BYTES = 64 if get_host_cpu_features().get("avx512f") else 32
MANY = 512 // BYTES  # vectors of inputs, at most, that share what is read of one tile's step
LINE = 64  # bytes of a line of the cache
GAIN = 1e-3  # of the light's power in a step, that counts as none
FLUSH = 0x8040  # x86: results and operands too small for normal numbers are 0, for they take a hundred times as long
SUM = ("contract", "reassoc", "nsz")
# Of single and double precision: pi / 2 in three parts, and sin x = x + x^3 p(x^2), cos x = 1 - x^2 / 2 + x^4 q(x^2) up
# to pi / 4, coefficients of p and q from Moshier's Cephes library (sinf.c, sin.c)
QUARTER = (
    (1.5707963705062866, -4.371139000186241e-08, -1.7151245100058819e-15),
    (1.5707963267948966, 6.123233995736766e-17, -1.4973849048591833e-33),
)
SINES = (
    (-1.6666654611e-1, 8.3321608736e-3, -1.9515295891e-4),
    (
        -1.66666666666666307295e-1, 8.33333333332211858878e-3, -1.98412698295895385996e-4, 2.75573136213857245213e-6,
        -2.50507477628578072866e-8, 1.58962301576546568060e-10,
    ),
)  # fmt: skip
COSINES = (
    (4.166664568298827e-2, -1.388731625493765e-3, 2.443315711809948e-5),
    (
        4.16666666666665929218e-2, -1.38888888888730564116e-3, 2.48015872888517045348e-5, -2.75573141792967388112e-7,
        2.08757008419747316778e-9, -1.13585365213876817300e-11,
    ),
)  # fmt: skip


class _Vectors:
    """Vector operations on arrays whose last axis is lanes."""

    def __init__(self, context: Any, builder: Any, number: Any) -> None:
        self.context, self.builder = context, builder
        self.lanes = 8 * BYTES // number.bitwidth
        self.kind = ir.VectorType(context.get_value_type(number), self.lanes)
        self.zero = ir.Constant(self.kind, [0.0] * self.lanes)
        self.word = ir.VectorType(ir.IntType(number.bitwidth), self.lanes)

    def number(self, value: int) -> Any:
        return ir.Constant(ir.IntType(64), value)

    def array(self, kind: Any, value: Any) -> Any:
        return self.context.make_array(kind)(self.context, self.builder, value)

    def place(self, array: Any, *index: Any, sizes: tuple[int | None, ...] = ()) -> Any:
        """Where the entry at the first indices starts; sizes: of the last axes, where they are known."""
        flat, axes = index[0], array.shape.type.count
        for axis in range(1, axes):
            known = sizes[axis - axes] if axis >= axes - len(sizes) else None
            size = self.builder.extract_value(array.shape, axis) if known is None else self.number(known)
            flat = self.builder.mul(flat, size)
            flat = self.builder.add(flat, index[axis]) if axis < len(index) else flat
        return self.builder.gep(array.data, [flat])

    def entry(self, given: Any, entry: int, step: Any, tile: Any) -> Any:
        """Where the real part of an entry of T starts, in (2, 2, steps, tiles)."""
        start = self.place(given, *map(self.number, divmod(entry, 2)), step, tile)
        return self.builder.bitcast(start, self.kind.element.as_pointer())

    def load(self, pointer: Any, piece: Any = None, *, loose: bool = False) -> Any:
        return self.builder.load(self._at(pointer, piece), align=BYTES // self.lanes if loose else BYTES)

    def store(self, value: Any, pointer: Any, piece: Any = None, *, loose: bool = False) -> None:
        self.builder.store(value, self._at(pointer, piece), align=BYTES // self.lanes if loose else BYTES)

    def _at(self, pointer: Any, piece: Any) -> Any:
        if piece is not None:
            pointer = self.builder.gep(pointer, [self.builder.mul(piece, self.number(self.lanes))])
        return self.builder.bitcast(pointer, self.kind.as_pointer())

    def shuffle(self, a: Any, b: Any, lanes: list[int]) -> Any:
        return self.builder.shuffle_vector(a, b, ir.Constant(ir.VectorType(ir.IntType(32), len(lanes)), lanes))

    def matrix(self, cells: Any, step: Any, several: bool) -> list[tuple[Any, Any]]:
        """Real and imaginary parts of T's four entries: cells[step, 8, lanes], or cells[step, 8, 1] in all lanes."""
        parts = []
        for entry in range(8):
            at = self.place(cells, step, self.number(entry), sizes=(8, self.lanes if several else 1))
            if several:
                parts.append(self.load(at))
                continue
            parts.append(self.splat(self.builder.load(at)))
        return list(zip(parts[::2], parts[1::2], strict=True))

    def each(self, span: Sequence[Any], body: Callable[[Any], None]) -> None:
        """Do something with each piece from the first of two to before the second."""
        begin, end = span
        with cgutils.for_range_slice(self.builder, begin, end, self.number(1)) as (piece, _):
            body(piece)

    def pair(self, real: Any, imag: Any, upper: Any, lower: Any) -> list[Any]:
        """Where the rows at two places start: real and imaginary parts of the upper, then of the lower."""
        return [self.builder.gep(array.data, [at]) for at in (upper, lower) for array in (real, imag)]

    def mix(self, t: Sequence[tuple[Any, Any]], rows: list[Any], piece: Any, *, back: bool = False) -> None:
        """A piece of two rows <- T of them; back: conj(T)' of them."""
        x, y, u, w = (self.load(row, piece) for row in rows)
        for k in range(2):
            (ar, ai), (br, bi) = t[k::2] if back else t[2 * k : 2 * k + 2]
            plus, crossed = ((ar, x), (br, u)), ((ai, x), (bi, u))
            if back:
                new = self.total(*plus, (ai, y), (bi, w)), self.total((ar, y), (br, w), less=crossed)
            else:
                new = self.total(*plus, less=((ai, y), (bi, w))), self.total((ar, y), (br, w), *crossed)
            for part, value in enumerate(new):
                self.store(value, rows[2 * k + part], piece)

    def paired(self, a: Any, b: Any, unit: int = 1) -> list[Any]:
        """Two vectors in which `unit` lanes of a and of b alternate: of real and imaginary parts, complex numbers."""
        order = [u + lane + b for u in range(0, self.lanes, unit) for b in (0, self.lanes) for lane in range(unit)]
        return [self.shuffle(a, b, order[: self.lanes]), self.shuffle(a, b, order[self.lanes :])]

    def unpaired(self, a: Any, b: Any, unit: int = 1) -> list[Any]:
        """Undo `paired`."""
        starts = range(0, 2 * self.lanes, 2 * unit)
        return [self.shuffle(a, b, [u + lane + side for u in starts for lane in range(unit)]) for side in (0, unit)]

    def splat(self, value: Any) -> Any:
        """One value in all lanes."""
        nothing = ir.Constant(ir.VectorType(value.type, self.lanes), ir.Undefined)
        one = self.builder.insert_element(nothing, value, ir.Constant(ir.IntType(32), 0))
        return self.shuffle(one, nothing, [0] * self.lanes)

    def turn(self, angle: Any) -> tuple[Any, Any]:
        """Cos and sin of an angle: of what it is beside the nearest quarter turn, as powers of that."""
        b, double = self.builder, self.lanes * 8 == BYTES
        sines, cosines = (SINES[double], COSINES[double])
        # What is added leaves the number of the quarter in the last bits
        big = self.constant(1.5 * 2 ** (52 if double else 23))
        number = self.fused(angle, self.constant(2 / math.pi), big)
        quarters, bits = b.fsub(number, big), b.bitcast(number, self.word)
        for part in QUARTER[double]:
            angle = self.fused(quarters, self.constant(-part), angle)
        square = b.fmul(angle, angle)
        sine, cosine = (self.power(square, given) for given in (sines, cosines))
        sine = self.fused(b.fmul(square, angle), sine, angle)
        cosine = self.fused(b.fmul(square, square), cosine, self.fused(square, self.constant(-0.5), self.constant(1.0)))
        odd = b.icmp_unsigned("!=", b.and_(bits, self.integer(1)), self.integer(0))
        first, second = b.select(odd, sine, cosine), b.select(odd, cosine, sine)
        return self.negated(first, b.add(bits, self.integer(1))), self.negated(second, bits)

    def power(self, square: Any, given: Sequence[float]) -> Any:
        """Sum of given_k square^k."""
        last, *others = (self.constant(value) for value in reversed(given))
        for other in others:
            last = self.fused(last, square, other)
        return last

    def negated(self, value: Any, bits: Any) -> Any:
        """The value, negative where the second last bit is set."""
        bit = self.builder.and_(bits, self.integer(2))
        sign = self.builder.shl(bit, self.integer(self.word.element.width - 2))
        return self.builder.bitcast(self.builder.xor(self.builder.bitcast(value, self.word), sign), self.kind)

    def fused(self, a: Any, b: Any, c: Any) -> Any:
        """a b + c, rounded once."""
        name = f"llvm.fma.v{self.lanes}f{self.word.element.width}"
        kind = ir.FunctionType(self.kind, [self.kind] * 3)
        return self.builder.call(cgutils.get_or_insert_function(self.builder.module, kind, name), [a, b, c])

    def constant(self, value: float) -> Any:
        """In all lanes."""
        return ir.Constant(self.kind, [value] * self.lanes)

    def integer(self, value: int) -> Any:
        """In all lanes, as wide as they are."""
        return ir.Constant(self.word, [value] * self.lanes)

    def heated(self, angles: Any, arms: Any, which: int, at: Sequence[Any], spare: Any) -> list[Any]:
        """What angles make of a vector of arms, e^{i angle} times what is left, if `arms` say; spare: any place."""
        lossy = self.builder.icmp_signed(">", self.builder.extract_value(arms.shape, 0), self.number(0))
        kept = self.load(self.builder.select(lossy, self.place(arms, self.number(which), *at), spare), loose=True)
        kept = self.builder.select(lossy, kept, self.constant(1.0))
        return [self.builder.fmul(part, kept) for part in self.turn(self.load(self.place(angles, *at), loose=True))]

    def greater(self, a: Any, b: Any) -> Any:
        """The greater of each pair of lanes; b where one is no number."""
        return self.builder.select(self.builder.fcmp_ordered(">", a, b), a, b)

    def lesser(self, a: Any, b: Any) -> Any:
        """The lesser of each pair of lanes; b where one is no number."""
        return self.builder.select(self.builder.fcmp_ordered("<", a, b), a, b)

    def size(self, value: Any) -> Any:
        """Without its sign."""
        return self.greater(value, self.builder.fsub(self.zero, value))

    def unzipped(self, vectors: Sequence[Any]) -> list[Any]:
        """The k-th lanes of each group of as many as there are vectors, for every k."""
        if len(vectors) == 1:
            return list(vectors)
        halves = zip(*(self.unpaired(*pair) for pair in zip(vectors[::2], vectors[1::2], strict=True)), strict=True)
        return [vector for pair in zip(*(self.unzipped(half) for half in halves), strict=True) for vector in pair]

    def rows(self, parts: Sequence[Any], unit: int = 1) -> Callable[[int, Any], None]:
        """What stores the eight lanes that come k-th, `unit` from each vector."""
        zipped = [[part] for part in parts]
        while len(zipped) > 1:
            half = len(zipped) // 2
            pairs = ((zipped[k], zipped[k + half]) for k in range(half))
            zipped = [[v for a, b in zip(*pair, strict=True) for v in self.paired(a, b, unit)] for pair in pairs]
        width = min(self.lanes, 8)

        def store(k: int, start: Any) -> None:
            for more in range(0, 8, width):
                vector, at = divmod(8 * k + more, self.lanes)
                value = zipped[0][vector]
                value = self.shuffle(value, value, [at + lane for lane in range(width)])
                target = self.builder.bitcast(self.builder.gep(start, [self.number(more)]), value.type.as_pointer())
                self.builder.store(value, target, align=BYTES // self.lanes)

        return store

    def from_rows(self, starts: list[Any]) -> list[Any]:
        """Four vectors of two lanes from each row of eight: undo `rows` of unit 2."""
        width = min(self.lanes, 8)
        kind = ir.VectorType(self.kind.element, width).as_pointer()
        ends = [self.builder.gep(start, [self.number(more)]) for start in starts for more in range(0, 8, width)]
        pieces = [self.builder.load(self.builder.bitcast(end, kind), align=BYTES // self.lanes) for end in ends]
        if width < self.lanes:
            pieces = [
                self.shuffle(a, b, list(range(2 * width))) for a, b in zip(pieces[::2], pieces[1::2], strict=True)
            ]
        first, second = self.unpaired(*pieces[:2], unit=2), self.unpaired(*pieces[2:], unit=2)
        evens, odds = (self.unpaired(a, b, unit=2) for a, b in zip(first, second, strict=True))
        return [evens[0], odds[0], evens[1], odds[1]]

    def parted(self, start: Any) -> list[Any]:
        """Real and imaginary parts of a vector of complex numbers from `start` on."""
        first, second = (self.load(start, self.number(half), loose=True) for half in range(2))
        return self.unpaired(first, second)

    def total(self, *products: tuple[Any, Any], less: tuple[tuple[Any, Any], ...] = (), start: Any = None) -> Any:
        """`start` and the sum of the products, less the others."""
        result = start
        for sign, pairs in (("+", products), ("-", less)):
            for a, b in pairs:
                product = self.builder.fmul(a, b, flags=SUM)
                if result is None:
                    result = product
                else:
                    result = (self.builder.fadd if sign == "+" else self.builder.fsub)(result, product, flags=SUM)
        return result

    def sums(self, vectors: list[Any]) -> Any:
        """Sums over the lanes of four or eight vectors, as one vector: folded in pairs, so that no lane idles."""
        lanes = size = vectors[0].type.count
        count = len(vectors)
        while len(vectors) > 1 and size > 1:
            size //= 2
            starts = range(0, 2 * lanes, 2 * size)
            first = [start + lane for start in starts for lane in range(size)]
            second = [lane + size for lane in first]
            pairs = zip(vectors[::2], vectors[1::2], strict=True)
            vectors = [
                self.builder.fadd(self.shuffle(a, b, first), self.shuffle(a, b, second), flags=SUM) for a, b in pairs
            ]
        last = vectors[0]
        if len(vectors) > 1:
            return self.shuffle(last, vectors[1], list(range(count)))
        while size > 1:
            size //= 2
            even, odd = ([2 * k + side for k in range(count * size)] for side in (0, 1))
            last = self.builder.fadd(self.shuffle(last, last, even), self.shuffle(last, last, odd), flags=SUM)
        return last


def _mixes(several: bool) -> Callable[..., Any]:
    def typed(typing, re, im, cells, step, upper, lower, begin, end):
        def code(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            v = _Vectors(context, builder, re.dtype)
            real, imag, cells_ = (v.array(signature.args[i], values[i]) for i in range(3))
            t, rows = v.matrix(cells_, values[3], several), v.pair(real, imag, *values[4:6])
            v.each(values[6:8], lambda piece: v.mix(t, rows, piece))
            return context.get_dummy_value()

        return types.void(re, im, cells, step, upper, lower, begin, end), code

    return typed


# (re, im, cells, step, upper, lower, begin, end): pieces begin to end of the rows at places upper and lower <-
# T (upper, lower)
_mix_one, _mix_several = (intrinsic(_mixes(several)) for several in (False, True))


def _scales(several: bool) -> Callable[..., Any]:
    def typed(typing, re, im, cells, step, row, begin, end, held, index):
        def code(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            v = _Vectors(context, builder, re.dtype)
            real, imag, cells_, held_ = (v.array(signature.args[i], values[i]) for i in (0, 1, 2, 7))
            tr, ti = v.matrix(cells_, values[3], several)[0]
            rows = [builder.gep(array.data, [values[4]]) for array in (real, imag)]
            room = [v.place(held_, values[8], v.number(part)) for part in range(2)]
            holds = builder.icmp_signed(">", builder.extract_value(held_.shape, 0), v.number(0))

            def scale(piece: Any) -> None:
                x, y = (v.load(row, piece) for row in rows)
                with builder.if_then(holds):
                    v.store(x, room[0], piece)
                    v.store(y, room[1], piece)
                v.store(v.total((tr, x), less=((ti, y),)), rows[0], piece)
                v.store(v.total((tr, y), (ti, x)), rows[1], piece)

            v.each(values[5:7], scale)
            return context.get_dummy_value()

        return types.void(re, im, cells, step, row, begin, end, held, index), code

    return typed


# (re, im, cells, step, row, begin, end, held, index): pieces of a row <- T00 of them; what they were goes to
# held[index] where that has room
_scale_one, _scale_several = (intrinsic(_scales(several)) for several in (False, True))


def _inverts(several: bool) -> Callable[..., Any]:
    def typed(typing, cells, step, inverses, steps, missed):
        def code(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            v = _Vectors(context, builder, cells.dtype)
            start, end = (v.place(v.array(signature.args[i], values[i]), values[1]) for i in (0, 2))
            given = [v.load(start, v.number(k)) for k in range(8)]
            (ar, ai), (br, bi), (cr, ci), (dr, di) = zip(
                *[iter(given if several else v.unzipped(given))] * 2, strict=True
            )
            real = v.total((ar, dr), (bi, ci), less=((ai, di), (br, cr)))
            imag = v.total((ar, di), (ai, dr), less=((br, ci), (bi, cr)))
            power = v.total((real, real), (imag, imag))
            minus = builder.fsub(v.zero, power)
            # The larger singular value is at most 1 where |T|^2 is at most 2, and at most 1 + |determinant|^2
            norm = v.total(*((part, part) for part in (ar, ai, br, bi, cr, ci, dr, di)))
            one = ir.Constant(v.kind, [1.0] * v.lanes)
            more = builder.fsub(builder.fsub(norm, one, flags=SUM), v.lesser(power, one), flags=SUM)
            if not several:  # what lies behind the last step is anything
                own = ir.Constant(ir.VectorType(ir.IntType(64), v.lanes), list(range(v.lanes)))
                ahead = v.splat(builder.sub(values[3], values[1]))
                more = builder.select(builder.icmp_signed("<", own, ahead), more, v.zero)
            target = v.place(v.array(missed, values[4]), v.number(2))
            v.store(v.greater(more, v.load(target, loose=True)), target, loose=True)
            parts: list[Any] = []
            for (x, y), size in (((dr, di), power), ((br, bi), minus), ((cr, ci), minus), ((ar, ai), power)):
                # conj(determinant) / |determinant|^2 of the adjugate
                re, im = builder.fdiv(real, size), builder.fdiv(imag, size)
                parts += [v.total((re, x), (im, y)), v.total((re, y), less=((im, x),))]
            if several:
                for k, part in enumerate(parts):
                    v.store(part, end, v.number(k))
                return context.get_dummy_value()
            store = v.rows(parts)
            for lane in range(v.lanes):
                store(lane, builder.gep(end, [v.number(8 * lane)]))
            return context.get_dummy_value()

        return types.void(cells, step, inverses, steps, missed), code

    return typed


# (cells, step, inverses, steps, missed): inverses[step] <- T^-1; of one tile, of a vector of the `steps`, from there
# on. missed[2] <- at least what share of its power light may gain there, about
_invert_one, _invert_several = (intrinsic(_inverts(several)) for several in (False, True))


def _add_slopes(v: _Vectors, slopes: Any, step: Any, new: list[Any], several: bool) -> None:
    """slopes[step] += the lanes of each vector, or their sums where all are one tile."""
    target = v.place(slopes, step, sizes=(8, v.lanes if several else 1))
    if several:
        for entry, value in enumerate(new):
            old = v.load(target, v.number(entry))
            v.store(v.builder.fadd(old, value, flags=SUM), target, v.number(entry))
        return
    total = v.sums(new)
    target, size = v.builder.bitcast(target, total.type.as_pointer()), BYTES // v.lanes
    v.builder.store(v.builder.fadd(v.builder.load(target, align=size), total, flags=SUM), target, align=size)


def _returns(several: bool, turning: bool) -> Callable[..., Any]:
    def typed(typing, re, im, back_re, back_im, cells, inverses, step, upper, lower, begin, end, slopes):
        def code(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            v = _Vectors(context, builder, re.dtype)
            light, back = (
                v.pair(*(v.array(signature.args[i], values[i]) for i in which), *values[7:9])
                for which in ((0, 1), (2, 3))
            )
            t, inverse = (v.matrix(v.array(signature.args[i], values[i]), values[6], several) for i in (4, 5))
            sums = [cgutils.alloca_once_value(builder, v.zero) for _ in range(4 if turning else 8)]

            def add(entry: int, *products: tuple[Any, Any], less: tuple[tuple[Any, Any], ...]) -> None:
                builder.store(v.total(*products, less=less, start=builder.load(sums[entry])), sums[entry])

            def slope(piece: Any) -> None:
                # g, k: gradient at the outputs; x, u: the fields at the inputs. dL/dT_ab = sum of g_a conj(x_b)
                gr, gi, kr, ki = (v.load(row, piece) for row in back)
                xr, xi, ur, ui = (v.load(row, piece) for row in light)
                pairs = ((g, x) for g in ((gr, gi), (kr, ki)) for x in ((xr, xi), (ur, ui)))
                for entry, ((a, b), (c, d)) in enumerate(pairs):
                    add(2 * entry, (a, c), (b, d), less=())
                    add(2 * entry + 1, (b, c), less=((a, d),))
                v.mix(t, back, piece, back=True)

            def turn(piece: Any) -> None:
                # y, z: the fields at the outputs. Sums of Im(conj(y) g), Im(conj(z) k), Re(conj(z) g - conj(y) k)
                gr, gi, kr, ki = (v.load(row, piece) for row in back)
                yr, yi, zr, zi = (v.load(row, piece) for row in light)
                add(0, (yr, gi), less=((yi, gr),))
                add(1, (zr, ki), less=((zi, kr),))
                add(2, (zr, gr), (zi, gi), less=((yr, kr), (yi, ki)))
                v.mix(t, back, piece, back=True)

            def undo(piece: Any) -> None:
                v.mix(inverse, light, piece)
                if turning:
                    # In front, the first sum of what enters by the upper input
                    (gr, gi), (xr, xi) = ([v.load(row, piece) for row in rows[:2]] for rows in (back, light))
                    add(3, (xr, gi), less=((xi, gr),))

            # One after the other: at once they would need more registers than there are
            for body in (turn, undo) if turning else (undo, slope):
                v.each(values[9:11], body)
            slopes_ = v.array(signature.args[11], values[11])
            _add_slopes(v, slopes_, values[6], [builder.load(total) for total in sums], several)
            return context.get_dummy_value()

        kinds = re, im, back_re, back_im, cells, inverses, step, upper, lower, begin, end, slopes
        return types.void(*kinds), code

    return typed


# (re, im, back_re, back_im, cells, inverses, step, upper, lower, begin, end, slopes): pieces of the fields at rows
# upper and lower become those in front of T, and of the gradient, back_re + i back_im, go back through T.
# slopes[step] += dL/dT; or (`_turn`) what `_pull` makes the phases' gradient of
_return_one, _return_several = (intrinsic(_returns(several, turning=False)) for several in (False, True))
_turn_one, _turn_several = (intrinsic(_returns(several, turning=True)) for several in (False, True))


def _unscales(several: bool) -> Callable[..., Any]:
    def typed(typing, re, im, back_re, back_im, cells, step, row, begin, end, held, index, slopes, missed):
        def code(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            v = _Vectors(context, builder, re.dtype)
            arrays = {i: v.array(signature.args[i], values[i]) for i in (0, 1, 2, 3, 4, 9, 11, 12)}
            tr, ti = v.matrix(arrays[4], values[5], several)[0]
            rows = [builder.gep(arrays[i].data, [values[6]]) for i in range(4)]
            room = [v.place(arrays[9], values[10], v.number(part)) for part in range(2)]
            sums = [cgutils.alloca_once_value(builder, v.zero) for _ in range(3)]

            def unscale(piece: Any) -> None:
                y, z, a, b = (v.load(row, piece) for row in rows)
                c, d = (v.load(part, piece) for part in room)
                off = (
                    builder.fsub(y, v.total((tr, c), less=((ti, d),)), flags=SUM),
                    builder.fsub(z, v.total((tr, d), (ti, c)), flags=SUM),
                )
                old = [builder.load(total) for total in sums]
                builder.store(v.total((a, c), (b, d), start=old[0]), sums[0])
                builder.store(v.total((b, c), less=((a, d),), start=old[1]), sums[1])
                for part in off:
                    builder.store(builder.fadd(builder.load(sums[2]), v.size(part), flags=SUM), sums[2])
                new = c, d, v.total((tr, a), (ti, b)), v.total((tr, b), less=((ti, a),))
                for value, row in zip(new, rows, strict=True):
                    v.store(value, row, piece)

            v.each(values[7:9], unscale)
            nothing = [] if several else [v.zero] * 2
            _add_slopes(v, arrays[11], values[5], [builder.load(total) for total in sums[:2]] + nothing, several)
            target = v.place(arrays[12], v.number(0))
            v.store(builder.fadd(v.load(target, loose=True), builder.load(sums[2]), flags=SUM), target, loose=True)
            return context.get_dummy_value()

        kinds = re, im, back_re, back_im, cells, step, row, begin, end, held, index, slopes, missed
        return types.void(*kinds), code

    return typed


# (re, im, back_re, back_im, cells, step, row, begin, end, held, index, slopes, missed): pieces of a row of the fields
# <- held[index], of its gradient <- conj(T00) of them; slopes[step] += dL/dT00, missed[0] += |row - T00 held[index]|
_unscale_one, _unscale_several = (intrinsic(_unscales(several)) for several in (False, True))


@intrinsic
def _compare(typing, re, im, back_re, back_im, missed):
    """missed <- + |light - back|, + |back|: sums of sizes, which neither overflow nor vanish where squares would."""

    def code(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        v = _Vectors(context, builder, re.dtype)
        arrays = [v.array(signature.args[i], values[i]) for i in range(4)]
        sums = [cgutils.alloca_once_value(builder, v.zero) for _ in range(2)]
        count = v.number(1)
        for axis in range(3):
            count = builder.mul(count, builder.extract_value(arrays[0].shape, axis))
        with cgutils.for_range_slice(builder, v.number(0), count, v.number(v.lanes)) as (place, _):
            x, y, a, b = (v.load(builder.gep(array.data, [place])) for array in arrays)
            off = builder.fsub(x, a, flags=SUM), builder.fsub(y, b, flags=SUM)
            for total, parts in zip(sums, (off, (a, b)), strict=True):
                for part in parts:
                    builder.store(builder.fadd(builder.load(total), v.size(part), flags=SUM), total)
        for k, total in enumerate(sums):
            target = v.place(v.array(missed, values[4]), v.number(k))
            v.store(builder.fadd(v.load(target, loose=True), builder.load(total), flags=SUM), target, loose=True)
        return context.get_dummy_value()

    return types.void(re, im, back_re, back_im, missed), code


@intrinsic
def _mode(typing, new):
    """Set the processor's control word for floating-point numbers if `new` is not negative; returns the old one.

    -1, and nothing done, on processors other than x86.
    """

    def code(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        word = ir.IntType(32)
        if platform.machine().lower() not in ("x86_64", "amd64"):
            return ir.Constant(word, -1)
        place = cgutils.alloca_once(builder, word)
        kind = ir.FunctionType(ir.VoidType(), [ir.IntType(8).as_pointer()])
        pointer = builder.bitcast(place, ir.IntType(8).as_pointer())
        builder.call(cgutils.get_or_insert_function(builder.module, kind, "llvm.x86.sse.stmxcsr"), [pointer])
        old = builder.load(place)
        with builder.if_then(builder.icmp_signed(">=", values[0], ir.Constant(word, 0))):
            builder.store(values[0], place)
            builder.call(cgutils.get_or_insert_function(builder.module, kind, "llvm.x86.sse.ldmxcsr"), [pointer])
        return old

    return types.int32(types.int32), code


@helper
def _flush():
    """Let the processor take tiny numbers for 0; returns what `_mode` restores."""
    old = _mode(np.int32(-1))
    if old >= 0:
        _mode(np.int32(old | FLUSH))
    return old


def _fills(several: bool) -> Callable[..., Any]:
    def typed(typing, theta, phi, arms, ratios, step, tile, cells, place):
        def code(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            v = _Vectors(context, builder, theta.dtype)
            *angles, arms_, ratios_, cells_ = (v.array(signature.args[i], values[i]) for i in (0, 1, 2, 3, 6))
            at = values[4:6] if several else values[5:3:-1]
            starts = [v.place(ratios_, v.number(k), *at) for k in range(4)]
            cc, cs, sc, ss = (v.load(start, loose=True) for start in starts)
            (er, ei), (fr, fi) = (v.heated(angles[k], arms_, k, at, starts[0]) for k in range(2))
            bar = builder.fsub(builder.fmul(cc, er), ss), builder.fmul(cc, ei)
            down = builder.fmul(builder.fsub(v.zero, sc), ei), v.total((sc, er), start=cs)
            minus = builder.fsub(v.zero, ss)
            parts = (
                v.total((bar[0], fr), less=((bar[1], fi),)),
                v.total((bar[0], fi), (bar[1], fr)),
                builder.fmul(builder.fsub(v.zero, cs), ei),
                v.total((cs, er), start=sc),
                v.total((down[0], fr), less=((down[1], fi),)),
                v.total((down[0], fi), (down[1], fr)),
                v.total((minus, er), start=cc),
                builder.fmul(minus, ei),
            )
            if several:
                for entry, part in enumerate(parts):
                    v.store(part, v.place(cells_, values[7], v.number(entry), sizes=(8, v.lanes)))
                return context.get_dummy_value()
            store, ranks = v.rows(parts), v.array(place, values[7])
            for lane in range(v.lanes):
                rank = builder.load(v.place(ranks, builder.add(values[4], v.number(lane))))
                store(lane, v.place(cells_, rank, sizes=(8, 1)))
            return context.get_dummy_value()

        return types.void(theta, phi, arms, ratios, step, tile, cells, place), code

    return typed


# (theta, phi, arms, ratios, step, tile, cells, place): cells[place] <- T of a step in a vector of tiles; or
# cells[place[step ..]] <- T of a vector of steps of a tile. With cc, cs, sc, ss = `ratios` the products of cos and sin
# of the second and the first coupler, and e, f = e^{i theta}, e^{i phi}, times `arms` unless those are empty:
# T00 = (cc e - ss) f, T01 = i (cs e + sc), T10 = i (sc e + cs) f, T11 = cc - ss e. All lie (steps, tiles), or
# (tiles, steps); ratios are 4 of them, arms 2
_fill_one, _fill_several = intrinsic(_fills(several=False)), intrinsic(_fills(several=True))


@intrinsic
def _pull_mzi(typing, ratios, slopes, place, step, tile, angles):
    """angles (2, steps, tiles) <- dL/dtheta, dL/dphi of a step of a vector of tiles, from `_turn`'s sums at a place."""

    def code(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        v = _Vectors(context, builder, ratios.dtype)
        ratios_, slopes_, angles_ = (v.array(signature.args[i], values[i]) for i in (0, 1, 5))
        at = values[3:5]
        cc, cs, sc, ss = (v.load(v.place(ratios_, v.number(k), *at), loose=True) for k in range(4))
        g = [v.load(v.place(slopes_, values[2], v.number(k))) for k in range(4)]
        # Of the second coupler: cos^2, sin^2 and their product, times what cancels
        cos2, sin2, both = v.total((cc, cc), (cs, cs)), v.total((sc, sc), (ss, ss)), v.total((cc, sc), (cs, ss))
        theta = v.total((cos2, g[0]), (sin2, g[1]), (both, g[2]))
        theta, phi = builder.fdiv(theta, builder.fadd(cos2, sin2)), g[3]
        for angle, value in enumerate((theta, phi)):
            v.store(value, v.place(angles_, v.number(angle), *at), loose=True)
        return context.get_dummy_value()

    return types.void(ratios, slopes, place, step, tile, angles), code


@intrinsic
def _pull_scale(typing, phi, arms, ratios, slopes, cells, place, step, tile, angles):
    """The same of a scale, from dL/dT00."""

    def code(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        v, at = _Vectors(context, builder, ratios.dtype), values[6:8]
        phi_, arms_, *others, angles_ = (v.array(signature.args[i], values[i]) for i in (0, 1, 2, 3, 4, 8))
        start = v.place(others[0], v.number(3), *at)
        ss, (fr, fi) = v.load(start, loose=True), v.heated(phi_, arms_, 1, at, start)
        (gr, gi), (tr, ti) = ([v.load(v.place(part, values[5], v.number(k))) for k in (0, 1)] for part in others[1:])
        # dT00 = i cc e f = i (T00 + ss f) of theta, i T00 of phi
        real, imag = v.total((ss, fr), start=tr), v.total((ss, fi), start=ti)
        for angle, (x, y) in enumerate(((real, imag), (tr, ti))):
            v.store(v.total((gi, x), less=((gr, y),)), v.place(angles_, v.number(angle), *at), loose=True)
        return context.get_dummy_value()

    return types.void(phi, arms, ratios, slopes, cells, place, step, tile, angles), code


def _moves(inward: bool) -> Callable[..., Any]:
    def typed(typing, given, step, tile, cells, place):
        def code(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            v = _Vectors(context, builder, cells.dtype)
            given_, cells_ = v.array(given, values[0]), v.array(cells, values[3])
            for entry in range(4):
                start = v.entry(given_, entry, *values[1:3])
                own = [v.place(cells_, values[4], v.number(2 * entry + side)) for side in (0, 1)]
                if inward:
                    for part, place in zip(v.parted(start), own, strict=True):
                        v.store(part, place)
                else:
                    for half, paired in enumerate(v.paired(v.load(own[0]), v.load(own[1]))):
                        v.store(paired, start, v.number(half), loose=True)
            return context.get_dummy_value()

        return types.void(given, step, tile, cells, place), code

    return typed


# (given, step, tile, cells, place): cells[place] <- T of a step in a vector of tiles, of (2, 2, steps, tiles); or back
_take, _give = intrinsic(_moves(inward=True)), intrinsic(_moves(inward=False))


def _moves_some(inward: bool, many: bool) -> Callable[..., Any]:
    def typed(typing, given, step, tile, cells, ranks, own, ahead, room):
        def code(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            v = _Vectors(context, builder, cells.dtype)
            given_, cells_, ranks_ = (v.array(signature.args[i], values[i]) for i in (0, 3, 4))
            lines = [v.entry(given_, entry, *values[1:3]) for entry in range(4)]
            rows: list[Any] = []
            for k in map(v.number, range(v.lanes // 2 if many else 1)):
                rank = builder.load(v.place(ranks_, builder.add(values[1], builder.mul(values[6], k))))
                start = builder.mul(values[7], builder.add(values[5], k))
                rows.append(v.place(cells_, builder.add(rank, start), sizes=(8, 1)))
            if many and inward:
                store = v.rows([v.load(line, loose=True) for line in lines], unit=2)
                for k, row in enumerate(rows):
                    store(k, row)
            elif many:
                for line, vector in zip(lines, v.from_rows(rows), strict=True):
                    v.store(vector, line, loose=True)
            else:
                both = ir.IntType(2 * cells.dtype.bitwidth).as_pointer()  # a complex number, moved as one
                for entry, line in enumerate(lines):
                    ends = line, builder.gep(rows[0], [v.number(2 * entry)])
                    source, target = (builder.bitcast(at, both) for at in (ends if inward else ends[::-1]))
                    builder.store(builder.load(source, align=BYTES // v.lanes), target, align=BYTES // v.lanes)
            return context.get_dummy_value()

        return types.void(given, step, tile, cells, ranks, own, ahead, room), code

    return typed


# (given, step, tile, cells, ranks, own, ahead, room): the same of one step of a tile, or of half a vector of them: of
# steps, `ahead` of each other in `given`, or of tiles, `room` places apart in `cells` from the `own`-th on
_take_one, _give_one = (intrinsic(_moves_some(inward, many=False)) for inward in (True, False))
_take_half, _give_half = (intrinsic(_moves_some(inward, many=True)) for inward in (True, False))


@intrinsic
def _put(typing, re, im, place, out, at):
    """out.flat[at ..] <- re + i im from a place of theirs, a vector of complex numbers."""

    def code(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        v = _Vectors(context, builder, re.dtype)
        real, imag = (v.load(builder.gep(v.array(re, values[i]).data, [values[2]])) for i in (0, 1))
        target = builder.bitcast(v.array(out, values[3]).data, v.kind.element.as_pointer())
        start = builder.gep(target, [builder.mul(values[4], v.number(2))])
        for half, paired in enumerate(v.paired(real, imag)):
            v.store(paired, start, v.number(half), loose=True)
        return context.get_dummy_value()

    return types.void(re, im, place, out, at), code


@intrinsic
def _get(typing, re, im, place, fields, at):
    """A vector of complex numbers fields.flat[at ..] into a place of re and im; whether one of them is not 0."""

    def code(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        v = _Vectors(context, builder, re.dtype)
        source = builder.bitcast(v.array(fields, values[3]).data, v.kind.element.as_pointer())
        index, lit = builder.mul(values[4], v.number(2)), []
        for side, part in enumerate(v.parted(builder.gep(source, [index]))):
            v.store(part, builder.gep(v.array(re, values[side]).data, [values[2]]))
            lit.append(builder.fcmp_unordered("!=", part, v.zero))
        word = ir.IntType(v.lanes)
        return builder.icmp_unsigned("!=", builder.bitcast(builder.or_(*lit), word), ir.Constant(word, 0))

    return types.boolean(re, im, place, fields, at), code


@helper
def _at(shape, i, j, k):
    return (i * shape[1] + j) * shape[2] + k


@helper
def _enter(fields, several, group, first, re, im, ends):
    """Inputs from `first` on into the rows, the identity if `fields` is empty; ends <- first and last row with light.

    `group` is the tile, or the first of several; ends are (2, pieces).
    """
    modes, pieces, lanes = re.shape
    none, each = re.dtype.type(0), 1 if several else lanes
    inputs = fields.shape[1 if several else 2]
    if not fields.size or first + pieces * each > inputs:
        re[:], im[:] = none, none
    ends[0], ends[1] = modes, -1
    tile = group if len(fields) > 1 else 0
    for piece in range(pieces):
        which = first + piece * each
        if not fields.size:
            last = min(which + each, modes)
            for mode in range(which, last):
                if several:
                    re[mode, piece, :] = 1
                else:
                    re[mode, piece, mode - which] = 1
            if which < last:
                ends[0, piece], ends[1, piece] = which, last - 1
        elif which < inputs:
            for mode in range(modes):
                at = _at(fields.shape, mode, which, group) if several else _at(fields.shape, tile, mode, which)
                if _get(re, im, (mode * pieces + piece) * lanes, fields, at):
                    ends[0, piece], ends[1, piece] = min(ends[0, piece], mode), mode


@helper
def _leave(re, im, out, several, group, first):
    modes, pieces, lanes = re.shape
    inputs = out.shape[1 if several else 2]
    for mode in range(modes):
        for piece in range(pieces):
            which = first + (piece if several else piece * lanes)
            if which < inputs:
                at = _at(out.shape, mode, which, group) if several else _at(out.shape, group, mode, which)
                _put(re, im, (mode * pieces + piece) * lanes, out, at)


@helper
def _reach(places, width, ends, came, spans):
    """spans (2, steps) <- first and last piece of the fields that each step meets, with light where `ends` says.

    `came` is where it was when the spans were last found.
    """
    if (ends == came).all():
        return
    came[:] = ends
    pieces = ends.shape[1]
    spans[0], spans[1] = pieces, 0
    for piece in range(pieces):
        low, high = ends[0, piece], ends[1, piece]
        for step in range(places.shape[1]):
            upper, lower = places[0, step] // width, places[1, step] // width
            top, bottom = (min(upper, lower), max(upper, lower)) if lower >= 0 else (upper, upper)
            if bottom >= low and top <= high:
                low, high = min(low, top), max(high, bottom)
                spans[0, step], spans[1, step] = min(spans[0, step], piece), max(spans[1, step], piece + 1)


@helper
def _through(places, spans, cells, several, re, im, held):
    """Send light through the steps that it meets; where `held` has room, hold what scales change."""
    for place in range(places.shape[1]):
        step = np.uintp(place)
        upper, lower, begin, end = places[0, step], places[1, step], np.intp(spans[0, step]), np.intp(spans[1, step])
        if begin >= end:
            continue
        if lower >= 0:
            if several:
                _mix_several(re, im, cells, step, upper, lower, begin, end)
            else:
                _mix_one(re, im, cells, step, upper, lower, begin, end)
        elif several:
            _scale_several(re, im, cells, step, upper, begin, end, held, -1 - lower)
        else:
            _scale_one(re, im, cells, step, upper, begin, end, held, -1 - lower)


@helper
def _back(places, spans, cells, inverses, several, state, held, turning, slopes, missed):
    """Send fields and gradient back through all steps, and add up what each has to do with the other."""
    re, im, back_re, back_im = state[0], state[1], state[2], state[3]
    for place in range(places.shape[1] - 1, -1, -1):
        step = np.uintp(place)
        upper, lower, begin, end = places[0, step], places[1, step], np.intp(spans[0, step]), np.intp(spans[1, step])
        if begin >= end:
            continue
        if lower < 0:
            index = -1 - lower
            if several:
                _unscale_several(re, im, back_re, back_im, cells, step, upper, begin, end, held, index, slopes, missed)
            else:
                _unscale_one(re, im, back_re, back_im, cells, step, upper, begin, end, held, index, slopes, missed)
        elif several and turning:
            _turn_several(re, im, back_re, back_im, cells, inverses, step, upper, lower, begin, end, slopes)
        elif several:
            _return_several(re, im, back_re, back_im, cells, inverses, step, upper, lower, begin, end, slopes)
        elif turning:
            _turn_one(re, im, back_re, back_im, cells, inverses, step, upper, lower, begin, end, slopes)
        else:
            _return_one(re, im, back_re, back_im, cells, inverses, step, upper, lower, begin, end, slopes)


@helper
def _invert(cells, several, steps, inverses, missed):
    """T^-1 of every step, of a tile or of several; missed[2]: how much of the light's power one gains at most."""
    for step in range(0, len(inverses), 1 if several else BYTES // cells.itemsize):
        if several:
            _invert_several(cells, step, inverses, steps, missed)
        else:
            _invert_one(cells, step, inverses, steps, missed)


@helper
def _fill(phases, given, several, tile, places, ranks, cells, block):
    """What every step does, of a tile or of several from there on: as it is given, or by its phases."""
    theta, phi, arms, ratios = phases
    if several:
        for place in range(places.shape[1]):
            if given.size:
                _take(given, places[2, place], tile, cells, place)
            else:
                _fill_several(theta, phi, arms, ratios, places[2, place], tile, cells, place)
        return cells
    if given.size:
        if tile % block == 0:
            _swap(given, tile, ranks, cells, block, inward=True)
        return _own(tile, len(ranks), cells, block)
    for step in range(0, len(ranks), BYTES // cells.itemsize):
        _fill_one(theta, phi, arms, ratios, step, tile, cells, ranks)
    return cells


@helper
def _own(tile, room, blocks, block):
    """What is a tile's of the memory of a block of tiles."""
    return blocks[room * (tile % block) :][:room]


@helper
def _swap(given, first, ranks, blocks, block, inward):
    """Copy T of a block of tiles from `first` on out of what is given, (2, 2, steps, tiles), or back into it."""
    steps, tiles = given.shape[2], given.shape[3]
    count, half = min(block, tiles - first), BYTES // blocks.itemsize // 2
    # Half a vector lies side by side: of tiles; or of steps, where there is one
    ahead, room = (half, 0) if tiles == 1 else (1, len(ranks))
    for step in range(0, steps, ahead):
        for own in range(0, count, 1 if tiles == 1 else half):
            if step + ahead <= steps and (tiles == 1 or own + half <= count):
                if inward:
                    _take_half(given, step, first + own, blocks, ranks, own, ahead // half, room)
                else:
                    _give_half(given, step, first + own, blocks, ranks, own, ahead // half, room)
                continue
            for more in range(steps - step if tiles == 1 else count - own):
                at, tile = (step + more, own) if tiles == 1 else (step, own + more)
                if inward:
                    _take_one(given, at, first + tile, blocks, ranks, tile, 0, room)
                else:
                    _give_one(given, at, first + tile, blocks, ranks, tile, 0, room)


@helper
def _group(index, lanes, tiles, several):
    """First tile of a group; the last group of several starts early, so that it is whole."""
    return min(index * lanes, tiles - lanes) if several else index


@compiled
def forward(places, ranks, phases, given, fields, out, several, state, cells, came, spans):
    """out <- fields behind the last step.

    places (3, steps), in the order that light takes: where the rows start that a step mixes, in `state`, and the step's
    number; with -1 - k as the second, it is the k-th that multiplies the first by its T00. ranks: of every number, its
    place in that order. phases (theta, phi, arms, ratios): of every number, as `_fill_one` and `_fill_several` have
    them; or given (2, 2, steps, tiles) in their stead. fields, out: (tiles, modes, inputs), (modes, inputs, tiles)
    where several; one tile of fields is for all, empty fields are the identity. state (4, modes, pieces, lanes), cells,
    came and spans are room.
    """
    old = _flush()
    re, im, nothing = state[0], state[1], np.empty((0, 2, 1, 1), state.dtype)
    pieces, lanes = re.shape[1], re.shape[2]
    ends = np.empty((2, pieces), np.int64)
    inputs, tiles = (out.shape[1], out.shape[2]) if several else (out.shape[2], out.shape[0])
    block = LINE // (2 * state.itemsize)
    for index in range((tiles + lanes - 1) // lanes if several else tiles):
        group = _group(index, lanes, tiles, several)
        cell = _fill(phases, given, several, group, places, ranks, cells, block)
        for turn, first in enumerate(range(0, inputs, pieces if several else pieces * lanes)):
            _enter(fields, several, group, first, re, im, ends)
            _reach(places, pieces * lanes, ends, came[turn], spans[turn])
            _through(places, spans[turn], cell, several, re, im, nothing)
            _leave(re, im, out, several, group, first)
    _mode(old)


@compiled
def backward(
    places, ranks, phases, given, fields, out, gradient, angles, entries, several, ready, state, cells, came,
    spans, inverses, slopes, held,
):  # fmt: skip
    """angles <- dL/dtheta and dL/dphi of every step, or entries <- dL/dT, as torch has it, laid out as `given`.

    gradient: dL/d(fields behind the last step), laid out as they are; angles are (2, steps, tiles), (2, tiles, steps)
    else. The fields go back with it, through T^-1, so that none need be kept but those that scales change: they may be
    0 behind. `out`, where it is not empty, has those behind the last step, so that without scales none are computed;
    where the room is `ready`, as `forward` left it, nothing is made again: one tile, all inputs at once, no scale.
    Returns whether the fields were in front what they had been, but for rounding, and were amplified nowhere, so that
    no error that was larger on the way has become small: else the gradient is of no use.
    """
    old = _flush()
    re, im, back_re, back_im = state[0], state[1], state[2], state[3]
    good, turning, known = True, angles.size > 0, out.size > 0 and not len(held)
    pieces, lanes = re.shape[1], re.shape[2]
    missed, ends = np.empty((3, lanes), state.dtype), np.empty((2, pieces), np.int64)
    least = np.finfo(state.dtype).eps ** (2 / 3)
    inputs, tiles = (gradient.shape[1], gradient.shape[2]) if several else (gradient.shape[2], gradient.shape[0])
    block = min(2 * LINE // (2 * state.itemsize), tiles)  # lines come in pairs
    for index in range((tiles + lanes - 1) // lanes if several else tiles):
        group = _group(index, lanes, tiles, several)
        cell = cells if ready else _fill(phases, given, several, group, places, ranks, cells, block)
        missed[:] = 0
        _invert(cell, several, places.shape[1], inverses, missed)
        own = slopes if several else _own(group, len(ranks), slopes, block)
        own[:] = 0
        for turn, first in enumerate(range(0, inputs, pieces if several else pieces * lanes)):
            span = spans[turn]
            if not ready:
                _enter(fields, several, group, first, re, im, ends)
                _reach(places, pieces * lanes, ends, came[turn], span)
                if known:
                    _enter(out, several, group, first, re, im, ends)
                else:
                    _through(places, span, cell, several, re, im, held)
            _enter(gradient, several, group, first, back_re, back_im, ends)
            _back(places, span, cell, inverses, several, state, held, turning, own, missed)
            _enter(fields, several, group, first, back_re, back_im, ends)
            _compare(re, im, back_re, back_im, missed)
        for lane in range(lanes):
            good &= missed[0, lane] <= least * missed[1, lane] < np.inf and missed[2, lane] <= GAIN
        if entries.size:
            _give_back(places, ranks, slopes, block, several, group, entries)
        else:
            _pull(phases, places, own, cell, several, group, angles)
    _mode(old)
    return good


@helper
def _give_back(places, ranks, slopes, block, several, group, entries):
    """The gradient in the entries of T."""
    tiles = entries.shape[3]
    if several:
        for place in range(places.shape[1]):
            _give(entries, places[2, place], group, slopes, place)
    elif (group + 1) % block == 0 or group == tiles - 1:
        _swap(entries, group - group % block, ranks, slopes, block, inward=False)


@helper
def _pull(phases, places, slopes, cells, several, group, angles):
    """The gradient in a tile's phases, or several's."""
    _, phi, arms, ratios = phases
    if several:
        for place in range(places.shape[1]):
            if places[1, place] < 0:
                _pull_scale(phi, arms, ratios, slopes, cells, place, places[2, place], group, angles)
            else:
                _pull_mzi(ratios, slopes, place, places[2, place], group, angles)
        return
    for place in range(places.shape[1]):
        step = places[2, place]
        cc, cs, sc, ss = (
            ratios[0, group, step],
            ratios[1, group, step],
            ratios[2, group, step],
            ratios[3, group, step],
        )
        g = slopes[place, :, 0]
        if places[1, place] < 0:
            real, imag = cells[place, 0, 0], cells[place, 1, 0]
            lost = ss * arms[1, group, step] if arms.size else ss
            turn = phi[group, step]
            angles[0, group, step] = g[1] * (real + lost * np.cos(turn)) - g[0] * (imag + lost * np.sin(turn))
            angles[1, group, step] = g[1] * real - g[0] * imag
        else:
            cos2, sin2, both = cc * cc + cs * cs, sc * sc + ss * ss, cc * sc + cs * ss
            angles[0, group, step] = (cos2 * g[0] + sin2 * g[1] + both * g[2]) / (cos2 + sin2)
            angles[1, group, step] = g[3]
