"""A chip from a tile and its phases: the mask, the pins with their phases, and the circuit that the mask is."""

import csv
import io
import json
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import gdsfactory as gf
import kfactory as kf

from ep_core.checkpoint import write_atomic
from layouts.fibres import with_fibres
from layouts.mesh import mesh_layout
from layouts.netlist import Netlist, optical_netlist
from layouts.pads import Heater, Pad, heaters, wired
from layouts.phases import Phases, absorbed, routing
from layouts.process import Process
from photonic_ep.mesh.tile import Tile

PINS = ("heater", "pad_x", "pad_y", "heater_x", "heater_y", "ohm", "volt", "mw", "phase")


@dataclass(frozen=True, kw_only=True)
class Chip:
    """A chip that was exported.

    Attributes:
        gds, pins, netlist: its files. heaters, pads: how many. area_mm2: of its bounding box.
        watts: that its heaters take at their phases.

    """

    gds: Path
    pins: Path
    netlist: Path
    heaters: int
    pads: int
    area_mm2: float
    watts: float


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


def export(tile: Tile, phases: Phases, folder: Path, process: Process) -> Chip:
    """Write chip.gds, pins.csv and netlist.json into a folder: a chip that makes what `phases` make of exact parts.

    Args:
        tile: U diag(a) V, or U alone.
        phases: of every heater by its name [rad].
        folder: that exists.
        process: to draw with.

    Raises ValueError for a topology with crossings, heaters without a phase, or more wires than a column has place for.

    """
    paths = {name: folder / name for name in ("chip.gds", "pins.csv", "netlist.json")}
    with drawing(process):
        core = mesh_layout(tile.topology, process, svd=tile.svd)
        core.name = "core"
        chip = with_fibres(core, process)
        chip.name = "chip"
        places = heaters(core)
        pads = wired(chip, process, places)
        box = chip.dbbox()
        # klayout knows a format by its ending
        write_atomic(paths["chip.gds"], lambda part: chip.write_gds(part.with_suffix(".gds")).replace(part))
        netlist = optical_netlist(chip, process)
    held = absorbed(phases, tile, routing(netlist, process, tile))
    # The whole comes first: what is sorted is the rest, and what is in each
    top, *parts = netlist
    body = {name: json.loads(json.dumps(netlist[name], sort_keys=True)) for name in (top, *sorted(parts))}
    text = json.dumps(body, indent=1)
    write_atomic(paths["netlist.json"], lambda part: part.write_text(text))
    table = _pins(places, pads, held, process)
    write_atomic(paths["pins.csv"], lambda part: part.write_text(table))
    return Chip(
        gds=paths["chip.gds"],
        pins=paths["pins.csv"],
        netlist=paths["netlist.json"],
        heaters=len(places),
        pads=len(pads),
        area_mm2=1e-6 * box.width() * box.height(),
        watts=1e-3 * process.mw_pi * sum(held.values()) / math.pi,
    )


def _pins(places: list[Heater], pads: list[Pad], held: Phases, process: Process) -> str:
    """One row a pad; grounds have no phase. Phases have the 17 digits that a double needs."""
    at, text = {heater.name: heater for heater in places}, io.StringIO()
    writer = csv.writer(text)
    writer.writerow(PINS)
    for pad in pads:
        row = [pad.name, f"{pad.x:.3f}", f"{pad.y:.3f}"]
        if pad.name in at:
            heater, phase = at[pad.name], held[pad.name]
            mw = process.mw_pi * phase / math.pi
            volt = math.sqrt(1e-3 * mw * process.heater_ohm)
            middle = (heater.left + heater.right) / 2
            row += [
                f"{middle:.3f}",
                f"{heater.y:.3f}",
                f"{process.heater_ohm:g}",
                f"{volt:.6f}",
                f"{mw:.6f}",
                repr(phase),
            ]
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
