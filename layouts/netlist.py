"""A circuit from a GDS file alone: gdsfactory finds which ports meet, the process says what each cell is."""

from pathlib import Path
from typing import Any

import gdsfactory as gf
import numpy as np
from jaxtyping import Complex

from layouts.process import Process
from photonic_ep.circuit import circuit

Netlist = dict[str, Any]


def read_gds(path: Path, process: Process) -> gf.Component:
    """Read a layout with its ports and settings. ValueError for a file that is no GDS, or has no ports."""
    process.activate()
    if not Path(path).is_file():
        raise FileNotFoundError(f"there is no GDS file {path}")
    try:
        component = gf.import_gds(path)
    except RuntimeError as error:
        raise ValueError(f"{path} is no whole GDS file: {error}") from error
    if not list(component.ports):
        raise ValueError(f"{path} has no ports: was it written without metadata?")
    return component


def optical_netlist(component: gf.Component, process: Process) -> Netlist:
    """Every circuit of the layout by name, the whole first, the settings of its parts in terms of their models.

    Raises ValueError where a port joins more than one other, naming it.
    """
    found = component.get_netlist(recursive=True, on_dangling_port="ignore")
    for body in found.values():
        for name, instance in body["instances"].items():
            if instance["component"] in process.models:
                _, translate = process.models[instance["component"]]
                settings = translate({**instance["settings"], **instance["info"]})
                body["instances"][name] = {"component": instance["component"], "settings": settings}
            else:
                body["instances"][name] = {"component": instance["component"]}
    return {name: {key: body[key] for key in ("instances", "nets", "ports")} for name, body in found.items()}


def matrix(
    netlist: Netlist, process: Process, phases: dict[str, float], *, wl: float | None = None
) -> Complex[np.ndarray, "out in"]:
    """Transfer matrix from ports in_0.. to out_0.., by the circuit engine, in double precision.

    Args:
        netlist: of `optical_netlist`.
        process: whose models it is made of.
        phases: of every heater by its name, `u_mzi_0_2.theta`, `u_alpha_1.phase` [rad].
        wl: wavelength [um]; default the design's.

    Raises ValueError for heaters that the layout has and `phases` has not, or the other way round.

    """
    model, info = circuit(netlist, {name: part for name, (part, _) in process.models.items()})
    leaves = {path: heater_name(path) for path, part in info.instances.items() if part == process.heater}
    missing, strange = sorted(set(leaves.values()) - set(phases)), sorted(set(phases) - set(leaves.values()))
    if missing or strange:
        raise ValueError(
            f"phases of {len(phases)} heaters for {len(leaves)}: missing {missing[:3]}, strange {strange[:3]}"
        )
    settings = nested({path: {"phase": phases[name]} for path, name in leaves.items()})
    s, ports = model.dense(**({} if wl is None else {"wl": wl}), **settings)
    modes = sum(port.startswith("in_") for port in ports)
    into, out = ([ports.index(f"{side}_{mode}") for mode in range(modes)] for side in ("in", "out"))
    return s.reshape(len(ports), len(ports)).numpy()[np.ix_(out, into)]


def heater_name(path: str) -> str:
    """Name of the heater at a place of the layout: core.u_mzi_0_2.theta.heater is u_mzi_0_2.theta."""
    instance, *inner = path.removeprefix("core.").removesuffix(".heater").split(".")
    return f"{instance}.{inner[0] if inner else 'phase'}"


def nested(settings: dict[str, dict[str, float]]) -> dict[str, Any]:
    """Settings by path as circuits in circuits take them."""
    result: dict[str, Any] = {}
    for path, own in settings.items():
        place = result
        for name in path.split("."):
            place = place.setdefault(name, {})
        place |= own
    return result
