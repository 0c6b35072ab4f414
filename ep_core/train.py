"""The training loop: estimate, let an optimiser turn the gradient into changes, let the hardware write them."""

import math
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, fields, replace

import torch
from torch import Tensor

from ep_core.data import Dataset, Split
from ep_core.estimators import Estimate, Estimator
from ep_core.ledger import Ledger
from ep_core.loss import one_hot
from ep_core.network import Network, trainable
from ep_core.parallel import Workers
from ep_core.relax import NotConverged, Relaxation
from ep_core.weight import Written

MISSED = 0.05  # share of free phases above tolerance that an epoch warns of
Count = float | int
OptimiserFactory = Callable[[list[dict[str, object]]], torch.optim.Optimizer]


class Updater:
    """Turns gradients into the changes that the hardware is asked to write.

    A torch optimiser works on tensors of *changes* that start every step at zero; what it leaves there is the
    request to `program_`. So any torch optimiser can drive hardware that rounds, clips and owes.

    Args:
        network: whose trainable parameters are updated.
        optimiser: called with torch's parameter groups.
        lrs: learning rate of each operator; bias_lr: of all biases.
        schedule: factor of the rates at step 0, 1, ..., such as `partial(cosine, updates=..., warmup=...)`; default 1.
        decay: lambda of lambda/2 |W|^2, added to the cost for every operator that learns.
        clip: largest norm of the whole gradient, decay included; longer ones are shortened.

    """

    def __init__(
        self,
        network: Network,
        optimiser: OptimiserFactory,
        *,
        lrs: Sequence[float],
        bias_lr: float,
        schedule: Callable[[int], float] | None = None,
        decay: float = 0.0,
        clip: float | None = None,
    ) -> None:
        rates = {f"weights.{i}": lr for i, lr in enumerate(lrs)} | {"biases": bias_lr}
        if len(lrs) != len(network.operators):
            raise ValueError(f"{len(network.operators)} operators need as many learning rates, not {len(lrs)}")
        if not all(math.isfinite(lr) and lr >= 0 for lr in rates.values()):
            raise ValueError(f"learning rates must be finite and not negative, not {rates}")
        if not (math.isfinite(decay) and decay >= 0) or not (clip is None or clip > 0):
            raise ValueError(f"decay must be finite and not negative, clip positive, not {decay} and {clip}")
        self.network, self.decay, self.clip = network, decay, clip
        # Fused optimisers walk raw memory: change, gradient and state must be laid out alike.
        self.changes = {name: torch.zeros(p.shape, dtype=p.dtype, device=p.device) for name, p in network.trainables()}
        groups: list[dict[str, object]] = [
            {"params": [c for name, c in self.changes.items() if name.startswith(prefix + ".")], "lr": lr}
            for prefix, lr in rates.items()
        ]
        learning = [i for i, group in enumerate(groups) if group["params"]]
        self.places = [learning.index(i) if i in learning else None for i in range(len(groups))]
        self.optimiser = optimiser([group for group in groups if group["params"]])
        settings = self.optimiser.defaults
        bare = not any(settings.get(name) for name in ("momentum", "weight_decay", "maximize"))
        self.plain = type(self.optimiser) is torch.optim.SGD and bare and not decay and clip is None
        # Rates that never change need no schedule, which takes as long as a small product
        self.steady = schedule is None
        self.schedule = torch.optim.lr_scheduler.LambdaLR(self.optimiser, constant if schedule is None else schedule)

    @torch.no_grad()
    def __call__(self, gradients: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the changes for one step of the optimiser along `gradients`."""
        shrink = self._decays() if self.decay else {}
        for name, change in self.changes.items():
            change.zero_()
            change.grad = gradients[name].contiguous()
            if name in shrink:
                change.grad = change.grad + self.decay * shrink[name]
        if self.clip is not None:
            torch.nn.utils.clip_grad_norm_(list(self.changes.values()), self.clip)
        self.optimiser.step()
        if not self.steady:
            self.schedule.step()
        return self.changes

    def write_(
        self,
        estimate: Estimate,
        generator: torch.Generator | None = None,
        team: Workers | None = None,
        weight: float = 1.0,
    ) -> Written:
        """Write one step along an estimate; in a team, along the sum of all, each times its weight.

        Plain descent (SGD without momentum, decay or clipping) alone lets the operators learn from their own products.
        """
        contrast, alone = estimate.contrast, team is None or team.world == 1
        if self.plain and alone and contrast is not None and not contrast.backward:
            # Operators that are held have no group, and no rate.
            *rates, bias_rate = [0.0 if at is None else self.optimiser.param_groups[at]["lr"] for at in self.places]
            written = contrast.learn_(rates, bias_rate, generator)
            if not self.steady:
                self._tick()
            return written
        gradients = estimate.gradients if team is None else team.mean(estimate.gradients, weight)
        return self.network.program_(self(gradients), generator)

    def _tick(self) -> None:
        """Let the schedule go on without the optimiser, which has nothing to do; torch warns if it never stepped."""
        if self.schedule.last_epoch == 0:
            self.optimiser.step()
        self.schedule.step()

    def _decays(self) -> dict[str, Tensor]:
        """Gradient of 1/2 |W|^2 of every operator."""
        pairs = enumerate(self.network.operators)
        return {f"weights.{i}.{name}": part for i, w in pairs if trainable(w) for name, part in w.norm_grad().items()}


def rise(step: int, warmup: int) -> float:
    """Factor of the learning rate: from 1/warmup up to 1 in as many steps."""
    return min(1.0, (step + 1) / warmup) if warmup else 1.0


def cosine(step: int, *, updates: int, warmup: int = 0) -> float:
    """Factor of the learning rate: `rise`, times a cosine from 1 to 0 over `updates`."""
    return rise(step, warmup) * 0.5 * (1 + math.cos(math.pi * min(1.0, step / max(1, updates))))


def staircase(step: int, *, every: int, factor: float = 0.5, warmup: int = 0) -> float:
    """Factor of the learning rate: `rise`, times `factor` once more after each `every` steps."""
    return rise(step, warmup) * factor ** (step // every)


def constant(step: int, *, warmup: int = 0) -> float:
    """Factor of the learning rate: `rise`, then 1."""
    return rise(step, warmup)


@dataclass(frozen=True, kw_only=True)
class Epoch:
    """What one epoch of training showed; errors in percent, residual and steps as means over its updates.

    `nonconverged` is the percentage of free phases that stayed above the tolerance; `seconds` are those of the updates
    alone, without validation.
    """

    epoch: int
    train_error: float
    val_error: float
    loss: float
    residual: float
    nonconverged: float
    steps: float
    reads: int
    seconds: float = field(compare=False)


def fit(
    network: Network,
    data: Dataset,
    estimator: Estimator,
    updater: Updater,
    *,
    epochs: int,
    batch: int,
    generator: torch.Generator,
    ledger: Ledger | None = None,
    done: int = 0,
    on_update: Callable[[Relaxation], None] | None = None,
    workers: Workers | None = None,
) -> Iterator[Epoch]:
    """Train, yielding after each epoch, from epoch `done` on.

    `generator` is the only source of randomness (order of samples, noise of reads and writes), so that a run
    continues exactly from its saved state. `train_error` is that of the free phases met during the epoch. With
    `workers` each process relaxes its share of a batch; all write the same update and yield the same epochs.
    """
    book, team = Ledger() if ledger is None else ledger, Workers() if workers is None else workers
    check_chain(network, data)
    if team.world > 1 and any(operator.drifting for operator in network.operators):
        raise ValueError("a device that drifts trains in one process: several would each see another device")
    targets = one_hot(data.train.labels, data.classes, data.train.x.dtype)
    for epoch in range(done + 1, epochs + 1):
        start, before, tally = time.perf_counter(), replace(book), _Tally()
        for index in torch.randperm(len(data.train), generator=generator).split(batch):
            share, noise = team.share(index), team.noise(generator)
            if not len(share):
                # The last batch is smaller than the team.
                nothing = {name: torch.zeros_like(change) for name, change in updater.changes.items()}
                book.written(network.program_(updater(team.mean(nothing, 0.0)), generator))
                continue
            target, reads = targets[share], book.reads
            estimate = estimator(network, data.train.x[share], target, noise, book)
            book.written(updater.write_(estimate, generator, team, len(share) / len(index)))
            network.age_(book.reads - reads - estimate.aged, generator)
            tally.add(estimate.free, data.train.labels[share], estimator.loss.value(estimate.free.output, target))
            if on_update is not None:
                on_update(estimate.free)
        seconds = time.perf_counter() - start
        reads, sweeps, relaxations = book.gather(before, team)
        whole = tally.of_all(team).over(len(data.train))
        _warn_of_missed(epoch, whole.missed, estimator)
        yield Epoch(
            epoch=epoch,
            train_error=100 * whole.wrong,
            val_error=error(network, data.validation, estimator),
            loss=whole.loss,
            residual=whole.residual,
            nonconverged=100 * whole.missed,
            steps=sweeps / relaxations,
            reads=reads,
            seconds=seconds,
        )


@dataclass(kw_only=True)
class _Tally:
    """Sums over free phases: wrong answers, cost, residual, phases above tolerance."""

    wrong: Count = 0
    loss: Count = 0
    residual: Count = 0
    missed: Count = 0

    def add(self, free: Relaxation, labels: Tensor, losses: Tensor) -> None:
        """Count a batch."""
        self.wrong += int((free.output.argmax(1) != labels).sum())
        self.loss += float(losses.sum())
        self.residual += float(free.residual.sum())
        self.missed += int((~free.converged).sum())

    def of_all(self, team: Workers) -> "_Tally":
        """Sums over the processes of a team."""
        names = [f.name for f in fields(self)]
        sums = team.total(*(getattr(self, name) for name in names))
        return _Tally(**dict(zip(names, sums, strict=True)))

    def over(self, count: int) -> "_Tally":
        """Means over so many samples."""
        return _Tally(**{f.name: getattr(self, f.name) / count for f in fields(self)})


def _warn_of_missed(epoch: int, missed: Count, estimator: Estimator) -> None:
    """Warn where too large a share of the free phases stayed above tolerance."""
    if missed > MISSED:
        warnings.warn(
            f"epoch {epoch}: {100 * missed:.3g} % of the free phases did not reach a residual of "
            f"{estimator.free.tolerance:g} in {estimator.free.steps} sweeps",
            NotConverged,
            stacklevel=3,
        )


def check_chain(network: Network, data: Dataset) -> None:
    """Raise ValueError where the network's ends do not fit the data."""
    if network.sizes[0] != data.features:
        raise ValueError(f"{data.name} has {data.features} pixels, but the first of sizes is {network.sizes[0]}")
    if network.sizes[-1] != data.classes:
        raise ValueError(f"{data.name} has {data.classes} classes, but the last of sizes is {network.sizes[-1]}")


def predict(network: Network, split: Split, estimator: Estimator, batch: int = 1000) -> Tensor:
    """Class with the largest output of each sample, as `estimator` infers it."""
    parts = [estimator.infer(network, x).output.argmax(1) for x in split.x.split(batch)]
    return torch.cat(parts)


def error(network: Network, split: Split, estimator: Estimator) -> float:
    """Share of wrong predictions, in percent."""
    return 100 * float((predict(network, split, estimator) != split.labels).double().mean())
