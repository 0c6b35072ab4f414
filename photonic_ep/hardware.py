"""The parts around and in a photonic machine, each with its numbers and their sources: what `cost` is made of.

What is also physics (levels, bandwidth, pitches) stands here once and feeds both. Tags as in the table of constants:
A read in the paper or its abstract, B as cited by a later one (original unread), C somebody's modelling assumption.
"""

import math
from dataclasses import dataclass, field

from ep_core.cost import Part
from ep_core.parts import (
    ACCUMULATOR,
    ENGINE,
    LOGIC_S,
    NEURON_PJ,
    Accumulator,
    Converter,
    Engine,
    require,
)
from ep_core.quantity import Quantity, sources
from photonic_ep.detect import BalancedDetector
from photonic_ep.mesh.heat import FloorPlan


@dataclass(frozen=True, kw_only=True)
class Shifter:
    """A phase shifter, and the converter that sets it.

    Attributes:
        mw_pi: power that holds a phase of pi [mW], proportional to the phase; 0 for those that hold by themselves.
        settle_s: time until a new phase stands [s].
        write_pj: what a change takes beside holding [pJ], the converter included.
        driver_mm2: area of the converter [mm^2].

    """

    mw_pi: float
    settle_s: float
    write_pj: float = Quantity(10.0, 1.0, 100.0, unit="pJ", source="assumed")
    driver_mm2: float = Quantity(1e-3, 2e-4, 1.1e-2, unit="mm^2", source="assumed")

    def __post_init__(self) -> None:
        require(self, "settle_s", "write_pj")
        require(self, "mw_pi", "driver_mm2", zero=True)


@dataclass(frozen=True, kw_only=True)
class Modulator:
    """What writes a state, or the nudge, on light.

    Attributes:
        pj: a sample [pJ]. mm2: area [mm^2].

    """

    pj: float
    mm2: float

    def __post_init__(self) -> None:
        require(self, "pj", "mm2")

    def part(self) -> Part:
        """Of one."""
        return Part(joules=1e-12 * self.pj, area=self.mm2, source=sources(self))


@dataclass(frozen=True, kw_only=True)
class Receiver:
    """A balanced pair of photodiodes with its amplifier.

    Attributes:
        detector: its photodiodes; a sample takes 1 / bandwidth.
        pj: a sample [pJ]. mm2: area [mm^2].

    """

    detector: BalancedDetector
    pj: float
    mm2: float

    def __post_init__(self) -> None:
        require(self, "pj", "mm2")

    def part(self) -> Part:
        """Of one."""
        told = f"{sources(self)}; bandwidth {sources(self.detector, 'bandwidth_hz')}"
        return Part(joules=1e-12 * self.pj, seconds=1 / self.detector.bandwidth_hz, area=self.mm2, source=told)


@dataclass(frozen=True, kw_only=True)
class Supply:
    """The laser.

    Attributes:
        port_mw: light that one port of one tile gets, the local oscillator's share included [mW].
        efficiency: light out of the laser over electrical power (wall plug).

    """

    port_mw: float
    efficiency: float

    def __post_init__(self) -> None:
        require(self, "port_mw")
        if not 0 < self.efficiency <= 1:
            raise ValueError(f"efficiency of a laser lies between 0 and 1, not {self.efficiency}")

    def part(self, mw: float) -> Part:
        """Of so much light, while the machine is on."""
        return Part(watts=1e-3 * mw / self.efficiency, source=sources(self))


ADC = Converter(
    bits=8,
    pj=Quantity(1.11, 1.11, 9.1, unit="pJ", source="Wang, ISSCC 2023; high: median of B. Murmann's survey, 2025 (A)"),
    sample_s=Quantity(1 / 2.7e9, 1 / 5e9, 1 / 1.2e9, unit="s", source="Wang, ISSCC 2023; range: Liu, Kull (A)"),
    mm2=Quantity(1.5e-3, 3.13e-4, 2.85e-3, unit="mm^2", source="Kull 2013; range: Yonar, Liu (A)"),
)
DAC = Converter(
    bits=8,
    pj=Quantity(50 / 14, 0.417, 286 / 56, unit="pJ", source="8 b, 14 GS/s, 16 nm (B); low Shafiee, high 56 GS/s (B)"),
    sample_s=Quantity(1 / 14e9, 1 / 56e9, 1 / 1.2e9, unit="s", source="8 b, 14 GS/s, 16 nm (B); high assumed"),
    mm2=Quantity(1.1e-2, 2e-4, 1.1e-2, unit="mm^2", source="8 b, 14 GS/s, 16 nm (B); low assumed"),
)
MODULATOR = Modulator(
    pj=Quantity(
        8 * 0.45,
        8 * 0.2,
        8 * 0.9,
        unit="pJ",
        source="8 bits of 450 fJ, Streshinsky, OE 21:30350 (B); low Baehr-Jones 2012 (A); high assumed",
    ),
    mm2=Quantity(260e-3 * 20e-3, unit="mm^2", source="260 x 20 um, Akiyama, OE 20, 2012 (B)"),
)
RECEIVER = Receiver(
    detector=BalancedDetector(),
    pj=Quantity(
        0.7, 0.55, 2.03, unit="pJ", source="Pai, Science 380:398 SM (B); low Li, OE 28:14038 (B); high 2.03 mW TIA (A)"
    ),
    mm2=Quantity(5e-3, 1e-3, 2e-2, unit="mm^2", source="assumed"),
)
SUPPLY = Supply(
    port_mw=Quantity(1.0, 0.1, 10.0, unit="mW", source="assumed"),
    efficiency=Quantity(0.1, 0.45, 0.045, unit="1", source="projected 2013 (A); .45 assumed by Pai SM (C), .045 (A)"),
)
HEATER = Shifter(
    mw_pi=Quantity(
        24.77, 22.1, 50.0, unit="mW", source="Harris, OE 22:10487 (A); low Jacques (B), high Pai, Science 380:398 (B)"
    ),
    settle_s=Quantity(
        5 * 2.69e-6,
        5 / (2 * math.pi * 186e3),
        5 / (2 * math.pi * 33e3),
        unit="s",
        source="5 tau, Harris (B); low 186 kHz, Photonics 9:447 (A); high 33 kHz, Jacques (B)",
    ),
)


@dataclass(frozen=True, kw_only=True)
class Hardware:
    """All parts of a photonic machine.

    Attributes:
        shifter: in the meshes. plan: where they are. adc, dac, modulator, receiver: at every port.
        supply: the laser. accumulator: keeps what a phase's levels owe.
        engine: contrasts of states, and gradients of the controller's model.
        logic_s, neuron_pj: what lies between an ADC and a DAC, the neuron [s, pJ].

    """

    shifter: Shifter = HEATER
    plan: FloorPlan = field(default_factory=FloorPlan)
    adc: Converter = ADC
    dac: Converter = DAC
    modulator: Modulator = MODULATOR
    receiver: Receiver = RECEIVER
    supply: Supply = SUPPLY
    accumulator: Accumulator = ACCUMULATOR
    engine: Engine = ENGINE
    logic_s: float = LOGIC_S
    neuron_pj: float = NEURON_PJ

    def __post_init__(self) -> None:
        require(self, "logic_s", "neuron_pj", zero=True)
        if self.adc.bits != self.dac.bits:
            raise ValueError(
                f"states have as many bits in the DACs as in the ADCs, not {self.dac.bits}, {self.adc.bits}"
            )
