"""A finished run for other programs: weights for NumPy or safetensors, meshes for sax, crossbars for ngspice.

Expected: what the files say is what the run computes: exactly (weights), to 1e-12 (sax), 1e-9 (ngspice); seconds.
"""

import math
from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path
from typing import Literal

from rich.progress import track

from electronic_ep import CrossbarWeight, spice
from experiments.common.build import build
from experiments.common.converted import Tile, counts, of_layer, to_sax, to_spice, to_weights
from experiments.common.folder import new_folder, write_config, write_json
from experiments.common.rundir import RunDirectory
from experiments.common.table import Bar, show, verdict
from photonic_ep import MeshWeight

BARS = {"npz": 0.0, "safetensors": 0.0, "sax": 1e-12, "spice": 1e-9}


@dataclass(frozen=True, kw_only=True)
class ConvertOptions:
    """Write what a run has learned as files that other programs read. A mask: experiments/layout.py --run."""

    run: Path
    """A run's folder, with an epoch at least."""
    to: Literal["npz", "safetensors", "sax", "spice"]
    """npz, safetensors: all effective matrices and biases; sax: a netlist a tile; spice: a deck a tile and sign."""
    layer: int = -1
    """Of sax and spice: which operator of the run, from 0; -1 is the last."""
    tile: Tile | None = None
    """Of sax and spice: row and column of one tile (default: all of the layer)."""
    volts: float = 0.1
    """Of spice: at every word line [V]."""
    out: Path | None = None
    """Folder for the files (default: a new one under runs/)."""
    check: bool = False
    """Exit with 1 if a bar is missed."""


def main(options: ConvertOptions) -> int:
    """Load the run, write, read again and compare."""
    if not 0 < options.volts < math.inf:
        raise ValueError(f"--volts must be positive and finite, not {options.volts}")
    stored, given = RunDirectory.open(options.run)
    job = build(given)
    if not stored.load(job):
        raise ValueError(f"{options.run} has not finished an epoch: there is nothing to convert")
    operators = job.network.operators
    if options.to == "sax":
        mesh = of_layer(operators, options.layer, MeshWeight, options.tile)
        made, tiles = partial(to_sax, mesh), counts(mesh)
    elif options.to == "spice":
        crossbar = of_layer(operators, options.layer, CrossbarWeight, options.tile)
        made, tiles = partial(to_spice, crossbar, volts=options.volts), counts(crossbar)
    else:
        made, tiles = partial(to_weights, job.network, suffix=options.to), (1, 1)
    chosen = [options.tile] if options.tile is not None else list(product(*map(range, tiles)))
    folder = new_folder(options.out, f"convert-{options.to}")
    write_config(folder, options, {n: str(v) for n, v in vars(options).items() if n not in ("out", "check")})
    off = [error for tile in track(chosen, "files") for error in made(tile=tile, folder=folder)]
    summary = {"max_error": max(off)} if off else {}
    write_json(folder / "summary.json", summary)
    bars = {name: Bar(most=BARS[options.to]) for name in summary}
    if not off:
        print(f"not compared: {spice.MISSING}")
    return verdict(show(summary, bars, f"{options.run} -> {folder}"), check=options.check)
