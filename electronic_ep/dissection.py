"""In which order the nodes of a crossbar are eliminated: nested dissection, planned once for every shape.

Leaves are squares of 8 x 8 devices. Blocks of leaves are cut in halves until one leaf is left. What is inside a block
acts on the rest only through the conductances between its ports, which are groups of nodes:

    W  the nodes before its first devices on the word lines: those of the block to the left, or the drivers
    E  its last nodes on the word lines; none at the right end, where nobody else meets them
    N  its first nodes on the bit lines; none at the top
    S  the nodes after its last devices on the bit lines: those of the block below, or ground

Two halves share one group, which is eliminated when they are joined. For n x n devices that takes some 30 n^3
multiplications, where row after row takes n^4. Every block has its ports in the order in which its parent wants them,
so that entries are moved as they lie. Shapes are filled up to whole leaves with devices that conduct nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import pairwise

import numpy as np

LEAF = 8
# Steps, one row of numbers each; `at` and `ld`: first entry and row length of a block's matrix.
TAKE = 0  # at, ld, first column of W, E, N, S: the next leaf
COPY, ADD, CLEAR = 1, 2, 3  # at, ld, from, its ld, rows, columns, triangle: a rectangle or upper triangle
ELIMINATE = 4  # at, ld, nodes, size: the first nodes of a matrix
LEAVE = (
    5  # at, ld, nodes, first row, last row, first column, last column, triangle: what their elimination leaves there
)
WIDTH = 9


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
def plan(rows: int, cols: int) -> Plan:
    """The plan for so many rows and columns of leaves."""
    maker = _Maker()
    made = maker.block(range(rows), range(cols), "WS", {"WS"}, 0)
    return Plan(
        steps=np.array(maker.steps, np.int64),
        leaves=np.array(maker.leaves, np.int64),
        room=maker.room,
        result=made.entry("W", "S"),
        ld=made.ld,
    )


@dataclass(frozen=True, kw_only=True)
class _Matrix:
    """Where a block's matrix lies and which column each group of its ports starts with."""

    at: int
    ld: int
    start: dict[str, int]
    size: dict[str, int]

    def entry(self, row: str, col: str) -> int:
        return self.at + self.start[row] * self.ld + self.start[col]

    def end(self, group: str) -> int:
        return self.start[group] + self.size[group]


