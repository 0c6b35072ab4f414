"""Reference devices, ready to train on. A number without a readable measured source is marked assumed."""

from collections.abc import Callable
from dataclasses import dataclass

from photonic_ep.detect import BalancedDetector
from photonic_ep.mesh.imperfections import Imperfections
from photonic_ep.mesh.topology import Topology, clements
from photonic_ep.nudge import NudgeLight


@dataclass(frozen=True, kw_only=True)
class Device:
    """A whole photonic machine: tiles, their imperfections, the converters of the states, the nudge's light."""

    tile: int
    topology: Callable[[int], Topology]
    imperfections: Imperfections
    state_bits: int | None
    nudge: NudgeLight


# Assumed: ceiling, full scale, bits, extinction and mismatch are a plausible silicon modulator and diode pair;
# the detector's constants carry their source in `BalancedDetector`.
NUDGE_A = NudgeLight(
    ceiling_mw=1.0, full_scale_mw=1.0, bits=8, extinction_db=25.0, mismatch=0.02, detector=BalancedDetector()
)

# phase_error .05 rad, splitter_error .02 rad and dac_bits 8: assumed (no readable measured source).
# insertion_loss_db .1: lower end of the .1-.2 dB per MZI that Pai et al., Science 380:398 (2023), SM, assume.
# crossing_loss_db .16: Bogaerts et al., Opt. Lett. 32:2801 (2007), as cited by 2305.19533 (tag B: original unread);
# Clements and Reck meshes have no crossings.
# crosstalk .02: assumed, about the 2.5 % measured with deep trenches (Munoz, JSTQE 28, 2022, 2203.16956).
DEVICE_F = Device(
    tile=8,
    topology=clements,
    imperfections=Imperfections(
        phase_error=0.05,
        splitter_error=0.02,
        insertion_loss_db=0.1,
        crossing_loss_db=0.16,
        crosstalk=0.02,
        dac_bits=8,
    ),
    state_bits=8,
    nudge=NUDGE_A,
)
