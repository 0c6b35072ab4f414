"""Can it be built? Heaters, watts, mm^2, receivers, light and link budget of photonic networks, before any joule.

Expected (784-256-10, fully spatial, standard heaters): 435,200 heaters, 10.8 kW, 25,600 pairs of photodiodes: not
buildable, and said in words. Seconds.
"""

from dataclasses import asdict, dataclass
from pathlib import Path

from experiments.common.building import STRATEGIES, Building, Limits, build
from experiments.common.folder import new_folder, write_config, write_json
from experiments.common.pictures import save
from experiments.common.pictures_machines import building_picture
from experiments.common.resolve import DEVICES
from experiments.common.shell import run
from experiments.common.table import grid, write_csv

NETWORKS = {"digits": (64, 64, 10), "mnist": (784, 256, 10), "mnist_512": (784, 512, 10)}
SHIFTERS = {"standard": "heaters", "undercut": "undercut", "MEMS": "mems", "non-volatile": "non-volatile"}
COLUMNS = (
    "network",
    "how",
    "shifters",
    "heaters",
    "W",
    "mm^2",
    "pairs",
    "light mW",
    "dB left",
    "us wait",
    "built?",
)
SHOWN = ("how", "shifters", "heaters", "W", "mm^2", "dB left", "built?")
Key = tuple[str, str, str]


@dataclass(frozen=True, kw_only=True)
class BuildableOptions:
    """Plan every network, spatially, on one reprogrammed tile, and with real-orthogonal meshes."""

    sizes: tuple[int, ...] | None = None
    """Neurons a layer of a network of your own (default: digits 64 64 10, MNIST 784 256 10 and 784 512 10)."""
    sweeps: int = 20
    """Relaxation sweeps of an inference."""
    out: Path | None = None
    """Folder for the figure, table.csv and summary.json (default: a new one under runs/)."""
    check: bool = False
    """Without a meaning here: no bar is promised."""


def main(options: BuildableOptions) -> int:
    """Plan, tabulate, draw."""
    if options.sizes is not None and (len(options.sizes) < 2 or min(options.sizes) < 1):
        raise ValueError(f"--sizes must be at least two positive numbers, not {options.sizes}")
    if options.sweeps < 1:
        raise ValueError(f"--sweeps must be at least 1, not {options.sweeps}")
    folder = new_folder(options.out, "buildable")
    networks = NETWORKS if options.sizes is None else {"yours": options.sizes}
    plans = plan(networks, options.sweeps)
    write_config(folder, options, {"sizes": options.sizes, "sweeps": options.sweeps, "limits": asdict(Limits())})
    write_json(folder / "summary.json", summarise(plans))
    save(building_picture(plans, Limits()), folder / "buildable.png")
    show_plans(plans, folder / "table.csv")
    return 0


def show_plans(plans: dict[Key, Building], path: Path) -> None:
    """Print a table a network, and write all of it."""
    rows = {key: row(key, found) for key, found in plans.items()}
    for network in dict.fromkeys(key[0] for key in plans):
        own = [line for key, line in rows.items() if key[0] == network]
        grid(COLUMNS, own, f"can {network} be built?", SHOWN)
    write_csv(path, COLUMNS, list(rows.values()))


def plan(networks: dict[str, tuple[int, ...]], sweeps: int) -> dict[Key, Building]:
    """Every network, strategy and kind of shifter."""
    return {
        (network, strategy, shifter): build(DEVICES[device], sizes, strategy, sweeps=sweeps)
        for network, sizes in networks.items()
        for strategy in STRATEGIES
        for shifter, device in SHIFTERS.items()
    }


def row(key: Key, found: Building) -> list[str]:
    """One line of the table."""
    numbers = (found.watts, found.mm2, found.light_mw, found.left_db, found.reprogram_us)
    watts, mm2, light, left, wait = (f"{value:,.3g}" if abs(value) < 1000 else f"{value:,.0f}" for value in numbers)
    why = f"no: {'; '.join(found.missing)}" if found.missing else "yes"
    if found.reprogram_us:
        why += f", waits {found.reprogram_us:,.0f} us"
    return [*key, f"{found.heaters:,}", watts, mm2, f"{found.pairs:,}", light, left, wait, why]


def summarise(plans: dict[Key, Building]) -> dict[str, float]:
    """Flat: NETWORK_HOW_SHIFTERS_NUMBER."""
    summary: dict[str, float] = {}
    for key, found in plans.items():
        name = "_".join(key).replace("-", "_").lower()
        for field, value in asdict(found).items():
            summary[f"{name}_{field}"] = float(not value) if field == "missing" else value
    return {name.replace("_missing", "_buildable"): value for name, value in summary.items()}


if __name__ == "__main__":
    raise SystemExit(run(main, BuildableOptions))
