"""What IR drop does where crosstalk does its harm: weights deployed on a device against those trained on it.

Expected (digits): deployed weights lose as crosstalk or wires grow, those trained on the device do not; ten minutes.
"""

from dataclasses import dataclass, replace
from pathlib import Path

from experiments.common.deploying import deployed_error
from experiments.common.folder import begun_or_new, write_config, write_json
from experiments.common.options import TrainOptions
from experiments.common.pictures import save
from experiments.common.pictures_machines import deployed_picture
from experiments.common.rows import Results, means, run_rows
from experiments.common.rundir import rebuilt
from experiments.common.shell import run
from experiments.common.table import show, verdict

IDEAL = TrainOptions(backend="ideal", nudge_mode="frozen", beta=0.2, state_bits=8, epochs=15, controls=False, threads=1)
MESH = TrainOptions(backend="photonic", beta=0.2, epochs=15, controls=False, threads=1)
ARRAY = TrainOptions(backend="crossbar", beta=0.2, epochs=15, controls=False, threads=1)
CROSSTALK = (0.0, 0.01, 0.02, 0.05, 0.1)
OHM = (0.0, 0.5, 1.0, 2.0, 5.0)
ENDS = (0.0, 0.0, 0.0, 0.0)


@dataclass(frozen=True, kw_only=True)
class DeployedOptions:
    """Train ideal weights, deploy them on every device, and train on every device."""

    crosstalk: tuple[float, ...] = CROSSTALK
    """Shares of a heater's phase that its neighbour gets, unknown to the controller."""
    ohm: tuple[float, ...] = OHM
    """Resistances of a line from one memristor to the next [ohm]; tiles of 64."""
    seeds: int = 3
    """Seeds 0, 1, ..."""
    epochs: int = 15
    """Passes over the training set."""
    jobs: int = 2
    """Runs at the same time."""
    out: Path | None = None
    """Folder for the runs, the figure and summary.json (default: a new one under runs/)."""
    check: bool = False
    """Without a meaning here: no bar is promised."""


def main(options: DeployedOptions) -> int:
    """Train what is missing, deploy, tabulate, draw."""
    if min(options.seeds, options.jobs, options.epochs) < 1:
        raise ValueError("--seeds, --jobs and --epochs must be at least 1")
    if min((*options.crosstalk, *options.ohm), default=0.0) < 0 or not (options.crosstalk and options.ohm):
        raise ValueError(f"--crosstalk and --ohm must not be negative or empty: {options.crosstalk}, {options.ohm}")
    folder = begun_or_new(options.out, "deployed")
    write_config(folder, options, {"crosstalk": list(options.crosstalk), "ohm": list(options.ohm)})
    devices = {f"crosstalk_{c:g}": replace(MESH, crosstalk=c) for c in options.crosstalk}
    devices |= {f"ohm_{r:g}": replace(ARRAY, wire_ohm=r, terminals=ENDS) for r in options.ohm}
    devices = {name: replace(device, epochs=options.epochs) for name, device in devices.items()}
    recipes = {"ideal": replace(IDEAL, epochs=options.epochs)} | devices
    runs = run_rows(recipes, seeds=options.seeds, jobs=options.jobs, folder=folder)
    put = deploy(devices, options.seeds, folder)
    summary = summarise(runs, put)
    write_json(folder / "summary.json", summary)
    save(deployed_picture(runs, put), folder / "deployed.png")
    return verdict(show(summary, {}, f"digits, {options.seeds} seeds -> {folder}"), check=options.check)


def deploy(devices: dict[str, TrainOptions], seeds: int, folder: Path) -> dict[str, list[float]]:
    """Test errors of the ideal runs' weights on every device."""
    errors: dict[str, list[float]] = {name: [] for name in devices}
    for seed in range(seeds):
        trained = rebuilt(folder / f"ideal-seed{seed}")[1]
        for name, device in devices.items():
            errors[name].append(deployed_error(trained, replace(device, seed=seed)))
    return errors


def summarise(runs: dict[str, Results], put: dict[str, list[float]]) -> dict[str, float]:
    """Mean test errors: trained on the device (NAME), and deployed there (NAME_deployed)."""
    found = means(runs)
    summary = {name: found[f"{name}_mean"] for name in runs}
    return summary | {f"{name}_deployed": sum(errors) / len(errors) for name, errors in put.items()}


if __name__ == "__main__":
    raise SystemExit(run(main, DeployedOptions))
