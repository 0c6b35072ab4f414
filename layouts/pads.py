"""Wires from every heater to a bond pad of its own, and its way to ground; planar, in one layer of metal.

Half of a column's heaters leave upwards, half downwards. The k-th of them from the edge takes track k over its own
heater, so that tracks pass above the heaters that are farther out. Their other ends share a ground a column and side.
Pads lie in lanes above and below, as many as the width asks for; wires to far lanes pass left of the near ones.
"""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby, pairwise

import gdsfactory as gf

from layouts.netlist import heater_name
from layouts.process import Layer, Process
from layouts.river import Wire, boxes

GROUND = "gnd_"


@dataclass(frozen=True, kw_only=True)
class Heater:
    """A heater on the mask.

    Attributes:
        name: of it. left, right: x of its terminals' centres. y: of them. side: of a terminal, a square [um].

    """

    name: str
    left: float
    right: float
    y: float
    side: float


@dataclass(frozen=True, kw_only=True)
class Pad:
    """A bond pad.

    Attributes:
        name: of its heater, or of the ground of some. x, y: of its centre [um].

    """

    name: str
    x: float
    y: float


@dataclass(frozen=True, kw_only=True)
class Lead:
    """A net where it leaves the core: its name, the x of its wire, the wire's width [um]."""

    name: str
    x: float
    width: float


class Side:
    """The metal above the core, or below it, seen with y away from the core."""

    def __init__(self, component: gf.Component, process: Process, sign: int) -> None:
        self.component, self.process, self.sign = component, process, sign

    def box(self, left: float, low: float, right: float, high: float, layer: Layer | None = None) -> None:
        """Draw a rectangle of metal, or of another layer."""
        low, high = sorted((self.sign * low, self.sign * high))
        corners = [(left, low), (right, low), (right, high), (left, high)]
        self.component.add_polygon(corners, layer=self.process.metal if layer is None else layer)

    def pad(self, name: str, x: float, y: float) -> Pad:
        """Draw a pad with its opening."""
        for half, layer in ((self.process.pad_um / 2, None), (self.process.pad_um / 2 - 2, self.process.pad_open)):
            self.box(x - half, y - half, x + half, y + half, layer)
        return Pad(name=name, x=x, y=self.sign * y)


def heaters(core: gf.Component) -> list[Heater]:
    """All heaters of a core, column by column, each from the top."""
    found: list[Heater] = []
    for inst in core.insts:
        ports = {str(port.name): port for port in inst.ports}
        for prefix in (name.removesuffix("l_e1") for name in ports if name.endswith("l_e1")):
            west, east, far = (ports[f"{prefix}{end}"].dcenter for end in ("l_e1", "l_e3", "r_e1"))
            side, arm = east[0] - west[0], prefix.removesuffix("_")
            found.append(
                Heater(
                    name=heater_name(f"{inst.name}.{arm}" if arm else inst.name),
                    left=(west[0] + east[0]) / 2,
                    right=far[0] + side / 2,
                    y=west[1],
                    side=side,
                )
            )
    return sorted(found, key=lambda heater: (round(heater.left, 3), -heater.y))


def wired(component: gf.Component, process: Process, places: list[Heater]) -> list[Pad]:
    """Add wires and pads to a component whose heaters lie at `places`, after `check_room`; returns the pads."""
    result: list[Pad] = []
    columns = [list(own) for _, own in groupby(places, key=lambda heater: round(heater.left, 3))]
    for sign, word in ((1, "top"), (-1, "low")):
        side, leads = Side(component, process, sign), list[list[Lead]]()
        edge = max(sign * heater.y for heater in places) + process.pitch_y_um
        for number, column in enumerate(columns):
            middle = (len(column) + 1) // 2
            # From the edge inwards
            own = column[:middle] if sign > 0 else column[: middle - 1 : -1]
            if own:
                leads.append(list(_column(side, own, f"{GROUND}{word}_{number}", edge)))
        result += _lanes(side, leads, edge)
    return result


def label(component: gf.Component, process: Process, pads: Iterable[Pad]) -> None:
    """Add the names of pads: whose they are."""
    for pad in pads:
        component.add_label(pad.name, position=(pad.x, pad.y), layer=process.text)


