"""Phases of a chip from those of the mesh: what its routing turns the light by is absorbed in the heaters."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from layouts.netlist import Light, Netlist
from layouts.process import Process
from photonic_ep.mesh.tile import Tile
from photonic_ep.mesh.topology import MeshName, Topology

Phases = dict[str, float]
FULL = 2 * math.pi
SAME = 1e-6  # rad; ways through the core that differ by more are not equally long


@dataclass(frozen=True, kw_only=True)
class Routing:
    """What guides turn light by, at the design wavelength, modulo 2 pi [rad].

    Attributes:
        into: from each input to the first column. out: from the last column to each output.
        core: on any way between: its columns are equally long.

    """

    into: Float[np.ndarray, " modes"]
    core: float
    out: Float[np.ndarray, " modes"]


def routing(netlist: Netlist, process: Process, tile: Tile) -> Routing:
    """Find it from the layout's own circuit, every MZI of which lets light pass as it is.

    Raises ValueError where ways through the core are not equally long.
    """
    names = [name for group in tile.heater_names.values() for name in group]
    # theta = phi = pi let light pass, alpha = 0 as well; an attenuator then gives it -1
    passing = {name: 0.0 if "_alpha_" in name else math.pi for name in names}
    passed = Light(netlist, process).matrix(passing)
    shift = math.pi if tile.svd else 0.0
    whole = np.angle(np.diagonal(passed)) - shift
    top = next(iter(netlist.values()))
    into, out = (np.array([_delay(top, f"{side}_{m}", process) for m in range(tile.modes)]) for side in ("in", "out"))
    core = whole - into - out
    apart = np.abs((core - core[0] + math.pi) % FULL - math.pi)
    if apart.max() > SAME:
        mode = int(apart.argmax())
        raise ValueError(f"the ways through the core are not equally long: mode {mode} is {apart[mode]:.3g} rad off")
    return Routing(into=into, core=float(core[0]), out=out)


def _delay(top: Netlist, port: str, process: Process) -> float:
    """Phase of the guides between an outer port and the core."""
    joined = {a: b for net in top["nets"] for a, b in ((net["p1"], net["p2"]), (net["p2"], net["p1"]))}
    total, place = 0.0, top["ports"][port]
    while True:
        name, into = place.split(",")
        part = top["instances"][name]
        if part["component"] not in process.models:
            return total
        model, _ = process.models[part["component"]]
        s = model(**part["settings"])
        if len({p for key in s for p in key}) != 2:
            return total
        other = "o2" if into == "o1" else "o1"
        total += math.atan2(float(s[into, other].imag), float(s[into, other].real))
        place = joined[f"{name},{other}"]


def absorbed(
    phases: Mapping[str, float],
    tile: Tile,
    way: Routing,
) -> Phases:
    """Phases in [0, 2 pi) with which a chip makes what `phases` make of a mesh without any guides.

    An MZI's upper input is d_top, its lower one d_low ahead: phi takes back the difference, and both outputs are d_low
    ahead. What is left at the end of a mesh its output phases take back. The attenuators have all the same length.
    Exact at the wavelength at which the delays are given.

    Args:
        phases: of every heater by its name.
        tile: of which meshes it is.
        way: the routing.

    """
    result, ahead, none = dict(phases), way.into, np.zeros(tile.modes)
    for mesh in tile.meshes:
        ahead = _pushed(result, tile.topology, mesh, ahead)
        late = ahead + (way.core + way.out if mesh == "u" else none)
        for mode in range(tile.modes):
            result[f"{mesh}_alpha_{mode}.phase"] -= late[mode]
        ahead = none
    return {name: float(phase % FULL) for name, phase in result.items()}


def _pushed(
    result: Phases, topology: Topology, mesh: MeshName, ahead: Float[np.ndarray, " modes"]
) -> Float[np.ndarray, " modes"]:
    """Push what each mode is ahead through a mesh; changes the phases of phi, returns what comes out."""
    ahead = ahead.copy()
    for column, top in topology.mzis:
        result[f"{mesh}_mzi_{column}_{top}.phi"] -= ahead[top] - ahead[top + 1]
        ahead[top] = ahead[top + 1]
    return ahead
