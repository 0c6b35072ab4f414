"""From resolved options to the objects that train: data, network, estimator, updater, all from one seed."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial

import torch

from electronic_ep import CrossbarWeight, DigitalWeight, Terminals, Wires, oracle, outer, presets, programming
from electronic_ep.devices import SoftBounds
from ep_core import (
    Adjoint,
    Anderson,
    AsymEP,
    Backpropagation,
    ContrastiveHebbian,
    CoupledLearning,
    CrossEntropy,
    DenseWeight,
    Edge,
    Estimator,
    GaussSeidel,
    GradientFlow,
    Holomorphic,
    IdealNudge,
    Ledger,
    Loss,
    Network,
    Nudge,
    Nudging,
    OneSided,
    RandomSign,
    Relaxation,
    Solver,
    SquaredError,
    Symmetric,
    Synchronous,
    Unrolled,
    Updater,
    VectorField,
    fit,
)
from ep_core import data as datasets
from ep_core.adjoint import couplings
from ep_core.data import Dataset
from ep_core.homeostasis import Homeostatic
from ep_core.network import WeightFactory
from ep_core.parallel import Workers
from ep_core.train import Epoch, OptimiserFactory, check_chain, constant, cosine, staircase
from experiments.common.nets import graph, neurons
from experiments.common.options import TrainOptions
from experiments.common.resolve import DEVICES, MEMRISTOR
from photonic_ep import Imperfections, IntensityNudge, MeshWeight, clements, fftnet, gradients, reck

DTYPES = {"float32": torch.float32, "float64": torch.float64}
TOPOLOGIES = {"clements": clements, "reck": reck, "fftnet": fftnet}
GRADIENTS = {"oracle": gradients.oracle, "twin": gradients.twin}
CROSSBAR_GRADIENTS = {"oracle": oracle, "outer": outer}
SCHEMES: dict[str, programming.Programming] = {
    "mixed-precision": programming.MixedPrecision(),
    "stochastic": programming.StochasticRounding(),
    "sign": programming.Sign(),
    "write-verify": programming.WriteVerify(),
    "tiki-taka": programming.TikiTaka(),
}
ESTIMATORS: dict[str, type[Estimator]] = {
    "one-sided": OneSided,
    "random-sign": RandomSign,
    "symmetric": Symmetric,
    "holomorphic": Holomorphic,
    "vector-field": VectorField,
    "asymep": AsymEP,
    "hebbian": ContrastiveHebbian,
    "coupled": CoupledLearning,
    "adjoint": Adjoint,
    "bptt": Unrolled,
    "backpropagation": Backpropagation,
}
SOLVERS: dict[str, type[Solver]] = {
    "gauss-seidel": GaussSeidel,
    "synchronous": Synchronous,
    "flow": GradientFlow,
    "anderson": Anderson,
}
LOSSES: dict[str, type[Loss]] = {"mse": SquaredError, "cross-entropy": CrossEntropy}
HALVINGS = 5  # of a learning rate that falls as a staircase, in a run
CAP_EVERY = 50  # updates between looks at the largest eigenvalue


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
        self,
        ledger: Ledger | None = None,
        done: int = 0,
        on_update: Callable[[Relaxation], None] | None = None,
        workers: Workers | None = None,
    ) -> Iterator[Epoch]:
        """Train from epoch `done` on; after each epoch the local oscillators of photonic weights are realigned."""
        book = Ledger() if ledger is None else ledger

        def updated(free: Relaxation) -> None:
            if self.options.cap is not None and book.updates % CAP_EVERY == 0:
                cap_(self.network, self.options.cap)
            if on_update is not None:
                on_update(free)

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
            on_update=updated,
            workers=workers,
        ):
            for operator in self.network.operators:
                if isinstance(operator, MeshWeight):
                    book.align(operator.align_())
            yield epoch


@torch.no_grad()
def cap_(network: Network, cap: float) -> None:
    """Scale the couplings among neurons down until their largest eigenvalue is `cap`: then sweeps converge."""
    largest = float(torch.linalg.eigvalsh(couplings(network))[-1])
    if largest > cap:
        for edge, operator in zip(network.edges, network.operators, strict=True):
            if edge.pre > 0:
                operator.program_({name: (cap / largest - 1) * p for name, p in operator.named_parameters()})


def build(options: TrainOptions, data: Dataset | None = None) -> Job:
    """Build a job from resolved options; ValueError or FileNotFoundError before anything is written."""
    torch.set_num_threads(options.threads or 1)
    torch.use_deterministic_algorithms(True)
    generator = torch.Generator().manual_seed(options.seed)
    content = load_data(options) if data is None else data
    network = build_network(options, generator)
    check_chain(network, content)
    estimator = build_estimator(options, generator)
    estimator.check(network)
    updates = options.epochs * -(-len(content.train) // options.batch)
    updater = Updater(
        network,
        _optimiser(options),
        lrs=[options.lr[group] for group in graph(options).groups],
        bias_lr=options.bias_lr,
        schedule=_schedule(options, updates),
        decay=options.decay,
        clip=options.clip if math.isfinite(options.clip) else None,
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


def _optimiser(options: TrainOptions) -> OptimiserFactory:
    if options.optimiser == "sgd":
        return partial(torch.optim.SGD, momentum=options.momentum)
    return partial(torch.optim.Adam, fused=True)


def _schedule(options: TrainOptions, updates: int) -> Callable[[int], float]:
    warmup = min(options.warmup, updates // 2)
    if options.schedule == "cosine":
        return partial(cosine, updates=updates, warmup=warmup)
    if options.schedule == "staircase":
        return partial(staircase, every=-(-updates // (HALVINGS + 1)), warmup=warmup)
    return partial(constant, warmup=warmup)


def build_network(options: TrainOptions, generator: torch.Generator) -> Network:
    """Return a network on the chosen hardware; edges that have a learning rate of 0 are frozen."""
    plan = graph(options)
    hidden, output = neurons(options)
    network = Network(
        plan.sizes,
        [
            _weight(options, edge, options.std[group], generator)
            for edge, group in zip(plan.edges, plan.groups, strict=True)
        ],
        hidden,
        output=output,
        edges=plan.edges,
        readout=options.output == "readout",
    )
    rates = [options.lr[group] for group in plan.groups]
    for edge, operator, lr in zip(plan.edges, network.operators, rates, strict=True):
        operator.requires_grad_(lr > 0)
        if lr == 0:
            network.biases[edge.post - 1].requires_grad_(False)
    return network


def _weight(options: TrainOptions, edge: Edge, std: float, generator: torch.Generator) -> WeightFactory:
    dtype = DTYPES[options.dtype]
    if options.backend == "ideal":
        return partial(DenseWeight, std=std, generator=generator, dtype=dtype, hollow=edge.pre == edge.post)
    if options.backend == "digital":
        return partial(DigitalWeight, top=options.top * std, std=std, generator=generator, dtype=dtype)
    if options.backend == "crossbar":
        return _crossbar(options, std, generator)
    device, numbers = DEVICES[options.device], {n: getattr(options, n) or 0.0 for n in Imperfections.analogue}
    plan = device.hardware.plan
    if options.floor_plan is not None:
        pitch_x, pitch_y = options.floor_plan
        plan = replace(plan, pitch_x_um=pitch_x, pitch_y_um=pitch_y, trench=options.trench)
    imperfections = replace(
        device.imperfections,
        **numbers,
        drift_reads=options.drift_reads,
        floor=None if options.floor_plan is None else plan,
        dac_bits=options.dac_bits or None,
        dac_volts=options.dac_volts,
    )
    return partial(
        MeshWeight,
        tile=options.tile,
        topology=TOPOLOGIES[options.topology],
        imperfections=imperfections,
        hardware=replace(device.hardware, plan=plan),
        generator=generator,
        std=std,
        gradient=GRADIENTS[options.gradient],
        dtype=dtype,
    )


def _crossbar(options: TrainOptions, std: float, generator: torch.Generator) -> WeightFactory:
    chip = presets.chip(options.device)
    kind = replace(chip.memristor, stuck=options.stuck, **{name: getattr(options, name) for name in MEMRISTOR})
    if options.levels:
        kind = replace(kind, response=SoftBounds.of(options.levels))
    word_drive, bit_sense, bit_drive, word_sense = options.terminals
    return partial(
        CrossbarWeight,
        memristor=kind,
        programming=SCHEMES[options.programming],
        tile=options.tile,
        wires=Wires(word=options.wire_ohm, bit=options.wire_ohm),
        terminals=Terminals(word_drive=word_drive, bit_sense=bit_sense, bit_drive=bit_drive, word_sense=word_sense),
        top=options.top * std,
        periphery=chip.periphery,
        generator=generator,
        std=std,
        gradient=CROSSBAR_GRADIENTS[options.gradient],
        dtype=DTYPES[options.dtype],
    )


def build_estimator(options: TrainOptions, generator: torch.Generator) -> Estimator:
    """Return the estimator with its loss, solvers and nudge."""
    kind, loss = ESTIMATORS[options.estimator], LOSSES[options.loss]()
    damping = {"damping": options.damping} if options.solver == "gauss-seidel" else {}
    free, second = (
        SOLVERS[options.solver](steps=steps, tolerance=options.tolerance, average=options.average, **damping)
        for steps in options.steps
    )
    if issubclass(kind, Nudging):
        phases = {"count": options.phases} if issubclass(kind, Holomorphic) else {}
        nudge, order = _nudge(options, generator), options.order or "sample"
        inner = kind(loss=loss, free=free, nudged=second, beta=options.beta, nudge=nudge, order=order, **phases)
        return Homeostatic(inner=inner, strength=options.homeostasis) if options.homeostasis else inner
    if issubclass(kind, CoupledLearning):
        eta = {"eta": options.beta} if kind is CoupledLearning else {}
        return kind(loss=loss, free=free, clamped=second, **eta)
    return kind(loss=loss, free=free)


def _nudge(options: TrainOptions, generator: torch.Generator) -> Nudge:
    if options.nudge == "ideal":
        return IdealNudge(mode=options.nudge_mode)
    if options.nudge == "current":
        nudge = presets.chip(options.device or "cmo-hfox").nudge
        return replace(
            nudge,
            ceiling=options.nudge_ceiling,
            bits=options.nudge_bits or None,
            noise=options.nudge_noise,
            mode=options.nudge_mode,
        )
    extinction = options.nudge_extinction_db
    device = DEVICES[options.device or "F"]
    light = replace(
        device.nudge,
        ceiling_mw=options.nudge_mw,
        bits=options.nudge_bits or None,
        extinction_db=None if extinction == float("inf") else extinction,
    )
    dtype = DTYPES[options.dtype]
    return IntensityNudge.build(
        light,
        options.sizes[-2 if options.output == "readout" else -1],
        mode=options.nudge_mode,
        generator=generator,
        dtype=dtype,
        hardware=device.hardware,
    )
