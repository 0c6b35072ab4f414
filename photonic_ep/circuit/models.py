"""Photonic parts as differentiable S-parameters: plain functions that return S-dictionaries of torch tensors.

Keys are (in, out) as in sax; lengths and wavelengths in um; a positive phase is a delay e^{+i 2 pi n L / wl}.
Ports of a 2 x 2: o1 bottom-left, o2 top-left, o3 top-right, o4 bottom-right. Every setting may be a number or a
tensor; they broadcast. Argument names and defaults are sax's where sax has the part.
"""

import math

from torch import Tensor

from photonic_ep.circuit.arithmetic import (
    Number,
    Setting,
    affine,
    asin,
    cos,
    exp,
    imaginary,
    keep,
    read,
    real,
    scaled,
    share,
    sin,
    spread,
    sqrt,
    wave,
)

SDict = dict[tuple[str, str], Tensor]
SPEED_OF_LIGHT = 2.99792458e14  # um/s, exact (SI 2019)
PS_PER_NM_KM = 1e-18  # in s/um^2


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
    dispersion: Setting = 0.0,
) -> SDict:
    """A waveguide: S_12 = 10^(-loss L / 20) e^{i 2 pi n(wl) L / wl}.

    n(wl) = neff - d (ng - neff)/wl0 - d^2 c D / (2 wl0) with d = wl - wl0, D = -(wl0/c) d^2 n/d wl^2.

    Args:
        wl: wavelength [um].
        wl0: wavelength at which neff, ng and D hold [um].
        neff: effective index at wl0.
        ng: group index at wl0.
        length: of the guide [um].
        loss_dB_cm: power loss [dB/cm].
        dispersion: D at wl0 [ps/(nm km)].

    """
    wl, wl0, neff, ng, length, loss, dispersion = read(wl, wl0, neff, ng, length, loss_dB_cm, dispersion)
    d = wl - wl0
    index = neff - d * ((ng - neff) / wl0)
    if isinstance(dispersion, Tensor) or dispersion:
        index = index - d**2 * (SPEED_OF_LIGHT * PS_PER_NM_KM * dispersion / (2 * wl0))
    return reciprocal({("o1", "o2"): wave(2 * math.pi * length * (index / wl), scaled(loss, 1e-4 * length))})


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
    wl, neff, voltage, length, loss, phase = read(wl, neff, voltage, length, loss, phase)
    total = 2 * math.pi * neff * length / wl + (math.pi * voltage + phase)
    return reciprocal({("o1", "o2"): wave(total, scaled(loss, length))})


def bend(
    *,
    wl: Setting = 1.55,
    wl0: Setting = 1.55,
    neff: Setting = 2.34,
    ng: Setting = 3.4,
    length: Setting = 10.0,
    loss_dB_cm: Setting = 0.1,
    dispersion: Setting = 0.0,
) -> SDict:
    """A bent waveguide: `straight` along its centre line, lossy by default."""
    return straight(wl=wl, wl0=wl0, neff=neff, ng=ng, length=length, loss_dB_cm=loss_dB_cm, dispersion=dispersion)


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
    wl, neff, length, loss, power, p_pi = read(wl, neff, length, loss_dB, power_mw, p_pi_mw)
    return reciprocal({("o1", "o2"): wave(2 * math.pi * neff * length / wl + math.pi * (power / p_pi), loss)})


def attenuator(*, wl: Setting = 1.55, loss: Setting = 0.0) -> SDict:
    """A loss [dB] without phase: S_12 = 10^(-loss/20)."""
    wl, loss = read(wl, loss)
    return reciprocal({("o1", "o2"): spread(real(keep(loss)), wl)})


def modulator(*, wl: Setting = 1.55, drive: Setting = 1.0, loss_dB: Setting = 0.0) -> SDict:
    """A push-pull Mach-Zehnder modulator at its null: S_12 = 10^(-loss/20) sin(pi/2 drive), drive in units of V_pi."""
    wl, drive, loss = read(wl, drive, loss_dB)
    return reciprocal({("o1", "o2"): spread(real(sin(math.pi / 2 * drive) * keep(loss)), wl)})


