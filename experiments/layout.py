"""A trained tile, or a Haar unitary, as a chip: mask, pins, circuit, pictures; and what the mask computes, checked.

Expected: the mask's own netlist makes the trained matrix to 1e-9, no flag of a rule, every heater on its pad. Seconds.
"""

import json
from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path
from time import perf_counter
from typing import Any, Literal

import numpy as np
from jaxtyping import Complex
from rich.progress import track
from scipy.stats import unitary_group

from ep_core.checkpoint import write_atomic
from experiments.common.build import build
from experiments.common.folder import new_folder, write_config, write_json
from experiments.common.pictures import save, sweep_picture
from experiments.common.rundir import RunDirectory
from experiments.common.shell import run
from experiments.common.table import Bar, show, verdict
from layouts import GPDK, Chip, closed_loop, drc, export, known_errors, lvs, read_pins
from layouts.errors import Errors
from layouts.export import Place, read_netlist
from layouts.netlist import Light
from layouts.pads import check_room
from layouts.phases import Phases
from layouts.picture import around, draw
from layouts.verify import by_tile
from photonic_ep import MeshWeight, clements, decompose, reck
from photonic_ep.mesh.program import tile_phases
from photonic_ep.mesh.tile import Tile

TOPOLOGIES = {"clements": clements, "reck": reck}
BARS = {"max_error": Bar(most=1e-9), "drc_flags": Bar(most=0), "lvs_errors": Bar(most=0)}
Matrix = Complex[np.ndarray, "k k"]
Wanted = tuple[Tile, dict[Place, Matrix], dict[Place, Phases], dict[Place, Errors]]
PICTURED = 8
SWEEP = np.linspace(-10, 10, 41)  # nm


@dataclass(frozen=True, kw_only=True)
class LayoutOptions:
    """Draw a chip and check it from its files alone. Give --run, --modes or --check-file."""

    run: Path | None = None
    """A finished photonic run: a layer of its trained weights, as exact parts make them."""
    layer: int = -1
    """Which operator of the run, from 0; -1 is the last."""
    tile: tuple[int, int] | None = None
    """Row and column of one tile (default: all of the layer, as one floor plan)."""
    known_errors: bool = False
    """Keep the phases that were trained, and give the parts the errors of the chip that they were trained on (default:
    what was trained, made anew by exact parts)."""
    modes: int | None = None
    """Instead of a run: a Haar-random unitary of so many modes."""
    topology: Literal["clements", "reck"] = "clements"
    """Of the mesh of --modes."""
    seed: int = 0
    """Of that unitary."""
    check_file: Path | None = None
    """Check this chip.gds again, with the pins.csv and the target.json beside it."""
    out: Path | None = None
    """Folder for the chip (default: a new one under runs/)."""
    check: bool = False
    """Exit with 1 if a bar is missed."""


def main(options: LayoutOptions) -> int:
    """Draw, check, tabulate."""
    given = [options.run is not None, options.modes is not None, options.check_file is not None]
    if sum(given) != 1:
        raise ValueError("give one of --run, --modes and --check-file")
    if options.check_file is not None:
        summary = checked(options.check_file.parent, options.check_file)
        return verdict(show(summary, BARS, str(options.check_file)), check=options.check)
    if options.known_errors and options.run is None:
        raise ValueError("--known-errors are those of a run: it needs --run")
    tile, targets, phases, errors = of_run(options) if options.run is not None else haar(options)
    check_room(tile.modes, GPDK)
    folder = new_folder(options.out, "layout")
    config = {k: str(v) if isinstance(v, Path) else v for k, v in vars(options).items() if k not in ("out", "check")}
    write_config(folder, options, config)
    plain = {f"{r},{c}": [np.real(t).tolist(), np.imag(t).tolist()] for (r, c), t in targets.items()}
    write_json(folder / "target.json", plain)
    write_json(folder / "errors.json", {f"{r},{c}": own for (r, c), own in errors.items()})
    chip = export(tile, phases, folder, GPDK)
    summary = checked(folder, chip.gds) | {f"{name}_seconds": value for name, value in chip.seconds.items()}
    numbers = ("heaters", "pads", "area_mm2", "watts", "reticles")
    summary |= {"tiles": float(len(targets))} | {name: getattr(chip, name) for name in numbers}
    pictures(folder, chip, targets)
    write_json(folder / "summary.json", summary)
    if chip.reticles > 1:
        print(
            f"the layer exceeds one reticle of {[1e-3 * side for side in GPDK.reticle_um]} mm: it needs {chip.reticles}"
        )
    return verdict(show(summary, BARS, f"{chip.gds}"), check=options.check)


def checked(folder: Path, gds: Path) -> dict[str, float]:
    """All that the files say: the matrices against their targets, rules, pads."""
    for path in (gds, *(folder / name for name in ("pins.csv", "target.json", "errors.json"))):
        if not path.is_file():
            raise FileNotFoundError(f"there is no {path}: a chip is checked by its mask, pins, errors and target")
    pins, result = folder / "pins.csv", dict[str, float]()
    targets = {place: np.array(re) + 1j * np.array(im) for place, (re, im) in by_place(folder / "target.json").items()}
    for name in track(("closed_loop", "drc", "lvs"), "checks"):
        start = perf_counter()
        if name == "closed_loop":
            found = closed_loop(gds, pins, GPDK, errors=by_place(folder / "errors.json"))
            if set(found) != set(targets):
                raise ValueError(f"the chip has tiles {sorted(found)}, {folder / 'target.json'} has {sorted(targets)}")
            result["max_error"] = max(float(np.abs(found[place] - targets[place]).max()) for place in targets)
        elif name == "drc":
            result["drc_flags"] = float(sum(drc(gds, pins, GPDK).values()))
        else:
            wrong = lvs(gds, pins, GPDK)
            result["lvs_errors"] = float(len(wrong))
            print(*wrong[:10], sep="\n", end="\n" if wrong else "")
        result[f"{name}_seconds"] = perf_counter() - start
    return result


