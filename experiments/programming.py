"""Unitaries programmed on meshes with imperfect couplers: fidelity against their spread, three ways.

Expected: errors below 1e-13 with exact couplers; known couplers corrected one by one leave an error that falls with the
square of the plain one (exponent 2.0 +- .2), as Bandyopadhyay 2021 and Hamerly 2022 publish, and so do meshes that know
nothing and configure themselves from powers. A minute.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from rich.progress import track
from scipy.stats import unitary_group

from experiments.common.folder import new_folder, write_config, write_json
from experiments.common.pictures import programming_picture, save
from experiments.common.shell import run
from experiments.common.table import Bar, show, verdict
from photonic_ep import MeshPhases, Topology, clements, decompose, reck
from photonic_ep.mesh.configure import self_configured
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
    configured: int = 40
    """How many of them also configure themselves from powers; 0 = none."""
    seed: int = 0
    """Of both."""
    out: Path | None = None
    """Folder for the figure and summary.json (default: a new one under runs/)."""
    check: bool = False
    """Exit with 1 if a bar is missed."""


# Between these, first orders count, yet some couplers cannot reach their splits; with a larger plain error a mesh in
# its first state leaks too much to configure itself.
SMALL, LARGE = 1e-3, 0.35
Found = dict[tuple[str, int], list[tuple[float, float, float]]]


def main(options: ProgrammingOptions) -> int:
    """Program all points, tabulate, draw."""
    if min(options.sizes, default=0) < 2 or min(options.spreads, default=0) <= 0 or options.draws < 2:
        raise ValueError("--sizes must be 2 or more, --spreads positive, --draws 2 or more")
    if not 0 <= options.configured <= options.draws:
        raise ValueError(f"--configured must lie between 0 and --draws, not {options.configured}")
    folder = new_folder(options.out, "programming")
    summary: dict[str, float] = {}
    found: Found = {}
    for size in track(options.sizes, "programming"):
        rng, topology = np.random.default_rng([options.seed, size]), SHAPES[options.topology](size)
        targets = unitary_group.rvs(size, size=options.draws, random_state=rng)
        phases = decompose(targets, topology)
        nothing = np.zeros((2, *phases.theta.shape))
        summary[f"exact_{size}"] = float(np.abs(made(phases, topology, nothing) - targets).max())
        for spread in options.spreads:
            errors = spread * rng.standard_normal(nothing.shape)
            for way, unitaries in programmed(phases, topology, errors, options.configured).items():
                point = (spread, *distance(unitaries, targets[: len(unitaries)]))
                found.setdefault((way, size), []).append(point)
                summary[f"{way}_{size}_{spread:g}"] = point[1]
    summary |= figures(found)
    bars = {name: Bar(most=1e-13) for name in summary if name.startswith("exact_")}
    bars |= {"exponent": Bar(least=1.8, most=2.2), "configured_to_corrected": Bar(most=1.1)}
    write_config(folder, options, {k: v for k, v in vars(options).items() if k not in ("out", "check")})
    write_json(folder / "summary.json", summary)
    save(programming_picture(found), folder / "programming.png")
    return verdict(
        show(summary, bars, f"{options.topology}, errors |U - target|_F / sqrt N -> {folder}"), check=options.check
    )


def programmed(phases: MeshPhases, topology: Topology, errors: np.ndarray, few: int) -> dict[str, np.ndarray]:
    """Unitaries that devices make: not corrected, corrected by known errors, and of a few, configured by themselves."""
    cured = corrected(phases, topology, *errors)
    result = {way: made(own, topology, errors) for way, own in (("plain", phases), ("corrected", cured))}
    if few:
        first, known = MeshPhases(*(part[:, :few] for part in vars(phases).values())), errors[..., :few]
        result |= {"same": result["corrected"][:few]}
        result |= {"configured": made(self_configured(first, topology, known), topology, known)}
    return result


def figures(found: Found) -> dict[str, float]:
    """Powers of the plain error with which the cured ones go; self-configuration at its worst beside correction."""
    error = {way: np.array([p[1] for key, row in found.items() if key[0] == way for p in row]) for way, _ in found}
    result, middle = {}, error["plain"] < LARGE
    for name, way in (("exponent", "corrected"), ("exponent_configured", "configured")):
        if way in error and (use := middle & (error[way] > SMALL)).sum() > 1:
            result[name] = float(np.polyfit(np.log(error["plain"][use]), np.log(error[way][use]), 1)[0])
    if "configured" in error and (use := middle & (error["same"] > SMALL)).any():
        result["configured_to_corrected"] = float((error["configured"] / error["same"])[use].max())
    return result


def made(phases: MeshPhases, topology: Topology, errors: np.ndarray) -> np.ndarray:
    """The unitaries of meshes whose first and second couplers have these errors."""
    light = Steps(topology.rows, topology.modes, couplers(*torch.from_numpy(errors)))
    fields = light(torch.from_numpy(phases.theta), torch.from_numpy(phases.phi)).numpy()
    return (np.exp(1j * phases.alpha)[:, None] * fields).transpose(2, 0, 1)


def distance(found: np.ndarray, targets: np.ndarray) -> tuple[float, float]:
    """Root mean square of |U - target|_F / sqrt N, and mean of 1 - |tr(target^H U) / N|^2."""
    size = targets.shape[1]
    square = (np.abs(found - targets) ** 2).sum((1, 2)) / size
    overlap = np.abs(np.einsum("bij,bij->b", targets.conj(), found)) / size
    return float(np.sqrt(square.mean())), float((1 - overlap**2).mean())


if __name__ == "__main__":
    raise SystemExit(run(main, ProgrammingOptions))
