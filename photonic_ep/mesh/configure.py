"""A mesh that configures itself: phases found from powers at its outputs, nothing known of its couplers and heaters.

Light that the exact mesh, run in reverse, would send to one port is nulled in the others, one MZI after the other:
D. A. B. Miller, Opt. Express 25:29233 (2017), who reads powers inside the mesh. R. Hamerly, S. Bandyopadhyay &
D. Englund, 2106.04363, read them outside a triangle, and along a diagonal of a rectangle; here the ends of any mesh do.
"""

import math

import numpy as np
from jaxtyping import Bool, Complex, Float

from ep_core.compiled import compiled, helper
from photonic_ep.mesh.decompose import MeshPhases
from photonic_ep.mesh.topology import Topology

SETTINGS = 3  # of theta and of phi: what a trigonometric polynomial of first order needs
ROUNDS = 60  # of theta and phi in turn, until neither moves
TRUST = (0.05, 0.1, 0.2)  # in where light ends, against what theta says: all are tried
TINY = 1e-300
Angles = Float[np.ndarray, " mzis"]
Flags = Bool[np.ndarray, "mzis mzis"]


def self_configured(
    phases: MeshPhases,
    topology: Topology,
    couplers: Float[np.ndarray, "2 mzis batch"],
    offsets: Float[np.ndarray, "2 mzis batch"] | None = None,
    *,
    noise: float = 0.0,
    rng: np.random.Generator | None = None,
) -> MeshPhases:
    """Phases that a controller finds which knows only what `phases` make of exact parts, and reads output powers.

    MZI by MZI, in the order in which light meets them: x = (T_k .. T_1)^H e, of exact parts, goes in; in an exact mesh
    all of it would leave MZI k by its lower port. The MZIs behind k let light pass as it is, as well as they can, and
    the powers at all outputs are read at 3 x 3 settings of (theta_k, phi_k). To every setting belongs a second one,
    with pi more on those phi behind k that turn the light of k's upper port against that of its lower one: in the sum
    of both readings the two do not interfere, whatever the couplers are. So the sum is a + b |z|^2, z the field in the
    upper port, and where it is at its end, z is 0: the MZI sends light as the exact one would, but for phases, which
    the next MZIs take back. Where couplers behind k leak so much that the two ends are taken for each other, which
    powers show at last, `phases` are returned if they do better.

    Args:
        phases: of exact parts.
        topology: the mesh.
        couplers: errors of the angles of the device's first and second couplers [rad].
        offsets: its static phase errors of theta and phi [rad]; default none.
        noise: standard deviation of every power that is read, in units of the power sent in.
        rng: of that noise.

    Returns:
        The phases. Powers do not show alpha: it is what one homodyne read an output then says.

    Raises ValueError for shapes that do not fit, or noise without a generator.

    """
    shape = phases.theta.shape
    shifts = np.zeros_like(couplers) if offsets is None else offsets
    if not (couplers.shape == shifts.shape == (2, *shape)):
        raise ValueError(
            f"{shape} MZIs have couplers and offsets of shape {(2, *shape)}, not {couplers.shape}, {shifts.shape}"
        )
    if noise and rng is None:
        raise ValueError("noisy powers need a generator")
    turned = _turned(topology.rows, topology.modes)
    theta, phi = np.empty(shape), np.empty(shape)
    alpha = np.empty_like(phases.alpha)
    drawn = np.zeros((shape[0], topology.modes, SETTINGS, SETTINGS))
    for b in range(shape[1]):
        if noise:
            drawn = math.sqrt(2) * noise * rng.standard_normal(drawn.shape)  # pyright: ignore[reportOptionalMemberAccess]
        device = tuple(part.copy() for part in (*couplers[..., b], *shifts[..., b]))
        found = _best(topology, turned, phases.theta[:, b].copy(), phases.phi[:, b].copy(), device, drawn)
        theta[:, b], phi[:, b], reached = found
        alpha[:, b] = np.mod(phases.alpha[:, b] - np.angle(reached[topology.exits]), 2 * math.pi)
    return MeshPhases(np.mod(theta, 2 * math.pi), np.mod(phi, 2 * math.pi), alpha)


