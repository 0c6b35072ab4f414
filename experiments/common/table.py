"""Numbers beside their bars, on the terminal."""

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from experiments.common.folder import write_text


@dataclass(frozen=True, kw_only=True)
class Bar:
    """A promise about one number of a summary: at most, or at least."""

    most: float | None = None
    least: float | None = None

    def holds(self, value: float) -> bool:
        """Whether the value keeps the promise; NaN keeps none."""
        below = self.most is None or value <= self.most
        above = self.least is None or value >= self.least
        return below and above and not math.isnan(value)

    def __str__(self) -> str:
        if self.most is not None and self.least is not None:
            return f"{self.least:g} .. {self.most:g}"
        return f"<= {self.most:g}" if self.most is not None else f">= {self.least:g}"


def show(summary: dict[str, float], bars: dict[str, Bar], title: str) -> list[str]:
    """Print the summary with the bar of each number; returns the names of the bars that were missed."""
    table = Table(title=title, title_justify="left")
    for heading, side in (("", "left"), ("value", "right"), ("bar", "left")):
        table.add_column(heading, justify=side)
    missed = [name for name, bar in bars.items() if not bar.holds(summary[name])]
    for name, value in summary.items():
        mark = "" if name not in bars else f"{bars[name]}  {'missed' if name in missed else 'met'}"
        table.add_row(name, number(value), mark)
    Console().print(table)
    return missed


def number(value: float) -> str:
    """Four significant digits, whole numbers whole."""
    return f"{value:,}" if isinstance(value, int) else f"{value:.4g}"


def verdict(missed: list[str], *, check: bool) -> int:
    """Exit status of a script: 1 if a bar was missed and `check` asks, and say which."""
    if missed:
        print(f"bar missed: {', '.join(missed)}")
    return 1 if missed and check else 0


def grid(columns: Sequence[str], rows: Sequence[Sequence[str]], title: str, shown: Sequence[str] | None = None) -> None:
    """Print rows of text under headings, or those columns that are `shown`; only the last one wraps."""
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    own = list(columns if shown is None else shown)
    for heading in own:
        table.add_column(heading, no_wrap=heading != own[-1], overflow="fold")
    for row in rows:
        table.add_row(*(row[columns.index(heading)] for heading in own))
    Console().print(table)


def write_csv(path: Path, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Write rows of text under headings, whole or not at all."""
    text = io.StringIO()
    csv.writer(text).writerows([columns, *rows])
    write_text(path, text.getvalue())
