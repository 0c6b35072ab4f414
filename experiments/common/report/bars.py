"""Joules by part, as stacked bars."""

from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go

from experiments.common.report.drawn import COLOURS, Drawn, Key, broken, rows_height, styled
from experiments.common.report.parts import GROUPS
from experiments.common.report.text import si

CROWDED = 30  # totals that differ by more are compared as shares
SMALL = 0.01  # parts below this share of every bar are not in the legend


def stacked(name: str, title: str, rows: Sequence[dict[str, Any]]) -> Drawn:
    """Joules by part of every machine: nominal ones as bars, the range from low to high beside their sum."""
    nominal = [row for row in rows if row["case"] == "nominal"] or list(rows)
    machines = list(dict.fromkeys(row["machine"] for row in nominal))
    sums = {machine: sum(row["joules"] for row in nominal if row["machine"] == machine) for machine in machines}
    some = [value for value in sums.values() if value > 0]
    shares = bool(some) and max(some) > CROWDED * min(some)
    labels = {machine: f"{broken(machine)}<br>{_range(rows, machine, sums[machine])}" for machine in machines}
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
    styled(plot, 80 + rows_height(list(labels.values())), barmode="stack", hovermode="closest", bargap=0.35)
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
