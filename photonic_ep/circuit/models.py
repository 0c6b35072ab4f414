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


def bend(
    *,
    wl: Setting = 1.55,
    wl0: Setting = 1.55,
    neff: Setting = 2.34,
    ng: Setting = 3.4,
    length: Setting = 10.0,
    loss_dB_cm: Setting = 0.1,
) -> SDict:
    """A bent waveguide: `straight` along its centre line, lossy by default."""
    return straight(wl=wl, wl0=wl0, neff=neff, ng=ng, length=length, loss_dB_cm=loss_dB_cm)


def thermo_optic_phase_shifter(
    *,
    wl: Setting = 1.55,
    neff: Setting = 2.34,
    length: Setting = 61.6,
    loss_dB: Setting = 0.23,
    power_mw: Setting = 0.0,
    p_pi_mw: Setting = 24.77,
) -> SDict:
    """A heated waveguide: S_12 = 10^(-loss/20) e^{i (2 pi neff L / wl + pi P / P_pi)}.

    Defaults: Harris et al., Opt. Express 22:10487 (2014): 24.77 +- .43 mW, 61.6 um, .23 dB.

    Args:
        wl: wavelength [um].
        neff: effective index, cold.
        length: of the heated guide [um].
        loss_dB: insertion loss [dB].
        power_mw: heater power [mW].
        p_pi_mw: power for a phase of pi [mW].

    """
    wl, neff, length, loss, power, p_pi = _tensors(wl, neff, length, loss_dB, power_mw, p_pi_mw)
    return reciprocal({("o1", "o2"): _wave(2 * math.pi * neff * length / wl + math.pi * power / p_pi, loss)})


def attenuator(*, wl: Setting = 1.55, loss: Setting = 0.0) -> SDict:
    """A loss [dB] without phase: S_12 = 10^(-loss/20)."""
    wl, loss = _tensors(wl, loss)
    return reciprocal({("o1", "o2"): _wave(torch.zeros_like(wl), loss)})


def modulator(*, wl: Setting = 1.55, drive: Setting = 1.0, loss_dB: Setting = 0.0) -> SDict:
    """A push-pull Mach-Zehnder modulator at its null: S_12 = 10^(-loss/20) sin(pi/2 drive), drive in units of V_pi."""
    wl, drive, loss = _tensors(wl, drive, loss_dB)
    amplitude = torch.sin(math.pi / 2 * drive) * 10 ** (-loss / 20) * torch.ones_like(wl)
    return reciprocal({("o1", "o2"): torch.complex(amplitude, torch.zeros_like(amplitude))})


def reflector(*, wl: Setting = 1.55, reflection: Setting = 0.5, loss_dB: Setting = 0.0) -> SDict:
    """A partial mirror: S_11 = S_22 = sqrt(R), S_12 = i sqrt(1 - R), both times 10^(-loss/20).

    The i makes it passive; sax's reflector has none and amplifies (its S-matrix has the norm sqrt R + sqrt(1 - R)).

    Args:
        wl: wavelength [um], for the shape only.
        reflection: share of the power that returns, 0..1 (ValueError outside).
        loss_dB: of both waves [dB].

    """
    wl, reflection, loss = _tensors(wl, _share("reflection", reflection), loss_dB)
    keep = 10 ** (-loss / 20) * torch.ones_like(wl)
    back, through = keep * torch.sqrt(reflection), keep * torch.sqrt(1 - reflection)
    zero = torch.zeros_like(back)
    r = torch.complex(back, zero)
    return reciprocal({("o1", "o1"): r, ("o1", "o2"): torch.complex(zero, through), ("o2", "o2"): r})


def terminator(*, wl: Setting = 1.55, reflection: Setting = 0.0) -> SDict:
    """An end: S_11 = sqrt(R), R the share of the power that returns, 0..1 (ValueError outside)."""
    wl, reflection = _tensors(wl, _share("reflection", reflection))
    back = torch.sqrt(reflection) * torch.ones_like(wl)
    return {("o1", "o1"): torch.complex(back, torch.zeros_like(back))}


