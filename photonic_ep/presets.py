"""Reference devices, ready to train on. A number without a readable measured source is marked assumed."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import torch

from ep_core.quantity import Quantity
from photonic_ep.detect import BalancedDetector
from photonic_ep.hardware import Hardware, Shifter
from photonic_ep.mesh.heat import DEEP_TRENCH, FloorPlan
from photonic_ep.mesh.imperfections import Imperfections
from photonic_ep.mesh.topology import Topology, clements
from photonic_ep.nudge import NudgeLight
from photonic_ep.weight import MeshWeight

PHYSICS = {
    "imperfections": "loss: low end of what Pai, Science 380:398 SM assumes (C); crosstalk 2.5 %: 2203.16956 (B); "
    "crossings .16 dB: Bogaerts, OL 32:2801 (B); phase and splitter errors, bits: assumed",
    "nudge": "assumed",
}


@dataclass(frozen=True, kw_only=True)
class Device:
    """A whole photonic machine: tiles, their imperfections, all parts, the nudge's light. One object: physics and cost.

    `sources`: of the numbers of imperfections and nudge; constants of the parts carry their own.

    Raises ValueError where two of its parts say two things: floor plans, or the diodes of receivers and nudge.
    """

    tile: int
    topology: Callable[[int], Topology]
    imperfections: Imperfections
    hardware: Hardware
    nudge: NudgeLight
    sources: Mapping[str, str] = field(default_factory=lambda: dict(PHYSICS))

    def __post_init__(self) -> None:
        floor, plan = self.imperfections.floor, self.hardware.plan
        if floor is not None and floor != plan:
            raise ValueError(f"one device has one floor plan, not {floor} and {plan}")
        if self.nudge.detector is not None and self.nudge.detector != self.hardware.receiver.detector:
            raise ValueError("the nudge's light falls on the receivers' diodes: one device has one kind of them")

    @property
    def state_bits(self) -> int:
        """Bits of the converters that hold a state."""
        return self.hardware.adc.bits

    def weight(
        self,
        out_features: int,
        in_features: int,
        *,
        generator: torch.Generator | None = None,
        std: float | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> MeshWeight:
        """Return an operator on this device: a `weight` for `Network`."""
        return MeshWeight(
            out_features,
            in_features,
            tile=self.tile,
            topology=self.topology,
            imperfections=self.imperfections,
            hardware=self.hardware,
            generator=generator,
            std=std,
            dtype=dtype,
        )


# Assumed: ceiling, full scale, bits, extinction and mismatch are a plausible silicon modulator and diode pair;
# the detector's constants carry their source in `BalancedDetector`.
NUDGE_A = NudgeLight(
    ceiling_mw=1.0, full_scale_mw=1.0, bits=8, extinction_db=25.0, mismatch=0.02, detector=BalancedDetector()
)

# phase_error .05 rad, splitter_error .02 rad and dac_bits 8: assumed (no readable measured source).
# insertion_loss_db .1: lower end of the .1-.2 dB per MZI that Pai et al., Science 380:398 (2023), SM, assume.
# crossing_loss_db .16: Bogaerts et al., Opt. Lett. 32:2801 (2007), as cited by 2305.19533 (tag B: original unread);
# Clements and Reck meshes have no crossings.
# crosstalk .02: assumed, about the 2.5 % measured with deep trenches (Munoz, JSTQE 28, 2022, 2203.16956).
DEVICE_F = Device(
    tile=8,
    topology=clements,
    imperfections=Imperfections(
        phase_error=0.05,
        splitter_error=0.02,
        insertion_loss_db=0.1,
        crossing_loss_db=0.16,
        crosstalk=0.02,
        dac_bits=8,
    ),
    hardware=Hardware(),
    nudge=NUDGE_A,
)

_TRENCHED = FloorPlan(trench=DEEP_TRENCH)
_BY_FLOOR = replace(DEVICE_F.imperfections, crosstalk=0.0, floor=_TRENCHED)
_NO_HEAT = replace(DEVICE_F.imperfections, crosstalk=0.0)

# Doped silicon: 24.77 mW and .23 dB a heater, Harris, Opt. Express 22:10487 (2014, A); two heated arms in a MZI, with
# dummies beside them that lose as much (assumed). Heat flows as in silicon between deep trenches.
HEATERS = replace(
    DEVICE_F,
    imperfections=replace(_BY_FLOOR, insertion_loss_db=2 * 0.23),
    hardware=Hardware(plan=_TRENCHED),
    sources=PHYSICS | {"imperfections": "loss: Harris, OE 22:10487 (A); the rest as device F: (B), (C) and assumed"},
)

# The same over undercut silicon: about 40 times less power (2503.09009, A), .9 kHz with trenches (Alemany, Photonics
# 8(11):496, A, simulation), so 5 tau = 5 / (2 pi .9 kHz).
UNDERCUT = replace(
    HEATERS,
    hardware=Hardware(
        plan=_TRENCHED,
        shifter=Shifter(
            mw_pi=Quantity(
                24.77 / 40, unit="mW", dear=0.03 * 24.77, source="gain 40: 2503.09009 (A); high -97 %: Alemany (A)"
            ),
            settle_s=Quantity(
                5 / (2 * math.pi * 900), unit="s", source=".9 kHz: Alemany, Photonics 8:496 (A, simulation)"
            ),
        ),
    ),
)

# MEMS: .33 dB and 1.03 MHz (Edinger, OL 46:5671, 2021, A); a capacitor holds, so no power and no heat (assumed).
MEMS = replace(
    DEVICE_F,
    imperfections=replace(_NO_HEAT, insertion_loss_db=2 * 0.33),
    sources=PHYSICS | {"imperfections": "loss: Edinger, OL 46:5671 (A); the rest as device F: (B), (C) and assumed"},
    hardware=Hardware(
        shifter=Shifter(
            mw_pi=0.0,
            settle_s=Quantity(5 / (2 * math.pi * 1.03e6), unit="s", source="1.03 MHz: Edinger, OL 46:5671 (A)"),
        )
    ),
)

# Phase-change material: all assumed. It holds by itself, in 6 bits, at .3 dB; a pulse of 10 nJ and 1 us moves it.
NON_VOLATILE = replace(
    DEVICE_F,
    imperfections=replace(_NO_HEAT, insertion_loss_db=2 * 0.3, dac_bits=6),
    sources=PHYSICS | {"imperfections": "assumed"},
    hardware=Hardware(
        shifter=Shifter(
            mw_pi=0.0,
            settle_s=Quantity(1e-6, 1e-7, 1e-5, unit="s", source="assumed"),
            write_pj=Quantity(1e4, 1e3, 1e5, unit="pJ", source="assumed"),
        )
    ),
)
