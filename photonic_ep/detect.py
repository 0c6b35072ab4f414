"""The ends of a circuit: lasers at its inputs; homodyne and balanced photodiodes, with their noise, at its outputs."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Complex, Float
from torch import Tensor

from ep_core.quantity import Quantity

ELEMENTARY_CHARGE = 1.602176634e-19  # C, exact (SI 2019)
BOLTZMANN = 1.380649e-23  # J/K, exact (SI 2019)


def homodyne(field: Complex[Tensor, "*shape"], lo_phase: Float[Tensor, "*phase"]) -> Float[Tensor, "*shape"]:
    """Re(E e^{-i psi}): the quadrature that beats with a local oscillator of phase `lo_phase` [rad]."""
    return torch.cos(lo_phase) * field.real + torch.sin(lo_phase) * field.imag


@dataclass(frozen=True, kw_only=True)
class Laser:
    """A source of coherent light at one port: a field sqrt(P) e^{i phase} [sqrt W], matched (it reflects nothing).

    Attributes:
        power_mw: optical power [mW].
        phase: of the field [rad].
        rin_db_hz: relative intensity noise [dB/Hz]; None = a laser without. -135 dB/Hz a mode: a quantum-dot comb,
            Sci. Rep. s41598-024-53609-9 (2024).

    """

    power_mw: float = 1.0
    phase: float = 0.0
    rin_db_hz: float | None = None

    def __post_init__(self) -> None:
        if not (0 <= self.power_mw < math.inf):
            raise ValueError(f"a laser's power must be zero or more milliwatts, not {self.power_mw}")

    def field(
        self, samples: int = 1, *, bandwidth_hz: float = 1e9, generator: torch.Generator | None = None
    ) -> Complex[Tensor, " samples"]:
        """Independent samples of the field [sqrt W]; with a generator, P (1 + sqrt(RIN B) n) at a bandwidth B [Hz]."""
        power = torch.full((samples,), 1e-3 * self.power_mw, dtype=torch.float64)
        if generator is not None and self.rin_db_hz is not None:
            spread = math.sqrt(10 ** (self.rin_db_hz / 10) * bandwidth_hz)
            drawn = torch.randn(samples, generator=generator, dtype=torch.float64)
            power = power * (1 + spread * drawn).clamp(min=0)
        return torch.polar(torch.sqrt(power), torch.full_like(power, self.phase))


def emerging(
    s: Complex[Tensor, "*batch out in"], ports: tuple[str, ...], light: Mapping[str, Tensor]
) -> dict[str, Complex[Tensor, "*shape"]]:
    """Fields that leave every port of a circuit, S a, for the fields a that enter some of them.

    Args:
        s: S-parameters of `Circuit.dense`.
        ports: their names, from the same call.
        light: by port, the field that enters it, such as `Laser.field`; the shapes broadcast with the batch of s.

    Raises:
        ValueError: a port that the circuit does not have.

    """
    if not light:
        raise ValueError("give light to at least one port")
    for name in light:
        if name not in ports:
            raise ValueError(f"the circuit has no port {name!r} to shine into; it has {list(ports)}")
    parts = {
        out: [s[..., n, ports.index(into)] * field for into, field in light.items()] for n, out in enumerate(ports)
    }
    return {out: torch.stack(torch.broadcast_tensors(*fields)).sum(0) for out, fields in parts.items()}


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
        load_ohm: resistance whose thermal noise adds [ohm]; None = a receiver without. 50: as the responsivity; a
            transimpedance amplifier of 7.2 pA/sqrt(Hz) (Atef, TCAS-I 2013) is one of 320 ohm.
        temperature_k: of that resistance [K].

    """

    responsivity: float = Quantity(1.2, unit="A/W", source="Al-Qadasi, APL Photon. 7:020902 (B)")
    bandwidth_hz: float = Quantity(1e9, unit="Hz", source="assumed")
    rin_db_hz: float | None = -140.0
    shot: bool = True
    load_ohm: float | None = None
    temperature_k: float = 300.0
    sources: ClassVar[Mapping[str, str]] = {
        "rin_db_hz": "Al-Qadasi, APL Photon. 7:020902 (B)",
        "load_ohm": "Atef, TCAS-I 2013 (A)",
        "temperature_k": "assumed",
    }

    def __post_init__(self) -> None:
        if self.rin_db_hz is not None and not math.isfinite(self.rin_db_hz):
            raise ValueError(f"the intensity noise must be a number of dB/Hz or none, not {self.rin_db_hz}")
        if not (self.load_ohm is None or self.load_ohm > 0) or not self.temperature_k >= 0:
            raise ValueError(
                f"a load must be positive, a temperature zero or more, not {self.load_ohm} ohm, {self.temperature_k} K"
            )
        if not (self.responsivity > 0 and self.bandwidth_hz > 0):
            raise ValueError(
                f"responsivity and bandwidth must be positive, not {self.responsivity}, {self.bandwidth_hz}"
            )

    def noise(self, plus: Float[Tensor, "*shape"], minus: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        """Standard deviation [A] of the difference current under `plus` and `minus` watts on the two diodes.

        variance = 2 e R (P+ + P-) B + 4 k T B / load + RIN B R^2 (P+^2 + P-^2): the RIN of light on one diode is not
        common mode.
        """
        thermal, shot, intensity = self.variances
        variance = thermal + shot * (plus + minus)
        if intensity:
            variance = variance + intensity * (plus.square() + minus.square())
        return torch.sqrt(variance)

    @property
    def variances(self) -> tuple[float, float, float]:
        """Of the difference current: without light [A^2], per watt, and per squared watt."""
        r, b = self.responsivity, self.bandwidth_hz
        return (
            0.0 if self.load_ohm is None else 4 * BOLTZMANN * self.temperature_k * b / self.load_ohm,
            2 * ELEMENTARY_CHARGE * r * b if self.shot else 0.0,
            0.0 if self.rin_db_hz is None else 10 ** (self.rin_db_hz / 10) * b * r**2,
        )

    def current(
        self, plus: Float[Tensor, "*shape"], minus: Float[Tensor, "*shape"], generator: torch.Generator | None = None
    ) -> Float[Tensor, "*shape"]:
        """Difference current R (P+ - P-) [A] under `plus` and `minus` watts; with a generator, and its noise."""
        mean = self.responsivity * (plus - minus)
        if generator is None:
            return mean
        return mean + self.noise(plus, minus) * torch.randn(mean.shape, generator=generator, dtype=mean.dtype)
