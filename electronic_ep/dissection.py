"""In which order the nodes of a crossbar are eliminated: nested dissection, planned once for every shape.

Leaves are squares of 8 x 8 devices, in lanes of 4 x 4. Blocks of leaves are cut in halves until one leaf is left. What
is inside a block acts on the rest only through the conductances between its ports, which are groups of nodes:

    W  the nodes before its first devices on the word lines: those of the block to the left, or the drivers
    E  its last nodes on the word lines; none at the right end, where nobody else meets them
    N  its first nodes on the bit lines; none at the top
    S  the nodes after its last devices on the bit lines: those of the block below, or ground

Two halves share one group, which is eliminated when they are joined. For n x n devices that takes some 20 n^3
multiplications, where row after row takes n^4. Every block has its ports in the order in which its parent wants them,
so that entries are moved as they lie. Shapes are filled up to whole leaves with devices that conduct nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import groupby

import numpy as np

LEAF, SMALL = 8, 4  # of one tile; in lanes, where no vector asks for eight columns
# Steps, one row of numbers each. `at`, `ld`: first entry and row length of a matrix; `to`, `its`: of where it goes.
TAKE = 0  # at, ld, first column of W, E, N, S, which of them is added to what is there (or -1): the next leaf
ELIMINATE = 1  # at, ld, nodes, size: the first nodes of a matrix
# to, its, at, ld, first row, last row, first column, last column, triangle, nodes, whether what is there stays, whether
# there was nothing before: a rectangle with what the elimination of the first nodes leaves there, moved by to - at
LEAVE = 2
WIDTH = 13


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Steps from devices to W_eff.

    Attributes:
        steps: as above.
        leaves: row and column of the leaves, in the order in which they are taken.
        room: numbers that all matrices need together.
        result, ld: first entry and row length of the transposed W_eff, once all steps are made.

    """

    steps: np.ndarray
    leaves: np.ndarray
    room: int
    result: int
    ld: int


@lru_cache(maxsize=64)
def plan(rows: int, cols: int, leaf: int, order: str = "WS") -> Plan:
    """The plan for so many rows and columns of leaves of a size; all four ports make a leaf of small ones."""
    maker = _Maker(leaf=leaf)
    needed = {_pair(g, h) for g in order for h in order} if len(order) > 2 else {order}
    made = maker.block(range(rows), range(cols), order, needed, 0, None)
    return Plan(
        steps=np.array(maker.steps, np.int64),
        leaves=np.array(maker.leaves, np.int64),
        room=maker.room,
        result=made.entry("W", "S"),
        ld=made.ld,
    )


@dataclass(frozen=True, kw_only=True)
class _Matrix:
    """Where a matrix lies and which column each group of its nodes starts with."""

    at: int
    ld: int
    start: dict[str, int]
    size: dict[str, int]

    def entry(self, row: str, col: str) -> int:
        return self.at + self.start[row] * self.ld + self.start[col]

    def end(self, group: str) -> int:
        return self.start[group] + self.size[group]


@dataclass(frozen=True, kw_only=True)
class _Target:
    """The matrix into which a half goes: which group becomes which there, and of which what is there stays."""

    matrix: _Matrix
    names: dict[str, str]
    added: str

    def runs(self, g: str, columns: list[str]) -> list[list[str]]:
        """Columns of g's rows that go side by side."""
        start, runs = self.matrix.start, []
        for h in columns:
            follows = runs and start[self.names[h]] == self.matrix.end(self.names[runs[-1][-1]])
            if follows and not (g == runs[-1][-1] == self.added):
                runs[-1].append(h)
            else:
                runs.append([h])
        return runs


