"""Monte-Carlo of fabrication spread on a netlist or a mesh: distribution, yield, and which parts matter.

Expected: a Clements mesh of 8 modes, .02 rad couplers and .05 rad heaters: median error .14, two thirds good; seconds.
"""

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
import tyro

from experiments.common.circuits import drawn_mesh, library, read_netlist
from experiments.common.folder import new_folder, write_config, write_json, write_text
from experiments.common.pictures import save
from experiments.common.pictures_circuits import yield_picture
from experiments.common.shell import run
from experiments.common.spread import Spread, Varied, error, error_slopes, knobs
from experiments.common.table import show, verdict
from photonic_ep import circuit


@dataclass(frozen=True, kw_only=True)
class YieldOptions:
    """Draw fabrication errors, look at the distribution of a figure of merit and at what it depends on."""

    netlist: Annotated[Path | None, tyro.conf.Positional] = None
    """A netlist file (default: a mesh)."""
    mesh: int = 8
    """Modes of the Clements mesh, phases drawn from the seed."""
    merit: Literal["error", "transmission"] = "error"
    """error: relative distance of S to the nominal one, up to a common phase; transmission: change in dB."""
    into: str | None = None
    """Port that light enters, for the transmission (default: the first)."""
    out_of: str | None = None
    """Port that it leaves (default: the one where most does)."""
    wl: float = 1.55
    """Wavelength [um]."""
    limit: float | None = None
    """A circuit is good up to this merit (default: error .15, transmission .5 dB)."""
    spread: tyro.conf.OmitArgPrefixes[Spread] = field(default_factory=Spread)
    draws: int = 1000
    """Circuits to draw, all in one call."""
    seed: int = 0
    """Of the draws, and of the mesh's phases."""
    table: Annotated[tuple[str, ...], tyro.conf.arg(metavar="COMPONENT=FILE ..")] = ()
    """Measured parts, as in circuit.py."""
    out: Path | None = None
    """Folder for the picture and tables (default: a new one under runs/)."""
    check: bool = False
    """Exit with 1 if a bar is missed (there is none yet)."""


def main(options: YieldOptions) -> int:
    """Draw, differentiate, tabulate, draw the picture."""
    if options.draws < 2:
        raise ValueError(f"--draws must be 2 or more, not {options.draws}")
    if not (0 < options.wl < float("inf")):
        raise ValueError(f"--wl must be a positive number of um, not {options.wl}")
    given = options.netlist
    netlist: Any = drawn_mesh(options.mesh, seed=options.seed) if given is None else read_netlist(given, extract=False)
    models = library(options.table, defined=netlist)
    whole, _ = circuit(netlist, models)
    varied = Varied(whole, models, knobs(whole, models, options.spread), options.wl)
    source = torch.Generator().manual_seed(options.seed)
    nominal = varied.s(torch.zeros(len(varied.knobs), dtype=torch.float64))
    start = time.perf_counter()
    s = varied.s(torch.randn(options.draws, len(varied.knobs), dtype=torch.float64, generator=source))
    seconds = time.perf_counter() - start
    slopes = varied.jacobian()
    if options.merit == "error":
        merit, slope, title = error(s, nominal), error_slopes(slopes, nominal), "relative error of S"
    else:
        into, out = _ports(options, whole.ports, nominal)
        merit = 10 * torch.log10(s[:, out, into].abs().square() / nominal[out, into].abs().square())
        slope = 20 / torch.log(torch.tensor(10.0)) * (slopes[:, out, into] / nominal[out, into]).real
        title = f"change of the transmission {whole.ports[into]} to {whole.ports[out]} [dB]"
    limit = options.limit if options.limit is not None else 0.15 if options.merit == "error" else 0.5
    share = slope.square() / slope.square().sum()
    low, middle, high = torch.quantile(merit, torch.tensor([0.05, 0.5, 0.95], dtype=merit.dtype)).tolist()
    summary = {"knobs": float(len(slope)), "draws": float(options.draws), "seconds": seconds}
    summary |= {"mean": float(merit.mean()), "std": float(merit.std()), "p05": low, "median": middle, "p95": high}
    summary |= {"rms": float(merit.square().mean().sqrt()), "rms_first_order": float(slope.square().sum().sqrt())}
    summary |= {"yield": float((merit.abs() <= limit).double().mean())}
    for kind in ("splitting", "width", "heater"):
        summary[f"{kind}_share"] = sum(float(x) for k, x in zip(varied.knobs, share, strict=True) if k.kind == kind)
    folder = new_folder(options.out, "yield")
    write_config(folder, options, {"merit": options.merit, "limit": limit, "seed": options.seed, "wl": options.wl})
    write_json(folder / "summary.json", summary)
    rows = [f"{knob.label},{knob.kind},{value:.9g}" for knob, value in zip(varied.knobs, slope.tolist(), strict=True)]
    write_text(folder / "sensitivities.csv", "\n".join(["knob,kind,merit_per_sigma", *rows]) + "\n")
    write_text(folder / "draws.csv", "\n".join(["merit", *(f"{x:.9g}" for x in merit.tolist())]) + "\n")
    save(yield_picture(merit, limit, varied.knobs, slope, title), folder / "yield.png")
    if not 0.5 < summary["rms_first_order"] / summary["rms"] < 2:
        print("the merit is far from linear over this spread: the sensitivities hold near the nominal circuit only")
    name = f"Clements mesh of {options.mesh} modes" if given is None else given.name
    return verdict(show(summary, {}, f"{name} -> {folder}"), check=options.check)


def _ports(options: YieldOptions, ports: tuple[str, ...], nominal: torch.Tensor) -> tuple[int, int]:
    for name in (options.into, options.out_of):
        if name is not None and name not in ports:
            raise ValueError(f"the circuit has no port {name!r}; it has {list(ports)}")
    into = ports.index(options.into) if options.into else 0
    out = ports.index(options.out_of) if options.out_of else int(nominal[:, into].abs().argmax())
    if not nominal[out, into].abs() > 0:
        raise ValueError(f"no light goes from {ports[into]} to {ports[out]}: its transmission has no decibels")
    return into, out


if __name__ == "__main__":
    raise SystemExit(run(main, YieldOptions))
