"""From the rows of a mesh to arrays of fibres: bends on both sides, and a loop by which fibres are aligned."""

import gdsfactory as gf

from layouts.process import Process

LOOP = ("loop_0", "loop_1")


def with_fibres(core: gf.Component, process: Process) -> gf.Component:
    """Return the chip: `core` between two fan-outs to the pitch of fibres; its ports keep their names.

    Rows fan out by S-bends of one length, so they do not cross, but are not equally long: `phases.absorbed` makes that
    good. Two more fibres on the left side, above the others, are joined by a loop: ports loop_0 and loop_1.
    """
    modes = sum(str(port.name).startswith("in_") for port in core.ports)
    c = gf.Component()
    ref = c.add_ref(core, name="core")
    for side in ("in", "out"):
        for mode in range(modes):
            port = ref.ports[f"{side}_{mode}"]
            # Fibres are centred on the mesh
            rise = _fibre_y(mode, modes, process) - port.dcenter[1]
            bend = c.add_ref(_fan(process, abs(rise), modes), name=f"{side}_fan_{mode}")
            bend.connect("o1", port, mirror=_mirrored(side, rise))
            c.add_port(f"{side}_{mode}", port=bend.ports["o2"])
    _loop(c, process, modes)
    return c


def _mirrored(side: str, rise: float) -> bool:
    # An S-bend turns left of its way; ways out on the left side run backwards
    return (rise < 0) if side == "out" else (rise > 0)


def _fibre_y(mode: int, modes: int, process: Process) -> float:
    middle = -process.pitch_y_um * (modes - 1) / 2
    return middle + process.fibre_pitch_um * ((modes - 1) / 2 - mode)


def _fan(process: Process, rise: float, modes: int) -> gf.Component:
    """A bend that rises so far; long enough for the outermost one."""
    most = (process.fibre_pitch_um - process.pitch_y_um) * (modes - 1) / 2
    return gf.get_component(process.bend, size=(max(process.fan_um, 2 * most), round(rise, 3)))


def _loop(c: gf.Component, process: Process, modes: int) -> None:
    """Join two fibres above the inputs: out of one, by a half circle, into the other."""
    x = c.ports["in_0"].dcenter[0]
    lower = _fibre_y(-1, modes, process)
    corner = gf.get_component(process.corner)
    first = c.add_ref(gf.get_component(process.straight, length=process.lead_um), name="loop_start")
    first.dmove((x, lower))
    up = c.add_ref(corner, name="loop_up")
    up.connect("o1", first.ports["o2"])
    radius = up.ports["o2"].dcenter[1] - lower
    side = c.add_ref(gf.get_component(process.straight, length=process.fibre_pitch_um - 2 * radius), name="loop_side")
    side.connect("o1", up.ports["o2"])
    back = c.add_ref(corner, name="loop_back")
    back.connect("o1", side.ports["o2"])
    last = c.add_ref(gf.get_component(process.straight, length=process.lead_um), name="loop_end")
    last.connect("o1", back.ports["o2"])
    c.add_port(LOOP[0], port=first.ports["o1"])
    c.add_port(LOOP[1], port=last.ports["o2"])
