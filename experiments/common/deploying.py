"""Weights that were trained without a device, put on one; and what a read of a device is worth in bits."""

import math
from dataclasses import replace

import torch

from ep_core.network import Network
from ep_core.train import error
from ep_core.weight import OutOfRangeError
from experiments.common.build import Job, build_network
from experiments.common.options import TrainOptions
from experiments.common.resolve import resolve


def deployed_error(trained: Job, options: TrainOptions) -> float:
    """Test error [%] of a job's weights and biases, programmed as well as the device allows that `options` describe.

    The device's range (gain of receivers, largest weight of memristors) is made as large as the weights ask for.
    """
    full, factor = resolve(options), 1.0
    while True:
        network = build_network(
            replace(full, std=tuple(factor * std for std in full.std)), torch.Generator().manual_seed(full.seed)
        )
        try:
            program(network, trained.network)
        except OutOfRangeError as beyond:
            factor *= 1.01 * beyond.factor
        else:
            return error(network, trained.data.test, trained.estimator)


def program(network: Network, source: Network) -> None:
    """Put the matrices and biases of one network on the hardware of another."""
    for operator, held in zip(network.operators, source.operators, strict=True):
        operator.program_matrix_(held.matrix())
    for mine, theirs in zip(network.shifts, source.shifts, strict=True):
        mine.data.copy_(theirs.detach())


@torch.no_grad()
def effective_bits(job: Job, samples: int = 200, reads: int = 20) -> float:
    """Bits of a read, log2(range / sqrt(12) sigma), sigma the measured noise; the mean of all operators and directions.

    Inputs are the free states of test samples; the range is that of the noiseless products. Infinite without noise.
    """
    x = job.data.test.x[:samples]
    states = (x, *job.estimator.infer(job.network, x).state)
    source, found = torch.Generator().manual_seed(0), []
    for edge, operator in job.network.links:
        ways = [(operator.mvm, states[edge.pre])]
        ways += [(operator.vmm, states[edge.post])] if edge.pre > 0 else []
        for read, at in ways:
            clean = read(at)
            sigma = torch.stack([read(at, source) - clean for _ in range(reads)]).std()
            full = float(clean.max() - clean.min())
            found.append(math.log2(full / (math.sqrt(12) * float(sigma))) if sigma > 0 else math.inf)
    return sum(found) / len(found)
