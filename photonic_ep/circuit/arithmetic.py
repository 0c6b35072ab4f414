"""Arithmetic on settings that may be plain numbers or tensors.

On plain numbers it stays plain: far cheaper than on tensors, and most settings of most parts are numbers.
"""

import math
from collections.abc import Iterable
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from photonic_ep.circuit.settings import plain

Setting = float | int | np.ndarray | Tensor
Number = float | Tensor
FEW = 300  # up to so many numbers torch's polar, one operation, beats its cos and sin


def share(name: str, value: Setting) -> Number:
    """Return a share of power, 0..1; ValueError outside, NaN included."""
    (value,) = read(value)
    if isinstance(value, Tensor):
        if not value.numel():
            return value
        least, most = map(float, torch.aminmax(value.detach()))
    else:
        least = most = value
    if not (least >= 0 and most <= 1):
        raise ValueError(f"{name} is a share of power between 0 and 1, not {least if not least >= 0 else most:g}")
    return value


def read(*settings: Setting) -> list[Number]:
    """Arrays as tensors, whole numbers as doubles."""
    return [float(s) if isinstance(s, float | int) else plain(s) for s in settings]


def cos(x: Number) -> Number:
    """Return cos x."""
    return torch.cos(x) if isinstance(x, Tensor) else math.cos(x)


def sin(x: Number) -> Number:
    """Return sin x."""
    return torch.sin(x) if isinstance(x, Tensor) else math.sin(x)


def asin(x: Number) -> Number:
    """Return asin x."""
    return torch.asin(x) if isinstance(x, Tensor) else math.asin(x)


def sqrt(x: Number) -> Number:
    """Return sqrt x."""
    return torch.sqrt(x) if isinstance(x, Tensor) else math.sqrt(x)


def exp(x: Number) -> Number:
    """Return exp x."""
    return torch.exp(x) if isinstance(x, Tensor) else math.exp(x)


Complex = complex | float | Tensor


def affine(slopes: tuple[Complex, ...], x: Tensor, offsets: tuple[Complex, ...]) -> Iterable[Tensor]:
    """Each slope x + offset; with numbers in one operation, which counts in small circuits."""
    if any(isinstance(number, Tensor) for number in (*slopes, *offsets)):
        return [slope * x + offset for slope, offset in zip(slopes, offsets, strict=True)]
    slope, offset = (column(numbers, x.dim(), x.dtype, x.device) for numbers in (slopes, offsets))
    return torch.addcmul(offset, slope, x).unbind()


@lru_cache(maxsize=64)
def column(numbers: tuple[complex | float, ...], dims: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """Return numbers as a tensor (numbers, 1, ..), `dims` ones; the first alone for -1. Kept: do not write to it."""
    with torch.inference_mode(mode=False):  # what it makes serves gradients later
        column = torch.tensor(numbers, dtype=dtype, device=device)
        return column.reshape(-1, *(1,) * dims) if dims >= 0 else column[0]


def keep(loss_dB: Number) -> Number:
    """Amplitude that a loss leaves."""
    return 10 ** (-loss_dB / 20)


def scaled(loss: Number, length: Number) -> Number:
    """loss x length; no loss stays the number 0."""
    return loss * length if isinstance(loss, Tensor) or loss else 0.0


def real(x: Number) -> Tensor:
    """x + 0i."""
    return torch.complex(x, torch.zeros_like(x)) if isinstance(x, Tensor) else number(x)


def imaginary(x: Number) -> Tensor:
    """0 + ix."""
    return torch.complex(torch.zeros_like(x), x) if isinstance(x, Tensor) else number(1j * x)


def number(x: complex | float) -> Tensor:
    """Return a number as a tensor, in double precision."""
    return torch.tensor(x, dtype=torch.complex128)


def wave(phase: Number, loss_dB: Number) -> Tensor:
    """10^(-loss/20) e^{i phase}."""
    if not isinstance(phase, Tensor):
        turn = number(complex(math.cos(phase), math.sin(phase)))
    elif phase.numel() < FEW:
        turn = torch.polar(column((1.0,), -1, phase.dtype, phase.device), phase)
    else:
        turn = torch.complex(torch.cos(phase), torch.sin(phase))
    return turn * keep(loss_dB) if isinstance(loss_dB, Tensor) or loss_dB else turn


def spread(value: Tensor, wl: Number) -> Tensor:
    """A value that does not depend on the wavelength, for every wavelength; a lone number takes its precision."""
    if not isinstance(wl, Tensor):
        return value
    if not value.dim():
        value = value.to(torch.promote_types(wl.dtype, torch.complex32))
    if value.dim() == wl.dim() and value.numel() and wl.numel():
        return value.expand(tuple(map(max, value.shape, wl.shape)))  # (a tenth of the time of what is below)
    return value.expand(np.broadcast_shapes(value.shape, wl.shape))
