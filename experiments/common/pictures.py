"""Pictures of runs: how they learned, seeds beside each other, and those of single scripts; how all are saved."""

from pathlib import Path

import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullLocator

from ep_core.checkpoint import write_atomic
from experiments.common.build import Job
from experiments.common.pictures_mesh import mesh_picture
from experiments.common.rundir import RunDirectory
from experiments.common.untied import Alignment, Trained
from photonic_ep import MeshWeight


def draw_run(job: Job, folder: RunDirectory, summary: dict[str, float]) -> None:
    """Draw every picture that the run can show into its folder."""
    save(learning_curve(folder, summary), folder.path / "learning_curve.png")
    first = job.network.operators[0]
    if isinstance(first, MeshWeight):
        save(mesh_picture(first, job.data.test.x[0]), folder.path / "mesh.png")


def save(figure: Figure, path: Path) -> None:
    """Write a figure, whole or not at all, without a date inside: equal runs give equal files."""
    write_atomic(path, lambda part: figure.savefig(part, format="png", dpi=150, metadata={"Software": None}))


def learning_curve(folder: RunDirectory, summary: dict[str, float]) -> Figure:
    """Training and validation error an epoch, with the test error and the controls as levels."""
    figure = Figure(figsize=(6.4, 4), layout="constrained")
    axes = figure.subplots()
    epochs = [row["epoch"] for row in folder.history]
    axes.plot(epochs, [row["train_error"] for row in folder.history], label="training (running)")
    axes.plot(epochs, [row["val_error"] for row in folder.history], label="validation")
    for name, label, style in (
        ("test_error", "test, at the end", "-"),
        ("logistic_error", "logistic regression", "--"),
        ("frozen_error", "hidden layers frozen", ":"),
    ):
        if name in summary:
            axes.axhline(
                summary[name], color="0.4", linestyle=style, linewidth=1, label=f"{label}: {summary[name]:.2f}"
            )
    axes.set(xlabel="epoch", ylabel="error [%]", yscale="log", title="Learning curve")
    axes.set_yticks([0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100], minor=False)
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_locator(NullLocator())
    axes.set_ylim(0.1, 100)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(alpha=0.3)
    axes.legend(loc="upper right", fontsize="small")
    return figure


def seed_strip(runs: dict[str, list[dict[str, float]]], summary: dict[str, float], dataset: str) -> Figure:
    """Draw each run's test error by backend, with means and controls."""
    drawing = Figure(figsize=(6, 4), layout="constrained")
    axes = drawing.subplots()
    for place, backend in enumerate(runs):
        errors = [row["test_error"] for row in runs[backend]]
        shifts = [place + 0.06 * (i - (len(errors) - 1) / 2) for i in range(len(errors))]
        axes.scatter(shifts, errors, label=f"{backend}, seeds 0-{len(errors) - 1}")
        mean = summary[f"{backend}_mean"]
        axes.hlines(mean, place - 0.25, place + 0.25, color="black", linewidth=1)
        axes.text(place + 0.28, mean, f"{mean:.2f}", va="center")
        frozen = summary[f"{backend}_frozen_mean"]
        axes.hlines(frozen, place - 0.25, place + 0.25, color="0.5", linestyle=":")
        axes.text(place + 0.28, frozen, f"hidden frozen {frozen:.1f}", va="center", color="0.4", fontsize="small")
    axes.axhline(summary["logistic_error"], color="0.5", linestyle="--", linewidth=1, label="logistic regression")
    axes.set_xticks(range(len(runs)), list(runs))
    axes.set(xlim=(-0.5, 1.9), ylim=(0, None), ylabel="test error [%]", title=f"{dataset}: trained by EP")
    axes.legend(frameon=False, fontsize="small", loc="center left")
    return drawing


def rows_strip(runs: dict[str, list[dict[str, float]]], title: str) -> Figure:
    """Draw each run's test error, a row of dots for each kind of run, with its mean."""
    figure = Figure(figsize=(6.4, 0.6 + 0.45 * len(runs)), layout="constrained")
    axes = figure.subplots()
    for place, results in enumerate(runs.values()):
        errors = [result["test_error"] for result in results]
        axes.plot(errors, [place] * len(errors), "o", color="C0", mfc="none")
        axes.plot(np.mean(errors), place, "|", color="k", markersize=14)
        axes.annotate(f"{np.mean(errors):.2f}", (max(errors), place), (8, -3), textcoords="offset points", fontsize=8)
    axes.set_yticks(range(len(runs)), [name.replace("_", " ") for name in runs])
    axes.invert_yaxis()
    axes.set(xlabel="test error [%]", xscale="log", title=title)
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter("{x:g}")
    axes.margins(x=0.12, y=0.12)
    return figure


