"""Photonic parts as differentiable S-parameters: plain functions that return S-dictionaries of torch tensors.

Keys are (in, out) as in sax; lengths and wavelengths in um; a positive phase is a delay e^{+i 2 pi n L / wl}.
Ports of a 2 x 2: o1 bottom-left, o2 top-left, o3 top-right, o4 bottom-right. Every setting may be a number or a
tensor; they broadcast. Argument names and defaults are sax's where sax has the part.
"""

import math

import torch
from torch import Tensor

Setting = float | Tensor
SDict = dict[tuple[str, str], Tensor]


def reciprocal(forward: SDict) -> SDict:
    """Add the reverse direction of every entry: S_ij = S_ji."""
    return forward | {(out, into): value for (into, out), value in forward.items()}


def straight(
    *,
    wl: Setting = 1.55,
    wl0: Setting = 1.55,
    neff: Setting = 2.34,
    ng: Setting = 3.4,
    length: Setting = 10.0,
    loss_dB_cm: Setting = 0.0,
) -> SDict:
    """A waveguide: S_12 = 10^(-loss L / 20) e^{i 2 pi n(wl) L / wl}, n(wl) = neff - (wl - wl0)(ng - neff)/wl0.

    Args:
        wl: wavelength [um].
        wl0: wavelength at which neff and ng hold [um].
        neff: effective index at wl0.
        ng: group index at wl0.
        length: of the guide [um].
        loss_dB_cm: power loss [dB/cm].

    """
    wl, wl0, neff, ng, length, loss = _tensors(wl, wl0, neff, ng, length, loss_dB_cm)
    index = neff - (wl - wl0) * (ng - neff) / wl0
    return reciprocal({("o1", "o2"): _wave(2 * math.pi * index * length / wl, 1e-4 * loss * length)})


def phase_shifter(
    *,
    wl: Setting = 1.55,
    neff: Setting = 2.34,
    voltage: Setting = 0.0,
    length: Setting = 10.0,
    loss: Setting = 0.0,
    phase: Setting = 0.0,
) -> SDict:
    """A waveguide with a heater: S_12 = 10^(-loss L / 20) e^{i (2 pi neff L / wl + pi V + phase)}.

    Args:
        wl: wavelength [um].
        neff: effective index.
        voltage: drive in units of V_pi.
        length: of the guide [um].
        loss: power loss [dB/um].
        phase: of the heater, where it is given as such [rad].

    """
    wl, neff, voltage, length, loss, phase = _tensors(wl, neff, voltage, length, loss, phase)
    total = 2 * math.pi * neff * length / wl + math.pi * voltage + phase
    return reciprocal({("o1", "o2"): _wave(total, loss * length)})


def coupler_ideal(*, coupling: Setting = 0.5, delta: Setting = 0.0) -> SDict:
    """A lossless directional coupler, B = [[cos a, i sin a], [i sin a, cos a]], a = asin(sqrt coupling) + delta.

    Args:
        coupling: share of the power that crosses, 0..1 (ValueError outside).
        delta: fabrication error of the angle [rad].

    """
    coupling, delta = _tensors(coupling, delta)
    if bool(((coupling < 0) | (coupling > 1)).any()):
        raise ValueError(f"coupling is a share of power between 0 and 1, not {coupling.tolist()}")
    angle = torch.asin(torch.sqrt(coupling)) + delta
    through, cross = torch.complex(torch.cos(angle), torch.zeros_like(angle)), 1j * torch.sin(angle)
    return reciprocal({("o1", "o4"): through, ("o2", "o3"): through, ("o1", "o3"): cross, ("o2", "o4"): cross})


def mzi(
    *,
    theta: Setting = 0.0,
    phi: Setting = 0.0,
    delta_in: Setting = 0.0,
    delta_out: Setting = 0.0,
    loss_dB: Setting = 0.0,
) -> SDict:
    """A Mach-Zehnder interferometer: T = B(delta_out) diag(e^{i theta}, 1) B(delta_in) diag(e^{i phi}, 1).

    B(e) = [[cos(pi/4 + e), i sin(pi/4 + e)], [i sin(pi/4 + e), cos(pi/4 + e)]]; both heaters on the top arm.
    o2->o3 = T00, o1->o3 = T01, o2->o4 = T10, o1->o4 = T11.

    Args:
        theta: phase of the heater between the couplers [rad].
        phi: phase of the heater at the input [rad].
        delta_in: error of the first coupler's angle [rad].
        delta_out: error of the second coupler's angle [rad].
        loss_dB: insertion loss of both outputs [dB].

    """
    theta, phi, delta_in, delta_out, loss = _tensors(theta, phi, delta_in, delta_out, loss_dB)
    c1, s1 = torch.cos(math.pi / 4 + delta_in), torch.sin(math.pi / 4 + delta_in)
    keep = 10 ** (-loss / 20)
    c2, s2 = keep * torch.cos(math.pi / 4 + delta_out), keep * torch.sin(math.pi / 4 + delta_out)
    cos, sin, one = torch.cos(theta), torch.sin(theta), torch.ones_like(theta)
    cc, cs, sc, ss = c2 * c1, c2 * s1, s2 * c1, s2 * s1
    # T = B2 diag(e^{i theta}, 1) B1 diag(e^{i phi}, 1), multiplied out in real and imaginary parts
    outer = torch.polar(torch.ones_like(phi), phi)
    bar = outer * torch.complex(cc * cos - ss, cc * sin)
    down = outer * torch.complex(-sc * sin, sc * cos + cs)
    up = torch.complex(-cs * sin, cs * cos + sc)
    bar_low = torch.complex(cc * one - ss * cos, -ss * sin)
    return reciprocal({("o2", "o3"): bar, ("o1", "o3"): up, ("o2", "o4"): down, ("o1", "o4"): bar_low})


def _tensors(*settings: Setting) -> list[Tensor]:
    # A plain number is a float64 scalar: it takes the precision of whatever tensor it meets.
    return [s if isinstance(s, Tensor) else torch.tensor(s, dtype=torch.float64) for s in settings]


def _wave(phase: Tensor, loss_dB: Tensor) -> Tensor:
    """10^(-loss/20) e^{i phase}."""
    phase, loss_dB = torch.broadcast_tensors(phase, loss_dB)
    return torch.polar((10 ** (-loss_dB / 20)).to(phase.dtype), phase)