def check_room(modes: int, process: Process) -> None:
    """Raise ValueError where a mesh of so many modes has more wires than fit over its heaters, or they are too thin."""
    wire, heater, amperes = process.wire_um, process.heater_um, process.most_amperes
    if amperes > process.amperes_um * wire:
        raise ValueError(f"a heater takes up to {1e3 * amperes:.3g} mA, more than the rule allows in {wire} um")
    tracks = 1 + int(heater // (wire + process.space_um))
    if (modes + 1) // 2 > tracks:
        raise ValueError(f"{modes} modes have too many wires over a heater of {heater} um: {tracks} fit on a side")


def _column(side: Side, own: list[Heater], ground: str, edge: float) -> Iterator[Lead]:
    """Tracks of a column's heaters on one side, and their ground."""
    process, first, sign = side.process, own[0], side.sign
    width, space = process.wire_um, process.space_um
    for k, heater in enumerate(own):
        y = sign * heater.y
        x = first.left + (first.side / 2 + space + width / 2 + (k - 1) * (width + space) if k else 0.0)
        if k:
            side.box(heater.left, y - width / 2, x + width / 2, y + width / 2)
        side.box(x - width / 2, y - width / 2, x + width / 2, edge)
        yield Lead(name=heater.name, x=x, width=width)
    # As wide as its current asks for; it grows away from the tracks
    wide = max(first.side, 1.0 * math.ceil(len(own) * process.most_amperes / process.amperes_um))
    left = first.right - first.side / 2
    side.box(left, min(sign * heater.y for heater in own) - first.side / 2, left + wide, edge)
    yield Lead(name=ground, x=left + wide / 2, width=wide)


def _lanes(side: Side, columns: list[list[Lead]], edge: float) -> list[Pad]:
    """Pads of one side, in as many lanes as the width asks for, and the river that leads there."""
    process, leads = side.process, [lead for column in columns for lead in column]
    room, lanes = leads[-1].x - leads[0].x + process.pad_um, 1
    while lanes < max(map(len, columns)) and sum(_slot(process, g) for g in _groups(columns, lanes)) > room:
        lanes += 1
    groups = _groups(columns, lanes)
    ends: dict[str, tuple[int, float, float]] = {}
    for group, right in zip(groups, _rights(process, groups), strict=True):
        centre = right - process.pad_um / 2
        left = right - process.pad_um
        for lane, lead in enumerate(reversed(group)):
            # The nearest lane from below, the others past its left side
            at = left - process.space_um - lead.width / 2 if lane else centre
            left = at - lead.width / 2 if lane else left
            ends[lead.name] = lane, at, centre
    wires = [Wire(source=lead.x, target=ends[lead.name][1], width=lead.width) for lead in leads]
    pieces, top = boxes(wires, process.space_um, edge)
    pads = []
    for lead, own in zip(leads, pieces, strict=True):
        lane, at, centre = ends[lead.name]
        half, y = lead.width / 2, top + process.pad_um / 2 + lane * (process.pad_um + process.pad_space_um)
        for box in own:
            side.box(*box)
        side.box(at - half, top - process.space_um, at + half, y + half if lane else y)
        if lane:
            side.box(at - half, y - half, centre, y + half)
        pads.append(side.pad(lead.name, centre, y))
    return pads


def _groups(columns: list[list[Lead]], lanes: int) -> list[list[Lead]]:
    """Leads whose pads stand one above the other. A column's ground is its last: so it is in the nearest lane."""
    result: list[list[Lead]] = []
    for column in columns:
        first = len(column) % lanes
        starts = ([0] if first else []) + list(range(first, len(column), lanes))
        result += [column[a:b] for a, b in pairwise([*starts, len(column)])]
    return result


def _rights(process: Process, groups: list[list[Lead]]) -> list[float]:
    """Right edge of the pads of each group, as near to where its leads come up as their order and sizes allow."""
    slots = [_slot(process, group) for group in groups]
    wanted = [group[-1].x + process.pad_um / 2 for group in groups]
    rights, last = [], -math.inf
    for slot, right in zip(slots, wanted, strict=True):
        last = max(last + slot, right)
        rights.append(last)
    # Those that were pushed beyond the last go back as far as they can
    limit = wanted[-1]
    for i in reversed(range(len(rights))):
        rights[i] = min(rights[i], limit)
        limit = rights[i] - slots[i]
    return rights


def _slot(process: Process, group: list[Lead]) -> float:
    """Width of a group of pads with the wires that pass it."""
    return process.pad_um + process.pad_space_um + (len(group) - 1) * (process.wire_um + process.space_um)
