"""The shape of a mesh as data: which MZI sits where. Simulation, netlists and layouts read the same columns."""

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Literal

import numpy as np
from jaxtyping import Int

Stage = tuple[float, float]
MeshName = Literal["v", "u"]


@dataclass(frozen=True)
class Topology:
    """A mesh of MZIs on `modes` waveguides; mode 0 is the top.

    U = D(alpha) times the columns; the first column meets the light first.

    Attributes:
        modes: waveguides. columns: the top modes of the MZIs of each column, increasing.

    """

    modes: int
    columns: tuple[tuple[int, ...], ...]

    def __post_init__(self) -> None:
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

    @cached_property
    def rows(self) -> Int[np.ndarray, "mzis 2"]:
        """Modes that every MZI mixes, in the order of the parameters."""
        return np.array([(top, top + 1) for _, top in self.mzis], np.int64).reshape(-1, 2)

    @cached_property
    def tile_rows(self) -> Int[np.ndarray, "steps 2"]:
        """Modes that the steps of a tile mix: V's MZIs, the attenuators (a mode and -1), U's, U's output phases."""
        single = np.stack([np.arange(self.modes), np.full(self.modes, -1)], 1)
        return np.concatenate([self.rows, single, self.rows, single])

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


def clements(modes: int) -> Topology:
    """Rectangular mesh of `modes` columns (Clements et al., Optica 3:1460, 2016)."""
    return Topology(modes, tuple(tuple(range(c % 2, modes - 1, 2)) for c in range(modes)))


def reck(modes: int) -> Topology:
    """Triangular mesh of 2 modes - 3 columns (Reck et al., PRL 73:58, 1994), apex at the bottom modes' inputs."""
    columns = 2 * modes - 3
    depth = [modes - 2 - abs(modes - 2 - c) for c in range(columns)]
    return Topology(modes, tuple(tuple(range(d % 2, d + 1, 2)) for d in depth))
