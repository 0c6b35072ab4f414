"""Counts what training really did to the hardware; costs are made from these counts, never from estimates."""

from dataclasses import asdict, dataclass

from ep_core.parallel import Workers
from ep_core.weight import Written


@dataclass(kw_only=True)
class Ledger:
    """Running totals.

    Attributes:
        reads: products of one sample with one operator in one direction.
        sweeps: relaxation sweeps, and `relaxations` how many relaxations took them.
        samples, nonconverged: samples relaxed, and those whose residual stayed above tolerance.
        updates: weight updates; pulses, clipped: as reported by `program_`.

    """

    reads: int = 0
    sweeps: int = 0
    relaxations: int = 0
    samples: int = 0
    nonconverged: int = 0
    updates: int = 0
    pulses: int = 0
    clipped: int = 0

    def relaxed(self, *, reads: int, steps: int, samples: int, nonconverged: int) -> None:
        """Add one relaxation of a batch."""
        self.reads += reads
        self.sweeps += steps
        self.relaxations += 1
        self.samples += samples
        self.nonconverged += nonconverged

    def written(self, written: Written) -> None:
        """Add one update of all weights."""
        self.updates += 1
        self.pulses += written.pulses
        self.clipped += written.clipped

    def gather(self, before: "Ledger", workers: Workers) -> tuple[int, int, int]:
        """Count what all processes of a team did since `before`; returns their reads, sweeps and relaxations."""
        names = ("reads", "sweeps", "relaxations", "samples", "nonconverged")
        done = workers.total(*(getattr(self, name) - getattr(before, name) for name in names))
        for name, count in zip(names, done, strict=True):
            setattr(self, name, getattr(before, name) + int(count))
        return int(done[0]), int(done[1]), int(done[2])

    def as_dict(self) -> dict[str, int]:
        """Return plain numbers, for checkpoints and tables."""
        return asdict(self)
