"""Light through a mesh: fields of all tiles at once, one column after the other.

Layout: (modes, columns of the input, tiles). A cell is a feed-forward 2 x 2: a tensor (2, 2, mzis, tiles) in the order
of `Topology.mzis`. On the CPU `columns` does it, compiled; `stages` is the same in torch, for other devices and inputs
that need a gradient.
"""

import inspect
import math
import weakref
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from jaxtyping import Complex, Float, Int
from torch import Tensor

from photonic_ep.circuit.models import SDict
from photonic_ep.mesh import columns
from photonic_ep.mesh.topology import Topology

Cell = Callable[..., SDict]
CellMatrix = Complex[Tensor, "2 2 mzis tiles"]
Fields = Complex[Tensor, "modes inputs tiles"]
FORWARD = ((("o2", "o3"), ("o1", "o3")), (("o2", "o4"), ("o1", "o4")))
# Theta and phi of every step, what is left of their arms, and the couplers: `Layout` says how they lie
Phases = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]
Room = tuple[np.ndarray, ...]  # working memory
KNOWN: dict[int, dict[tuple, "Layout"]] = {}
SMALL = 32  # modes up to which tiles are lanes: what they do fills a cache
NEAR = 4 << 10  # bytes of the real parts of the rows of a few steps: with the rest they leave room in the first cache
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


def propagate(topology: Topology, cells: CellMatrix, fields: Fields, crossing: float = 1.0) -> Fields:
    """Fields behind the last column (before the output phases); a crossing leaves this share of the amplitude."""
    plain = crossing == 1 or not topology.orders
    if plain and cells.is_cpu and cells.dtype == fields.dtype and not fields.requires_grad and fields.shape[1]:
        layout = Layout.of(topology.rows, *fields.shape, fields.dtype.to_real())
        # By way of autograd it takes as long as 64 modes
        if cells.requires_grad and torch.is_grad_enabled():
            out = _Columns.apply(cells, fields, topology.rows, layout)
        else:
            out = layout.unpack(layout.sent(layout.pack_cells(cells), layout.pack(fields, shared=True)))
        return out[topology.exits] if topology.orders else out
    return deque(stages(topology, cells, fields, crossing), maxlen=1)[0]


def couplers(
    first: Float[Tensor, "*shape"], second: Float[Tensor, "*shape"], kept: float = 1.0
) -> Float[Tensor, "4 ..."]:
    """(cc, cs, sc, ss) = second x first coupler, (cos, sin) of pi/4 + error each, times the amplitude that is kept."""
    quarter = math.pi / 4
    c1, s1 = torch.cos(quarter + first), torch.sin(quarter + first)
    c2, s2 = kept * torch.cos(quarter + second), kept * torch.sin(quarter + second)
    return torch.stack([c2 * c1, c2 * s1, s2 * c1, s2 * s1])


