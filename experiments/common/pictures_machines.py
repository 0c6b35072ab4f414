"""Pictures of what machines cost."""

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from experiments.common.building import STRATEGIES, Building, Limits
from experiments.common.machines import summed

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