def homeostasis_picture(
    aligned: dict[float, dict[str, Alignment]], trained: dict[str, list[Trained]], dataset: str
) -> Figure:
    """Alignment against the angle of the backward weights, and what it means for training from 90 degrees."""
    figure = Figure(figsize=(11, 4), layout="constrained")
    left, middle, right = figure.subplots(1, 3)
    angles, fine = list(aligned), np.linspace(0, 90, 91)
    left.plot(fine, np.cos(np.radians(fine)) ** 2, color="0.6", linewidth=1, label="cos$^2$")
    for name, label, marker in (("ep", "EP", "o"), ("n6", "EP, 6 complex nudges", "x"), ("asymep", "AsymEP", "s")):
        left.plot(angles, [aligned[a][name].cosine for a in angles], marker, markersize=6, label=label, mfc="none")
    left.set(xlabel="angle of backward weights [deg]", ylabel="cosine", title="Alignment, first layer")
    left.legend(frameon=False)
    for name, label, style in (("n2", "N = 2", "o-"), ("n4", "N = 4", "x-"), ("n6", "N = 6", "+-")):
        middle.plot(angles, [aligned[a][name].error for a in angles], style, label=label, mfc="none", linewidth=1)
    middle.plot(angles, [aligned[a]["asymep"].error for a in angles], "s-", label="AsymEP", mfc="none", linewidth=1)
    middle.set(xlabel="angle of backward weights [deg]", ylabel="relative error", yscale="log", title="Whole gradient")
    middle.legend(frameon=False)
    names = {
        "ep": "EP",
        "homeostasis": "EP + homeostasis",
        "homeostasis4": "the same, N = 4",
        "homeostasis6": "the same, N = 6",
        "asymep": "AsymEP",
        "adjoint": "adjoint",
    }
    for row, method in enumerate(names):
        runs = trained[method]
        right.plot([100 - run.test for run in runs], [row] * len(runs), "o", color="C0", mfc="none")
        right.plot(np.mean([100 - run.test for run in runs]), row, "|", color="k", markersize=16)
        right.text(0.98, row - 0.22, f"cosine {np.mean([run.cosine for run in runs]):.3f}", ha="right",
                   transform=right.get_yaxis_transform(), fontsize=8, color="0.4")  # fmt: skip
    right.set_yticks(range(len(names)), list(names.values()))
    right.set_ylim(len(names) - 0.5, -0.7)
    right.set(xlabel="test error [%]", title=f"Trained from 90 degrees, {dataset}", xlim=(0, None))
    return figure


