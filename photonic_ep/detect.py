"""Where light becomes a number: homodyne detection of a field, and balanced photodiodes with their noise."""

from dataclasses import dataclass

import torch
from jaxtyping import Complex, Float
from torch import Tensor

ELEMENTARY_CHARGE = 1.602176634e-19  # C, exact (SI 2019)


def homodyne(field: Complex[Tensor, "*shape"], lo_phase: Float[Tensor, "*phase"]) -> Float[Tensor, "*shape"]:
    """Re(E e^{-i psi}): the quadrature that beats with a local oscillator of phase `lo_phase` [rad]."""
    return torch.cos(lo_phase) * field.real + torch.sin(lo_phase) * field.imag


@dataclass(frozen=True, kw_only=True)
class BalancedDetector:
    """A pair of photodiodes whose currents are subtracted.

    Attributes:
        responsivity: current per optical power [A/W]; 1.2: Al-Qadasi et al., APL Photonics 7:020902 (2022),
            as cited by later system models (tag B: original unread).
        bandwidth_hz: noise bandwidth [Hz]; 1e9: assumed.
        rin_db_hz: relative intensity noise of the light [dB/Hz]; -140: same source as the responsivity.
            None = a light source without intensity noise.
        shot: whether the light's shot noise counts.

    """

    responsivity: float = 1.2
    bandwidth_hz: float = 1e9
    rin_db_hz: float | None = -140.0
    shot: bool = True

    def __post_init__(self) -> None:
        if not (self.responsivity > 0 and self.bandwidth_hz > 0):
            raise ValueError(
                f"responsivity and bandwidth must be positive, not {self.responsivity}, {self.bandwidth_hz}"
            )

    def noise(self, plus: Float[Tensor, "*shape"], minus: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        """Standard deviation [A] of the difference current under `plus` and `minus` watts on the two diodes.

        variance = 2 e R (P+ + P-) B + RIN B R^2 (P+^2 + P-^2): the RIN of light on one diode is not common mode.
        """
        r, b = self.responsivity, self.bandwidth_hz
        variance = torch.zeros_like(plus)
        if self.shot:
            variance = variance + 2 * ELEMENTARY_CHARGE * r * (plus + minus) * b
        if self.rin_db_hz is not None:
            variance = variance + 10 ** (self.rin_db_hz / 10) * b * r**2 * (plus.square() + minus.square())
        return torch.sqrt(variance)
