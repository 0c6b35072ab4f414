"""A trained tile, or a Haar unitary, as a chip: mask, pins, circuit, pictures; and what the mask computes, checked.

Expected: the mask's own netlist makes the trained matrix to 1e-9, no flag of a rule, every heater on its pad. Seconds.
"""

import json
import math
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Literal

import numpy as np
from jaxtyping import Complex
from rich.progress import track
from scipy.stats import unitary_group

from experiments.common.build import build
from experiments.common.folder import new_folder, write_json
from experiments.common.pictures import save
from experiments.common.rundir import RunDirectory
from experiments.common.shell import run
from experiments.common.table import Bar, show, verdict
from layouts import GPDK, closed_loop, drc, export, lvs, read_pins
from layouts.picture import around, draw
from photonic_ep import MeshWeight, clements, decompose, reck
from photonic_ep.mesh.program import tile_phases
from photonic_ep.mesh.tile import Tile

TOPOLOGIES = {"clements": clements, "reck": reck}
BARS = {"max_error": Bar(most=1e-9), "drc_flags": Bar(most=0), "lvs_errors": Bar(most=0)}
Target = tuple[Tile, dict[str, float], Complex[np.ndarray, "k k"]]


@dataclass(frozen=True, kw_only=True)
class LayoutOptions:
    """Draw a chip and check it from its files alone. Give --run, --modes or --check-file."""

    run: Path | None = None
    """A finished photonic run: one tile of its trained weights, as exact parts make them."""
    layer: int = -1
    """Which operator of the run, from 0; -1 is the last."""
    tile: tuple[int, int] = (0, 0)
    """Row and column of the tile."""
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
    tile, phases, target = of_run(options) if options.run is not None else haar(options)
    folder = new_folder(options.out, "layout")
    config = {k: str(v) if isinstance(v, Path) else v for k, v in vars(options).items() if k not in ("out", "check")}
    write_json(folder / "config.json", config)
    write_json(folder / "target.json", {"real": np.real(target).tolist(), "imaginary": np.imag(target).tolist()})
    start = perf_counter()
    chip = export(tile, phases, folder, GPDK)
    summary = {"export_seconds": perf_counter() - start} | checked(folder, chip.gds)
    summary |= {"heaters": chip.heaters, "pads": chip.pads, "area_mm2": chip.area_mm2, "watts": chip.watts}
    first = next(pin for pin in read_pins(chip.pins) if pin.name.endswith("_mzi_0_0.phi"))
    for name, window in (("chip", None), ("mzi", around(first.heater, GPDK))):
        save(draw(chip.gds, GPDK, window), folder / f"{name}.png")
    write_json(folder / "summary.json", summary)
    return verdict(show(summary, BARS, f"{chip.gds}"), check=options.check)


def checked(folder: Path, gds: Path) -> dict[str, float]:
    """All that the files say: the matrix against the target, rules, pads."""
    for path in (gds, folder / "pins.csv", folder / "target.json"):
        if not path.is_file():
            raise FileNotFoundError(f"there is no {path}: a chip is checked by its mask, its pins and its target")
    wanted = json.loads((folder / "target.json").read_text())
    target = np.array(wanted["real"]) + 1j * np.array(wanted["imaginary"])
    pins, result = folder / "pins.csv", {}
    for name in track(("closed_loop", "drc", "lvs"), "checks"):
        start = perf_counter()
        if name == "closed_loop":
            result["max_error"] = float(np.abs(closed_loop(gds, pins, GPDK) - target).max())
        elif name == "drc":
            result["drc_flags"] = float(sum(drc(gds, GPDK).values()))
        else:
            found = lvs(gds, pins, GPDK)
            result["lvs_errors"] = float(len(found))
            print(*found[:10], sep="\n", end="\n" if found else "")
        result[f"{name}_seconds"] = perf_counter() - start
    return result


def haar(options: LayoutOptions) -> Target:
    """A unitary, on a mesh U alone."""
    if options.modes is None or options.modes < 2:
        raise ValueError(f"--modes must be at least 2, not {options.modes}")
    topology = TOPOLOGIES[options.topology](options.modes)
    target = unitary_group.rvs(options.modes, random_state=options.seed)
    phases, tile = decompose(target[None], topology), Tile(topology, ("u",))
    parts = {f"u_{kind}": part for kind, part in vars(phases).items()}
    return tile, by_name(tile, parts), target


def of_run(options: LayoutOptions) -> Target:
    """One tile of a run's trained weights W / g, decomposed anew: U diag(a) V."""
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
    row, column = options.tile
    if not (0 <= row < weight.rows and 0 <= column < weight.cols):
        raise ValueError(f"--tile must lie within {weight.rows} x {weight.cols} tiles, not {options.tile}")
    k = weight.tile.modes
    target = np.zeros((k, k))
    block = weight.matrix()[row * k : (row + 1) * k, column * k : (column + 1) * k].double() / weight.gain
    target[: block.shape[0], : block.shape[1]] = block.numpy()
    tile = Tile(weight.topology, ("v", "u"))
    return tile, by_name(tile, tile_phases(target[None], weight.topology)), target.astype(complex)


def by_name(tile: Tile, parts: dict[str, np.ndarray]) -> dict[str, float]:
    """Phases by the names of their heaters."""
    return {
        name: math.fmod(float(value), 2 * math.pi)
        for kind, names in tile.heater_names.items()
        for name, value in zip(names, parts[kind][:, 0], strict=True)
    }


if __name__ == "__main__":
    raise SystemExit(run(main, LayoutOptions))
