# ruff: noqa: ANN001, ANN201, ANN202, ANN401, ARG001 (numba gives the types)
"""The compiled sweeps of `kernel`: `LANES` samples at a time, a sample a lane of the processor's vectors.

Arrays [j, s] hold neuron j of sample s. numba cannot be made to keep such vectors in registers, so the first part gives
LLVM its vector operations itself, for any processor; the second part is plain numba. It is one file because numba's
cache looks at the file of what it compiles, not at what that calls.
"""

from collections.abc import Callable, Sequence
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from ep_core.compiled import compiled

LANES = 16
SUM = ("contract", "reassoc", "nsz")  # sums may be fused and reordered; NaN keeps its meaning


class _Vectors:
    """Vector operations on the arguments of an intrinsic, all arrays (rows, LANES) but the weights; on some lanes."""

    def __init__(
        self, context: Any, builder: Any, kinds: Sequence[Any], values: Sequence[Any], lanes: int = LANES
    ) -> None:
        self.builder, self.lanes, number = builder, lanes, kinds[0].dtype
        self.kind = ir.VectorType(context.get_value_type(number), lanes)
        # As many rows share what is read of outputs as registers hold
        self.rows = 256 // number.bitwidth
        self.index = ir.IntType(64)
        self.zero = ir.Constant(self.kind, [0.0] * lanes)
        self.args = [
            context.make_array(kind)(context, builder, value) if isinstance(kind, types.Array) else self.splat(value)
            for kind, value in zip(kinds, values, strict=True)
        ]

    def number(self, value: int) -> Any:
        return ir.Constant(self.index, value)

    def splat(self, value: Any) -> Any:
        """Return the vector of one number."""
        nothing, first = ir.Constant(self.kind, ir.Undefined), ir.Constant(ir.IntType(32), 0)
        lanes = ir.Constant(ir.VectorType(ir.IntType(32), self.lanes), [0] * self.lanes)
        return self.builder.shuffle_vector(self.builder.insert_element(nothing, value, first), nothing, lanes)

    def _at(self, array: Any, row: Any) -> Any:
        place = self.builder.gep(array.data, [self.builder.mul(row, self.number(LANES))])
        return self.builder.bitcast(place, self.kind.as_pointer())

    def load(self, array: Any, row: Any) -> Any:
        return self.builder.load(self._at(array, row), align=64)

    def store(self, value: Any, array: Any, row: Any) -> None:
        self.builder.store(value, self._at(array, row), align=64)

    def add(self, a: Any, b: Any) -> Any:
        return self.builder.fadd(a, b, flags=SUM)

    def more(self, a: Any, b: Any, c: Any) -> Any:
        """a + b c."""
        return self.add(a, self.builder.fmul(b, c, flags=SUM))

    def where(self, sign: str, a: Any, b: Any, yes: Any, no: Any) -> Any:
        """`yes` in the lanes where the comparison holds, which it does not with NaN."""
        return self.builder.select(self.builder.fcmp_ordered(sign, a, b), yes, no)

    def clip(self, value: Any, low: Any, high: Any) -> Any:
        value = self.where("<", value, low, low, value)
        return self.where(">", value, high, high, value)

    def away(self, a: Any, b: Any) -> Any:
        """|a - b|."""
        gap = self.builder.fsub(a, b)
        return self.where("<", gap, self.zero, self.builder.fsub(self.zero, gap), gap)


def _drives(
    v: _Vectors, w: Any, c: Any, o: Any, body: Callable[[list[Any], list[Any], Callable[..., Any]], None]
) -> None:
    """Loop over the hidden neurons, some at a time: u_j = c_j + sum_k W_kj o_k; `body` gets their rows and u."""
    builder, outputs, hidden = v.builder, v.builder.extract_value(w.shape, 0), v.builder.extract_value(w.shape, 1)

    def weight(k: Any, j: Any) -> Any:
        return v.splat(builder.load(builder.gep(w.data, [builder.add(builder.mul(k, hidden), j)])))

    def some(first: Any, count: int) -> None:
        rows = [builder.add(first, v.number(i)) for i in range(count)]
        drives = [cgutils.alloca_once(builder, v.kind) for _ in rows]
        for row, drive in zip(rows, drives, strict=True):
            builder.store(v.load(c, row), drive)
        with cgutils.for_range(builder, outputs) as loop:
            output = v.load(o, loop.index)
            for row, drive in zip(rows, drives, strict=True):
                builder.store(v.more(builder.load(drive), weight(loop.index, row), output), drive)
        body(rows, [builder.load(drive) for drive in drives], weight)

    groups = builder.sdiv(hidden, v.number(v.rows))
    with cgutils.for_range(builder, groups) as loop:
        some(builder.mul(loop.index, v.number(v.rows)), v.rows)
    done = builder.mul(groups, v.number(v.rows))
    with cgutils.for_range(builder, builder.sub(hidden, done)) as loop:
        some(builder.add(done, loop.index), 1)


