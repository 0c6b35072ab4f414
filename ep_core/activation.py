"""Neurons: the transfer rho(u) of a unit, its slope and its energy G with G'(s) = rho^-1(s)."""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class Activation(ABC):
    """An increasing transfer s = rho(u) onto the box [low, high].

    Attributes:
        bits: of the converters that hold a state: 2^bits levels over the box; None = continuous. The levels
            are of the state, so products with the weights stay linear.

    """

    bits: int | None = None

    low = 0.0
    high = 1.0
    holomorphic = False  # whether rho continues to complex drives

    def __post_init__(self) -> None:
        if self.bits is not None and not 1 <= self.bits <= 16:
            raise ValueError(f"state bits must be between 1 and 16 (or none), not {self.bits}")

    def __call__(self, drive: Tensor) -> Tensor:
        """Return the state for a drive: rho(u), rounded to the nearest level where `bits` is given."""
        state = self.rho(drive)
        if self.bits is None:
            return state
        steps = (2**self.bits - 1) / (self.high - self.low)
        return torch.round((state - self.low) * steps) / steps + self.low

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
