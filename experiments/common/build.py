"""From resolved options to the objects that train: data, network, estimator, updater, all from one seed."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial

import torch

from ep_core import (
    DenseWeight,
    Estimator,
    GaussSeidel,
    HardSigmoid,
    IdealNudge,
    Ledger,
    Network,
    Nudge,
    OneSided,
    Relaxation,
    Symmetric,
    Updater,
    fit,
)
from ep_core import data as datasets
from ep_core.data import Dataset
from ep_core.network import WeightFactory
from ep_core.train import Epoch, check_chain
from experiments.common.options import TrainOptions
from photonic_ep import Imperfections, IntensityNudge, MeshWeight, clements, gradients, reck
from photonic_ep.presets import DEVICE_F, NUDGE_A

DTYPES = {"float32": torch.float32, "float64": torch.float64}
TOPOLOGIES = {"clements": clements, "reck": reck}
GRADIENTS = {"oracle": gradients.oracle, "twin": gradients.twin}
ESTIMATORS: dict[str, type[Estimator]] = {"one-sided": OneSided, "symmetric": Symmetric}
OPTIMISERS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "adam": partial(torch.optim.Adam, fused=True),
    "sgd": partial(torch.optim.SGD, momentum=0.9),
}


@dataclass(frozen=True, kw_only=True)
class Job:
    """All that a training run is made of."""

    options: TrainOptions
    data: Dataset
    network: Network
    estimator: Estimator
    updater: Updater
    generator: torch.Generator
    updates: int

    def fit(
        self, ledger: Ledger | None = None, done: int = 0, on_update: Callable[[Relaxation], None] | None = None
    ) -> Iterator[Epoch]:
        """Train from epoch `done` on; after each epoch the local oscillators of photonic weights are realigned."""
        book = Ledger() if ledger is None else ledger
        for epoch in fit(
            self.network,
            self.data,
            self.estimator,
            self.updater,
            epochs=self.options.epochs,
            batch=self.options.batch,
            generator=self.generator,
            ledger=book,
            done=done,
            on_update=on_update,
        ):
            for operator in self.network.operators:
                if isinstance(operator, MeshWeight):
                    book.reads += operator.align_()
            yield epoch


def build(options: TrainOptions, data: Dataset | None = None) -> Job:
    """Build a job from resolved options; ValueError or FileNotFoundError before anything is written."""
    torch.set_num_threads(options.threads or 1)
    torch.use_deterministic_algorithms(True)
    generator = torch.Generator().manual_seed(options.seed)
    content = load_data(options) if data is None else data
    network = build_network(options, generator)
    check_chain(network, content)
    estimator = build_estimator(options, generator)
    updates = options.epochs * -(-len(content.train) // options.batch)
    updater = Updater(
        network,
        OPTIMISERS[options.optimiser],
        lrs=options.lr,
        bias_lr=options.bias_lr,
        updates=updates,
        warmup=min(options.warmup, updates // 2),
    )
    return Job(
        options=options,
        data=content,
        network=network,
        estimator=estimator,
        updater=updater,
        generator=generator,
        updates=updates,
    )


def load_data(options: TrainOptions) -> Dataset:
    """Return the data set in the run's precision."""
    if options.dataset == "digits":
        return datasets.digits(dtype=DTYPES[options.dtype])
    return datasets.mnist(options.data_dir, dtype=DTYPES[options.dtype])


def build_network(options: TrainOptions, generator: torch.Generator) -> Network:
    """Return a network on the chosen hardware; layers that have a learning rate of 0 are frozen."""
    low, high = options.output_range
    bits = options.state_bits or None
    network = Network(
        options.sizes,
        [_weight(options, std, generator) for std in options.std],
        HardSigmoid(bits=bits),
        output=HardSigmoid(bits=bits, low=low, high=high),
    )
    for operator, bias, lr in zip(network.operators, network.biases, options.lr, strict=True):
        operator.requires_grad_(lr > 0)
        bias.requires_grad_(lr > 0)
    return network


def _weight(options: TrainOptions, std: float, generator: torch.Generator) -> WeightFactory:
    dtype = DTYPES[options.dtype]
    if options.backend == "ideal":
        return partial(DenseWeight, std=std, generator=generator, dtype=dtype)
    imperfections = Imperfections(
        phase_error=options.phase_error,
        splitter_error=options.splitter_error,
        insertion_loss_db=options.insertion_loss_db,
        crosstalk=options.crosstalk,
        dac_bits=options.dac_bits or None,
        known=DEVICE_F.imperfections.known,
    )
    return partial(
        MeshWeight,
        tile=options.tile,
        topology=TOPOLOGIES[options.topology],
        imperfections=imperfections,
        generator=generator,
        std=std,
        gradient=GRADIENTS[options.gradient],
        dtype=dtype,
    )


def build_estimator(options: TrainOptions, generator: torch.Generator) -> Estimator:
    """Return the estimator with its nudge and solvers."""
    free, nudged = (GaussSeidel(steps=steps, tolerance=options.tolerance) for steps in options.steps)
    nudge = _nudge(options, generator)
    return ESTIMATORS[options.estimator](beta=options.beta, nudge=nudge, free=free, nudged=nudged)


def _nudge(options: TrainOptions, generator: torch.Generator) -> Nudge:
    if options.nudge == "ideal":
        return IdealNudge(mode=options.nudge_mode)
    extinction = options.nudge_extinction_db
    light = replace(
        NUDGE_A,
        ceiling_mw=options.nudge_mw,
        bits=options.nudge_bits or None,
        extinction_db=None if extinction == float("inf") else extinction,
    )
    dtype = DTYPES[options.dtype]
    return IntensityNudge.build(light, options.sizes[-1], mode=options.nudge_mode, generator=generator, dtype=dtype)
