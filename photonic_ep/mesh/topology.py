"""The shape of a mesh as data: which MZI sits where. Simulation, netlists and layouts read the same columns."""

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Int

Stage = tuple[float, float]
MeshName = Literal["v", "u"]


class MeshSteps(NamedTuple):
    """A mesh as what `kernel.Steps` does in turn.

    Attributes:
        rows: modes that a step mixes; with -1 as the second, it multiplies the first by its T00.
        heaters: number of the MZI, or -1 where a step is crossings. crossed: how many.
        exits: the row where each mode leaves.

    """

    rows: Int[np.ndarray, "steps 2"]
    heaters: Int[np.ndarray, " steps"]
    crossed: Int[np.ndarray, " steps"]
    exits: Int[np.ndarray, " modes"]


@dataclass(frozen=True)
class Topology:
    """A mesh of MZIs on `modes` waveguides; mode 0 is the top.

    U = D(alpha) times the columns; the first column meets the light first.

    Attributes:
        modes: waveguides. columns: the top modes of the MZIs of each column, increasing.
        orders: of each column, the permutation of the waveguides in front of it, made of crossings: place i gets the
            light of mode orders[column][i]; () = none. Empty where no column has one.

    """

    modes: int
    columns: tuple[tuple[int, ...], ...]
    orders: tuple[tuple[int, ...], ...] = ()

    def __post_init__(self) -> None:
        if self.orders and len(self.orders) != len(self.columns):
            raise ValueError(f"{len(self.columns)} columns need as many orders, or none, not {len(self.orders)}")
        for index, order in enumerate(self.orders):
            if order and sorted(order) != list(range(self.modes)):
                raise ValueError(
                    f"the order in front of column {index} is no permutation of {self.modes} modes: {order}"
                )
        if self.modes < 2:
            raise ValueError(f"a mesh needs at least 2 modes, not {self.modes}")
        for index, column in enumerate(self.columns):
            gaps = [b - a for a, b in pairwise(column)]
            if column and (min(column) < 0 or max(column) > self.modes - 2 or min(gaps, default=2) < 2):
                raise ValueError(f"column {index} has MZIs at {column}: they overlap or leave the {self.modes} modes")

    @cached_property
    def mzis(self) -> tuple[tuple[int, int], ...]:
        """(column, top mode) of every MZI, in the order of the parameters."""
        return tuple((c, top) for c, column in enumerate(self.columns) for top in column)

    def order(self, column: int) -> tuple[int, ...]:
        """Permutation in front of a column; () = none."""
        return self.orders[column] if self.orders else ()

    def crossings(self, column: int) -> Int[np.ndarray, " modes"]:
        """How many crossings the light of each place passes in front of a column: one a waveguide it changes with."""
        order = np.array(self.order(column) or range(self.modes))
        above = np.arange(self.modes)[:, None] < np.arange(self.modes)
        return (above & (order[:, None] > order)).sum(1) + (above.T & (order[:, None] < order)).sum(1)

    def swaps(self, column: int) -> list[tuple[int, ...]]:
        """The order in front of a column as layers of crossings, each of the places top and top + 1."""
        wanted = {mode: place for place, mode in enumerate(self.order(column))}
        lanes, layers = list(range(self.modes)), []
        while wanted and [wanted[mode] for mode in lanes] != list(range(self.modes)):
            start = len(layers) % 2
            tops = tuple(t for t in range(start, self.modes - 1, 2) if wanted[lanes[t]] > wanted[lanes[t + 1]])
            for top in tops:
                lanes[top : top + 2] = lanes[top + 1], lanes[top]
            layers.append(tops)
        return layers

    def crossing_names(self, mesh: MeshName, column: int) -> list[tuple[str, int]]:
        """Instance and top place of every crossing in front of a column, in the order in which light meets them."""
        layers = enumerate(self.swaps(column))
        return [(f"{mesh}_cross_{column}_{layer}_{top}", top) for layer, tops in layers for top in tops]

    @cached_property
    def rows(self) -> Int[np.ndarray, "mzis 2"]:
        """Rows that every MZI mixes, in the order of the parameters: permutations rename rows and move no light."""
        return self.steps().rows

    @cached_property
    def exits(self) -> Int[np.ndarray, " modes"]:
        """The row where each mode leaves."""
        return self.steps().exits

    def steps(
        self, wires: Int[np.ndarray, " modes"] | None = None, *, first: int = 0, lossy: bool = False
    ) -> "MeshSteps":
        """The mesh as steps on rows, one of which each mode enters by (default: the row of its number).

        With `lossy` crossings are steps too. `first` is the number of the mesh's first MZI.
        """
        wires = np.arange(self.modes) if wires is None else wires
        rows: list[tuple[int, int]] = []
        heaters: list[int] = []
        crossed: list[int] = []
        for index, column in enumerate(self.columns):
            if self.order(index):
                wires = wires[list(self.order(index))]
            for wire, count in zip(wires, self.crossings(index), strict=True) if lossy else ():
                if count:
                    rows, heaters, crossed = [*rows, (wire, -1)], [*heaters, -1], [*crossed, int(count)]
            for top in column:
                rows.append((wires[top], wires[top + 1]))
                heaters.append(first)
                crossed.append(0)
                first += 1
        whole = np.array(rows, np.int64).reshape(-1, 2)
        return MeshSteps(whole, np.array(heaters, np.int64), np.array(crossed, np.int64), wires)

    def heater_names(self, mesh: MeshName) -> dict[str, list[str]]:
        """Heaters of one mesh as INSTANCE.SETTING, by kind: theta and phi of each MZI, then the output phases."""
        instances = [f"{mesh}_mzi_{column}_{top}" for column, top in self.mzis]
        return {
            "theta": [f"{name}.theta" for name in instances],
            "phi": [f"{name}.phi" for name in instances],
            "alpha": [f"{mesh}_alpha_{mode}.phase" for mode in range(self.modes)],
        }

    def floorplan(self, pitch_x: float, pitch_y: float) -> dict[str, Stage]:
        """Position (x, y) of every heater of a tile U diag(a) V, V first, by name.

        A stage is pitch_x / 2 long; a column takes two (phi, theta), then come the output phases alpha of V, the
        attenuators' theta, the columns of U and alpha of U; y = -pitch_y times the top mode.
        """
        places: dict[str, tuple[int, int]] = {}
        places |= self._stages("v", 0)
        after_v = 2 * len(self.columns) + 1
        places |= {f"att_{mode}.theta": (after_v, mode) for mode in range(self.modes)}
        places |= self._stages("u", after_v + 1)
        return {name: (stage * pitch_x / 2, -pitch_y * mode) for name, (stage, mode) in places.items()}

    def _stages(self, mesh: MeshName, start: int) -> dict[str, tuple[int, int]]:
        places: dict[str, tuple[int, int]] = {}
        for column, top in self.mzis:
            places[f"{mesh}_mzi_{column}_{top}.phi"] = (start + 2 * column, top)
            places[f"{mesh}_mzi_{column}_{top}.theta"] = (start + 2 * column + 1, top)
        last = start + 2 * len(self.columns)
        return places | {f"{mesh}_alpha_{mode}.phase": (last, mode) for mode in range(self.modes)}


