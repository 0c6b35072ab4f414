"""Rows of a comparison's parts.csv: what each part of each machine takes, at low, nominal and high constants."""

import csv
import math
from collections.abc import Sequence
from pathlib import Path

NUMBERS = ("joules", "seconds", "watts", "mm2")
GROUPS = ("core", "converters", "laser", "memory", "digital")
CHOICES = {
    "quantity": ("inference", "training"),
    "case": ("low", "nominal", "high"),
    "group": GROUPS,
}
COLUMNS = ("machine", "quantity", "case", "part", "group", *NUMBERS, "source")
Row = dict[str, str | float]


def read_parts(path: Path) -> list[Row]:
    """Rows of a comparison's parts.csv. ValueError names the file, the line and what is wrong in it."""
    with path.open(newline="") as handle:
        reader = csv.DictReader(handle)
        if tuple(reader.fieldnames or ()) != COLUMNS:
            raise ValueError(
                f"{path} must have the columns {','.join(COLUMNS)}, not {','.join(reader.fieldnames or ())}"
            )
        rows = [_row(row, f"{path}, line {number}") for number, row in enumerate(reader, 2)]
    if not rows:
        raise ValueError(f"{path} has no rows")
    return rows


def _row(row: dict[str, str], place: str) -> Row:
    for name, allowed in CHOICES.items():
        if row[name] not in allowed:
            raise ValueError(f"{place}: {name} is one of {', '.join(allowed)}, not {row[name]!r}")
    numbers = {}
    for name in NUMBERS:
        try:
            numbers[name] = float(row[name])
        except (TypeError, ValueError):
            numbers[name] = math.nan
        if not (math.isfinite(numbers[name]) and numbers[name] >= 0):
            raise ValueError(f"{place}: {name} must be a number of zero or more, not {row[name]!r}")
    return {**row, **numbers}


def summed(table: Sequence[Row], name: str, **wanted: str) -> float:
    """Sum of a column over the rows that have the wanted values."""
    return sum(float(row[name]) for row in table if all(row[key] == value for key, value in wanted.items()))
