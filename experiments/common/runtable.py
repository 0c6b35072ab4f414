"""All runs of a sweep as one table: options, status, version, numbers; as Parquet, and shortly on the terminal."""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from ep_core.checkpoint import write_atomic
from experiments.common.table import number

SHOWN = 30  # runs on the terminal
NUMBERS = 3  # of each
EXTRA = "it needs the extra sweep (pip install 'photonic-ep[sweep]')"


@dataclass(frozen=True, kw_only=True)
class Run:
    """A row.

    Attributes:
        name: of the run's folder. options: that define it. status: finished, failed or waiting. error: one line.
        version: of the toolkit that made it. summary: its numbers.

    """

    name: str
    options: dict[str, Any]
    status: str
    error: str
    version: str
    summary: dict[str, float]

    def row(self) -> dict[str, Any]:
        """Columns: a number named like an option is summary_NAME; options of several values as on the command line."""
        options = {n: " ".join(map(str, v)) if isinstance(v, list) else v for n, v in self.options.items()}
        numbers = {f"summary_{n}" if n in options else n: value for n, value in self.summary.items()}
        own = {"run": self.name, "status": self.status, "error": self.error, "version": self.version}
        return own | options | numbers


def require_extra(module: str) -> Any:  # noqa: ANN401 (a module)
    """Import a module of the extra. ValueError where it is missing."""
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        raise ValueError(f"a sweep writes and sends by {module}, which is missing: {EXTRA}") from error


def write_table(path: Path, runs: Sequence[Run]) -> None:
    """Write all runs as Parquet, whole or not at all."""
    pa, parquet = require_extra("pyarrow"), require_extra("pyarrow.parquet")
    rows = [run.row() for run in runs]
    names = list(dict.fromkeys(name for row in rows for name in row))
    table = pa.table({name: _column(pa, [row.get(name) for row in rows]) for name in names})
    write_atomic(path, lambda part: parquet.write_table(table, part))


def _column(pa: Any, values: list[Any]) -> Any:  # noqa: ANN401 (pyarrow's)
    """An array of the one type that all values have, else of strings; whole numbers among others are such."""
    kinds = {type(value) for value in values if value is not None}
    if kinds == {int, float}:
        return pa.array([None if value is None else float(value) for value in values])
    if len(kinds) > 1:
        return pa.array([None if value is None else str(value) for value in values])
    return pa.array(values)


def print_table(runs: Sequence[Run], title: str) -> None:
    """Print what differs between the runs, their status and first numbers."""
    options = runs[0].options
    varied = [name for name in options if len({str(run.options[name]) for run in runs}) > 1]
    measured = next((list(run.summary)[:NUMBERS] for run in runs if run.summary), [])
    table = Table(title=title, title_justify="left")
    for heading in ("run", *varied, "status", *measured):
        table.add_column(heading, justify="right" if heading in measured else "left", overflow="fold")
    for run in runs[:SHOWN]:
        own = {name: number(run.summary[name]) if name in run.summary else "" for name in measured}
        row = run.row()
        table.add_row(run.name, *(str(row[name]) for name in varied), run.status, *own.values())
    Console().print(table)
    if len(runs) > SHOWN:
        print(f"and {len(runs) - SHOWN} more")
    for run in runs:
        if run.status == "failed":
            print(f"failed {run.name}: {run.error}")
