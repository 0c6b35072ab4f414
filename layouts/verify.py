"""What a mask is, from its files alone: the matrix of its circuit, its rules, and whose pad every heater has."""

import math
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import klayout.db as kdb
import numpy as np
from jaxtyping import Complex, Float
from scipy.spatial import KDTree

from layouts.errors import Errors
from layouts.export import Pin, Place, drawing, read_pins
from layouts.netlist import Light, optical_netlist, read_gds
from layouts.pads import GROUND
from layouts.process import Layer, Process

TILE = re.compile(r"tile_(\d+)_(\d+)_")
NEAR = 1.0  # um; a heater that lies farther from where the pins say is another one


def closed_loop(
    gds: Path,
    pins: Path,
    process: Process,
    *,
    wl: Float[np.ndarray, " n"] | float | None = None,
    errors: Mapping[Place, Errors] | None = None,
) -> dict[Place, Complex[np.ndarray, "*n out in"]]:
    """Matrix of every tile, by row and column, that a chip's own netlist makes at the phases of its pins.

    Args:
        gds: the mask, which alone says what is joined to what.
        pins: whose phases are taken.
        process: whose models the cells are.
        wl: wavelength, or several [um]; default the design's.
        errors: that every tile is known to have: `known_errors`.

    Raises FileNotFoundError or ValueError for files that are missing, broken, or do not belong together.

    """
    phases = by_tile({pin.name: pin.phase for pin in read_pins(pins) if pin.phase is not None})
    with drawing(process):
        netlist = optical_netlist(read_gds(gds, process), process)
    top = next(iter(netlist.values()))
    tiles = dict.fromkeys(phases, "") if len(phases) == 1 else {}
    for name, instance in top["instances"].items():
        if (place := TILE.fullmatch(f"{name}_")) is not None:
            tiles[int(place[1]), int(place[2])] = instance["component"]
    if set(tiles) != set(phases):
        raise ValueError(f"the mask has tiles {sorted(tiles)}, the pins have {sorted(phases)}")
    lights = {
        cell: Light({cell: netlist[cell], **netlist} if cell else netlist, process) for cell in set(tiles.values())
    }
    own = errors or {}
    return {place: lights[cell].matrix(phases[place], wl, own.get(place)) for place, cell in tiles.items()}


def by_tile(phases: dict[str, float]) -> dict[Place, dict[str, float]]:
    """Phases by the row and column of their tile, (0, 0) where there is but one."""
    result: dict[Place, dict[str, float]] = {}
    for name, phase in phases.items():
        found = TILE.match(name)
        place = (int(found[1]), int(found[2])) if found else (0, 0)
        result.setdefault(place, {})[name[found.end() :] if found else name] = phase
    return result


def drc(gds: Path, pins: Path, process: Process) -> dict[str, int]:
    """Count flags of each rule; rules are ours, not a foundry's deck. ValueError for a file that is no GDS.

    `nets`: polygons of metal beyond one a pad; `current`: places where a net is too thin for all that the heaters on it
    can take; `guides`: waveguides beyond one a mode, one a loop, and the second arm of every attenuator, so those that
    touch or are cut.
    """
    layout = _read(gds)
    top = layout.top_cell()
    unit = round(1 / layout.dbu)
    store = kdb.DeepShapeStore()

    def region(layer: Layer) -> kdb.Region:
        return kdb.Region(top.begin_shapes_rec(layout.layer(*layer)), store)

    guide, metal, heater = region(process.guide), region(process.metal), region(process.stack["heater"])
    space, width = int(process.space_um * unit), int(process.wire_um * unit)
    table = read_pins(pins)
    names = [pin.name for pin in table]
    tiles = len(by_tile(dict.fromkeys(names, 0.0)))
    ways = tiles + sum("u_alpha_" in name for name in names) + sum("att_" in name for name in names)
    return {
        "guide_width": guide.width_check(int(process.guide_um * unit), False, kdb.Region.Projection, 80.0).count(),
        "guide_space": guide.space_check(int(process.gap_um * unit)).count(),
        "metal_width": metal.width_check(width).count(),
        "metal_space": metal.space_check(space).count(),
        "heater_space": heater.space_check(int(process.heater_space_um * unit)).count(),
        "current": _thin(metal, resistors(layout, process), table, process, unit),
        "pad_enclosure": region(process.pad_open).enclosed_check(metal, unit).count(),
        "nets": abs(metal.merged().count() - len(names)),
        "guides": abs(guide.merged().count() - ways),
        "grid": guide.grid_check(1, 1).count() + metal.grid_check(1, 1).count(),
    }


