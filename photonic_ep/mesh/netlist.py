"""A tile as a netlist in the form of sax and gdsfactory: instances, connections, ports."""

from photonic_ep.mesh.topology import MeshName, Topology

Netlist = dict[str, dict]
TOP_IN, LOW_IN, TOP_OUT, LOW_OUT = "o2", "o1", "o3", "o4"


def tile_netlist(topology: Topology, settings: dict[str, dict[str, float]]) -> Netlist:
    """U diag(a) V, or U alone, as a circuit of `mzi`, `phase_shifter` and `crossing`; ports in_0.. and out_0.. .

    An attenuator is an mzi from its o2 to its o3; its o1 is dark and its o4 dumped.

    Args:
        topology: of both meshes.
        settings: of every instance, as `MeshWeight.tile_settings` gives them.

    """
    wires: list[tuple[str, str]] = []
    inputs: list[str] = []
    ends: list[str] = []
    if any(name.startswith("att_") for name in settings):
        inputs, ends = _mesh(topology, "v", wires, phases=True)
    starts, outputs = _mesh(topology, "u", wires, phases=True)
    for mode, (end, start) in enumerate(zip(ends, starts, strict=False)):
        wires += [(end, f"att_{mode},{TOP_IN}"), (f"att_{mode},{TOP_OUT}", start)]
    instances = {name: {"component": _component(name), "settings": values} for name, values in settings.items()}
    ports = {f"in_{mode}": place for mode, place in enumerate(inputs or starts)}
    ports |= {f"out_{mode}": place for mode, place in enumerate(outputs)}
    return {"instances": instances, "connections": dict(wires), "ports": ports}


def _component(name: str) -> str:
    return "phase_shifter" if "_alpha_" in name else "crossing" if "_cross_" in name else "mzi"


def mesh_netlist(topology: Topology, *, guide_um: float | None = None) -> Netlist:
    """One mesh of `mzi` without output phases, instances named as U's; ports in_0.. and out_0.. .

    With `guide_um`, a `straight` of that length [um] follows every output of every MZI: u_guide_{column}_{mode}.
    """
    wires: list[tuple[str, str]] = []
    inputs, outputs = _mesh(topology, "u", wires, phases=False, guides=guide_um is not None)
    instances: dict[str, object] = {f"u_mzi_{column}_{top}": "mzi" for column, top in topology.mzis}
    for column in range(len(topology.columns)):
        instances |= {name: "crossing" for name, _ in topology.crossing_names("u", column)}
    if guide_um is not None:
        guide = {"component": "straight", "settings": {"length": guide_um}}
        instances |= {f"u_guide_{c}_{mode}": guide for c, top in topology.mzis for mode in (top, top + 1)}
    ports = {f"in_{mode}": place for mode, place in enumerate(inputs)}
    ports |= {f"out_{mode}": place for mode, place in enumerate(outputs)}
    return {"instances": instances, "connections": dict(wires), "ports": ports}


def _mesh(
    topology: Topology, mesh: MeshName, wires: list[tuple[str, str]], *, phases: bool, guides: bool = False
) -> tuple[list[str], list[str]]:
    """Wire one mesh; returns where each mode enters and leaves it."""
    entries: list[str | None] = [None] * topology.modes
    reached: list[str | None] = [None] * topology.modes

    def pass_through(mode: int, into: str, out: str) -> None:
        if reached[mode] is None:
            entries[mode] = into
        else:
            wires.append((str(reached[mode]), into))
        reached[mode] = out

    for column, tops in enumerate(topology.columns):
        for name, top in topology.crossing_names(mesh, column):
            pass_through(top, f"{name},{TOP_IN}", f"{name},{LOW_OUT}")
            pass_through(top + 1, f"{name},{LOW_IN}", f"{name},{TOP_OUT}")
            reached[top], reached[top + 1] = reached[top + 1], reached[top]
        for top in tops:
            name = f"{mesh}_mzi_{column}_{top}"
            pass_through(top, f"{name},{TOP_IN}", f"{name},{TOP_OUT}")
            pass_through(top + 1, f"{name},{LOW_IN}", f"{name},{LOW_OUT}")
            for mode in (top, top + 1) if guides else ():
                pass_through(mode, f"{mesh}_guide_{column}_{mode},o1", f"{mesh}_guide_{column}_{mode},o2")
    for mode in range(topology.modes if phases else 0):
        pass_through(mode, f"{mesh}_alpha_{mode},o1", f"{mesh}_alpha_{mode},o2")
    return [str(place) for place in entries], [str(place) for place in reached]