def _best(
    topology: Topology, turned: Flags, theta: Angles, phi: Angles, device: tuple[Angles, ...], noise: np.ndarray
) -> tuple[Angles, Angles, Complex[np.ndarray, " modes"]]:
    """Of the phases given and those found, the ones with the most power where it shall be, and the fields there."""
    rows, modes = topology.rows, topology.modes
    first, second, d_theta, d_phi = device
    none = np.zeros_like(first)
    exact = _cells(theta, phi, none, none)
    best = theta, phi, _overlaps(rows, modes, exact, _cells(theta + d_theta, phi + d_phi, first, second))
    for trust in TRUST:
        # theta = pi lets light pass as it is
        cells, own = _cells(d_theta + math.pi, d_phi, first, second), (theta.copy(), phi.copy())
        _configure(rows, modes, *own, exact, cells, device, turned, noise, trust)
        way = *own, _overlaps(rows, modes, exact, cells)
        best = max(best, way, key=lambda candidate: float((np.abs(candidate[2]) ** 2).sum()))
    return best


@compiled
def _turned(rows, modes):  # noqa: ANN001, ANN202
    """Which phi (columns) get pi more so that the two outputs of an MZI (rows) do not interfere in the sum.

    Light of the upper output is to be turned once more than that of the lower one wherever both meet: an MZI whose two
    inputs, both lit, are not turned so alike gets it.
    """
    turned = np.zeros((len(rows), len(rows)), np.bool_)
    lit = np.empty(modes, np.int64)
    for k in range(len(rows)):
        lit[:] = -1
        lit[rows[k, 0]], lit[rows[k, 1]] = 1, 0
        for j in range(k + 1, len(rows)):
            upper, lower = lit[rows[j, 0]], lit[rows[j, 1]]
            turned[k, j] = min(upper, lower) >= 0 and upper != lower
            lit[rows[j, 0]] = lit[rows[j, 1]] = lower if lower >= 0 else upper
    return turned


@helper
def _mzi(theta, phi, first, second):  # noqa: ANN001, ANN202
    c1, s1 = math.cos(math.pi / 4 + first), math.sin(math.pi / 4 + first)
    c2, s2 = math.cos(math.pi / 4 + second), math.sin(math.pi / 4 + second)
    e, f = complex(math.cos(theta), math.sin(theta)), complex(math.cos(phi), math.sin(phi))
    top, low = (c2 * c1 * e - s2 * s1) * f, c2 * c1 - s2 * s1 * e
    return top, 1j * (c2 * s1 * e + s2 * c1), 1j * (s2 * c1 * e + c2 * s1) * f, low


@compiled
def _cells(theta, phi, first, second):  # noqa: ANN001, ANN202
    cells = np.empty((len(theta), 4), np.complex128)
    for j in range(len(theta)):
        cells[j] = _mzi(theta[j], phi[j], first[j], second[j])
    return cells


@helper
def _pass(rows, start, stop, cells, turned, field):  # noqa: ANN001, ANN202
    """Light through MZIs from `start` on, with pi more on the phi of those that are turned."""
    for j in range(start, stop):
        upper, lower = rows[j, 0], rows[j, 1]
        x, y = -field[upper] if turned[j] else field[upper], field[lower]
        field[upper], field[lower] = cells[j, 0] * x + cells[j, 1] * y, cells[j, 2] * x + cells[j, 3] * y


@helper
def _light(rows, modes, last, row, ideal):  # noqa: ANN001, ANN202
    """What, sent into exact parts, leaves MZI `last` in one row: (T_last .. T_0)^H e."""
    field = np.zeros(modes, np.complex128)
    field[row] = 1
    for j in range(last, -1, -1):
        upper, lower = rows[j, 0], rows[j, 1]
        x, y = field[upper], field[lower]
        field[upper] = np.conj(ideal[j, 0]) * x + np.conj(ideal[j, 2]) * y
        field[lower] = np.conj(ideal[j, 1]) * x + np.conj(ideal[j, 3]) * y
    return field


@helper
def _powers(k, rows, modes, light, cells, turned, first, second, d_theta, d_phi):  # noqa: ANN001, ANN202
    """What the detectors read at 3 x 3 settings of MZI k, plain and turned in one."""
    upper, lower = rows[k, 0], rows[k, 1]
    none = np.zeros_like(turned)
    _pass(rows, 0, k, cells, none, light)
    read = np.zeros((modes, SETTINGS, SETTINGS))
    # The device is linear: one pass behind k for each of its outputs, and for the light that passed it by
    parts = np.zeros((3, modes), np.complex128)
    for turn in range(2):
        parts[:] = 0
        parts[0, upper], parts[1, lower], parts[2] = 1, 1, light
        parts[2, upper], parts[2, lower] = 0, 0
        for part in parts:
            _pass(rows, k + 1, len(rows), cells, turned if turn else none, part)
        for m in range(SETTINGS):
            for n in range(SETTINGS):
                theta, phi = 2 * math.pi * m / SETTINGS + d_theta[k], 2 * math.pi * n / SETTINGS + d_phi[k]
                t00, t01, t10, t11 = _mzi(theta, phi, first[k], second[k])
                up = t00 * light[upper] + t01 * light[lower]
                low = t10 * light[upper] + t11 * light[lower]
                for row in range(modes):
                    value = parts[0, row] * up + parts[1, row] * low + parts[2, row]
                    read[row, m, n] += value.real**2 + value.imag**2
    return read


