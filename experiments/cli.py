"""The console script: `photonic-ep NAME ...` is `python experiments/NAME.py ...`."""

from collections.abc import Sequence

import tyro

from experiments import train
from experiments.common.options import TrainOptions
from experiments.common.shell import guarded


def main(argv: Sequence[str] | None = None) -> int:
    """Dispatch to an experiment by its name."""
    return tyro.extras.subcommand_cli_from_dict({"train": _train}, prog="photonic-ep", args=argv)


def _train(options: tyro.conf.OmitArgPrefixes[TrainOptions]) -> int:
    """Train an Equilibrium Propagation network on ideal weights or on a simulated photonic chip."""
    return guarded(train.main, options)


def console() -> None:
    """Entry point of the console script."""
    raise SystemExit(main())
