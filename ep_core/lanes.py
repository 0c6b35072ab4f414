# ruff: noqa: ANN001, ANN201, ANN202, ANN401, ARG001 (numba gives the types)
"""The compiled sweeps of `kernel`: two samples at a time, neurons in the lanes of the processor's vectors.

numba cannot be made to keep such vectors in registers, so the first part gives LLVM its vector operations itself, for
any processor; the second part is plain numba. It is one file because numba's cache looks at the file of what it
compiles, not at what that calls.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from llvmlite import ir
from llvmlite.binding import get_host_cpu_features
from numba import extending, types
from numba.core import cgutils

from ep_core.compiled import compiled, helper

intrinsic: Any = extending.intrinsic
BYTES = 64  # of a vector
EIGHT = 8  # rows of lanes that are summed at once
# Vectors of neurons that share what is read of outputs: half of what registers hold
AHEAD = 16 if get_host_cpu_features().get("avx512f") else 4
SUM = ("contract", "nsz")  # products may be fused into sums; NaN keeps its meaning


class _Vectors:
    """Vector operations on the arguments of an intrinsic."""

    def __init__(
        self, context: Any, builder: Any, kinds: Sequence[Any], values: Sequence[Any], lanes: int | None = None
    ) -> None:
        self.builder, number = builder, getattr(kinds[0], "dtype", kinds[0])
        self.lanes = 8 * BYTES // number.bitwidth if lanes is None else lanes
        self.align = min(BYTES, self.lanes * number.bitwidth // 8)
        self.kind = ir.VectorType(context.get_value_type(number), self.lanes)
        self.index = ir.IntType(64)
        self.zero = ir.Constant(self.kind, [0.0] * self.lanes)
        self.args = [
            context.make_array(kind)(context, builder, value) if isinstance(kind, types.Array) else self.splat(value)
            for kind, value in zip(kinds, values, strict=True)
        ]

    def number(self, value: int) -> Any:
        return ir.Constant(self.index, value)

    def splat(self, value: Any, kind: Any = None) -> Any:
        nothing, first = ir.Constant(kind or self.kind, ir.Undefined), ir.Constant(ir.IntType(32), 0)
        return self.shuffle(self.builder.insert_element(nothing, value, first), nothing, [0] * self.lanes)

    def of(self, array: Any, sample: int, place: Any) -> Any:
        """A place of a sample, whose number is the first index where there are two."""
        if not sample:
            return place
        apart = self.builder.extract_value(array.shape, 1)
        for axis in range(2, array.shape.type.count):
            apart = self.builder.mul(apart, self.builder.extract_value(array.shape, axis))
        return self.builder.add(apart, place)

    def _at(self, array: Any, place: Any) -> Any:
        return self.builder.bitcast(self.builder.gep(array.data, [place]), self.kind.as_pointer())

    def load(self, array: Any, place: Any) -> Any:
        return self.builder.load(self._at(array, place), align=self.align)

    def store(self, value: Any, array: Any, place: Any) -> None:
        self.builder.store(value, self._at(array, place), align=self.align)

    def each(self, array: Any, place: Any) -> Any:
        return self.splat(self.builder.load(self.builder.gep(array.data, [place])))

    def shuffle(self, a: Any, b: Any, lanes: list[int]) -> Any:
        return self.builder.shuffle_vector(a, b, ir.Constant(ir.VectorType(ir.IntType(32), len(lanes)), lanes))

    def add(self, a: Any, b: Any) -> Any:
        return self.builder.fadd(a, b, flags=SUM)

    def more(self, a: Any, b: Any, c: Any) -> Any:
        return self.add(a, self.builder.fmul(b, c, flags=SUM))

    def where(self, sign: str, a: Any, b: Any, yes: Any, no: Any) -> Any:
        return self.builder.select(self.builder.fcmp_ordered(sign, a, b), yes, no)

    def clip(self, value: Any, low: Any, high: Any) -> Any:
        value = self.where("<", value, low, low, value)
        return self.where(">", value, high, high, value)

    def level(self, value: Any, low: Any, levels: Any, distance: Any) -> Any:
        """The nearest of the levels low, low + distance, ..; `levels` of them in one unit, 1 / distance."""
        name = f"llvm.rint.v{self.lanes}f{8 * BYTES // self.lanes}"
        rint = cgutils.get_or_insert_function(self.builder.module, ir.FunctionType(self.kind, [self.kind]), name)
        return self.more(
            low, self.builder.call(rint, [self.builder.fmul(self.builder.fsub(value, low), levels)]), distance
        )

    def away(self, a: Any, b: Any) -> Any:
        gap = self.builder.fsub(a, b)
        return self.where("<", gap, self.zero, self.builder.fsub(self.zero, gap), gap)


def _drives(v: _Vectors, w: Any, c: Any, o: Any, many: int, body: Callable[[list[Any], list[list[Any]]], None]) -> None:
    """Drives of so many samples, a block of hidden neurons at a time."""
    builder, outputs, width = v.builder, v.builder.extract_value(w.shape, 0), v.builder.extract_value(w.shape, 1)

    def some(first: Any, count: int) -> None:
        places = [builder.add(first, v.number(i * v.lanes)) for i in range(count)]
        drives = [[cgutils.alloca_once(builder, v.kind) for _ in places] for _ in range(many)]
        for sample, own in enumerate(drives):
            for place, drive in zip(places, own, strict=True):
                builder.store(v.load(c, v.of(c, sample, place)), drive)
        with cgutils.for_range(builder, outputs) as loop:
            seen = [v.each(o, v.of(o, sample, loop.index)) for sample in range(many)]
            row = builder.mul(loop.index, width)
            for i, place in enumerate(places):
                weight = v.load(w, builder.add(row, place))
                for own, output in zip(drives, seen, strict=True):
                    builder.store(v.more(builder.load(own[i]), weight, output), own[i])
        body(places, [[builder.load(drive) for drive in own] for own in drives])

    ahead = AHEAD // many
    block = ahead * v.lanes
    groups = builder.sdiv(width, v.number(block))
    with cgutils.for_range(builder, groups) as loop:
        some(builder.mul(loop.index, v.number(block)), ahead)
    done = builder.mul(groups, v.number(block))
    rest = builder.sdiv(builder.sub(width, done), v.number(v.lanes))
    with cgutils.for_range(builder, rest) as loop:
        some(builder.add(done, builder.mul(loop.index, v.number(v.lanes))), 1)


def _sweeps(watched: bool, stepped: bool) -> Callable[..., Any]:
    def typed(typing, w, c, o, h, sums, low, high, levels, distance, most):
        many = o.ndim  # samples: one is a row, two are two rows

        def code(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            v = _Vectors(context, builder, signature.args, values)
            w, c, o, h, sums, low, high, levels, distance, most = v.args
            width = builder.extract_value(w.shape, 1)
            moved = [cgutils.alloca_once_value(builder, v.zero) for _ in range(many)]

            def body(places: list[Any], drives: list[list[Any]]) -> None:
                states = [[v.clip(drive, low, high) for drive in own] for own in drives]
                if stepped:
                    states = [[v.level(state, low, levels, distance) for state in own] for own in states]
                for sample, own in enumerate(states):
                    for place, state in zip(places, own, strict=True):
                        at = v.of(h, sample, place)
                        if watched:
                            away, seen = v.away(state, v.load(h, at)), builder.load(moved[sample])
                            builder.store(v.where(">", away, seen, away, seen), moved[sample])
                        v.store(state, h, at)
                with cgutils.for_range(builder, builder.extract_value(w.shape, 0)) as loop:
                    row, own = builder.mul(loop.index, width), builder.mul(loop.index, v.number(v.lanes))
                    rows = [v.of(sums, sample, own) for sample in range(many)]
                    # Two sums of each sample at once: every addition waits for the last
                    totals = [[v.load(sums, at), v.zero] for at in rows]
                    for i, place in enumerate(places):
                        weight = v.load(w, builder.add(row, place))
                        for sample, (first, second) in enumerate(totals):
                            totals[sample] = [second, v.more(first, weight, states[sample][i])]
                    for at, total in zip(rows, totals, strict=True):
                        v.store(v.add(*total), sums, at)

            _drives(v, w, c, o, many, body)
            for sample, most_moved in enumerate(moved):
                v.store(builder.load(most_moved), most, v.of(most, sample, v.number(0)))
            return context.get_dummy_value()

        return types.void(w, c, o, h, sums, low, high, levels, distance, most), code

    return typed


# h <- clip(c + W' o, low, high), at the nearest level where it is stepped, then sums += W h, lane by lane, of one or of
# two samples, which share what is read of W, and of which one works while the other waits. `most` becomes how far
# neurons moved, if watched: the largest of each lane. What vectors are read from is aligned to them.
_watched_sweep, _sweep = (intrinsic(_sweeps(watched, stepped=False)) for watched in (True, False))
_watched_step, _step = (intrinsic(_sweeps(watched, stepped=True)) for watched in (True, False))


def _gaps(stepped: bool) -> Callable[..., Any]:
    def typed(typing, w, c, o, h, low, high, levels, distance, most):
        def code(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            v = _Vectors(context, builder, signature.args, values)
            w, c, o, h, low, high, levels, distance, most = v.args
            worst, total = (cgutils.alloca_once_value(builder, v.zero) for _ in range(2))

            def body(places: list[Any], drives: list[list[Any]]) -> None:
                for place, drive in zip(places, drives[0], strict=True):
                    state = v.clip(drive, low, high)
                    state = v.level(state, low, levels, distance) if stepped else state
                    away, seen = v.away(state, v.load(h, place)), builder.load(worst)
                    builder.store(v.where(">", away, seen, away, seen), worst)
                    builder.store(v.add(builder.load(total), drive), total)

            _drives(v, w, c, o, 1, body)
            # A comparison passes NaN over; a sum keeps it.
            v.store(v.more(builder.load(worst), builder.load(total), v.zero), most, v.number(0))
            return context.get_dummy_value()

        return types.void(w, c, o, h, low, high, levels, distance, most), code

    return typed


# `most` becomes the largest |rho(c + W' o) - h| of each lane, rho as in a sweep; NaN if a drive is not finite
_gap, _step_gap = intrinsic(_gaps(stepped=False)), intrinsic(_gaps(stepped=True))


def _folded(v: _Vectors, rows: Any, row: Any) -> Any:
    """The sums over EIGHT rows of lanes, folded in pairs, so that no lane idles."""
    places = [v.builder.mul(v.builder.add(row, v.number(k)), v.number(v.lanes)) for k in range(EIGHT)]
    vectors, size = [v.load(rows, place) for place in places], v.lanes
    while size > 1:
        size //= 2
        first = [start + lane for start in range(0, 2 * v.lanes, 2 * size) for lane in range(size)]
        pairs = zip(vectors[::2], vectors[1::2] or vectors, strict=True)
        halves = [[v.shuffle(a, b, [lane + more for lane in first]) for more in (0, size)] for a, b in pairs]
        vectors = [v.add(a, b) for a, b in halves]
    return v.shuffle(vectors[0], vectors[0], list(range(EIGHT)))


@intrinsic
def _totals(typing, lanes, row, out):
    """out[row : row + EIGHT] <- the sums over that many rows of lanes."""

    def code(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        v = _Vectors(context, builder, signature.args[:1], values[:1])
        few = _Vectors(context, builder, signature.args[2:], values[2:], lanes=EIGHT)
        few.store(_folded(v, v.args[0], values[1]), few.args[0], values[1])
        return context.get_dummy_value()

    return types.void(lanes, row, out), code


@intrinsic
def _answer(typing, lanes, bias, pull, o, out, stiffness, low, high, row, outputs):
    """EIGHT outputs at once: v <- b + the sums over rows of lanes, o <- clip(v + pull - stiffness o, low, high).

    Returns how far one of them moved, those from `outputs` on apart.
    """
    number = lanes.dtype

    def code(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        v = _Vectors(context, builder, signature.args[:5], values[:5])
        rows, bias, pull, o, out = v.args
        few = _Vectors(context, builder, signature.args[5:8], values[5:8], lanes=EIGHT)
        stiffness, low, high = few.args
        at = values[8]
        old = few.load(o, at)
        drive = few.add(_folded(v, rows, at), few.load(bias, at))
        few.store(drive, out, at)
        force = builder.fsub(few.load(pull, at), builder.fmul(stiffness, old, flags=SUM), flags=SUM)
        state = few.clip(few.add(drive, force), low, high)
        few.store(state, o, at)
        index = ir.VectorType(few.index, EIGHT)
        places = builder.add(ir.Constant(index, list(range(EIGHT))), few.splat(at, index))
        counts = builder.icmp_signed("<", places, few.splat(values[9], index))
        moved = builder.select(counts, few.away(state, old), few.zero)
        size = EIGHT
        while size > 1:
            size //= 2
            other = few.shuffle(moved, moved, [(lane + size) % EIGHT for lane in range(EIGHT)])
            moved = few.where(">", other, moved, other, moved)
        return builder.extract_element(moved, ir.Constant(ir.IntType(32), 0))

    return number(lanes, bias, pull, o, out, stiffness, low, high, row, outputs), code


@helper
def _largest(lanes):
    """The largest of a row of lanes; NaN if one is."""
    most, total = lanes[0], lanes[0]
    for lane in lanes[1:]:
        most = lane if lane > most else most
        total += lane
    return most + total * lanes.dtype.type(0)


@helper
def _clip(drive, low, high):
    state = low if drive < low else drive
    return high if state > high else state


@helper
def _rho(drive, low, high, levels, layer):
    state = _clip(drive, low, high)
    # numba leaves out what follows where there are no levels, and compiles once more where there are.
    if levels is None:
        return state
    return np.rint((state - low) * levels[layer]) / levels[layer] + low if levels[layer] > 0 else state


@helper
def _swept(w, c, o, h, sums, most, boxes, levels, watched):
    """A sweep over the hidden neurons of a sample, or of two."""
    none, one, low, high = o.dtype.type(0), o.dtype.type(1), boxes[0, 0], boxes[0, 1]
    stepped = False
    if levels is not None:
        stepped = levels[0] > none
        if stepped and watched:
            _watched_step(w, c, o, h, sums, low, high, levels[0], one / levels[0], most)
        elif stepped:
            _step(w, c, o, h, sums, low, high, levels[0], one / levels[0], most)
    if not stepped:
        if watched:
            _watched_sweep(w, c, o, h, sums, low, high, none, none, most)
        else:
            _sweep(w, c, o, h, sums, low, high, none, none, most)


@helper
def _force(wanted, law, given, step, row, k):
    """What pulls on an output in a sweep: what is wanted, what is given, or what a law makes of the first."""
    if law is None:
        return wanted if given is None else given[step, row, k]
    numbers, responses = law[0], law[1]
    none, ceiling, distance, kept, leak = numbers.dtype.type(0), numbers[0], numbers[1], numbers[2], numbers[3]
    plus, minus = _clip(wanted, none, ceiling), _clip(-wanted, none, ceiling)
    if distance > none:
        plus, minus = np.rint(plus / distance) * distance, np.rint(minus / distance) * distance
    plus, minus = responses[k, 0] * (leak + kept * plus), responses[k, 1] * (leak + kept * minus)
    if given is None:
        return plus - minus
    flat, each, square = numbers[4], numbers[5], numbers[6]
    variance = flat + each * (plus + minus) + square * (plus * plus + minus * minus)
    # Behind the last draw there is no noise
    return plus - minus + (np.sqrt(variance) * given[step, row, k] if step < len(given) else none)


@helper
def _answered(outputs, step, sums, shift, pull, law, given, row, stiffness, o, v, most, boxes, levels, watched):
    """A sweep over the outputs of a sample; returns how far it and that over the hidden neurons moved, if watched.

    v becomes the drives without the nudge. The force of each sweep may be `given`, or made by a law.
    """
    moved = _largest(most) if watched else o.dtype.type(0)
    if law is None and given is None and levels is None:
        for k in range(0, len(sums), EIGHT):
            away = _answer(sums, shift, pull, o, v, stiffness, boxes[1, 0], boxes[1, 1], k, outputs)
            moved = max(moved, away)
        return moved
    for k in range(0, len(sums), EIGHT):
        _totals(sums, k, v)
    for k in range(outputs):
        old = o[k]
        v[k] += shift[k]
        drive = v[k] + _force(pull[k] - stiffness * old, law, given, step, row, k)
        o[k] = _rho(drive, boxes[1, 0], boxes[1, 1], levels, 1)
        moved = max(moved, abs(o[k] - old))
    return moved


@helper
def _relax(
    w, c, shift, count, pull, law, given, row, stiffness, o, h, v, sums, most, boxes, levels, steps, tolerance, took
):
    """Sweep a sample, or two, until no neuron moves by more than the tolerance, or to the end.

    Both together until the first has come to rest, then the other alone. `took` becomes how many sweeps each took.
    v becomes the drives of the outputs, of which a nudge that follows them is a part, and the last force that is given.
    """
    outputs, both, watched = len(w), 0, tolerance > o.dtype.type(0)
    took[:] = 0
    while count > 1 and both < steps and took[0] == 0 and took[1] == 0:
        sums[:] = o.dtype.type(0)
        _swept(w, c, o, h, sums, most, boxes, levels, watched)
        for i in range(2):
            moved = _answered(
                outputs,
                both,
                sums[i],
                shift[i],
                pull[i],
                law,
                given,
                row + i,
                stiffness[i],
                o[i],
                v[i],
                most[i],
                boxes,
                levels,
                watched,
            )
            if watched and not moved > tolerance:
                took[i] = both + 1
        both += 1
    for i in range(count):
        step = both
        while step < steps and took[i] == 0:
            sums[i] = o.dtype.type(0)
            _swept(w, c[i], o[i], h[i], sums[i], most[i], boxes, levels, watched)
            moved = _answered(
                outputs,
                step,
                sums[i],
                shift[i],
                pull[i],
                law,
                given,
                row + i,
                stiffness[i],
                o[i],
                v[i],
                most[i],
                boxes,
                levels,
                watched,
            )
            step += 1
            if watched and not moved > tolerance:
                took[i] = step
        took[i] = took[i] if took[i] > 0 else steps
        for k in range(outputs):
            v[i, k] += _force(pull[i, k] - stiffness[i] * o[i, k], law, given, steps, row + i, k)


@helper
def _residual(w, c, o, h, v, boxes, levels, most):
    """Largest |rho(u) - s| at the end, v being the drives of the outputs; NaN if a drive is."""
    none, one = o.dtype.type(0), o.dtype.type(1)
    stepped = False
    if levels is not None:
        stepped = levels[0] > none
        if stepped:
            _step_gap(w, c, o, h, boxes[0, 0], boxes[0, 1], levels[0], one / levels[0], most)
    if not stepped:
        _gap(w, c, o, h, boxes[0, 0], boxes[0, 1], none, none, most)
    worst, total = _largest(most), none
    for k in range(len(w)):
        away = abs(_rho(v[k], boxes[1, 0], boxes[1, 1], levels, 1) - o[k])
        worst = away if away > worst else worst
        total += v[k]
    return worst + total * none


@helper
def _whole(count, lanes):
    """The next multiple of `lanes`."""
    return (count + lanes - 1) // lanes * lanes


@helper
def _cut(memory, count):
    return memory[:count], memory[count:]


@helper
def _rows(memory, rows, width):
    return memory[: rows * width].reshape(rows, width), memory[rows * width :]


@helper
def _copy(hidden, output, fresh, h, o):
    """h, o <- those of a sample, or 0 where it is fresh. Loops, because numba's copies of slices are slow."""
    for j in range(len(hidden)):
        h[j] = h.dtype.type(0) if fresh else hidden[j]
    for k in range(len(output)):
        o[k] = h.dtype.type(0) if fresh else output[k]