def programming_picture(found: dict[tuple[str, int], list[tuple[float, float, float]]]) -> Figure:
    """Infidelity against the couplers' spread, and the cured errors against the plain one, a colour a size."""
    figure = Figure(figsize=(10, 4.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    for n, size in enumerate(sorted({size for _, size in found})):
        rows = {way: np.array(row) for (way, own), row in found.items() if own == size}
        plain, cured = rows["plain"], rows["corrected"]
        left.loglog(plain[:, 0], plain[:, 2], "--", color=f"C{n}", marker="o", markersize=4)
        left.loglog(cured[:, 0], cured[:, 2].clip(1e-12), color=f"C{n}", marker="o", markersize=4, label=f"N = {size}")
        right.loglog(plain[:, 1], cured[:, 1], "o", color=f"C{n}", label=f"N = {size}")
        if "configured" in rows:
            own = rows["configured"]
            left.loglog(own[:, 0], own[:, 2].clip(1e-12), color=f"C{n}", linestyle="none", marker="x", markersize=8)
            right.loglog(plain[:, 1], own[:, 1], "x", color=f"C{n}", markersize=8)
    most = max(point[1] for row in found.values() for point in row)
    line = np.geomspace(most / 100, most, 20)
    right.loglog(line, line, color="0.7", linewidth=1, linestyle=":", label="no gain")
    right.loglog(line, line**2 / 2, color="0.4", linewidth=1, label="square / 2")
    left.set(
        xlabel="spread of the couplers' angles [rad]",
        ylabel="1 - fidelity",
        title="dashed: plain, solid: corrected, x: self-configured",
    )
    right.set(xlabel="plain error  |U - target| / sqrt N", ylabel="cured error", title="the quadratic gain")
    spreads = [spread for spread, _, _ in next(iter(found.values()))]
    left.set_xticks(spreads, [f"{spread:g}" for spread in spreads])
    left.xaxis.set_minor_locator(NullLocator())
    for axes in (left, right):
        axes.grid(alpha=0.3)
        axes.legend(fontsize="small")
    return figure


def sweep_picture(
    detuning: Float[np.ndarray, " n"], plain: Float[np.ndarray, " n"], turned: Float[np.ndarray, " n"]
) -> Figure:
    """Errors of a chip against the laser's distance from the design wavelength [nm]."""
    figure = Figure(figsize=(6.4, 4), layout="constrained")
    axes = figure.subplots()
    axes.plot(detuning, plain, color="0.6", label="as it is")
    axes.plot(detuning, turned, color="C0", label="receivers follow the common phase")
    axes.set(
        xlabel="wavelength - design [nm]",
        ylabel="|T - target| / |target|",
        title="what unequal routes cost",
        ylim=(0, None),
    )
    axes.grid(alpha=0.3)
    axes.legend(fontsize="small")
    return figure


def pulses_picture(runs: dict[str, list[dict[str, float]]], schemes: list[str], bits: tuple[int, ...]) -> Figure:
    """Test error and pulses of every scheme of writing against the bits of the states, with each seed as a dot."""
    figure = Figure(figsize=(9, 4), layout="constrained")
    left, right = figure.subplots(1, 2)
    ideal = [run["test_error"] for run in runs["ideal"]]
    left.axhline(np.mean(ideal), color="0.5", linestyle="--", linewidth=1, label="ideal weights")
    for place, scheme in enumerate(schemes):
        at = np.array(bits) + 0.06 * (place - (len(schemes) - 1) / 2)
        errors = [[run["test_error"] for run in runs[f"{scheme}_{b}"]] for b in bits]
        left.plot(at, [np.mean(row) for row in errors], "-", color=f"C{place}", label=scheme.replace("_", " "))
        for x, row in zip(at, errors, strict=True):
            left.plot([x] * len(row), row, "o", color=f"C{place}", mfc="none", markersize=4)
        pulses = [np.mean([run["pulses"] for run in runs[f"{scheme}_{b}"]]) for b in bits]
        right.plot(bits, pulses, "o-", color=f"C{place}", mfc="none", label=scheme.replace("_", " "))
    for axes, label in ((left, "test error [%]"), (right, "pulses of a training")):
        axes.set(xlabel="bits of a device's states", ylabel=label, yscale="log")
        axes.set_xticks(bits)
    left.yaxis.set_major_formatter("{x:g}")
    left.yaxis.set_minor_formatter("{x:g}")
    left.legend(frameon=False, fontsize="small")
    figure.suptitle("Digits by EP on memristors, 30 % device and 30 % cycle spread")
    return figure


def terminals_picture(
    runs: dict[str, list[dict[str, float]]], methods: list[str], sense: tuple[int, ...], summary: dict[str, float]
) -> Figure:
    """Test error and cosine of every method against the sensing resistance, each seed a dot."""
    figure = Figure(figsize=(9, 4), layout="constrained")
    names = {"ep": "EP", "asymep": "AsymEP", "oracle": "EP, oracle", "homeostasis": "EP + homeostasis, oracle"}
    ticks = [f"{ohm}\n{100 * summary[f'asymmetry_{ohm}']:.1f} %" for ohm in sense]
    for axes, number, label in zip(
        figure.subplots(1, 2),
        ("test_error", "cosine"),
        ("test error [%]", "cosine with the exact gradient"),
        strict=True,
    ):
        for place, method in enumerate(methods):
            at = np.arange(len(sense)) + 0.1 * (place - (len(methods) - 1) / 2)
            rows = [[run[number] for run in runs[f"{method}_{ohm}"]] for ohm in sense]
            axes.plot(at, [np.mean(row) for row in rows], "-", color=f"C{place}", label=names[method])
            for x, row in zip(at, rows, strict=True):
                axes.plot([x] * len(row), row, "o", color=f"C{place}", mfc="none", markersize=4)
        axes.set_xticks(range(len(sense)), ticks)
        axes.set(xlabel="sensing resistance [ohm], and |W_b - W| / |W| at the start", ylabel=label, ylim=(0, None))
    figure.axes[0].legend(frameon=False, fontsize="small")
    figure.suptitle("Digits by EP on crossbars that drive through 10 ohm")
    return figure
