"""EP's nudge as light: an intensity perturbation on the balanced photodiodes of the output neurons."""

import math
from dataclasses import dataclass, field, replace
from functools import cached_property

import torch
from jaxtyping import Float
from torch import Tensor

from ep_core.cost import Cost
from ep_core.nudge import Law, Mode
from photonic_ep.detect import BalancedDetector
from photonic_ep.hardware import Hardware


@dataclass(frozen=True, kw_only=True)
class NudgeLight:
    """The source of the nudge, one modulator a diode.

    Attributes:
        ceiling_mw: largest power on a diode [mW]. full_scale_mw: power whose photocurrent is a drive of 1 [mW].
        bits: of the DAC over 0..ceiling; None = continuous.
        extinction_db: ceiling over the power that leaks when the modulator is off [dB]; None = no leak.
        mismatch: standard deviation of the relative difference of a pair's responsivities.
        detector: noise of the light's detection; None = noiseless.

    """

    ceiling_mw: float = 1.0
    full_scale_mw: float = 1.0
    bits: int | None = None
    extinction_db: float | None = None
    mismatch: float = 0.0
    detector: BalancedDetector | None = None

    def __post_init__(self) -> None:
        for name in ("ceiling_mw", "full_scale_mw"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise ValueError(f"{name} of the nudge must be a positive power, not {value}")
        if self.bits is not None and not 1 <= self.bits <= 16:
            raise ValueError(f"nudge bits must be between 1 and 16 (or none), not {self.bits}")
        if self.extinction_db is not None and not self.extinction_db > 0:
            raise ValueError(f"the nudge's extinction must be a positive number of dB, not {self.extinction_db}")
        if not 0 <= self.mismatch < 1:
            raise ValueError(f"the nudge's diode mismatch must lie between 0 and 1, not {self.mismatch}")

    @property
    def ceiling(self) -> float:
        """Largest power in units of full scale."""
        return self.ceiling_mw / self.full_scale_mw


@dataclass(frozen=True, kw_only=True)
class IntensityNudge:
    """Mutually incoherent light on the + or the - diode of output k, of power proportional to beta |dC/ds_k|.

    Intensity is never negative, so the sign picks the diode (push-pull). Ideal limit (no levels, leak, mismatch
    or noise, within the ceiling): exactly -beta dC/ds.

    Attributes:
        light: the source. mode: 'closed' follows the state, 'frozen' is set once from the free state.
        difference: relative responsivity difference of each output's pair, static; `build` draws it.
        hardware: whose converters, modulators and laser make the light.

    """

    light: NudgeLight
    mode: Mode = "frozen"
    difference: Float[Tensor, " k"] = field(default_factory=lambda: torch.zeros(()))
    hardware: Hardware = field(default_factory=Hardware)

    @classmethod
    def build(
        cls,
        light: NudgeLight,
        outputs: int,
        *,
        mode: Mode,
        generator: torch.Generator,
        dtype: torch.dtype,
        hardware: Hardware | None = None,
    ) -> "IntensityNudge":
        """Draw the static mismatch of `outputs` diode pairs."""
        draw = torch.randn(outputs, generator=generator, dtype=torch.float64)
        parts = Hardware() if hardware is None else hardware
        return cls(light=light, mode=mode, difference=(light.mismatch * draw).to(dtype), hardware=parts)

    @property
    def law(self) -> Law:
        """`emit` and `act` in numbers."""
        variances, detector = (0.0, 0.0, 0.0), self.light.detector
        if detector is not None:
            watts = 1e-3 * self.light.full_scale_mw
            full, found = detector.responsivity * watts, detector.variances
            variances = found[0] / full**2, found[1] * watts / full**2, found[2] * watts**2 / full**2
        return Law(curve=self._curve, variances=variances, responses=self._responses)

    @property
    def _curve(self) -> tuple[float, float, float, float]:
        """Ceiling, distance of two levels (0: none), and what modulators make of a power: its share, and their leak."""
        light, ceiling = self.light, self.light.ceiling
        step = 0.0 if light.bits is None else ceiling / (2**light.bits - 1)
        leak = 0.0 if light.extinction_db is None else 10 ** (-light.extinction_db / 10)
        return ceiling, step, 1 - leak, ceiling * leak

    def cost(self, outputs: int) -> Cost:
        """A converter and a modulator a diode, and the laser, which can give all of them the ceiling.

        A frozen nudge is set once a phase; its converters then hold. Diodes are the receivers', which are there anyway.
        """
        parts, diodes = self.hardware, 2 * outputs
        read = {
            "dac": replace(parts.dac.part().times(diodes), seconds=0.0),
            "modulator": parts.modulator.part().times(diodes),
            "laser": parts.supply.part(diodes * self.light.ceiling_mw),
        }
        return Cost(read=read)

    def emit(self, wanted: Float[Tensor, "batch k"]) -> Float[Tensor, "batch k 2"]:
        """Power on the + and on the - diode, in units of full scale, as DAC and modulator make it."""
        ceiling, step, kept, leak = self._curve
        power = torch.stack([wanted, -wanted], -1).clamp(0, ceiling)
        if step:
            power.div_(step).round_().mul_(step)
        return power.mul_(kept).add_(leak) if leak else power

    def act(self, setting: Float[Tensor, "batch k 2"], generator: torch.Generator | None) -> Float[Tensor, "batch k"]:
        """Difference current in units of full scale: (1 + d/2) P+ - (1 - d/2) P-, with the light's noise."""
        plus, minus = (self._responses * setting).unbind(-1)
        force = plus - minus
        detector = self.light.detector
        if detector is None or generator is None:
            return force
        watts = 1e-3 * self.light.full_scale_mw
        sigma = detector.noise(watts * plus, watts * minus) / (detector.responsivity * watts)
        return force.add_(sigma.mul_(torch.randn(force.shape, generator=generator, dtype=force.dtype)))

    @cached_property
    def _responses(self) -> Float[Tensor, "*k 2"]:
        """Of the + and the - diode: 1 + d/2 and 1 - d/2."""
        return torch.stack([1 + self.difference / 2, 1 - self.difference / 2], -1)