@helper
def _push(share, state, before, total):
    """total <- share state + before total; where `before` is 0 it may be anything."""
    for j in range(len(total)):
        total[j] = share * state[j] + (before * total[j] if before > 0 else before)


def room(width: int, outputs: int, itemsize: int) -> int:
    """Numbers of working memory that `relax_all` needs, a multiple of the vectors' lanes."""
    lanes = BYTES // itemsize
    wide, rows = -(-width // lanes) * lanes, -(-outputs // EIGHT) * EIGHT
    return (outputs + 4) * wide + 2 * (rows + 1) * lanes + 8 * rows


@compiled
def relax_all(w, drive, bias, target, law, given, frozen, rest, forced, numbers, levels, steps, memory, counts):
    """Run each sample's free phase, then its pulled ones from there; see `kernel.Phases`.

    `given` (steps + 1, samples, outputs) are the forces of a lone phase, and at last those without noise; or None. With
    a `law` they are (steps, samples, outputs) numbers drawn for its noise, or None, and the wanted forces are
    `law[2] - law[3] s`, (samples, outputs) and of each sample; `law[:2]` are `nudge.Law`'s numbers and responses.
    `numbers` holds the boxes of both layers and the tolerances of both kinds of phases, then beta and f of each phase;
    `levels` those of both layers in a unit (0: none), or None. `memory` holds working memory, then states of hidden
    neurons, of outputs, residuals, and if `forced` the forces on hidden neurons, summed over phases, those on outputs,
    and both summed over all. `counts` becomes the most sweeps that a free and a pulled phase took, how many they took
    together, and whether all residuals are finite.
    """
    (batch, width), outputs, phases = drive.shape, len(w), (len(numbers) - 6) // 2
    boxes, tolerances, pulls = numbers[:4].reshape(2, 2), numbers[4:6], numbers[6:].reshape(phases, 2)
    lanes, none, one = BYTES // memory.itemsize, memory.dtype.type(0), memory.dtype.type(1)
    wide, room, rows = _whole(width, lanes), _whole(outputs, EIGHT), phases * batch

    work, memory = _cut(memory, (outputs + 4) * wide + 2 * (room + 1) * lanes + 8 * room)
    hidden, memory = _rows(memory, rows, width)
    output, memory = _rows(memory, rows, outputs)
    residual, memory = _cut(memory, rows)
    # Without forces there is nothing behind the residuals: views of nothing
    pushes, memory = _rows(memory, batch if forced else 0, width)
    forces, memory = _rows(memory, rows if forced else 0, outputs)
    total_push, total_force = _cut(memory, width if forced else 0)

    padded, work = _rows(work, outputs, wide)
    sums, work = work[: 2 * room * lanes].reshape(2, room, lanes), work[2 * room * lanes :]
    c, work = _rows(work, 2, wide)
    h, work = _rows(work, 2, wide)
    most, work = _rows(work, 2, lanes)
    o, work = _rows(work, 2, room)
    v, work = _rows(work, 2, room)
    pull, work = _rows(work, 2, room)
    shift, work = _rows(work, 2, room)
    took, stiffness = np.empty(2, np.int64), np.empty(2, w.dtype)

    padded[:, :width], padded[:, width:] = w, none
    # What fills up the last vector stays where it is, or counts for nothing
    shift[:], pull[:], o[:] = none, none, none
    c[:, width:] = none
    h[:, width:] = _rho(none, boxes[0, 0], boxes[0, 1], levels, 0)
    counts[:], total_push[:], total_force[:], finite = 0, none, none, none
    for b in range(0, batch, 2):
        count, pushed = min(2, batch - b), False
        for i in range(count):
            _copy(drive[b + i], bias[b + i], False, c[i], shift[i])
        for phase in range(phases):
            row, kind, fresh = phase * batch + b, min(phase, 1), rest and phase == 0
            beta, share = pulls[phase, 0], pulls[phase, 1]
            for i in range(count):
                # The first pulled phase goes on from where the free one is
                if phase != 1:
                    _copy(hidden[b + i], output[b + i], fresh, h[i], o[i])
                stiffness[i] = none if frozen else beta
                for k in range(outputs):
                    # force = -beta (s - y), of the free state where it is frozen
                    pull[i, k] = beta * (target[b + i, k] - (o[i, k] if frozen else none)) if phase > 0 else none
                if law is not None:
                    stiffness[i] = law[3][row + i]
                    for k in range(outputs):
                        pull[i, k] = law[2][row + i, k]
            _relax(
                padded,
                c,
                shift,
                count,
                pull,
                law,
                given,
                row,
                stiffness,
                o,
                h,
                v,
                sums,
                most,
                boxes,
                levels,
                steps[kind],
                tolerances[kind],
                took,
            )
            for i in range(count):
                residual[row + i] = _residual(padded, c[i], o[i], h[i], v[i], boxes, levels, most[i])
                finite += residual[row + i] * none
                counts[kind] = max(counts[kind], took[i])
                counts[2 + kind] += took[i]
                _copy(h[i, :width], o[i, :outputs], False, hidden[row + i], output[row + i])
                if forced:
                    _push(share, o[i], none, forces[row + i])
                    _push(one, forces[row + i], one, total_force)
                # What has no share is left out, but where nothing else has one: it would take as long
                if forced and (share != none or (phase == phases - 1 and not pushed)):
                    _push(share, h[i], one if pushed else none, pushes[b + i])
            pushed = pushed or share != none
        for i in range(count if forced else 0):
            _push(one, pushes[b + i], one, total_push)
    counts[4] = finite == none