def _sweeps(lanes: int) -> Callable[..., Any]:
    def typed(typing, w, c, o, h, v, low, high, tolerance, live, beyond):
        def code(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            ops = _Vectors(context, builder, signature.args, values, lanes)
            w, c, o, h, v, low, high, tolerance, live, beyond = ops.args
            moves = builder.fcmp_ordered("!=", ops.load(live, ops.number(0)), ops.zero)
            over = cgutils.alloca_once_value(builder, ops.zero)

            def body(rows: list[Any], drives: list[Any], weight: Callable[..., Any]) -> None:
                states = []
                for row, drive in zip(rows, drives, strict=True):
                    old, new = ops.load(h, row), ops.clip(drive, low, high)
                    move = builder.fsub(ops.away(new, old), tolerance)
                    builder.store(ops.add(builder.load(over), ops.where(">", move, ops.zero, move, ops.zero)), over)
                    states.append(builder.select(moves, new, old))
                    ops.store(states[-1], h, row)
                with cgutils.for_range(builder, builder.extract_value(w.shape, 0)) as loop:
                    total = ops.load(v, loop.index)
                    for row, state in zip(rows, states, strict=True):
                        total = ops.more(total, weight(loop.index, row), state)
                    ops.store(total, v, loop.index)

            _drives(ops, w, c, o, body)
            ops.store(builder.load(over), beyond, ops.number(0))
            return context.get_dummy_value()

        return types.void(w, c, o, h, v, low, high, tolerance, live, beyond), code

    return typed


# h <- clip(c + W' o, low, high) in the lanes where `live` is not 0; then v += W h. `beyond` becomes by how much the
# moves of h exceed the tolerance, summed up. Arrays are aligned to 64 bytes.
_sweep, _half_sweep = intrinsic(_sweeps(LANES)), intrinsic(_sweeps(LANES // 2))


@intrinsic
def _gap(typing, w, c, o, h, low, high, out):
    """`out` becomes max_j |clip(c + W' o, low, high) - h|; NaN if a drive is not finite."""
    signature = types.void(w, c, o, h, low, high, out)

    def code(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        ops = _Vectors(context, builder, signature.args, values)
        w, c, o, h, low, high, out = ops.args
        worst, total = (cgutils.alloca_once_value(builder, ops.zero) for _ in range(2))

        def body(rows: list[Any], drives: list[Any], weight: Callable[..., Any]) -> None:
            for row, drive in zip(rows, drives, strict=True):
                away, most = ops.away(ops.clip(drive, low, high), ops.load(h, row)), builder.load(worst)
                builder.store(ops.where(">", away, most, away, most), worst)
                builder.store(ops.add(builder.load(total), drive), total)

        _drives(ops, w, c, o, body)
        # A comparison passes NaN over; a sum keeps it.
        ops.store(ops.more(builder.load(worst), builder.load(total), ops.zero), out, ops.number(0))
        return context.get_dummy_value()

    return signature, code


def _copies(inward: bool) -> Callable[..., Any]:
    def typed(typing: Any, wide: Any, first: Any, lanes: Any) -> Any:
        def code(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            ops = _Vectors(context, builder, (wide, lanes), (values[0], values[2]))
            wide_, lanes_ = ops.args
            rows, stride = (builder.extract_value(array, i) for array, i in ((wide_.shape, 0), (wide_.shape, 1)))
            with cgutils.for_range(builder, rows) as loop:
                place = builder.gep(wide_.data, [builder.add(builder.mul(loop.index, stride), values[1])])
                place = builder.bitcast(place, ops.kind.as_pointer())
                if inward:
                    ops.store(builder.load(place, align=wide.dtype.bitwidth // 8), lanes_, loop.index)
                else:
                    builder.store(ops.load(lanes_, loop.index), place, align=wide.dtype.bitwidth // 8)
            return context.get_dummy_value()

        return types.void(wide, first, lanes), code

    return typed


# (wide, first, lanes): `LANES` columns of `wide` from `first` on into the lanes, or back
_load = intrinsic(_copies(inward=True))
_save = intrinsic(_copies(inward=False))


@compiled
def _turn(source, first, count, into):
    """`count` rows of `source` from `first` on, each into a lane; 0 in those without a sample."""
    for s in range(count):
        for j in range(len(into)):
            into[j, s] = source[first + s, j]
    for s in range(count, LANES):
        for j in range(len(into)):
            into[j, s] = 0


@compiled
def _take(source, first, count, into):
    """`count` columns of `source` from `first` on, into the lanes; 0 in those without a sample."""
    if count == LANES:
        _load(source, first, into)
        return
    for j in range(len(into)):
        for s in range(count):
            into[j, s] = source[j, first + s]
        for s in range(count, LANES):
            into[j, s] = 0


@compiled
def _give(lanes, count, into, first):
    if count == LANES:
        _save(into, first, lanes)
        return
    for j in range(len(lanes)):
        for s in range(count):
            into[j, first + s] = lanes[j, s]


@compiled
def _answer(v, stiffness, low, high, tolerance, live, o, beyond):
    """o <- clip(v, low, high) where live, moves as in `sweep`; v becomes the drive at the new output, which a nudge
    that follows depends on.
    """
    none = o.dtype.type(0)
    for k in range(len(o)):
        for s in range(LANES):
            old = o[k, s]
            new = low if v[k, s] < low else v[k, s]
            new = high if new > high else new
            new = old if live[0, s] == none else new
            over = abs(new - old) - tolerance
            beyond[0, s] += over if over > none else none
            v[k, s] += stiffness * (old - new)
            o[k, s] = new


@compiled
def _relax(w, c, pull, stiffness, o, h, v, live, beyond, boxes, steps, tolerance, count):
    """Sweep until no live sample moves by more than the tolerance; a sample that has arrived is left alone."""
    none, one = o.dtype.type(0), o.dtype.type(1)
    for s in range(LANES):
        live[0, s] = one if s < len(count) else none
        beyond[0, s] = none
    for step in range(steps):
        for k in range(len(o)):
            for s in range(LANES):
                v[k, s] = pull[k, s] - stiffness * o[k, s]
        if len(count) > LANES // 2:
            _sweep(w, c, o, h, v, boxes[0, 0], boxes[0, 1], tolerance, live, beyond)
        else:
            _half_sweep(w, c, o, h, v, boxes[0, 0], boxes[0, 1], tolerance, live, beyond)
        _answer(v, stiffness, boxes[1, 0], boxes[1, 1], tolerance, live, o, beyond)
        going = False
        for s in range(len(count)):
            if live[0, s] != none:
                count[s] = step + 1
                # A tolerance of 0 asks for all sweeps.
                if beyond[0, s] <= none and tolerance > none:
                    live[0, s] = none
                else:
                    going = True
        if not going:
            break


@compiled
def _residual(w, c, o, h, v, boxes, worst, residual):
    """Largest |rho(u) - s| of each sample at the end, v being the drives of the outputs; NaN if a drive is."""
    _gap(w, c, o, h, boxes[0, 0], boxes[0, 1], worst)  # pyright: ignore[reportCallIssue]
    for s in range(len(residual)):
        most, total = worst[0, s], o.dtype.type(0)
        for k in range(len(o)):
            away = abs(min(max(v[k, s], boxes[1, 0]), boxes[1, 1]) - o[k, s])
            most = away if away > most else most
            total += v[k, s]
        residual[s] = most + total * o.dtype.type(0)


@compiled
def relax_all(
    w, drive, bias, target, strengths, frozen, rest, boxes, steps, tolerances, hidden, output, residual, count, room
):
    """Run the free phase, then the pulled ones from its end, some samples at a time: one a column of the arrays."""
    outputs, width, batch = len(output), len(hidden), len(drive)
    c, room = room[: width * LANES].reshape(width, LANES), room[width * LANES :]
    h, room = room[: width * LANES].reshape(width, LANES), room[width * LANES :]
    o, room = room[: outputs * LANES].reshape(outputs, LANES), room[outputs * LANES :]
    v, room = room[: outputs * LANES].reshape(outputs, LANES), room[outputs * LANES :]
    pull, room = room[: outputs * LANES].reshape(outputs, LANES), room[outputs * LANES :]
    live, beyond, worst = (
        room[:LANES].reshape(1, LANES),
        room[LANES : 2 * LANES].reshape(1, LANES),
        room[2 * LANES :].reshape(1, LANES),
    )
    none = output.dtype.type(0)
    for first in range(0, batch, LANES):
        some = min(LANES, batch - first)
        _turn(drive, first, some, c)
        for phase in range(1 + len(strengths)):
            beta = none if phase == 0 else strengths[phase - 1]
            if rest and phase == 0:
                h[:], o[:] = none, none
            else:
                _take(hidden, first, some, h)
                _take(output, first, some, o)
            _turn(bias, first, some, pull)
            if phase > 0:
                # force = -beta (s - y), of the free state where it is frozen
                for k in range(outputs):
                    for s in range(some):
                        held = o[k, s] if frozen else none
                        pull[k, s] += beta * (target[first + s, k] - held)
            begin, kind = phase * batch + first, min(phase, 1)
            stiffness = none if frozen else beta
            mine = slice(begin, begin + some)
            _relax(w, c, pull, stiffness, o, h, v, live, beyond, boxes, steps[kind], tolerances[kind], count[mine])
            _residual(w, c, o, h, v, boxes, worst, residual[mine])
            _give(h, some, hidden, begin)
            _give(o, some, output, begin)
