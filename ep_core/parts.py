"""Digital parts and converters that machines of all kinds have, each with its constants and their sources."""

import math
from dataclasses import dataclass

from ep_core.cost import Part
from ep_core.quantity import Quantity, sources


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

    """

    bits: int
    pj: float
    sample_s: float
    mm2: float

    def __post_init__(self) -> None:
        require(self, "bits", "pj", "sample_s", "mm2")

    def part(self) -> Part:
        """Of one."""
        return Part(joules=1e-12 * self.pj, seconds=self.sample_s, area=self.mm2, source=sources(self))


@dataclass(frozen=True, kw_only=True)
class Accumulator:
    """A digital memory of numbers that are changed at every update: what writes owe, an optimiser's state.

    Attributes:
        pj: reading a word, adding to it and writing it [pJ]. mm2: area of a word [mm^2].

    """

    pj: float
    mm2: float

    def __post_init__(self) -> None:
        require(self, "pj", "mm2")

    def part(self, words: int) -> Part:
        """Of one update of so many."""
        return Part(joules=1e-12 * self.pj * words, area=self.mm2 * words, source=sources(self))


@dataclass(frozen=True, kw_only=True)
class Engine:
    """The digital multiply-adds beside an analogue machine: contrasts of states, and gradients of a model of it.

    Attributes:
        int8_pj: a multiply-add of 8-bit numbers [pJ]. float_pj: of 32-bit floating-point ones [pJ].
        byte_pj: of a state that is kept until its batch is whole, written and read once [pJ].
        per_s: multiply-adds a second. mm2: area of the engine, which all operators of a machine share [mm^2].

    """

    int8_pj: float
    float_pj: float
    per_s: float
    byte_pj: float
    mm2: float

    def __post_init__(self) -> None:
        require(self, "int8_pj", "float_pj", "per_s", "byte_pj", "mm2")

    def part(self, *, int8: int = 0, floats: int = 0, kept: int = 0) -> Part:
        """Of so many multiply-adds, and of so many bytes of states.

        Contrasts of a batch are one product of matrices: its sums stay in the multiply-adders.
        """
        joules = 1e-12 * (self.int8_pj * int8 + self.float_pj * floats + self.byte_pj * kept)
        return Part(joules=joules, seconds=(int8 + floats) / self.per_s, source=sources(self))


# 10 pJ for 64 bits out of 8 kB of SRAM and .9 pJ for a 32-bit addition at 45 nm; a word of 32 bits is read and written
ACCUMULATOR = Accumulator(
    pj=Quantity(2 * 10 / 2 + 0.9, 1.0, 22.0, unit="pJ", source="Horowitz, ISSCC 2014 (B); range assumed"),
    mm2=Quantity(32 * 0.5e-6, 32 * 0.05e-6, 32 * 1e-6, unit="mm^2", source="assumed: .5 um^2 a bit"),
)
ENGINE = Engine(
    int8_pj=Quantity(
        0.23,
        0.025,
        0.71,
        unit="pJ",
        source="45 nm, Horowitz, ISSCC 2014 (B); low Bernstein 2021 (A), high twice H100's .354 pJ/op (B)",
    ),
    float_pj=Quantity(4.6, 0.5, 4.6, unit="pJ", source="45 nm, Horowitz, ISSCC 2014 (B); low assumed"),
    byte_pj=Quantity(2 * 10 / 8, 0.2, 5.0, unit="pJ", source="Horowitz, ISSCC 2014 (B); range assumed"),
    per_s=Quantity(1e12, 1e13, 1e11, unit="1/s", source="assumed"),
    mm2=Quantity(1.0, 0.1, 10.0, unit="mm^2", source="assumed"),
)
# A byte of SRAM is 10/8 pJ, an 8-bit addition .03 pJ (45 nm): the state and the bias are read, added, the state written
NEURON_PJ = Quantity(3 * 10 / 8 + 0.06, 0.4, 8.0, unit="pJ", source="Horowitz, ISSCC 2014 (B); range assumed")
LOGIC_S = Quantity(1e-9, 0.2e-9, 5e-9, unit="s", source="assumed")
