"""The console script: `photonic-ep NAME ...` is `python experiments/NAME.py ...`."""

import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any

import tyro

from experiments import (
    breakeven,
    buildable,
    circuit,
    compare,
    convert,
    deployed,
    gradients,
    homeostasis,
    ising,
    mnist,
    noise,
    pulse,
    pulses,
    resistive,
    seeds,
    terminals,
    train,
)
from experiments import layout as layouts
from experiments import report as reports
from experiments.common.options import TrainOptions
from experiments.common.shell import run

yields = import_module("experiments.yield")  # (a keyword: no import statement can name it)
SCRIPTS: dict[str, tuple[Callable[[Any], int], type]] = {
    "train": (train.main, TrainOptions),
    "seeds": (seeds.main, seeds.SeedsOptions),
    "gradients": (gradients.main, gradients.GradientsOptions),
    "homeostasis": (homeostasis.main, homeostasis.HomeostasisOptions),
    "mnist": (mnist.main, mnist.MnistOptions),
    "pulses": (pulses.main, pulses.PulsesOptions),
    "terminals": (terminals.main, terminals.TerminalsOptions),
    "resistive": (resistive.main, resistive.ResistiveOptions),
    "ising": (ising.main, ising.IsingOptions),
    "compare": (compare.main, compare.CompareOptions),
    "buildable": (buildable.main, buildable.BuildableOptions),
    "breakeven": (breakeven.main, breakeven.BreakevenOptions),
    "deployed": (deployed.main, deployed.DeployedOptions),
    "noise": (noise.main, noise.NoiseOptions),
    "layout": (layouts.main, layouts.LayoutOptions),
    "report": (reports.main, reports.ReportOptions),
    "convert": (convert.main, convert.ConvertOptions),
    "circuit": (circuit.main, circuit.CircuitOptions),
    "pulse": (pulse.main, pulse.PulseOptions),
    "yield": (yields.main, yields.YieldOptions),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run an experiment by its name; without one that there is, say which there are."""
    words = sys.argv[1:] if argv is None else list(argv)
    if words and words[0] in SCRIPTS:
        return run(*SCRIPTS[words[0]], words[1:], prog=f"photonic-ep {words[0]}")
    named = {name: options for name, (_, options) in SCRIPTS.items()}
    return tyro.extras.subcommand_cli_from_dict(named, prog="photonic-ep", args=words)


def console() -> None:
    """Entry point of the console script."""
    raise SystemExit(main())