@helper
def _summit(values, sign, theta, phi):  # noqa: ANN001, ANN202
    """Where the polynomial of first order in e^{i theta} and e^{i phi} through sign * values is largest."""
    terms = np.zeros((3, 3), np.complex128)
    for m in range(3):
        for n in range(3):
            for a in range(SETTINGS):
                for b in range(SETTINGS):
                    terms[m, n] += sign * values[a, b] * np.exp(-2j * math.pi * ((m - 1) * a + (n - 1) * b) / SETTINGS)
    for _ in range(ROUNDS):
        before = theta, phi
        slope = terms[2, 0] * np.exp(-1j * phi) + terms[2, 1] + terms[2, 2] * np.exp(1j * phi)
        theta = -np.angle(slope) if abs(slope) > 1e-13 else theta
        slope = terms[0, 2] * np.exp(-1j * theta) + terms[1, 2] + terms[2, 2] * np.exp(1j * theta)
        phi = -np.angle(slope) if abs(slope) > 1e-13 else phi
        if abs(theta - before[0]) + abs(phi - before[1]) < 1e-15:
            break
    return theta, phi


@compiled
def _configure(rows, modes, theta, phi, ideal, cells, device, turned, noise, trust):  # noqa: ANN001, ANN202
    """Find theta and phi of every MZI, in place, from those of exact parts; `cells` are the device's own."""
    first, second, d_theta, d_phi = device
    more = np.empty((SETTINGS, SETTINGS))
    for k in range(len(rows)):
        light = _light(rows, modes, k, rows[k, 1], ideal)
        read = _powers(k, rows, modes, light, cells, turned[k], first, second, d_theta, d_phi)
        _contrast(read, noise[k], more)
        # Does `more` stand for the lower port or for the upper one? Over all phi the power in the lower port goes as
        # cos theta_k cos theta; and most of it ends in the lower row. The first says little where theta_k is pi / 2,
        # the second where couplers behind k leak.
        wave, ends, size, both = 0.0, 0.0, 0.0, 0.0
        for m in range(SETTINGS):
            for n in range(SETTINGS):
                own = read[rows[k, 1], m, n] - read[rows[k, 0], m, n]
                wave += math.cos(2 * math.pi * m / SETTINGS) * more[m, n]
                ends, both, size = ends + own * more[m, n], both + own**2, size + more[m, n] ** 2
        lower = math.copysign(1.0, math.cos(theta[k])) * wave / math.sqrt(SETTINGS**2 / 2 * size + TINY)
        lower += trust * ends / math.sqrt(size * both + TINY)
        theta[k], phi[k] = _summit(more, -1.0 if lower < 0 else 1.0, theta[k], phi[k])
        cells[k] = _mzi(theta[k] + d_theta[k], phi[k] + d_phi[k], first[k], second[k])


@helper
def _contrast(read, noise, more):  # noqa: ANN001, ANN202
    """The powers of all detectors as one, each weighted by how it goes with the one that varies most; means removed."""
    best, most = 0, -1.0
    for row in range(len(read)):
        mean, square = 0.0, 0.0
        for m in range(SETTINGS):
            for n in range(SETTINGS):
                read[row, m, n] += noise[row, m, n]
                mean += read[row, m, n] / SETTINGS**2
        for m in range(SETTINGS):
            for n in range(SETTINGS):
                read[row, m, n] -= mean
                square += read[row, m, n] ** 2
        if square > most:
            best, most = row, square
    more[:] = 0
    for row in range(len(read)):
        weight = 0.0
        for m in range(SETTINGS):
            for n in range(SETTINGS):
                weight += read[row, m, n] * read[best, m, n]
        for m in range(SETTINGS):
            for n in range(SETTINGS):
                more[m, n] += weight / (most + TINY) * read[row, m, n]


@compiled
def _overlaps(rows, modes, ideal, cells):  # noqa: ANN001, ANN202
    """Fields in row i of the device's end when (row i of exact parts)^H goes in."""
    none = np.zeros(len(rows), np.bool_)
    found = np.empty(modes, np.complex128)
    for row in range(modes):
        light = _light(rows, modes, len(rows) - 1, row, ideal)
        _pass(rows, 0, len(rows), cells, none, light)
        found[row] = light[row]
    return found
