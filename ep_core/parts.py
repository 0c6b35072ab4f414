"""Digital parts and converters that machines of all kinds have, each with its numbers and their sources."""

import math
from dataclasses import dataclass

from ep_core.cost import Part


def require(owner: object, *names: str, zero: bool = False) -> None:
    """Raise ValueError for a number of `owner` that is not positive (or 0, if `zero`) and finite."""
    for name in names:
        value = getattr(owner, name)
        if not (math.isfinite(value) and (value > 0 or (zero and value == 0))):
            least = "zero or more" if zero else "positive"
            raise ValueError(f"{name} of {type(owner).__name__} must be {least} and finite, not {value}")


@dataclass(frozen=True, kw_only=True)
class Converter:
    """An analogue-to-digital or digital-to-analogue converter.

    Attributes:
        bits: of a neuron's state. pj: a sample [pJ]. sample_s: time of a sample [s]. mm2: area [mm^2].
        source: of these.

    """

    bits: int
    pj: float
    sample_s: float
    mm2: float
    source: str

    def __post_init__(self) -> None:
        require(self, "bits", "pj", "sample_s", "mm2")

    def part(self) -> Part:
        """Of one."""
        return Part(joules=1e-12 * self.pj, seconds=self.sample_s, area=self.mm2, source=self.source)


@dataclass(frozen=True, kw_only=True)
class Accumulator:
    """A digital memory of what writes could not represent, one word a parameter.

    Attributes:
        pj: reading a word, adding to it and writing it [pJ]. mm2: area of a word [mm^2]. source: of these.

    """

    pj: float
    mm2: float
    source: str

    def __post_init__(self) -> None:
        require(self, "pj", "mm2")

    def part(self, words: int) -> Part:
        """Of one update of so many."""
        return Part(joules=1e-12 * self.pj * words, area=self.mm2 * words, source=self.source)


# 10 pJ for 64 bits out of 8 kB of SRAM and .9 pJ for a 32-bit addition at 45 nm: Horowitz, ISSCC 2014 (tag B); a word
# of 32 bits is read and written. .5 um^2 a bit with its share of the periphery: assumed
ACCUMULATOR = Accumulator(pj=2 * 10 / 2 + 0.9, mm2=32 * 0.5e-6, source="Horowitz, ISSCC 2014 (B); area assumed")
