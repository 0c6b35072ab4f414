"""Published memristors and the machines around them. A number without a readable measured source is marked assumed.

Tags: A read in the paper or its abstract, B as cited by a later one (original unread), C somebody's modelling
assumption. A test refuses a number that has neither a source nor that mark.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch

from electronic_ep.cost import Periphery
from electronic_ep.crossbar import CrossbarWeight, Gradient, outer
from electronic_ep.devices import LinearStep, Memristor, SoftBounds
from electronic_ep.irdrop import Terminals, Wires
from electronic_ep.nudge import CurrentNudge
from electronic_ep.programming import MixedPrecision, Programming
from ep_core.quantity import Quantity

# 65 nm, pitch 4 F: .47 ohm a cell, from NeuroSim's parameters (tag C)
WIRES_65 = Wires(word=0.47, bit=0.47)
# The same resistance whether a line is driven or sensed: the transpose is exact
SHARED = Terminals(word_drive=10.0, word_sense=10.0, bit_drive=10.0, bit_sense=10.0)
_AROUND = {
    "tile": "assumed",
    "wires": "65 nm, 4 F: from NeuroSim's parameters (C)",
    "terminals": "assumed",
    "nudge": "assumed",
}


@dataclass(frozen=True, kw_only=True)
class Chip:
    """A whole crossbar machine: memristors, wires, all parts, the nudge. One object: physics and cost.

    Attributes:
        memristor, programming, tile, wires, terminals, periphery: as of `CrossbarWeight`. nudge: of the outputs.
        sources: of tile, wires, terminals and nudge.

    """

    memristor: Memristor
    programming: Programming = field(default_factory=MixedPrecision)
    tile: int = 64
    wires: Wires = WIRES_65
    terminals: Terminals = SHARED
    periphery: Periphery = field(default_factory=Periphery)
    nudge: CurrentNudge = field(default_factory=lambda: CurrentNudge(ceiling=1.0, bits=8, noise=0.0))
    sources: Mapping[str, str] = field(default_factory=lambda: dict(_AROUND))

    @property
    def state_bits(self) -> int:
        """Bits of the converters that hold a neuron's state."""
        return self.periphery.adc.bits

    def weight(
        self,
        out_features: int,
        in_features: int,
        *,
        generator: torch.Generator | None = None,
        std: float | None = None,
        top: float | None = None,
        gradient: Gradient = outer,
        dtype: torch.dtype = torch.float32,
    ) -> CrossbarWeight:
        """Return an operator on this machine: a `weight` for `Network`."""
        return CrossbarWeight(
            out_features,
            in_features,
            memristor=self.memristor,
            programming=self.programming,
            tile=self.tile,
            wires=self.wires,
            terminals=self.terminals,
            periphery=self.periphery,
            generator=generator,
            std=std,
            top=top,
            gradient=gradient,
            dtype=dtype,
        )


# More than 32 states under 1.5 V on 64 x 64 arrays: Falcone, arXiv 2502.04524 (tag A, abstract). Shape, spread and
# range are assumed.
CMO_HFOX = Chip(
    memristor=Memristor(
        low_us=10.0,
        high_us=100.0,
        response=SoftBounds.of(5),
        device_spread=0.3,
        cycle_spread=0.3,
        write_v=1.5,
        sources={
            "low_us": "assumed",
            "high_us": "assumed",
            "response": "> 32 states: Falcone, arXiv 2502.04524 (A); soft bounds assumed",
            "device_spread": "assumed",
            "cycle_spread": "assumed",
            "drift_s": "assumed",
            "write_v": "< 1.5 V: Falcone, arXiv 2502.04524 (A)",
        },
    ),
    sources=_AROUND | {"tile": "64 x 64: Falcone, arXiv 2502.04524 (A)"},
)

# Soft bounds with a step of .002 on a range of 2, 30 % device spread, cycle 3.75 steps: Gong, Nat. Commun. 2018, as
# fitted in aihwkit's ReRamSB (tag B)
RERAM_SB = Chip(
    memristor=Memristor(
        low_us=1.0,
        high_us=100.0,
        response=SoftBounds(up=0.002, down=0.002),
        device_spread=0.3,
        cycle_spread=3.75,
        sources={
            "low_us": "assumed",
            "high_us": "assumed",
            "response": "Gong 2018, aihwkit's ReRamSB (B)",
            "device_spread": "Gong 2018, aihwkit's ReRamSB (B)",
            "cycle_spread": "Gong 2018, aihwkit's ReRamSB (B)",
            "drift_s": "assumed",
            "write_v": "assumed",
        },
    )
)

