"""Memristors: how a pulse moves a state, and what of it differs from device to device and from pulse to pulse.

A state x lies between 0 and 1: G = G_min + x (G_max - G_min). A response is a curve x = f(p) of the state after p
pulses from the bottom, and one likewise from the top down, so that n pulses are a closed form, whatever n:

    upwards  x -> f(f^-1(x) + n),    downwards  1 - x -> f_down(f_down^-1(1 - x) + n)

A device whose steps are r times the nominal ones makes n pulses as r n; pulses that differ by a share c from one
another add up to r (n + c sqrt(n) N(0, 1)). So n need not be whole, and where pulses are very noisy not even positive.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor

States = Float[Tensor, "*cells"]
STRAIGHT = 1e6  # A / P from which on a curve is a straight line but for 1e-7 of the range


class Response(ABC):
    """What pulses do to a state."""

    @abstractmethod
    def after(self, x: States, pulses: States, *, up: bool) -> States:
        """State after so many pulses; as far from the other end if not `up`, where 0 is the top."""

    def moved(self, x: States, up: States, down: States) -> States:
        """State after `up` pulses upwards and then `down` pulses downwards, kept between 0 and 1."""
        risen = self.after(x, up, up=True).clamp(0, 1)
        return 1 - self.after(1 - risen, down, up=False).clamp(0, 1)

    @property
    def step(self) -> float:
        """Mean size of a first pulse up and a first pulse down from the middle of the range: the nominal step."""
        middle, one = torch.tensor(0.5, dtype=torch.float64), torch.tensor(1.0, dtype=torch.float64)
        return float(self.after(middle, one, up=True) + self.after(middle, one, up=False) - 1) / 2

    @property
    def even(self) -> bool:
        """Whether every pulse is as large as every other, at all states and in both directions."""
        return False


def _share(owner: object, *names: str) -> None:
    for name in names:
        value = getattr(owner, name)
        if not 0 < value < 1:
            raise ValueError(
                f"{name} of {type(owner).__name__} must be a share of the range between 0 and 1, not {value}"
            )


@dataclass(frozen=True, kw_only=True)
class LinearStep(Response):
    """x -> x +- step: the ideal synapse. Raises ValueError for steps that are not between 0 and 1."""

    up: float
    down: float

    def __post_init__(self) -> None:
        _share(self, "up", "down")

    @classmethod
    def of(cls, bits: int) -> "LinearStep":
        """2^bits states, as many as steps of this size fit in the range."""
        return cls(up=1 / states(bits), down=1 / states(bits))

    def after(self, x: States, pulses: States, *, up: bool) -> States:
        """x + step n."""
        return x + (self.up if up else self.down) * pulses

    @property
    def even(self) -> bool:
        """Up and down alike."""
        return self.up == self.down


@dataclass(frozen=True, kw_only=True)
class SoftBounds(Response):
    """A pulse makes a share of the way that is left: 1 - x -> (1 - a)^n (1 - x).

    Attributes:
        up, down: that share.

    Raises ValueError for shares that are not between 0 and 1.

    """

    up: float
    down: float

    def __post_init__(self) -> None:
        _share(self, "up", "down")

    @classmethod
    def of(cls, bits: int) -> "SoftBounds":
        """2^bits states, counted as the range over the step in its middle (as Gokmen & Haensch 2020 count them).

        Raises ValueError for 1 bit: its first pulse from the bottom would go all the way.
        """
        if bits == 1:
            raise ValueError("states of a memristor with soft bounds take 2 to 24 bits, not 1")
        return cls(up=2 / states(bits), down=2 / states(bits))

    def after(self, x: States, pulses: States, *, up: bool) -> States:
        """1 - (1 - x) (1 - a)^n."""
        return 1 - (1 - x) * torch.exp(math.log1p(-(self.up if up else self.down)) * pulses)


@dataclass(frozen=True, kw_only=True)
class Exponential(Response):
    """x = B (1 - e^(-p / A)), B = 1 / (1 - e^(-P / A)): P pulses from end to end, the more unequal the smaller A.

    The form that NeuroSim fits measured potentiation and depression with (Chen, Peng & Yu, TCAD 37:3067, 2018).

    Attributes:
        pulses: P. up, down: A / P of both directions.

    Raises ValueError for less than one pulse, or A that is not positive or so large that the curve is straight.

    """

    pulses: float
    up: float
    down: float

    def __post_init__(self) -> None:
        if not 1 <= self.pulses < math.inf:
            raise ValueError(f"an exponential response needs at least one pulse from end to end, not {self.pulses}")
        if not (0 < self.up <= STRAIGHT and 0 < self.down <= STRAIGHT):
            raise ValueError(
                f"A / P of an exponential response must be positive and up to {STRAIGHT:g}, not {self.up}, {self.down}"
            )

    def after(self, x: States, pulses: States, *, up: bool) -> States:
        """B - (B - x) e^(-n / A), as a change, which is exact for large A too."""
        share = self.up if up else self.down
        reach = -1 / math.expm1(-1 / share)
        return x - (reach - x) * torch.expm1(-pulses / (share * self.pulses))


@dataclass(frozen=True, kw_only=True)
class Piecewise(Response):
    """States after 0, 1, 2, .. pulses, straight lines between them: a measured curve.

    Attributes:
        up: from 0 to 1, rising. down: likewise, of 1 - x on the way down.

    Raises ValueError for a curve that does not rise from 0 to 1.

    """

    up: tuple[float, ...]
    down: tuple[float, ...]

    def __post_init__(self) -> None:
        for name, curve in (("up", self.up), ("down", self.down)):
            rises = all(a < b for a, b in pairwise(curve))
            if len(curve) < 2 or curve[0] != 0 or curve[-1] != 1 or not rises:
                raise ValueError(f"the curve {name} of a piecewise response must rise from 0 to 1, not {curve}")

    def after(self, x: States, pulses: States, *, up: bool) -> States:
        """f(f^-1(x) + n), at the ends as far as the first and last lines reach."""
        curve = torch.tensor(self.up if up else self.down, dtype=x.dtype, device=x.device)
        numbers = torch.arange(len(curve), dtype=x.dtype, device=x.device)
        return _along(numbers, curve, _along(curve, numbers, x) + pulses)


def _along(xs: Float[Tensor, " n"], ys: Float[Tensor, " n"], at: States) -> States:
    """The piecewise linear function through the points (xs, ys)."""
    left = (torch.searchsorted(xs, at.contiguous(), right=True) - 1).clamp(0, len(xs) - 2)
    slope = (ys[left + 1] - ys[left]) / (xs[left + 1] - xs[left])
    return ys[left] + slope * (at - xs[left])


def states(bits: int) -> int:
    """2^bits. Raises ValueError for bits beyond 1 .. 24."""
    if not 1 <= bits <= 24:
        raise ValueError(f"states of a memristor take 1 to 24 bits, not {bits}")
    return 2**bits


@dataclass(frozen=True, kw_only=True)
class Memristor:
    """A kind of device: its range, its response, its spread, and what it does when it is left alone or read.

    Attributes:
        low_us, high_us: smallest and largest conductance [uS].
        response: to pulses.
        device_spread: relative standard deviation of the steps of different devices, of both directions apart;
            lognormal, so that no device runs backwards.
        cycle_spread: that of the pulses of one device.
        stuck: share of the devices that stay at a state that nobody chose, anywhere in the range.
        read_noise: relative standard deviation of a conductance in a read.
        polarity: mean, and `polarity_spread` standard deviation, of the relative excess of the conductance when the
            current runs backwards, from bit to word line.
        drift: nu of x(t) = x (1 + t / drift_s)^-nu, so that G falls to G_min; t is the time since the last pulse;
            `drift_spread` its standard deviation over devices.
        drift_s: [s].
        half_select: share of a pulse that the other devices of a written line get.
        write_v: voltage of a pulse [V]; slope_v: voltage by which a pulse is e times weaker [V], of wires and
            terminals that take some of it; 0 = none counts.
        sources: of the numbers, by name, each with its tag or the word assumed.

    Raises ValueError for a range that is not positive and rising, and shares that are none.

    """

    low_us: float
    high_us: float
    response: Response
    device_spread: float = 0.0
    cycle_spread: float = 0.0
    stuck: float = 0.0
    read_noise: float = 0.0
    polarity: float = 0.0
    polarity_spread: float = 0.0
    drift: float = 0.0
    drift_spread: float = 0.0
    drift_s: float = 1.0
    half_select: float = 0.0
    write_v: float = 1.0
    slope_v: float = 0.0
    sources: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not 0 < self.low_us < self.high_us < math.inf:
            raise ValueError(f"conductances must rise from above 0, not from {self.low_us} to {self.high_us} uS")
        for name in (
            "device_spread",
            "cycle_spread",
            "read_noise",
            "polarity_spread",
            "drift",
            "drift_spread",
            "slope_v",
        ):
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 0):
                raise ValueError(f"{name} of a memristor must be finite and not negative, not {value}")
        for name in ("stuck", "half_select"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} of a memristor is a share from 0 to 1, not {getattr(self, name)}")
        for name in ("drift_s", "write_v"):
            if not 0 < getattr(self, name) < math.inf:
                raise ValueError(f"{name} of a memristor must be positive, not {getattr(self, name)}")
        if not -1 < self.polarity < math.inf:
            raise ValueError(f"polarity of a memristor must be above -1, not {self.polarity}")

    @property
    def span_us(self) -> float:
        """Largest less smallest conductance [uS]."""
        return self.high_us - self.low_us

    @property
    def exact(self) -> bool:
        """Whether a number of pulses always moves a state by the same, ends of the range apart."""
        return self.response.even and not (self.device_spread or self.cycle_spread or self.half_select or self.slope_v)

    @property
    def polar(self) -> bool:
        """Whether currents of both directions see different conductances."""
        return bool(self.polarity or self.polarity_spread)

    @property
    def drifts(self) -> bool:
        """Whether states fade."""
        return bool(self.drift or self.drift_spread)
