"""What a run's machine costs: bills of inference and training by part, at low, nominal and high constants."""

import csv
import io
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import yaml

from electronic_ep import Accelerator
from electronic_ep.presets import CHIPS
from ep_core import Ledger
from ep_core.bill import Bill, Change, bill
from ep_core.estimators import Nudging, count
from ep_core.homeostasis import Homeostatic
from ep_core.nudge import Nudge
from ep_core.quantity import CASES, Case, at, constants, moved, sourceless
from experiments.common.build import Job
from experiments.common.building import Limits
from experiments.common.folder import write_text
from experiments.common.resolve import DEVICES
from experiments.common.rundir import rebuilt

# What stands behind the names of parts: label, and on which side of a boundary it lies.
KINDS: dict[str, tuple[str, str]] = {
    "laser": ("laser", "laser"),
    "modulator": ("modulators", "core"),
    "receiver": ("receivers", "core"),
    "dac": ("DAC", "converters"),
    "nudge": ("DAC", "converters"),
    "adc": ("ADC", "converters"),
    "array": ("array", "core"),
    "cells": ("array", "core"),
    "mesh": ("mesh", "core"),
    "multiply": ("multiply-adds", "core"),
    "pulse": ("writes", "core"),
    "neuron": ("neurons", "digital"),
    "contrast": ("gradient", "digital"),
    "pullback": ("gradient", "digital"),
    "engine": ("gradient", "digital"),
    "accumulator": ("accumulators", "memory"),
    "optimiser": ("optimiser", "memory"),
    "memory": ("memory", "memory"),
}
QUANTITIES = ("inference", "training")
WORDS = {"adam": 2, "sgd": 1}  # numbers a parameter that an optimiser keeps


def kind(name: str) -> tuple[str, str]:
    """Label and group of EVENT.NAME."""
    event, part = name.split(".", 1)
    if part == "shifter":
        return ("heaters", "core") if event == "hold" else ("writes", "core")
    return KINDS[part]


@dataclass(frozen=True, kw_only=True)
class Machine:
    """A finished run on its hardware: the job with its last weights, and what training and inference counted.

    `validation` has the error after every epoch [%].
    """

    job: Job
    trained: Ledger
    inferred: Ledger
    validation: Sequence[float]

    @classmethod
    def load(cls, path: Path) -> "Machine":
        """Rebuild a run and let it predict the test images once more, counting."""
        folder, job = rebuilt(path)
        inferred = Ledger()
        for x in job.data.test.x.split(1000):
            count(inferred, job.estimator.infer(job.network, x))
        errors = [float(row["val_error"]) for row in folder.history]
        return cls(job=job, trained=folder.ledger, inferred=inferred, validation=errors)

    def epochs_to(self, error: float) -> float:
        """Epochs until the validation error is at most `error` [%]; infinite where it never is."""
        return next((i + 1.0 for i, value in enumerate(self.validation) if value <= error), math.inf)

    @property
    def nudge(self) -> Nudge | None:
        """Of the estimator, if it has one."""
        inner = self.job.estimator.inner if isinstance(self.job.estimator, Homeostatic) else self.job.estimator
        return inner.nudge if isinstance(inner, Nudging) else None

    def bill(self, quantity: str, change: Change | None = None) -> Bill:
        """Of one sample's inference, or of training with it once."""
        network, options = self.job.network, self.job.options
        if quantity == "inference":
            return bill(network, self.inferred, samples=self.inferred.samples, change=change)
        words = WORDS[options.optimiser] if options.optimiser != "sgd" or options.momentum else 0
        learning = sum(operator.independent for operator in network.operators)
        kept = words * (learning + sum(b.numel() for b in network.shifts if b.requires_grad))
        samples = options.epochs * len(self.job.data.train)
        return bill(network, self.trained, samples=samples, nudge=self.nudge, words=kept, change=change)