def crossing_ideal(*, wl: Setting = 1.55) -> SDict:
    """Two waveguides that cross without touching: o1 -> o3, o2 -> o4."""
    (wl,) = _tensors(wl)
    one = torch.complex(torch.ones_like(wl), torch.zeros_like(wl))
    return reciprocal({("o1", "o3"): one, ("o2", "o4"): one})


def splitter_ideal(*, wl: Setting = 1.55, coupling: Setting = 0.5) -> SDict:
    """A lossless 1 x 2 splitter: o1 -> o3 with sqrt(1 - coupling), o1 -> o2 with sqrt(coupling).

    Args:
        wl: wavelength [um], for the shape only.
        coupling: share of the power in o2, 0..1 (ValueError outside).

    """
    wl, coupling = _tensors(wl, _share("coupling", coupling))
    one = torch.complex(torch.ones_like(wl), torch.zeros_like(wl))
    return reciprocal({("o1", "o3"): torch.sqrt(1 - coupling) * one, ("o1", "o2"): torch.sqrt(coupling) * one})


def coupler_ideal(*, wl: Setting = 1.55, coupling: Setting = 0.5, delta: Setting = 0.0) -> SDict:
    """A lossless directional coupler, B = [[cos a, i sin a], [i sin a, cos a]], a = asin(sqrt coupling) + delta.

    Args:
        wl: wavelength [um], for the shape only.
        coupling: share of the power that crosses, 0..1 (ValueError outside).
        delta: fabrication error of the angle [rad].

    """
    wl, coupling, delta = _tensors(wl, _share("coupling", coupling), delta)
    angle = (torch.asin(torch.sqrt(coupling)) + delta) * torch.ones_like(wl)
    return _coupled(torch.cos(angle), torch.sin(angle))


def coupler(
    *,
    wl: Setting = 1.55,
    wl0: Setting = 1.55,
    length: Setting = 0.0,
    coupling0: Setting = 0.2,
    dk1: Setting = 1.2435,
    dk2: Setting = 5.3022,
    dn: Setting = 0.02,
    dn1: Setting = 0.1169,
    dn2: Setting = 0.4821,
    delta: Setting = 0.0,
) -> SDict:
    """A dispersive directional coupler: through cos a, cross -i sin a, a = k0(wl) + pi dn(wl) L / wl + delta.

    k0(wl) = coupling0 + dk1 d + dk2 d^2 / 2 and dn(wl) = dn + dn1 d + dn2 d^2 / 2 with d = wl - wl0. Formula, signs
    and defaults are those of sax's `coupler`.

    Args:
        wl: wavelength [um].
        wl0: wavelength at which the coefficients hold [um].
        length: of the straight part [um].
        coupling0: angle that the bent parts couple at wl0 [rad].
        dk1: its slope [rad/um].
        dk2: its curvature [rad/um^2].
        dn: difference of the supermodes' indices at wl0.
        dn1: its slope [1/um].
        dn2: its curvature [1/um^2].
        delta: fabrication error of the angle [rad].

    """
    wl, wl0, length, k0, dk1, dk2 = _tensors(wl, wl0, length, coupling0, dk1, dk2)
    dn, dn1, dn2, delta = _tensors(dn, dn1, dn2, delta)
    d = wl - wl0
    angle = k0 + dk1 * d + dk2 * d**2 / 2 + math.pi * (dn + dn1 * d + dn2 * d**2 / 2) * length / wl + delta
    return _coupled(torch.cos(angle), -torch.sin(angle))


