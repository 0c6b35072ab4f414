"""Simulate a netlist: transmission over wavelength, from gdsfactory's .pic.yml, sax's netlists or one saved here.

Expected: with --engine sax the difference between both solvers is at most 1e-10; seconds.
"""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import torch
import tyro

from experiments.common.circuits import library, read_netlist, save_netlist, settings_of
from experiments.common.folder import new_folder, write_config, write_json, write_text
from experiments.common.pictures import save
from experiments.common.pictures_circuits import spectrum
from experiments.common.shell import run
from experiments.common.table import Bar, show, verdict
from photonic_ep import circuit

BARS = {"difference": Bar(most=1e-10)}


@dataclass(frozen=True, kw_only=True)
class CircuitOptions:
    """Simulate a netlist file and plot its transmission."""

    netlist: Annotated[Path, tyro.conf.Positional]
    """A .pic.yml of gdsfactory, or a netlist of sax in YAML or JSON."""
    wl: tuple[float, float] = (1.5, 1.6)
    """First and last wavelength [um]."""
    points: int = 1001
    """Number of wavelengths."""
    into: str | None = None
    """Port that light enters (default: the first)."""
    set: Annotated[tuple[str, ...], tyro.conf.arg(metavar="INSTANCE.SETTING=NUMBER ..")] = ()
    """Settings to change."""
    table: Annotated[tuple[str, ...], tyro.conf.arg(metavar="COMPONENT=FILE ..")] = ()
    """Measured parts: Touchstone (.sNp) or Lumerical (.sparam, .dat) files."""
    extract: bool = False
    """Build the layout with gdsfactory first and simulate its netlist: routes get their lengths."""
    engine: Literal["tape", "torch", "sax"] = "tape"
    """tape: our compiled solver; torch: its plain referee; sax: sax, compared with ours."""
    out: Path | None = None
    """Folder for the pictures and tables (default: a new one under runs/)."""
    check: bool = False
    """Exit with 1 if a bar is missed."""


def main(options: CircuitOptions) -> int:
    """Simulate, plot, save."""
    low, high = options.wl
    if not (0 < low < high) or options.points < 2:
        raise ValueError(
            f"--wl must rise from a positive number and --points be 2 or more: {low}, {high}, {options.points}"
        )
    netlist = read_netlist(options.netlist, extract=options.extract)
    models = library(options.table, defined=netlist)
    settings = settings_of(options.set)
    if "wl" in settings:
        raise ValueError("the wavelengths are those of --wl; --set INSTANCE.wl sets that of one part")
    whole, info = circuit(netlist, models)
    into = options.into or whole.ports[0]
    if into not in whole.ports:
        raise ValueError(f"--into {into}: the circuit has the ports {list(whole.ports)}")
    wl = torch.linspace(low, high, options.points, dtype=torch.float64)
    start = time.perf_counter()
    carrier = {"wl": wl} if "wl" in whole.setting_names else {}
    s = whole.dense(engine="torch" if options.engine == "torch" else "tape", **carrier, **settings)[0]
    s = s.expand(len(wl), *s.shape[-2:]).numpy()
    summary = {"instances": len(info.instances), "ports": len(info.ports), "seconds": time.perf_counter() - start}
    if options.engine == "sax":
        from photonic_ep.crosscheck import sax  # an extra, and seconds

        theirs, _ = sax.solve(netlist, models, wl=wl.numpy(), **settings)
        summary["difference"] = float(np.abs(theirs - s).max())
        s = theirs
    folder = new_folder(options.out, f"circuit-{options.netlist.name.split('.')[0]}")
    power = np.abs(s[:, :, whole.ports.index(into)]) ** 2
    decibel = {port: 10 * np.log10(np.maximum(power[:, n], 1e-12)) for n, port in enumerate(whole.ports)}
    summary |= {f"{port}_max_db": float(values.max()) for port, values in decibel.items()}
    write_config(folder, options, {"netlist": str(options.netlist), "into": into, "engine": options.engine})
    write_text(folder / "transmission.csv", _csv(wl.numpy(), decibel))
    save_netlist(folder / "netlist.yml", whole.netlist(**settings))
    write_json(folder / "summary.json", summary)
    save(spectrum(wl.numpy(), decibel, f"{options.netlist.name}: light into {into}"), folder / "transmission.png")
    for path, names in info.ignored.items():
        print(f"{path}: settings that the model does not know are ignored: {', '.join(names)}")
    bars = BARS if "difference" in summary else {}
    return verdict(show(summary, bars, f"{options.netlist.name} -> {folder}"), check=options.check)


def _csv(wl: np.ndarray, decibel: dict[str, np.ndarray]) -> str:
    rows = [",".join(["wl_um", *(f"{port}_db" for port in decibel)])]
    rows += [",".join(f"{x:.9g}" for x in row) for row in zip(wl, *decibel.values(), strict=True)]
    return "\n".join(rows) + "\n"


if __name__ == "__main__":
    raise SystemExit(run(main, CircuitOptions))
