"""A chip from a tile and its phases: the mask, the pins with their phases, and the circuit that the mask is."""

import csv
import io
import json
import math
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter

import gdsfactory as gf
import kfactory as kf

from ep_core.checkpoint import write_atomic
from layouts.fibres import with_fibres
from layouts.mesh import mesh_layout
from layouts.netlist import Netlist, optical_netlist
from layouts.pads import Heater, Pad, check_room, heaters, label, wired
from layouts.phases import Phases, absorbed, routing
from layouts.process import Process
from photonic_ep.mesh.tile import Tile

PINS = ("heater", "pad_x", "pad_y", "heater_x", "heater_y", "ohm", "volt", "mw", "phase")
STREET = 200.0  # um between the tiles of a layer
Place = tuple[int, int]


@dataclass(frozen=True, kw_only=True)
class Chip:
    """A chip that was exported.

    Attributes:
        gds, pins, netlist: its files. heaters, pads: how many. area_mm2: of its bounding box.
        watts: that its heaters take at their phases. reticles: fields of the scanner that it needs, side by side.
        pitch: of the tiles of a layer [um]. seconds: that each step took.

    """

    gds: Path
    pins: Path
    netlist: Path
    heaters: int
    pads: int
    area_mm2: float
    watts: float
    reticles: int
    pitch: tuple[float, float]
    seconds: dict[str, float]


@contextmanager
def drawing(process: Process) -> Iterator[None]:
    """Draw with the cells of a process, in a layout of one's own: nothing is left for the next one."""
    process.activate()
    gf.clear_cache()
    stamps, kf.config.write_timestamps = kf.config.write_timestamps, False
    try:
        yield
    finally:
        kf.config.write_timestamps = stamps
        gf.clear_cache()


def export(tile: Tile, phases: Mapping[Place, Phases], folder: Path, process: Process) -> Chip:
    """Write chip.gds, pins.csv and netlist.json into a folder: tiles that make what `phases` make of exact parts.

    Args:
        tile: U diag(a) V, or U alone.
        phases: of every heater by its name [rad], of each tile by its row and column. One tile is a chip of its own;
            of several, each is a cell tile_{row}_{col}, and so begin the names of its heaters.
        folder: that exists.
        process: to draw with.

    Raises ValueError for a topology with crossings, heaters without a phase, or more wires than a column has place for.

    """
    check_room(tile.modes, process)
    paths, clock = {name: folder / name for name in ("chip.gds", "pins.csv", "netlist.json")}, Clock()
    with drawing(process):
        core = mesh_layout(tile.topology, process, svd=tile.svd)
        core.name = "core"
        whole = with_fibres(core, process)
        places = heaters(core)
        pads = wired(whole, process, places)
        # gdsfactory takes an instance CELL_X_Y for one without a name: so no cell is called tile
        whole.name = "chip" if len(phases) == 1 else "block"
        chip, moves = _floor(whole, sorted(phases)) if len(phases) > 1 else (whole, {next(iter(phases)): (0.0, 0.0)})
        moved = {place: _moved(places, pads, prefix(place, moves), *by) for place, by in moves.items()}
        label(chip, process, (pad for _, own in moved.values() for pad in own))
        box, own = chip.dbbox(), whole.dbbox()
        pitch = own.width() + STREET, own.height() + STREET
        clock.step("build")
        # klayout knows a format by its ending
        write_atomic(paths["chip.gds"], lambda part: chip.write_gds(part.with_suffix(".gds")).replace(part))
        clock.step("write")
        netlist = optical_netlist(whole, process)
        clock.step("netlist")
    way = routing(netlist, process, tile)
    held = {place: absorbed(own, tile, way) for place, own in phases.items()}
    clock.step("routing")
    # The whole comes first: what is sorted is the rest, and what is in each
    top, *parts = netlist
    body = {name: json.loads(json.dumps(netlist[name], sort_keys=True)) for name in (top, *sorted(parts))}
    write_atomic(paths["netlist.json"], lambda part: part.write_text(json.dumps(body, indent=1)))
    table = _pins([(*moved[p], {prefix(p, moves) + k: v for k, v in held[p].items()}) for p in moved], process)
    write_atomic(paths["pins.csv"], lambda part: part.write_text(table))
    fields = (
        math.ceil(side / most) for side, most in zip((box.width(), box.height()), process.reticle_um, strict=True)
    )
    return Chip(
        gds=paths["chip.gds"],
        pins=paths["pins.csv"],
        netlist=paths["netlist.json"],
        heaters=len(phases) * len(places),
        pads=len(phases) * len(pads),
        area_mm2=1e-6 * box.width() * box.height(),
        watts=1e-3 * process.mw_pi * sum(sum(own.values()) for own in held.values()) / math.pi,
        reticles=math.prod(fields),
        pitch=pitch,
        seconds=clock.seconds,
    )


