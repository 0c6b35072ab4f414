"""The training loop of Ising machines: as `train.fit`, with averaged weights, and flips that say whether it learns."""

import copy
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from ep_core.data import Dataset, Split
from ep_core.ising import IsingNetwork
from ep_core.ising_ep import IsingEP, IsingEstimate
from ep_core.ledger import Ledger

STUCK = 0.5  # flips of a nudged sample, on average over an epoch, below which the phases no longer differ
SETTLED = 0.05  # share of samples to be nudged below which there is little left to learn anyway


class LearningStopped(UserWarning):
    """Hardly any spin flips between the phases: there is nothing left to learn from."""


class Average:
    """Mean of a network's parameters over updates, kept digitally beside it.

    Attributes:
        count: updates that it is the mean of. values: the mean of each parameter, by name.

    """

    def __init__(self, network: IsingNetwork) -> None:
        self.count = 0
        self.values: dict[str, Tensor] = {name: p.detach().clone() for name, p in network.named_parameters()}

    @torch.no_grad()
    def add(self, network: IsingNetwork) -> None:
        """Let the network's parameters count."""
        self.count += 1
        for name, p in network.named_parameters():
            self.values[name].lerp_(p, 1 / self.count)

    @torch.no_grad()
    def of(self, network: IsingNetwork) -> IsingNetwork:
        """Return a copy of the network that holds the mean, or the network itself where there is none yet."""
        if not self.count:
            return network
        twin = copy.deepcopy(network)
        for k, operator in enumerate(twin.operators):
            own = {name: self.values[f"weights.{k}.{name}"] - p for name, p in operator.named_parameters()}
            operator.program_(own)
        for k, bias in enumerate(twin.biases):
            bias.copy_(self.values[f"biases.{k}"])
        return twin


@dataclass(frozen=True, kw_only=True)
class IsingEpoch:
    """What one epoch showed; errors and shares in percent.

    Attributes:
        epoch: from 1 on. train_error: of the free phases met. val_error: of the averaged weights, once there are some.
        flips: spins that differ between the phases, an update. flips_nudged: of them, a nudged sample.
        nudged: samples that were nudged. clipped: writes that met an end of range.
        reads: products of a sample with an operator. seconds: of the updates alone.
        stopped: whether the phases hardly differ, although samples are wrong.

    """

    epoch: int
    train_error: float
    val_error: float
    flips: float
    flips_nudged: float
    nudged: float
    clipped: int
    reads: int
    stopped: bool
    seconds: float = field(compare=False)


def fit_ising(
    network: IsingNetwork,
    data: Dataset,
    estimator: IsingEP,
    *,
    rates: Sequence[float],
    bias_rate: float,
    epochs: int,
    batch: int,
    generator: torch.Generator,
    factor: Callable[[int], float] | None = None,
    average: Average | None = None,
    averaged: int = 0,
    ledger: Ledger | None = None,
    done: int = 0,
    on_update: Callable[[IsingEstimate], None] | None = None,
) -> Iterator[IsingEpoch]:
    """Train, yielding after each epoch, from epoch `done` on; it ends early where learning has stopped.

    `rates` are those of each operator, `bias_rate` of the biases, all times `factor` of the epoch (from 0 on; default
    1). `average` collects the weights of the last `averaged` epochs. `generator` is the only source of randomness, so
    that a run continues exactly from its saved state.

    Raises ValueError where network and data do not fit. Warns of `LearningStopped`.

    """
    book = Ledger() if ledger is None else ledger
    _require_fit(network, data, rates)
    for epoch in range(done + 1, epochs + 1):
        before, start, gain = replace(book), time.perf_counter(), 1.0 if factor is None else factor(epoch - 1)
        tally = _Tally()
        for index in torch.randperm(len(data.train), generator=generator).split(batch):
            labels = data.train.labels[index]
            estimate = estimator(network, data.train.x[index], labels, generator, book)
            if estimate.nudged:
                book.written(estimate.learn_([gain * rate for rate in rates], gain * bias_rate, generator))
            if average is not None and epoch > epochs - averaged:
                average.add(network)
            tally.add(estimate, network.votes(estimate.free.mean(-1)).argmax(1) != labels)
            if on_update is not None:
                on_update(estimate)
        seconds = time.perf_counter() - start
        yield IsingEpoch(
            epoch=epoch,
            train_error=100 * tally.wrong / tally.samples,
            val_error=ising_error(network if average is None else average.of(network), data.validation, estimator),
            flips=tally.flips / tally.updates,
            flips_nudged=tally.flips / max(1, tally.nudged),
            nudged=100 * tally.nudged / tally.samples,
            clipped=book.clipped - before.clipped,
            reads=book.reads - before.reads,
            stopped=tally.stopped,
            seconds=seconds,
        )
        if tally.stopped:
            warnings.warn(
                f"epoch {epoch}: learning has stopped: {tally.flips / tally.nudged:.2g} spins flip between the phases "
                f"of a nudged sample, and {100 * tally.wrong / tally.samples:.3g} % of the samples are wrong",
                LearningStopped,
                stacklevel=2,
            )
            return


@dataclass(kw_only=True)
class _Tally:
    """Sums over the updates of an epoch: samples, wrong answers, nudged samples, spins that differ between phases."""

    samples: int = 0
    wrong: int = 0
    nudged: int = 0
    flips: float = 0.0
    updates: int = 0

    def add(self, estimate: IsingEstimate, wrong: Tensor) -> None:
        """Count an update."""
        self.samples += len(wrong)
        self.wrong += int(wrong.sum())
        self.nudged += estimate.nudged
        self.flips += estimate.flips
        self.updates += 1

    @property
    def stopped(self) -> bool:
        """Whether the phases hardly differ, although samples are wrong."""
        return self.nudged > SETTLED * self.samples and self.flips < STUCK * self.nudged


def ising_error(
    network: IsingNetwork, split: Split, estimator: IsingEP, ledger: Ledger | None = None, batch: int = 1000
) -> float:
    """Share of wrong predictions, in percent; the machine's chance is drawn from seed 0."""
    source = torch.Generator().manual_seed(0)
    parts = [estimator.infer(network, x, source, ledger).argmax(1) for x in split.x.split(batch)]
    return 100 * float((torch.cat(parts) != split.labels).double().mean())


def _require_fit(network: IsingNetwork, data: Dataset, rates: Sequence[float]) -> None:
    """Raise ValueError where the network's ends, or the rates, do not fit."""
    if network.sizes[0] != data.features or network.classes != data.classes:
        raise ValueError(
            f"{data.name} has {data.features} pixels and {data.classes} classes, the network {network.sizes[0]} and "
            f"{network.classes}"
        )
    if len(rates) != len(network.operators):
        raise ValueError(f"{len(network.operators)} operators need as many learning rates, not {len(rates)}")
