"""Equilibrium Propagation on Ising machines: it needs only the spins that the machine returns in two phases.

After Laydevant, Markovic & Grollier, Nature Communications 2024.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ep_core.ising import IsingNetwork
from ep_core.ledger import Ledger, Passes
from ep_core.samplers import Sampler, Samples, Schedule
from ep_core.weight import Written


@dataclass(frozen=True, kw_only=True)
class IsingEstimate:
    """What two phases leave behind, summed over the batch.

    Attributes:
        network: whose operators learn.
        products: of each operator, post and pre: its gradient is that of post' W pre.
        biases: gradient of each layer's biases.
        free: the free phase. samples: of the batch. nudged: of them, those that were nudged.
        flips: spins that differ between the phases, as the mean over reads.

    """

    network: IsingNetwork
    products: list[tuple[Tensor, Tensor]]
    biases: list[Tensor]
    free: Samples
    samples: int
    nudged: int
    flips: float

    @property
    def gradients(self) -> dict[str, Tensor]:
        """Mean over the batch, keyed like the network's parameters."""
        found: dict[str, Tensor] = {}
        for k, (operator, (post, pre)) in enumerate(zip(self.network.operators, self.products, strict=True)):
            slopes = operator.bilinear_grad(post, pre).items()
            found |= {f"weights.{k}.{name}": slope / self.samples for name, slope in slopes}
        return found | {f"biases.{k}": slope / self.samples for k, slope in enumerate(self.biases)}

    @torch.no_grad()
    def learn_(self, rates: Sequence[float], bias_rate: float, generator: torch.Generator | None = None) -> Written:
        """Write every operator one step down its gradient; biases are held digitally, within their limit."""
        total, limit = Written(), self.network.bias_limit
        if not self.nudged:
            return total
        for operator, (post, pre), rate in zip(self.network.operators, self.products, rates, strict=True):
            if rate:
                total += operator.learn_(post, pre, rate / self.samples, generator)
        for bias, slope in zip(self.network.biases, self.biases, strict=True):
            bias.sub_(slope, alpha=bias_rate / self.samples).clamp_(-limit, limit)
        return total


@dataclass(frozen=True, kw_only=True)
class IsingEP:
    """dE/dW in a free phase and in one that fields beta t pull to the target: (1/beta) (dE^beta/dW - dE^0/dW).

    dW_1 = (1/beta) (h^beta o^beta' - h^0 o^0'), dW_0 = (1/beta) (h^beta - h^0) x'; that fields are clipped is left out,
    as in the paper. A free output that is right already is not nudged.

    Attributes:
        sampler: the machine. beta: strength of the nudge.
        free, second: schedules of the two phases; the second starts from the spins of the first.
        reads: draws of every sample in each phase. keep: the draw of least energy, or the mean over all.
        skip: whether samples whose free outputs are right are left as they are.

    """

    sampler: Sampler
    beta: float = 5.0
    free: Schedule
    second: Schedule
    reads: int = 1
    keep: Literal["best", "mean"] = "best"
    skip: bool = True

    def __post_init__(self) -> None:
        if not self.beta > 0:
            raise ValueError(f"the nudge beta must be positive, not {self.beta}")
        if self.reads < 1:
            raise ValueError(f"reads must be at least 1, not {self.reads}")

    def draw(
        self,
        network: IsingNetwork,
        fields: Sequence[Tensor],
        schedule: Schedule,
        generator: torch.Generator,
        initial: Sequence[Tensor] | None = None,
    ) -> Samples:
        """One phase, with the reads that are kept of it."""
        found = self.sampler.sample(fields, network.couplings, initial, schedule, self.reads, generator)
        return found.best(fields, network.couplings) if self.keep == "best" else found

    @torch.no_grad()
    def __call__(
        self,
        network: IsingNetwork,
        x: Float[Tensor, "batch n"],
        labels: Int[Tensor, " labels"],  # as many as samples
        generator: torch.Generator,
        ledger: Ledger | None = None,
    ) -> IsingEstimate:
        """Both phases. ValueError where couplings are beyond the machine, or labels are missing or no classes."""
        if len(labels) != len(x):
            raise ValueError(f"{len(x)} samples need as many labels, not {len(labels)}")
        network.check()
        fields, target = network.fields(x, generator), network.target(labels)
        free = self.draw(network, fields, self.free, generator)
        wrong = (free.mean(-1).sign() != target).any(1) if self.skip else torch.ones_like(labels, dtype=torch.bool)
        rows = wrong.nonzero()[:, 0]
        book = Ledger() if ledger is None else ledger
        enter(book, network, free, len(self.free), clamps=len(x))
        pushed = network.nudged([h[rows] for h in fields], target[rows], self.beta)
        before = Samples(spins=[s[:, rows] for s in free.spins], shares=free.shares[:, rows])
        after = before
        if len(rows):
            after = self.draw(network, pushed, self.second, generator, self._starts(before))
            enter(book, network, after, len(self.second))
        book.rows += 2 * len(rows) * self.reads
        return self._estimate(network, x, rows, free, before, after)

    def _starts(self, before: Samples) -> list[Tensor]:
        """The spins that the second phase starts from: of each read, or those of the best for all."""
        return [s if len(s) == self.reads else s[:1].expand(self.reads, -1, -1) for s in before.spins]

    def _estimate(
        self, network: IsingNetwork, x: Tensor, rows: Tensor, free: Samples, before: Samples, after: Samples
    ) -> IsingEstimate:
        """Forces of both phases: +1/beta of the second, -1/beta of the first."""
        pairs = ((after, 1 / self.beta), (before, -1 / self.beta))
        pushes = [[(sign * phase.shares[:, :, None] * s).flatten(0, 1) for s in phase.spins] for phase, sign in pairs]
        shift = [(after.mean(k) - before.mean(k)) / self.beta for k in range(len(free.spins))]
        products = [(shift[0], x[rows])]
        for k in range(len(network.couplings)):
            post = torch.cat([own[k] for own in pushes])
            products.append((post, torch.cat([phase.spins[k + 1].flatten(0, 1) for phase, _ in pairs])))
        moved = [(a != b).sum() for a, b in zip(after.spins, before.spins, strict=True)]
        return IsingEstimate(
            network=network,
            products=products,
            biases=[part.sum(0) for part in shift],
            free=free,
            samples=len(x),
            nudged=len(rows),
            flips=int(torch.stack(moved).sum()) / len(after.shares),
        )

    @torch.no_grad()
    def infer(
        self,
        network: IsingNetwork,
        x: Float[Tensor, "batch n"],
        generator: torch.Generator,
        ledger: Ledger | None = None,
    ) -> Float[Tensor, "batch classes"]:
        """Votes of the output spins for each class, after a free phase."""
        network.check()
        free = self.draw(network, network.fields(x, generator), self.free, generator)
        if ledger is not None:
            enter(ledger, network, free, len(self.free), clamps=len(x))
        return network.votes(free.mean(-1))


def enter(book: Ledger, network: IsingNetwork, phase: Samples, sweeps: int, *, clamps: int = 0) -> None:
    """Enter a phase in the ledger; a sweep goes through every coupling once in each direction."""
    samples = phase.shares.shape[1]
    ways = samples * phase.products // (2 * len(network.couplings))
    passes, reads = Passes(clamps=clamps, ups=ways, downs=ways), clamps + samples * phase.products
    book.relaxed(passes=passes, reads=reads, steps=sweeps, samples=samples, nonconverged=0)
