"""Resistive networks: resistors and diodes whose voltages are the state and whose co-content is EP's energy, on digits.

Expected (digits, 64 pixels and their negatives on 130 rails, 64 hidden nodes, 10 outputs, 8 epochs, seeds 0-2): test
error 4 %; EP's gradient within 1e-4 of finite differences at beta .01; ngspice's voltages differ by .5 mV for diodes of
ideality .001, and by .5 V for real ones, in proportion. Half a minute.
"""

import statistics
from dataclasses import dataclass
from pathlib import Path

from rich.progress import track

from electronic_ep import spice
from ep_core import data as datasets
from experiments.common.controls import logistic_error
from experiments.common.folder import new_folder, write_config, write_json
from experiments.common.pictures import save
from experiments.common.resistive import Trained, diode_errors, gradient_errors, picture, train
from experiments.common.shell import run
from experiments.common.table import Bar, show, verdict

BARS = {
    "test_error": Bar(most=6.0),
    "gradient_1e-2": Bar(most=1e-4),
    "gradient_halving": Bar(least=3.8, most=4.2),
    "gradient_share": Bar(least=0.5),
    "spice_0.001": Bar(most=1e-3),
}


@dataclass(frozen=True, kw_only=True)
class ResistiveOptions:
    """Train a resistive network on digits with several seeds; check its gradient, and its voltages in ngspice."""

    seed: int = 0
    """The first seed, and that of the network whose gradient is checked."""
    seeds: int = 3
    """Trainings, of seeds one after the other."""
    epochs: int = 8
    """Passes over the training images."""
    samples: int = 5
    """Validation images whose voltages ngspice finds too."""
    out: Path | None = None
    """Folder for the figure and summary.json (default: a new one under runs/)."""
    check: bool = False
    """Exit with 1 if a bar is missed."""


def main(options: ResistiveOptions) -> int:
    """Train, check, tabulate, draw."""
    if min(options.seeds, options.epochs, options.samples) < 1:
        raise ValueError("--seeds, --epochs and --samples must be at least 1")
    folder, data = new_folder(options.out, "resistive"), datasets.digits()
    numbers = ("seed", "seeds", "epochs", "samples")
    write_config(folder, options, {name: getattr(options, name) for name in numbers})
    tasks = [(options.seed + n, frozen) for frozen in (False, True) for n in range(options.seeds)]
    runs = [train(data, seed, options.epochs, frozen=frozen) for seed, frozen in track(tasks, "training")]
    summary = summarise(runs[: options.seeds], runs[options.seeds :])
    summary |= {"logistic_error": logistic_error(data)} | gradient_errors(options.seed)
    if spice.present():
        found = diode_errors(runs[0].network, data.validation.x[: options.samples])
        summary |= {f"spice_{ideality}": volts for ideality, volts in found.items()}
    else:
        print(f"no voltages of ngspice (spice_...): {spice.MISSING}")
    write_json(folder / "summary.json", summary)
    save(picture(runs[: options.seeds], summary), folder / "resistive.png")
    bars = {name: bar for name, bar in BARS.items() if name in summary}
    return verdict(show(summary, bars, f"digits, resistors and diodes -> {folder}"), check=options.check)


def summarise(runs: list[Trained], frozen: list[Trained]) -> dict[str, float]:
    """Means over the seeds: errors in percent, seconds of a training."""
    errors = [own.test for own in runs]
    last = [own.epochs[-1] for own in runs]
    spread = {"test_error_std": statistics.stdev(errors)} if len(runs) > 1 else {}
    return {
        "test_error": statistics.mean(errors),
        **spread,
        "val_error": statistics.mean(epoch.val_error for epoch in last),
        "train_error": statistics.mean(epoch.train_error for epoch in last),
        "frozen_error": statistics.mean(own.test for own in frozen),
        "nonconverged": max(epoch.nonconverged for own in runs for epoch in own.epochs),
        "sweeps": statistics.mean(epoch.steps for epoch in last),
        "seconds": statistics.mean(sum(epoch.seconds for epoch in own.epochs) for own in runs),
    }


if __name__ == "__main__":
    raise SystemExit(run(main, ResistiveOptions))
