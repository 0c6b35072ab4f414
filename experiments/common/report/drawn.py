"""What figures of a report have in common; ink, grid and background are the page's, so that they follow its theme."""

import html
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import plotly.graph_objects as go

# Each at least 3:1 against the light and the dark page (a test)
COLOURS = ("#2f7ed8", "#c8681a", "#2c9460", "#9361d2", "#d0485a", "#16899a", "#98781a", "#c356a0")
GREY = "#7d848d"
ROW = 46  # pixels of a row of dots, if its label is short
LINE = 17  # pixels of a line of a label


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


def styled(plot: go.Figure, height: int, **layout: Any) -> go.Figure:  # noqa: ANN401 (plotly's own)
    """Apply what all figures share; `layout` is plotly's own."""
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


def broken(label: str) -> str:
    """A label with a line for each of its parts, if it is long: phones are narrow."""
    return html.escape(label).replace(", ", ",<br>").replace("_", "<br>") if len(label) > 16 else html.escape(label)


def rows_height(labels: Sequence[str]) -> int:
    """Pixels of rows that are equally high, and so that no label touches the next."""
    return len(labels) * max(ROW, *[LINE * (label.count("<br>") + 1) + 12 for label in labels])
