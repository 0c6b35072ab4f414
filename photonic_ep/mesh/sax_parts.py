"""Netlists of meshes in sax's own parts: `sax.circuit` loads them, with `sax.models` and nothing of ours."""

import math

from photonic_ep.mesh.netlist import Netlist

Ends = dict[str, str]  # port of ours -> where it is now
MODELS = ("attenuator", "coupler_ideal", "crossing_ideal", "phase_shifter")  # what `sax.models` must give


def in_sax_parts(netlist: Netlist) -> Netlist:
    """The same circuit with every mzi, phase shifter and crossing of `tile_netlist` made of sax's ideal parts.

    A phase is a phase_shifter of length 0 with voltage = phase / pi, a coupler B(e) a coupler_ideal of
    sin^2(pi/4 + e), a loss an attenuator. Ports keep their names.

    Raises ValueError for another component, and for a coupler beyond a quarter wave, which sax's has no sign for.
    """
    made = _Made()
    parts = {"mzi": made.mzi, "phase_shifter": made.shifter, "crossing": made.crossing}
    ends: dict[str, str] = {}
    for name, body in netlist["instances"].items():
        if body["component"] not in parts:
            raise ValueError(f"{name} is a {body['component']}: only {', '.join(parts)} are made of sax's parts")
        ends |= {f"{name},{port}": at for port, at in parts[body["component"]](name, body["settings"]).items()}
    wires = made.wires | {ends[a]: ends[b] for a, b in netlist["connections"].items()}
    ports = {port: ends[at] for port, at in netlist["ports"].items()}
    return {"instances": made.instances, "connections": wires, "ports": ports}


class _Made:
    """Instances and wires made so far."""

    def __init__(self) -> None:
        self.instances: dict[str, dict] = {}
        self.wires: dict[str, str] = {}

    def mzi(self, name: str, values: dict[str, float]) -> Ends:
        """Coupler, arm, coupler, arm: light meets phi first."""
        first = self._coupler(f"{name}_in", values.get("delta_in", 0.0))
        last = self._coupler(f"{name}_out", values.get("delta_out", 0.0))
        start, turned = self._arm(f"{name}_phi", values["phi"], values.get("phi_loss_dB", 0.0))
        inner, reached = self._arm(f"{name}_theta", values["theta"], values.get("theta_loss_dB", 0.0))
        self.wires |= {turned: f"{first},in1", f"{first},out1": inner, reached: f"{last},in1"}
        self.wires[f"{first},out0"] = f"{last},in0"
        ends = {"o1": f"{first},in0", "o2": start, "o3": f"{last},out1", "o4": f"{last},out0"}
        return self._lossy(name, ends, values.get("loss_dB", 0.0))

    def shifter(self, name: str, values: dict[str, float]) -> Ends:
        """A phase alone."""
        start, end = self._arm(name, values["phase"], 0.0)
        return {"o1": start, "o2": end}

    def crossing(self, name: str, values: dict[str, float]) -> Ends:
        """Two guides that cross."""
        self._add(name, "crossing_ideal")
        ends = {"o1": f"{name},in0", "o2": f"{name},in1", "o3": f"{name},out1", "o4": f"{name},out0"}
        return self._lossy(name, ends, values.get("loss_dB", 0.0))

    def _add(self, name: str, component: str, **settings: float) -> str:
        self.instances[name] = {"component": component, "settings": settings}
        return name

    def _coupler(self, name: str, delta: float) -> str:
        angle = math.pi / 4 + delta
        if not 0 <= angle <= math.pi / 2:
            raise ValueError(f"{name}: the coupler's angle is {angle:.3g} rad; sax's couplers have 0 .. pi / 2")
        return self._add(name, "coupler_ideal", coupling=math.sin(angle) ** 2)

    def _arm(self, name: str, phase: float, loss: float) -> tuple[str, str]:
        """A guide with a heater and what it loses; its two ends."""
        self._add(name, "phase_shifter", voltage=phase / math.pi, length=0.0)
        if not loss:
            return f"{name},in0", f"{name},out0"
        self._add(f"{name}_loss", "attenuator", loss=loss)
        self.wires[f"{name},out0"] = f"{name}_loss,in0"
        return f"{name},in0", f"{name}_loss,out0"

    def _lossy(self, name: str, ends: Ends, loss: float) -> Ends:
        """The same with a loss behind both outputs."""
        for port, side in (("o3", "top"), ("o4", "low")) if loss else ():
            part = self._add(f"{name}_{side}", "attenuator", loss=loss)
            self.wires[ends[port]] = f"{part},in0"
            ends = ends | {port: f"{part},out0"}
        return ends
