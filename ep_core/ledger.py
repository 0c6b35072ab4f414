"""Counts what training really did to the hardware; costs are made from these counts, never from estimates."""

from dataclasses import asdict, dataclass, fields

from ep_core.parallel import Workers
from ep_core.weight import Written


@dataclass(frozen=True, kw_only=True)
class Passes:
    """How often samples went through the operators of a network; a complex state goes twice.

    Attributes:
        clamps: through those that start at the input. ups, downs: through all others, forwards and backwards.
        pulls: through a read-out, in either direction.

    """

    clamps: int = 0
    ups: int = 0
    downs: int = 0
    pulls: int = 0

    def __add__(self, other: "Passes") -> "Passes":
        return Passes(
            clamps=self.clamps + other.clamps,
            ups=self.ups + other.ups,
            downs=self.downs + other.downs,
            pulls=self.pulls + other.pulls,
        )


WRITES = ("aligned", "updates", "pulses", "clipped", "rounds", "checks")  # every process of a team counts the same


@dataclass(kw_only=True)
class Ledger:
    """Running totals.

    Attributes:
        reads: products of one sample with one operator in one direction.
        clamps, ups, downs, pulls: of `Passes`, which say what operators the reads were of. aligned: reads that set
            local oscillators; they are of no pass.
        nudges: settings of the nudge for one sample. rows: states of one sample that entered a contrast.
        sweeps: relaxation sweeps, and `relaxations` how many relaxations took them.
        samples, nonconverged: samples relaxed, and those whose residual stayed above tolerance.
        updates: weight updates; pulses, clipped, rounds: as reported by `program_`; checks: reads that writes needed.

    """

    reads: int = 0
    clamps: int = 0
    ups: int = 0
    downs: int = 0
    pulls: int = 0
    aligned: int = 0
    nudges: int = 0
    rows: int = 0
    sweeps: int = 0
    relaxations: int = 0
    samples: int = 0
    nonconverged: int = 0
    updates: int = 0
    pulses: int = 0
    clipped: int = 0
    rounds: int = 0
    checks: int = 0

    def relaxed(self, *, passes: Passes, reads: int, steps: int, samples: int, nonconverged: int) -> None:
        """Add one relaxation of a batch."""
        self.passed(passes, reads)
        self.sweeps += steps
        self.relaxations += 1
        self.samples += samples
        self.nonconverged += nonconverged

    def passed(self, passes: Passes, reads: int) -> None:
        """Add passes, which are so many reads."""
        self.reads += reads
        self.clamps += passes.clamps
        self.ups += passes.ups
        self.downs += passes.downs
        self.pulls += passes.pulls

    def align(self, reads: int) -> None:
        """Add reads that set local oscillators."""
        self.reads += reads
        self.aligned += reads

    def written(self, written: Written) -> None:
        """Add one update of all weights."""
        self.updates += 1
        self.pulses += written.pulses
        self.clipped += written.clipped
        self.rounds += written.rounds
        self.checks += written.reads

    def gather(self, before: "Ledger", workers: Workers) -> tuple[int, int, int]:
        """Count what all processes of a team did since `before`; returns their reads, sweeps and relaxations."""
        names = [f.name for f in fields(Ledger) if f.name not in WRITES]
        done = workers.total(*(getattr(self, name) - getattr(before, name) for name in names))
        for name, count in zip(names, done, strict=True):
            setattr(self, name, getattr(before, name) + int(count))
        total = dict(zip(names, done, strict=True))
        return int(total["reads"]), int(total["sweeps"]), int(total["relaxations"])

    def as_dict(self) -> dict[str, int]:
        """Return plain numbers, for checkpoints and tables."""
        return asdict(self)
