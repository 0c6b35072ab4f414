"""Unitaries programmed on meshes with imperfect couplers: fidelity against their spread, corrected and not.

Expected: errors below 1e-13 with exact couplers; known couplers corrected one by one leave an error that falls with the
square of the plain one (exponent 2.0 +- .2), as Bandyopadhyay 2021 and Hamerly 2022 publish. Half a minute.
"""

from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from rich.progress import track
from scipy.stats import unitary_group

from experiments.common.folder import new_folder, write_json
from experiments.common.pictures import programming_picture, save
from experiments.common.shell import run
from experiments.common.table import Bar, show, verdict
from photonic_ep import MeshPhases, Topology, clements, decompose, reck
from photonic_ep.mesh.kernel import Steps, couplers
from photonic_ep.mesh.program import corrected

SHAPES = {"clements": clements, "reck": reck}


@dataclass(frozen=True, kw_only=True)
class ProgrammingOptions:
    """Program Haar-random unitaries on meshes whose couplers have errors, known to the controller or not."""

    topology: Literal["clements", "reck"] = "clements"
    """Shape of the meshes."""
    sizes: tuple[int, ...] = (8, 16, 32, 64)
    """Modes of the meshes."""
    spreads: tuple[float, ...] = (0.01, 0.02, 0.04, 0.08)
    """Standard deviations of the couplers' angles [rad]; .02 rad is a split of 50 +- 2 %."""
    draws: int = 100
    """Unitaries and devices a point."""
    seed: int = 0
    """Of both."""
    out: Path | None = None
    """Folder for the figure and summary.json (default: a new one under runs/)."""
    check: bool = False
    """Exit with 1 if a bar is missed."""


def main(options: ProgrammingOptions) -> int:
    """Program all points, tabulate, draw."""
    if min(options.sizes, default=0) < 2 or min(options.spreads, default=0) <= 0 or options.draws < 2:
        raise ValueError("--sizes must be 2 or more, --spreads positive, --draws 2 or more")
    folder = new_folder(options.out, "programming")
    summary: dict[str, float] = {}
    found: dict[tuple[str, int], list[tuple[float, float, float]]] = {}
    for size in track(options.sizes, "programming"):
        rng, topology = np.random.default_rng([options.seed, size]), SHAPES[options.topology](size)
        targets = unitary_group.rvs(size, size=options.draws, random_state=rng)
        phases = decompose(targets, topology)
        nothing = np.zeros_like(phases.theta)
        summary[f"exact_{size}"] = float(np.abs(made(phases, topology, nothing, nothing) - targets).max())
        for spread in options.spreads:
            errors = spread * rng.standard_normal((2, *phases.theta.shape))
            for way, set_to in (("plain", phases), ("corrected", corrected(phases, topology, *errors))):
                error, infidelity = distance(made(set_to, topology, *errors), targets)
                found.setdefault((way, size), []).append((spread, error, infidelity))
    for (way, size), index in product(found, range(len(options.spreads))):
        summary[f"{way}_{size}_{options.spreads[index]:g}"] = found[way, size][index][1]
    plain, cured = (np.log([point[1] for key, row in found.items() if key[0] == way for point in row]) for way in WAYS)
    # Where errors are small enough that first orders count, but too large for all couplers to reach their splits
    middle = (plain < np.log(0.5)) & (cured > np.log(1e-3))
    summary["exponent"] = float(np.polyfit(plain[middle], cured[middle], 1)[0]) if middle.sum() > 1 else float("nan")
    bars = {name: Bar(most=1e-13) for name in summary if name.startswith("exact_")} | {
        "exponent": Bar(least=1.8, most=2.2)
    }
    write_json(folder / "config.json", {k: v for k, v in vars(options).items() if k not in ("out", "check")})
    write_json(folder / "summary.json", summary)
    save(programming_picture(found), folder / "programming.png")
    return verdict(
        show(summary, bars, f"{options.topology}, errors |U - target|_F / sqrt N -> {folder}"), check=options.check
    )


WAYS = ("plain", "corrected")


def made(phases: MeshPhases, topology: Topology, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """The unitaries of meshes whose couplers have these errors."""
    ratios = couplers(torch.from_numpy(first), torch.from_numpy(second))
    light = Steps(topology.rows, topology.modes, ratios)(torch.from_numpy(phases.theta), torch.from_numpy(phases.phi))
    return (np.exp(1j * phases.alpha)[:, None] * light.numpy()).transpose(2, 0, 1)


def distance(found: np.ndarray, targets: np.ndarray) -> tuple[float, float]:
    """Root mean square of |U - target|_F / sqrt N, and mean of 1 - |tr(target^H U) / N|^2."""
    size = targets.shape[1]
    square = (np.abs(found - targets) ** 2).sum((1, 2)) / size
    overlap = np.abs(np.einsum("bij,bij->b", targets.conj(), found)) / size
    return float(np.sqrt(square.mean())), float((1 - overlap**2).mean())


if __name__ == "__main__":
    raise SystemExit(run(main, ProgrammingOptions))
