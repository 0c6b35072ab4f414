"""What fabrication and control do to a mesh, and which of it the controller knows."""

import math
from dataclasses import dataclass, fields, replace
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from photonic_ep.mesh.topology import Topology


@dataclass(frozen=True, kw_only=True)
class Imperfections:
    """Imperfections of every tile; all zero = an exact mesh. Static ones are drawn once, noise in every read.

    Attributes:
        phase_error: standard deviation of each heater's static phase error [rad].
        splitter_error: standard deviation of each coupler's angle [rad] (.02 rad is a split of 50 +- 2 %).
        insertion_loss_db: loss of both outputs of each MZI [dB].
        crossing_loss_db: loss of each waveguide at each crossing [dB], in topologies that have some.
        crosstalk: phase that a heater adds to a neighbour at distance 1, as a share of its own;
            crosstalk exp(-2 (d - 1)) at distance d on the grid (heater stage, top mode), within a mesh.
        port_phase: standard deviation of the phase of each port of the operator, in each direction [rad]: between its
            modulator or receiver and the mesh. Light sent backwards then sees another matrix than W'.
        port_gain: relative standard deviation of each port's gain, in each direction.
        stuck: share of the heaters that are dead: no current, no heat, phase 0 whatever they are set to.
        phase_noise: standard deviation of every phase in every read [rad].
        detector_noise: standard deviation of what a receiver adds to every read, in units of the neurons' drives.
        dac_bits: phases are held in steps of 2 pi / 2^bits; what is rounded away is owed. None = continuous.
        dac_volts: the converter's steps are equal in volts instead, over the heater's whole range: heat is V^2 / R, so
            the phase is that of full scale times (n / (2^bits - 1))^2.
        known: names of the imperfections that the controller's model (its twin) includes.

    """

    phase_error: float = 0.0
    splitter_error: float = 0.0
    insertion_loss_db: float = 0.0
    crossing_loss_db: float = 0.0
    crosstalk: float = 0.0
    port_phase: float = 0.0
    port_gain: float = 0.0
    stuck: float = 0.0
    phase_noise: float = 0.0
    detector_noise: float = 0.0
    dac_bits: int | None = None
    dac_volts: bool = False
    known: frozenset[str] = frozenset({"phase_error", "splitter_error", "insertion_loss_db", "crossing_loss_db"})

    analogue: ClassVar[tuple[str, ...]] = (
        "phase_error",
        "splitter_error",
        "insertion_loss_db",
        "crossing_loss_db",
        "crosstalk",
        "port_phase",
        "port_gain",
        "stuck",
        "phase_noise",
        "detector_noise",
    )

    def __post_init__(self) -> None:
        for name in self.analogue:
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 0):
                raise ValueError(f"{name} must be a finite number, not negative: {value}")
        if self.crosstalk >= 1:
            raise ValueError(f"crosstalk is a share of the neighbour's phase, below 1: {self.crosstalk}")
        if self.stuck > 1:
            raise ValueError(f"stuck is a share of the heaters, at most 1: {self.stuck}")
        if self.dac_bits is not None and not 1 <= self.dac_bits <= 24:
            raise ValueError(f"dac_bits must be between 1 and 24 (or none), not {self.dac_bits}")
        if self.dac_volts and self.dac_bits is None:
            raise ValueError("dac_volts says how a converter's steps lie: it needs dac_bits")
        strange = self.known - {f.name for f in fields(self)}
        if strange:
            raise ValueError(f"known names imperfections that do not exist: {sorted(strange)}")

    @property
    def ports(self) -> bool:
        """Whether ports differ, so that the two directions do."""
        return bool(self.port_phase or self.port_gain)

    @property
    def step(self) -> float | None:
        """Distance of two heater levels [rad]; None = continuous, or not the same for all."""
        return None if self.dac_bits is None or self.dac_volts else 2 * math.pi / 2**self.dac_bits

    @property
    def codes(self) -> int:
        """Largest code of a converter whose steps are volts; 0 where it has none."""
        return 2**self.dac_bits - 1 if self.dac_bits is not None and self.dac_volts else 0

    def believed(self) -> "Imperfections":
        """Return what the controller knows: the others set to zero."""
        return replace(self, **{name: 0.0 for name in self.analogue if name not in self.known})


def crosstalk_matrix(topology: Topology, names: list[str], strength: float) -> Float[Tensor, "heaters heaters"]:
    """X with phase error X p from the phases p of a tile's heaters, in the order of `names`; zero diagonal."""
    places = topology.floorplan(2.0, 1.0)
    at = torch.tensor([places[name] for name in names], dtype=torch.float64)
    mesh = [name.split("_", 1)[0] for name in names]
    same = torch.tensor([[a == b for b in mesh] for a in mesh])
    distance = torch.cdist(at, at)
    coupled = same & (distance > 0)
    return torch.where(coupled, strength * torch.exp(-2 * (distance - 1)), 0.0)