def clements(modes: int, extra: int = 0) -> Topology:
    """Rectangular mesh of `modes` columns (Clements et al., Optica 3:1460, 2016) and `extra` redundant ones behind."""
    if extra < 0:
        raise ValueError(f"a mesh has no or some redundant columns, not {extra}")
    return Topology(modes, tuple(tuple(range(c % 2, modes - 1, 2)) for c in range(modes + extra)))


def reck(modes: int) -> Topology:
    """Triangular mesh of 2 modes - 3 columns (Reck et al., PRL 73:58, 1994), apex at the bottom modes' inputs."""
    columns = 2 * modes - 3
    depth = [modes - 2 - abs(modes - 2 - c) for c in range(columns)]
    return Topology(modes, tuple(tuple(range(d % 2, d + 1, 2)) for d in depth))


def fftnet(modes: int) -> Topology:
    """Butterflies of log2(modes) columns, each behind a perfect shuffle (Fang et al., Opt. Express 27:14009, 2019).

    It makes few unitaries of many, in the depth of a fast Fourier transform: it is trained, not decomposed.
    """
    stages = modes.bit_length() - 1
    if modes < 2 or modes != 1 << stages:
        raise ValueError(f"an FFTNet needs a power of 2 modes, not {modes}")
    # Places 2 i and 2 i + 1 get modes i and i + modes/2, which an FFT of that stage combines
    shuffle = tuple(half * modes // 2 + i for i in range(modes // 2) for half in (0, 1))
    return Topology(modes, (tuple(range(0, modes - 1, 2)),) * stages, (shuffle,) * stages)
