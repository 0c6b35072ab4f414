# ruff: noqa: ANN001, ANN201, ANN202, ANN401, ARG001 (numba gives the types)
"""Light through meshes on the CPU, compiled: a few inputs at a time stay in the core's first caches all the way.

Real and imaginary parts are apart, in vectors whose lanes are tiles where there are enough ("several"),
else inputs of one tile, padded to whole vectors. numba does not keep vectors in registers by itself, so the first part
gives LLVM its vector operations, for any processor; the second part is plain numba. It is one file because numba's
cache looks at the file of what it compiles, not at what that calls.
"""

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
MANY = 128 // BYTES  # vectors of inputs that share what is read of one tile's step
BLOCK = 8  # tiles whose entries share a line of the cache
FLUSH = 0x8040  # x86: results and operands too small for normal numbers are 0, for they take a hundred times as long
DARK, SOME, WHOLE = 0, 1, 2  # how much of a part light can have reached
SUM = ("contract", "reassoc", "nsz")


class _Vectors:
    """Vector operations on arrays whose last axis is lanes."""

    def __init__(self, context: Any, builder: Any, number: Any) -> None:
        self.context, self.builder = context, builder
        self.lanes = 8 * BYTES // number.bitwidth
        self.kind = ir.VectorType(context.get_value_type(number), self.lanes)
        self.zero = ir.Constant(self.kind, [0.0] * self.lanes)

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
            nothing, first = ir.Constant(self.kind, ir.Undefined), ir.Constant(ir.IntType(32), 0)
            one = self.builder.insert_element(nothing, self.builder.load(at), first)
            parts.append(self.shuffle(one, nothing, [0] * self.lanes))
        return list(zip(parts[::2], parts[1::2], strict=True))

    def paired(self, a: Any, b: Any, unit: int = 1) -> list[Any]:
        """Two vectors in which `unit` lanes of a and of b alternate: of real and imaginary parts, complex numbers."""
        order = [u + lane + b for u in range(0, self.lanes, unit) for b in (0, self.lanes) for lane in range(unit)]
        return [self.shuffle(a, b, order[: self.lanes]), self.shuffle(a, b, order[self.lanes :])]

    def unpaired(self, a: Any, b: Any, unit: int = 1) -> list[Any]:
        """Undo `paired`."""
        starts = range(0, 2 * self.lanes, 2 * unit)
        return [self.shuffle(a, b, [u + lane + side for u in starts for lane in range(unit)]) for side in (0, unit)]

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
        """Sums over the lanes of eight vectors, as one vector of eight: folded in pairs, so that no lane idles."""
        lanes = size = vectors[0].type.count
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
        if lanes < 8:
            return self.shuffle(last, vectors[1], list(range(8)))
        if lanes == 8:
            return last
        even, odd = ([2 * group + k for group in range(8)] for k in (0, 1))
        return self.builder.fadd(self.shuffle(last, last, even), self.shuffle(last, last, odd), flags=SUM)

    def halved(self, pointer: Any) -> Any:
        """The sum of both halves of a vector."""
        half = ir.VectorType(self.kind.element, self.lanes // 2)
        parts = (
            self.builder.bitcast(at, half.as_pointer())
            for at in (pointer, self.builder.gep(pointer, [self.number(self.lanes // 2)]))
        )
        return self.builder.fadd(*(self.builder.load(part, align=BYTES // 2) for part in parts), flags=SUM)


def _each(v: _Vectors, array: Any, pieces: int | None, body: Callable[[Any], None]) -> None:
    """Do something with every piece of a row: so many, written out, or as many as there are."""
    if pieces is None:
        with cgutils.for_range(v.builder, v.builder.extract_value(array.shape, 1)) as loop:
            body(loop.index)
        return
    for piece in range(pieces):
        body(v.number(piece))


def _mixes(several: bool, pieces: int | None, keeps: bool) -> Callable[..., Any]:
    def typed(typing, re, im, cells, step, upper, lower, kept, place):
        def code(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            v = _Vectors(context, builder, re.dtype)
            real, imag, cells_, kept_ = (v.array(signature.args[i], values[i]) for i in (0, 1, 2, 6))
            (ar, ai), (br, bi), (cr, ci), (dr, di) = v.matrix(cells_, values[3], several)
            rows = [builder.gep(array.data, [at]) for at in values[4:6] for array in (real, imag)]
            sizes = pieces, v.lanes
            room = [v.place(kept_, values[7], v.number(part), sizes=sizes) for part in range(4)] if keeps else []

            def body(piece: Any) -> None:
                x, y, u, w = (v.load(row, piece) for row in rows)
                for place, part in zip(room, (x, y, u, w), strict=False):
                    v.store(part, place, piece)
                mixed = (
                    v.total((ar, x), (br, u), less=((ai, y), (bi, w))),
                    v.total((ar, y), (ai, x), (br, w), (bi, u)),
                    v.total((cr, x), (dr, u), less=((ci, y), (di, w))),
                    v.total((cr, y), (ci, x), (dr, w), (di, u)),
                )
                for value, row in zip(mixed, rows, strict=True):
                    v.store(value, row, piece)

            _each(v, real, pieces, body)
            return context.get_dummy_value()

        return types.void(re, im, cells, step, upper, lower, kept, place), code

    return typed


# (re, im, cells, step, upper, lower, kept, place): the rows at places upper and lower <- T (upper, lower); the fields
# that meet T go to kept[place]. Of one tile a row has one piece, or MANY; of several as many as there are
_mix, _mix_keep = (intrinsic(_mixes(several=True, pieces=None, keeps=keeps)) for keeps in (False, True))
_mix_1, _mix_keep_1 = (intrinsic(_mixes(several=False, pieces=1, keeps=keeps)) for keeps in (False, True))
_mix_many, _mix_keep_many = (intrinsic(_mixes(several=False, pieces=MANY, keeps=k)) for k in (False, True))


def _scales(several: bool, back: bool) -> Callable[..., Any]:
    def typed(typing, re, im, cells, step, row):
        def code(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            v = _Vectors(context, builder, re.dtype)
            real, imag, cells_ = (v.array(signature.args[i], values[i]) for i in range(3))
            tr, ti = v.matrix(cells_, values[3], several)[0]
            rows = [builder.gep(array.data, [values[4]]) for array in (real, imag)]
            with cgutils.for_range(builder, builder.extract_value(real.shape, 1)) as loop:
                x, y = (v.load(row, loop.index) for row in rows)
                if back:
                    new = v.total((tr, x), (ti, y)), v.total((tr, y), less=((ti, x),))
                else:
                    new = v.total((tr, x), less=((ti, y),)), v.total((tr, y), (ti, x))
                for value, row in zip(new, rows, strict=True):
                    v.store(value, row, loop.index)
            return context.get_dummy_value()

        return types.void(re, im, cells, step, row), code

    return typed


# (re, im, cells, step, row): row <- T00 row; back: row <- conj(T00) row
_scale_one, _scale_several = (intrinsic(_scales(several, back=False)) for several in (False, True))
_unscale_one, _unscale_several = (intrinsic(_scales(several, back=True)) for several in (False, True))


@intrinsic
def _hold(typing, re, im, row, kept, place):
    """kept[place, 0], kept[place, 1] <- a row's real and imaginary parts."""

    def code(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        v = _Vectors(context, builder, re.dtype)
        real, imag, kept_ = (v.array(signature.args[i], values[i]) for i in (0, 1, 3))
        for array, more in ((real, 0), (imag, 1)):
            source = builder.gep(array.data, [values[2]])
            target = v.place(kept_, values[4], v.number(more))
            with cgutils.for_range(builder, builder.extract_value(real.shape, 1)) as loop:
                v.store(v.load(source, loop.index), target, loop.index)
        return context.get_dummy_value()

    return types.void(re, im, row, kept, place), code


def _add_slopes(v: _Vectors, slopes: Any, step: Any, new: list[Any], several: bool) -> None:
    """slopes[step] += the lanes of each vector, or their sums where all are one tile."""
    target = v.place(slopes, step, sizes=(8, v.lanes if several else 1))
    if several:
        for entry, value in enumerate(new):
            old = v.load(target, v.number(entry))
            v.store(v.builder.fadd(old, value, flags=SUM), target, v.number(entry))
        return
    eight = v.builder.bitcast(target, ir.VectorType(v.kind.element, 8).as_pointer())
    size = BYTES // v.lanes
    old = v.builder.load(eight, align=size)
    total = v.sums(new + [v.zero] * (8 - len(new)))
    v.builder.store(v.builder.fadd(old, total, flags=SUM), eight, align=size)


def _returns(several: bool, pieces: int | None) -> Callable[..., Any]:
    def typed(typing, re, im, cells, step, upper, lower, kept, place, slopes):
        def code(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            v = _Vectors(context, builder, re.dtype)
            real, imag, cells_, kept_, slopes_ = (v.array(signature.args[i], values[i]) for i in (0, 1, 2, 6, 8))
            step, upper, lower, place = *values[3:6], values[7]
            (ar, ai), (br, bi), (cr, ci), (dr, di) = v.matrix(cells_, step, several)
            rows = [builder.gep(array.data, [at]) for at in (upper, lower) for array in (real, imag)]
            fields = [v.place(kept_, place, v.number(part), sizes=(pieces, v.lanes)) for part in range(4)]
            sums = [cgutils.alloca_once_value(builder, v.zero) for _ in range(8)]

            def slope(piece: Any) -> None:
                # g, k: gradient at the outputs; x, u: the fields at the inputs. dL/dT_ab += g_a conj(x_b)
                gr, gi, kr, ki = (v.load(row, piece) for row in rows)
                xr, xi, ur, ui = (v.load(field, piece) for field in fields)
                entry = 0
                for a, b in ((gr, gi), (kr, ki)):
                    for c, d in ((xr, xi), (ur, ui)):
                        old = [builder.load(total) for total in sums[entry : entry + 2]]
                        builder.store(v.total((a, c), (b, d), start=old[0]), sums[entry])
                        builder.store(v.total((b, c), less=((a, d),), start=old[1]), sums[entry + 1])
                        entry += 2

            def back(piece: Any) -> None:
                # conj(T)' of the gradient
                gr, gi, kr, ki = (v.load(row, piece) for row in rows)
                new = (
                    v.total((ar, gr), (ai, gi), (cr, kr), (ci, ki)),
                    v.total((ar, gi), (cr, ki), less=((ai, gr), (ci, kr))),
                    v.total((br, gr), (bi, gi), (dr, kr), (di, ki)),
                    v.total((br, gi), (dr, ki), less=((bi, gr), (di, kr))),
                )
                for value, row in zip(new, rows, strict=True):
                    v.store(value, row, piece)

            # One after the other: together they would need more registers than there are
            _each(v, real, pieces, slope)
            _each(v, real, pieces, back)
            new = [builder.load(total) for total in sums]
            if pieces == MANY:
                for entry, value in enumerate(new):
                    v.store(value, fields[0], v.number(entry))
            else:
                _add_slopes(v, slopes_, step, new, several)
            return context.get_dummy_value()

        return types.void(re, im, cells, step, upper, lower, kept, place, slopes), code

    return typed


# (re, im, cells, step, upper, lower, kept, place, slopes): the gradient at rows upper and lower goes back through T;
# slopes[step] += dL/dT, from the fields that were kept. Of MANY, what `_fold` adds up is left in their stead
_return = intrinsic(_returns(several=True, pieces=None))
_return_1, _return_many = (intrinsic(_returns(several=False, pieces=pieces)) for pieces in (1, MANY))


@intrinsic
def _fold(typing, kept, place, step, slopes):
    """slopes[step] += the sums over lanes of what `_return_many` left in kept[place]: many at once wait less."""

    def code(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        v = _Vectors(context, builder, kept.dtype)
        start = v.place(v.array(kept, values[0]), values[1], sizes=(4, MANY, v.lanes))
        vectors = [builder.gep(start, [v.number(entry * v.lanes)]) for entry in range(8)]
        new = [v.halved(vector) if v.lanes > 4 else v.load(vector) for vector in vectors]
        _add_slopes(v, v.array(slopes, values[3]), values[2], new, several=False)
        return context.get_dummy_value()

    return types.void(kept, place, step, slopes), code


def _slopes_of_scale(several: bool) -> Callable[..., Any]:
    def typed(typing, re, im, row, kept, place, step, slopes):
        def code(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            v = _Vectors(context, builder, re.dtype)
            real, imag, kept_, slopes_ = (v.array(signature.args[i], values[i]) for i in (0, 1, 3, 6))
            rows = [builder.gep(array.data, [values[2]]) for array in (real, imag)]
            fields = [v.place(kept_, values[4], v.number(part)) for part in range(2)]
            sums = [cgutils.alloca_once_value(builder, v.zero) for _ in range(2)]
            with cgutils.for_range(builder, builder.extract_value(real.shape, 1)) as loop:
                a, b = (v.load(row, loop.index) for row in rows)
                c, d = (v.load(field, loop.index) for field in fields)
                old = [builder.load(total) for total in sums]
                builder.store(v.total((a, c), (b, d), start=old[0]), sums[0])
                builder.store(v.total((b, c), less=((a, d),), start=old[1]), sums[1])
            _add_slopes(v, slopes_, values[5], [builder.load(total) for total in sums], several)
            return context.get_dummy_value()

        return types.void(re, im, row, kept, place, step, slopes), code

    return typed


# (re, im, row, kept, place, step, slopes): slopes[step] += dL/dT00 of a scale
_slope_one, _slope_several = (intrinsic(_slopes_of_scale(several)) for several in (False, True))


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
    def typed(typing, turns, ratios, step, tile, cells, place):
        def code(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            v = _Vectors(context, builder, turns.dtype)
            turns_, ratios_, cells_ = (v.array(signature.args[i], values[i]) for i in (0, 1, 4))
            at = values[2:4] if several else values[3:1:-1]
            er, ei, fr, fi = (v.load(v.place(turns_, v.number(k), *at), loose=True) for k in range(4))
            cc, cs, sc, ss = (v.load(v.place(ratios_, v.number(k), *at), loose=True) for k in range(4))
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
                    v.store(part, v.place(cells_, values[5], v.number(entry), sizes=(8, v.lanes)))
                return context.get_dummy_value()
            store, ranks = v.rows(parts), v.array(place, values[5])
            for lane in range(v.lanes):
                rank = builder.load(v.place(ranks, builder.add(values[2], v.number(lane))))
                store(lane, v.place(cells_, rank, sizes=(8, 1)))
            return context.get_dummy_value()

        return types.void(turns, ratios, step, tile, cells, place), code

    return typed


# (turns, ratios, step, tile, cells, place): cells[place] <- T of a step in a vector of tiles; or cells[place[step ..]]
# <- T of a vector of steps of a tile. With cc, cs, sc, ss = `ratios` the products of cos and sin of the second and the
# first coupler, and e, f = e^{i theta}, e^{i phi} = `turns` (real and imaginary parts): T00 = (cc e - ss) f,
# T01 = i (cs e + sc), T10 = i (sc e + cs) f, T11 = cc - ss e. turns and ratios are (4, steps, tiles), or (4, tiles,
# steps)
_fill_one, _fill_several = intrinsic(_fills(several=False)), intrinsic(_fills(several=True))


def _pulls(several: bool, scale: bool) -> Callable[..., Any]:
    def typed(typing, turns, ratios, slopes, cells, place, step, tile, angles):
        def code(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            v = _Vectors(context, builder, turns.dtype)
            turns_, ratios_, slopes_, cells_, angles_ = (v.array(signature.args[i], values[i]) for i in (0, 1, 2, 3, 7))
            at = values[5:7]
            er, ei, fr, fi = (v.load(v.place(turns_, v.number(k), *at), loose=True) for k in range(4))
            cc, cs, sc, ss = (v.load(v.place(ratios_, v.number(k), *at), loose=True) for k in range(4))
            g = [v.load(v.place(slopes_, values[4], v.number(k))) for k in range(2 if scale else 8)]
            t = [v.load(v.place(cells_, values[4], v.number(k))) for k in range(6)]
            # e f; dT00 = i cc e f, dT01 = -cs e, dT10 = -sc e f, dT11 = -i ss e of theta; i T00, i T10 of phi
            real, imag = v.total((er, fr), less=((ei, fi),)), v.total((er, fi), (ei, fr))
            theta = builder.fmul(cc, v.total((g[1], real), less=((g[0], imag),)))
            phi = v.total((g[1], t[0]), less=((g[0], t[1]),))
            if not scale:
                theta = v.total((ss, v.total((g[6], ei), less=((g[7], er),))), start=theta)
                theta = v.total(
                    less=((cs, v.total((g[2], er), (g[3], ei))), (sc, v.total((g[4], real), (g[5], imag)))), start=theta
                )
                phi = v.total((g[5], t[4]), less=((g[4], t[5]),), start=phi)
            for angle, value in enumerate((theta, phi)):
                v.store(value, v.place(angles_, v.number(angle), *at), loose=True)
            return context.get_dummy_value()

        return types.void(turns, ratios, slopes, cells, place, step, tile, angles), code

    return typed


# (turns, ratios, slopes, cells, place, step, tile, angles): angles (2, steps, tiles) <- dL/dtheta, dL/dphi of a step
# from dL/dT and T at a place
_pull_mzi, _pull_scale = (intrinsic(_pulls(several=True, scale=scale)) for scale in (False, True))


def _moves(inward: bool) -> Callable[..., Any]:
    def typed(typing, given, step, tile, cells, place):
        def code(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            v = _Vectors(context, builder, cells.dtype)
            given_, cells_ = v.array(given, values[0]), v.array(cells, values[3])
            for entry in range(4):
                start = v.place(given_, v.number(entry), values[1], values[2])
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


# (given, step, tile, cells, place): cells[place] <- T of a step in a vector of tiles, of (4, steps, tiles, 2); or back
_take, _give = intrinsic(_moves(inward=True)), intrinsic(_moves(inward=False))


def _moves_some(inward: bool, many: bool) -> Callable[..., Any]:
    def typed(typing, given, step, tile, cells, place, room):
        def code(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            v = _Vectors(context, builder, cells.dtype)
            given_, cells_ = v.array(given, values[0]), v.array(cells, values[3])
            lines = [v.place(given_, v.number(entry), *values[1:3], sizes=(None, 2)) for entry in range(4)]
            places = [builder.add(values[4], builder.mul(values[5], v.number(k))) for k in range(v.lanes // 2)]
            rows = [v.place(cells_, place, sizes=(8, 1)) for place in places]
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

        return types.void(given, step, tile, cells, place, room), code

    return typed


# (given, step, tile, cells, place, room): the same of one tile, or of half a vector of tiles, `room` places apart
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


@intrinsic
def _copy(typing, target, at, source, whence, parts):
    """target[at : at + parts] <- source[whence : whence + parts], contiguous arrays alike beyond the first axis."""

    def code(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        v = _Vectors(context, builder, target.dtype)
        to, come = v.array(target, values[0]), v.array(source, values[2])
        count = values[4]
        for axis in range(1, target.ndim):
            count = builder.mul(count, builder.extract_value(to.shape, axis))
        size = v.number(target.dtype.bitwidth // 8)
        cgutils.raw_memcpy(builder, v.place(to, values[1]), v.place(come, values[3]), count, size)
        return context.get_dummy_value()

    return types.void(target, at, source, whence, parts), code


@helper
def _at(shape, i, j, k):
    return (i * shape[1] + j) * shape[2] + k


@helper
def _enter(fields, several, group, first, re, im):
    """Inputs from `first` on into the rows, the identity if `fields` is empty; returns first and last place with light.

    `group` is the tile, or the first of several.
    """
    modes, pieces, lanes = re.shape
    none = re.dtype.type(0)
    low, high, stride = modes, -1, pieces * lanes
    inputs = fields.shape[1 if several else 2]
    if not fields.size or first + (pieces if several else stride) > inputs:
        re[:], im[:] = none, none
    if not fields.size:
        count = pieces if several else pieces * lanes
        for own in range(min(count, modes - first)):
            if several:
                re[first + own, own, :] = 1
            else:
                re[first + own, own // lanes, own % lanes] = 1
        return first * stride, min(first + count, modes) * stride - 1
    tile = group if len(fields) > 1 else 0
    for mode in range(modes):
        lit = False
        for piece in range(pieces):
            which = first + (piece if several else piece * lanes)
            if which < inputs:
                at = _at(fields.shape, mode, which, group) if several else _at(fields.shape, tile, mode, which)
                lit |= _get(re, im, mode * stride + piece * lanes, fields, at)
        if lit:
            low, high = min(low, mode), mode
    return low * stride, (high + 1) * stride - 1


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
def _through(places, parts, part, cells, several, re, im, low, high, met, kept):
    """Send light through a part of the steps; where `kept` has room, keep what meets each.

    A step outside the places that light can have reached is passed over: `met` says so. Returns those places.
    """
    keep, many = len(kept) > 0, re.shape[1] == MANY
    begin, end, lit = parts[part, 0], parts[part + 1, 0], _lit(parts, part, re, low, high)
    uppers, lowers = places[0], places[1]
    met[begin:end] = lit == WHOLE
    if lit == DARK:
        return low, high
    for place in range(begin, end):
        step = np.uintp(place)
        upper, lower, room = uppers[step], lowers[step], place - begin
        if lit != WHOLE:
            top, bottom = min(upper, lower), max(upper, lower)
            if lower < 0:
                top = upper
            met[step] = bottom >= low and top <= high
            if not met[step]:
                continue
            low, high = min(low, top), max(high, bottom)
        if lower < 0:
            if keep:
                _hold(re, im, upper, kept, room)
            if several:
                _scale_several(re, im, cells, step, upper)
            else:
                _scale_one(re, im, cells, step, upper)
        elif several:
            if keep:
                _mix_keep(re, im, cells, step, upper, lower, kept, room)
            else:
                _mix(re, im, cells, step, upper, lower, kept, room)
        elif many:
            if keep:
                _mix_keep_many(re, im, cells, step, upper, lower, kept, room)
            else:
                _mix_many(re, im, cells, step, upper, lower, kept, room)
        elif keep:
            _mix_keep_1(re, im, cells, step, upper, lower, kept, room)
        else:
            _mix_1(re, im, cells, step, upper, lower, kept, room)
    return low, high


@helper
def _lit(parts, part, re, low, high):
    """Whether light can have reached all rows of a part, none, or some."""
    width = re.shape[1] * re.shape[2]
    top, bottom = parts[part, 1] * width, parts[part, 2] * width
    if bottom < low or top > high:
        return DARK
    return WHOLE if top >= low and bottom <= high else SOME


@helper
def _back(places, parts, part, cells, several, re, im, met, kept, slopes):
    """Send the gradient back through a part of the steps, and add up dL/dT of each."""
    many = re.shape[1] == MANY and not several
    begin, end = parts[part, 0], parts[part + 1, 0]
    uppers, lowers = places[0], places[1]
    for place in range(end - 1, begin - 1, -1):
        step = np.uintp(place)
        if not met[step]:
            continue
        upper, lower, room = uppers[step], lowers[step], place - begin
        if lower < 0:
            if several:
                _slope_several(re, im, upper, kept, room, step, slopes)
                _unscale_several(re, im, cells, step, upper)
            else:
                _slope_one(re, im, upper, kept, room, step, slopes)
                _unscale_one(re, im, cells, step, upper)
        elif several:
            _return(re, im, cells, step, upper, lower, kept, room, slopes)
        elif many:
            _return_many(re, im, cells, step, upper, lower, kept, room, slopes)
        else:
            _return_1(re, im, cells, step, upper, lower, kept, room, slopes)
    if many:
        for place in range(begin, end):
            step = np.uintp(place)
            if met[step] and lowers[step] >= 0:
                _fold(kept, place - begin, step, slopes)


@helper
def _fill(turns, ratios, given, several, tile, places, ranks, cells):
    """What every step does, of a tile or of several from there on: as it is given, or by its phases."""
    if several:
        for place in range(places.shape[1]):
            if given.size:
                _take(given, places[2, place], tile, cells, place)
            else:
                _fill_several(turns, ratios, places[2, place], tile, cells, place)
        return cells
    if given.size:
        if tile % BLOCK == 0:
            _swap(given, tile, places, cells, inward=True)
        return _own(tile, len(ranks), given.shape[2], cells)
    for step in range(0, len(ranks), BYTES // cells.itemsize):
        _fill_one(turns, ratios, step, tile, cells, ranks)
    return cells


@helper
def _own(tile, room, tiles, blocks):
    """What is a tile's of BLOCK tiles' memory."""
    first = room * (tile % BLOCK) if tiles > 1 else 0
    return blocks[first : first + room]


@helper
def _swap(given, first, places, blocks, inward):
    """Copy T of BLOCK tiles from `first` on out of what is given, (4, steps, tiles, 2), or back into it."""
    tiles = given.shape[2]
    count = min(BLOCK, tiles - first)
    room, half = len(blocks) // min(BLOCK, tiles), BYTES // blocks.itemsize // 2
    whole = count - count % half
    for place in range(places.shape[1]):
        step = places[2, place]
        for own in range(0, whole, half):
            if inward:
                _take_half(given, step, first + own, blocks, own * room + place, room)
            else:
                _give_half(given, step, first + own, blocks, own * room + place, room)
        for own in range(whole, count):
            if inward:
                _take_one(given, step, first + own, blocks, own * room + place, room)
            else:
                _give_one(given, step, first + own, blocks, own * room + place, room)


@helper
def _group(index, lanes, tiles, several):
    """First tile of a group; the last group of several starts early, so that it is whole."""
    return min(index * lanes, tiles - lanes) if several else index


@compiled
def forward(places, ranks, parts, turns, ratios, given, fields, out, several, state, cells):
    """out <- fields behind the last step.

    places (3, steps), in the order that light takes: where the rows start that a step mixes, in `state`, and the step's
    number; with -1 as the second, it multiplies the first by its T00. ranks: of every number, its place in that order.
    turns, ratios: of every number, as `_fill_one` and `_fill_several` have them; or given (4, steps, tiles, 2) in their
    stead. fields, out: (tiles, modes, inputs), (modes, inputs, tiles) where several; one tile of fields is for all,
    empty fields are the identity. parts (parts, 3): the first step of each, and the first and last row that it touches;
    and an end. state (2, modes, pieces, lanes) and cells are room.
    """
    old = _flush()
    re, im, nothing = state[0], state[1], np.empty((0, 4, 1, 1), state.dtype)
    met = np.empty(places.shape[1], np.bool_)
    pieces, lanes = re.shape[1], re.shape[2]
    inputs, tiles = (out.shape[1], out.shape[2]) if several else (out.shape[2], out.shape[0])
    for index in range((tiles + lanes - 1) // lanes if several else tiles):
        group = _group(index, lanes, tiles, several)
        cell = _fill(turns, ratios, given, several, group, places, ranks, cells)
        for first in range(0, inputs, pieces if several else pieces * lanes):
            low, high = _enter(fields, several, group, first, re, im)
            for part in range(len(parts) - 1):
                low, high = _through(places, parts, part, cell, several, re, im, low, high, met, nothing)
            _leave(re, im, out, several, group, first)
    _mode(old)


@compiled
def backward(
    places, ranks, parts, turns, ratios, given, fields, gradient, angles, entries, several, state, cells, slopes,
    stages, kept,
):  # fmt: skip
    """angles <- dL/dtheta and dL/dphi of every step, or entries <- dL/dT, as torch has it, laid out as `given`.

    gradient: dL/d(fields behind the last step), laid out as they are. The fields are computed once more, and what a
    part meets of its rows is held in `stages`; then part by part. No step is inverted, so that loss is no matter. state
    (4, modes, pieces, lanes) holds fields and gradient; angles are (2, steps, tiles), (2, tiles, steps) else.
    """
    old = _flush()
    re, im, back_re, back_im = state[0], state[1], state[2], state[3]
    nothing, last = np.empty((0, 4, 1, 1), state.dtype), len(parts) - 2
    met, ends = np.empty(places.shape[1], np.bool_), np.empty((last + 1, 2), np.int64)
    pieces, lanes = re.shape[1], re.shape[2]
    inputs, tiles = (gradient.shape[1], gradient.shape[2]) if several else (gradient.shape[2], gradient.shape[0])
    for index in range((tiles + lanes - 1) // lanes if several else tiles):
        group = _group(index, lanes, tiles, several)
        cell = _fill(turns, ratios, given, several, group, places, ranks, cells)
        own = slopes if several else _own(group, len(ranks), len(slopes) // len(ranks), slopes)
        own[:] = 0
        for first in range(0, inputs, pieces if several else pieces * lanes):
            low, high = _enter(fields, several, group, first, re, im)
            held = 0
            for part in range(last + 1):
                ends[part, 0], ends[part, 1] = low, high
                top, count = parts[part, 1], _height(parts, part)
                _copy(stages, held, re, top, count)
                _copy(stages, held + count, im, top, count)
                held += 2 * count
                if part < last:
                    low, high = _through(places, parts, part, cell, several, re, im, low, high, met, nothing)
            _enter(gradient, several, group, first, back_re, back_im)
            for part in range(last, -1, -1):
                top, count = parts[part, 1], _height(parts, part)
                held -= 2 * count
                low, high = ends[part, 0], ends[part, 1]
                if _lit(parts, part, re, low, high) == DARK:
                    continue
                _copy(re, top, stages, held, count)
                _copy(im, top, stages, held + count, count)
                _through(places, parts, part, cell, several, re, im, low, high, met, kept)
                _back(places, parts, part, cell, several, back_re, back_im, met, kept, own)
        if entries.size:
            _give_back(places, slopes, several, group, entries)
        else:
            _pull(turns, ratios, places, own, cells, several, group, angles)
    _mode(old)


@helper
def _height(parts, part):
    """How many rows a part may touch."""
    return parts[part, 2] - parts[part, 1] + 1


@helper
def _give_back(places, slopes, several, group, entries):
    """The gradient in the entries of T."""
    tiles = entries.shape[2]
    if several:
        for place in range(places.shape[1]):
            _give(entries, places[2, place], group, slopes, place)
    elif group % BLOCK == BLOCK - 1 or group == tiles - 1:
        _swap(entries, group - group % BLOCK, places, slopes, inward=False)


@helper
def _pull(turns, ratios, places, slopes, cells, several, group, angles):
    """The gradient in a tile's phases, or several's."""
    if several:
        for place in range(places.shape[1]):
            if places[1, place] < 0:
                _pull_scale(turns, ratios, slopes, cells, place, places[2, place], group, angles)
            else:
                _pull_mzi(turns, ratios, slopes, cells, place, places[2, place], group, angles)
        return
    for place in range(places.shape[1]):
        step = places[2, place]
        er, ei = turns[0, group, step], turns[1, group, step]
        fr, fi = turns[2, group, step], turns[3, group, step]
        cc, cs, sc, ss = (
            ratios[0, group, step],
            ratios[1, group, step],
            ratios[2, group, step],
            ratios[3, group, step],
        )
        g = slopes[place, :, 0]
        real, imag = er * fr - ei * fi, er * fi + ei * fr
        theta = cc * (g[1] * real - g[0] * imag)
        phi = g[1] * cells[place, 0, 0] - g[0] * cells[place, 1, 0]
        if places[1, place] >= 0:
            theta += ss * (g[6] * ei - g[7] * er) - cs * (g[2] * er + g[3] * ei) - sc * (g[4] * real + g[5] * imag)
            phi += g[5] * cells[place, 4, 0] - g[4] * cells[place, 5, 0]
        angles[0, group, step], angles[1, group, step] = theta, phi
