# ruff: noqa: ANN001, ANN201, ANN202, ANN401, ARG001 (numba gives the types)
"""Light through a mesh on the CPU, compiled: some inputs at a time stay in the core's first caches for all columns.

Fields are held as real and imaginary parts, arrays (modes, lanes) with an input a lane. numba does not keep such
vectors in registers by itself, so the first part gives LLVM its vector operations, for any processor. It is one file
because numba's cache looks at the file of what it compiles, not at what that calls.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from ep_core.compiled import compiled

PIECE = 16  # lanes of one vector
WIDE, NARROW = 2 * PIECE, PIECE  # inputs at a time: of meshes that have more than 16, and of others
SUM = ("contract", "reassoc", "nsz")


def lanes(inputs: int) -> int:
    """Inputs at a time."""
    return WIDE if inputs > NARROW else NARROW


class _Vectors:
    """Vector operations on rows of arrays (rows, lanes)."""

    def __init__(self, context: Any, builder: Any, number: Any, lanes: int) -> None:
        self.context, self.builder, self.lanes = context, builder, lanes
        self.kind = ir.VectorType(context.get_value_type(number), PIECE)
        self.size = number.bitwidth // 8

    def row(self, row: Any, more: int = 0) -> Any:
        return self.builder.add(row, ir.Constant(ir.IntType(64), more))

    def _at(self, array: Any, row: Any, piece: int) -> Any:
        index = self.builder.mul(row, ir.Constant(ir.IntType(64), self.lanes))
        place = self.builder.gep(array.data, [self.builder.add(index, ir.Constant(ir.IntType(64), piece * PIECE))])
        return self.builder.bitcast(place, self.kind.as_pointer())

    def load(self, array: Any, row: Any, piece: int) -> Any:
        return self.builder.load(self._at(array, row, piece), align=self.size)

    def store(self, value: Any, array: Any, row: Any, piece: int) -> None:
        self.builder.store(value, self._at(array, row, piece), align=self.size)

    def shuffle(self, a: Any, b: Any, lanes: list[int]) -> Any:
        return self.builder.shuffle_vector(a, b, ir.Constant(ir.VectorType(ir.IntType(32), len(lanes)), lanes))

    def matrix(self, kinds: Any, values: Any) -> list[tuple[Any, Any]]:
        """Real and imaginary parts of T's four entries, each in all lanes."""
        nothing, first = ir.Constant(self.kind, ir.Undefined), ir.Constant(ir.IntType(32), 0)
        result = []
        for kind, value in zip(kinds, values, strict=True):
            number = self.context.make_complex(self.builder, kind, value)
            parts = [self.builder.insert_element(nothing, part, first) for part in (number.real, number.imag)]
            result.append(tuple(self.shuffle(part, nothing, [0] * PIECE) for part in parts))
        return result

    def total(self, *products: tuple[Any, Any], less: tuple[tuple[Any, Any], ...] = ()) -> Any:
        """Sum of the products, less the others."""
        result = None
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
        size = PIECE
        while len(vectors) > 1:
            size //= 2
            starts = range(0, 2 * PIECE, 2 * size)
            first = [start + lane for start in starts for lane in range(size)]
            second = [lane + size for lane in first]
            pairs = zip(vectors[::2], vectors[1::2], strict=True)
            vectors = [
                self.builder.fadd(self.shuffle(a, b, first), self.shuffle(a, b, second), flags=SUM) for a, b in pairs
            ]
        even, odd = ([2 * group + k for group in range(PIECE // 2)] for k in (0, 1))
        last = vectors[0]
        return self.builder.fadd(self.shuffle(last, last, even), self.shuffle(last, last, odd), flags=SUM)


def _mix(context: Any, builder: Any, lanes: int, kinds: Any, values: Any, kept: Any = None) -> Any:
    """Code of (top, top + 1) <- T (top, top + 1); the fields that meet T go to rows of `kept`, if that is given."""
    re, im, top, *t = values
    ops = _Vectors(context, builder, kinds[0].dtype, lanes)
    real, imag = (context.make_array(kinds[0])(context, builder, array) for array in (re, im))
    (ar, ai), (br, bi), (cr, ci), (dr, di) = ops.matrix(kinds[3:], t)
    upper, lower = top, ops.row(top, 1)
    for piece in range(lanes // PIECE):
        x, y = ops.load(real, upper, piece), ops.load(imag, upper, piece)
        u, v = ops.load(real, lower, piece), ops.load(imag, lower, piece)
        if kept is not None:
            arrays = [context.make_array(kinds[0])(context, builder, array) for array in kept[:2]]
            for row, parts in ((kept[2], (x, y)), (ops.row(kept[2], 1), (u, v))):
                for array, part in zip(arrays, parts, strict=True):
                    ops.store(part, array, row, piece)
        ops.store(ops.total((ar, x), (br, u), less=((ai, y), (bi, v))), real, upper, piece)
        ops.store(ops.total((ar, y), (ai, x), (br, v), (bi, u)), imag, upper, piece)
        ops.store(ops.total((cr, x), (dr, u), less=((ci, y), (di, v))), real, lower, piece)
        ops.store(ops.total((cr, y), (ci, x), (dr, v), (di, u)), imag, lower, piece)
    return context.get_dummy_value()


def _mixes(lanes: int) -> Callable[..., Any]:
    def typed(typing, re, im, top, t00, t01, t10, t11):
        def code(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            return _mix(context, builder, lanes, signature.args, values)

        return types.void(re, im, top, t00, t01, t10, t11), code

    return typed


def _keeps(lanes: int) -> Callable[..., Any]:
    def typed(typing, re, im, top, t00, t01, t10, t11, kept_re, kept_im, place):
        def code(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            return _mix(context, builder, lanes, signature.args[:7], values[:7], values[7:])

        return types.void(re, im, top, t00, t01, t10, t11, kept_re, kept_im, place), code

    return typed


# (re, im, top, t00, t01, t10, t11): rows top and top + 1 <- T (top, top + 1)
_mix_wide, _mix_narrow = intrinsic(_mixes(WIDE)), intrinsic(_mixes(NARROW))
# The same, and (kept_re, kept_im, place): the fields that meet T into rows place and place + 1
_keep_wide, _keep_narrow = intrinsic(_keeps(WIDE)), intrinsic(_keeps(NARROW))


def _returns(lanes: int) -> Callable[..., Any]:
    def typed(typing, re, im, top, kept_re, kept_im, place, t00, t01, t10, t11, slope):
        def code(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            ops = _Vectors(context, builder, re.dtype, lanes)
            arrays = [context.make_array(re)(context, builder, values[i]) for i in (0, 1, 3, 4, 10)]
            real, imag, kept_real, kept_imag, slopes = arrays
            (ar, ai), (br, bi), (cr, ci), (dr, di) = ops.matrix(signature.args[6:10], values[6:10])
            upper, lower, place = values[2], ops.row(values[2], 1), values[5]
            under, parts = ops.row(place, 1), None
            for piece in range(lanes // PIECE):
                # g: gradient at the outputs, conj(T)' g at the inputs; x, u: the fields at the inputs
                gr, gi = ops.load(real, upper, piece), ops.load(imag, upper, piece)
                kr, ki = ops.load(real, lower, piece), ops.load(imag, lower, piece)
                ops.store(ops.total((ar, gr), (ai, gi), (cr, kr), (ci, ki)), real, upper, piece)
                ops.store(ops.total((ar, gi), (cr, ki), less=((ai, gr), (ci, kr))), imag, upper, piece)
                ops.store(ops.total((br, gr), (bi, gi), (dr, kr), (di, ki)), real, lower, piece)
                ops.store(ops.total((br, gi), (dr, ki), less=((bi, gr), (di, kr))), imag, lower, piece)
                fields = [(ops.load(kept_real, row, piece), ops.load(kept_imag, row, piece)) for row in (place, under)]
                # dL/dT_ab = sum g_a conj(x_b)
                new = []
                for g, h in ((gr, gi), (kr, ki)):
                    for x, y in fields:
                        new += [ops.total((g, x), (h, y)), ops.total((h, x), less=((g, y),))]
                parts = (
                    new if parts is None else [builder.fadd(a, b, flags=SUM) for a, b in zip(parts, new, strict=True)]
                )
            eight = ir.VectorType(ops.kind.element, 8)
            index = builder.mul(builder.sdiv(place, ir.Constant(ir.IntType(64), 2)), ir.Constant(ir.IntType(64), 8))
            target = builder.bitcast(builder.gep(slopes.data, [index]), eight.as_pointer())
            old = builder.load(target, align=ops.size)
            builder.store(builder.fadd(old, ops.sums(parts or []), flags=SUM), target, align=ops.size)
            return context.get_dummy_value()

        return types.void(re, im, top, kept_re, kept_im, place, t00, t01, t10, t11, slope), code

    return typed


# (re, im, top, kept_re, kept_im, place, t00, t01, t10, t11, slope): the gradient at rows top and top + 1 goes back
# through T; rows place and place + 1 of what is kept are the fields that met T; slope[place // 2] += dL/dT
_return_wide, _return_narrow = intrinsic(_returns(WIDE)), intrinsic(_returns(NARROW))


@compiled
def _enter(fields, tile, first, count, re, im):
    """Take `count` inputs into the lanes; returns the first and last mode that has light."""
    low, high = len(re), -1
    for mode in range(len(re)):
        lit = False
        for s in range(re.shape[1]):
            value = fields[tile, mode, first + s] if s < count else fields.dtype.type(0)
            re[mode, s], im[mode, s] = value.real, value.imag
            lit |= value != 0
        if lit:
            low, high = min(low, mode), mode
    return low, high


@compiled
def _through(cells, tops, tile, re, im, low, high, kept_re, kept_im, met):
    """Send light through all columns; where `met` has room, keep what meets each MZI. Returns how many met light.

    An MZI outside the modes that light can have reached is passed over.
    """
    count, keep, wide = 0, len(met) > 0, re.shape[1] == WIDE
    for i in range(len(tops)):
        top = tops[i]
        if top + 1 < low or top > high:
            continue
        low, high = min(low, top), max(high, top + 1)
        a, b, c, d = cells[0, 0, i, tile], cells[0, 1, i, tile], cells[1, 0, i, tile], cells[1, 1, i, tile]
        if keep and wide:
            _keep_wide(re, im, top, a, b, c, d, kept_re, kept_im, 2 * i)
        elif keep:
            _keep_narrow(re, im, top, a, b, c, d, kept_re, kept_im, 2 * i)
        elif wide:
            _mix_wide(re, im, top, a, b, c, d)
        else:
            _mix_narrow(re, im, top, a, b, c, d)
        if keep:
            met[count] = i
        count += 1
    return count


@compiled
def forward(cells, tops, fields, out, re, im):
    """out (tiles, modes, inputs) <- fields behind the last column; re, im are room (modes, lanes)."""
    nothing = np.empty(0, np.int64)
    lanes = re.shape[1]
    for tile in range(len(out)):
        for first in range(0, out.shape[2], lanes):
            count = min(lanes, out.shape[2] - first)
            low, high = _enter(fields, tile, first, count, re, im)
            _through(cells, tops, tile, re, im, low, high, re, im, nothing)
            for mode in range(len(re)):
                for s in range(count):
                    out[tile, mode, first + s] = complex(re[mode, s], im[mode, s])


@compiled
def backward(cells, tops, fields, gradient, slopes, re, im, kept_re, kept_im, slope):
    """slopes (2, 2, mzis, tiles) <- dL/dT from dL/dout, in torch's convention; the rest is room.

    The fields are computed once more, some inputs at a time, and kept; no MZI is inverted, so that loss is no matter.
    """
    met, lanes = np.empty(len(tops), np.int64), re.shape[1]
    for tile in range(len(gradient)):
        slope[:] = 0
        for first in range(0, gradient.shape[2], lanes):
            count = min(lanes, gradient.shape[2] - first)
            low, high = _enter(fields, tile, first, count, re, im)
            last = _through(cells, tops, tile, re, im, low, high, kept_re, kept_im, met)
            _enter(gradient, tile, first, count, re, im)
            for index in range(last - 1, -1, -1):
                i = met[index]
                a, b, c, d = cells[0, 0, i, tile], cells[0, 1, i, tile], cells[1, 0, i, tile], cells[1, 1, i, tile]
                if lanes == WIDE:
                    _return_wide(re, im, tops[i], kept_re, kept_im, 2 * i, a, b, c, d, slope)
                else:
                    _return_narrow(re, im, tops[i], kept_re, kept_im, 2 * i, a, b, c, d, slope)
        for i in range(len(tops)):
            for k in range(4):
                slopes[k // 2, k % 2, i, tile] = complex(slope[i, 2 * k], slope[i, 2 * k + 1])
