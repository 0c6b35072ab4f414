"""Where the entries of the models' blocks lie, which of them leave a port together, and whether a part amplifies."""

import math
from collections.abc import Collection, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Complex, Int

from photonic_ep.circuit.groups import Group, Pattern
from photonic_ep.circuit.netlist import FlatNetlist
from photonic_ep.circuit.plan import Entry
from photonic_ep.circuit.settings import Route

TOLERANCE = {16: 1e-6, 8: 1e-3}  # relative power that rounding may add, by bytes of a complex number


@dataclass(frozen=True, kw_only=True)
class Layout:
    """Rows of the blocks, one under the other.

    Attributes:
        rows: of each entry of the plan.
        terms: pairs of rows (a, b) whose sum of conj(a) b is one entry of S^H S, for every column of every part that
            must not amplify: first the diagonal one, then the others.
        entries_at: where each such entry starts among the terms. columns_at: where each column starts among those.
        parts: by column, the parts that have it; matrices: by part, its S as rows (out, in), -1 where it is zero.

    """

    rows: Int[np.ndarray, "entries"]  # noqa: F821 (an axis)
    terms: Int[np.ndarray, "terms 2"]
    entries_at: Int[np.ndarray, "gram"]  # noqa: F821
    columns_at: Int[np.ndarray, "columns"]  # noqa: F821
    parts: list[list[str]]
    matrices: dict[str, np.ndarray]


def make_layout(
    groups: list[Group],
    patterns: tuple[Pattern, ...],
    entries: list[Entry],
    flat: FlatNetlist,
    active: Collection[str],
) -> Layout:
    """Lay out the blocks of all groups, given how their models shared tensors."""
    row: dict[Entry, int] = {}
    columns: dict[tuple[tuple[tuple[int, int], ...], ...], list[str]] = {}
    matrices: dict[str, np.ndarray] = {}
    start = 0
    for group, (blocks, lengths) in zip(groups, patterns, strict=True):
        starts = np.concatenate([[0], np.cumsum(lengths)]) + start
        ports = sorted({port for key in group.keys for port in key})
        for number, leaf in enumerate(group.leaves):
            matrix = np.full((len(ports), len(ports)), -1)
            for (into, out), block in zip(group.keys, blocks, strict=True):
                at = int(starts[block]) + (number if lengths[block] > 1 else 0)
                row[leaf, into, out] = at
                matrix[ports.index(out), ports.index(into)] = at
            if flat.instances[leaf].component not in active:
                matrices[leaf] = matrix
                for column in _columns(matrix):
                    columns.setdefault(column, []).append(leaf)
        start = int(starts[-1])
    grams = [entry for column in columns for entry in column]
    return Layout(
        rows=np.array([row[entry] for entry in entries], dtype=np.int64),
        terms=np.array([pair for entry in grams for pair in entry], dtype=np.int64).reshape(-1, 2),
        entries_at=np.cumsum([0, *(len(entry) for entry in grams)]).astype(np.int64),
        columns_at=np.cumsum([0, *(len(column) for column in columns)]).astype(np.int64),
        parts=list(columns.values()),
        matrices=matrices,
    )


def _columns(matrix: np.ndarray) -> Iterator[tuple[tuple[tuple[int, int], ...], ...]]:
    """Terms of one row of S^H S, the diagonal entry first; equal rows of a symmetric part have equal terms."""
    for i in range(len(matrix)):
        entries = []
        for j in range(len(matrix)):
            pairs = [(int(a), int(b)) for a, b in zip(matrix[:, i], matrix[:, j], strict=True) if a >= 0 and b >= 0]
            if pairs:
                entries.append((i != j, tuple(sorted(pairs))))
        if entries:
            yield tuple(pairs for _, pairs in sorted(entries))


def gain_of(
    layout: Layout, source: Complex[np.ndarray, "rows batch"], suspects: Int[np.ndarray, " some"], most: float
) -> tuple[str, float] | None:
    """Return the part among those of some columns that amplifies most, and its power; None where all stay in `most`."""
    worst: tuple[str, float] | None = None
    for leaf in dict.fromkeys(leaf for column in suspects.tolist() for leaf in layout.parts[column]):
        matrix = layout.matrices[leaf]
        s = np.where((matrix >= 0)[..., None], source[matrix], 0)
        s = np.moveaxis(s, -1, 0)
        s = s[np.isfinite(s).all((1, 2))]
        power = float((np.linalg.norm(s, ord=2, axis=(1, 2)) ** 2).max(initial=0))
        if power > most and (worst is None or power > worst[1]):
            worst = leaf, power
    return worst


def check_passive(groups: list[Group], flat: FlatNetlist, active: Collection[str]) -> None:
    """Refuse a part that amplifies with its netlist's settings: the norm of its S-matrix is above 1."""
    for group in groups:
        if not group.keys or flat.instances[group.leaves[0]].component in active:
            continue
        with torch.no_grad():
            blocks, (pattern, _) = group.blocks(group.stacked(Route(), []))
        ports = sorted({port for key in group.keys for port in key})
        shape = np.broadcast_shapes(*(block.shape for block in blocks))
        s = blocks[0].new_zeros(*shape, len(ports), len(ports), dtype=torch.complex128)
        for (into, out), block in zip(group.keys, pattern, strict=True):
            s[..., ports.index(out), ports.index(into)] = blocks[block]
        if not torch.isfinite(torch.view_as_real(s)).all():
            continue  # the call says which setting is to blame
        power = torch.linalg.matrix_norm(s, ord=2).square()
        power = power.reshape(len(power), -1).amax(1)
        worst = int(power.argmax())
        leaf = group.leaves[worst if len(power) > 1 else 0]
        if power[worst] > 1 + TOLERANCE[min(block.itemsize for block in blocks)]:
            raise ValueError(gain_message(leaf, flat.instances[leaf].component, float(power[worst])))


def gain_message(leaf: str, component: str, power: float) -> str:
    """Say by how much a part amplifies."""
    return (
        f"{leaf!r} ({component}) amplifies: {power:.6g} times the power of the light that enters it, "
        f"{10 * math.log10(power):.3g} dB; only the components that circuit(..., active=...) names may"
    )
