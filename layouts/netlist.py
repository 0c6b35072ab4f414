"""A circuit from a GDS file alone: gdsfactory finds which ports meet, the process says what each cell is."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gdsfactory as gf
import numpy as np
import torch
from jaxtyping import Complex, Float

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
    if not (list(component.ports) or any(list(inst.ports) for inst in component.insts)):
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


class Light:
    """The light of a layout: its circuit, planned once.

    Args:
        netlist: of `optical_netlist`, with ports in_0.. and out_0.. .
        process: whose models it is made of.

    """

    def __init__(self, netlist: Netlist, process: Process) -> None:
        parts = {name: part for name, (part, _) in process.models.items()}
        self.model, info = circuit(netlist, parts)
        self.heaters = {path: heater_name(path) for path, part in info.instances.items() if part == process.heater}

    def matrix(
        self,
        phases: Mapping[str, float],
        wl: Float[np.ndarray, " n"] | float | None = None,
        errors: Mapping[str, Mapping[str, float]] | None = None,
    ) -> Complex[np.ndarray, "*n out in"]:
        """Transfer matrix from the inputs to the outputs, in double precision.

        Args:
            phases: of every heater by its name, `u_mzi_0_2.theta`, `u_alpha_1.phase` [rad].
            wl: wavelength, or several [um]; default the design's.
            errors: settings of parts, by their place on the mask: `errors.known_errors`.

        Raises ValueError for heaters that the layout has and `phases` has not, or the other way round.

        """
        names = set(self.heaters.values())
        missing, strange = sorted(names - set(phases)), sorted(set(phases) - names)
        if missing or strange:
            raise ValueError(
                f"phases of {len(phases)} heaters for {len(names)}: missing {missing[:3]}, strange {strange[:3]}"
            )
        given = {path: {"phase": phases[name]} for path, name in self.heaters.items()}
        for path, own in (errors or {}).items():
            given[path] = given.get(path, {}) | dict(own)
        settings = nested(given)
        light = {} if wl is None else {"wl": torch.as_tensor(wl, dtype=torch.float64)}
        s, ports = self.model.dense(**light, **settings)
        modes = sum(port.startswith("in_") for port in ports)
        into, out = ([ports.index(f"{side}_{mode}") for mode in range(modes)] for side in ("in", "out"))
        return s.numpy()[..., out, :][..., into]


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
