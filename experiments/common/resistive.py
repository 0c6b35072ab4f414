"""What the script on resistive networks measures: trainings, gradients by differences, diodes in ngspice, a picture."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import torch
from jaxtyping import Float
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from electronic_ep import ConductanceWeight, ResistiveNetwork, spice
from ep_core import GaussSeidel, SquaredError, Symmetric, Updater, compare, fit, one_hot, relax
from ep_core.data import Dataset
from ep_core.train import Epoch, cosine, error
from experiments.common.referees import EXACT, uncrossed

# Chosen on the validation split among gains of 1 to 16 V, betas of .1 to 1, rates of .002 to .03
GAIN, BETA, RATE, BATCH, MOST = 8.0, 0.1, 0.005, 20, 0.1
SIZES = (64, 64, 10)
BETAS = (0.1, 0.05, 0.01)
IDEALITIES = ("1", "0.1", "0.01", "0.001")


@dataclass(frozen=True, kw_only=True)
class Trained:
    """One training: its network and epochs, and its test error [%] with the last conductances."""

    network: ResistiveNetwork
    epochs: list[Epoch]
    test: float


def train(data: Dataset, seed: int, epochs: int, *, frozen: bool = False) -> Trained:
    """Train by symmetric EP; `frozen` holds the conductances of the input, as a control."""
    torch.set_num_threads(1)
    source = torch.Generator().manual_seed(seed)
    net = ResistiveNetwork(SIZES, partial(ConductanceWeight, most=MOST, generator=source), gain=GAIN)
    solver = GaussSeidel(steps=30, tolerance=1e-4)
    estimator = Symmetric(beta=BETA, free=solver, nudged=solver)
    schedule = partial(cosine, updates=epochs * -(-len(data.train) // BATCH))
    adam = partial(torch.optim.Adam, lr=RATE)
    updater = Updater(net, adam, lrs=[0.0 if frozen else RATE, RATE], bias_lr=0.0, schedule=schedule)
    history = list(fit(net, data, estimator, updater, epochs=epochs, batch=BATCH, generator=source))
    return Trained(network=net, epochs=history, test=error(net, data.test, estimator))


def gradient_errors(seed: int) -> dict[str, float]:
    """Relative error of EP's gradient to finite differences of C at the free state, on a network of 4-6-3 nodes.

    Samples on which a diode switches between the phases of the largest beta are left out; `share` remains.
    """
    source = torch.Generator().manual_seed(seed)
    net = ResistiveNetwork((4, 6, 3), partial(ConductanceWeight, generator=source, dtype=torch.float64), gain=GAIN)
    x = torch.rand(20, 4, generator=source, dtype=torch.float64)
    y = one_hot(torch.arange(20) % 3, 3, torch.float64)
    estimators = {beta: Symmetric(beta=beta, free=EXACT, nudged=EXACT) for beta in BETAS}
    keep = uncrossed(net, estimators[max(BETAS)], x, y)
    x, y = x[keep], y[keep]
    exact = by_differences(net, x, y)
    errors = {beta: compare(own(net, x, y).gradients, exact)[0] for beta, own in estimators.items()}
    return {
        "gradient_1e-1": errors[0.1],
        "gradient_1e-2": errors[0.01],
        "gradient_halving": errors[0.1] / errors[0.05],
        "gradient_share": float(keep.double().mean()),
    }


@torch.no_grad()
def by_differences(
    net: ResistiveNetwork, x: Float[torch.Tensor, "batch n"], y: Float[torch.Tensor, "batch k"], step: float = 1e-5
) -> dict[str, torch.Tensor]:
    """dC/dg of every conductance by central differences of the mean cost at the free state."""
    loss, gradients = SquaredError(), {}
    for name, g in net.trainables():
        slopes, flat = [], g.view(-1)
        for i, held in enumerate(flat.tolist()):
            costs = []
            for moved in (held + step, held - step):
                flat[i] = moved
                costs.append(loss.value(relax(net, x, EXACT).output, y).mean())
            flat[i] = held
            slopes.append((costs[0] - costs[1]) / (2 * step))
        gradients[name] = torch.stack(slopes).view_as(g)
    return gradients


def diode_errors(net: ResistiveNetwork, x: Float[torch.Tensor, "samples pixels"]) -> dict[str, float]:
    """Largest difference of any node's voltage to ngspice's with diodes of each ideality [V], over the samples."""
    exact = net.double()
    worst: dict[str, float] = dict.fromkeys(IDEALITIES, 0.0)
    for row in x.double():
        ideal = relax(exact, row[None], EXACT).state
        for ideality in IDEALITIES:
            deck = spice.resistive_deck(exact, row, ideality=float(ideality))
            found = spice.node_voltages(spice.operating_point(deck), exact)
            off = [float((a - b).abs().max()) for a, b in zip(found, ideal, strict=True)]
            worst[ideality] = max(worst[ideality], *off)
    return worst


def picture(runs: Sequence[Trained], summary: dict[str, float]) -> Figure:
    """Learning curves of all seeds, and how far diodes of finite ideality lead away."""
    figure = Figure(figsize=(10, 4), layout="constrained")
    left, right = figure.subplots(1, 2)
    for n, own in enumerate(runs):
        epochs = [epoch.epoch for epoch in own.epochs]
        labels = ("training (running)", "validation") if not n else (None, None)
        left.plot(epochs, [e.train_error for e in own.epochs], "C0", linewidth=1, label=labels[0])
        left.plot(epochs, [e.val_error for e in own.epochs], "C1", linewidth=1, label=labels[1])
    levels = (("test_error", "test, mean", "-"), ("logistic_error", "logistic regression", "--"))
    for name, label, style in (*levels, ("frozen_error", "input held", ":")):
        left.axhline(summary[name], color="0.4", linestyle=style, linewidth=1, label=f"{label}: {summary[name]:.2f}")
    left.set(
        xlabel="epoch",
        ylabel="error [%]",
        yscale="log",
        title=f"Digits on resistors and diodes, {len(runs)} seed{'s' * (len(runs) > 1)}",
    )
    left.set_yticks([1, 2, 5, 10, 20, 50, 100], ["1", "2", "5", "10", "20", "50", "100"])
    left.xaxis.set_major_locator(MaxNLocator(integer=True))
    known = [(float(n), 1e3 * summary[f"spice_{n}"]) for n in IDEALITIES if f"spice_{n}" in summary]
    if known:
        right.loglog([1e-3, 1], [known[0][1] * 1e-3, known[0][1]], color="0.6", linewidth=1, label="in proportion")
        right.loglog(*zip(*known, strict=True), "o", label="ngspice, worst node")
        right.annotate(f"a real diode: {known[0][1]:.0f} mV", known[0], (-8, 0), textcoords="offset points", ha="right")
        right.axhline(1, color="C3", linestyle="--", linewidth=1, label="bar at .001: 1 mV")
    right.set(xlabel="ideality of the diodes", ylabel="error of a voltage [mV]", title="Ideal diodes against ngspice")
    right.margins(y=0.12)
    for axes in (left, right):
        axes.grid(alpha=0.3)
        axes.legend(fontsize="small") if axes.get_legend_handles_labels()[1] else None
    return figure