def _thin(metal: kdb.Region, found: list["Resistor"], table: list[Pin], process: Process, unit: int) -> int:
    """Count the places where a net is thinner than the current of the heaters on it asks for."""
    heaters = Counter(net for resistor in found for net in resistor.nets)
    pads: dict[int, kdb.Region] = {}
    for pin in table:
        x, y = (round(unit * part) for part in pin.pad)
        pads.setdefault(heaters[pin.name], kdb.Region()).insert(kdb.Box(x - 1, y - 1, x + 1, y + 1))
    nets, flags = metal.merged(), 0
    for count, places in pads.items():
        least = math.ceil(unit * count * process.most_amperes / process.amperes_um)
        flags += nets.interacting(places).width_check(least, False, kdb.Region.Projection).count()
    return flags


@dataclass(frozen=True, kw_only=True)
class Resistor:
    """A heater as the mask's metal has it: where it is, and the labels of the nets at its two ends."""

    place: tuple[float, float]
    nets: frozenset[str]


def lvs(gds: Path, pins: Path, process: Process) -> list[str]:
    """Return what is wrong: every heater must go to its own named pad and to a ground, and be where the pins say it."""
    layout, table = _read(gds), read_pins(pins)
    if not _labels(layout, process):
        raise ValueError(f"{gds} has no labels of pads in layer {process.text}: it does not say whose they are")
    errors = [f"pad {pin.name} is not labelled at {pin.pad}" for pin in _unlabelled(layout, process, table)]
    found = resistors(layout, process)
    wanted = {pin.name: pin for pin in table if pin.heater is not None}
    if len(found) != len(wanted):
        errors.append(f"{len(found)} heaters on the mask, {len(wanted)} in the pins")
    if not found:
        return errors
    near = KDTree([resistor.place for resistor in found])
    apart, nearest = (np.atleast_1d(part) for part in near.query([pin.heater for pin in wanted.values()]))
    for (name, pin), distance, index in zip(wanted.items(), apart, nearest, strict=True):
        if distance > NEAR:
            errors.append(f"no heater at {pin.heater}, where the pins say {name}")
            continue
        nets = found[index].nets
        grounds = {net for net in nets if GROUND in net}
        if nets - grounds != {name} or len(grounds) != 1:
            errors.append(f"the heater {name} is joined to {sorted(nets)}, not to its pad and a ground")
    return errors


def resistors(layout: kdb.Layout, process: Process) -> list[Resistor]:
    """Every heater with the nets of its ends, by following metal and vias."""
    extract = kdb.LayoutToNetlist(kdb.RecursiveShapeIterator(layout, layout.top_cell(), []))
    layers = [extract.make_layer(layout.layer(*layer), name) for name, layer in process.stack.items()]
    names = list(process.stack)
    heat = layers[names.index("heater")]
    contact = layers[names.index("contact")]
    strip, ends = heat - contact, heat & contact
    extract.extract_devices(kdb.DeviceExtractorResistor("heater", process.sheet_ohm), {"R": strip, "C": ends})
    labels = extract.make_text_layer(layout.layer(*process.text), "labels")
    chain = [ends, *(layer for name, layer in zip(names, layers, strict=True) if name != "heater")]
    for layer in chain:
        extract.connect(layer)
    for below, above in pairwise(chain):
        extract.connect(below, above)
    extract.connect(layers[names.index("metal")], labels)
    extract.extract_netlist()
    netlist = extract.netlist()
    netlist.flatten()
    circuit = netlist.circuit_by_name(layout.top_cell().name)
    result = []
    for device in circuit.each_device():
        nets = (device.net_for_terminal(i) for i in range(2))
        place = device.trans.disp
        result.append(Resistor(place=(place.x, place.y), nets=frozenset(net.name if net else "" for net in nets)))
    return result


def _unlabelled(layout: kdb.Layout, process: Process, pins: list[Pin]) -> list[Pin]:
    found = {(name, round(x, 2), round(y, 2)) for name, x, y in _labels(layout, process)}
    return [pin for pin in pins if (pin.name, round(pin.pad[0], 2), round(pin.pad[1], 2)) not in found]


def _labels(layout: kdb.Layout, process: Process) -> list[tuple[str, float, float]]:
    top, unit = layout.top_cell(), layout.dbu
    shapes = top.shapes(layout.layer(*process.text)).each(kdb.Shapes.STexts)
    return [(s.text_string, unit * s.text_trans.disp.x, unit * s.text_trans.disp.y) for s in shapes]


def _read(path: Path) -> kdb.Layout:
    if not Path(path).is_file():
        raise FileNotFoundError(f"there is no GDS file {path}")
    layout = kdb.Layout()
    try:
        layout.read(str(path))
    except RuntimeError as error:
        raise ValueError(f"{path} is no whole GDS file: {error}") from error
    return layout
