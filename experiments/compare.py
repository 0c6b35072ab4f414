"""One network on ideal weights, meshes, crossbars and int8: errors, joules, seconds, watts, mm^2, part by part.

Expected (digits, 5 seeds): 2 to 4 % on every machine; heaters make the mesh's joules; six minutes on 2 cores. Same
network, data, seeds, estimator and budget of tuning for all: rates are the best of five on validation data (--tune;
two seeds each on digits, one on MNIST).
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from experiments import buildable
from experiments.common.folder import begun_or_new, finite, write_config, write_json
from experiments.common.machines import (
    Machine,
    missing_sources,
    read_constants,
    rows,
    summed,
    write_constants,
    write_parts,
)
from experiments.common.options import TrainOptions
from experiments.common.pictures import rows_strip, save
from experiments.common.pictures_machines import bills_picture, learning_picture
from experiments.common.resolve import NETS
from experiments.common.rows import Results, means, run_rows
from experiments.common.shell import run
from experiments.common.table import Bar, show, verdict

COMMON = TrainOptions(estimator="symmetric", beta=0.2, nudge_mode="frozen", steps=(20, 8), controls=False, threads=1)
PLAIN = TrainOptions(estimator="backpropagation", controls=False, threads=1)
MACHINES: dict[str, dict[str, str]] = {
    "ideal": {"backend": "ideal"},
    "photonic": {"backend": "photonic"},
    "reck": {"backend": "photonic", "topology": "reck"},
    "crossbar": {"backend": "crossbar"},
    "digital": {"backend": "digital"},
}
FACTORS = (0.25, 0.5, 1.0, 2.0, 4.0)
TRIAL_SEEDS = {"digits": 2, "mnist": 1}  # 144 validation images are coarse, 6,000 are not
BASE = {
    "digits": {"ideal": 0.003, "photonic": 0.01, "reck": 0.01, "crossbar": 0.01, "digital": 0.003},
    "mnist": {"ideal": 0.001, "photonic": 0.01, "reck": 0.01, "crossbar": 0.003, "digital": 0.001},
}
# Learning rates over `BASE`, of EP and of backpropagation: the best of `--tune` (on digits the smaller where two are
# alike; those of ideal and int8 weights there, and of MNIST's ideal backpropagation, are at the end of the range)
CHOSEN: dict[str, dict[str, tuple[float, float]]] = {
    "digits": {
        "ideal": (4.0, 4.0),
        "photonic": (1.0, 4.0),
        "reck": (0.25, 1.0),
        "crossbar": (1.0, 0.25),
        "digital": (4.0, 4.0),
    },
    "mnist": {
        "ideal": (1.0, 4.0),
        "photonic": (1.0, 1.0),
        "reck": (2.0, 2.0),
        "crossbar": (1.0, 1.0),
        "digital": (1.0, 2.0),
    },
}
BARS = {"sources_missing": Bar(most=0)}


@dataclass(frozen=True, kw_only=True)
class CompareOptions:
    """Train on every machine, by EP and by backpropagation, and price it. A folder with some of the runs is gone on
    with.
    """

    dataset: Literal["digits", "mnist"] = "digits"
    """Data set of all runs."""
    data_dir: Path = Path("data")
    """Folder with MNIST/raw/*-ubyte[.gz]."""
    seeds: int = 5
    """Seeds 0, 1, ..."""
    epochs: int | None = None
    """Passes over the training set (default: digits 25, mnist 5)."""
    jobs: int = 2
    """Runs at the same time."""
    constants: Path | None = None
    """YAML file of constants to change on all machines that have them, NAME: value, such as `adc.pj: 2`."""
    tune: bool = False
    """Instead: the validation errors of five learning rates of every machine (digits: two seeds each)."""
    out: Path | None = None
    """Folder for the runs, figures, parts.csv, constants.json and summary.json (default: a new one under runs/)."""
    check: bool = False
    """Exit with 1 if a bar is missed."""


def main(options: CompareOptions) -> int:
    """Train what is missing, price, tabulate, draw."""
    if min(options.seeds, options.jobs) < 1 or (options.epochs is not None and options.epochs < 1):
        raise ValueError("--seeds, --jobs and --epochs must be at least 1")
    values = read_constants(options.constants)
    folder = begun_or_new(options.out, f"compare-{options.dataset}")
    plans = buildable.plan({options.dataset: NETS["layered", options.dataset]["sizes"]}, COMMON.steps[0])
    buildable.show_plans(plans, folder / "buildable.csv")
    write_config(folder, options, {"dataset": options.dataset, "seeds": options.seeds, "tune": options.tune})
    if options.tune:
        return tune(options, folder)
    runs = run_rows(recipes(options), seeds=options.seeds, jobs=options.jobs, folder=folder)
    machines = {name: Machine.load(folder / f"{name}-seed0") for name in runs if not name.startswith("ideal")}
    table = list(rows(machines, values))
    write_parts(folder / "parts.csv", table)
    write_constants(folder / "constants.json", machines, values)
    summary = summarise(options.dataset, runs, list(machines), table) | reached(machines)
    write_json(folder / "summary.json", finite(summary))
    save(rows_strip(runs, f"{options.dataset}: one network on every machine"), folder / "errors.png")
    save(bills_picture(table), folder / "bills.png")
    save(learning_picture({name: (m.validation, spent(m)) for name, m in machines.items()}), folder / "learning.png")
    return verdict(show(summary, BARS, f"{options.dataset}, {options.seeds} seeds -> {folder}"), check=options.check)


def recipes(options: CompareOptions, factor: float | None = None) -> dict[str, TrainOptions]:
    """Every machine by EP, then by backpropagation, at the chosen rates or at one factor of the first ones."""
    own = {"dataset": options.dataset, "data_dir": options.data_dir, "epochs": options.epochs}
    found: dict[str, TrainOptions] = {}
    for way, base in enumerate((COMMON, PLAIN)):
        for name, machine in MACHINES.items():
            rate = BASE[options.dataset][name] * (CHOSEN[options.dataset][name][way] if factor is None else factor)
            row = name if way == 0 else f"{name}_backpropagation"
            found[row] = replace(base, **own, **machine, lr=(rate,))
    return found


def tune(options: CompareOptions, folder: Path) -> int:
    """Tabulate validation errors of every rate."""
    trials = {f"{name}_x{f:g}": recipe for f in FACTORS for name, recipe in recipes(options, f).items()}
    seeds = TRIAL_SEEDS[options.dataset]
    runs = run_rows(dict(sorted(trials.items())), seeds=seeds, jobs=options.jobs, folder=folder)
    summary = {name: value for name, value in means(runs).items() if name.endswith("_val")}
    write_json(folder / "summary.json", finite(summary))
    return verdict(show(summary, {}, f"{options.dataset}, validation -> {folder}"), check=False)


def summarise(
    dataset: str, runs: dict[str, Results], machines: list[str], table: list[dict[str, object]]
) -> dict[str, float]:
    """Return errors with their spread, and each machine's joules, seconds, watts and area."""
    found = means(runs)
    summary: dict[str, float] = {}
    for row in runs:
        summary |= {f"{row}_error": found[f"{row}_mean"], f"{row}_error_std": found[f"{row}_std"]}
    for name in machines:
        for case in ("nominal", "low", "high"):
            own, tail = {"machine": name, "case": case}, "" if case == "nominal" else f"_{case}"
            for quantity in ("inference", "training"):
                for unit in ("joules", "seconds"):
                    summary[f"{name}_{quantity}_{unit}{tail}"] = summed(table, unit, quantity=quantity, **own)
        own = {"machine": name, "case": "nominal", "quantity": "training"}
        summary |= {f"{name}_watts": summed(table, "watts", **own), f"{name}_area_mm2": summed(table, "mm2", **own)}
        ends = [summed(table, "joules", **own | {"quantity": "inference", "group": g}) for g in ("converters", "laser")]
        summary[f"{name}_inference_joules_core"] = summary[f"{name}_inference_joules"] - sum(ends)
    return summary | {
        "trials": float(TRIAL_SEEDS[dataset] * len(FACTORS)),
        "sources_missing": float(len(missing_sources())),
    }


def spent(machine: Machine) -> list[float]:
    """Joules of training up to the end of every epoch."""
    an_epoch = machine.bill("training").joules * len(machine.job.data.train)
    return [an_epoch * (epoch + 1) for epoch in range(len(machine.validation))]


def reached(machines: dict[str, Machine], error: float = 3.0) -> dict[str, float]:
    """Joules and seconds of the machine until its validation error is 3 %, by whole epochs; inf where it never is."""
    summary: dict[str, float] = {}
    for name, machine in machines.items():
        samples = machine.epochs_to(error) * len(machine.job.data.train)
        bill = machine.bill("training")
        summary |= {f"{name}_to_3_joules": samples * bill.joules, f"{name}_to_3_seconds": samples * bill.seconds}
    return summary


if __name__ == "__main__":
    raise SystemExit(run(main, CompareOptions))