@dataclass(kw_only=True)
class _Maker:
    leaf: int
    steps: list[list[int]] = field(default_factory=list)
    leaves: list[tuple[int, int]] = field(default_factory=list)
    room: int = 0

    def block(
        self, rows: range, cols: range, order: str, needed: set[str], free: int, target: _Target | None
    ) -> _Matrix:
        """Steps that leave the conductances between a block's ports in a target, or where they are.

        Args:
            rows: of leaves.
            cols: of leaves.
            order: of the groups of ports.
            needed: pairs of groups between which they are asked for.
            free: where memory is free from.
            target: none for the whole.

        """
        if len(rows) == len(cols) == 1:
            return self._leaf(rows, cols, order, needed, free, target)
        aside = len(cols) > len(rows)
        cut = cols if aside else rows
        low, high = cut[: len(cut) // 2], cut[len(cut) // 2 :]
        halves = ((rows, low), (rows, high)) if aside else ((low, cols), (high, cols))
        # Groups of the joined block and of its halves: those along the cut come from both
        shared, both = ("EW", "NS") if aside else ("SN", "WE")
        own = ["".join(g for g in order if g in both or "WENS".index(g) % 2 == half) for half in (0, 1)]
        names = [f"{g}{half}" for g in order for half in (0, 1) if g in own[half]]
        sizes = [self.leaf * len(halves[int(name[1])][0 if name[0] in "WE" else 1]) for name in names]
        whole, free = self._room(["*", *names], [self.leaf * len(rows if aside else cols), *sizes], free)
        for half in (0, 1):
            groups = shared[half] + own[half]
            places = {shared[half]: "*", **{g: f"{g}{half}" for g in own[half]}}
            wanted = {_pair(g, h) for g in groups for h in groups if shared[half] in (g, h) or _pair(g, h) in needed}
            goes = _Target(matrix=whole, names=places, added=shared[half] if half else "")
            self.block(*halves[half], groups, wanted, free, goes)
        return self._eliminate(whole, order, needed, target)

    def _leaf(
        self, rows: range, cols: range, order: str, needed: set[str], free: int, target: _Target | None
    ) -> _Matrix:
        self.leaves.append((rows[0], cols[0]))
        gone = [g for g in "EN" if g not in order]
        if target and not gone:
            starts = (target.matrix.start[target.names[g]] for g in "WENS")
            self._step(TAKE, target.matrix.at, target.matrix.ld, *starts, "WENS".find(target.added or "none"))
            return target.matrix
        whole, _ = self._room([*gone, *order], [self.leaf] * (len(gone) + len(order)), free)
        self._step(TAKE, whole.at, whole.ld, *(whole.start[g] for g in "WENS"), -1)
        return self._eliminate(whole, order, needed, target)

    def _room(self, names: Sequence[str], sizes: Sequence[int], free: int) -> tuple[_Matrix, int]:
        total = sum(sizes)
        # An odd number of vectors a row: else rows meet in the same lines of the cache
        ld = total + self.leaf * (1 - total // self.leaf % 2)
        start = dict(zip(names, np.cumsum([0, *sizes[:-1]]).tolist(), strict=True))
        after = free + total * ld
        self.room = max(self.room, after)
        return _Matrix(at=free, ld=ld, start=start, size=dict(zip(names, sizes, strict=True))), after

    def _eliminate(self, whole: _Matrix, order: str, needed: set[str], target: _Target | None) -> _Matrix:
        """Eliminate the first nodes, and leave in the target what is needed between the others."""
        parts = {g: [name for name in whole.start if name[0] == g] for g in order}
        start = {g: whole.start[names[0]] for g, names in parts.items()}
        size = {g: sum(whole.size[name] for name in names) for g, names in parts.items()}
        made = _Matrix(at=whole.at, ld=whole.ld, start=start, size=size)
        goes = target or _Target(matrix=made, names={g: g for g in order}, added="")
        nodes = start[order[0]]
        self._step(ELIMINATE, made.at, made.ld, nodes, sum(whole.size.values()))
        for i, g in enumerate(order):
            for run in goes.runs(g, [h for h in order[i:] if _pair(g, h) in needed]):
                its, added = goes.matrix.ld, int(g == run[0] == goes.added)
                to = goes.matrix.entry(goes.names[g], goes.names[run[0]]) - start[g] * its - start[run[0]]
                columns = [name for h in run for name in parts[h]]
                for row in parts[g]:
                    right = columns[columns.index(row) if row in columns else 0 :]
                    self._leave(whole, (to, its), row, right, nodes, added)
        return made

    def _leave(
        self, whole: _Matrix, place: tuple[int, int], row: str, columns: list[str], nodes: int, added: int
    ) -> None:
        """Columns of a half go side by side; between the halves there was nothing before."""
        for half, some in groupby(columns, lambda name: name[1:]):
            names = list(some)
            ends = whole.start[row], whole.end(row), whole.start[names[0]], whole.end(names[-1])
            kind = int(names[0] == row), nodes, added, int(half != row[1:])
            self._step(LEAVE, *place, whole.at, whole.ld, *ends, *kind)

    def _step(self, *numbers: int) -> None:
        self.steps.append([*numbers, *([0] * (WIDTH - len(numbers)))])


def _pair(g: str, h: str) -> str:
    return "".join(sorted((g, h), key="WENS".index))
