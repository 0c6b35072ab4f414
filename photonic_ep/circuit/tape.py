"""Running a plan: one compiled kernel for every circuit, forwards and backwards, and a dense solve as referee.

Numbers are split into real and imaginary parts, samples of the batch innermost, so that every operation runs over
contiguous memory that stays in the cache; nothing is compiled for a particular circuit. The backward pass runs the
tape again and walks it in reverse: a slot is complete before it is read, so its value at the end is the one used.
"""

import numpy as np
import torch
from torch import Tensor

from ep_core.compiled import compiled, helper
from photonic_ep.circuit.layout import TOLERANCE, Layout, gain_of
from photonic_ep.circuit.plan import ADD_PRODUCT, LOOP, MULTIPLY, Plan

TINY = 1e-300
REAL = {16: np.float64, 8: np.float32}  # by bytes of a complex number
NO_LOOPS = {size: np.empty(0, kind) for size, kind in REAL.items()}
FEW = 3  # from so many samples on, filling a slot with repetitions costs less than one sample after the other
SAMPLED = 32  # samples of a batch in which a part's whole norm is looked at
LANES = 8  # samples come in multiples of a vector register
CACHED = 1_500_000  # bytes of slots that stay near the core
KEPT = 2_000_000  # bytes of slots that are kept for the backward pass; more are faster computed again


@helper
def _forward(operations, re, im):  # noqa: ANN001, ANN202
    """Run the tape on one chunk, in place. (LOOP: d = 1 / (1 - a), MULTIPLY: d = a b, ADD_PRODUCT: d += a b)."""
    for n in range(operations.shape[0]):
        code, d, a, b = operations[n, 0], operations[n, 1], operations[n, 2], operations[n, 3]
        if code == MULTIPLY:
            for s in range(re.shape[1]):
                re[d, s] = re[a, s] * re[b, s] - im[a, s] * im[b, s]
                im[d, s] = re[a, s] * im[b, s] + im[a, s] * re[b, s]
        elif code == ADD_PRODUCT:
            for s in range(re.shape[1]):
                re[d, s] += re[a, s] * re[b, s] - im[a, s] * im[b, s]
                im[d, s] += re[a, s] * im[b, s] + im[a, s] * re[b, s]
        else:
            for s in range(re.shape[1]):
                x, y = 1 - re[a, s], -im[a, s]
                # A closed resonance divides by zero here; the caller sees its size and refuses it.
                scale = 1 / max(x * x + y * y, TINY)
                re[d, s] = x * scale
                im[d, s] = -y * scale


@helper
def _backward(operations, re, im, gre, gim):  # noqa: ANN001, ANN202
    """Walk the tape in reverse: gradients (conjugate Wirtinger, as torch's) of all slots, in place."""
    for n in range(operations.shape[0] - 1, -1, -1):
        code, d, a, b = operations[n, 0], operations[n, 1], operations[n, 2], operations[n, 3]
        if code != LOOP:
            # grad_a += grad_d conj(b), grad_b += grad_d conj(a)
            for s in range(re.shape[1]):
                gre[a, s] += gre[d, s] * re[b, s] + gim[d, s] * im[b, s]
                gim[a, s] += gim[d, s] * re[b, s] - gre[d, s] * im[b, s]
                gre[b, s] += gre[d, s] * re[a, s] + gim[d, s] * im[a, s]
                gim[b, s] += gim[d, s] * re[a, s] - gre[d, s] * im[a, s]
        else:
            # d = 1/(1 - a): grad_a += grad_d conj(d^2)
            for s in range(re.shape[1]):
                x = re[d, s] * re[d, s] - im[d, s] * im[d, s]
                y = 2 * re[d, s] * im[d, s]
                gre[a, s] += gre[d, s] * x + gim[d, s] * y
                gim[a, s] += gim[d, s] * x - gre[d, s] * y


@helper
def _load(source, rows, first, re, im):  # noqa: ANN001, ANN202
    """Copy samples first.. of `source` (distinct rows, batch) into the first slots; past the end the last repeats."""
    last = source.shape[1] - 1
    for slot in range(rows.shape[0]):
        row = rows[slot]
        for s in range(re.shape[1]):
            value = source[row, min(first + s, last)]
            re[slot, s] = value.real
            im[slot, s] = value.imag


