"""Phases of tiles from the matrices that they shall make, on exact parts or on parts whose errors are known."""

import math

import numpy as np
from jaxtyping import Complex, Float

from ep_core.compiled import compiled, helper
from ep_core.weight import OutOfRangeError
from photonic_ep.mesh.decompose import MeshPhases, decompose
from photonic_ep.mesh.topology import Topology

Matrices = Complex[np.ndarray, "tiles k k"] | Float[np.ndarray, "tiles k k"]
SMALL = 1e-9  # an amplitude below which its phase says nothing


def tile_phases(targets: Matrices, topology: Topology) -> dict[str, Float[np.ndarray, "heaters tiles"]]:
    """Phases with which lossless tiles U diag(a) V make each matrix, real or complex, by its singular values.

    T = P S Q^H: U = P, V = Q^H. An attenuator lets (e^{i theta} - 1)/2 = i e^{i theta/2} sin(theta/2) through:
    sin(theta/2) = S, and its phase is taken back by V's output phase. Keyed as the parameters of `MeshWeight`.

    Raises OutOfRangeError for a matrix that amplifies, ValueError for one that is not finite or has another size.
    """
    k = topology.modes
    if targets.ndim != 3 or targets.shape[1:] != (k, k):
        raise ValueError(f"tiles of {k} modes make matrices of shape (tiles, {k}, {k}), not {targets.shape}")
    if not np.isfinite(targets).all():
        raise ValueError("the matrix that tiles shall make is not finite")
    p, s, q = np.linalg.svd(targets)
    most = float(s.max(initial=0.0))
    if most > 1 + 1e-9:
        raise OutOfRangeError(
            f"a mesh only attenuates: the largest singular value is {most:.4g} times what it lets through", most
        )
    att = 2 * np.arcsin(np.minimum(s, 1.0)).T
    v, u = decompose(q.astype(complex), topology), decompose(p.astype(complex), topology)
    alpha = np.mod(v.alpha - att / 2 - math.pi / 2, 2 * math.pi)
    return {
        "v_theta": v.theta,
        "v_phi": v.phi,
        "v_alpha": alpha,
        "att_theta": att,
        "u_theta": u.theta,
        "u_phi": u.phi,
        "u_alpha": u.alpha,
    }


def corrected(
    phases: MeshPhases,
    topology: Topology,
    first: Float[np.ndarray, "mzis batch"],
    second: Float[np.ndarray, "mzis batch"],
) -> MeshPhases:
    """Phases with which a mesh of imperfect couplers comes closest, MZI by MZI, to what `phases` make of exact ones.

    Each MZI gets the theta' whose |T00| is the wanted one, as far as its couplers allow: cos theta' =
    (A^2 + B^2 - |T00|^2) / 2 A B with A = cos c1 cos c2, B = sin c1 sin c2, c = pi/4 + error. The phases that its
    outputs then have too much are taken back by the phi of the next MZIs, and at last by alpha. Known couplers cost
    no iteration: S. Bandyopadhyay, R. Hamerly & D. Englund, Optica 8:1247 (2021).

    Args:
        phases: of exact MZIs.
        topology: the mesh.
        first: error of the angle of each MZI's first coupler [rad].
        second: of its second coupler.

    """
    theta, phi, alpha = (np.ascontiguousarray(part).copy() for part in (phases.theta, phases.phi, phases.alpha))
    if not (first.shape == second.shape == theta.shape):
        raise ValueError(
            f"{theta.shape} MZIs have as many first and second couplers, not {first.shape}, {second.shape}"
        )
    _correct(topology.rows, topology.exits, theta, phi, alpha, np.asarray(first), np.asarray(second))
    return MeshPhases(theta, phi, alpha)