def rows(machines: Mapping[str, Machine], values: Mapping[str, float]) -> Iterator[dict[str, object]]:
    """One row a machine, quantity, case and part; joules and seconds a sample."""
    for name, machine in machines.items():
        for quantity in QUANTITIES:
            for case in CASES:
                whole = machine.bill(quantity, partial(priced, case=case, values=values))
                for part, own in whole.parts.items():
                    label, group = kind(part)
                    yield {
                        "machine": name,
                        "quantity": quantity,
                        "case": case,
                        "part": label,
                        "group": group,
                        "joules": own.joules / whole.samples,
                        "seconds": own.seconds / whole.samples,
                        "watts": own.watts,
                        "mm2": own.area,
                        "source": own.source,
                    }


def priced(parts: object, *, case: Case, values: Mapping[str, float]) -> object:
    """Parts with the constants that they have of `values` moved, all at one end of their ranges.

    The nudge has the machine's parts too: under `hardware`, or its converter alone.
    """
    known = dict(constants(parts))
    own: dict[str, float] = {}
    for name, value in values.items():
        for path in (name, f"hardware.{name}", name.replace("dac.", "converter.")):
            if path in known:
                own[path] = value
    return at(moved(parts, own), case)


def write_parts(path: Path, table: list[dict[str, object]]) -> None:
    """Write parts.csv."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(table[0]))
    writer.writeheader()
    writer.writerows(table)
    write_text(path, text.getvalue())


def read_constants(path: Path | None) -> dict[str, float]:
    """Constants that a YAML file sets, by name, on every machine that has them.

    ValueError for names that no machine has, for numbers that are physics too, and for values <= 0.
    """
    if path is None:
        return {}
    try:
        given = yaml.safe_load(path.read_text())
    except yaml.YAMLError as error:
        raise ValueError(f"{path} is no YAML: {' '.join(str(error).split())}") from error
    if not isinstance(given, dict):
        raise ValueError(f"{path} must map names of constants to numbers")
    machines = (DEVICES["F"].hardware, CHIPS["cmo-hfox"].periphery, Accelerator())
    known = sorted({name for parts in machines for name, _ in constants(parts)})
    for name in given:
        if name not in known:
            raise ValueError(f"{path}: there is no constant {name!r}: there are {', '.join(known)}")
        if ".detector." in name or name.startswith("plan."):
            raise ValueError(f"{path}: {name} is physics too, and the networks were trained at it: change the preset")
    return {str(name): _positive(path, name, value) for name, value in given.items()}


def _positive(path: Path, name: str, value: object) -> float:
    """A constant's value. YAML reads 1e-9 as text."""
    try:
        number = math.nan if isinstance(value, bool) else float(str(value))
    except ValueError:
        number = math.nan
    if not 0 < number < math.inf:
        raise ValueError(f"{path}: the constant {name} must be a positive number, not {value!r}")
    return number


def missing_sources() -> list[str]:
    """Constants of all presets that have neither a source nor the word 'assumed'."""
    presets = {**DEVICES, **CHIPS, "int8": Accelerator(), "limits": Limits()}
    return [f"{name}.{path}" for name, preset in presets.items() for path in sourceless(preset)]


def write_constants(path: Path, machines: Mapping[str, Machine], values: Mapping[str, float]) -> None:
    """Write constants.json: every constant of the machines, as priced: value, range, unit, source."""
    table: dict[str, dict[str, object]] = {}
    for name, machine in machines.items():
        owners = {name: machine.job.network.operators[0].parts, f"{name}.nudge": machine.nudge}
        for room, owner in owners.items():
            for own, value in constants(priced(owner, case="nominal", values=values)):
                told = {"low": value.cheap, "high": value.dear, "unit": value.unit, "source": value.source}
                table[f"{room}.{own}"] = {"nominal": float(value), **told}
    write_text(path, json.dumps(table, indent=2) + "\n")


def summed(table: list[dict[str, object]], key: str, **wanted: str) -> float:
    """Sum of a column over the rows that have the wanted values."""
    return sum(float(str(row[key])) for row in table if all(row[name] == value for name, value in wanted.items()))