class Clock:
    """Seconds of steps, one after the other."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.last = perf_counter()

    def step(self, name: str) -> None:
        """End a step."""
        now = perf_counter()
        self.seconds[name], self.last = now - self.last, now


def prefix(place: Place, tiles: Collection[Place]) -> str:
    """How the names of a tile's heaters begin: not at all where it is alone."""
    return f"tile_{place[0]}_{place[1]}_" if len(tiles) > 1 else ""


def _floor(tile: gf.Component, places: list[Place]) -> tuple[gf.Component, dict[Place, tuple[float, float]]]:
    """Place one cell for every tile of a layer, row below row; returns where each one is."""
    chip, box = gf.Component(), tile.dbbox()
    chip.name = "chip"
    moves = {}
    for row, column in places:
        moves[row, column] = column * (box.width() + STREET), -row * (box.height() + STREET)
        chip.add_ref(tile, name=prefix((row, column), places).removesuffix("_")).dmove(moves[row, column])
    return chip, moves


def _moved(places: list[Heater], pads: list[Pad], first: str, x: float, y: float) -> tuple[list[Heater], list[Pad]]:
    """Heaters and pads of a tile where it is, under their full names."""
    own = [replace(h, name=first + h.name, left=h.left + x, right=h.right + x, y=h.y + y) for h in places]
    return own, [Pad(name=first + pad.name, x=pad.x + x, y=pad.y + y) for pad in pads]


def _pins(tiles: list[tuple[list[Heater], list[Pad], Phases]], process: Process) -> str:
    """One row a pad; grounds have no phase. Phases have the 17 digits that a double needs."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(PINS)
    for places, pads, held in tiles:
        at = {heater.name: heater for heater in places}
        for pad in pads:
            row = [pad.name, f"{pad.x:.3f}", f"{pad.y:.3f}"]
            if pad.name in at:
                heater, phase = at[pad.name], held[pad.name]
                mw = process.mw_pi * phase / math.pi
                volt = math.sqrt(1e-3 * mw * process.heater_ohm)
                middle = f"{(heater.left + heater.right) / 2:.3f}", f"{heater.y:.3f}"
                row += [*middle, f"{process.heater_ohm:g}", f"{volt:.6f}", f"{mw:.6f}", repr(phase)]
            writer.writerow(row + [""] * (len(PINS) - len(row)))
    return text.getvalue()


@dataclass(frozen=True, kw_only=True)
class Pin:
    """A row of pins.csv: what a pad is, where, and where its heater is (None for a ground)."""

    name: str
    pad: tuple[float, float]
    heater: tuple[float, float] | None
    phase: float | None


def read_pins(path: Path) -> list[Pin]:
    """Read pins.csv. ValueError names the line that is wrong."""
    if not Path(path).is_file():
        raise FileNotFoundError(f"there is no table of pins {path}")
    with Path(path).open(newline="") as file:
        rows = list(csv.DictReader(file))
    if not rows or tuple(rows[0]) != PINS:
        raise ValueError(
            f"{path} is no table of pins: its columns are {list(rows[0]) if rows else []}, not {list(PINS)}"
        )
    result = []
    for number, row in enumerate(rows, 2):
        try:
            ground = not row["phase"]
            heater = None if ground else (float(row["heater_x"]), float(row["heater_y"]))
            phase = None if ground else float(row["phase"])
            pad = float(row["pad_x"]), float(row["pad_y"])
        except (TypeError, ValueError) as error:
            raise ValueError(f"{path}, line {number}: {error}") from error
        result.append(Pin(name=row["heater"], pad=pad, heater=heater, phase=phase))
    return result


def read_netlist(path: Path) -> Netlist:
    """Read netlist.json."""
    return json.loads(Path(path).read_text())
