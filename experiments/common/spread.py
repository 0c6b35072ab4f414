"""What fabrication changes in a circuit: independent knobs, each one standard deviation wide, and what they do to S."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from photonic_ep.circuit import Circuit
from photonic_ep.circuit.groups import defaults

Kind = Literal["splitting", "width", "heater"]
# How a deviation z [rad, or of the index] moves a setting x of a part, whose other settings are `own`.
Move = Callable[[float, Any, Mapping[str, Any]], Any]


def _added(x: float, z: Any, own: Mapping[str, Any]) -> Any:  # noqa: ANN401, ARG001
    return x + z


def _crossing(x: float, z: Any, own: Mapping[str, Any]) -> Any:  # noqa: ANN401, ARG001
    """Share of the power that crosses: sin^2 of the coupler's angle."""
    return torch.sin(math.asin(math.sqrt(_inside(x))) + torch.as_tensor(z)) ** 2


def _staying(x: float, z: Any, own: Mapping[str, Any]) -> Any:  # noqa: ANN401, ARG001
    return torch.cos(math.acos(math.sqrt(_inside(x))) + torch.as_tensor(z)) ** 2


def _inside(share: float) -> float:
    """Keep off 0 and 1, where an amplitude has no slope in its power."""
    return min(max(share, 1e-12), 1 - 1e-12)


def _volts(x: float, z: Any, own: Mapping[str, Any]) -> Any:  # noqa: ANN401, ARG001
    return x + z / math.pi


def _watts(x: float, z: Any, own: Mapping[str, Any]) -> Any:  # noqa: ANN401
    return x + z * (float(own["p_pi_mw"]) / math.pi)


# What varies, by the names of a part's settings; the first choice that the part has wins (`delta` over `coupling`).
VARIED: list[tuple[Kind, list[dict[str, Move]]]] = [
    ("splitting", [{"delta": _added}, {"coupling": _crossing}]),
    ("splitting", [{"coupling_drop": _crossing}]),
    ("splitting", [{"splitting_ratio_cross": _crossing, "splitting_ratio_thru": _staying}]),
    ("splitting", [{"delta_in": _added}]),
    ("splitting", [{"delta_out": _added}]),
    ("width", [{"neff": _added}]),
    ("heater", [{"theta": _added}]),
    ("heater", [{"phi": _added}]),
    ("heater", [{"phase": _added}, {"voltage": _volts}]),
    ("heater", [{"power_mw": _watts}]),
]


@dataclass(frozen=True, kw_only=True)
class Spread:
    """Standard deviations of what a foundry does; all defaults are assumed, no readable source has them.

    Attributes:
        splitting_rad: of each coupler's angle [rad]; .02 is 2 % of the power at 50:50.
        width_nm: of each waveguide's width [nm], independent.
        die_nm: of the width of all waveguides of a die together [nm].
        index_per_nm: change of the effective index with the width [1/nm].
        heater_rad: of each heater's phase [rad].

    """

    splitting_rad: float = 0.02
    width_nm: float = 1.0
    die_nm: float = 3.0
    index_per_nm: float = 1.5e-3
    heater_rad: float = 0.05


@dataclass(frozen=True, kw_only=True)
class Knob:
    """One independent deviation: how far one standard deviation moves which settings of which parts."""

    kind: Kind
    label: str
    targets: list[tuple[str, dict[str, Move]]]  # path of a part; how each of its settings moves
    sigma: float


def knobs(whole: Circuit, models: dict[str, Any], spread: Spread) -> list[Knob]:
    """List the knobs of a circuit. ValueError where nothing in it varies, or a spread is below zero or NaN."""
    for name, value in asdict(spread).items():
        if not (value >= 0 and math.isfinite(value)):
            raise ValueError(f"the spread {name} must be zero or more, not {value}")
    sigma = {
        "splitting": spread.splitting_rad,
        "width": spread.width_nm * spread.index_per_nm,
        "heater": spread.heater_rad,
    }
    found: list[Knob] = []
    widths: list[tuple[str, dict[str, Move]]] = []
    for path, leaf in whole.flat.instances.items():
        known = defaults(models[leaf.component])
        for kind, choices in VARIED:
            for moves in [choice for choice in choices if set(choice) <= set(known)][:1]:
                label = f"{path}.{next(iter(moves))}"
                found.append(Knob(kind=kind, label=label, targets=[(path, moves)], sigma=sigma[kind]))
                widths += [(path, moves)] if kind == "width" else []
    if widths:
        found.append(Knob(kind="width", label="die", targets=widths, sigma=spread.die_nm * spread.index_per_nm))
    found = [knob for knob in found if knob.sigma]
    if not found:
        raise ValueError("nothing in this circuit varies: no coupler angle, index or heater with a spread above zero")
    return found


class Varied:
    """A circuit at one wavelength as a function of its knobs, in standard deviations."""

    def __init__(self, whole: Circuit, models: dict[str, Any], every: Sequence[Knob], wl: float) -> None:
        self.whole, self.knobs, self.wl = whole, every, wl
        self._own = {
            path: {**defaults(models[leaf.component]), **leaf.settings} for path, leaf in whole.flat.instances.items()
        }

    def s(self, z: Tensor) -> Tensor:
        """S (*batch, out, in) where the knobs, last axis of z, are turned."""
        turned: dict[str, dict[str, tuple[Move, Any]]] = {}
        for knob, turn in zip(self.knobs, z.unbind(-1), strict=True):
            for path, moves in knob.targets:
                for name, move in moves.items():
                    _, before = turned.setdefault(path, {}).get(name, (move, 0.0))
                    turned[path][name] = move, before + knob.sigma * turn
        settings: dict[str, Any] = {"wl": self.wl} if "wl" in self.whole.setting_names else {}
        for path, moved in turned.items():
            own = self._own[path]
            settings[path] = {name: move(float(own[name]), shift, own) for name, (move, shift) in moved.items()}
        return self.whole.dense(**settings)[0]

    def jacobian(self) -> Tensor:
        """Derivative of S by every knob at zero, (knobs, out, in): reverse mode, an entry of S at a time."""
        z = torch.zeros(len(self.knobs), dtype=torch.float64, requires_grad=True)
        s = self.s(z)
        slopes = torch.zeros(len(self.knobs), *s.shape, dtype=s.dtype)
        for into, out in self.whole.plan.outputs[:, 1:].tolist():
            real, imag = (
                torch.autograd.grad(part, z, retain_graph=True)[0] for part in (s[out, into].real, s[out, into].imag)
            )
            slopes[:, out, into] = torch.complex(real, imag)
        return slopes


def error(s: Tensor, nominal: Tensor) -> Tensor:
    """Relative distance of S to the nominal one, up to a common phase: min_a ||e^{ia} S - S0|| / ||S0||."""
    overlap = (nominal.conj() * s).sum((-1, -2)).abs()
    square = s.abs().square().sum((-1, -2)) + nominal.abs().square().sum() - 2 * overlap
    return torch.sqrt(square.clamp(min=0) / nominal.abs().square().sum())


def error_slopes(slopes: Tensor, nominal: Tensor) -> Tensor:
    """First-order error of each knob alone, one standard deviation off: its dS without a turn of the common phase."""
    norm = nominal.abs().square().sum()
    turn = (nominal.conj() * slopes).sum((-1, -2)).imag / norm
    return torch.sqrt((slopes - 1j * turn[:, None, None] * nominal).abs().square().sum((-1, -2)) / norm)
