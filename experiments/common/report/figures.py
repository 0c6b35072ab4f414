"""The figures of a report, as plotly draws them; ink, grid and background are the page's, and follow its theme."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from experiments.common.report.groups import Group
from experiments.common.report.light import Phases
from experiments.common.report.text import si

# Each at least 3:1 against the light and the dark page (a test)
COLOURS = ("#2f7ed8", "#c8681a", "#2c9460", "#9361d2", "#d0485a", "#16899a", "#98781a", "#c356a0")
SYMBOLS = ("circle", "square", "diamond", "triangle-up", "star", "pentagon", "cross", "x")
GLYPHS = ("●", "■", "◆", "▲", "★", "⬟", "✚", "✖")
CONTROLS = {
    "logistic_error": ("logistic regression", "circle-open", "○"),
    "frozen_error": ("hidden layers frozen", "triangle-down-open", "▽"),
    "backpropagation_error": ("backpropagation, same graph", "diamond-open", "◇"),
}
GREY = "#7d848d"
GROUPS = ("core", "converters", "laser", "memory", "digital")
DECADES = [a * 10.0**b for b in range(-2, 3) for a in (1, 2, 5)]  # of errors in percent
ROW = 46  # pixels of a bar or a row of dots
CROWDED = 30  # totals that differ by more are compared as shares
SMALL = 0.01  # parts below this share of every bar are not in the legend


@dataclass(frozen=True, kw_only=True)
class Key:
    """An entry of a legend: a glyph, coloured as what it stands for."""

    glyph: str
    colour: str
    label: str


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """A figure with its words: `alt` says what it shows to those who do not see it."""

    name: str
    title: str
    alt: str
    caption: str
    plot: go.Figure
    keys: Sequence[Key] = ()

    @property
    def height(self) -> int:
        """Pixels."""
        return int(self.plot.layout["height"])


def _styled(plot: go.Figure, height: int, **layout: Any) -> go.Figure:  # noqa: ANN401 (plotly's own)
    plot.update_layout(
        template="none",
        height=height,
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        font={"family": "system-ui, sans-serif", "size": 13},
        hoverlabel={"bgcolor": "#20242b", "font": {"color": "#ffffff"}, "namelength": -1},
        margin={"l": 8, "r": 12, "t": 12, "b": 8},
        showlegend=False,  # the page's: it wraps on a phone
        dragmode=False,
        **layout,
    )
    plot.update_xaxes(automargin=True, fixedrange=True, gridcolor=GREY, zeroline=False)
    plot.update_yaxes(automargin=True, fixedrange=True, gridcolor=GREY, zeroline=False)
    return plot


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
    _styled(plot, 380, hovermode="closest")
    plot.update_xaxes(title="epoch", tickformat="d", nticks=8)
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
            y=[group.label] * len(group.runs),
            mode="markers",
            marker={"color": colour, "size": 11, "symbol": symbol, "opacity": 0.8},
            text=[f"{group.label}, seed {run.options.seed}" for run in group.runs],
            hovertemplate="%{text}: %{x:.2f} %<extra></extra>",
        )
        for said, value, mark, sign in _beside(group):
            more[said] = Key(glyph=sign, colour=GREY, label=said)
            plot.add_scatter(
                x=[value],
                y=[group.label],
                mode="markers",
                marker={"color": GREY, "size": 14, "symbol": mark, "line": {"width": 2.5, "color": GREY}},
                hovertemplate=f"{said}: %{{x:.2f}} %<extra></extra>",
            )
    _styled(plot, 80 + ROW * len(groups), hovermode="closest")
    plot.update_xaxes(title="test error [%]", rangemode="tozero")
    plot.update_yaxes(categoryorder="array", categoryarray=[g.label for g in groups], autorange="reversed")
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


def stacked(name: str, title: str, rows: Sequence[dict[str, Any]]) -> Drawn:
    """Joules by part of every machine: nominal ones as bars, the range from low to high beside their sum."""
    nominal = [row for row in rows if row["case"] == "nominal"] or list(rows)
    machines = list(dict.fromkeys(row["machine"] for row in nominal))
    sums = {machine: sum(row["joules"] for row in nominal if row["machine"] == machine) for machine in machines}
    some = [value for value in sums.values() if value > 0]
    shares = bool(some) and max(some) > CROWDED * min(some)
    labels = {machine: f"{machine}<br>{_range(rows, machine, sums[machine])}" for machine in machines}
    plot, keys = go.Figure(), list[Key]()
    for part, group, colour in _coloured(nominal):
        same = [row for row in nominal if (row["part"], row["group"]) == (part, group)]
        joules = [sum(row["joules"] for row in same if row["machine"] == machine) for machine in machines]
        if any(j > SMALL * sums[m] for m, j in zip(machines, joules, strict=True)):
            keys.append(Key(glyph="■", colour=colour, label=part))
        plot.add_bar(
            y=[labels[machine] for machine in machines],
            x=[100 * j / (sums[m] or 1.0) if shares else j for m, j in zip(machines, joules, strict=True)],
            name=part,
            orientation="h",
            marker={"color": colour, "line": {"width": 0.5, "color": COLOURS[GROUPS.index(group)]}},
            text=[si(j, "J") for j in joules],
            textposition="none",
            hovertemplate=f"{part} ({group}): %{{text}}<extra></extra>",
        )
    _styled(plot, 80 + (ROW + 20) * len(machines), barmode="stack", hovermode="closest", bargap=0.35)
    plot.update_xaxes(title="share of the joules [%]" if shares else "joules [J]", rangemode="tozero")
    plot.update_yaxes(categoryorder="array", categoryarray=list(labels.values()), autorange="reversed")
    told = "; ".join(
        f"{machine} {si(sums[machine], 'J')}, most of it {_most(nominal, machine)}" for machine in machines
    )
    ranged = "In brackets: the low and the high case. " if any(row["case"] == "low" for row in rows) else ""
    scale = "Totals differ too much for one scale: bars are shares, totals stand beside them. " if shares else ""
    return Drawn(
        name=name,
        title=title,
        alt=f"Stacked bars of joules by part, one bar a machine. {told}.",
        caption=f"{scale}{ranged}Shades of a colour are a group of parts ({', '.join(GROUPS)}); below 1 % unnamed.",
        plot=plot,
        keys=keys,
    )


def _range(rows: Sequence[dict[str, Any]], machine: str, nominal: float) -> str:
    """The nominal sum, and those of the low and the high case where there are some."""
    ends = [
        sum(row["joules"] for row in rows if row["machine"] == machine and row["case"] == case)
        for case in ("low", "high")
        if any(row["machine"] == machine and row["case"] == case for row in rows)
    ]
    return si(nominal, "J") + (f"<br>({si(min(ends), 'J')} .. {si(max(ends), 'J')})" if len(ends) == 2 else "")


def _most(rows: Sequence[dict[str, Any]], machine: str) -> str:
    joules: dict[str, float] = {}
    for row in rows:
        if row["machine"] == machine:
            joules[row["part"]] = joules.get(row["part"], 0.0) + row["joules"]
    return max(joules, key=lambda part: joules[part])


def _coloured(rows: Sequence[dict[str, Any]]) -> list[tuple[str, str, str]]:
    """Parts in the order of their groups, each with its shade of the group's colour."""
    parts = list(dict.fromkeys((row["part"], row["group"]) for row in rows if row["joules"]))
    found = []
    for group, colour in zip(GROUPS, COLOURS, strict=False):
        own = [part for part, its in parts if its == group]
        found += [(part, group, _shade(colour, place, len(own))) for place, part in enumerate(own)]
    return found


def _shade(colour: str, place: int, count: int) -> str:
    """Between the colour and a lighter one, which the dark page bears better than the light one."""
    mix = 0.45 * place / max(1, count)
    channels = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
    return "#" + "".join(f"{round(c + mix * (235 - c)):02x}" for c in channels)


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
    _styled(plot, 90 + 3 * max(110, 18 * len(seen.free)))
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
