"""A fabrication process as data: cells, distances, and which circuit model each cell of the mask is."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import gdsfactory as gf
import torch

from photonic_ep.circuit import models
from photonic_ep.circuit.arithmetic import Setting
from photonic_ep.circuit.groups import Model
from photonic_ep.circuit.models import SDict
from photonic_ep.hardware import HEATER

Settings = Mapping[str, Any]
Translator = Callable[[Settings], dict[str, Any]]
Layer = tuple[int, int]


@dataclass(frozen=True, kw_only=True)
class Process:
    """What a layout needs to know of a foundry.

    Attributes:
        name: of the process.
        activate: makes its cells known to gdsfactory.
        straight, bend, heater, coupler: names of its cells; a heater is a `straight` with a metal strip.
        heater_settings: beside its length. coupler_settings: of a 50:50 coupler whose ports lie `pitch_y_um` apart.
        coupler_length_um: of its part between two bends. coupler_bend_um: of a bend. coupled_um: distance of the
            guides' centre lines between the bends.
        corner: cell of a quarter turn. end, end_settings: cell that ends a guide without a reflection, by its port o1.
        fibre_pitch_um: distance of fibres in an array. fan_um: length of the bends that lead there.
        heater_um: length of a heater. lead_um: of the guide on either side of it. pitch_y_um: distance of waveguides.
        guide, metal, pad_open, text: layers of waveguides, of wires and pads, of the openings over pads, of labels.
        stack: layers from the heater up to the metal, by name; 'contact' is what lies on a heater's ends.
        guide_um: least width in the layer of guides, where a taper ends. gap_um: least gap of two.
        heater_space_um: least distance of two heaters.
        sheet_ohm: of a heater. reticle_um: the largest field that is exposed at once.
        wire_um, space_um: width of a wire and least distance of two. amperes_um: what a wire carries a um of width.
        pad_um, pad_space_um: side of a bond pad and distance of two. heater_ohm: of one heater. mw_pi: power that it
            turns light by pi with [mW].
        models: of every cell that light passes: circuit model, and its settings in terms of the cell's settings and
            info. This is the bridge between mask and simulator.

    """

    name: str
    activate: Callable[[], None]
    straight: str
    bend: str
    heater: str
    coupler: str
    heater_settings: Settings
    coupler_settings: Settings
    coupler_length_um: float
    coupler_bend_um: float
    coupled_um: float
    corner: str
    end: str
    end_settings: Settings
    fibre_pitch_um: float
    fan_um: float
    heater_um: float
    lead_um: float
    pitch_y_um: float
    guide: Layer
    metal: Layer
    pad_open: Layer
    text: Layer
    stack: Mapping[str, Layer]
    guide_um: float
    gap_um: float
    heater_space_um: float
    sheet_ohm: float
    reticle_um: tuple[float, float]
    wire_um: float
    space_um: float
    amperes_um: float
    pad_um: float
    pad_space_um: float
    heater_ohm: float
    mw_pi: float
    models: Mapping[str, tuple[Model, Translator]] = field(repr=False)

    def __post_init__(self) -> None:
        missing = [name for name in ("heater", "contact", "metal") if name not in self.stack]
        if missing:
            raise ValueError(f"the process {self.name!r} lacks the layers {missing}: its stack has {list(self.stack)}")
        without = [
            name
            for name in (self.straight, self.bend, self.corner, self.heater, self.coupler, self.end)
            if name not in self.models
        ]
        if without:
            raise ValueError(f"the process {self.name!r} has no circuit model of its cells {without}")

    @property
    def arm_um(self) -> float:
        """Length of an arm with its leads."""
        return self.heater_um + 2 * self.lead_um

    @property
    def most_amperes(self) -> float:
        """Current of a heater at the largest phase that is ever held, 5/2 pi [A]."""
        return math.sqrt(2.5e-3 * self.mw_pi / self.heater_ohm)

    @property
    def stage_um(self) -> float:
        """Length of an arm and the coupler behind it: half a column."""
        return self.arm_um + self.coupler_length_um + 2 * self.coupler_bend_um


WL, NEFF, NG = 1.55, 2.34, 3.4  # um; of a silicon strip of 450 x 220 nm, as sax's `straight` has them (tag C)


def guide(*, wl: Setting = WL, length: Setting = 10.0) -> SDict:
    """A waveguide of the process."""
    return models.straight(wl=wl, wl0=WL, neff=NEFF, ng=NG, length=length)


def heated_guide(
    *, wl: Setting = WL, length: Setting = 10.0, phase: Setting = 0.0, offset: Setting = 0.0, loss_dB: Setting = 0.0
) -> SDict:
    """A waveguide under a heater that adds `phase` [rad] at the design wavelength, and phase WL / wl at others.

    `offset` [rad] and `loss_dB` are its errors.
    """
    cold = guide(wl=wl, length=length)["o1", "o2"]
    phase, offset, loss, wl = (torch.as_tensor(value, dtype=torch.float64) for value in (phase, offset, loss_dB, wl))
    turn = (phase + offset) * (WL / wl)
    return models.reciprocal({("o1", "o2"): cold * torch.polar(10 ** (-loss / 20) * torch.ones_like(turn), turn)})


def guided_coupler(*, wl: Setting = WL, length: Setting = 10.0, delta: Setting = 0.0, loss_dB: Setting = 0.0) -> SDict:
    """A coupler [[cos a, i sin a], [i sin a, cos a]] with the delay of its guides, each `length` [um] along its centre.

    a is pi/4 + delta [rad]; `delta` and `loss_dB` are its errors.
    """
    cold = guide(wl=wl, length=length)["o1", "o2"]
    angle, loss = (torch.as_tensor(value, dtype=torch.float64) for value in (delta, loss_dB))
    kept, angle = 10 ** (-loss / 20), math.pi / 4 + angle
    bar, cross = kept * torch.cos(angle) * cold, 1j * kept * torch.sin(angle) * cold
    through = {("o1", "o4"): bar, ("o2", "o3"): bar, ("o1", "o3"): cross, ("o2", "o4"): cross}
    return models.reciprocal(through)


GPDK = Process(
    name="gpdk",
    activate=gf.gpdk.PDK.activate,
    straight="straight",
    bend="bend_s",
    heater="straight_heater_metal_undercut",
    coupler="coupler",
    # What gdsfactory's `straight_heater_metal` is: no undercut
    heater_settings={
        "with_undercut": False,
        "length_straight_input": 0.1,
        "length_undercut": 5.0,
        "length_undercut_spacing": 0.0,
    },
    coupler_settings={"gap": 0.234, "length": 14.5, "dx": 30.0, "dy": 30.0},
    coupler_length_um=14.5,
    coupler_bend_um=30.0,
    coupled_um=0.234 + 0.5,
    corner="bend_euler",
    end="taper",
    end_settings={"length": 10.0, "width1": 0.5, "width2": 0.1},
    fibre_pitch_um=127.0,
    fan_um=400.0,
    heater_um=120.0,
    lead_um=20.0,
    pitch_y_um=30.0,
    guide=(1, 0),
    metal=(49, 0),
    pad_open=(46, 0),
    text=(49, 10),
    stack={"heater": (47, 0), "contact": (45, 0), "via": (43, 0), "metal": (49, 0)},
    guide_um=0.1,
    gap_um=0.234,
    heater_space_um=10.0,
    sheet_ohm=10.0,
    reticle_um=(26_000.0, 33_000.0),  # of a scanner (assumed)
    # Ours: 6 mA a um of a thick top metal, and a heater of 2.5 um in 10 ohm a square (assumed)
    wire_um=2.0,
    space_um=1.2,
    amperes_um=6e-3,
    pad_um=80.0,
    pad_space_um=20.0,
    heater_ohm=480.0,
    mw_pi=HEATER.mw_pi,
    models={
        "straight": (guide, lambda cell: {"length": cell["length"]}),
        # What gdsfactory integrated along the centre line of an S-bend, and of one guide of a coupler
        "bend_s": (guide, lambda cell: {"length": cell["length"]}),
        "coupler": (guided_coupler, lambda cell: {"length": cell["path_length"]}),
        "bend_euler": (guide, lambda cell: {"length": cell["length"]}),
        "taper": (models.terminator, lambda _: {}),
        "straight_heater_metal_undercut": (heated_guide, lambda cell: {"length": cell["length"]}),
    },
)