def reflector(*, wl: Setting = 1.55, reflection: Setting = 0.5, loss_dB: Setting = 0.0) -> SDict:
    """A partial mirror: S_11 = S_22 = sqrt(R), S_12 = i sqrt(1 - R), both times 10^(-loss/20).

    The i makes it passive; sax's reflector has none and amplifies (its S-matrix has the norm sqrt R + sqrt(1 - R)).

    Args:
        wl: wavelength [um], for the shape only.
        reflection: share of the power that returns, 0..1 (ValueError outside).
        loss_dB: of both waves [dB].

    """
    wl, reflection, loss = read(wl, share("reflection", reflection), loss_dB)
    back = spread(real(keep(loss) * sqrt(reflection)), wl)
    through = spread(imaginary(keep(loss) * sqrt(1 - reflection)), wl)
    return reciprocal({("o1", "o1"): back, ("o1", "o2"): through, ("o2", "o2"): back})


def terminator(*, wl: Setting = 1.55, reflection: Setting = 0.0) -> SDict:
    """An end: S_11 = sqrt(R), R the share of the power that returns, 0..1 (ValueError outside)."""
    wl, reflection = read(wl, share("reflection", reflection))
    return {("o1", "o1"): spread(real(sqrt(reflection)), wl)}


def crossing_ideal(*, wl: Setting = 1.55) -> SDict:
    """Two waveguides that cross without touching: o1 -> o3, o2 -> o4."""
    (wl,) = read(wl)
    one = spread(real(1.0), wl)
    return reciprocal({("o1", "o3"): one, ("o2", "o4"): one})


def crossing(*, loss_dB: Setting = 0.0) -> SDict:
    """Two waveguides that cross: o1 -> o3 and o2 -> o4 with 10^(-loss / 20).

    Args:
        loss_dB: of each waveguide [dB]; .16: Bogaerts et al., Opt. Lett. 32:2801 (2007), as cited by later models.

    """
    (loss,) = read(loss_dB)
    kept = real(keep(loss))
    return reciprocal({("o1", "o3"): kept, ("o2", "o4"): kept})


def splitter_ideal(*, wl: Setting = 1.55, coupling: Setting = 0.5) -> SDict:
    """A lossless 1 x 2 splitter: o1 -> o3 with sqrt(1 - coupling), o1 -> o2 with sqrt(coupling).

    Args:
        wl: wavelength [um], for the shape only.
        coupling: share of the power in o2, 0..1 (ValueError outside).

    """
    wl, coupling = read(wl, share("coupling", coupling))
    upper, lower = real(sqrt(1 - coupling)), real(sqrt(coupling))
    return reciprocal({("o1", "o3"): spread(upper, wl), ("o1", "o2"): spread(lower, wl)})


def coupler_ideal(*, wl: Setting = 1.55, coupling: Setting = 0.5, delta: Setting = 0.0) -> SDict:
    """A lossless directional coupler, B = [[cos a, i sin a], [i sin a, cos a]], a = asin(sqrt coupling) + delta.

    Args:
        wl: wavelength [um], for the shape only.
        coupling: share of the power that crosses, 0..1 (ValueError outside).
        delta: fabrication error of the angle [rad].

    """
    wl, delta = read(wl, delta)
    stays, crosses = _split(coupling)
    if not isinstance(delta, Tensor) and not delta:
        return _coupled(stays, crosses, wl)
    angle = asin(crosses) + delta
    return _coupled(cos(angle), sin(angle), wl)


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
    wl, wl0, length, k0, dk1, dk2 = read(wl, wl0, length, coupling0, dk1, dk2)
    dn, dn1, dn2, delta = read(dn, dn1, dn2, delta)
    d = wl - wl0
    angle = k0 + dk1 * d + dk2 * d**2 / 2 + math.pi * (dn + dn1 * d + dn2 * d**2 / 2) * length / wl + delta
    return _coupled(cos(angle), -sin(angle), wl)


def grating_coupler(
    *,
    wl: Setting = 1.55,
    wl0: Setting = 1.55,
    loss: Setting = 0.0,
    reflection: Setting = 0.0,
    reflection_fiber: Setting = 0.0,
    bandwidth: Setting = 0.04,
) -> SDict:
    """A fibre's grating: o1 (guide) -> o2 (fibre) = 10^(-loss/20) e^{-(wl - wl0)^2 / 4 s^2}, s = bandwidth/2.355.

    Args:
        wl: wavelength [um].
        wl0: centre of the band [um].
        loss: at the centre [dB].
        reflection: amplitude back into the guide.
        reflection_fiber: amplitude back into the fibre.
        bandwidth: full width of the power at half its maximum [um].

    """
    wl, wl0, loss, reflection, reflection_fiber, bandwidth = read(
        wl, wl0, loss, reflection, reflection_fiber, bandwidth
    )
    sigma = bandwidth / (2 * math.sqrt(2 * math.log(2)))
    through = real(keep(loss) * exp(-((wl - wl0) ** 2) / (4 * sigma**2)))
    back, fibre = spread(real(reflection), wl), spread(real(reflection_fiber), wl)
    return reciprocal({("o1", "o1"): back, ("o1", "o2"): spread(through, wl), ("o2", "o2"): fibre})


