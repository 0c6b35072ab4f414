"""Running a plan: one compiled kernel for every circuit, forwards and backwards, and a dense solve as referee.

Numbers are split into real and imaginary parts, samples of the batch innermost, so that every operation runs over
contiguous memory; nothing is compiled for a particular circuit. The backward pass runs the tape again and walks it
in reverse: a slot is complete before it is read, so its value at the end is the value that was used.
"""

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from jaxtyping import Complex
from numba import njit
from torch import Tensor

from photonic_ep.circuit.plan import ADD_PRODUCT, LOOP, MULTIPLY, Plan

TINY = 1e-300
NOT_FINITE = "the circuit's S-parameters are not finite: is a setting NaN or infinite?"
WIDTH = 16  # samples that a slot holds: two cache lines of doubles, real and imaginary


def compiled(function: Callable[..., Any]) -> Any:  # noqa: ANN401
    """Compile with numba, kept between runs; NaN keeps its meaning. Unwraps what a checker of types may have put on."""
    return njit(cache=True, fastmath={"contract", "reassoc", "nsz"})(inspect.unwrap(function))


@compiled
def _forward(operations, re, im):  # noqa: ANN001, ANN202
    """Run the tape on one chunk, in place. (LOOP: d = 1 / (1 - a), MULTIPLY: d = a b, ADD_PRODUCT: d += a b)."""
    for n in range(operations.shape[0]):
        code, d, a, b = operations[n, 0], operations[n, 1], operations[n, 2], operations[n, 3]
        if code == MULTIPLY:
            for s in range(WIDTH):
                re[d, s] = re[a, s] * re[b, s] - im[a, s] * im[b, s]
                im[d, s] = re[a, s] * im[b, s] + im[a, s] * re[b, s]
        elif code == ADD_PRODUCT:
            for s in range(WIDTH):
                re[d, s] += re[a, s] * re[b, s] - im[a, s] * im[b, s]
                im[d, s] += re[a, s] * im[b, s] + im[a, s] * re[b, s]
        else:
            for s in range(WIDTH):
                x, y = 1 - re[a, s], -im[a, s]
                # A closed resonance divides by zero here; the caller sees its size and refuses it.
                scale = 1 / max(x * x + y * y, TINY)
                re[d, s] = x * scale
                im[d, s] = -y * scale


@compiled
def _backward(operations, re, im, gre, gim):  # noqa: ANN001, ANN202
    """Walk the tape in reverse: gradients (conjugate Wirtinger, as torch's) of all slots, in place."""
    for n in range(operations.shape[0] - 1, -1, -1):
        code, d, a, b = operations[n, 0], operations[n, 1], operations[n, 2], operations[n, 3]
        if code != LOOP:
            # grad_a += grad_d conj(b), grad_b += grad_d conj(a)
            for s in range(WIDTH):
                gre[a, s] += gre[d, s] * re[b, s] + gim[d, s] * im[b, s]
                gim[a, s] += gim[d, s] * re[b, s] - gre[d, s] * im[b, s]
                gre[b, s] += gre[d, s] * re[a, s] + gim[d, s] * im[a, s]
                gim[b, s] += gim[d, s] * re[a, s] - gre[d, s] * im[a, s]
        else:
            # d = 1/(1 - a): grad_a += grad_d conj(d^2)
            for s in range(WIDTH):
                x = re[d, s] * re[d, s] - im[d, s] * im[d, s]
                y = 2 * re[d, s] * im[d, s]
                gre[a, s] += gre[d, s] * x + gim[d, s] * y
                gim[a, s] += gim[d, s] * x - gre[d, s] * y


@compiled
def _load(source, first, re, im):  # noqa: ANN001, ANN202
    """Copy samples first.. of (rows, batch) into the first slots; samples past the end repeat the last."""
    last = source.shape[1] - 1
    for row in range(source.shape[0]):
        for s in range(WIDTH):
            value = source[row, min(first + s, last)]
            re[row, s] = value.real
            im[row, s] = value.imag


@compiled
def run_forward(operations, slots, entries, outputs, result, smallest):  # noqa: ANN001, ANN201
    """Fill `result` (batch, out, in); `smallest` gets the least |1 - a|^2 of each loop operation.

    Returns 0, or NaN where a result is not finite.
    """
    check = 0.0
    re = np.zeros((slots, WIDTH), dtype=entries.real.dtype)
    im = np.zeros((slots, WIDTH), dtype=entries.real.dtype)
    batch = entries.shape[1]
    for first in range(0, batch, WIDTH):
        _load(entries, first, re, im)
        _forward(operations, re, im)
        count = min(WIDTH, batch - first)
        for row in range(outputs.shape[0]):
            for s in range(count):
                x, y = re[outputs[row, 0], s], im[outputs[row, 0], s]
                result[first + s, outputs[row, 2], outputs[row, 1]] = complex(x, y)
                check += 0 * (x + y)
        _loop_sizes(operations, re, im, smallest)
    return check


