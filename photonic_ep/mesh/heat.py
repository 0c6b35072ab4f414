"""Heat that flows from heater to heater: which share of one's phase each other one gets."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ep_core.quantity import Quantity
from photonic_ep.mesh.topology import Topology

SPECK = 1e-9  # shares below this are nothing
DEEP_TRENCH = 0.025 / 0.12  # what a deep trench leaves of crosstalk: Munoz et al., JSTQE 28 (2022), 2203.16956, SiN
# Silicon on insulator, heat simulation, R^2 = .999: SCATTER, ICCAD 2024, Eq. 10
NEAR = (1.0, -0.176, 9.9e-3, -8.30e-6, -1.56e-5, 3.55e-7)
FAR = (0.217, 0.127)
BORDER = 23.0  # um


def flow(distance_um: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """Share of a heater's phase at a distance d [um] in silicon without trenches, gamma(d).

    gamma = sum_k c_k d^k for d < 23, .217 e^{-.127 d} beyond: SCATTER, ICCAD 2024, Eq. 10 (heat simulation, SOI).
    """
    near = sum(c * distance_um**k for k, c in enumerate(NEAR))
    return torch.where(distance_um < BORDER, near, FAR[0] * torch.exp(-FAR[1] * distance_um))


CELL = "compact cell, Pai, Science 380:398 (2023) SM (C); high: her chip (B)"


@dataclass(frozen=True, kw_only=True)
class FloorPlan:
    """Where heaters are on the chip, and what lies between them; heat flows by `flow`, to neighbouring tiles too.

    Attributes:
        pitch_x_um: length of a column (a phi and a theta heater) [um]; 200: compact cell of Pai, Science 380:398
            (2023), SM (tag C).
        pitch_y_um: distance of waveguides [um]; 50: as pitch_x_um.
        gap_um: between tiles, on both sides [um]; tile (row, col) lies at (col, -row). 50: assumed.
        trench: share of the heat that trenches let pass; 1 = none, `DEEP_TRENCH` = .21.

    """

    pitch_x_um: float = Quantity(200.0, 200.0, 625.0, unit="um", source=CELL)
    pitch_y_um: float = Quantity(50.0, 50.0, 127.0, unit="um", source=CELL)
    gap_um: float = Quantity(50.0, unit="um", source="assumed")
    trench: float = 1.0
    sources: ClassVar[Mapping[str, str]] = {"trench": "2.5 % for 12 %: Munoz, JSTQE 28, 2203.16956 (B)"}

    def __post_init__(self) -> None:
        for name in ("pitch_x_um", "pitch_y_um"):
            if not (math.isfinite(getattr(self, name)) and getattr(self, name) > 0):
                raise ValueError(f"{name} of a floor plan must be a positive length, not {getattr(self, name)}")
        if not (math.isfinite(self.gap_um) and self.gap_um >= 0):
            raise ValueError(f"tiles lie apart or side by side, not {self.gap_um} um")
        if not 0 <= self.trench <= 1:
            raise ValueError(f"trench is the share of the heat that passes, 0..1, not {self.trench}")

    def size(self, topology: Topology) -> tuple[float, float]:
        """Length and height of a tile [um], without the gap."""
        stages = 4 * len(topology.columns) + 3
        return stages * self.pitch_x_um / 2, topology.modes * self.pitch_y_um


class Heat(nn.Module):
    """p + X p: the phases p of all heaters, and what they get of each other within a tile and from its neighbours.

    Args:
        own: shares within a tile, `grid` or `plan`.
        around: for neighbours at (rows, columns) away, the shares of theirs that a tile's heaters get.
        rows, cols: tiles of the operator.

    """

    own: Tensor

    def __init__(
        self,
        own: Float[Tensor, "heaters heaters"],
        around: dict[tuple[int, int], Float[Tensor, "heaters heaters"]],
        rows: int,
        cols: int,
    ) -> None:
        super().__init__()
        self.register_buffer("own", own, persistent=False)
        tile, self.count = torch.arange(rows * cols).reshape(rows, cols), 0
        for (down, right), shares in around.items():
            to = tile[max(0, -down) : rows - max(0, down), max(0, -right) : cols - max(0, right)].flatten()
            if len(to):
                for name, value in (("shares", shares), ("to", to), ("source", to + down * cols + right)):
                    self.register_buffer(f"{name}_{self.count}", value, persistent=False)
                self.count += 1

    @property
    def around(self) -> list[tuple[Tensor, Tensor, Tensor]]:
        """Of each direction: shares, the tiles that get them, the tiles that they come from."""
        names = ("shares", "to", "source")
        return [tuple(self.get_buffer(f"{name}_{i}") for name in names) for i in range(self.count)]  # pyright: ignore[reportReturnType]

    def forward(self, phases: Float[Tensor, "heaters tiles"]) -> Float[Tensor, "heaters tiles"]:
        """p + X p."""
        result = torch.addmm(phases, self.own, phases)
        for shares, to, source in self.around:
            result = result.index_add(1, to, shares @ phases[:, source])
        return result

    def back(self, slopes: Float[Tensor, "heaters tiles"]) -> Float[Tensor, "heaters tiles"]:
        """g + X' g."""
        result = torch.addmm(slopes, self.own.mT, slopes)
        for shares, to, source in self.around:
            result.index_add_(1, source, shares.mT @ slopes[:, to])
        return result


def grid(topology: Topology, names: list[str], strength: float) -> Float[Tensor, "heaters heaters"]:
    """strength exp(-2 (d - 1)) at distance d on the grid (heater stage, top mode), within a mesh; assumed."""
    at = _places(topology, names, 2.0, 1.0)
    mesh = [name.split("_", 1)[0] for name in names]
    same = torch.tensor([[a == b for b in mesh] for a in mesh])
    distance = torch.cdist(at, at)
    return torch.where(same & (distance > 0), strength * torch.exp(-2 * (distance - 1)), 0.0)


def plan(
    topology: Topology, names: list[str], floor: FloorPlan
) -> dict[tuple[int, int], Float[Tensor, "heaters heaters"]]:
    """Shares by distance on the chip: of a tile's own heaters at (0, 0), and of those of tiles at (rows, columns) away.

    Only what is felt: shares above 1e-9.
    """
    at = _places(topology, names, floor.pitch_x_um, floor.pitch_y_um)
    length, height = (side + floor.gap_um for side in floor.size(topology))
    result = {}
    for down, right in product((0, -1, 1), repeat=2):
        away = torch.tensor([right * length, -down * height], dtype=torch.float64)
        distance = torch.cdist(at, at + away)
        shares = floor.trench * torch.where(distance > 0, flow(distance), 0.0)
        if float(shares.max()) > SPECK or (down, right) == (0, 0):
            result[down, right] = shares
    return result


def _places(topology: Topology, names: list[str], pitch_x: float, pitch_y: float) -> Float[Tensor, "heaters 2"]:
    places = topology.floorplan(pitch_x, pitch_y)
    return torch.tensor([places[name] for name in names], dtype=torch.float64)
