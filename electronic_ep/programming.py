"""How wished changes of states become pulses: five schemes, each a value that a crossbar is built with."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from electronic_ep.array import Array, States
from ep_core.weight import Written


@dataclass(frozen=True, kw_only=True)
class Site:
    """What a scheme writes on.

    Attributes:
        array: the devices. x: their states; owed: what is not written yet of what was asked; both change in place.
        generator: of everything that is random. beside: what else the scheme asked for.

    """

    array: Array
    x: States
    owed: States
    generator: torch.Generator | None
    beside: nn.Module | None = None

    @property
    def step(self) -> float:
        """Nominal size of a pulse."""
        return self.array.memristor.response.step

    def send(self, pulses: States) -> Written:
        """Send whole pulses, and count them."""
        clipped = self.array.pulse_(self.x, pulses, self.generator)
        sent = pulses.abs()
        return Written(pulses=int(sent.sum()), clipped=clipped, rounds=int(sent.max()))

    def read(self) -> States:
        """States as one read of every device tells them: faded, with noise."""
        kind, g = self.array.memristor, self.array.microsiemens(self.x)
        if kind.read_noise and self.generator is not None:
            g = g * (1 + kind.read_noise * torch.randn(g.shape, generator=self.generator, dtype=g.dtype))
        return (g - kind.low_us) / kind.span_us


class Programming(ABC):
    """A scheme of writing.

    Attributes:
        words: numbers a device that lie in a digital memory, read and written at every update.

    """

    words = 0

    @abstractmethod
    def write_(self, site: Site, delta: States) -> Written:
        """Bring the states x of the site closer to x + owed + delta, in place."""

    def beside(self, array: Array, generator: torch.Generator | None) -> nn.Module | None:
        """What hardware the scheme needs beside the array, if any."""
        return None


def _drawn(wanted: Tensor, generator: torch.Generator | None) -> Tensor:
    """Round up or down at random, so that the mean is exact; without a generator to the nearest."""
    if generator is None:
        return torch.round(wanted)
    return torch.floor(wanted + torch.rand(wanted.shape, generator=generator, dtype=wanted.dtype))


@dataclass(frozen=True, kw_only=True)
class MixedPrecision(Programming):
    """A digital accumulator of changes; whole nominal steps of it are sent as pulses, blindly (Nandakumar 2020)."""

    words = 1

    def write_(self, site: Site, delta: States) -> Written:
        """owed += delta, pulses = trunc(owed / step), owed -= step pulses."""
        site.owed.add_(delta)
        pulses = torch.trunc(site.owed / site.step)
        site.owed.sub_(site.step * pulses)
        return site.send(pulses)


@dataclass(frozen=True, kw_only=True)
class StochasticRounding(Programming):
    """Nothing digital: a change of a part of a step is a pulse with that probability (Gokmen & Vlasov 2016)."""

    def write_(self, site: Site, delta: States) -> Written:
        """Pulses = floor(delta / step + U(0, 1))."""
        return site.send(_drawn(delta / site.step, site.generator))


@dataclass(frozen=True, kw_only=True)
class Sign(Programming):
    """One pulse in the direction of every change, whatever its size (Manhattan rule, Zamanidoost 2015).

    Attributes:
        least: changes that are smaller, in steps, send none; 0 = every change that is not 0 does.

    """

    least: float = 0.05

    def __post_init__(self) -> None:
        if not self.least >= 0:
            raise ValueError(f"the least change of sign updates must not be negative, not {self.least}")

    def write_(self, site: Site, delta: States) -> Written:
        """Pulses = sign(delta)."""
        return site.send(torch.sign(delta) * (delta.abs() > self.least * site.step))


@dataclass(frozen=True, kw_only=True)
class WriteVerify(Programming):
    """Pulse and read in turn until a state is read as wished; the wish is remembered, and what lacks of it owed.

    Attributes:
        tolerance: distance that is good enough, in steps. rounds: most pairs of pulses and reads.
        burst: most pulses between two reads.

    """

    tolerance: float = 0.5
    rounds: int = 20
    burst: int = 10
    words = 1

    def __post_init__(self) -> None:
        if not self.tolerance > 0 or self.rounds < 1 or self.burst < 1:
            raise ValueError(
                "write-verify needs a positive tolerance, a round and a pulse, "
                f"not {self.tolerance}, {self.rounds}, {self.burst}"
            )

    def write_(self, site: Site, delta: States) -> Written:
        """Pulses = round((target - x read) / step), at most `burst`, of all devices off by more than the tolerance."""
        target, dead = site.x + site.owed + delta, site.array.dead
        sent, rounds, reads, reached = 0, 0, 0, target.clamp(0, 1)
        for _ in range(self.rounds):
            reads += site.array.lines[1]
            missing = (reached - site.read()) / site.step
            pulses = torch.where(missing.abs() > self.tolerance, _nearest(missing), 0.0).clamp(-self.burst, self.burst)
            pulses = pulses * ~dead
            if not pulses.any():
                break
            written = site.send(pulses)
            sent, rounds = sent + written.pulses, rounds + written.rounds
        # The memory holds the target itself: what noise or drift hides of the state is not owed again
        site.owed.copy_((reached - site.x).masked_fill(dead, 0.0))
        clipped = int(((target != reached) | dead).sum())
        return Written(pulses=sent, clipped=clipped, rounds=rounds, reads=reads)


def _nearest(missing: Tensor) -> Tensor:
    """Whole pulses, at least one."""
    return torch.sign(missing) * torch.round(missing.abs()).clamp(min=1)


class Fast(nn.Module):
    """The fast devices of Tiki-Taka, their references, and the line that is transferred next."""

    x: Tensor
    reference: Tensor
    turn: Tensor

    def __init__(self, array: Array, generator: torch.Generator | None, *, zero_shift: bool) -> None:
        super().__init__()
        dtype = array.rate.dtype
        shape = (array.shape[1], array.shape[2])
        self.array = Array(
            shape, array.memristor, array.tile, array.wires, array.terminals, generator=generator, dtype=dtype
        )
        point = self.array.symmetry()
        self.register_buffer("x", self.array.drawn(point.clone(), generator))
        # A stuck device is found at its own state
        self.register_buffer("reference", self.x.clone() if zero_shift else torch.full_like(point, 0.5))
        self.register_buffer("turn", torch.zeros((), dtype=torch.int64))


@dataclass(frozen=True, kw_only=True)
class TikiTaka(Programming):
    """Tiki-Taka v2 (Gokmen, Front. Artif. Intell. 4:699148, 2021): fast devices gather, a digital filter passes it on.

    Every change is sent to a fast device beside the device by stochastic rounding. Line by line the fast ones, less
    their references, are added to a digital accumulator, whole steps of which pulse the device itself. With
    `zero_shift` (Kim 2019, arXiv 1907.10228) the references are where pulses up and down cancel, else in the middle.

    Attributes:
        gain: fast change over wished change. lines: word lines that are transferred in an update, in turn.
        share: of a fast state that is added.
        zero_shift: whether references are at the points of symmetry.

    """

    gain: float = 1.0
    lines: int = 8
    share: float = 0.1
    zero_shift: bool = True
    words = 1

    def __post_init__(self) -> None:
        if not (self.gain > 0 and self.share > 0) or self.lines < 1:
            raise ValueError(
                "Tiki-Taka needs a positive gain and share, and a line an update, "
                f"not {self.gain}, {self.share}, {self.lines}"
            )

    def beside(self, array: Array, generator: torch.Generator | None) -> Fast:
        """Fast devices with their references."""
        return Fast(array, generator, zero_shift=self.zero_shift)

    def write_(self, site: Site, delta: States) -> Written:
        """Pulse the fast devices; owed[:, line] += share (x_fast - reference); pulses = trunc(owed / step) there."""
        fast = site.beside
        assert isinstance(fast, Fast)
        beside, count = replace(site, array=fast.array, x=fast.x), site.array.shape[2]
        written = beside.send(_drawn(self.gain * delta / site.step, site.generator))
        turn = (int(fast.turn) + torch.arange(min(self.lines, count))) % count
        site.owed[..., turn] += self.share * (beside.read() - fast.reference)[..., turn]
        pulses = torch.zeros_like(site.owed)
        pulses[..., turn] = torch.trunc(site.owed[..., turn] / site.step)
        site.owed.sub_(site.step * pulses)
        fast.turn.copy_((turn[-1] + 1) % count)
        slow = site.send(pulses)
        return replace(written + slow, rounds=written.rounds + slow.rounds, reads=len(turn))
