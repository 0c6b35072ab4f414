"""The console script: `photonic-ep NAME ...` is `python experiments/NAME.py ...`."""

from collections.abc import Sequence
from importlib import import_module

import tyro

from experiments import circuit, gradients, homeostasis, ising, mnist, pulse, pulses, resistive, seeds, terminals, train
from experiments import layout as layouts
from experiments.common.options import TrainOptions
from experiments.common.shell import guarded

yields = import_module("experiments.yield")  # (a keyword: no import statement can name it)


def main(argv: Sequence[str] | None = None) -> int:
    """Dispatch to an experiment by its name."""
    commands = {
        "train": _train,
        "seeds": _seeds,
        "gradients": _gradients,
        "homeostasis": _homeostasis,
        "mnist": _mnist,
        "pulses": _pulses,
        "terminals": _terminals,
        "resistive": _resistive,
        "ising": _ising,
        "layout": _layout,
        "circuit": _circuit,
        "pulse": _pulse,
        "yield": _yield,
    }
    return tyro.extras.subcommand_cli_from_dict(commands, prog="photonic-ep", args=argv)


def _train(options: tyro.conf.OmitArgPrefixes[TrainOptions]) -> int:
    """Train an Equilibrium Propagation network on ideal weights, a photonic chip or memristor crossbars."""
    return guarded(train.main, options)


def _seeds(options: tyro.conf.OmitArgPrefixes[seeds.SeedsOptions]) -> int:
    """Train with several seeds on both backends and compare."""
    return guarded(seeds.main, options)


def _gradients(options: tyro.conf.OmitArgPrefixes[gradients.GradientsOptions]) -> int:
    """Compare every estimator's gradient with the exact adjoint."""
    return guarded(gradients.main, options)


def _homeostasis(options: tyro.conf.OmitArgPrefixes[homeostasis.HomeostasisOptions]) -> int:
    """Learn without weight symmetry: align estimators at seven angles, train from 90 degrees."""
    return guarded(homeostasis.main, options)


def _mnist(options: tyro.conf.OmitArgPrefixes[mnist.MnistOptions]) -> int:
    """Train layered, fully connected, convolutional and noisy networks on MNIST with several seeds."""
    return guarded(mnist.main, options)


def _pulses(options: tyro.conf.OmitArgPrefixes[pulses.PulsesOptions]) -> int:
    """Train on memristors with every scheme of writing at every number of states."""
    return guarded(pulses.main, options)


def _terminals(options: tyro.conf.OmitArgPrefixes[terminals.TerminalsOptions]) -> int:
    """Train on crossbars that drive and sense through different resistances."""
    return guarded(terminals.main, options)


def _resistive(options: tyro.conf.OmitArgPrefixes[resistive.ResistiveOptions]) -> int:
    """Train a network of resistors and diodes on digits, and check its gradient and voltages."""
    return guarded(resistive.main, options)


def _ising(options: tyro.conf.OmitArgPrefixes[ising.IsingOptions]) -> int:
    """Train Ising machines by EP: simulated annealing, a sampler library, and the mesh."""
    return guarded(ising.main, options)


def _layout(options: tyro.conf.OmitArgPrefixes[layouts.LayoutOptions]) -> int:
    """Draw a trained tile as a chip, and check from its files what it computes."""
    return guarded(layouts.main, options)


def _circuit(options: tyro.conf.OmitArgPrefixes[circuit.CircuitOptions]) -> int:
    """Simulate a netlist file and plot its transmission."""
    return guarded(circuit.main, options)


def _pulse(options: tyro.conf.OmitArgPrefixes[pulse.PulseOptions]) -> int:
    """Send a step and a pulse through a circuit and watch them come out."""
    return guarded(pulse.main, options)


def _yield(options: tyro.conf.OmitArgPrefixes[yields.YieldOptions]) -> int:  # pyright: ignore[reportInvalidTypeForm]
    """Draw fabrication errors, look at the distribution of a figure of merit and at what it depends on."""
    return guarded(yields.main, options)


def console() -> None:
    """Entry point of the console script."""
    raise SystemExit(main())
