"""What any laboratory does before it trusts a mesh: local oscillators turned, thermal crosstalk measured."""

import csv
import io
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Complex, Float
from torch import Tensor

from ep_core.checkpoint import write_atomic


def lo_refit(measured: Complex[Tensor, "tiles k k"], believed: Complex[Tensor, "tiles k k"]) -> Float[Tensor, " tiles"]:
    """Return one local-oscillator phase a tile, psi = arg sum conj(believed) measured: the best fit in least squares.

    Crosstalk turns all heaters the same way, so most of its harm is a common phase of T, and Re(e^{i psi} T) is
    another matrix. `measured` is what two quadratures of each column show: 2 k reads of a tile.
    """
    return torch.angle((believed.conj() * measured).sum((1, 2)))


def write_crosstalk(path: Path, table: Float[Tensor, "heaters heaters"], names: list[str]) -> None:
    """Write a crosstalk table as CSV, whole or not at all: shares of a column's phase that each row gets."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["heater", *names])
    for name, row in zip(names, table.tolist(), strict=True):
        writer.writerow([name, *(repr(value) for value in row)])
    write_atomic(path, lambda part: part.write_text(text.getvalue()))


def read_crosstalk(path: Path, names: list[str]) -> Float[Tensor, "heaters heaters"]:
    """Read a table of `write_crosstalk` in the order of `names`, whatever the order in the file.

    Raises ValueError, naming the place, for heaters that are missing, unknown or twice, and for shares that are no
    numbers, not finite, or 1 and more.
    """
    with Path(path).open(newline="") as file:
        lines = [line for line in csv.reader(file) if line]
    if not lines:
        raise ValueError(f"{path} is empty: a crosstalk table has a row and a column a heater")
    head, body = lines[0][1:], {line[0]: line[1:] for line in lines[1:]}
    for what, found in (("columns", head), ("rows", [line[0] for line in lines[1:]])):
        missing, strange = sorted(set(names) - set(found)), sorted(set(found) - set(names))
        if missing or strange or len(found) != len(names):
            raise ValueError(
                f"{path} has {len(found)} {what} for {len(names)} heaters; missing: {missing[:3]}, unknown or twice: "
                f"{strange[:3]}"
            )
    table = np.zeros((len(names), len(names)))
    place = {name: at for at, name in enumerate(head)}
    for row, name in enumerate(names):
        if len(body[name]) != len(head):
            raise ValueError(f"{path}: the row of {name} has {len(body[name])} shares, not {len(head)}")
        for column, other in enumerate(names):
            text = body[name][place[other]]
            try:
                value = float(text)
            except ValueError:
                value = float("nan")
            if not abs(value) < 1:
                raise ValueError(f"{path}: the share of {other} in {name} is {text!r}, not a number below 1")
            table[row, column] = value
    return torch.from_numpy(table)
