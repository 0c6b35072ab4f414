"""Circuits for the scripts: netlists from files, and the models that gdsfactory's component names stand for."""

import inspect
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from experiments.common.folder import write_text
from photonic_ep import clements, models, tables
from photonic_ep.circuit.groups import Model
from photonic_ep.mesh.netlist import mesh_netlist

# By component: our parts under their own names, and gdsfactory's cells that are such a part to light.
LIBRARY: dict[str, Model] = {
    part.__name__: part
    for part in (
        models.attenuator,
        models.bend,
        models.coupler,
        models.coupler_ideal,
        models.crossing_ideal,
        models.grating_coupler,
        models.half_ring,
        models.mmi1x2,
        models.mmi2x2,
        models.modulator,
        models.mzi,
        models.phase_shifter,
        models.reflector,
        models.ring_add_drop,
        models.ring_all_pass,
        models.splitter_ideal,
        models.straight,
        models.terminator,
        models.thermo_optic_phase_shifter,
    )
} | {
    "bend_circular": models.bend,
    "bend_euler": models.bend,
    "bend_s": models.bend,
    "crossing": models.crossing_ideal,
    "grating_coupler_elliptical": models.grating_coupler,
    "straight_heater_metal": models.straight,
    "taper": models.straight,
}


MZI = inspect.signature(models.mzi).parameters


def read_netlist(path: Path, *, extract: bool) -> Any:  # noqa: ANN401
    """Read a netlist (YAML or JSON) of sax or gdsfactory; with `extract`, the netlist of the layout it describes.

    Raises ValueError where the file is no netlist.
    """
    if extract:
        import gdsfactory as gf  # seconds, and an extra: only who builds layouts pays

        gf.gpdk.PDK.activate()
        return gf.read.from_yaml(path).get_netlist(recursive=True)
    try:
        content = yaml.safe_load(path.read_text())
    except yaml.YAMLError as error:
        raise ValueError(f"{path} is no YAML: {error}") from error
    if not isinstance(content, dict):
        raise ValueError(f"{path} holds no netlist: a dictionary with instances and ports")
    _refuse_foreign_mzi(path, content.get("instances"))
    return content


def _refuse_foreign_mzi(path: Path, instances: object) -> None:
    """Ask for the layout where gdsfactory's mzi, a circuit of two ports, would be taken for our 2 x 2 cell."""
    for name, body in instances.items() if isinstance(instances, dict) else ():
        component = body.get("component") if isinstance(body, dict) else body
        settings = (body.get("settings") or {}) if isinstance(body, dict) else {}
        if component == "mzi" and (path.name.endswith(".pic.yml") or not set(settings) <= set(MZI)):
            raise ValueError(f"{path}: {name!r} is gdsfactory's mzi, a circuit of its own: use --extract")


def save_netlist(path: Path, netlist: Mapping[str, Any]) -> None:
    """Write a netlist that sax, gdsfactory and `read_netlist` read."""
    write_text(path, yaml.safe_dump(dict(netlist), sort_keys=False))


def library(table_files: Sequence[str], *, defined: Mapping[str, Any]) -> dict[str, Model]:
    """All models that a netlist does not define itself, with measured parts from NAME=FILE; ValueError if not so."""
    found = {name: model for name, model in LIBRARY.items() if name not in defined}
    for entry in table_files:
        name, equals, file = entry.partition("=")
        if not (equals and name and file):
            raise ValueError(f"a table is given as COMPONENT=FILE, not {entry!r}")
        read = tables.lumerical if Path(file).suffix in (".sparam", ".dat", ".txt") else tables.touchstone
        found[name] = read(file)
    return found


def settings_of(entries: Sequence[str]) -> dict[str, Any]:
    """Settings from INSTANCE.SETTING=NUMBER or SETTING=NUMBER; ValueError for anything else."""
    settings: dict[str, Any] = {}
    for entry in entries:
        place, _, text = entry.partition("=")
        *path, name = place.split(".")
        try:
            value = float(text)
        except ValueError:
            raise ValueError(f"a setting is given as INSTANCE.SETTING=NUMBER, not {entry!r}") from None
        own = settings.setdefault(".".join(path), {}) if path else settings
        own[name] = value
    return settings


def drawn_mesh(modes: int, *, seed: int = 0, guide_um: float | None = None) -> dict[str, Any]:
    """Return a Clements mesh with drawn phases, as a netlist."""
    if modes < 2:
        raise ValueError(f"a mesh needs at least 2 modes, not {modes}")
    netlist = mesh_netlist(clements(modes), guide_um=guide_um)
    random = np.random.default_rng(seed)
    for name, component in netlist["instances"].items():
        if component == "mzi":
            drawn = {key: float(random.uniform(0, 2 * np.pi)) for key in ("theta", "phi")}
            netlist["instances"][name] = {"component": "mzi", "settings": drawn}
    return netlist


def add_drop_ring() -> dict[str, Any]:
    """Return a ring of 80 um between two buses, 10 % coupled, resonant at 1.55 um: 121 waves of 1.55/2.34 um."""
    half = {"component": "straight", "settings": {"length": 121 * 1.55 / 2.34 / 2, "loss_dB_cm": 3.0}}
    near = {"component": "coupler_ideal", "settings": {"coupling": 0.1}}
    return {
        "instances": {"near": near, "far": near, "left": half, "right": half},
        "connections": {
            "near,o2": "left,o1",
            "left,o2": "far,o3",
            "near,o3": "right,o1",
            "right,o2": "far,o2",
        },
        "ports": {"in": "near,o1", "through": "near,o4", "add": "far,o1", "drop": "far,o4"},
    }
