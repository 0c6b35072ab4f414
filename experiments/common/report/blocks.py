"""What sections of a report are made of."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Literal

from ep_core.quantity import CASES
from experiments.common.report.drawn import Drawn
from experiments.common.report.groups import Group
from experiments.common.report.parts import Row, summed
from experiments.common.report.text import TIED, number, si

MANY = 6  # kinds of runs; more of them are rows of a table, not columns
Cells = Literal["words", "numbers", "sourced"]


@dataclass(frozen=True, kw_only=True)
class Text:
    """A paragraph."""

    kind: ClassVar[str] = "text"
    text: str


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table; the first column names the rows.

    Attributes:
        folded: behind its caption, until it is opened or printed.
        cells: words stand at the left, numbers at the right; sourced: numbers, and the last column says where from.

    """

    kind: ClassVar[str] = "table"
    caption: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    folded: bool = False
    cells: Cells = "numbers"


@dataclass(frozen=True, kw_only=True)
class Plot:
    """A figure that plotly draws."""

    kind: ClassVar[str] = "plot"
    drawn: Drawn


@dataclass(frozen=True, kw_only=True)
class Image:
    """A picture from a file."""

    kind: ClassVar[str] = "image"
    path: Path
    alt: str
    caption: str

    @property
    def data(self) -> str:
        """The file as a data URL."""
        return "data:image/png;base64," + base64.b64encode(self.path.read_bytes()).decode()


@dataclass(frozen=True, kw_only=True)
class Commands:
    """Command lines."""

    kind: ClassVar[str] = "commands"
    lines: Sequence[str]


Block = Text | Table | Plot | Image | Commands


@dataclass(frozen=True, kw_only=True)
class Section:
    """A heading and what stands under it."""

    name: str
    title: str
    blocks: list[Block] = field(default_factory=list)


def by_group(
    caption: str,
    groups: Sequence[Group],
    rows: Sequence[tuple[str, list[str]]],
    *,
    folded: bool = False,
    cells: Cells = "words",
) -> Table:
    """One column a kind of run; where these are many, one row."""
    labels = [group.label for group in groups]
    if len(groups) <= MANY:
        return Table(
            caption=caption,
            head=["", *labels],
            rows=[[name, *own] for name, own in rows],
            folded=folded,
            cells=cells,
        )
    turned = [[label, *[own[place] for _, own in rows]] for place, label in enumerate(labels)]
    return Table(caption=caption, head=["runs", *[name for name, _ in rows]], rows=turned, folded=folded, cells=cells)


def sums(rows: Sequence[Row]) -> Table:
    """A sample's totals and the chip's, at nominal constants; of the joules, the range."""
    lines = []
    for machine, quantity in dict.fromkeys((str(row["machine"]), str(row["quantity"])) for row in rows):
        own = {"machine": machine, "quantity": quantity}
        low, joules, high = (summed(rows, "joules", **own, case=case) for case in CASES)
        others = {name: summed(rows, name, **own, case="nominal") for name in ("seconds", "watts", "mm2")}
        line = [f"{machine}, {quantity}", si(joules, "J"), f"{si(low, 'J')} .. {si(high, 'J')}"]
        line += [si(others["seconds"], "s"), si(others["watts"], "W"), f"{number(others['mm2'])}{TIED}mm²"]
        lines.append(line)
    head = ["a sample", "joules", "low .. high constants", "lasts", "watts while on", "area"]
    return Table(caption="Sums over the parts", head=head, rows=lines)
