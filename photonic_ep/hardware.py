"""The parts around and in a photonic machine, each with its numbers and their sources: what `cost` is made of.

What is also physics (levels, bandwidth, pitches) stands here once and feeds both. Tags as in the table of constants:
A read in the paper or its abstract, B as cited by a later one (original unread), C somebody's modelling assumption.
"""

from dataclasses import dataclass, field

from ep_core.cost import Part
from ep_core.parts import ACCUMULATOR, Accumulator, Converter, require
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
        source: of these.

    """

    mw_pi: float
    settle_s: float
    write_pj: float = 10.0
    driver_mm2: float = 1e-3
    source: str

    def __post_init__(self) -> None:
        require(self, "settle_s", "write_pj")
        require(self, "mw_pi", "driver_mm2", zero=True)


@dataclass(frozen=True, kw_only=True)
class Modulator:
    """What writes a state, or the nudge, on light.

    Attributes:
        pj: a sample [pJ]. mm2: area [mm^2]. source: of these.

    """

    pj: float
    mm2: float
    source: str

    def __post_init__(self) -> None:
        require(self, "pj", "mm2")

    def part(self) -> Part:
        """Of one."""
        return Part(joules=1e-12 * self.pj, area=self.mm2, source=self.source)


@dataclass(frozen=True, kw_only=True)
class Receiver:
    """A balanced pair of photodiodes with its amplifier.

    Attributes:
        detector: its photodiodes; a sample takes 1 / bandwidth.
        pj: a sample [pJ]. mm2: area [mm^2]. source: of these.

    """

    detector: BalancedDetector
    pj: float
    mm2: float
    source: str

    def __post_init__(self) -> None:
        require(self, "pj", "mm2")

    def part(self) -> Part:
        """Of one."""
        seconds = 1 / self.detector.bandwidth_hz
        return Part(joules=1e-12 * self.pj, seconds=seconds, area=self.mm2, source=self.source)


@dataclass(frozen=True, kw_only=True)
class Supply:
    """The laser.

    Attributes:
        port_mw: light that one port of one tile gets, the local oscillator's share included [mW].
        efficiency: light out of the laser over electrical power (wall plug); sweep it: 4.5 % (2013) to 45 % (assumed).
        source: of these.

    """

    port_mw: float
    efficiency: float
    source: str

    def __post_init__(self) -> None:
        require(self, "port_mw")
        if not 0 < self.efficiency <= 1:
            raise ValueError(f"efficiency of a laser lies between 0 and 1, not {self.efficiency}")

    def part(self, mw: float) -> Part:
        """Of so much light, while the machine is on."""
        return Part(watts=1e-3 * mw / self.efficiency, source=self.source)


# ADC: Wang, ISSCC 2023, 8 b, 2.7 GS/s, 3 mW: 1.11 pJ, as in B. Murmann's survey of 2025-06-09; its area is Kull's,
# 1500 um^2 (1.2 GS/s, 2013). DAC: 8 b, 50 mW at 14 GS/s, 11,000 um^2, 16 nm (tag B).
ADC = Converter(bits=8, pj=1.11, sample_s=1 / 2.7e9, mm2=1.5e-3, source="Wang, ISSCC 2023; area Kull 2013 (A)")
DAC = Converter(bits=8, pj=50e9 / 14e9, sample_s=1 / 14e9, mm2=1.1e-2, source="8 b, 14 GS/s, 16 nm (B)")
# 450 fJ/bit at 50 Gb/s (Streshinsky, OE 21:30350, tag B), 8 bits; 260 x 20 um (Akiyama, OE 20, 2012, tag B)
MODULATOR = Modulator(
    pj=8 * 0.45, mm2=260e-3 * 20e-3, source="Streshinsky, OE 21:30350 (B); area Akiyama, OE 20, 2012 (B)"
)
# .7 pJ a sample: Pai, Science 380:398 (2023), SM (tag B); area assumed
RECEIVER = Receiver(detector=BalancedDetector(), pj=0.7, mm2=5e-3, source="Pai, Science 380:398 SM (B); area assumed")
# 10 %: projected in 2013; 1 mW a port assumed
SUPPLY = Supply(port_mw=1.0, efficiency=0.1, source="wall plug 10 % projected (A); 1 mW a port assumed")
# Harris, Opt. Express 22:10487 (2014): 24.77 mW (A), 2.69 us (B); converter assumed
HEATER = Shifter(mw_pi=24.77, settle_s=5 * 2.69e-6, source="Harris, OE 22:10487 (A; tau B); converter assumed")


@dataclass(frozen=True, kw_only=True)
class Hardware:
    """All parts of a photonic machine.

    Attributes:
        shifter: in the meshes. plan: where they are. adc, dac, modulator, receiver: at every port.
        supply: the laser. accumulator: keeps what a phase's levels owe.
        logic_s: what lies between an ADC and a DAC, the neuron [s]; assumed.

    """

    shifter: Shifter = HEATER
    plan: FloorPlan = field(default_factory=FloorPlan)
    adc: Converter = ADC
    dac: Converter = DAC
    modulator: Modulator = MODULATOR
    receiver: Receiver = RECEIVER
    supply: Supply = SUPPLY
    accumulator: Accumulator = ACCUMULATOR
    logic_s: float = 1e-9

    def __post_init__(self) -> None:
        require(self, "logic_s", zero=True)
        if self.adc.bits != self.dac.bits:
            raise ValueError(
                f"states have as many bits in the DACs as in the ADCs, not {self.dac.bits}, {self.adc.bits}"
            )
