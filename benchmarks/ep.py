"""A minibatch of symmetric EP on 784-512-10 against published code and against its bare matrix products, one thread.

Expected, on an Intel Xeon: 26 / 16 times the code of Laborieux et al. 2021 at batch 20 / 200, 1.0 times
the products at 200; the bars are aims that a prototype reached. A minute.
"""

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from unittest.mock import patch

import torch
from torch import Tensor

from benchmarks.timing import clock
from ep_core import DenseWeight, GaussSeidel, Network, Symmetric, Updater, kernel, one_hot
from experiments.common.folder import new_folder, write_config, write_json
from experiments.common.shell import run
from experiments.common.table import Bar, show, verdict

SIZES = (784, 512, 10)
FREE, NUDGED, BETA, RATE = 20, 4, 0.5, 1e-3
BATCHES = (20, 200)
BARS = {
    "laborieux_b20": Bar(least=25),
    "laborieux_b200": Bar(least=13),
    "laborieux_torch_b20": Bar(least=16),
    "laborieux_torch_b200": Bar(least=9),
    "gemm_b200": Bar(most=1.0),
}


@dataclass(frozen=True, kw_only=True)
class EPOptions:
    """Time one update (20 free, 4 + 4 nudged sweeps, SGD): ours, ours without the compiled sweeps, and the others."""

    laborieux: Path | None = None
    """Checkout of github.com/Laborieux-Axel/Equilibrium-Propagation; without it its keys are left out."""
    rounds: int = 15
    """Rounds in which each contender is timed once; the medians are compared."""
    out: Path | None = None
    """Folder for summary.json (default: a new one under runs/)."""
    check: bool = False
    """Exit with 1 if a bar is missed."""


def main(options: EPOptions) -> int:
    """Time all contenders in turns and tabulate ratios."""
    if options.rounds < 1:
        raise ValueError(f"--rounds must be at least 1, not {options.rounds}")
    torch.set_num_threads(1)
    folder = new_folder(options.out, "ep-speed")
    theirs = None if options.laborieux is None else published(options.laborieux)
    summary: dict[str, float] = {}
    for batch in BATCHES:
        x, labels = inputs(batch)
        contenders = {"ours": ours(x, labels, True), "torch": ours(x, labels, False), "gemm": products(x)}
        if theirs is not None:
            contenders["laborieux"] = theirs(x, labels)
        times = clock(contenders, options.rounds)
        summary |= {f"ms_{name}_b{batch}": 1e3 * t for name, t in times.items()}
        summary[f"gemm_b{batch}"] = times["ours"] / times["gemm"]
        if theirs is not None:
            summary[f"laborieux_b{batch}"] = times["laborieux"] / times["ours"]
            summary[f"laborieux_torch_b{batch}"] = times["laborieux"] / times["torch"]
    write_config(folder, options, {"laborieux": theirs is not None, "rounds": options.rounds})
    write_json(folder / "summary.json", summary)
    bars = {name: bar for name, bar in BARS.items() if name in summary}
    return verdict(show(summary, bars, f"784-512-10, symmetric, 20 + 4 + 4 sweeps -> {folder}"), check=options.check)


def inputs(batch: int) -> tuple[Tensor, Tensor]:
    """Inputs as sparse as a digit, so that no state is exact after a few sweeps or dead from the start, and labels."""
    source = torch.Generator().manual_seed(0)
    x = torch.rand(batch, SIZES[0], generator=source) * (torch.rand(batch, SIZES[0], generator=source) < 0.2)
    return x, torch.randint(10, (batch,), generator=source)


def network() -> tuple[Network, Symmetric, Updater]:
    """Net, estimator and updater of the minibatch: 20 + 4 + 4 sweeps, plain SGD."""
    source = torch.Generator().manual_seed(1)
    net = Network(SIZES, lambda post, pre: DenseWeight(post, pre, std=1 / pre**0.5, generator=source))
    free, nudged = (GaussSeidel(steps=steps, tolerance=0.0) for steps in (FREE, NUDGED))
    updater = Updater(net, torch.optim.SGD, lrs=(RATE, RATE), bias_lr=RATE)
    return net, Symmetric(beta=BETA, free=free, nudged=nudged), updater


def ours(x: Tensor, labels: Tensor, compiled: bool) -> Callable[[], object]:
    """One update by this project's own classes, with or without its compiled sweeps."""
    net, estimator, updater = network()
    target = one_hot(labels, SIZES[-1], x.dtype)

    def update() -> None:
        updater.write_(estimator(net, x, target))

    def plain() -> None:
        with patch.object(kernel, "WIDEST", 0):
            update()

    return update if compiled else plain


def products(x: Tensor) -> Callable[[], object]:
    """The matrix products of such an update alone, results in place."""
    inputs, hidden, outputs = SIZES
    batch = len(x)
    w0, w1 = torch.randn(hidden, inputs), torch.randn(outputs, hidden)
    h, o = torch.randn(2 * batch, hidden), torch.randn(2 * batch, outputs)
    u, v, g0, g1 = torch.empty_like(h), torch.empty_like(o), torch.empty_like(w0), torch.empty_like(w1)

    def multiply() -> None:
        torch.mm(x, w0.T, out=u[:batch])
        for steps, rows in ((FREE, batch), (NUDGED, 2 * batch)):
            for _ in range(steps):
                torch.mm(o[:rows], w1, out=u[:rows])
                torch.mm(h[:rows], w1.T, out=v[:rows])
        torch.mm(h[:batch].T, x, out=g0)
        torch.mm(o.T, h, out=g1)

    return multiply


def published(folder: Path) -> Callable[[Tensor, Tensor], Callable[[], object]]:
    """The same update by the code of Laborieux et al. 2021, as its `train` does it."""
    if not (folder / "model_utils.py").is_file():
        raise FileNotFoundError(f"--laborieux {folder} has no model_utils.py: it must be a checkout of that repository")
    sys.path.insert(0, str(folder))
    # Their modules import torchvision for data sets alone, which no update needs.
    sys.modules.setdefault("torchvision", ModuleType("torchvision"))
    os.environ.setdefault("MPLBACKEND", "Agg")
    import model_utils as theirs  # pyright: ignore[reportMissingImports]

    def contender(x: Tensor, labels: Tensor) -> Callable[[], object]:
        model = theirs.P_MLP(list(SIZES), activation=theirs.hard_sigmoid)
        criterion = torch.nn.MSELoss(reduction="none")
        optimiser = torch.optim.SGD(model.parameters(), lr=RATE)

        def update() -> None:
            neurons = model.init_neurons(len(x), x.device)
            neurons = model(x, labels, neurons, FREE, beta=0.0, criterion=criterion)
            free = theirs.copy(neurons)
            plus = theirs.copy(model(x, labels, neurons, NUDGED, beta=BETA, criterion=criterion))
            minus = theirs.copy(model(x, labels, theirs.copy(free), NUDGED, beta=-BETA, criterion=criterion))
            model.compute_syn_grads(x, labels, plus, minus, (BETA, -BETA), criterion)
            optimiser.step()

        return update

    return contender


if __name__ == "__main__":
    raise SystemExit(run(main, EPOptions))
