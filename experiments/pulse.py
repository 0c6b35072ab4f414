"""Light in time: a step and a pulse through a mesh of four modes or a ring, and what photontorch says of them.

Expected: the step settles to the S-matrix within 1e-10; --engine photontorch differs by at most 1e-6; seconds.
"""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from experiments.common.circuits import LIBRARY, add_drop_ring, drawn_mesh, read_netlist
from experiments.common.folder import new_folder, write_config, write_json
from experiments.common.pictures import save
from experiments.common.pictures_circuits import transients
from experiments.common.shell import run
from experiments.common.table import Bar, show, verdict
from photonic_ep import time_domain

BARS = {"settled_error": Bar(most=1e-10), "difference": Bar(most=1e-6)}


@dataclass(frozen=True, kw_only=True)
class PulseOptions:
    """Send a step and a pulse through a circuit and watch them come out."""

    circuit: Literal["mesh", "ring"] | Path = "mesh"
    """mesh: Clements, 4 modes, drawn phases, 100 um guides; ring: an add-drop ring; or a netlist file."""
    into: str | None = None
    """Port that light enters (default: the first)."""
    engine: Literal["ours", "photontorch"] = "ours"
    """photontorch: run that too, and compare."""
    dt_fs: float = 50.0
    """Time step [fs]."""
    steps: int | None = None
    """Number of steps (default: mesh 300, ring and files 5000)."""
    width_ps: float = 1.0
    """Width of the pulse [ps], full at half the maximum of its power."""
    bandwidth_ghz: float = 200.0
    """Bandwidth of the detectors [GHz]."""
    out: Path | None = None
    """Folder for the picture and summary.json (default: a new one under runs/)."""
    check: bool = False
    """Exit with 1 if a bar is missed (only a circuit that has settled meets the first)."""


def main(options: PulseOptions) -> int:
    """Run both waveforms, compare, draw."""
    steps = options.steps if options.steps is not None else 300 if options.circuit == "mesh" else 5000
    if steps < 2:
        raise ValueError(f"--steps must be 2 or more, not {steps}")
    dt = 1e-3 * options.dt_fs
    netlist = _netlist(options.circuit)
    domain = time_domain.TimeDomain(netlist, LIBRARY, dt_ps=dt)
    into = options.into or domain.ports[0]
    if into not in domain.ports:
        raise ValueError(f"--into {into}: the circuit has the ports {list(domain.ports)}")
    light = {
        "step": time_domain.step(steps, dt_ps=dt, start_ps=min(1.0, steps * dt / 10)),
        "pulse": time_domain.pulse(steps, dt_ps=dt, centre_ps=2 * options.width_ps, width_ps=options.width_ps),
    }
    start = time.perf_counter()
    fields = {name: domain.run({into: wave}) for name, wave in light.items()}
    summary = {"steps": float(steps), "seconds": time.perf_counter() - start}
    column = domain.ports.index(into)
    settled = {port: complex(domain.settled[n, column]) for n, port in enumerate(domain.ports)}
    summary["settled_error"] = max(abs(complex(fields["step"][p][-1]) - value) for p, value in settled.items())
    if options.engine == "photontorch":
        from photonic_ep.crosscheck import photontorch  # an extra, and seconds

        start = time.perf_counter()
        theirs = {name: photontorch.transient(netlist, LIBRARY, {into: w}, dt_ps=dt) for name, w in light.items()}
        summary["photontorch_seconds"] = time.perf_counter() - start
        summary["difference"] = max(
            float((field - fields[name][port]).abs().max())
            for name, own in theirs.items()
            for port, field in own.items()
        )
    folder = new_folder(options.out, "pulse")
    write_config(folder, options, {"circuit": str(options.circuit), "into": into, "dt_fs": options.dt_fs})
    write_json(folder / "summary.json", summary)
    power = {name: {port: field.abs().square() for port, field in own.items()} for name, own in fields.items()}
    seen = {
        name: {
            port: time_domain.low_pass(p, bandwidth_hz=1e9 * options.bandwidth_ghz, dt_ps=dt) for port, p in own.items()
        }
        for name, own in power.items()
    }
    levels = {port: abs(value) ** 2 for port, value in settled.items()}
    save(transients(light, power, seen, levels, dt, f"light into {into}"), folder / "pulse.png")
    bars = {name: bar for name, bar in BARS.items() if name in summary}
    return verdict(show(summary, bars, f"{options.circuit} in time -> {folder}"), check=options.check)


def _netlist(circuit: Literal["mesh", "ring"] | Path) -> object:
    if circuit == "mesh":
        return drawn_mesh(4, guide_um=100.0)
    return add_drop_ring() if circuit == "ring" else read_netlist(Path(circuit), extract=False)


if __name__ == "__main__":
    raise SystemExit(run(main, PulseOptions))
