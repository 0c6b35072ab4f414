"""Neurons: the transfer rho(u) of a unit, its slope and its energy G with G'(s) = rho^-1(s)."""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
import torch
from scipy.special import spence
from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class Activation(ABC):
    """An increasing transfer s = rho(u) onto the box [low, high].

    Attributes:
        bits: of the converters that hold a state: 2^bits levels over the box; None = continuous. The levels
            are of the state, so products with the weights stay linear.
        noise: standard deviation of what every update adds to a state, drawn from the phase's generator.

    """

    bits: int | None = None
    noise: float = 0.0

    low = 0.0
    high = 1.0
    holomorphic = False  # whether rho continues to complex drives

    def __post_init__(self) -> None:
        if self.bits is not None and not 1 <= self.bits <= 16:
            raise ValueError(f"state bits must be between 1 and 16 (or none), not {self.bits}")
        if self.bits is not None and math.isinf(self.high - self.low):
            raise ValueError(f"levels need a box with two ends, not {self.low} .. {self.high}")
        if not (math.isfinite(self.noise) and self.noise >= 0):
            raise ValueError(f"the noise of neurons must be finite and not negative, not {self.noise}")

    def __call__(self, drive: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Return the state for a drive: rho(u), with noise, rounded to the nearest level where `bits` is given.

        Noise is drawn from `generator` only; None updates without noise.
        """
        state = self.rho(drive)
        if self.noise and generator is not None:
            state = state + self.noise * torch.randn(
                state.shape, generator=generator, dtype=state.dtype, device=state.device
            )
        return state if self.bits is None else self._round_(state - self.low)

    def _round_(self, above: Tensor) -> Tensor:
        """Nearest level, in place, of what is above `low`."""
        assert self.bits is not None
        steps = (2**self.bits - 1) / (self.high - self.low)
        return above.mul_(steps).round_().div_(steps).add_(self.low)

    def consume(self, drive: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """The same, for a drive that is needed no more: the state may take its memory."""
        return self(drive, generator)

    @property
    def level(self) -> float:
        """Distance between two levels of the state; 0 if continuous."""
        return 0.0 if self.bits is None else (self.high - self.low) / (2**self.bits - 1)

    @abstractmethod
    def rho(self, drive: Tensor) -> Tensor:
        """The transfer, before levels."""

    @abstractmethod
    def slope(self, drive: Tensor) -> Tensor:
        """rho'(u), before levels."""

    @abstractmethod
    def energy(self, state: Tensor) -> Tensor:
        """G(s), elementwise, with G' = rho^-1 inside the box."""

    @abstractmethod
    def piece(self, drive: Tensor) -> Tensor:
        """Number of the smooth piece that u lies on (-1, 0, 1): a unit crosses a kink where it changes."""


@dataclass(frozen=True, kw_only=True)
class HardSigmoid(Activation):
    """rho(u) = clip(u, low, high); G = s^2 / 2 on the box (Scellier & Bengio 2017)."""

    low: float = 0.0
    high: float = 1.0

    def rho(self, drive: Tensor) -> Tensor:
        """clip(u, low, high)."""
        return drive.clamp(self.low, self.high)

    def consume(self, drive: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """clip(u, low, high) in place, and the nearest level, unless there is noise."""
        if self.noise and generator is not None:
            return self(drive, generator)
        drive.clamp_(self.low, self.high)
        return drive if self.bits is None else self._round_(drive.sub_(self.low))

    def slope(self, drive: Tensor) -> Tensor:
        """1 inside the box, 0 outside."""
        return (self.piece(drive) == 0).to(drive.dtype)

    def energy(self, state: Tensor) -> Tensor:
        """s^2 / 2."""
        return state.square() / 2

    def piece(self, drive: Tensor) -> Tensor:
        """Below, inside or above the box."""
        return (drive > self.high).int() - (drive < self.low).int()


@dataclass(frozen=True, kw_only=True)
class Sigmoid(Activation):
    """rho(u) = 1 / (1 + exp(-(4 u - 2))): smooth, slope 1 at u = 1/2 as the hard sigmoid."""

    holomorphic = True

    def rho(self, drive: Tensor) -> Tensor:
        """sigmoid(4u - 2)."""
        return torch.sigmoid(4 * drive - 2)

    def slope(self, drive: Tensor) -> Tensor:
        """4 s (1 - s)."""
        state = self.rho(drive)
        return 4 * state * (1 - state)

    def energy(self, state: Tensor) -> Tensor:
        """s/2 + [s ln s + (1 - s) ln(1 - s)] / 4."""
        return state / 2 + (torch.xlogy(state, state) + torch.xlogy(1 - state, 1 - state)) / 4

    def piece(self, drive: Tensor) -> Tensor:
        """One piece: there is no kink."""
        return torch.zeros_like(drive, dtype=torch.int32)


@dataclass(frozen=True, kw_only=True)
class Tanh(Activation):
    """rho(u) = tanh(u), on the box [-1, 1]."""

    low = -1.0
    holomorphic = True

    def rho(self, drive: Tensor) -> Tensor:
        """tanh(u)."""
        return torch.tanh(drive)

    def slope(self, drive: Tensor) -> Tensor:
        """1 - s^2."""
        return 1 - self.rho(drive).square()

    def energy(self, state: Tensor) -> Tensor:
        """[(1 + s) ln(1 + s) + (1 - s) ln(1 - s)] / 2."""
        return (torch.xlogy(1 + state, 1 + state) + torch.xlogy(1 - state, 1 - state)) / 2

    def piece(self, drive: Tensor) -> Tensor:
        """One piece: there is no kink."""
        return torch.zeros_like(drive, dtype=torch.int32)


@dataclass(frozen=True, kw_only=True)
class Softplus(Activation):
    """rho(u) = ln(1 + e^{k u}) / k, k = 4: a smooth rectifier; its states have no upper end."""

    high = math.inf
    holomorphic = True

    def rho(self, drive: Tensor) -> Tensor:
        """ln(1 + e^{4u}) / 4, also of complex u."""
        if drive.is_complex():
            return torch.log(1 + torch.exp(4 * drive)) / 4
        return torch.nn.functional.softplus(drive, beta=4, threshold=40)

    def slope(self, drive: Tensor) -> Tensor:
        """sigmoid(4u)."""
        return torch.sigmoid(4 * drive)

    def energy(self, state: Tensor) -> Tensor:
        """s^2/2 + Li2(e^{-4s})/16 + const: the integral of rho^-1(s) = s + ln(1 - e^{-4s}) / 4."""
        # int ln(1 - e^{-4s}) ds / 4 = Li2(e^{-4s}) / 16, and spence(z) = Li2(1 - z)
        rest = spence(-np.expm1(-4 * state.detach().cpu().double().numpy()))
        return state.square() / 2 + torch.as_tensor(rest / 16, dtype=state.dtype, device=state.device)

    def piece(self, drive: Tensor) -> Tensor:
        """One piece: there is no kink."""
        return torch.zeros_like(drive, dtype=torch.int32)


@dataclass(frozen=True, kw_only=True)
class Linear(Activation):
    """rho(u) = u, without a box: an output that no clipping ever cuts off from its gradient. G = s^2 / 2."""

    low = -math.inf
    high = math.inf
    holomorphic = True

    def rho(self, drive: Tensor) -> Tensor:
        """u."""
        return drive

    def slope(self, drive: Tensor) -> Tensor:
        """1."""
        return torch.ones_like(drive)

    def energy(self, state: Tensor) -> Tensor:
        """s^2 / 2."""
        return state.square() / 2

    def piece(self, drive: Tensor) -> Tensor:
        """One piece: there is no kink."""
        return torch.zeros_like(drive, dtype=torch.int32)


@dataclass(frozen=True, kw_only=True)
class Modulator(Activation):
    """rho(u) = sin(pi/2 clip(u, 0, 1)): the field transfer of a Mach-Zehnder modulator as a neuron."""

    def rho(self, drive: Tensor) -> Tensor:
        """sin(pi/2 clip(u, 0, 1))."""
        return torch.sin(math.pi / 2 * drive.clamp(0, 1))

    def slope(self, drive: Tensor) -> Tensor:
        """pi/2 cos(pi u / 2) inside the box, 0 outside."""
        inside = (self.piece(drive) == 0).to(drive.dtype)
        return inside * math.pi / 2 * torch.cos(math.pi / 2 * drive.clamp(0, 1))

    def energy(self, state: Tensor) -> Tensor:
        """2/pi [s asin s + sqrt(1 - s^2)]."""
        return 2 / math.pi * (state * torch.asin(state) + torch.sqrt((1 - state.square()).clamp(min=0)))

    def piece(self, drive: Tensor) -> Tensor:
        """Below, inside or above the modulator's swing."""
        return (drive > 1).int() - (drive < 0).int()
