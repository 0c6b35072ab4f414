# ruff: noqa: ANN001, ANN201, ANN202, ANN401, ARG001 (numba gives the types)
"""The compiled sweeps of `kernel`: sample by sample, neurons in the lanes of the processor's vectors.

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
# Vectors of neurons that share what is read of outputs: half of what registers hold
AHEAD = 16 if get_host_cpu_features().get("avx512f") else 4
SUM = ("contract", "reassoc", "nsz")  # sums may be fused and reordered; NaN keeps its meaning


class _Vectors:
    """Vector operations on the arguments of an intrinsic."""

    def __init__(self, context: Any, builder: Any, kinds: Sequence[Any], values: Sequence[Any]) -> None:
        self.builder, number = builder, kinds[0].dtype
        self.lanes = 8 * BYTES // number.bitwidth
        self.kind = ir.VectorType(context.get_value_type(number), self.lanes)
        self.index = ir.IntType(64)
        self.zero = ir.Constant(self.kind, [0.0] * self.lanes)
        self.args = [
            context.make_array(kind)(context, builder, value) if isinstance(kind, types.Array) else self.splat(value)
            for kind, value in zip(kinds, values, strict=True)
        ]

    def number(self, value: int) -> Any:
        return ir.Constant(self.index, value)

    def splat(self, value: Any) -> Any:
        nothing, first = ir.Constant(self.kind, ir.Undefined), ir.Constant(ir.IntType(32), 0)
        lanes = ir.Constant(ir.VectorType(ir.IntType(32), self.lanes), [0] * self.lanes)
        return self.builder.shuffle_vector(self.builder.insert_element(nothing, value, first), nothing, lanes)

    def _at(self, array: Any, place: Any) -> Any:
        return self.builder.bitcast(self.builder.gep(array.data, [place]), self.kind.as_pointer())

    def load(self, array: Any, place: Any) -> Any:
        return self.builder.load(self._at(array, place), align=BYTES)

    def store(self, value: Any, array: Any, place: Any) -> None:
        self.builder.store(value, self._at(array, place), align=BYTES)

    def each(self, array: Any, place: Any) -> Any:
        return self.splat(self.builder.load(self.builder.gep(array.data, [place])))

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


def _drives(v: _Vectors, w: Any, c: Any, o: Any, body: Callable[[list[Any], list[Any]], None]) -> None:
    builder, outputs, width = v.builder, v.builder.extract_value(w.shape, 0), v.builder.extract_value(w.shape, 1)

    def some(first: Any, count: int) -> None:
        places = [builder.add(first, v.number(i * v.lanes)) for i in range(count)]
        drives = [cgutils.alloca_once(builder, v.kind) for _ in places]
        for place, drive in zip(places, drives, strict=True):
            builder.store(v.load(c, place), drive)
        with cgutils.for_range(builder, outputs) as loop:
            output, row = v.each(o, loop.index), builder.mul(loop.index, width)
            for place, drive in zip(places, drives, strict=True):
                weight = v.load(w, builder.add(row, place))
                builder.store(v.more(builder.load(drive), weight, output), drive)
        body(places, [builder.load(drive) for drive in drives])

    block = AHEAD * v.lanes
    groups = builder.sdiv(width, v.number(block))
    with cgutils.for_range(builder, groups) as loop:
        some(builder.mul(loop.index, v.number(block)), AHEAD)
    done = builder.mul(groups, v.number(block))
    rest = builder.sdiv(builder.sub(width, done), v.number(v.lanes))
    with cgutils.for_range(builder, rest) as loop:
        some(builder.add(done, builder.mul(loop.index, v.number(v.lanes))), 1)


def _sweeps(watched: bool, stepped: bool) -> Callable[..., Any]:
    def typed(typing, w, c, o, h, sums, low, high, levels, distance, most):
        def code(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            v = _Vectors(context, builder, signature.args, values)
            w, c, o, h, sums, low, high, levels, distance, most = v.args
            width, moved = builder.extract_value(w.shape, 1), cgutils.alloca_once_value(builder, v.zero)

            def body(places: list[Any], drives: list[Any]) -> None:
                states = [v.clip(drive, low, high) for drive in drives]
                if stepped:
                    states = [v.level(state, low, levels, distance) for state in states]
                for place, state in zip(places, states, strict=True):
                    if watched:
                        away, seen = v.away(state, v.load(h, place)), builder.load(moved)
                        builder.store(v.where(">", away, seen, away, seen), moved)
                    v.store(state, h, place)
                with cgutils.for_range(builder, builder.extract_value(w.shape, 0)) as loop:
                    row, own = builder.mul(loop.index, width), builder.mul(loop.index, v.number(v.lanes))
                    total = v.load(sums, own)
                    for place, state in zip(places, states, strict=True):
                        total = v.more(total, v.load(w, builder.add(row, place)), state)
                    v.store(total, sums, own)

            _drives(v, w, c, o, body)
            v.store(builder.load(moved), most, v.number(0))
            return context.get_dummy_value()

        return types.void(w, c, o, h, sums, low, high, levels, distance, most), code

    return typed


# h <- clip(c + W' o, low, high), at the nearest level where it is stepped, then sums += W h, lane by lane. `most`
# becomes how far neurons moved, if watched: the largest of each lane. What vectors are read from is aligned to them.
_watched_sweep, _sweep = (intrinsic(_sweeps(watched=watched, stepped=False)) for watched in (True, False))
_watched_step, _step = (intrinsic(_sweeps(watched=watched, stepped=True)) for watched in (True, False))


def _gaps(stepped: bool) -> Callable[..., Any]:
    def typed(typing, w, c, o, h, low, high, levels, distance, most):
        def code(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            v = _Vectors(context, builder, signature.args, values)
            w, c, o, h, low, high, levels, distance, most = v.args
            worst, total = (cgutils.alloca_once_value(builder, v.zero) for _ in range(2))

            def body(places: list[Any], drives: list[Any]) -> None:
                for place, drive in zip(places, drives, strict=True):
                    state = v.clip(drive, low, high)
                    state = v.level(state, low, levels, distance) if stepped else state
                    away, seen = v.away(state, v.load(h, place)), builder.load(worst)
                    builder.store(v.where(">", away, seen, away, seen), worst)
                    builder.store(v.add(builder.load(total), drive), total)

            _drives(v, w, c, o, body)
            # A comparison passes NaN over; a sum keeps it.
            v.store(v.more(builder.load(worst), builder.load(total), v.zero), most, v.number(0))
            return context.get_dummy_value()

        return types.void(w, c, o, h, low, high, levels, distance, most), code

    return typed


# `most` becomes the largest |rho(c + W' o) - h| of each lane, rho as in a sweep; NaN if a drive is not finite
_gap, _step_gap = intrinsic(_gaps(stepped=False)), intrinsic(_gaps(stepped=True))


@intrinsic
def _total(typing, lanes, row):
    """The sum over a row of lanes, half by half."""
    signature = lanes.dtype(lanes, row)

    def code(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        v = _Vectors(context, builder, signature.args[:1], values[:1])
        vector, nothing = v.load(v.args[0], builder.mul(values[1], v.number(v.lanes))), v.zero
        half = v.lanes // 2
        while half:
            other = [half + lane for lane in range(half)] + list(range(half, v.lanes))
            mask = ir.Constant(ir.VectorType(ir.IntType(32), v.lanes), other)
            vector, half = v.add(vector, builder.shuffle_vector(vector, nothing, mask)), half // 2
        return builder.extract_element(vector, ir.Constant(ir.IntType(32), 0))

    return signature, code


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
    """A sweep over the hidden neurons; returns how far they moved, if watched."""
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
    return _largest(most) if watched else none


@helper
def _relax(w, c, bias, sample, pull, given, row, stiffness, o, h, v, sums, most, boxes, levels, steps, tolerance):
    """Sweep until no neuron moves by more than the tolerance, or to the end where it is 0; return how many it took.

    v becomes the drives of the outputs, of which a nudge that follows them is a part. The force of each sweep may be
    `given`, and the last that without noise.
    """
    none, took = o.dtype.type(0), steps
    for step in range(steps):
        sums[:] = none
        moved = _swept(w, c, o, h, sums, most, boxes, levels, tolerance > none)
        for k in range(len(o)):
            old, v[k] = o[k], bias[sample, k] + _total(sums, k)
            if given is None:  # noqa: SIM108 (numba leaves out a branch, not an arm)
                drive = v[k] + (pull[k] - stiffness * old)
            else:
                drive = v[k] + given[step, row, k]
            o[k] = _rho(drive, boxes[1, 0], boxes[1, 1], levels, 1)
            moved = max(moved, abs(o[k] - old))
        if tolerance > none and not moved > tolerance:
            took = step + 1
            break
    for k in range(len(o)):
        if given is None:
            v[k] += pull[k] - stiffness * o[k]
        else:
            v[k] += given[steps, row, k]
    return took


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
    for k in range(len(o)):
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


def room(width: int, outputs: int, itemsize: int) -> int:
    """Numbers of working memory that `relax_all` needs, a multiple of the vectors' lanes."""
    lanes = BYTES // itemsize
    wide, several = -(-width // lanes) * lanes, -(-3 * outputs // lanes) * lanes
    return (outputs + 2) * wide + (outputs + 1) * lanes + several


@compiled
def relax_all(w, drive, bias, target, given, frozen, rest, forced, numbers, levels, steps, memory, counts):
    """Run each sample's free phase, then its pulled ones from there; see `kernel.Phases`.

    `given` (steps + 1, samples, outputs) are the forces of a lone phase, and at last those without noise; or None.
    `numbers` holds the boxes of both layers and the tolerances of both kinds of phases, then beta and f of each phase;
    `levels` those of both layers in a unit (0: none), or None. `memory` holds working memory, then states of hidden
    neurons, of outputs, residuals, and if `forced` the forces on hidden neurons, summed over phases, those on outputs,
    and both summed over all. `counts` becomes the most sweeps that a free and a pulled phase took, how many they took
    together, and whether all residuals are finite.
    """
    (batch, width), outputs, phases = drive.shape, len(w), (len(numbers) - 6) // 2
    boxes, tolerances, pulls = numbers[:4].reshape(2, 2), numbers[4:6], numbers[6:].reshape(phases, 2)
    lanes, none = BYTES // memory.itemsize, memory.dtype.type(0)
    wide, several, rows = _whole(width, lanes), _whole(3 * outputs, lanes), phases * batch

    work, memory = _cut(memory, (outputs + 2) * wide + (outputs + 1) * lanes + several)
    hidden, memory = _rows(memory, rows, width)
    output, memory = _rows(memory, rows, outputs)
    residual, memory = _cut(memory, rows)
    # Without forces there is nothing behind the residuals: views of nothing
    pushes, memory = _rows(memory, batch if forced else 0, width)
    forces, memory = _rows(memory, rows if forced else 0, outputs)
    total_push, total_force = _cut(memory, width if forced else 0)

    padded, work = _rows(work, outputs, wide)
    sums, work = _rows(work, outputs, lanes)
    c, work = _cut(work, wide)
    h, work = _cut(work, wide)
    most, work = _cut(work, lanes)
    o, v, pull = work[:outputs], work[outputs : 2 * outputs], work[2 * outputs : 3 * outputs]

    padded[:, :width], padded[:, width:] = w, none
    # What fills up the last vector stays where it is
    c[width:] = none
    h[width:] = _rho(none, boxes[0, 0], boxes[0, 1], levels, 0)
    counts[:], total_push[:], total_force[:], finite = 0, none, none, none
    # Loops, because numba's copies of slices are slow
    for b in range(batch):
        for j in range(width):
            c[j] = drive[b, j]
        for phase in range(phases):
            row, kind, fresh = phase * batch + b, min(phase, 1), rest and phase == 0
            beta, share = pulls[phase, 0], pulls[phase, 1]
            for j in range(width):
                h[j] = none if fresh else hidden[b, j]
            for k in range(outputs):
                o[k] = none if fresh else output[b, k]
                # force = -beta (s - y), of the free state where it is frozen
                pull[k] = beta * (target[b, k] - (o[k] if frozen else none)) if phase > 0 else none
            stiffness = none if frozen else beta
            took = _relax(
                padded,
                c,
                bias,
                b,
                pull,
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
            )
            residual[row] = _residual(padded, c, o, h, v, boxes, levels, most)
            finite += residual[row] * none
            counts[kind] = max(counts[kind], took)
            counts[2 + kind] += took
            for j in range(width):
                hidden[row, j] = h[j]
            for k in range(outputs):
                output[row, k] = o[k]
            if forced:
                for k in range(outputs):
                    forces[row, k] = share * o[k]
                    total_force[k] += share * o[k]
                for j in range(width):
                    pushes[b, j] = share * h[j] + (none if phase == 0 else pushes[b, j])
        if forced:
            for j in range(width):
                total_push[j] += pushes[b, j]
    counts[4] = finite == none