def corrected_tile(
    phases: dict[str, Float[np.ndarray, "heaters tiles"]],
    topology: Topology,
    first: Float[np.ndarray, "mzis tiles"],
    second: Float[np.ndarray, "mzis tiles"],
) -> dict[str, Float[np.ndarray, "heaters tiles"]]:
    """`corrected` for V, attenuators and U of tiles, whose couplers' errors come in this order."""
    mzis, k = len(topology.mzis), topology.modes
    result = dict(phases)
    for mesh, own in (("v", slice(0, mzis)), ("u", slice(mzis + k, None))):
        ideal = MeshPhases(*(phases[f"{mesh}_{kind}"] for kind in ("theta", "phi", "alpha")))
        found = corrected(ideal, topology, first[own], second[own])
        result |= {f"{mesh}_{kind}": getattr(found, kind) for kind in ("theta", "phi", "alpha")}
    # An attenuator is T00 alone; its phase is V's output phase's to take back.
    errors = first[mzis : mzis + k], second[mzis : mzis + k]
    theta = phases["att_theta"]
    c1, s1, c2, s2 = (f(math.pi / 4 + error) for error in errors for f in (np.cos, np.sin))
    bar, cross = c2 * c1, s2 * s1
    wanted = (bar**2 + cross**2 - np.sin(theta / 2) ** 2) / (2 * bar * cross)
    angle = np.arccos(np.clip(wanted, -1, 1))
    passed, meant = bar * np.exp(1j * angle) - cross, 0.5 * (np.exp(1j * theta) - 1)
    turn = np.where(np.minimum(abs(passed), abs(meant)) > SMALL, np.angle(passed) - np.angle(meant), 0.0)
    result["att_theta"], result["v_alpha"] = angle, np.mod(result["v_alpha"] - turn, 2 * math.pi)
    return result


@helper
def _phase(value):  # noqa: ANN001, ANN202
    return value / abs(value)


@compiled
def _correct(rows, exits, theta, phi, alpha, first, second):  # noqa: ANN001, ANN202
    full, quarter = 2 * math.pi, math.pi / 4
    for b in range(theta.shape[1]):
        # Phase that the light of each row has too much
        ahead = np.ones(len(alpha), np.complex128)
        for i in range(len(theta)):
            upper, lower = rows[i, 0], rows[i, 1]
            e, f = np.exp(1j * theta[i, b]), np.exp(1j * phi[i, b])
            t00, t01, t10, t11 = 0.5 * (e - 1) * f, 0.5j * (e + 1), 0.5j * (e + 1) * f, 0.5 * (1 - e)
            c1, s1 = math.cos(quarter + first[i, b]), math.sin(quarter + first[i, b])
            c2, s2 = math.cos(quarter + second[i, b]), math.sin(quarter + second[i, b])
            # |cc e' - ss| = |T00|
            bar, cross = c2 * c1, s2 * s1
            wanted = (bar * bar + cross * cross - abs(t00) ** 2) / (2 * bar * cross)
            angle = math.acos(min(1.0, max(-1.0, wanted)))
            # Both signs do; the nearer to theta turns light less
            angle = full - angle if theta[i, b] % full > math.pi else angle
            e = np.exp(1j * angle)
            a00, a11 = bar * e - cross, bar - cross * e
            a01, a10 = 1j * (c2 * s1 * e + s2 * c1), 1j * (s2 * c1 * e + c2 * s1)
            # T' diag(f', 1) diag(ahead) = diag(new) T
            down, turn = ahead[lower], f
            if abs(t01) > SMALL and abs(a01) > SMALL:
                top = _phase(a01 * down / t01)
                if abs(t00) > SMALL and abs(a00) > SMALL:
                    turn = _phase(top * t00 / (a00 * ahead[upper]))
                    low = _phase(a11 * down / t11)
                else:
                    low = _phase(a10 * turn * ahead[upper] / t10)
            else:
                low = _phase(a11 * down / t11)
                top = _phase(a00 * turn * ahead[upper] / t00)
            ahead[upper], ahead[lower] = top, low
            theta[i, b], phi[i, b] = angle, np.angle(turn) % full
        for mode in range(len(alpha)):
            alpha[mode, b] = (alpha[mode, b] - np.angle(ahead[exits[mode]])) % full
