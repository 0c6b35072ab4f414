"""Pictures of what machines cost."""

from collections.abc import Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import NullLocator

from experiments.common.building import STRATEGIES, Building, Limits
from experiments.common.machines import summed
from experiments.common.rows import Results

Table = list[dict[str, object]]


def bills_picture(table: Table) -> Figure:
    """Joules a sample of every machine, stacked by part, for inference and training; ranges of all constants."""
    figure = Figure(figsize=(9.6, 6.4), layout="constrained")
    labels = sorted({str(row["part"]) for row in table}, key=lambda part: -summed(table, "joules", part=part))
    colours = {label: mpl.colormaps["tab20"](2 * i % 20 + i // 10) for i, label in enumerate(labels)}
    for axes, quantity in zip(figure.subplots(1, 2, sharey=True), ("inference", "training"), strict=True):
        machines = list(dict.fromkeys(str(row["machine"]) for row in table))
        for place, machine in enumerate(machines):
            own = {"machine": machine, "quantity": quantity}
            whole = {case: summed(table, "joules", case=case, **own) for case in ("low", "nominal", "high")}
            left = 0.0
            # Length is the logarithm of the whole, divided as the joules are.
            for label in labels:
                share = summed(table, "joules", case="nominal", part=label, **own) / whole["nominal"]
                axes.barh(place, share, left=left, color=colours[label], height=0.7)
                left += share
            text = f"{whole['nominal']:.2g} J  ({whole['low']:.1g} .. {whole['high']:.1g})"
            axes.annotate(text, (1.02, place), va="center", fontsize=8, annotation_clip=False)
        axes.set(xlim=(0, 1.75), title=f"{quantity}: joules a sample", xlabel="share of the joules")
        axes.set_xticks([0, 0.5, 1])
        axes.set_yticks(range(len(machines)), [name.replace("_", " ") for name in machines])
        axes.spines[["top", "right"]].set_visible(False)
    figure.axes[0].invert_yaxis()
    handles = [Patch(color=colours[label], label=label) for label in labels]
    figure.legend(handles=handles, loc="outside lower center", ncols=7, frameon=False, fontsize=8)
    return figure


def building_picture(plans: dict[tuple[str, str, str], Building], limits: Limits) -> Figure:
    """Heat and area of every plan beside what a chip and its package allow; open where it cannot be built."""
    networks = list(dict.fromkeys(network for network, _, _ in plans))
    shifters = list(dict.fromkeys(shifter for _, _, shifter in plans))
    figure = Figure(figsize=(3.6 * len(networks) + 0.8, 4.2), layout="constrained")
    least = 0.01
    for axes, network in zip(figure.subplots(1, len(networks), sharey=True, squeeze=False)[0], networks, strict=True):
        for (own, strategy, shifter), found in plans.items():
            if own == network:
                colour = f"C{shifters.index(shifter)}"
                # Those without heat would hide each other.
                aside = 1.25 ** (shifters.index(shifter) - 2.5) if not found.watts else 1.0
                axes.plot(
                    aside * found.mm2,
                    max(found.watts, least),
                    "os^"[STRATEGIES.index(strategy)],
                    color=colour,
                    mfc="none" if found.missing else colour,
                    markersize=8,
                )
        axes.axhline(limits.watts, color="0.5", linestyle="--", linewidth=1)
        axes.axvline(limits.chip_mm2, color="0.5", linestyle="--", linewidth=1)
        axes.set(xscale="log", yscale="log", title=network.replace("_", " "), xlabel="meshes [mm^2]")
        axes.grid(alpha=0.2)
    figure.axes[0].set_ylabel("heaters [W]; none at the bottom")
    handles = [Patch(color=f"C{i}", label=name) for i, name in enumerate(shifters)]
    handles += [
        Line2D([], [], marker=mark, color="0.3", linestyle="", label=name)
        for mark, name in zip("os^", STRATEGIES, strict=True)
    ]
    handles.append(Line2D([], [], marker="o", color="0.3", mfc="none", linestyle="", label="open: not buildable"))
    figure.legend(handles=handles, loc="outside lower center", ncols=4, frameon=False, fontsize=8)
    return figure


def learning_picture(curves: dict[str, tuple[Sequence[float], Sequence[float]]]) -> Figure:
    """Validation error against the joules that training had taken by then."""
    figure = Figure(figsize=(7.2, 4.2), layout="constrained")
    axes = figure.subplots()
    for index, (machine, (errors, joules)) in enumerate(curves.items()):
        style = ":" if "backpropagation" in machine else "-"
        colour = f"C{index % max(1, sum(':' not in m and 'backprop' not in m for m in curves))}"
        axes.plot(joules, errors, style, color=colour, marker=".", label=machine.replace("_", " "))
    axes.axhline(3, color="0.5", linewidth=1, linestyle="--")
    axes.set(xscale="log", yscale="log", xlabel="joules of training", ylabel="validation error [%]")
    _plain(axes)
    axes.grid(alpha=0.25)
    axes.legend(frameon=False, fontsize=8)
    return figure


def deployed_picture(runs: dict[str, Results], put: dict[str, list[float]]) -> Figure:
    """Test errors of weights deployed on a device and of those trained on it, by what is wrong with it."""
    figure = Figure(figsize=(8.4, 3.8), layout="constrained")
    labels = {"crosstalk": "heater crosstalk, unknown", "ohm": "line resistance a memristor [ohm]"}
    for axes, (kind, label) in zip(figure.subplots(1, 2, sharey=True), labels.items(), strict=True):
        names = [name for name in put if name.startswith(kind + "_")]
        at = range(len(names))
        trained = [[result["test_error"] for result in runs[name]] for name in names]
        for errors, colour, text in (([put[n] for n in names], "C3", "deployed"), (trained, "C0", "trained on it")):
            axes.plot(at, [np.mean(e) for e in errors], "o-", color=colour, label=text)
            for place, own in zip(at, errors, strict=True):
                axes.plot([place] * len(own), own, ".", color=colour, alpha=0.5)
        ideal = float(np.mean([result["test_error"] for result in runs["ideal"]]))
        axes.axhline(ideal, color="0.5", linestyle="--", linewidth=1, label=f"ideal weights {ideal:.2f}")
        axes.set_xticks(list(at), [name.split("_", 1)[1] for name in names])
        axes.set(xlabel=label, yscale="log")
        _plain(axes)
        axes.grid(alpha=0.25)
    figure.axes[0].set_ylabel("test error [%]")
    figure.axes[0].legend(frameon=False, fontsize=8)
    return figure


def bits_picture(points: dict[tuple[str, float, float], tuple[float, float]], clean: dict[str, float]) -> Figure:
    """Test error against the measured effective bits of a read, on both machines."""
    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.subplots()
    for index, (machine, level) in enumerate(clean.items()):
        own = sorted(point for (name, _, _), point in points.items() if name == machine)
        axes.plot([bits for bits, _ in own], [error for _, error in own], "o-", color=f"C{index}", label=machine)
        axes.axhline(level, color=f"C{index}", linestyle=":", linewidth=1, label=f"{machine}, no noise: {level:.2f}")
    axes.set(xlabel="measured effective bits a read", ylabel="test error [%]", yscale="log")
    _plain(axes)
    axes.set_title("Accuracy against the bits of a read")
    axes.grid(alpha=0.25)
    axes.legend(frameon=False, fontsize=8)
    return figure


def noise_picture(errors: dict[tuple[str, float, float], float]) -> Figure:
    """Test error by beta, a line a noise, on both machines."""
    machines = list(dict.fromkeys(machine for machine, _, _ in errors))
    noises = list(dict.fromkeys(noise for _, noise, _ in errors))
    figure = Figure(figsize=(8.4, 3.8), layout="constrained")
    for axes, machine in zip(figure.subplots(1, len(machines), sharey=True), machines, strict=True):
        for index, noise in enumerate(noises):
            own = sorted((beta, e) for (name, n, beta), e in errors.items() if name == machine and n == noise)
            colour = "k" if not noise else mpl.colormaps["viridis"](index / len(noises))
            axes.plot([beta for beta, _ in own], [e for _, e in own], "o-", color=colour, label=f"{noise:g}")
        knob = "noise of a receiver, drive units" if machine == "photonic" else "noise of a memristor, share of G"
        axes.set(xscale="log", yscale="log", xlabel="beta", title=f"{machine}: {knob}")
        betas = sorted({beta for _, _, beta in errors})
        axes.set_xticks(betas, [f"{beta:g}" for beta in betas])
        axes.xaxis.set_minor_locator(NullLocator())
        _plain(axes)
        axes.grid(alpha=0.25)
        axes.legend(frameon=False, fontsize=8, ncols=2)
    figure.axes[0].set_ylabel("test error [%]")
    return figure


def _plain(axes: Axes) -> None:
    """Percentages on a logarithmic axis, written out."""
    axes.set_yticks([1, 2, 3, 5, 10, 20, 50, 90], minor=False)
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_formatter("")