def by_place(path: Path) -> dict[Place, Any]:
    """What a file holds of each tile."""
    stored = json.loads(path.read_text())
    return {(int(key.split(",")[0]), int(key.split(",")[1])): value for key, value in stored.items()}


def pictures(folder: Path, chip: Chip, targets: dict[Place, Matrix]) -> None:
    """The whole chip and one MZI, as pixels and as curves; what a wavelength beside the design's costs."""
    pins = read_pins(chip.pins)
    first = next(pin for pin in pins if pin.name.endswith("_mzi_0_0.phi"))
    # Of a large layer 8 x 8 tiles
    side = PICTURED * chip.pitch[0], PICTURED * chip.pitch[1]
    left, top = first.heater[0] - chip.pitch[0] / 8, first.heater[1] + chip.pitch[1]
    part = (left, top - side[1], left + side[0], top) if len(targets) > PICTURED**2 else None
    for name, window in (("chip", part), ("mzi", around(first.heater, GPDK))):
        figure = draw(chip.gds, GPDK, window)
        save(figure, folder / f"{name}.png")
        write_atomic(folder / f"{name}.svg", partial(figure.savefig, format="svg", metadata={"Date": None}))
    place = min(targets)
    phases = by_tile({pin.name: pin.phase for pin in pins if pin.phase is not None})[place]
    errors = by_place(folder / "errors.json").get(place)
    made = Light(read_netlist(chip.netlist), GPDK).matrix(phases, 1e-3 * (1550 + SWEEP), errors)
    size = np.linalg.norm(targets[place])
    plain = np.linalg.norm(made - targets[place], axis=(1, 2)) / size
    # The common phase is the receivers' to follow
    turn = np.exp(-1j * np.angle((targets[place].conj() * made).sum((1, 2))))
    save(
        sweep_picture(SWEEP, plain, np.linalg.norm(turn[:, None, None] * made - targets[place], axis=(1, 2)) / size),
        folder / "sweep.png",
    )


def haar(options: LayoutOptions) -> Wanted:
    """A unitary, on a mesh U alone."""
    if options.modes is None or options.modes < 2:
        raise ValueError(f"--modes must be at least 2, not {options.modes}")
    topology = TOPOLOGIES[options.topology](options.modes)
    target = unitary_group.rvs(options.modes, random_state=options.seed)
    phases, tile = decompose(target[None], topology), Tile(topology, ("u",))
    parts = {f"u_{kind}": part for kind, part in vars(phases).items()}
    return tile, {(0, 0): target}, {(0, 0): by_name(tile, parts, 0)}, {}


def of_run(options: LayoutOptions) -> Wanted:
    """Tiles of a run's trained weights W / g, decomposed anew, or as they were trained, with that chip's errors."""
    folder, stored = RunDirectory.open(options.run)
    job = build(stored)
    if not folder.load(job):
        raise ValueError(f"{options.run} has not finished an epoch: there is nothing to lay out")
    count = len(job.network.operators)
    if not -count <= options.layer < count:
        raise ValueError(f"--layer must lie between 0 and {count - 1}, not {options.layer}")
    weight = job.network.operators[options.layer]
    if not isinstance(weight, MeshWeight):
        raise ValueError(f"{options.run} has no meshes: it trained on --backend {stored.backend}")
    places = [options.tile] if options.tile is not None else list(product(range(weight.rows), range(weight.cols)))
    k, tile = weight.tile.modes, Tile(weight.topology, ("v", "u"))
    if not (0 <= places[0][0] < weight.rows and 0 <= places[0][1] < weight.cols):
        raise ValueError(f"--tile must lie within {weight.rows} x {weight.cols} tiles, not {options.tile}")
    names = places if len(places) > 1 else [(0, 0)]
    if options.known_errors:
        numbers = [row * weight.cols + column for row, column in places]
        held = {name: p.detach().double().numpy() for name, p in weight.named_parameters()}
        phases = {place: by_name(weight.tile, held, n) for place, n in zip(names, numbers, strict=True)}
        made = weight.double().transfer().detach().numpy()
        seen = zip(names, weight.settings_of(numbers), strict=True)
        errors = {place: known_errors(own, phases[place]) for place, own in seen}
        return weight.tile, {p: made[n] for p, n in zip(names, numbers, strict=True)}, phases, errors
    whole = np.zeros((weight.rows * k, weight.cols * k))
    whole[: weight.out_features, : weight.in_features] = weight.matrix().double().numpy() / weight.gain
    targets = np.stack([whole[r * k : (r + 1) * k, c * k : (c + 1) * k] for r, c in places])
    parts = tile_phases(targets, weight.topology)
    phases = {place: by_name(tile, parts, n) for n, place in enumerate(names)}
    return tile, {place: t.astype(complex) for place, t in zip(names, targets, strict=True)}, phases, {}


def by_name(tile: Tile, parts: dict[str, np.ndarray], index: int) -> Phases:
    """Phases of one of several tiles by the names of their heaters."""
    return {
        name: float(value)
        for kind, names in tile.heater_names.items()
        for name, value in zip(names, parts[kind][:, index], strict=True)
    }


if __name__ == "__main__":
    raise SystemExit(run(main, LayoutOptions))
