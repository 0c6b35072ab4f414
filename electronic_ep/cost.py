"""The parts around and in a crossbar machine, each with its numbers and their sources, and what they cost together."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from ep_core.cost import Cost, Part
from ep_core.parts import ACCUMULATOR, Accumulator, Converter, require

# 1.67 pJ, 1200 um^2 for 8 bits, and .417 pJ a DAC: Shafiee, ISCA 2016 (tag B)
ADC = Converter(bits=8, pj=1.67, sample_s=1 / 1.2e9, mm2=1.2e-3, source="Shafiee, ISCA 2016 (B); rate assumed")
DAC = Converter(bits=8, pj=0.417, sample_s=1 / 1.2e9, mm2=2e-4, source="Shafiee, ISCA 2016 (B); rate, area assumed")


@dataclass(frozen=True, kw_only=True)
class Periphery:
    """All parts of a crossbar machine but its memristors.

    Attributes:
        adc, dac: at the end of every line, used in turn by the two directions.
        read_v: voltage of a full state [V]. read_s: how long it stands [s].
        pulse_pj: of a pulse that changes a state [pJ], its driver included. pulse_s: of a pulse [s].
        cell_um2: a device with its selector and its share of the lines [um^2].
        logic_s: what lies between an ADC and a DAC, the neuron [s].
        accumulator: a word of what is not yet written.
        sources: of the numbers, by name.

    """

    adc: Converter = ADC
    dac: Converter = DAC
    read_v: float = 0.2
    read_s: float = 40e-9
    pulse_pj: float = 1.0
    pulse_s: float = 5e-9
    cell_um2: float = 0.2
    logic_s: float = 1e-9
    accumulator: Accumulator = ACCUMULATOR
    sources: Mapping[str, str] = field(
        default_factory=lambda: {
            "read_v": "assumed",
            "read_s": "Rasch, Nat. Commun. 2024, s41467-024-51221-z (A; assumed there)",
            "pulse_pj": "Lanza 2019, .1 to 7 pJ of the best devices (B); no array was measured: assumed",
            "pulse_s": "Rasch, Nat. Commun. 2024, s41467-024-51221-z (A; assumed there)",
            "cell_um2": "assumed: 12 F^2 at 130 nm",
            "logic_s": "assumed",
        }
    )

    def __post_init__(self) -> None:
        require(self, "read_v", "read_s", "pulse_pj", "pulse_s", "cell_um2")
        require(self, "logic_s", zero=True)
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
                source=self._from("read_v", "read_s"),
            ),
            "adc": replace(self.adc.part().times(sensed), area=ends * self.adc.mm2),
            "logic": Part(seconds=self.logic_s, source=f"{self._from('logic_s')}; its joules are not counted"),
        }
        pulse = Part(
            joules=1e-12 * self.pulse_pj, seconds=rows * self.pulse_s, source=self._from("pulse_pj", "pulse_s")
        )
        update = {"accumulator": self.accumulator.part(words)} if words else {}
        hold = {"cells": Part(area=1e-6 * self.cell_um2 * cells, source=self._from("cell_um2"))}
        return Cost(read=read, write={"pulse": pulse}, update=update, hold=hold)

    def _from(self, *names: str) -> str:
        return "; ".join(dict.fromkeys(self.sources.get(name, "assumed") for name in names))
