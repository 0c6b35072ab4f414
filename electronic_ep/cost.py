"""The parts around and in a crossbar machine, each with its constants, and what they cost together."""

from dataclasses import dataclass, replace

from ep_core.cost import Cost, Part
from ep_core.parts import ACCUMULATOR, ENGINE, LOGIC_S, NEURON_PJ, Accumulator, Converter, Engine, require
from ep_core.quantity import Quantity, sources

ADC = Converter(
    bits=8,
    pj=Quantity(1.67, 1.11, 4.6, unit="pJ", source="Shafiee, ISCA 2016 (B); range: survey of B. Murmann, 2025 (A)"),
    sample_s=Quantity(1 / 1.2e9, 1 / 2.7e9, 1e-8, unit="s", source="assumed; low Wang, ISSCC 2023 (A)"),
    mm2=Quantity(1.2e-3, 3.13e-4, 2.85e-3, unit="mm^2", source="Shafiee, ISCA 2016 (B); range: survey (A)"),
)
DAC = Converter(
    bits=8,
    pj=Quantity(0.417, 0.2, 50 / 14, unit="pJ", source="Shafiee, ISCA 2016 (B); low assumed, high 16 nm 14 GS/s (B)"),
    sample_s=Quantity(1 / 1.2e9, 1 / 14e9, 1e-8, unit="s", source="assumed; low 16 nm 14 GS/s (B)"),
    mm2=Quantity(2e-4, 1e-4, 1.1e-2, unit="mm^2", source="assumed; high 16 nm 14 GS/s (B)"),
)


@dataclass(frozen=True, kw_only=True)
class Periphery:
    """All parts of a crossbar machine but its memristors.

    Attributes:
        adc, dac: at the end of every line, used in turn by the two directions.
        read_v: voltage of a full state [V]. read_s: how long it stands [s].
        pulse_pj: of a pulse that changes a state [pJ], its driver included. pulse_s: of a pulse [s].
        cell_um2: a device with its selector and its share of the lines [um^2].
        logic_s, neuron_pj: what lies between an ADC and a DAC, the neuron [s, pJ].
        accumulator: a word of what is not yet written. engine: contrasts of states.

    """

    adc: Converter = ADC
    dac: Converter = DAC
    read_v: float = Quantity(0.2, 0.1, 0.5, unit="V", source="assumed; high Wan, Nature 2022 (B)")
    read_s: float = Quantity(
        40e-9,
        10e-9,
        100e-9,
        unit="s",
        source="Rasch, Nat. Commun. 2024, s41467-024-51221-z (A; assumed there); high Shafiee, ISCA 2016 (B)",
    )
    pulse_pj: float = Quantity(
        1.0, 0.1, 7.0, unit="pJ", source="range of the best devices, Lanza 2019 (B); no array measured: assumed"
    )
    pulse_s: float = Quantity(
        5e-9, 0.3e-9, 1e-7, unit="s", source="Rasch, Nat. Commun. 2024 (A; assumed there); low Lanza 2019 (B)"
    )
    cell_um2: float = Quantity(0.2, 0.05, 1.0, unit="um^2", source="assumed: 12 F^2 at 130 nm")
    logic_s: float = LOGIC_S
    neuron_pj: float = NEURON_PJ
    accumulator: Accumulator = ACCUMULATOR
    engine: Engine = ENGINE

    def __post_init__(self) -> None:
        require(self, "read_v", "read_s", "pulse_pj", "pulse_s", "cell_um2")
        require(self, "logic_s", "neuron_pj", zero=True)
        if self.adc.bits != self.dac.bits:
            raise ValueError(
                f"states have as many bits in the DACs as in the ADCs, not {self.dac.bits}, {self.adc.bits}"
            )

    def cost(self, *, driven: int, sensed: int, siemens: float, cells: int, rows: int, words: int) -> Cost:
        """Of an operator.

        `driven` and `sensed` lines of the read's direction; `siemens`, the sum of all conductances: the array takes
        V^2 G t at full states, an upper bound; `cells` on all tiles, used or not; `rows`, lines of a tile that are
        written in turn; `words` of the accumulator.
        """
        ends = driven + sensed
        read = {
            "dac": replace(self.dac.part().times(driven), area=ends * self.dac.mm2),
            "array": Part(
                joules=self.read_v**2 * siemens * self.read_s,
                seconds=self.read_s,
                source=sources(self, "read_v", "read_s"),
            ),
            "adc": replace(self.adc.part().times(sensed), area=ends * self.adc.mm2),
            "neuron": Part(
                joules=1e-12 * self.neuron_pj * sensed,
                seconds=self.logic_s,
                source=sources(self, "logic_s", "neuron_pj"),
            ),
        }
        contrast = {"contrast": self.engine.part(int8=driven * sensed, kept=driven + sensed)}
        pulse = Part(
            joules=1e-12 * self.pulse_pj, seconds=rows * self.pulse_s, source=sources(self, "pulse_pj", "pulse_s")
        )
        update = {"accumulator": self.accumulator.part(words)} if words else {}
        hold = {"cells": Part(area=1e-6 * self.cell_um2 * cells, source=sources(self, "cell_um2"))}
        return Cost(read=read, contrast=contrast, write={"pulse": pulse}, update=update, hold=hold)
