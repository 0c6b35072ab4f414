"""Cells of a mesh as gdsfactory pcells: an arm with its heater, an MZI, and the bypass of a waveguide that has none.

Light enters on the left. A MZI is [phi arm][coupler][theta arm][coupler]; heaters are on the top arm.
"""

from typing import Any

import gdsfactory as gf

from layouts.process import Process

ELECTRICAL = ("l_e1", "l_e2", "l_e3", "l_e4", "r_e1", "r_e2", "r_e3", "r_e4")


def phase_arm(process: Process) -> gf.Component:
    """Return the arm with a heater: guide, heater, guide."""
    return _phase_arm(
        lead=gf.get_component(process.straight, length=process.lead_um),
        heater=gf.get_component(process.heater, length=process.heater_um, **process.heater_settings),
    )


def mzi(process: Process) -> gf.Component:
    """Return an MZI: o2, o3 on the upper guide, o1, o4 on the lower one; heaters phi and theta."""
    return _mzi(
        arm=phase_arm(process),
        plain=gf.get_component(process.straight, length=process.arm_um),
        coupler=gf.get_component(process.coupler, **process.coupler_settings),
    )


def bypass(process: Process) -> gf.Component:
    """Return a guide along a whole column, as long as one through its MZIs: it dips where those couple."""
    plain = gf.get_component(process.straight, length=process.arm_um)
    bend = gf.get_component(process.bend, size=(process.coupler_bend_um, _inwards(process, process.pitch_y_um)))
    between = gf.get_component(process.straight, length=process.coupler_length_um)
    return _bypass(plain=plain, bend=bend, between=between)


def attenuator(process: Process) -> gf.Component:
    """Return an attenuator, o1 to o2: an MZI without phi, its second arm half a pitch below, in the dark, and dumped.

    It takes the place of a coupler, an arm and a coupler.
    """
    coupler: dict[str, Any] = {**process.coupler_settings, "dy": process.pitch_y_um / 2}
    return _attenuator(
        arm=phase_arm(process),
        plain=gf.get_component(process.straight, length=process.arm_um),
        coupler=gf.get_component(process.coupler, **coupler),
        end=gf.get_component(process.end, **process.end_settings),
    )


def _inwards(process: Process, pitch: float) -> float:
    """By which a coupler's bend brings a guide to the other one [um]."""
    return (pitch - process.coupled_um) / 2


@gf.cell
def _phase_arm(lead: gf.Component, heater: gf.Component) -> gf.Component:
    c = gf.Component()
    first, hot, last = (
        c.add_ref(part, name=name) for part, name in ((lead, "lead_in"), (heater, "heater"), (lead, "lead_out"))
    )
    hot.connect("o1", first.ports["o2"])
    last.connect("o1", hot.ports["o2"])
    c.add_port("o1", port=first.ports["o1"])
    c.add_port("o2", port=last.ports["o2"])
    for port in ELECTRICAL:
        c.add_port(port, port=hot.ports[port])
    return c


@gf.cell
def _mzi(arm: gf.Component, plain: gf.Component, coupler: gf.Component) -> gf.Component:
    c = gf.Component()
    upper = lower = None
    for stage, part in (("phi", "in"), ("theta", "out")):
        hot, cold = c.add_ref(arm, name=stage), c.add_ref(plain, name=f"{stage}_low")
        join = c.add_ref(coupler, name=f"join_{part}")
        if upper is not None and lower is not None:
            hot.connect("o1", upper)
        join.connect("o2", hot.ports["o2"])
        cold.connect("o2", join.ports["o1"])
        if upper is None:
            c.add_port("o1", port=cold.ports["o1"])
            c.add_port("o2", port=hot.ports["o1"])
        upper, lower = join.ports["o3"], join.ports["o4"]
        for port in ELECTRICAL:
            c.add_port(f"{stage}_{port}", port=hot.ports[port])
    c.add_port("o3", port=upper)
    c.add_port("o4", port=lower)
    return c


@gf.cell
def _bypass(plain: gf.Component, bend: gf.Component, between: gf.Component) -> gf.Component:
    c = gf.Component()
    end = None
    for stage in ("phi", "theta"):
        straight = c.add_ref(plain, name=stage)
        if end is None:
            c.add_port("o1", port=straight.ports["o1"])
        else:
            straight.connect("o1", end)
        down, flat, up = (c.add_ref(part, name=f"{stage}_{n}") for n, part in enumerate((bend, between, bend)))
        down.connect("o1", straight.ports["o2"])
        flat.connect("o1", down.ports["o2"])
        up.connect("o1", flat.ports["o2"], mirror=True)
        end = up.ports["o2"]
    c.add_port("o2", port=end)
    return c


@gf.cell
def _attenuator(arm: gf.Component, plain: gf.Component, coupler: gf.Component, end: gf.Component) -> gf.Component:
    c = gf.Component()
    first, hot, last = (
        c.add_ref(part, name=name) for part, name in ((coupler, "join_in"), (arm, "theta"), (coupler, "join_out"))
    )
    cold, dark, dump = (
        c.add_ref(part, name=name) for part, name in ((plain, "theta_low"), (end, "dark"), (end, "dump"))
    )
    hot.connect("o1", first.ports["o3"])
    last.connect("o2", hot.ports["o2"])
    cold.connect("o1", first.ports["o4"])
    dark.connect("o1", first.ports["o1"])
    dump.connect("o1", last.ports["o4"])
    c.add_port("o1", port=first.ports["o2"])
    c.add_port("o2", port=last.ports["o3"])
    for port in ELECTRICAL:
        c.add_port(f"theta_{port}", port=hot.ports[port])
    return c