@compiled
def _loop_sizes(operations, re, im, smallest):  # noqa: ANN001, ANN202
    loop = 0
    for n in range(operations.shape[0]):
        if operations[n, 0] == LOOP:
            a = operations[n, 2]
            for s in range(WIDTH):
                size = (1 - re[a, s]) ** 2 + im[a, s] ** 2
                smallest[loop] = min(smallest[loop], size)
            loop += 1


@compiled
def run_backward(operations, slots, entries, outputs, gradient, result):  # noqa: ANN001, ANN201
    """Fill `result` (entries, batch) with the gradient of the entries from `gradient` (batch, out, in)."""
    re = np.zeros((slots, WIDTH), dtype=entries.real.dtype)
    im = np.zeros((slots, WIDTH), dtype=entries.real.dtype)
    gre, gim = np.zeros_like(re), np.zeros_like(im)
    batch = entries.shape[1]
    for first in range(0, batch, WIDTH):
        _load(entries, first, re, im)
        _forward(operations, re, im)
        gre[:] = 0
        gim[:] = 0
        count = min(WIDTH, batch - first)
        for row in range(outputs.shape[0]):
            for s in range(count):
                value = gradient[first + s, outputs[row, 2], outputs[row, 1]]
                gre[outputs[row, 0], s] += value.real
                gim[outputs[row, 0], s] += value.imag
        _backward(operations, re, im, gre, gim)
        for row in range(entries.shape[0]):
            for s in range(count):
                result[row, first + s] = complex(gre[row, s], gim[row, s])


class Tape(torch.autograd.Function):
    """The plan as one differentiable operation: entries (entries, batch) -> S (batch, out, in)."""

    @staticmethod
    def forward(ctx, entries: Complex[Tensor, "entries batch"], plan: Plan) -> Complex[Tensor, "batch out in"]:  # noqa: ANN001
        """Eliminate. ValueError where a loop closes on itself without loss, by the name of the port."""
        source = entries.detach().contiguous().numpy()
        result = np.zeros((source.shape[1], len(plan.ports), len(plan.ports)), dtype=source.dtype)
        smallest = np.full(len(plan.loops), np.inf, dtype=np.finfo(source.dtype).dtype)
        check = run_forward(plan.operations, plan.slots, source, plan.outputs, result, smallest)
        _refuse_resonance(plan, smallest)
        if check != 0:
            raise ValueError(NOT_FINITE)
        ctx.save_for_backward(entries)
        ctx.plan = plan
        return torch.from_numpy(result)

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, None]:  # noqa: ANN001 # pyright: ignore[reportIncompatibleMethodOverride]
        """Gradient of the entries."""
        (entries,) = ctx.saved_tensors
        source, plan = entries.detach().contiguous().numpy(), ctx.plan
        result = np.empty_like(source)
        outer = gradient.detach().resolve_conj().contiguous().numpy()
        run_backward(plan.operations, plan.slots, source, plan.outputs, outer, result)
        return torch.from_numpy(result), None


def _refuse_resonance(plan: Plan, smallest: np.ndarray) -> None:
    for size, (instance, port) in zip(smallest, plan.loops.values(), strict=True):
        if size < (100 * np.finfo(smallest.dtype).eps) ** 2:
            raise ValueError(
                f"a lossless closed resonance: the wave that leaves {instance},{port} returns to itself undiminished"
            )


def solve_referee(entries: Complex[Tensor, "entries batch"], plan: Plan) -> Complex[Tensor, "batch out in"]:
    """Return the same by plain torch operations on the tape: for devices other than the CPU."""
    count = len(plan.ports)
    if not len(plan.outputs):
        return entries.new_zeros(entries.shape[1], count, count)  # no input reaches an output
    slots: list[Tensor] = [*entries.unbind(), *[entries[0]] * (plan.slots - len(entries))]
    for code, d, a, b in plan.operations.tolist():
        if code == LOOP:
            slots[d] = 1 / (1 - slots[a])
        elif code == ADD_PRODUCT:
            slots[d] = slots[d] + slots[a] * slots[b]
        else:
            slots[d] = slots[a] * slots[b]
    values = torch.stack([slots[slot] for slot in plan.outputs[:, 0].tolist()], 1)
    if not torch.isfinite(torch.view_as_real(values.detach())).all():
        raise ValueError(NOT_FINITE)
    into, out = torch.from_numpy(plan.outputs[:, 1:].copy()).to(values.device).unbind(1)
    flat = values.new_zeros(len(values), count * count)
    return flat.index_copy(1, out * count + into, values).unflatten(1, (count, count))