# A step of .095 on a range of 2, lognormal spread .78, 13.5 % faulty: Gong & Rasch, IEDM 2022, as in aihwkit (tag B)
RERAM_OM = Chip(
    memristor=Memristor(
        low_us=1.0,
        high_us=100.0,
        response=SoftBounds(up=0.095, down=0.095),
        device_spread=0.78,
        cycle_spread=0.4158,
        stuck=0.135,
        sources={
            "low_us": "assumed",
            "high_us": "assumed",
            "response": "Gong & Rasch, IEDM 2022, aihwkit's ReRamArrayOM (B)",
            "device_spread": "Gong & Rasch, IEDM 2022, aihwkit's ReRamArrayOM (B)",
            "cycle_spread": "Gong & Rasch, IEDM 2022, aihwkit's ReRamArrayOM (B)",
            "stuck": "Gong & Rasch, IEDM 2022, aihwkit's ReRamArrayOM (B); anywhere in the range assumed",
            "drift_s": "assumed",
            "write_v": "assumed",
        },
    )
)

# 50 to 225 uS, 121 pulses from end to end by one of two schemes: Milo, TED 2021 (tag B)
HFO2 = Chip(
    memristor=Memristor(
        low_us=50.0,
        high_us=225.0,
        response=SoftBounds(up=2 / 121, down=2 / 121),
        device_spread=0.3,
        cycle_spread=0.3,
        sources={
            "low_us": "Milo, TED 2021 (B)",
            "high_us": "Milo, TED 2021 (B)",
            "response": "121 pulses: Milo, TED 2021 (B); soft bounds assumed",
            "device_spread": "assumed",
            "cycle_spread": "assumed",
            "drift_s": "assumed",
            "write_v": "assumed",
        },
    )
)

# 100 to 700 uS, about 180 levels, 128 x 64: Hu, Adv. Mater. 30, 1705914 (2018) (tag B)
DPE = Chip(
    memristor=Memristor(
        low_us=100.0,
        high_us=700.0,
        response=LinearStep(up=1 / 180, down=1 / 180),
        device_spread=0.3,
        cycle_spread=0.3,
        sources={
            "low_us": "Hu, Adv. Mater. 2018 (B)",
            "high_us": "Hu, Adv. Mater. 2018 (B)",
            "response": "about 180 levels: Hu, Adv. Mater. 2018 (B); linear steps assumed",
            "device_spread": "assumed",
            "cycle_spread": "assumed",
            "drift_s": "assumed",
            "write_v": "assumed",
        },
    ),
    sources=_AROUND | {"tile": "the shorter side of 128 x 64: Hu, Adv. Mater. 2018 (B)"},
)

# 130 nm, 256 x 256, .5 V, up to 40 uS, 1 % read noise: Wan, Nature 608:504 (2022), as digitised by CiMLoop, CrossSim
# and aihwkit (tag B)
NEURRAM = Chip(
    memristor=Memristor(
        low_us=1.0,
        high_us=40.0,
        response=SoftBounds.of(5),
        device_spread=0.3,
        cycle_spread=0.3,
        read_noise=0.01,
        sources={
            "low_us": "assumed",
            "high_us": "Wan, Nature 2022 (B)",
            "response": "assumed",
            "device_spread": "assumed",
            "cycle_spread": "assumed",
            "read_noise": "about 1 %: Wan, Nature 2022, Extended Data Fig. 3 (B)",
            "drift_s": "assumed",
            "write_v": "assumed",
        },
    ),
    tile=256,
    periphery=Periphery(read_v=Quantity(0.5, unit="V", source="Wan, Nature 2022 (B)")),
    sources=_AROUND | {"tile": "256 x 256: Wan, Nature 2022 (B)"},
)

# Up to 25 uS; G falls as (t / 20 s)^-nu, nu from .049 to .1; read noise .0088 / g^.65 at half of the range: Nandakumar,
# ICECS 2019, as in aihwkit (tag B). A pulse down is one of a second device in truth; here it is one of its own.
PCM = Chip(
    memristor=Memristor(
        low_us=0.1,
        high_us=25.0,
        response=SoftBounds.of(5),
        device_spread=0.3,
        cycle_spread=0.3,
        read_noise=0.0138,
        drift=0.06,
        drift_spread=0.02,
        drift_s=20.0,
        sources={
            "low_us": "assumed",
            "high_us": "Nandakumar, ICECS 2019 (B)",
            "response": "assumed",
            "device_spread": "assumed",
            "cycle_spread": "assumed",
            "read_noise": "Nandakumar, ICECS 2019, at half of the range (B); its growth in time left out: assumed",
            "drift": "within .049 to .1: Nandakumar, ICECS 2019 (B); the same at all states assumed",
            "drift_spread": "assumed",
            "drift_s": "Nandakumar, ICECS 2019 (B)",
            "write_v": "assumed",
        },
    )
)

CHIPS: Mapping[str, Chip] = {
    "cmo-hfox": CMO_HFOX,
    "reram-sb": RERAM_SB,
    "reram-om": RERAM_OM,
    "hfo2": HFO2,
    "dpe": DPE,
    "neurram": NEURRAM,
    "pcm": PCM,
}


def chip(name: str) -> Chip:
    """Return a preset by name. ValueError lists those that exist."""
    if name not in CHIPS:
        raise ValueError(f"there is no preset {name!r}: there are {', '.join(CHIPS)}")
    return CHIPS[name]
