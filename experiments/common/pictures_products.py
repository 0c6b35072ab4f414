"""Pictures of products against their size, and of what moves a break-even."""

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.common.products import Product

Lines = Mapping[str, Sequence[Product | None]]


def sizes_picture(sizes: Sequence[int], lines: Lines, bands: Mapping[str, Sequence[Product]]) -> Figure:
    """Joules a MAC and seconds of every machine; int8 as a band; published break-evens as marks."""
    figure = Figure(figsize=(10, 4.8), layout="constrained")
    left, right = figure.subplots(1, 2)
    macs = [n * n for n in sizes]
    edges = [[1e12 * one.total / m for one, m in zip(bands[case], macs, strict=True)] for case in ("low", "high")]
    left.fill_between(sizes, *edges, color="0.85", label="int8, 25 fJ .. .71 pJ a MAC")
    middle = [1e12 * one.total / m for one, m in zip(bands["nominal"], macs, strict=True)]
    left.plot(sizes, middle, color="0.5", linestyle="--", label="int8, .23 pJ")
    right.plot(sizes, [one.seconds for one in bands["nominal"]], color="0.5", linestyle="--", label="int8")
    for name, products in lines.items():
        known = [(n, one) for n, one in zip(sizes, products, strict=True) if one is not None]
        left.plot([n for n, _ in known], [1e12 * one.total / n**2 for n, one in known], "o-", markersize=4, label=name)
        right.plot([n for n, _ in known], [one.seconds for _, one in known], "o-", markersize=4, label=name)
    for n, text in ((72, "Pai 2023"), (85, "Al-Qadasi 2022"), (500, "Nahmias 2020")):
        left.axvline(n, color="0.6", linewidth=0.8, linestyle=":")
        left.annotate(
            text,
            (n, 0),
            (2, 4),
            xycoords=("data", "axes fraction"),
            textcoords="offset points",
            fontsize=7,
            rotation=90,
            color="0.4",
            ha="left" if n != 72 else "right",
        )
    _logs(left, "joules of a product", "pJ a MAC")
    _logs(right, "seconds of a product", "s")
    figure.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=4, frameon=False, fontsize=8)
    return figure


def _logs(axes: Axes, title: str, label: str) -> None:
    axes.set(xscale="log", yscale="log", title=title, xlabel="N of an N x N product", ylabel=label)
    axes.set_xticks([10, 100, 1000], ["10", "100", "1,000"])
    axes.grid(alpha=0.25)


def tornado_picture(found: Mapping[str, tuple[float, float]], nominal: float, band: Mapping[str, float]) -> Figure:
    """Joules a MAC at both ends of each constant alone, beside the digital band."""
    figure = Figure(figsize=(7.6, 1.2 + 0.32 * max(1, len(found))), layout="constrained")
    axes = figure.subplots()
    axes.axvspan(band["low"], band["high"], color="0.9", label="int8, 25 fJ .. .71 pJ")
    axes.axvline(band["nominal"], color="0.5", linestyle="--", linewidth=1, label="int8, .23 pJ")
    for place, ends in enumerate(found.values()):
        for end, colour in zip(ends, ("C0", "C3"), strict=True):
            axes.plot([nominal, end], [place, place], color=colour, linewidth=9, solid_capstyle="butt")
    axes.axvline(nominal, color="k", linewidth=1, label=f"nominal, {nominal:.2g} pJ")
    axes.set_yticks(range(len(found)), [name.replace("device.hardware.", "").replace("limits.", "") for name in found])
    axes.invert_yaxis()
    axes.set(xscale="log", xlabel="pJ a MAC, 256 x 256 on MEMS meshes; blue: the cheap end, red: the dear one")
    axes.set_title("What moves the joules, one constant at a time")
    axes.legend(fontsize=8, loc="lower right")
    return figure
