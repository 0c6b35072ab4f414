"""Where the entries of the models' blocks lie, which of them leave a port together, and whether a part amplifies."""

import math
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Int

from photonic_ep.circuit.groups import Group, Pattern
from photonic_ep.circuit.netlist import FlatNetlist, Port
from photonic_ep.circuit.plan import Entry
from photonic_ep.circuit.settings import Route

TOLERANCE = {16: 1e-6, 8: 1e-4}  # relative power that rounding may add, by bytes of a complex number


@dataclass(frozen=True, kw_only=True)
class Layout:
    """Rows of the blocks, one under the other.

    Attributes:
        rows: of each entry of the plan.
        members: rows of the waves that light into one port of a passive part becomes, port after port.
        starts: where each port's members start, and their number at the end.
        names: the part and the port of each.

    """

    rows: Int[np.ndarray, "entries"]  # noqa: F821 (an axis)
    members: Int[np.ndarray, "members"]  # noqa: F821
    starts: Int[np.ndarray, "starts"]  # noqa: F821
    names: list[tuple[str, str]]


def make_layout(
    groups: list[Group],
    patterns: tuple[Pattern, ...],
    entries: list[Entry],
    flat: FlatNetlist,
    active: Collection[str],
) -> Layout:
    """Lay out the blocks of all groups, given how their models shared tensors."""
    row: dict[Entry, int] = {}
    columns: dict[tuple[int, ...], Port] = {}
    start = 0
    for group, (blocks, lengths) in zip(groups, patterns, strict=True):
        starts = np.concatenate([[0], np.cumsum(lengths)]) + start
        for number, leaf in enumerate(group.leaves):
            column: dict[str, list[int]] = {}
            for (into, out), block in zip(group.keys, blocks, strict=True):
                at = int(starts[block]) + (number if lengths[block] > 1 else 0)
                row[leaf, into, out] = at
                column.setdefault(into, []).append(at)
            if flat.instances[leaf].component not in active:
                columns |= {tuple(sorted(rows)): (leaf, port) for port, rows in column.items()}
        start = int(starts[-1])
    return Layout(
        rows=np.array([row[entry] for entry in entries], dtype=np.int64),
        members=np.array([at for rows in columns for at in rows], dtype=np.int64),
        starts=np.cumsum([0, *(len(rows) for rows in columns)]).astype(np.int64),
        names=list(columns.values()),
    )


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
        if power[worst] > 1 + TOLERANCE[blocks[0].itemsize]:
            raise ValueError(gain_message(leaf, flat.instances[leaf].component, float(power[worst])))


def gain_message(leaf: str, component: str, power: float) -> str:
    """Say by how much a part amplifies."""
    return (
        f"{leaf!r} ({component}) amplifies: {power:.6g} times the power of the light that enters it, "
        f"{10 * math.log10(power):.3g} dB; only the components that circuit(..., active=...) names may"
    )