def mmi1x2(*, wl: Setting = 1.55, wl0: Setting = 1.55, fwhm: Setting = 0.2, loss_dB: Setting = 0.3) -> SDict:
    """A 1 x 2 multimode interferometer: o1 -> o2 = o1 -> o3 = m(wl) / sqrt 2, m the band of `_band`.

    Args:
        wl: wavelength [um].
        wl0: centre of the band [um].
        fwhm: width of the band [um].
        loss_dB: loss at the centre [dB].

    """
    half = real(_band(wl, wl0, fwhm, loss_dB) / 2**0.5)
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
    through, cross = read(
        share("splitting_ratio_thru", splitting_ratio_thru), share("splitting_ratio_cross", splitting_ratio_cross)
    )
    thru = real(sqrt(through) * _band(wl, wl0, fwhm, loss_dB))
    over = imaginary(sqrt(cross) * _band(wl, wl0 + shift, fwhm, loss_dB))
    return reciprocal({("o1", "o3"): thru, ("o1", "o4"): over, ("o2", "o3"): over, ("o2", "o4"): thru})


def mzi(
    *,
    theta: Setting = 0.0,
    phi: Setting = 0.0,
    delta_in: Setting = 0.0,
    delta_out: Setting = 0.0,
    loss_dB: Setting = 0.0,
    theta_loss_dB: Setting = 0.0,
    phi_loss_dB: Setting = 0.0,
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
        theta_loss_dB: what the arm of theta loses more than the arm below it [dB].
        phi_loss_dB: what the arm of phi loses more than the arm below it [dB].

    """
    theta, phi, delta_in, delta_out, loss = read(theta, phi, delta_in, delta_out, loss_dB)
    theta_loss, phi_loss = read(theta_loss_dB, phi_loss_dB)
    c1, s1 = cos(math.pi / 4 + delta_in), sin(math.pi / 4 + delta_in)
    c2, s2 = keep(loss) * cos(math.pi / 4 + delta_out), keep(loss) * sin(math.pi / 4 + delta_out)
    inner, outer = wave(theta, theta_loss), wave(phi, phi_loss)
    cc, cs, sc, ss = c2 * c1, 1j * c2 * s1, 1j * s2 * c1, s2 * s1
    # T = B2 diag(e^{i theta}, 1) B1 diag(e^{i phi}, 1), multiplied out
    bar, down, up, low = affine((cc, sc, cs, -ss), inner, (-ss, cs, sc, cc))
    bar, down = outer * bar, outer * down
    return reciprocal({("o2", "o3"): bar, ("o1", "o3"): up, ("o2", "o4"): down, ("o1", "o4"): low})


def half_ring(
    *,
    wl: Setting = 1.55,
    wl0: Setting = 1.55,
    neff: Setting = 2.34,
    ng: Setting = 3.4,
    radius: Setting = 10.0,
    coupling: Setting = 0.1,
    loss_dB_cm: Setting = 0.0,
) -> SDict:
    """The lower half of a ring on a bus, o1 -> o4; its arms, a quarter of the ring each, end in o2 and o3.

    With a = e^{i 2 pi n L/4 / wl} the wave of a quarter, B that of `coupler_ideal`: o1 -> o4 = B_11,
    o1 -> o3 = o2 -> o4 = a B_12, o2 -> o3 = a^2 B_11. Two of them face to face are `ring_add_drop`.

    Args:
        wl: wavelength [um].
        wl0: wavelength at which neff and ng hold [um].
        neff: effective index at wl0.
        ng: group index at wl0.
        radius: of the ring [um].
        coupling: share of the power that crosses, 0..1 (ValueError outside).
        loss_dB_cm: power loss along the ring [dB/cm].

    """
    quarter = _arc(wl, wl0, neff, ng, radius, loss_dB_cm, 0.25)
    t, k = _split(coupling)
    through, across = spread(real(t), quarter), quarter * (1j * k)
    return reciprocal({("o1", "o4"): through, ("o1", "o3"): across, ("o2", "o4"): across, ("o2", "o3"): quarter**2 * t})


def ring_all_pass(
    *,
    wl: Setting = 1.55,
    wl0: Setting = 1.55,
    neff: Setting = 2.34,
    ng: Setting = 3.4,
    radius: Setting = 10.0,
    coupling: Setting = 0.1,
    loss_dB_cm: Setting = 0.0,
) -> SDict:
    """A ring on one bus: o1 -> o2 = (t - a)/(1 - t a), t = sqrt(1 - coupling), a = e^{i 2 pi n L / wl} 10^(-loss L/20).

    Bogaerts et al., Laser Photonics Rev. 6:47 (2012), eq. 1 without its bus phase. Settings as in `half_ring`.
    """
    a = _arc(wl, wl0, neff, ng, radius, loss_dB_cm, 1.0)
    t, _ = _split(coupling)
    return reciprocal({("o1", "o2"): (t - a) / (1 - t * a)})


def ring_add_drop(
    *,
    wl: Setting = 1.55,
    wl0: Setting = 1.55,
    neff: Setting = 2.34,
    ng: Setting = 3.4,
    radius: Setting = 10.0,
    coupling: Setting = 0.1,
    coupling_drop: Setting = 0.1,
    loss_dB_cm: Setting = 0.0,
) -> SDict:
    """A ring between two buses: o1 -> o4 the first one's through, o1 -> o2 its drop; o2, o3 are the second bus.

    With t, k those of the first coupler, t', k' of the second and a the wave of a whole turn:
    o1 -> o4 = (t - t' a)/(1 - t t' a), o2 -> o3 = (t' - t a)/(1 - t t' a), o1 -> o2 = o4 -> o3 =
    -k k' sqrt(a)/(1 - t t' a), sqrt(a) the wave of half a turn. Bogaerts et al., Laser Photonics Rev. 6:47 (2012).

    Args:
        wl: wavelength [um].
        wl0: wavelength at which neff and ng hold [um].
        neff: effective index at wl0.
        ng: group index at wl0.
        radius: of the ring [um].
        coupling: share of the power that crosses to the first bus, 0..1 (ValueError outside).
        coupling_drop: the same for the second.
        loss_dB_cm: power loss along the ring [dB/cm].

    """
    half = _arc(wl, wl0, neff, ng, radius, loss_dB_cm, 0.5)
    (t, k), (u, j) = _split(coupling), _split(coupling_drop, "coupling_drop")
    a = half**2
    turns = 1 / (1 - a * (t * u))
    drop = half * (-k * j) * turns
    return reciprocal(
        {
            ("o1", "o4"): (t - a * u) * turns,
            ("o1", "o2"): drop,
            ("o4", "o3"): drop,
            ("o2", "o3"): (u - a * t) * turns,
        }
    )


def _arc(
    wl: Setting, wl0: Setting, neff: Setting, ng: Setting, radius: Setting, loss_dB_cm: Setting, turns: float
) -> Tensor:
    """Wave along a share of a ring's circumference."""
    (radius,) = read(radius)
    length = radius * (2 * math.pi * turns)
    return straight(wl=wl, wl0=wl0, neff=neff, ng=ng, length=length, loss_dB_cm=loss_dB_cm)["o1", "o2"]


def _split(coupling: Setting, name: str = "coupling") -> tuple[Number, Number]:
    """Amplitudes that stay and that cross."""
    coupling = share(name, coupling)
    return sqrt(1 - coupling), sqrt(coupling)


def _coupled(through: Number, cross: Number, wl: Number) -> SDict:
    """A 2 x 2 with real `through` and imaginary `cross`."""
    t, k = spread(real(through), wl), spread(imaginary(cross), wl)
    return reciprocal({("o1", "o4"): t, ("o1", "o3"): k, ("o2", "o4"): k, ("o2", "o3"): t})


def _band(wl: Setting, wl0: Setting, fwhm: Setting, loss_dB: Setting) -> Number:
    """m(wl) = 10^(-loss/20) exp(-(f - f0)^2 / 2 s^2), f = 1/wl, s from the width in f of wl0 +- fwhm/2."""
    wl, wl0, fwhm, loss = read(wl, wl0, fwhm, loss_dB)
    width = 1 / (wl0 - fwhm / 2) - 1 / (wl0 + fwhm / 2)
    sigma = width / (2 * math.sqrt(2 * math.log(2)))
    return keep(loss) * exp(-((1 / wl - 1 / wl0) ** 2) / (2 * sigma**2))
