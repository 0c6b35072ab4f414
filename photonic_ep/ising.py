"""The light of a photonic Ising machine: less of it makes reads noisier, which is all the temperature that it needs."""

import math
from dataclasses import dataclass, field
from functools import cached_property

import torch

from photonic_ep.detect import BalancedDetector

# 50 ohm: Al-Qadasi et al., APL Photonics 7:020902 (2022), as cited by later system models (B: original unread)
RECEIVER = BalancedDetector(load_ohm=50.0)


@dataclass(frozen=True, kw_only=True)
class PowerSwept:
    """Noise of `ep_core.NoisyReads` by the power on the receivers, whose gain is turned up as the light is turned down.

    phi(P) = full_scale noise(P/2, P/2) / (R P): shot, thermal and intensity noise of balanced photodiodes, in drives.
    The floor is phi at `most_mw`, the largest noise phi at `least_mw`.

    Attributes:
        detector: the photodiodes with their amplifier.
        full_scale: drive that the light's whole power is [drives]; 8: assumed (fields up to 4, and as much of spins).
        least_mw, most_mw: range of the power at a receiver [mW]; 2e-4 to 1, 37 dB of attenuation: assumed.

    """

    detector: BalancedDetector = field(default_factory=lambda: RECEIVER)
    full_scale: float = 8.0
    least_mw: float = 2e-4
    most_mw: float = 1.0

    def __post_init__(self) -> None:
        if not 0 < self.least_mw < self.most_mw < math.inf:
            raise ValueError(f"powers must be positive and rise, not {self.least_mw} to {self.most_mw} mW")
        if not 0 < self.full_scale < math.inf:
            raise ValueError(f"the full scale must be positive and finite, not {self.full_scale}")

    def phi(self, mw: float) -> float:
        """Noise at a power [drives]."""
        half = torch.tensor(0.5e-3 * mw, dtype=torch.float64)
        return self.full_scale * float(self.detector.noise(half, half)) / (self.detector.responsivity * 1e-3 * mw)

    @cached_property
    def span(self) -> tuple[float, float]:
        """The floor, and the largest noise [drives]."""
        return self.phi(self.most_mw), self.phi(self.least_mw)

    def reached(self, phi: float) -> float:
        """The nearest noise within the range."""
        return min(max(phi, self.span[0]), self.span[1])

    def power(self, phi: float) -> float:
        """Power [mW] at which the noise is `phi`, or the end of the range that is nearest to it."""
        low, high = math.log(self.least_mw), math.log(self.most_mw)
        for _ in range(60):
            middle = 0.5 * (low + high)
            low, high = (middle, high) if self.phi(math.exp(middle)) > phi else (low, middle)
        return math.exp(0.5 * (low + high))
