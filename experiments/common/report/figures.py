"""The figures of trained runs: learning curves, test errors, the light in a mesh."""

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from experiments.common.report.drawn import COLOURS, GREY, Drawn, Key, broken, rows_height, styled
from experiments.common.report.groups import Group
from experiments.common.report.light import Phases

# Fewer than colours: nobody has both of another before the 57th.
SYMBOLS = ("circle", "square", "diamond", "triangle-up", "star", "cross", "x")
GLYPHS = ("●", "■", "◆", "▲", "★", "✚", "✖")
CONTROLS = {
    "logistic_error": ("logistic regression", "circle-open", "○"),
    "frozen_error": ("hidden layers frozen", "triangle-down-open", "▽"),
    "backpropagation_error": ("backpropagation, same graph", "diamond-open", "◇"),
}
DECADES = [a * 10.0**b for b in range(-2, 3) for a in (1, 2, 5)]  # of errors in percent


def _of(number: int) -> tuple[str, str, str]:
    """Colour, symbol and glyph of a kind of run."""
    return tuple(every[number % len(every)] for every in (COLOURS, SYMBOLS, GLYPHS))  # pyright: ignore[reportReturnType]


def curves(groups: Sequence[Group]) -> Drawn:
    """Validation and training error of every run by epoch."""
    plot, keys = go.Figure(), list[Key]()
    for number, group in enumerate(groups):
        colour, symbol, glyph = _of(number)
        keys.append(Key(glyph=f"{glyph}—", colour=colour, label=group.label))
        for run in group.runs:
            for kind, said in (("val_error", "validation"), ("train_error", "training")):
                first = kind == "val_error"
                plot.add_scatter(
                    x=[row["epoch"] for row in run.history],
                    y=[row[kind] or None for row in run.history],
                    name=group.label,
                    mode="lines+markers" if first else "lines",
                    marker={"color": colour, "size": 6, "symbol": symbol},
                    line={"color": colour, "dash": "solid" if first else "dot", "width": 2 if first else 1.5},
                    hovertemplate=f"{said}, seed {run.options.seed}: %{{y:.2f}} %",
                )
    styled(plot, 380, hovermode="closest")
    plot.update_xaxes(
        title="epoch", tick0=0, dtick=-(-max(len(run.history) for group in groups for run in group.runs) // 8)
    )
    plot.update_yaxes(title="error [%]", type="log", tickvals=DECADES, ticktext=[f"{tick:g}" for tick in DECADES])
    last = "; ".join(f"{group.label} ends at {group.runs[0].history[-1]['val_error']:.2f} %" for group in groups)
    return Drawn(
        name="curves",
        title="Learning curves",
        alt=f"Line chart of validation and training error by epoch, on a logarithmic axis. Validation of {last}.",
        caption="Validation error (solid) and running training error (dotted) after each epoch, one line a seed.",
        plot=plot,
        keys=keys,
    )


def test_errors(groups: Sequence[Group]) -> Drawn:
    """Test error of every run, the mean of a group, and the controls."""
    plot, keys, more = go.Figure(), list[Key](), dict[str, Key]()
    for number, group in enumerate(groups):
        colour, symbol, glyph = _of(number)
        keys.append(Key(glyph=glyph, colour=colour, label=group.label))
        plot.add_scatter(
            x=[run.folder.summary["test_error"] for run in group.runs],
            y=[broken(group.label)] * len(group.runs),
            mode="markers",
            marker={"color": colour, "size": 11, "symbol": symbol, "opacity": 0.8},
            text=[f"{group.label}, seed {run.options.seed}" for run in group.runs],
            hovertemplate="%{text}: %{x:.2f} %<extra></extra>",
        )
        for said, value, mark, sign in _beside(group):
            more[said] = Key(glyph=sign, colour=GREY, label=said)
            plot.add_scatter(
                x=[value],
                y=[broken(group.label)],
                mode="markers",
                marker={"color": GREY, "size": 14, "symbol": mark, "line": {"width": 2.5, "color": GREY}},
                hovertemplate=f"{said}: %{{x:.2f}} %<extra></extra>",
            )
    styled(plot, 80 + rows_height([broken(group.label) for group in groups]), hovermode="closest")
    plot.update_xaxes(title="test error [%]", rangemode="tozero")
    plot.update_yaxes(categoryorder="array", categoryarray=[broken(g.label) for g in groups], autorange="reversed")
    told = "; ".join(f"{group.label} {np.mean(group.values('test_error')):.2f} %" for group in groups)
    return Drawn(
        name="test",
        title="Test errors",
        alt=f"Dots on a line for each kind of run, one dot a seed. Mean test errors: {told}.",
        caption="One mark a seed. Grey: the mean, and the controls, which an accuracy must beat to mean anything.",
        plot=plot,
        keys=[*keys, *more.values()],
    )


def _beside(group: Group) -> list[tuple[str, float, str, str]]:
    """What stands beside a group's test errors: name, value, symbol, glyph."""
    mean = [("mean", float(np.mean(group.values("test_error"))), "line-ns", "|")] if len(group.runs) > 1 else []
    found = [(said, group.values(name), symbol, sign) for name, (said, symbol, sign) in CONTROLS.items()]
    return mean + [(said, float(np.mean(own)), symbol, sign) for said, own, symbol, sign in found if own]


def light(name: str, label: str, seen: Phases) -> Drawn:
    """Amplitudes along a tile: free, nudged, and their difference."""
    difference = seen.nudged - seen.free
    rows = (("free", seen.free), ("nudged", seen.nudged), ("nudged - free", difference))
    plot = make_subplots(rows=3, cols=1, shared_xaxes=True, vertical_spacing=0.09, subplot_titles=[r[0] for r in rows])
    top, most = float(max(seen.free.max(), seen.nudged.max())), float(abs(difference).max()) or 1.0
    places = list(range(len(seen.stages)))
    for number, (said, field) in enumerate(rows, 1):
        last = number == len(rows)
        plot.add_heatmap(
            z=field,
            x=places,
            y=list(range(len(field))),
            customdata=np.tile(seen.stages, (len(field), 1)),
            zmin=-most if last else 0,
            zmax=most if last else top,
            colorscale="RdBu_r" if last else "Inferno",
            colorbar={"len": 0.3 if last else 0.62, "y": 0.14 if last else 0.69, "thickness": 12, "tickformat": ".2~g"},
            showscale=number != 2,
            xgap=1,
            ygap=1,
            hovertemplate=f"{said}, mode %{{y}}, %{{customdata}}: %{{z:.4f}}<extra></extra>",
            row=number,
            col=1,
        )
    styled(plot, 90 + 3 * max(110, 18 * len(seen.free)))
    plot.update_layout(margin={"t": 28})
    plot.update_yaxes(autorange="reversed", showgrid=False, dtick=max(1, len(seen.free) // 4), title="mode")
    ticks = [place for place in places if place % 2 == 0 or len(places) < 12]
    plot.update_xaxes(showgrid=False, tickvals=ticks, ticktext=[seen.stages[t] for t in ticks], tickangle=0)
    before, after = seen.outputs
    return Drawn(
        name=name,
        title=f"Light in the mesh: {label}",
        alt=(
            f"Three heat maps of the light's amplitude by mode and stage in tile {seen.tile} of {seen.layer}: free "
            f"phase, nudged phase, their difference, which is at most {most:.2g} of full scale."
        ),
        caption=(
            f"Amplitude |E| (full scale 1) in tile {seen.tile} of {seen.layer}, for a test image of class {seen.label}."
            " Light enters at the left: columns of V, the attenuators a, columns of U. The nudge "
            f"(beta {seen.beta:g}) moves the output of that class from {before:.3f} to {after:.3f}, and with it the "
            "hidden neurons, whose light this is."
        ),
        plot=plot,
    )
