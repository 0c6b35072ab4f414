"""Light through a mesh: fields of all tiles at once, one column after the other.

Layout: (modes, columns of the input, tiles). A cell is a feed-forward 2 x 2: a tensor (2, 2, mzis, tiles) in the order
of `Topology.mzis`. On the CPU `columns` does it, compiled; `stages` is the same in torch, for other devices and inputs
that need a gradient.
"""

import inspect
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from jaxtyping import Complex
from torch import Tensor
from torch.autograd.function import once_differentiable

from photonic_ep.circuit.models import SDict
from photonic_ep.mesh import columns
from photonic_ep.mesh.topology import Topology

Cell = Callable[..., SDict]
CellMatrix = Complex[Tensor, "2 2 mzis tiles"]
Fields = Complex[Tensor, "modes inputs tiles"]
FORWARD = ((("o2", "o3"), ("o1", "o3")), (("o2", "o4"), ("o1", "o4")))
REFLECTED = tuple((a, b) for side in (("o1", "o2"), ("o3", "o4")) for a in side for b in side)


def cell_matrix(cell: Cell, settings: dict[str, Tensor | float]) -> CellMatrix:
    """T of every MZI from the cell's S-parameters: one call with stacked settings.

    Raises ValueError if the cell reflects, is not reciprocal (both directions of a mesh are one matrix) or lacks a
    setting that an imperfection needs.
    """
    known = inspect.signature(cell).parameters
    unknown = [name for name in settings if name not in known]
    if unknown:
        raise ValueError(f"the cell {cell.__name__!r} has no setting {unknown}; it has {list(known)}")
    s = cell(**settings)
    for key in REFLECTED:
        if key in s and bool((s[key] != 0).any()):
            raise ValueError(f"the cell {cell.__name__!r} reflects ({key[0]} -> {key[1]}): a mesh needs feed-forward")
    for a, b in (key for row in FORWARD for key in row):
        if s[a, b] is not s.get((b, a)) and not ((b, a) in s and torch.equal(s[a, b], s[b, a])):
            raise ValueError(f"the cell {cell.__name__!r} is not reciprocal: {a} -> {b} differs from {b} -> {a}")
    rows = [torch.broadcast_tensors(*(s[key] for key in row)) for row in FORWARD]
    return torch.stack([torch.stack(row) for row in rows])


def propagate(topology: Topology, cells: CellMatrix, fields: Fields) -> Fields:
    """Fields behind the last column (before the output phases)."""
    compiled = cells.device.type == "cpu" and cells.dtype == fields.dtype and not fields.requires_grad
    return _Columns.apply(cells, fields, topology) if compiled else deque(stages(topology, cells, fields), maxlen=1)[0]


class _Columns(torch.autograd.Function):
    """`columns` with its gradient in the cells."""

    @staticmethod
    def forward(ctx: Any, cells: Tensor, fields: Tensor, topology: Topology) -> Tensor:  # noqa: ANN401
        ctx.save_for_backward(cells, fields)
        ctx.topology = topology
        modes, inputs, tiles = fields.shape
        out, number = cells.new_empty(tiles, modes, inputs), _real(cells)
        held = cells.detach().contiguous().numpy()
        room = np.empty((2, modes, columns.lanes(inputs)), number)
        columns.forward(held, topology.tops, fields.permute(2, 0, 1).numpy(), out.numpy(), room[0], room[1])
        return out.permute(1, 2, 0)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:  # noqa: ANN401  # pyright: ignore[reportIncompatibleMethodOverride]
        cells, fields = ctx.saved_tensors
        held, tops = cells.detach().contiguous().numpy(), ctx.topology.tops
        slopes, number = torch.empty_like(cells, memory_format=torch.contiguous_format), _real(cells)
        lanes = columns.lanes(fields.shape[1])
        room, kept = np.empty((2, len(fields), lanes), number), np.empty((2, 2 * len(tops), lanes), number)
        columns.backward(
            held,
            tops,
            fields.permute(2, 0, 1).numpy(),
            gradients[0].permute(2, 0, 1).contiguous().resolve_conj().numpy(),
            slopes.numpy(),
            room[0],
            room[1],
            kept[0],
            kept[1],
            np.empty((len(tops), 8), number),
        )
        return slopes, None, None


def _real(cells: Tensor) -> type[np.floating]:
    return np.float64 if cells.dtype == torch.complex128 else np.float32


def stages(topology: Topology, cells: CellMatrix, fields: Fields) -> Iterator[Fields]:
    """Fields behind each column in turn."""
    counts = [len(column) for column in topology.columns]
    # Split once: the backward of a split is one concatenation, that of many slices many zero-filled tensors.
    elements = [part.split(counts) for part in cells.flatten(0, 1).unbind()]
    for column, *t in zip(topology.columns, *elements, strict=True):
        fields = _column(column, t, fields)
        yield fields


def _column(tops: tuple[int, ...], t: list[Tensor], fields: Fields) -> Fields:
    if not tops:
        return fields
    if tops != tuple(range(tops[0], tops[0] + 2 * len(tops), 2)):
        return _scattered_column(tops, t, fields)
    count = 2 * len(tops)
    above, inside, below = fields.split([tops[0], count, len(fields) - tops[0] - count])
    mixed = _mix(t, inside.unflatten(0, (len(tops), 2)))
    around = [part for part in (above, mixed, below) if len(part)]
    return torch.cat(around) if len(around) > 1 else mixed


def _scattered_column(tops: tuple[int, ...], t: list[Tensor], fields: Fields) -> Fields:
    rows = torch.tensor([mode for top in tops for mode in (top, top + 1)], device=fields.device)
    return fields.index_copy(0, rows, _mix(t, fields[rows].unflatten(0, (len(tops), 2))))


def _mix(t: list[Tensor], pairs: Complex[Tensor, "mzis 2 inputs tiles"]) -> Fields:
    # (top, low) <- T (top, low)
    t00, t01, t10, t11 = (part[:, None] for part in t)
    top, low = pairs.unbind(1)
    return torch.stack([t00 * top + t01 * low, t10 * top + t11 * low], 1).flatten(0, 1)