@compiled
def run_forward(operations, source, rows, outputs, result, smallest, re, im):  # noqa: ANN001, ANN201
    """Fill `result` (batch, out, in); `smallest` gets the least |1 - a|^2 of each loop operation.

    `re`, `im` (passes, slots, samples a pass) keep the slots, or only the latest where there is room for one pass.
    Returns 0, or NaN where a result is not finite.
    """
    check = 0.0
    batch, width = source.shape[1], re.shape[2]
    for first in range(0, batch, width):
        at = first // width % re.shape[0]
        _load(source, rows, first, re[at], im[at])
        _forward(operations, re[at], im[at])
        for s in range(min(width, batch - first)):
            for row in range(outputs.shape[0]):
                x, y = re[at, outputs[row, 0], s], im[at, outputs[row, 0], s]
                result[first + s, outputs[row, 2], outputs[row, 1]] = complex(x, y)
                check += 0 * (x + y)
        _loop_sizes(operations, re[at], im[at], smallest)
    return check


@compiled
def run_few(operations, slots, source, rows, outputs, result, smallest):  # noqa: ANN001, ANN201
    """`run_forward` for a few samples, one after the other."""
    check = 0.0
    value = np.zeros(slots, dtype=source.dtype)
    for sample in range(source.shape[1]):
        for slot in range(rows.shape[0]):
            value[slot] = source[rows[slot], sample]
        loop = 0
        for n in range(operations.shape[0]):
            code, d, a, b = operations[n, 0], operations[n, 1], operations[n, 2], operations[n, 3]
            if code == MULTIPLY:
                value[d] = value[a] * value[b]
            elif code == ADD_PRODUCT:
                value[d] += value[a] * value[b]
            else:
                x, y = 1 - value[a].real, -value[a].imag
                size = x * x + y * y
                smallest[loop] = min(smallest[loop], size)
                scale = 1 / max(size, TINY)
                value[d] = complex(x * scale, -y * scale)
                loop += 1
        for row in range(outputs.shape[0]):
            result[sample, outputs[row, 2], outputs[row, 1]] = value[outputs[row, 0]]
            check += 0 * (value[outputs[row, 0]].real + value[outputs[row, 0]].imag)
    return check


