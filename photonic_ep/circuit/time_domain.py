"""Circuits in time: envelopes of a carrier, waveguides that delay, everything else instantaneous.

A part is its S-matrix at the carrier; its group delay tau = d(phase)/d(omega) there, rounded to steps of dt, holds back
each of its waves: out_j(t) = sum_i S_ij in_i(t - tau_ij). The parts without a delay, loops and reflections included,
are solved once by the circuit solver. A step therefore settles to S of the carrier exactly. Dispersion of a single
part within the bandwidth of the signal is left out: build rings from couplers and waveguides.
"""

import math
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
import torch
from jaxtyping import Complex, Float
from scipy.signal import lfilter
from torch import Tensor

from ep_core.compiled import compiled
from photonic_ep.circuit.groups import Model
from photonic_ep.circuit.models import SPEED_OF_LIGHT
from photonic_ep.circuit.netlist import FlatNetlist, Instance, Port
from photonic_ep.circuit.solve import Circuit, circuit

NUDGE, NUDGE_COARSE = 1e-8, 1e-12  # relative changes of the wavelength that the group delay is taken over
ROUNDING = 1e-12  # phase that is rounding rather than delay
DARK = 1e-12  # amplitude of an entry that has no delay worth asking for


class TimeDomain:
    """A circuit that is stepped through time.

    Attributes:
        dt_ps: the step [ps]. ports: the outer ports.
        settled: S (out, in) of the carrier, where a step settles.
        delays: by delayed part, its longest delay in steps.

    """

    def __init__(
        self,
        netlist: Any,  # noqa: ANN401
        models: Mapping[str, Model],
        *,
        dt_ps: float,
        wl: float = 1.55,
        active: Collection[str] = (),
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        """Prepare.

        Args:
            netlist: as `circuit` takes it.
            models: the same.
            dt_ps: time step [ps].
            wl: wavelength of the carrier [um].
            active: as `circuit` takes it.
            settings: as for calling a circuit, {"instance": {"setting": 1.0}}; one value each, no batch.

        Raises:
            ValueError: as `circuit` and its calls; a step that is not positive; a batch of settings.

        """
        if not (dt_ps > 0 and math.isfinite(dt_ps)):
            raise ValueError(f"the time step must be a positive number of picoseconds, not {dt_ps}")
        _check_settings(settings or {})
        whole, _ = circuit(netlist, models, active=active)
        self.dt_ps, self.ports = dt_ps, whole.ports
        chosen: dict[str, Any] = dict(settings or {}) | ({"wl": wl} if "wl" in whole.setting_names else {})
        self.settled = whole.dense(**chosen)[0]  # also refuses what a call refuses
        if self.settled.dim() > 2:
            raise ValueError(f"time domain takes one value a setting, not a batch {tuple(self.settled.shape[:-2])}")
        taus = group_delays(whole, wl=wl, settings=settings)
        parts = whole.parts(**chosen)
        values = {leaf: {key: complex(entry.detach()) for key, entry in own.items()} for leaf, own in parts.items()}
        steps = {leaf: {key: round_half_up(tau / dt_ps) for key, tau in own.items()} for leaf, own in taus.items()}
        late = {leaf: own for leaf, own in steps.items() if any(own.values())}
        self.delays = {leaf: max(own.values()) for leaf, own in late.items()}
        instant, names = _instantaneous(whole.flat, values, late)
        index = {name: n for n, name in enumerate(names)}
        self._network = instant
        self._outer = np.array([index[f"outer {name}"] for name in self.ports])
        waves = [
            # A wave of a delayed part leaves it no sooner than the next step.
            (index[f"late {leaf},{into}"], index[f"late {leaf},{out}"], max(1, count), values[leaf][into, out])
            for leaf, own in late.items()
            for (into, out), count in own.items()
        ]
        columns = list(zip(*waves, strict=True)) or [()] * 4
        self._late = (
            *(np.array(column, dtype=np.int64) for column in columns[:3]),
            np.array(columns[3], dtype=complex),
        )

    def run(self, light: Mapping[str, Complex[Tensor, "*batch steps"]]) -> dict[str, Complex[Tensor, "*batch steps"]]:
        """Fields that leave every port while the given fields enter some of them; the circuit starts dark.

        Args:
            light: by port, the envelope of the field at every step; shapes broadcast, at least one step.

        Raises:
            ValueError: a port that the circuit does not have, waveforms of different lengths, no light at all.

        """
        for name in light:
            if name not in self.ports:
                raise ValueError(f"the circuit has no port {name!r} to shine into; it has {list(self.ports)}")
        if not light:
            raise ValueError("give a waveform to at least one port")
        light = {name: torch.as_tensor(field) for name, field in light.items()}
        for name, field in light.items():
            if not field.dim() or not field.shape[-1] or field.requires_grad:
                raise ValueError(
                    f"the light into {name} must have one or more steps and no gradient (steps are not "
                    f"differentiable); its shape is {tuple(field.shape)}"
                )
        if len({field.shape[-1] for field in light.values()}) > 1:
            lengths = {name: field.shape[-1] for name, field in light.items()}
            raise ValueError(f"the waveforms have different numbers of steps: {lengths}")
        shape = np.broadcast_shapes(*(field.shape for field in light.values()))
        fields = [light[name].expand(shape) if name in light else torch.zeros(shape) for name in self.ports]
        entering = torch.stack([field.to(torch.complex128) for field in fields], -1).reshape(-1, shape[-1], len(fields))
        leaving = np.empty(entering.shape, dtype=complex)
        rows, columns = np.nonzero(self._network)
        weights = self._network[rows, columns]
        _run(entering.contiguous().numpy(), leaving, self._outer, (rows, columns, weights), self._late)
        result = torch.from_numpy(leaving).reshape(*shape, len(self.ports))
        return {name: result[..., n] for n, name in enumerate(self.ports)}


def low_pass(
    signal: Float[Tensor, "*batch steps"], *, bandwidth_hz: float, dt_ps: float
) -> Float[Tensor, "*batch steps"]:
    """A detector of one pole: dy/dt = 2 pi B (x - y), x held over each step, y(0) = 0.

    Args:
        signal: photocurrent or power at every step.
        bandwidth_hz: B, the -3 dB bandwidth [Hz].
        dt_ps: the step [ps].

    """
    if not (bandwidth_hz > 0 and dt_ps > 0):
        raise ValueError(f"bandwidth and step must be positive, not {bandwidth_hz} Hz and {dt_ps} ps")
    keep = math.exp(-2 * math.pi * bandwidth_hz * dt_ps * 1e-12)
    return torch.from_numpy(lfilter([1 - keep], [1, -keep], signal.detach().numpy(), axis=-1))


def pulse(steps: int, *, dt_ps: float, centre_ps: float, width_ps: float) -> Complex[Tensor, " steps"]:
    """A Gaussian pulse of power 1 at its peak, `width_ps` wide (full width of the power at half its maximum)."""
    if not width_ps > 0:
        raise ValueError(f"a pulse's width must be positive, not {width_ps} ps")
    t = torch.arange(steps, dtype=torch.float64) * dt_ps - centre_ps
    return torch.exp(-2 * math.log(2) * (t / width_ps) ** 2).to(torch.complex128)


def step(steps: int, *, dt_ps: float, start_ps: float = 0.0) -> Complex[Tensor, " steps"]:
    """Light of power 1 that is switched on at a time."""
    t = torch.arange(steps, dtype=torch.float64) * dt_ps
    return (t >= start_ps - 1e-9 * dt_ps).to(torch.complex128)


def _check_settings(settings: Mapping[str, Any]) -> None:
    """Refuse a wavelength beside the carrier's, and gradients, which steps do not carry."""
    for name, value in settings.items():
        if name == "wl":
            raise ValueError("the wavelength of the carrier is TimeDomain's wl, not a setting")
        if isinstance(value, Mapping):
            _check_settings(value)
        elif isinstance(value, Tensor) and value.requires_grad:
            raise ValueError(f"the setting {name} requires a gradient, and steps in time are not differentiable")


def round_half_up(x: float) -> int:
    """Steps of a delay."""
    return math.floor(x + 0.5)


def group_delays(
    whole: Circuit, *, wl: float, settings: Mapping[str, Any] | None = None
) -> dict[str, dict[Port, float]]:
    """Group delay d(phase)/d(omega) [ps] of every entry of every part at a wavelength, by central differences.

    Where a part has no light to measure, or its phase runs backwards, the delay is 0.
    """
    coarse, fine = (_turns(whole, wl, settings or {}, change) for change in (NUDGE_COARSE, NUDGE))
    delays: dict[str, dict[Port, float]] = {}
    for leaf, turns in fine.items():
        delays[leaf] = {}
        for key, (turn, span) in turns.items():
            # Over the small change a delay of kilometres turns by less than pi; it says how often the large one wraps.
            rough, rough_span = coarse[leaf][key]
            if abs(rough) > 1:
                raise ValueError(f"the group delay of {leaf!r} is beyond a tenth of a millisecond, too long to measure")
            whole_turns = round((rough / rough_span * span - turn) / (2 * math.pi))
            total = turn + 2 * math.pi * whole_turns
            delays[leaf][key] = total / span if total > ROUNDING else 0.0
    return delays


def _turns(
    whole: Circuit, wl: float, settings: Mapping[str, Any], change: float
) -> dict[str, dict[Port, tuple[float, float]]]:
    """Phase [rad] that every entry turns by over a relative change of the wavelength, and that change [rad/ps]."""
    near = wl * (1 + change * torch.tensor([-1.0, 0.0, 1.0], dtype=torch.float64))
    carrier = {"wl": near} if "wl" in whole.setting_names else {}
    omega = 2 * math.pi * SPEED_OF_LIGHT * 1e-12 / near  # rad/ps
    result: dict[str, dict[Port, tuple[float, float]]] = {}
    for leaf, entries in whole.parts(**carrier, **settings).items():
        result[leaf] = {}
        for key, entry in entries.items():
            low, here, high = entry.detach().expand(3)
            turn = float((low * high.conj()).angle()) if abs(here) > DARK else 0.0
            result[leaf][key] = turn, float(omega[0] - omega[2])
    return result


def _instantaneous(
    flat: FlatNetlist, values: Mapping[str, Mapping[Port, complex]], late: Mapping[str, Any]
) -> tuple[np.ndarray, list[str]]:
    """S (out, in) of all but the delayed parts, between the outer ports and those of the delayed parts, and its names.

    Waves "late PART,PORT" leave this network into the part and enter it from there.
    """
    parts = {leaf: entries for leaf, entries in values.items() if leaf not in late}
    partner = dict([*flat.links, *((b, a) for a, b in flat.links)])
    outer = {place: f"outer {name}" for name, place in flat.ports.items()}
    names = [f"outer {name}" for name in flat.ports]
    ports = {f"outer {name}": place for name, place in flat.ports.items() if place[0] in parts}
    straight_through: list[tuple[str, str]] = []  # from a wave that enters to the same wave that leaves
    for leaf in late:
        for port in sorted({port for key in values[leaf] for port in key}):
            name = f"late {leaf},{port}"
            names.append(name)
            other = partner.get((leaf, port))
            if (leaf, port) in outer:
                straight_through += [(name, outer[leaf, port]), (outer[leaf, port], name)]
            elif other is not None and other[0] in late:
                straight_through.append((name, f"late {other[0]},{other[1]}"))
            elif other is not None:
                ports[name] = other
    s = np.zeros((len(names), len(names)), dtype=complex)
    index = {name: n for n, name in enumerate(names)}
    for into, out in straight_through:
        s[index[out], index[into]] = 1
    if ports and parts:
        links = [(a, b) for a, b in flat.links if a[0] in parts and b[0] in parts]
        instances = {leaf: Instance(component=leaf, settings={}) for leaf in parts}
        rest = Circuit(
            FlatNetlist(instances=instances, links=links, ports=ports),
            {leaf: _constant(entries) for leaf, entries in parts.items()},
            active=tuple(parts),
        )
        places = np.array([index[name] for name in ports])
        s[np.ix_(places, places)] = rest.dense()[0].numpy()
    return s, names


def _constant(entries: Mapping[Port, complex]) -> Model:
    tensors = {key: torch.tensor(value, dtype=torch.complex128) for key, value in entries.items()}
    return lambda: tensors


@compiled
def _run(entering, leaving, outer, network, late):  # noqa: ANN001, ANN202
    """Step all samples: b = N a, a = (light; values x delayed b); a ring buffer keeps the latest b."""
    rows, columns, weights = network
    sources, targets, delays, values = late
    depth, waves = 1, 0
    for n in range(delays.shape[0]):
        depth = max(depth, delays[n] + 1)
        waves = max(waves, sources[n] + 1, targets[n] + 1)
    for n in range(outer.shape[0]):
        waves = max(waves, outer[n] + 1)
    for sample in range(entering.shape[0]):
        past = np.zeros((depth, waves), dtype=np.complex128)
        a = np.zeros(waves, dtype=np.complex128)
        for t in range(entering.shape[1]):
            a[:] = 0
            for n in range(outer.shape[0]):
                a[outer[n]] = entering[sample, t, n]
            for n in range(values.shape[0]):
                a[targets[n]] += values[n] * past[(t - delays[n]) % depth, sources[n]]
            b = past[t % depth]
            b[:] = 0
            for n in range(weights.shape[0]):
                b[rows[n]] += weights[n] * a[columns[n]]
            for n in range(outer.shape[0]):
                leaving[sample, t, n] = b[outer[n]]