class Layout:
    """How `columns` lays out tiles and inputs, and its working memory.

    Where there are many tiles they are lanes of vectors, and last; else inputs are, padded, and tiles come first.

    Args:
        rows: modes that each step mixes, upper and lower; with -1 as the second it multiplies the first by its T00.
        modes, inputs, tiles: as of `Fields`.
        dtype: of real parts.

    """

    def __init__(
        self, rows: Int[np.ndarray, "steps 2"], modes: int, inputs: int, tiles: int, dtype: torch.dtype
    ) -> None:
        self.steps, self.modes, self.inputs, self.tiles, self.dtype = len(rows), modes, inputs, tiles, dtype
        self.lanes = columns.BYTES * 8 // torch.finfo(dtype).bits
        self.several = tiles >= self.lanes and modes <= SMALL
        # As many pieces as leave the fields in the first cache, or share what is read of a step
        ahead = inputs if self.several else self._whole(inputs) // self.lanes
        if self.several:
            self.pieces = min(max(2, 256 // modes), 8, ahead)
        else:
            self.pieces = min(columns.MANY, ahead)
        order = parted(rows, max(1, NEAR // (self.pieces * columns.BYTES)))
        places, alone = rows * (self.pieces * self.lanes), rows[:, 1] < 0
        places[alone, 1] = -1 - np.arange(alone.sum())
        ranks = np.arange(self._whole(self.steps))
        ranks[order] = np.arange(self.steps)
        # What every run is told of the way that light takes
        self.way = np.column_stack((places, np.arange(self.steps)))[order].T.copy(), ranks
        self.held = int(alone.sum())
        # What stands for phases, for given steps, and for the fields of the identity
        self.nothing = self._empty(0, 0, 0)
        self.no_phases = self._empty(0, 0), self._empty(0, 0), self.nothing, self.nothing
        self.no_cells, self.identity = (torch.empty((0,) * n, dtype=dtype.to_complex()).numpy() for n in (4, 3))
        self.complex = self.identity.dtype
        self.whole = inputs % self.lanes == 0
        self.keeps = tiles == 1 and not (self.several or self.held) and inputs <= self.pieces * self.lanes
        self.shape = (modes, inputs, tiles) if self.several else (tiles, modes, self._whole(inputs))
        self.rooms: list[Room] = []

    @classmethod
    def of(cls, rows: Int[np.ndarray, "steps 2"], *shape: Any) -> "Layout":  # noqa: ANN401
        """Return the layout, kept as long as the rows."""
        known = KNOWN.setdefault(id(rows), {})
        if shape not in known:
            if not known:
                weakref.finalize(rows, KNOWN.pop, id(rows), None)
            known[shape] = cls(rows, *shape)
        return known[shape]

    def _whole(self, count: int) -> int:
        return -(-count // self.lanes) * self.lanes

    def _empty(self, *shape: int) -> np.ndarray:
        return torch.empty(shape, dtype=self.dtype).numpy()

    def pack(self, fields: Fields, *, shared: bool = False) -> np.ndarray:
        """Lay out fields; if they may be shared, one tile of them where all are the same memory."""
        given = fields.resolve_conj().resolve_neg().numpy()
        if not self.several:
            one = shared and fields.stride(2) == 0
            given = (given[..., :1] if one else given).transpose(2, 0, 1)
        if self.several or self.whole:
            return np.ascontiguousarray(given)
        room = np.zeros((len(given), *self.shape[1:]), self.complex)
        room[..., : self.inputs] = given
        return room

    def unpack(self, fields: np.ndarray) -> Fields:
        """Undo `pack`."""
        if not self.several:
            fields = (fields if self.whole else fields[..., : self.inputs]).transpose(1, 2, 0)
        return torch.from_numpy(fields)

    def unchanged(self, packed: np.ndarray, shown: Tensor, version: int) -> np.ndarray:
        """What was packed; nothing, if it has been written to since: then it is computed again."""
        return packed if shown._version == version else self.identity

    def pack_angles(self, angles: Float[Tensor, "steps tiles"]) -> np.ndarray:
        """Lay out a phase of every step and tile."""
        given = angles.detach().to(self.dtype).resolve_neg().numpy()
        if self.several:
            return np.ascontiguousarray(given)
        if self._whole(self.steps) == self.steps:
            return np.ascontiguousarray(given.T)
        room = self._empty(self.tiles, self._whole(self.steps))
        room[:, : self.steps] = given.T
        return room

    def heaters(self, count: int) -> tuple[Tensor, Tensor]:
        """Room for `count` numbers a step and tile, and how (count, steps, tiles) lie in it."""
        if self.several:
            room = torch.empty(count, self.steps, self.tiles, dtype=self.dtype)
            return room, room
        room = torch.empty(count, self.tiles, self._whole(self.steps), dtype=self.dtype)
        return room, room[..., : self.steps].mT

    def pack_cells(self, cells: CellMatrix) -> np.ndarray:
        """T of every step and tile."""
        return np.ascontiguousarray(cells.detach().resolve_conj().resolve_neg().numpy())

    def sent(self, given: np.ndarray, fields: np.ndarray) -> np.ndarray:
        """Fields behind the last step, by T, laid out as `pack` does."""
        out, room = self.forward(self.no_phases, given, fields)
        self.rooms.append(room)
        return out

    def forward(self, phases: Phases, given: np.ndarray, fields: np.ndarray) -> tuple[np.ndarray, Room]:
        """`columns.forward`: fields behind the last step, by phases or by what is given, laid out; and its room."""
        out, room = np.empty(self.shape, self.complex), self.take()
        columns.forward(*self.way, phases, given, fields, out, self.several, *room[:4])
        return out, room

    def kept(self, room: Room, wanted: bool) -> Room | None:
        """The room, where a backward run that is wanted can go on in it."""
        if wanted and self.keeps:
            return room
        self.rooms.append(room)
        return None

    def backward(
        self,
        phases: Phases,
        given: np.ndarray,
        fields: np.ndarray,
        out: np.ndarray,
        gradient: Fields,
        into: tuple[np.ndarray, np.ndarray],
        room: Room | None = None,
    ) -> bool:
        """`columns.backward`: the gradient in phases, or in what was given, `into` the one that is not empty.

        `room`: as `forward` left it, where it was `kept`.
        """
        ready, light = room is not None, self.pack(gradient)
        room = self.take() if room is None else room
        good = columns.backward(*self.way, phases, given, fields, out, light, *into, self.several, ready, *room)
        self.rooms.append(room)
        return good

    def take(self) -> Room:
        """Working memory, from `rooms`: state, cells, came, spans; and inverses, slopes, held."""
        if self.rooms:
            return self.rooms.pop()
        # T of what runs at once; where tiles run one by one, of those that are copied together
        block = 2 * columns.LINE // self.complex.itemsize
        once = (1, self.lanes) if self.several else (min(block, self.tiles), 1)
        each = self.steps if self.several else self._whole(self.steps)
        turns = -(-self.inputs // (self.pieces if self.several else self.pieces * self.lanes))
        return (
            self._empty(4, self.modes, self.pieces, self.lanes),
            self._empty(once[0] * each, 8, once[1]),
            np.full((turns, 2, self.pieces), -1),
            np.empty((turns, 2, self.steps), np.uint8),
            self._empty(each, 8, once[1]),
            self._empty(once[0] * each, 8, once[1]),
            self._empty(self.held, 2, self.pieces, self.lanes),
        )


def parted(rows: Int[np.ndarray, "steps 2"], most: int) -> Int[np.ndarray, " steps"]:
    """Return an order in which light can take the steps, part by part: a part works in the first cache.

    It is a few columns of neighbouring rows, moved up by one a column, about `most` steps. Steps that mix rows that are
    no neighbours stay in the order that they are in.
    """
    upper, lower = rows[:, 0], np.where(rows[:, 1] < 0, rows[:, 0], rows[:, 1])
    tops, bottoms = np.minimum(upper, lower), np.maximum(upper, lower)
    if (bottoms - tops).max(initial=0) > 1:
        return np.arange(len(rows))
    width = 1 << (most.bit_length() // 2)
    column = _columns(tops, bottoms)
    group, moved = column // width, (tops + column % width) // max(2, 2 * most // width)
    return np.lexsort((tops, column, moved, group))


def _columns(tops: Int[np.ndarray, " steps"], bottoms: Int[np.ndarray, " steps"]) -> Int[np.ndarray, " steps"]:
    """How many steps light has passed at least in front of each."""
    passed = np.zeros(bottoms.max(initial=0) + 1, np.int64)
    columns = np.empty_like(tops)
    for step, (top, bottom) in enumerate(zip(tops, bottoms, strict=True)):
        columns[step] = max(passed[top], passed[bottom])
        passed[top] = passed[bottom] = columns[step] + 1
    return columns


class Steps:
    """Tiles of built-in MZIs from their phases, on the CPU: T is what becomes of the identity.

    Args:
        rows: modes that each step mixes, as in `Layout`.
        modes: of the tiles.
        ratios: `couplers` of every step.
        exits: the row where each mode leaves (default: that of its number).
        arms: amplitude that the heated arms of theta and phi keep (default: all).

    """

    def __init__(
        self,
        rows: Int[np.ndarray, "steps 2"],
        modes: int,
        ratios: Float[Tensor, "4 steps tiles"],
        exits: Int[np.ndarray, " modes"] | None = None,
        arms: Float[Tensor, "2 steps tiles"] | None = None,
    ) -> None:
        moved = exits is not None and not np.array_equal(exits, np.arange(modes))
        self.exits = torch.from_numpy(exits) if moved else None
        self.layout = Layout.of(rows, modes, modes, ratios.shape[2], ratios.dtype)
        room, shown = self.layout.heaters(4)
        shown.copy_(ratios)
        self.rows, self.ratios, self.arms = rows, room.numpy(), self.layout.nothing
        if arms is not None:
            room, shown = self.layout.heaters(2)
            shown.copy_(arms)
            self.arms = room.numpy()

    def __call__(
        self, theta: Float[Tensor, "steps tiles"], phi: Float[Tensor, "steps tiles"]
    ) -> Complex[Tensor, "modes modes tiles"]:
        """T at these phases; the gradient reaches them."""
        out = _Phases.apply(theta, phi, self)
        return out if self.exits is None else out[self.exits]

    def phases(self, theta: Float[Tensor, "steps tiles"], phi: Float[Tensor, "steps tiles"]) -> Phases:
        """What `columns` has to know of the steps."""
        return self.layout.pack_angles(theta), self.layout.pack_angles(phi), self.arms, self.ratios

    def pull(
        self,
        theta: Float[Tensor, "steps tiles"],
        phi: Float[Tensor, "steps tiles"],
        gradient: Complex[Tensor, "modes modes tiles"],
    ) -> Float[Tensor, "2 steps tiles"]:
        """dL/dtheta and dL/dphi from dL/dT, as torch has it; T itself need not have been asked for."""
        if self.exits is not None:
            gradient = torch.empty_like(gradient).index_copy_(0, self.exits, gradient)
        return self.pull_rows(theta, phi, gradient, self.layout.identity)

    def pull_rows(
        self,
        theta: Float[Tensor, "steps tiles"],
        phi: Float[Tensor, "steps tiles"],
        gradient: Complex[Tensor, "modes modes tiles"],
        out: np.ndarray,
        room: Room | None = None,
    ) -> Float[Tensor, "2 steps tiles"]:
        """`pull` from the gradient in the rows, wherever their light leaves; `out`: those of T, laid out, or empty."""
        layout = self.layout
        angles, shown = layout.heaters(2)
        into, phases = (angles.numpy(), layout.no_cells), self.phases(theta, phi)
        if not layout.backward(phases, layout.no_cells, layout.identity, out, gradient, into, room):
            leaves = [angle.detach().requires_grad_() for angle in (theta, phi)]
            with torch.enable_grad():
                found = torch.autograd.grad(self.by_steps(*leaves), leaves, gradient)
            for angle, part in zip(shown, found, strict=True):
                angle.copy_(part)
        return shown

    def by_steps(self, theta: Float[Tensor, "steps tiles"], phi: Float[Tensor, "steps tiles"]) -> Fields:
        """T in its rows, step by step in torch."""
        ratios, arms = (
            torch.from_numpy(room if self.layout.several else room[..., : self.layout.steps].swapaxes(1, 2))
            for room in (self.ratios, self.arms)
        )
        # As in `columns`
        cc, cs, sc, ss = ratios
        kept = arms if len(arms) else (torch.ones_like(cc),) * 2
        e, f = (torch.polar(part, angle.to(cc)) for part, angle in zip(kept, (theta, phi), strict=True))
        t = ((cc * e - ss) * f, 1j * (cs * e + sc)), (1j * (sc * e + cs) * f, cc - ss * e)
        light = torch.eye(self.layout.modes, dtype=e.dtype)[..., None].expand(-1, -1, self.layout.tiles)
        return by_steps(self.rows, torch.stack([torch.stack(row) for row in t]), light)


class _Columns(torch.autograd.Function):
    """Steps given by their T, with the gradient in it."""

    @staticmethod
    def forward(ctx: Any, cells: Tensor, fields: Tensor, rows: np.ndarray, layout: Layout) -> Tensor:  # noqa: ANN401
        ctx.layout, ctx.rows = layout, rows
        ctx.sent = layout.pack_cells(cells), layout.pack(fields, shared=True)
        packed, room = layout.forward(layout.no_phases, *ctx.sent)
        ctx.room = layout.kept(room, wanted=True)
        out = layout.unpack(packed)
        ctx.out = packed, out.detach(), out._version
        ctx.save_for_backward(cells, fields)
        return out

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None]:  # noqa: ANN401  # pyright: ignore[reportIncompatibleMethodOverride]
        layout, (cells, fields) = ctx.layout, ctx.saved_tensors  # which refuse if they have changed since
        graph, entries = torch.is_grad_enabled(), np.empty_like(ctx.sent[0])
        into = layout.nothing, entries
        # Whoever asks first has the room that is ready
        out, room = layout.unchanged(*ctx.out), None if graph else vars(ctx).pop("room", None)
        if not graph and layout.backward(layout.no_phases, *ctx.sent, out, gradients[0], into, room):
            return torch.from_numpy(entries), None, None, None
        with torch.enable_grad():
            leaf = cells if graph else cells.detach().requires_grad_()
            out = by_steps(ctx.rows, leaf, fields)
            return *torch.autograd.grad(out, leaf, gradients[0], create_graph=graph), None, None, None


class _Phases(torch.autograd.Function):
    """Steps given by their phases, from the identity, with the gradient in the phases."""

    @staticmethod
    def forward(ctx: Any, theta: Tensor, phi: Tensor, steps: Steps) -> Tensor:  # noqa: ANN401
        ctx.steps, layout = steps, steps.layout
        packed, room = layout.forward(steps.phases(theta, phi), layout.no_cells, layout.identity)
        ctx.room = layout.kept(room, wanted=any(ctx.needs_input_grad))
        out = layout.unpack(packed)
        ctx.out = packed, out.detach(), out._version
        ctx.save_for_backward(theta, phi)
        return out

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, None]:  # noqa: ANN401  # pyright: ignore[reportIncompatibleMethodOverride]
        angles = ctx.saved_tensors  # which refuse if they have changed since
        if torch.is_grad_enabled():  # for second derivatives
            both = torch.stack(angles)
            theta, phi = torch.autograd.grad(ctx.steps.by_steps(*both), both, gradients[0], create_graph=True)[0]
        else:
            # Whoever asks first has the room that is ready
            out, room = ctx.steps.layout.unchanged(*ctx.out), vars(ctx).pop("room", None)
            theta, phi = ctx.steps.pull_rows(*angles, gradients[0], out, room)
        return theta, phi, None


def by_steps(rows: Int[np.ndarray, "steps 2"], cells: Complex[Tensor, "2 2 steps tiles"], fields: Fields) -> Fields:
    """Fields behind the last step, step by step: for gradients where light is lost, and for their gradients."""
    light = list(fields)
    for step, (upper, lower) in enumerate(rows):
        (a, b), (c, d) = cells[:, :, step]
        x = light[upper]
        if lower < 0:
            light[upper] = a * x
        else:
            light[upper], light[lower] = a * x + b * light[lower], c * x + d * light[lower]
    return torch.stack(light)


def stages(topology: Topology, cells: CellMatrix, fields: Fields, crossing: float = 1.0) -> Iterator[Fields]:
    """Fields behind each column in turn."""
    counts = [len(column) for column in topology.columns]
    # Split once: the backward of a split is one concatenation, that of many slices many zero-filled tensors.
    elements = [part.split(counts) for part in cells.flatten(0, 1).unbind()]
    for index, (column, *t) in enumerate(zip(topology.columns, *elements, strict=True)):
        if topology.order(index):
            kept = crossing ** torch.from_numpy(topology.crossings(index)).to(fields)[:, None, None]
            fields = kept * fields[list(topology.order(index))]
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