@compiled
def suspect(source, terms, entries_at, columns_at, most, result):  # noqa: ANN001, ANN201
    """Mark the columns where sum_j |(S^H S)_ij| > `most` in a sample: elsewhere (Gershgorin) no part amplifies.

    j = i, the power that leaves, is looked at in every sample, the others in about SAMPLED of them: they are zero
    where columns are orthogonal, as they are in nearly all parts. Returns the number of marked columns.
    """
    found = 0
    stride = max(1, source.shape[1] // SAMPLED)
    for column in range(columns_at.shape[0] - 1):
        for s in range(source.shape[1]):
            first, last = columns_at[column], columns_at[column + 1]
            bound = 0.0
            for term in range(entries_at[first], entries_at[first + 1]):
                value = source[terms[term, 0], s]
                bound += value.real * value.real + value.imag * value.imag
            for entry in range(first + 1, last if s % stride == 0 else first):
                x, y = 0.0, 0.0
                for term in range(entries_at[entry], entries_at[entry + 1]):
                    a, b = source[terms[term, 0], s], source[terms[term, 1], s]
                    x += a.real * b.real + a.imag * b.imag
                    y += a.real * b.imag - a.imag * b.real
                bound += np.sqrt(x * x + y * y)
            if bound > most:
                result[column] = 1
                found += 1
                break
    return found


@helper
def _loop_sizes(operations, re, im, smallest):  # noqa: ANN001, ANN202
    if not smallest.shape[0]:
        return
    loop = 0
    for n in range(operations.shape[0]):
        if operations[n, 0] == LOOP:
            a = operations[n, 2]
            for s in range(re.shape[1]):
                size = (1 - re[a, s]) ** 2 + im[a, s] ** 2
                smallest[loop] = min(smallest[loop], size)
            loop += 1


@compiled
def run_backward(operations, source, rows, outputs, gradient, result, re, im):  # noqa: ANN001, ANN201
    """Add to `result` (distinct rows, batch) the gradient of the rows from `gradient` (batch, out, in).

    `re` and `im` are those of `run_forward`; where they did not keep every pass, it is computed again.
    """
    gre, gim = np.empty_like(re[0]), np.empty_like(im[0])
    batch, width = source.shape[1], re.shape[2]
    for first in range(0, batch, width):
        at = first // width % re.shape[0]
        if batch > width * re.shape[0]:
            _load(source, rows, first, re[at], im[at])
            _forward(operations, re[at], im[at])
        gre[:] = 0
        gim[:] = 0
        count = min(width, batch - first)
        for s in range(count):
            for row in range(outputs.shape[0]):
                value = gradient[first + s, outputs[row, 2], outputs[row, 1]]
                gre[outputs[row, 0], s] += value.real
                gim[outputs[row, 0], s] += value.imag
        _backward(operations, re[at], im[at], gre, gim)
        for slot in range(rows.shape[0]):
            for s in range(count):
                result[rows[slot], first + s] += complex(gre[slot, s], gim[slot, s])


class Tape(torch.autograd.Function):
    """The plan as one differentiable operation: blocks of entries (leaves, *batch) -> S (*batch, out, in)."""

    @staticmethod
    def forward(ctx, plan: Plan, layout: Layout, *blocks: Tensor) -> Tensor:  # noqa: ANN001
        """Eliminate."""
        source, shape = gather(blocks)
        _refuse_gain(layout, source, blocks)
        slots = _slots(plan, source, KEPT)
        # Copies of our own: nobody can change them before the backward pass.
        ctx.source, ctx.slots, ctx.plan, ctx.layout = source, slots, plan, layout
        ctx.save_for_backward(*blocks)
        ctx.shapes = shape, [(block.shape, block.dtype) for block in blocks]
        result = _eliminate(plan, layout, source, slots)
        return torch.from_numpy(result.reshape(*shape, *result.shape[1:]))

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN001 # pyright: ignore[reportIncompatibleMethodOverride]
        """Gradient of the blocks; one that is to be differentiated again goes by way of the referee."""
        if torch.is_grad_enabled():
            wanted = [
                block for block, needed in zip(ctx.saved_tensors, ctx.needs_input_grad[2:], strict=True) if needed
            ]
            whole = solve_referee(ctx.plan, ctx.layout, *ctx.saved_tensors)
            slopes = iter(torch.autograd.grad(whole, wanted, gradient, create_graph=True, materialize_grads=True))
            return None, None, *(next(slopes) if needed else None for needed in ctx.needs_input_grad[2:])
        source, plan, (shape, blocks) = ctx.source, ctx.plan, ctx.shapes
        result = np.zeros_like(source)
        outer = gradient.resolve_conj().contiguous().numpy().reshape(-1, *gradient.shape[-2:])
        run_backward(plan.operations, source, ctx.layout.rows, plan.outputs, outer, result, *ctx.slots)
        whole = torch.from_numpy(result).reshape(len(result), *shape)
        parts = whole.split([size[0] for size, _ in blocks])
        folded = [
            _fold(part, size).to(kind) if needed else None
            for part, (size, kind), needed in zip(parts, blocks, ctx.needs_input_grad[2:], strict=True)
        ]
        return None, None, *folded


def solve_tape(plan: Plan, layout: Layout, *blocks: Tensor) -> Tensor:
    """S (*batch, out, in) of blocks of entries (leaves, *batch), differentiable.

    Raises NotFiniteError, GainError, and ValueError where a loop closes on itself without loss.
    """
    if torch.is_grad_enabled() and any(block.requires_grad for block in blocks):
        return Tape.apply(plan, layout, *blocks)  # pyright: ignore[reportReturnType]
    source, shape = gather(blocks)
    _refuse_gain(layout, source, blocks)
    slots = _slots(plan, source, 0) if source.shape[1] >= FEW else None
    result = _eliminate(plan, layout, source, slots)
    return torch.from_numpy(result.reshape(*shape, *result.shape[1:]))


def _eliminate(
    plan: Plan, layout: Layout, source: np.ndarray, slots: tuple[np.ndarray, np.ndarray] | None
) -> np.ndarray:
    """Run the tape on rows (rows, batch), slot i starting as row layout.rows[i]; without `slots`, one by one."""
    count = len(plan.ports)
    result = np.zeros((source.shape[1], count, count), dtype=source.dtype)
    smallest = np.full(len(plan.loops), np.inf, REAL[source.itemsize]) if plan.loops else NO_LOOPS[source.itemsize]
    arguments = source, layout.rows, plan.outputs, result, smallest
    if slots is None:
        check = run_few(plan.operations, plan.slots, *arguments)
    else:
        check = run_forward(plan.operations, *arguments, *slots)
    if plan.loops:
        _refuse_resonance(plan, smallest)
    if check != 0:
        raise NotFiniteError
    return result


def _slots(plan: Plan, source: np.ndarray, kept: int) -> tuple[np.ndarray, np.ndarray]:
    """Room (passes, slots, samples a pass), real and imaginary: of all passes if that takes at most `kept` bytes.

    A pass is long, for long runs of one operation, but its slots stay in the cache; few of its samples are left over.
    """
    bytes_each, batch = source.itemsize * max(1, plan.slots), max(1, source.shape[1])
    most = max(LANES, min(128, CACHED // bytes_each))
    passes = -(-batch // most)
    width = -(-batch // (passes * LANES)) * LANES
    room = (passes if passes * width * bytes_each <= kept else 1, plan.slots, width)
    return np.empty(room, REAL[source.itemsize]), np.empty(room, REAL[source.itemsize])


class NotFiniteError(ValueError):
    """S-parameters that are NaN or infinite; whoever knows the settings says which."""


class GainError(ValueError):
    """A passive part that amplifies: its name and power; whoever knows its component says so."""

    def __init__(self, leaf: str, power: float) -> None:
        super().__init__(leaf, power)
        self.leaf, self.power = leaf, power


def _refuse_gain(layout: Layout, source: np.ndarray, blocks: tuple[Tensor, ...]) -> None:
    marks = np.zeros(len(layout.parts), dtype=np.int8)
    most = 1 + TOLERANCE[min([block.itemsize for block in blocks], default=16)]
    if suspect(source, layout.terms, layout.entries_at, layout.columns_at, most, marks):
        worst = gain_of(layout, source, np.flatnonzero(marks), most)
        if worst is not None:
            raise GainError(*worst)


def gather(blocks: tuple[Tensor, ...]) -> tuple[np.ndarray, tuple[int, ...]]:
    """Blocks (leaves, *batch), broadcast and one under the other: (rows, batch); and the shape of the batch."""
    shapes = {block.shape[1:] for block in blocks}
    if len(shapes) > 1:
        shape = np.broadcast_shapes(*shapes)
        blocks = tuple(lined(block, shape) for block in blocks)
    else:  # by far the most frequent
        shape = shapes.pop()
    whole = torch.cat(blocks).numpy()  # (no gradient is recorded here)
    return whole.reshape(len(whole), -1), tuple(shape)


def lined(block: Tensor, shape: tuple[int, ...]) -> Tensor:
    """A block (leaves, *batch) broadcast to a batch's shape, missing dimensions after the leaves."""
    missing = len(shape) + 1 - block.dim()
    return block.reshape(len(block), *(1,) * missing, *block.shape[1:]).expand(len(block), *shape)


def _fold(gradient: Tensor, size: torch.Size) -> Tensor:
    """Sum over the batch dimensions along which a block was repeated."""
    missing = gradient.dim() - len(size)
    if missing:
        gradient = gradient.sum(tuple(range(1, missing + 1)))
    return gradient if gradient.shape == size else gradient.sum_to_size(size)


def _refuse_resonance(plan: Plan, smallest: np.ndarray) -> None:
    for size, (instance, port) in zip(smallest, plan.loops.values(), strict=True):
        if size < (100 * np.finfo(smallest.dtype).eps) ** 2:
            raise ValueError(
                f"a lossless closed resonance: the wave that leaves {instance},{port} returns to itself undiminished"
            )


def solve_referee(plan: Plan, layout: Layout, *blocks: Tensor) -> Tensor:
    """Return the same by plain torch operations on the tape: for devices other than the CPU."""
    shape = np.broadcast_shapes(*(block.shape[1:] for block in blocks))
    source = torch.cat([lined(block, shape) for block in blocks])
    _refuse_gain(layout, source.detach().resolve_conj().cpu().numpy().reshape(len(source), -1), blocks)
    count = len(plan.ports)
    if not len(plan.outputs):
        return source.new_zeros(*shape, count, count)  # no input reaches an output
    slots: list[Tensor] = [source[row] for row in layout.rows.tolist()]
    slots += [source[0]] * (plan.slots - len(slots))
    smallest = []
    for code, d, a, b in plan.operations.tolist():
        if code == LOOP:
            smallest += [(1 - slots[a].detach()).abs().square().min()] if source.numel() else []
            slots[d] = 1 / (1 - slots[a])
        elif code == ADD_PRODUCT:
            slots[d] = slots[d] + slots[a] * slots[b]
        else:
            slots[d] = slots[a] * slots[b]
    if smallest and source.numel():
        _refuse_resonance(plan, torch.stack(smallest).cpu().numpy())
    values = torch.stack([slots[slot] for slot in plan.outputs[:, 0].tolist()], -1)
    if not torch.isfinite(torch.view_as_real(values.detach())).all():
        raise NotFiniteError
    into, out = torch.from_numpy(plan.outputs[:, 1:].copy()).to(values.device).unbind(1)
    flat = values.new_zeros(*shape, count * count)
    return flat.index_copy(-1, out * count + into, values).unflatten(-1, (count, count))
