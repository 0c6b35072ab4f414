"""The light's side of a mask: meshes and tiles as columns that abut on a grid, from the topology that is simulated."""

from collections.abc import Sequence

import gdsfactory as gf

from layouts.cells import attenuator, bypass, mzi, phase_arm
from layouts.process import Process
from photonic_ep.mesh.topology import MeshName, Topology


class Rows:
    """Parts placed from left to right on rows of waveguides, each connected to the one before it.

    Attributes:
        component: that is made. starts, ends: first and last port of every row.

    """

    def __init__(self, modes: int, process: Process) -> None:
        self.component, self.process = gf.Component(), process
        self.starts: list[gf.Port | None] = [None] * modes
        self.ends: list[gf.Port | None] = [None] * modes

    def add(self, part: gf.Component, name: str, modes: Sequence[int], into: Sequence[str], out: Sequence[str]) -> None:
        """Append a part whose ports `into` meet the ends of `modes`."""
        ref = self.component.add_ref(part, name=name)
        known = self.ends[modes[0]]
        if known is None:
            # The first column, its ports one below the other
            x, y = ref.ports[into[0]].dcenter
            ref.dmove((-x, -self.process.pitch_y_um * modes[0] - y))
        else:
            ref.connect(into[0], known)
        for mode, first, last in zip(modes, into, out, strict=True):
            self.starts[mode] = self.starts[mode] or ref.ports[first]
            self.ends[mode] = ref.ports[last]

    def mesh(self, topology: Topology, mesh: MeshName) -> None:
        """Append the columns of a mesh, and its output phases."""
        whole, guide, arm = mzi(self.process), bypass(self.process), phase_arm(self.process)
        for column, tops in enumerate(topology.columns):
            for top in tops:
                self.add(whole, f"{mesh}_mzi_{column}_{top}", (top, top + 1), ("o2", "o1"), ("o3", "o4"))
            for mode in sorted(set(range(topology.modes)) - {mode for top in tops for mode in (top, top + 1)}):
                self.add(guide, f"{mesh}_guide_{column}_{mode}", (mode,), ("o1",), ("o2",))
        for mode in range(topology.modes):
            self.add(arm, f"{mesh}_alpha_{mode}", (mode,), ("o1",), ("o2",))

    def close(self) -> gf.Component:
        """Return the component with ports in_0.. and out_0.. ."""
        for mode, (start, end) in enumerate(zip(self.starts, self.ends, strict=True)):
            self.component.add_port(f"in_{mode}", port=start)
            self.component.add_port(f"out_{mode}", port=end)
        return self.component


def mesh_layout(topology: Topology, process: Process, *, svd: bool = False) -> gf.Component:
    """Return a mesh U, or a tile U diag(a) V, on the mask; optical ports in_0.. and out_0.. .

    Instances are named as in netlists: `u_mzi_{column}_{top}`, `u_alpha_{mode}`, `att_{mode}`, and the same for V;
    where a column has no MZI, `u_guide_{column}_{mode}`. Heaters lie as `Topology.floorplan` says.

    Raises ValueError for a topology with crossings, which a process has no cell for.
    """
    if any(topology.order(column) for column in range(len(topology.columns))):
        raise ValueError("a mesh with crossings has no layout yet: use clements or reck")
    process.activate()
    rows = Rows(topology.modes, process)
    if svd:
        rows.mesh(topology, "v")
        part = attenuator(process)
        for mode in range(topology.modes):
            rows.add(part, f"att_{mode}", (mode,), ("o1",), ("o2",))
    rows.mesh(topology, "u")
    return rows.close()
