"""Pictures of a run: how it learned, what its heaters hold, and where the light goes."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
import numpy as np
import torch
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize, PowerNorm
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch, Patch
from matplotlib.ticker import MaxNLocator, NullLocator

from ep_core.checkpoint import write_atomic
from experiments.common.build import Job
from experiments.common.rundir import RunDirectory
from experiments.common.spread import Knob
from experiments.common.untied import Alignment, Trained
from photonic_ep import MeshWeight

PHASE = mpl.colormaps["twilight"]
LIGHT = mpl.colormaps["inferno"]
FULL_TURN = 2 * np.pi


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


def mesh_picture(operator: MeshWeight, x: torch.Tensor) -> Figure:
    """Show the phases of one tile and the light in it for the input x: the tile that x lights most."""
    padded = ports(operator, x)
    column = int(padded.square().sum(1).argmax())
    figure = Figure(figsize=(13, 7.4), layout="constrained")
    above, below = figure.subplots(2, 1)
    _draw_phases(figure, above, operator, column)
    _draw_light(figure, below, operator, padded[column], column)
    return figure


def ports(operator: MeshWeight, x: Float[torch.Tensor, " n"]) -> Float[torch.Tensor, "cols k"]:
    """Fields that enter each column of tiles for the input x; ports beyond it are dark."""
    k = operator.topology.modes
    return torch.nn.functional.pad(x, (0, operator.cols * k - len(x))).unflatten(0, (operator.cols, k))


def _stage_x(operator: MeshWeight) -> tuple[list[float], float, list[float]]:
    """Horizontal places of V's columns, the attenuators and U's columns."""
    columns = len(operator.topology.columns)
    middle = columns + 0.7
    return [float(c) for c in range(columns)], middle, [middle + 1.7 + c for c in range(columns)]


def _frame(axes: Axes, operator: MeshWeight, title: str) -> None:
    v, middle, u = _stage_x(operator)
    bottom = operator.topology.modes - 0.4
    for x, label in ((np.mean(v), "V"), (middle, "a"), (np.mean(u), "U")):
        axes.text(float(x), bottom + 0.35, label, ha="center", va="center", fontsize=13)
    axes.set(xlim=(-1.3, u[-1] + 1.9), ylim=(bottom + 0.8, -0.8), title=title)
    axes.set_yticks(range(operator.topology.modes), [f"mode {m}" for m in range(operator.topology.modes)])
    axes.set_xticks([])
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)


def _draw_phases(figure: Figure, axes: Axes, operator: MeshWeight, tile: int) -> None:
    v, middle, u = _stage_x(operator)
    held = {name: p[:, tile].detach().numpy() for name, p in operator.named_parameters()}
    modes = range(operator.topology.modes)
    axes.hlines(modes, -0.9, u[-1] + 1.3, color="0.75", linewidth=1, zorder=0)
    for mesh, places in (("v", v), ("u", u)):
        for (column, top), theta, phi in zip(
            operator.topology.mzis, held[f"{mesh}_theta"], held[f"{mesh}_phi"], strict=True
        ):
            _box(axes, places[column], top, PHASE(theta / FULL_TURN % 1))
            _dot(axes, places[column] - 0.42, top, PHASE(phi / FULL_TURN % 1))
        for mode, alpha in zip(modes, held[f"{mesh}_alpha"], strict=True):
            _dot(axes, places[-1] + 0.75, mode, PHASE(alpha / FULL_TURN % 1))
    for mode, theta in zip(modes, held["att_theta"], strict=True):
        _dot(axes, middle, mode, PHASE(theta / FULL_TURN % 1), size=110, marker="s")
    _frame(axes, operator, f"Phases held by tile (0, {tile}): boxes theta, circles phi and alpha, squares attenuators")
    bar = figure.colorbar(ScalarMappable(Normalize(0, 2), PHASE), ax=axes, label="phase", pad=0.01)
    bar.set_ticks([0, 0.5, 1, 1.5, 2], labels=["0", "π/2", "π", "3π/2", "2π"])


def _box(axes: Axes, x: float, top: int, color: object) -> None:
    style = "round,pad=0,rounding_size=0.12"
    axes.add_patch(
        FancyBboxPatch((x - 0.27, top - 0.18), 0.54, 1.36, boxstyle=style, facecolor=color, edgecolor="0.25")
    )


def _dot(axes: Axes, x: float, mode: int, color: object, size: float = 42, marker: str = "o") -> None:
    axes.scatter([x], [mode], s=size, color=[color], edgecolors="0.25", linewidths=0.8, marker=marker, zorder=3)


def _draw_light(figure: Figure, axes: Axes, operator: MeshWeight, x: torch.Tensor, tile: int) -> None:
    v, middle, u = _stage_x(operator)
    fields = operator.light(x, tile)
    power = torch.stack([field.abs().square() for field in fields]).numpy()
    edges = [-0.9, *[place + 0.27 for place in v], middle, *[place + 0.27 for place in u], u[-1] + 0.8]
    # Colour and width follow the square root: light behind the attenuators is a tenth, and it is what counts.
    scale = PowerNorm(0.5, 0, float(power.max()) or 1.0)
    topology, columns = operator.topology, len(v)
    for stage, (left, right) in enumerate(zip(edges, [*edges[1:], u[-1] + 1.3], strict=True)):
        # In front of V's and U's columns waveguides may cross; behind V come the attenuators.
        column = stage if stage < columns else stage - columns - 1
        order = topology.order(column) if stage != columns and column < columns else ()
        for place, mode in enumerate(order or range(topology.modes)):
            share = float(scale(power[stage, mode]))
            bend = [right - 0.75, right - 0.55] if order else []
            axes.plot(
                [left, *bend, right],
                [mode, mode, place, place] if order else [mode, mode],
                color=LIGHT(share),
                linewidth=1 + 5 * share,
                solid_capstyle="butt",
                zorder=1,
            )
    for places in (v, u):
        for column, first in operator.topology.mzis:
            _box(axes, places[column], first, "0.85")
    for mode in range(operator.topology.modes):
        _dot(axes, middle, mode, "0.85", size=110, marker="s")
    _frame(axes, operator, "Light in the same tile: intensity for one test image's pixels, entering left")
    figure.colorbar(ScalarMappable(scale, LIGHT), ax=axes, label="intensity [full scale]", pad=0.01)


def spectrum(wl: np.ndarray, decibel: dict[str, np.ndarray], title: str) -> Figure:
    """Power that leaves each port over wavelength; ports that stay dark are left out."""
    figure = Figure(figsize=(7.2, 4), layout="constrained")
    axes = figure.subplots()
    lit = {port: values for port, values in decibel.items() if values.max() > -60}
    for port, values in lit.items():
        axes.plot(wl, values, label=port, linewidth=1.2)
    axes.set(xlabel="wavelength [um]", ylabel="transmission [dB]", title=title, ylim=(max(-60, _lowest(lit)), 2))
    axes.grid(alpha=0.3)
    figure.legend(loc="outside right upper", title="out of", fontsize="small")
    return figure


def _lowest(values: dict[str, np.ndarray]) -> float:
    return min((float(v.min()) for v in values.values()), default=-60.0) - 2


def transients(
    light: dict[str, torch.Tensor],
    power: dict[str, dict[str, torch.Tensor]],
    seen: dict[str, dict[str, torch.Tensor]],
    levels: dict[str, float],
    dt_ps: float,
    title: str,
) -> Figure:
    """Power at every lit port over time, as it is and as a detector of finite bandwidth sees it."""
    figure = Figure(figsize=(8.4, 3 + 2 * len(light)), layout="constrained")
    figure.suptitle(title)
    last = max(_settled(field) for own in seen.values() for field in own.values())
    rows = list(np.atleast_1d(figure.subplots(len(light), sharex=True)))
    for axes, (name, wave) in zip(rows, light.items(), strict=True):
        t = dt_ps * np.arange(len(wave))[: last + 1]
        axes.fill_between(t, wave.abs().square()[: last + 1], color="0.9", label="light in")
        for n, port in enumerate(port for port, field in power[name].items() if float(field.max()) > 1e-4):
            axes.plot(t, power[name][port][: last + 1], color=f"C{n}", linewidth=1, label=port)
            axes.plot(t, seen[name][port][: last + 1], color=f"C{n}", linewidth=1, linestyle=":")
            if name == "step":
                axes.plot(t[-1], levels[port], marker="_", markersize=14, color=f"C{n}", markeredgewidth=2)
        axes.set(ylabel=f"{name}: power", xlim=(0, t[-1]))
        axes.grid(alpha=0.3)
        axes.legend(loc="center right", fontsize="small")
    rows[-1].set_xlabel("time [ps]; dotted: as the detector sees it; bars: |S|^2, where the step must settle")
    return figure


def _settled(signal: torch.Tensor) -> int:
    """Step after which a signal moves no more than a thousandth, and a third more."""
    moving = torch.nonzero((signal - signal[-1]).abs() > 1e-3).flatten()
    return min(len(signal) - 1, int(1.3 * (int(moving[-1]) if len(moving) else 0)) + 1)


def yield_picture(
    merit: torch.Tensor, limit: float, knobs: Sequence[Knob], slopes: torch.Tensor, title: str, most: int = 14
) -> Figure:
    """Distribution of a figure of merit with its limits, and the knobs that move it most."""
    figure = Figure(figsize=(10, 4.4), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=[3, 2])
    left.hist(merit, bins=40, color="0.7")
    good = float((merit.abs() <= limit).double().mean())
    for n, edge in enumerate((limit, -limit) if float(merit.min()) < 0 else (limit,)):
        left.axvline(
            edge, color="C3", linestyle="--", label=f"limit {limit:g}: {100 * good:.1f} % good" if not n else None
        )
    left.axvline(float(merit.median()), color="0.2", linewidth=1, label=f"median {float(merit.median()):.3g}")
    left.set(xlabel=title, ylabel=f"circuits of {len(merit)}")
    left.legend(fontsize="small")
    colours = {"splitting": "C0", "width": "C1", "heater": "C2"}
    order = slopes.abs().argsort(descending=True)[:most].tolist()
    right.barh([knobs[i].label for i in order], [abs(float(slopes[i])) for i in order],
               color=[colours[knobs[i].kind] for i in order])  # fmt: skip
    right.invert_yaxis()
    right.tick_params(axis="y", labelsize="small")
    share = {kind: sum(float(v) ** 2 for v, k in zip(slopes, knobs, strict=True) if k.kind == kind) for kind in colours}
    whole = sum(share.values()) or 1.0
    names = [f"{kind}: {100 * value / whole:.0f} % of the variance" for kind, value in share.items() if value]
    right.xaxis.set_major_locator(MaxNLocator(5))
    right.set(xlabel="change by one standard deviation", title=f"first order, {len(order)} of {len(knobs)} knobs")
    right.legend(
        handles=[Patch(color=colours[n.partition(":")[0]], label=n) for n in names], fontsize="small", loc="lower right"
    )
    return figure


def beside_sax(wl: np.ndarray, curves: dict[str, dict[str, tuple[np.ndarray, np.ndarray]]]) -> Figure:
    """Power out of every lit port of some circuits: lines by our solver, dots by sax."""
    rows = -(-len(curves) // 2)
    figure = Figure(figsize=(10, 3 * rows + 0.4), layout="constrained")
    for axes, (name, ports) in zip(figure.subplots(rows, 2, squeeze=False).flat, curves.items(), strict=False):
        for n, (port, (ours, theirs)) in enumerate((p, c) for p, c in ports.items() if c[0].max() > 1e-6):
            axes.plot(wl, ours, color=f"C{n}", linewidth=1, label=port)
            axes.plot(wl[::20], theirs[::20], ".", color=f"C{n}", markersize=5)
        axes.set(title=name, xlabel="wavelength [um]", ylabel="power", ylim=(-0.03, 1.03))
        axes.grid(alpha=0.3)
        axes.legend(fontsize="small")
    figure.suptitle("lines: photonic-ep, dots: sax")
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
