"""Circuits of docs/netlists here and in sax: how far apart, and a picture of both.

Expected: every difference at most 1e-10; seconds.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from experiments.common.circuits import library, read_netlist
from experiments.common.folder import new_folder, write_config, write_json
from experiments.common.pictures import save
from experiments.common.pictures_circuits import beside_sax
from experiments.common.shell import run
from experiments.common.table import Bar, show, verdict
from photonic_ep import circuit
from photonic_ep.crosscheck import sax


@dataclass(frozen=True, kw_only=True)
class SaxOptions:
    """Simulate netlists with both engines."""

    netlists: Path = Path("docs/netlists")
    """Folder of netlists in YAML; light enters the first port of each."""
    wl: tuple[float, float] = (1.5, 1.6)
    """First and last wavelength [um]."""
    points: int = 1001
    """Number of wavelengths."""
    out: Path | None = None
    """Folder for the picture and summary.json (default: a new one under runs/)."""
    check: bool = False
    """Exit with 1 if a bar is missed."""


def main(options: SaxOptions) -> int:
    """Simulate all, compare, draw."""
    files = sorted(options.netlists.glob("*.yml"))
    if not files:
        raise ValueError(f"{options.netlists} holds no .yml files")
    wl = np.linspace(*options.wl, options.points)
    summary, curves = {}, {}
    for file in files:
        netlist = read_netlist(file, extract=False)
        models = library((), defined=netlist)
        ours, ports = circuit(netlist, models)[0].dense(wl=torch.from_numpy(wl))
        theirs, _ = sax.solve(netlist, models, wl=wl)
        summary[f"{file.stem}_difference"] = float(np.abs(theirs - ours.numpy()).max())
        curves[file.stem] = {
            port: (np.abs(ours.numpy()[:, n, 0]) ** 2, np.abs(theirs[:, n, 0]) ** 2) for n, port in enumerate(ports)
        }
    folder = new_folder(options.out, "sax-circuits")
    write_config(folder, options, {"netlists": [file.name for file in files], "points": options.points})
    write_json(folder / "summary.json", summary)
    save(beside_sax(wl, curves), folder / "circuits.png")
    bars = {name: Bar(most=1e-10) for name in summary}
    return verdict(show(summary, bars, f"ours and sax -> {folder}"), check=options.check)


if __name__ == "__main__":
    raise SystemExit(run(main, SaxOptions))
