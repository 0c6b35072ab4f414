"""Data-parallel training: every process relaxes its share of a batch, and all write the same update.

Under `torchrun` each process holds the same network and draws the same random numbers for all that must agree (order
of samples, noise of writes); noise of reads is its own. One flat sum a batch makes the gradients agree.
"""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.distributed as dist
from jaxtyping import Int
from torch import Tensor

DIED = "another process of this run has died: continue with --resume and the run's folder"


@dataclass(frozen=True, kw_only=True)
class Workers:
    """The processes that share a training; alone by default."""

    rank: int = 0
    world: int = 1

    def __post_init__(self) -> None:
        if not 0 <= self.rank < self.world:
            raise ValueError(f"rank must lie between 0 and {self.world - 1}, not {self.rank}")

    def share(self, index: Int[Tensor, " batch"]) -> Int[Tensor, " share"]:
        """Return this process's samples of a batch; possibly none."""
        return index.tensor_split(self.world)[self.rank]

    def noise(self, generator: torch.Generator) -> torch.Generator:
        """Return the source of this process's read noise: `generator` itself where it is alone, else one of its own."""
        if self.world == 1:
            return generator
        seed = int(torch.randint(2**62, (), generator=generator, device=generator.device))
        return torch.Generator(generator.device).manual_seed(seed + self.rank)

    def mean(self, gradients: dict[str, Tensor], weight: float) -> dict[str, Tensor]:
        """Sum of all processes' gradients, each times its weight, in one flat message.

        Raises ConnectionError where another process has died.
        """
        if self.world == 1:
            return gradients
        flat = weight * torch.cat([part.flatten() for part in gradients.values()])
        self._sum(flat)
        parts = flat.split([part.numel() for part in gradients.values()])
        return {name: part.view_as(gradients[name]) for name, part in zip(gradients, parts, strict=True)}

    def total(self, *numbers: float | int) -> list[float]:
        """Sums over all processes. Raises ConnectionError where another process has died."""
        if self.world == 1:
            return [float(number) for number in numbers]
        values = torch.tensor(numbers, dtype=torch.float64)
        self._sum(values)
        return values.tolist()

    def _sum(self, values: Tensor) -> None:
        try:
            dist.all_reduce(values)
        except RuntimeError as error:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            raise ConnectionError(DIED) from error


def _stopped(*_: object) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise ConnectionError(DIED)


@contextmanager
def workers() -> Iterator[Workers]:
    """Join the processes that `torchrun` has started, if it did: gloo on the CPU, nccl on GPUs."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield Workers()
        return
    # Optimisers import this at their first step. Imported while a group exists it would keep the group, whose threads
    # then run into the end of the interpreter and abort it (pytorch issue 190489).
    import torch._dynamo

    # torchrun stops the others when one dies; it may be quicker than the news.
    signal.signal(signal.SIGTERM, _stopped)
    dist.init_process_group("cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo")
    try:
        yield Workers(rank=dist.get_rank(), world=dist.get_world_size())
    finally:
        dist.destroy_process_group()
