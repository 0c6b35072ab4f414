"""What fabrication and control do to a mesh, and which of it the controller knows."""

import math
from dataclasses import dataclass, fields, replace
from typing import ClassVar

from photonic_ep.mesh.heat import FloorPlan

# Change of a 50:50 coupler's angle with the wavelength [rad/nm]: pi dn(wl) L / wl is pi/4 at 1.55 um, and dn = .02,
# dn' = .1169 /um are the defaults of sax's `coupler` (tag C)
COUPLER_SLOPE = 1e-3 * math.pi / 4 * (0.1169 / 0.02 - 1 / 1.55)
DESIGN_NM = 1550.0


@dataclass(frozen=True, kw_only=True)
class Imperfections:
    """Imperfections of every tile; all zero = an exact mesh. Static ones are drawn once, noise in every read.

    Attributes:
        phase_error: standard deviation of each heater's static phase error [rad].
        splitter_error: standard deviation of each coupler's angle [rad] (.02 rad is a split of 50 +- 2 %).
        insertion_loss_db: loss of both outputs of each MZI [dB].
        crossing_loss_db: loss of each waveguide at each crossing [dB], in topologies that have some.
        imbalance_db: what each heated arm loses more than the arm beside it, |N(0, imbalance_db)| [dB], drawn for
            every theta and every phi.
        detuning_nm: wavelength of the laser minus the design's 1550 [nm]. Phases go with 1/wavelength; the angle of
            every coupler changes by `COUPLER_SLOPE` detuning_nm (dispersion of sax's default coupler).
        crosstalk: phase that a heater adds to a neighbour at distance 1, as a share of its own;
            crosstalk exp(-2 (d - 1)) at distance d on the grid (heater stage, top mode), within a mesh.
        floor: instead, a floor plan by whose distances heat flows, within the whole tile and to its neighbours.
        port_phase: standard deviation of the phase of each port of the operator, in each direction [rad]: between its
            modulator or receiver and the mesh. Light sent backwards then sees another matrix than W'.
        port_gain: relative standard deviation of each port's gain, in each direction.
        port_reflection: root mean square of the amplitude that each port of each tile sends back into the mesh, in each
            direction: T (1 - R_in T' R_out T)^-1 is what goes through.
        stuck: share of the heaters that are dead: no current, no heat, phase 0 whatever they are set to.
        phase_noise: standard deviation of every phase in every read [rad].
        detector_noise: standard deviation of what a receiver adds to every read, in units of the neurons' drives.
        drift: standard deviation of what each phase wanders off by in the long run [rad] (Ornstein-Uhlenbeck), from 0
            on; alignment of the oscillators is all that takes it back.
        drift_reads: time constant of that, in reads of an operator one after the other.
        dac_bits: phases are held in steps of 2 pi / 2^bits; what is rounded away is owed. None = continuous.
        dac_volts: the converter's steps are equal in volts instead, over the heater's whole range: heat is V^2 / R, so
            the phase is that of full scale times (n / (2^bits - 1))^2.
        known: names of the imperfections that the controller's model (its twin) includes.

    """

    phase_error: float = 0.0
    splitter_error: float = 0.0
    insertion_loss_db: float = 0.0
    crossing_loss_db: float = 0.0
    imbalance_db: float = 0.0
    detuning_nm: float = 0.0
    crosstalk: float = 0.0
    floor: FloorPlan | None = None
    port_phase: float = 0.0
    port_gain: float = 0.0
    port_reflection: float = 0.0
    stuck: float = 0.0
    phase_noise: float = 0.0
    detector_noise: float = 0.0
    drift: float = 0.0
    drift_reads: float = 1e6
    dac_bits: int | None = None
    dac_volts: bool = False
    known: frozenset[str] = frozenset(
        {"phase_error", "splitter_error", "insertion_loss_db", "crossing_loss_db", "imbalance_db", "detuning_nm"}
    )

    analogue: ClassVar[tuple[str, ...]] = (
        "phase_error",
        "splitter_error",
        "insertion_loss_db",
        "crossing_loss_db",
        "imbalance_db",
        "detuning_nm",
        "crosstalk",
        "port_phase",
        "port_gain",
        "port_reflection",
        "stuck",
        "phase_noise",
        "detector_noise",
        "drift",
    )

    def __post_init__(self) -> None:
        for name in self.analogue:
            value = getattr(self, name)
            if not (math.isfinite(value) and (value >= 0 or name == "detuning_nm")):
                raise ValueError(f"{name} must be a finite number, not negative: {value}")
        if self.crosstalk >= 1:
            raise ValueError(f"crosstalk is a share of the neighbour's phase, below 1: {self.crosstalk}")
        if self.crosstalk and self.floor is not None:
            raise ValueError(f"heat flows by crosstalk ({self.crosstalk}) on a grid or by a floor plan, not by both")
        if not abs(self.detuning_nm) < DESIGN_NM / 2:
            raise ValueError(f"detuning_nm must be small beside {DESIGN_NM:g} nm, not {self.detuning_nm}")
        if self.port_reflection >= 0.5:
            raise ValueError(f"port_reflection is an amplitude, below .5: {self.port_reflection}")
        if not self.drift_reads > 0:
            raise ValueError(f"drift_reads must be a positive number of reads, not {self.drift_reads}")
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
        return bool(self.port_phase or self.port_gain or self.port_reflection)

    @property
    def heat(self) -> bool:
        """Whether heat flows between heaters."""
        return bool(self.crosstalk) or self.floor is not None

    @property
    def coupler_shift(self) -> float:
        """What the detuning adds to the angle of every coupler [rad]."""
        return COUPLER_SLOPE * self.detuning_nm

    @property
    def phase_scale(self) -> float:
        """Phases at the laser's wavelength over those at the design's."""
        return DESIGN_NM / (DESIGN_NM + self.detuning_nm)

    @property
    def step(self) -> float | None:
        """Distance of two heater levels [rad]; None = continuous, or not the same for all."""
        return None if self.dac_bits is None or self.dac_volts else 2 * math.pi / 2**self.dac_bits

    @property
    def codes(self) -> int:
        """Largest code of a converter whose steps are volts; 0 where it has none."""
        return 2**self.dac_bits - 1 if self.dac_bits is not None and self.dac_volts else 0

    def believed(self) -> "Imperfections":
        """Return what the controller knows: the others set to zero, or to none."""
        nothing = {name: 0.0 for name in self.analogue if name not in self.known}
        return replace(self, **nothing, floor=self.floor if "crosstalk" in self.known else None)
