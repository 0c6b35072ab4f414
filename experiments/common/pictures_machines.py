"""Pictures of what machines cost."""

from matplotlib.figure import Figure
from matplotlib.patches import Patch

from experiments.common.machines import summed

Table = list[dict[str, object]]


def bills_picture(table: Table) -> Figure:
    """Joules a sample of every machine, stacked by part, for inference and training; ranges of all constants."""
    figure = Figure(figsize=(9.6, 6.4), layout="constrained")
    labels = sorted({str(row["part"]) for row in table}, key=lambda part: -summed(table, "joules", part=part))
    colours = {label: f"C{i}" if i < 10 else str(0.3 + 0.05 * i) for i, label in enumerate(labels)}
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
