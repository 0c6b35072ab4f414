"""One training of an Ising machine, and its folder, from which it goes on after any interruption."""

import csv
import io
import json
import warnings
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch

from electronic_ep.presets import CMO_HFOX
from ep_core import Average, IsingEP, IsingNetwork, LearningStopped, Ledger, checkpoint, fit_ising
from ep_core.bill import Wiring, bill
from ep_core.data import Dataset, Split, first_of_each
from ep_core.edge import Edge
from ep_core.ising_fit import IsingEpoch, ising_error
from experiments.common.folder import write_json, write_text
from experiments.common.ising_recipe import Recipe
from photonic_ep import presets

HELD = 10  # test images a class that the paper looks at


class IsingRun:
    """One training with one seed, in a folder of its own.

    Args:
        recipe, data, seed: what is trained.
        path: of the folder; a checkpoint in it is gone on with.

    """

    def __init__(self, recipe: Recipe, data: Dataset, seed: int, path: Path) -> None:
        self.recipe, self.data, self.seed, self.path = recipe, data, seed, path
        self.generator = torch.Generator().manual_seed(seed)
        self.network = recipe.network(data.features, self.generator)
        self.estimator, self.average, self.ledger = recipe.estimator(), Average(self.network), Ledger()
        self.history: list[dict[str, float]] = []
        self.last = path / "last.safetensors"
        if self.last.exists():
            self._restore()
        path.mkdir(parents=True, exist_ok=True)

    @property
    def stopped(self) -> bool:
        """Whether learning has stopped before its end."""
        return bool(self.history and self.history[-1]["stopped"])

    def train(self, on_epoch: Callable[[IsingEpoch], None]) -> None:
        """Run the epochs that are missing; each is kept before the next begins."""
        recipe = self.recipe
        *rates, bias_rate = recipe.rates
        if self.stopped:
            return
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", LearningStopped)  # `on_epoch` says it
            for epoch in fit_ising(
                self.network,
                self.data,
                self.estimator,
                rates=rates,
                bias_rate=bias_rate,
                epochs=recipe.epochs,
                batch=recipe.batch,
                generator=self.generator,
                factor=lambda epoch: recipe.decay**epoch,
                average=self.average,
                averaged=recipe.averaged,
                ledger=self.ledger,
                done=len(self.history),
            ):
                before = self.history[-1]["seconds"] if self.history else 0.0
                self.history.append({**asdict(epoch), "seconds": before + epoch.seconds})
                self._keep()
                on_epoch(epoch)

    def result(self) -> dict[str, float]:
        """Look at the test images, once: percent correct, and what it took. Kept in summary.json."""
        done = self.path / "summary.json"
        if done.exists():
            return json.loads(done.read_text())
        network, last, book = self.average.of(self.network), self.history[-1], Ledger()
        test, few = self.data.test, few_of(self.data.test)
        right = answers(network, test, self.estimator, book)
        summary = {
            "train": 100 - ising_error(network, self.data.train, self.estimator),
            "validation": 100 - float(last["val_error"]),
            "test_100": 100 * float(right[few].double().mean()),
            whole(self.data): 100 * float(right.double().mean()),
            "seconds": float(last["seconds"]),
            "flips_last": float(last["flips"]),
            "stopped": int(self.stopped),
            **costs(network, book),
        }
        write_json(done, summary)
        return summary

    def _keep(self) -> None:
        """Write checkpoint, then metrics, which never run ahead."""
        tensors = {f"network.{name}": t for name, t in self.network.state_dict().items()}
        tensors |= {f"average.{name}": t for name, t in self.average.values.items()}
        meta: dict[str, object] = {
            "recipe": json.loads(json.dumps(asdict(self.recipe))),
            "seed": self.seed,
            "averaged": self.average.count,
            "history": self.history,
            "ledger": self.ledger.as_dict(),
        }
        checkpoint.write(self.last, tensors | {"generator": self.generator.get_state()}, meta)
        self._render()

    def _render(self) -> None:
        """Write the metrics of the finished epochs."""
        table = io.StringIO()
        writer = csv.DictWriter(table, list(self.history[0]))
        writer.writeheader()
        writer.writerows(self.history)
        write_text(self.path / "metrics.csv", table.getvalue())

    def _restore(self) -> None:
        tensors, found = checkpoint.read(self.last)
        meta: dict[str, Any] = found
        if meta["recipe"] != json.loads(json.dumps(asdict(self.recipe))) or meta["seed"] != self.seed:
            raise ValueError(f"{self.last} was written with other options")
        parts = {
            room: {name.removeprefix(room): t for name, t in tensors.items() if name.startswith(room)}
            for room in ("network.", "average.")
        }
        self.network.load_state_dict(parts["network."])
        self.average.values, self.average.count = parts["average."], meta["averaged"]
        self.generator.set_state(tensors["generator"])
        self.history, self.ledger = meta["history"], Ledger(**meta["ledger"])
        self._render()  # it may have been killed just before


def whole(data: Dataset) -> str:
    """Name of the figure on all test images: MNIST has 10,000."""
    return "test" if data.name == "digits" else "test_10k"


def few_of(test: Split) -> np.ndarray:
    """Places of the first test images of each class: the paper's 100."""
    return first_of_each(test.labels.numpy(), HELD)


def costs(network: IsingNetwork, book: Ledger) -> dict[str, float]:
    """Joules and seconds of a sample's inference on meshes and on crossbars, as the ledger counted its reads."""
    inputs, hidden, outputs = network.sizes
    # W_0 reads the images; W_1 forwards goes from the outputs to the hidden spins.
    edges = [Edge(pre=0, post=1), Edge(pre=2, post=1)]
    summary = {}
    for name, weight in (("mesh", presets.DEVICE_F.weight), ("crossbar", CMO_HFOX.weight)):
        source = torch.Generator().manual_seed(0)
        made = [weight(*shape, generator=source) for shape in ((hidden, inputs), (hidden, outputs))]
        found = bill(Wiring(operators=made, edges=edges, sizes=network.sizes), book, samples=book.samples)
        summary |= {f"joules_{name}": found.joules, f"seconds_{name}": found.seconds}
    return summary


def answers(network: IsingNetwork, split: Split, estimator: IsingEP, ledger: Ledger) -> torch.Tensor:
    """Whether each sample is answered rightly; the machine's chance is drawn from seed 0."""
    source = torch.Generator().manual_seed(0)
    votes = [estimator.infer(network, x, source, ledger) for x in split.x.split(1000)]
    return torch.cat(votes).argmax(1) == split.labels