@dataclass(kw_only=True)
class _Maker:
    steps: list[list[int]] = field(default_factory=list)
    leaves: list[tuple[int, int]] = field(default_factory=list)
    room: int = 0

    def block(self, rows: range, cols: range, order: str, needed: set[str], free: int) -> _Matrix:
        """Steps that leave the conductances between a block's ports; pairs of groups that are needed, memory from."""
        if len(rows) == len(cols) == 1:
            return self._leaf(rows, cols, order, needed, free)
        aside = len(cols) > len(rows)
        cut = cols if aside else rows
        low, high = cut[: len(cut) // 2], cut[len(cut) // 2 :]
        halves = ((rows, low), (rows, high)) if aside else ((low, cols), (high, cols))
        # Groups of the joined block and of its halves: those along the cut come from both.
        joined, both = (("E", "W"), "NS") if aside else (("S", "N"), "WE")
        only = {"W": 0, "E": 1, "N": 0, "S": 1}
        own = [[g for g in order if g in both or only[g] == half] for half in (0, 1)]
        names = [("*", 0), *((g, half) for g in order for half in (0, 1) if g in own[half])]
        sizes = [LEAF * (len(rows) if aside else len(cols))]
        sizes += [LEAF * len(halves[half][0 if g in "WE" else 1]) for g, half in names[1:]]
        whole, free = self._room([f"{g}{half}" for g, half in names], sizes, free)
        for half in (0, 1):
            self._half(whole, joined[half], half, halves[half], own[half], needed, free)
        for row, (g, half) in enumerate(names[1:], 1):
            for h, other in names[row + 1 :]:
                if half != other and _pair(g, h) in needed:
                    a, b = f"{g}{half}", f"{h}{other}"
                    self._step(CLEAR, whole.entry(a, b), whole.ld, 0, 0, whole.size[a], whole.size[b], 0)
        return self._eliminate(whole, "*0", order, needed)

    def _half(
        self,
        whole: _Matrix,
        shared: str,
        half: int,
        where: tuple[range, range],
        own: list[str],
        needed: set[str],
        free: int,
    ) -> None:
        """Make one half and move it into the matrix of both."""
        wanted = {pair for pair in needed if pair[0] in own and pair[1] in own} | {
            _pair(shared, g) for g in (shared, *own)
        }
        made = self.block(*where, shared + "".join(own), wanted, free)
        places = {shared: "*0", **{g: f"{g}{half}" for g in own}}
        groups = [shared, *own]
        for i, g in enumerate(groups):
            columns = [h for h in groups[i:] if _pair(g, h) in wanted]
            if half == 1 and g == shared:
                columns = columns[1:]
                size, to = made.size[g], whole.entry("*0", "*0")
                self._step(ADD, to, whole.ld, made.entry(g, g), made.ld, size, size, 1)
            follows = {a: b for a, b in pairwise(groups) if whole.start[places[b]] == whole.end(places[a])}
            for run in _runs(columns, follows):
                size = made.size[g], sum(made.size[h] for h in run)
                to, source = whole.entry(places[g], places[run[0]]), made.entry(g, run[0])
                self._step(COPY, to, whole.ld, source, made.ld, *size, int(run[0] == g))

    def _leaf(self, rows: range, cols: range, order: str, needed: set[str], free: int) -> _Matrix:
        gone = [g for g in "EN" if g not in order]
        whole, _ = self._room([*gone, *order], [LEAF] * (len(gone) + len(order)), free)
        self.leaves.append((rows[0], cols[0]))
        self._step(TAKE, whole.at, whole.ld, *(whole.start[g] for g in "WENS"))
        return self._eliminate(whole, "".join(gone), order, needed)

    def _room(self, names: Sequence[str], sizes: Sequence[int], free: int) -> tuple[_Matrix, int]:
        total = sum(sizes)
        # An odd number of vectors a row: else rows meet in the same lines of the cache
        ld = total + LEAF * (1 - total // LEAF % 2)
        start = dict(zip(names, np.cumsum([0, *sizes[:-1]]).tolist(), strict=True))
        after = free + total * ld
        self.room = max(self.room, after)
        return _Matrix(at=free, ld=ld, start=start, size=dict(zip(names, sizes, strict=True))), after

    def _eliminate(self, whole: _Matrix, gone: str, order: str, needed: set[str]) -> _Matrix:
        """Eliminate the first nodes and leave what is needed between the others, as groups of the block."""
        names = [name for name in whole.start if name[0] in order]
        groups = {g: [name for name in names if name[0] == g] for g in order}
        start = {g: whole.start[parts[0]] for g, parts in groups.items()}
        size = {g: sum(whole.size[name] for name in parts) for g, parts in groups.items()}
        made = _Matrix(at=whole.at, ld=whole.ld, start=start, size=size)
        nodes = start[order[0]]
        if nodes:
            self._step(ELIMINATE, made.at, made.ld, nodes, sum(whole.size.values()))
        for i, g in enumerate(order if nodes else ""):
            columns = [h for h in order[i:] if _pair(g, h) in needed]
            for run in _runs(columns, dict(pairwise(order))):
                ends = start[g], made.end(g), start[run[0]], made.end(run[-1])
                self._step(LEAVE, made.at, made.ld, nodes, *ends, int(run[0] == g))
        return made

    def _step(self, *numbers: int) -> None:
        self.steps.append([*numbers, *([0] * (WIDTH - len(numbers)))])


def _pair(g: str, h: str) -> str:
    return "".join(sorted((g, h), key="WENS".index))


def _runs(columns: list[str], follows: dict[str, str]) -> list[list[str]]:
    """Groups that lie side by side, together."""
    runs: list[list[str]] = []
    for h in columns:
        if runs and follows.get(runs[-1][-1]) == h:
            runs[-1].append(h)
        else:
            runs.append([h])
    return runs