def mmi1x2(*, wl: Setting = 1.55, wl0: Setting = 1.55, fwhm: Setting = 0.2, loss_dB: Setting = 0.3) -> SDict:
    """A 1 x 2 multimode interferometer: o1 -> o2 = o1 -> o3 = m(wl) / sqrt 2, m the band of `_band`.

    Args:
        wl: wavelength [um].
        wl0: centre of the band [um].
        fwhm: width of the band [um].
        loss_dB: loss at the centre [dB].

    """
    half = _band(wl, wl0, fwhm, loss_dB) / 2**0.5
    return reciprocal({("o1", "o2"): half, ("o1", "o3"): half})


def mmi2x2(
    *,
    wl: Setting = 1.55,
    wl0: Setting = 1.55,
    fwhm: Setting = 0.2,
    loss_dB: Setting = 0.3,
    shift: Setting = 0.0,
    splitting_ratio_cross: Setting = 0.5,
    splitting_ratio_thru: Setting = 0.5,
) -> SDict:
    """A 2 x 2 multimode interferometer: o1 -> o3 = sqrt(thru) m(wl), o1 -> o4 = i sqrt(cross) m(wl - shift).

    As in sax, "through" is o1 -> o3 and o2 -> o4.

    Args:
        wl: wavelength [um].
        wl0: centre of the band [um].
        fwhm: width of the band [um].
        loss_dB: loss at the centre [dB].
        shift: of the cross band's centre [um].
        splitting_ratio_cross: share of the power that crosses (ValueError outside 0..1).
        splitting_ratio_thru: share of the power that does not (ValueError outside 0..1).

    """
    through, cross = _tensors(
        _share("splitting_ratio_thru", splitting_ratio_thru), _share("splitting_ratio_cross", splitting_ratio_cross)
    )
    thru = torch.sqrt(through) * _band(wl, wl0, fwhm, loss_dB)
    over = 1j * torch.sqrt(cross) * _band(wl, wl0 + shift, fwhm, loss_dB)
    return reciprocal({("o1", "o3"): thru, ("o1", "o4"): over, ("o2", "o3"): over, ("o2", "o4"): thru})


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


def _coupled(through: Tensor, cross: Tensor) -> SDict:
    """A 2 x 2 with real `through` and imaginary `cross`."""
    zero = torch.zeros_like(through)
    t, k = torch.complex(through, zero), torch.complex(zero, cross)
    return reciprocal({("o1", "o4"): t, ("o1", "o3"): k, ("o2", "o4"): k, ("o2", "o3"): t})


def _band(wl: Setting, wl0: Setting, fwhm: Setting, loss_dB: Setting) -> Tensor:
    """m(wl) = 10^(-loss/20) exp(-(f - f0)^2 / 2 s^2), f = 1/wl, s from the width in f of wl0 +- fwhm/2."""
    wl, wl0, fwhm, loss = _tensors(wl, wl0, fwhm, loss_dB)
    width = 1 / (wl0 - fwhm / 2) - 1 / (wl0 + fwhm / 2)
    sigma = width / (2 * math.sqrt(2 * math.log(2)))
    amplitude = 10 ** (-loss / 20) * torch.exp(-((1 / wl - 1 / wl0) ** 2) / (2 * sigma**2))
    return torch.complex(amplitude, torch.zeros_like(amplitude))


def _share(name: str, value: Setting) -> Setting:
    inside = bool(((value >= 0) & (value <= 1)).all()) if isinstance(value, Tensor) else 0 <= value <= 1
    if not inside:
        raise ValueError(f"{name} is a share of power between 0 and 1, not {value}")
    return value


def _tensors(*settings: Setting) -> list[Tensor]:
    # A plain number is a float64 scalar: it takes the precision of whatever tensor it meets.
    return [s if isinstance(s, Tensor) else torch.tensor(s, dtype=torch.float64) for s in settings]


def _wave(phase: Tensor, loss_dB: Tensor) -> Tensor:
    """10^(-loss/20) e^{i phase}."""
    phase, loss_dB = torch.broadcast_tensors(phase, loss_dB)
    return torch.polar((10 ** (-loss_dB / 20)).to(phase.dtype), phase)
