"""Phases of a mesh from the unitary that it shall make: Clements' and Reck's eliminations, compiled, tile by tile.

The cell is T(theta, phi) = B diag(e^{i theta}, 1) B diag(e^{i phi}, 1)
= i e^{i theta/2} [[e^{i phi} sin, cos], [e^{i phi} cos, -sin]] with sin, cos of theta/2.
"""

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from jaxtyping import Complex, Float, Int

from ep_core.compiled import compiled, helper
from photonic_ep.mesh.topology import Topology, clements, reck

Unitaries = Complex[np.ndarray, "batch n n"]
FULL = 2 * math.pi


@dataclass(frozen=True)
class MeshPhases:
    """theta and phi of every MZI (mzis, batch) in the order of `Topology.mzis`, alpha of every mode (modes, batch).

    All in [0, 2 pi).
    """

    theta: Float[np.ndarray, "mzis batch"]
    phi: Float[np.ndarray, "mzis batch"]
    alpha: Float[np.ndarray, "modes batch"]


def decompose(unitary: Unitaries, topology: Topology, *, tolerance: float = 1e-6) -> MeshPhases:
    """Phases with which `topology` (clements(n), with redundant columns or not, or reck(n)) makes each unitary.

    Redundant columns let the light pass as it is (theta = phi = pi).

    Raises ValueError for another topology, a wrong size, or a matrix that is not unitary (it says by how much).
    """
    u = np.array(unitary, dtype=np.complex128)
    n = topology.modes
    if u.ndim != 3 or u.shape[1:] != (n, n):
        raise ValueError(f"a mesh of {n} modes needs matrices of shape (batch, {n}, {n}), not {u.shape}")
    excess = np.abs(u @ u.conj().swapaxes(1, 2) - np.eye(n)).max(initial=0.0)
    if not excess <= tolerance:
        raise ValueError(f"not unitary: |U U^H - 1| reaches {excess:.2g} (allowed {tolerance:.0e})")
    steps = _plan(topology)
    mzis, batch = len(topology.mzis), len(u)
    # Of every MZI what is cos and sin of theta/2, and real and imaginary part of e^{i phi}, but for a factor
    turned = np.empty((4, mzis, batch))
    turned[:] = np.array([0.0, 1.0, -1.0, 0.0])[:, None, None]
    # Column by column, real and imaginary parts apart
    columns = np.ascontiguousarray(u.transpose(0, 2, 1))
    real, imag = columns.real.copy(), columns.imag.copy()
    _eliminate(real, imag, steps, turned)
    theta, phi = 2 * np.arctan2(turned[1], turned[0]), np.arctan2(turned[3], turned[2])
    alpha = np.arctan2(*(np.ascontiguousarray(part.diagonal(axis1=1, axis2=2).T) for part in (imag, real)))
    _commute(steps, theta, phi, alpha)
    return MeshPhases(theta, phi, alpha)


def decomposable(topology: Topology) -> bool:
    """Whether `decompose` knows the topology."""
    return topology in (_rectangle(topology), reck(topology.modes))


def _rectangle(topology: Topology) -> Topology:
    return clements(topology.modes, max(0, len(topology.columns) - topology.modes))


@lru_cache(maxsize=64)
def _plan(topology: Topology) -> Int[np.ndarray, "mzis 4"]:
    """Whether from the left, row and column of each matrix element in the order of elimination, and the MZI for it.

    Raises ValueError for topologies without a known order.
    """
    n = topology.modes
    if topology == _rectangle(topology):
        order = _clements_order(n)
    elif topology == reck(n):
        order = [(0, row, column) for row in range(n - 1, 0, -1) for column in range(row)]
    else:
        raise ValueError("only the Clements and the Reck mesh can be decomposed; other topologies are trained")
    # Light meets the right cells first, in their order, then the left ones in the reverse order: each as early as its
    # modes allow.
    met = [index for index, (left, _, _) in enumerate(order) if not left]
    met += [index for index, (left, _, _) in reversed(list(enumerate(order))) if left]
    free: dict[int, list[int]] = {}
    for place, (_, top) in enumerate(topology.mzis):
        free.setdefault(top, []).append(place)
    places = [0] * len(order)
    for index in met:
        left, row, column = order[index]
        places[index] = free[row - 1 if left else column].pop(0)
    return np.array([(*step, place) for step, place in zip(order, places, strict=True)], np.int64).reshape(-1, 4)


def _clements_order(n: int) -> list[tuple[int, int, int]]:
    """Anti-diagonals from the bottom left, alternating sides."""
    steps = []
    for i in range(n - 1):
        if i % 2 == 0:
            steps += [(0, n - 1 - j, i - j) for j in range(i + 1)]
        else:
            steps += [(1, n - 1 - i + j, j) for j in range(i + 1)]
    return steps


@helper
def _wrap(angle):  # noqa: ANN001, ANN202
    """Into [0, 2 pi)."""
    turned = angle - FULL * math.floor(angle / FULL)
    return turned if turned < FULL else 0.0


@helper
def _turn(ar, ai, br, bi, sign):  # noqa: ANN001, ANN202
    """|a|, |b|, and cos, sin of theta/2 and e^{i phi} = sign a/|a| conj(b/|b|) that null b; phase 0 where one is 0.

    Squares too small for numbers count as 0: what is left of such entries is below 1e-153.
    """
    square_a, square_b = ar * ar + ai * ai, br * br + bi * bi
    size_a, size_b, whole = math.sqrt(square_a), math.sqrt(square_b), math.sqrt(square_a + square_b)
    cos, sin = (size_a / whole, size_b / whole) if whole > 0.0 else (1.0, 0.0)
    product = sign * size_a * size_b
    if product == 0.0:
        return size_a, size_b, cos, sin, 1.0, 0.0
    return size_a, size_b, cos, sin, (ar * br + ai * bi) / product, (ai * br - ar * bi) / product


@compiled
def _eliminate(real, imag, steps, turned):  # noqa: ANN001, ANN202
    """Null the elements in turn: U = (left cells)^-1 D (right cells).

    real, imag (batch, columns, rows) become D. turned (4, mzis, batch): of every MZI numbers whose angles are theta/2
    and phi: all angles at once take less time.
    """
    n = real.shape[1]
    for b in range(len(real)):
        re, im = real[b], imag[b]
        for step in range(len(steps)):
            left, row, column, place = steps[step, 0], steps[step, 1], steps[step, 2], steps[step, 3]
            if left == 0:
                # U T^H has a zero at (row, column)
                ar, ai, br, bi = re[column, row], im[column, row], re[column + 1, row], im[column + 1, row]
            else:
                # T U has a zero at (row, column)
                br, bi, ar, ai = re[column, row - 1], im[column, row - 1], re[column, row], im[column, row]
            size_a, size_b, cos, sin, fr, fi = _turn(ar, ai, br, bi, 1.0 if left else -1.0)
            turned[0, place, b], turned[1, place, b], turned[2, place, b], turned[3, place, b] = size_a, size_b, fr, fi
            # T = i e^{i theta/2} [[f sin, cos], [f cos, -sin]]
            gr, gi = -sin, cos
            tr, ti = (gr * fr - gi * fi) * sin, (gr * fi + gi * fr) * sin
            ur, ui = gr * cos, gi * cos
            vr, vi = (gr * fr - gi * fi) * cos, (gr * fi + gi * fr) * cos
            wr, wi = -gr * sin, -gi * sin
            if left == 0:
                # (x, y) <- (x, y) T^H, whose rows below are zero already
                first, second, first_i, second_i = re[column], re[column + 1], im[column], im[column + 1]
                for k in range(row + 1):
                    xr, xi, yr, yi = first[k], first_i[k], second[k], second_i[k]
                    first[k] = xr * tr + xi * ti + yr * ur + yi * ui
                    first_i[k] = xi * tr - xr * ti + yi * ur - yr * ui
                    second[k] = xr * vr + xi * vi + yr * wr + yi * wi
                    second_i[k] = xi * vr - xr * vi + yi * wr - yr * wi
            else:
                for k in range(column, n):
                    xr, xi, yr, yi = re[k, row - 1], im[k, row - 1], re[k, row], im[k, row]
                    re[k, row - 1] = tr * xr - ti * xi + ur * yr - ui * yi
                    im[k, row - 1] = tr * xi + ti * xr + ur * yi + ui * yr
                    re[k, row] = vr * xr - vi * xi + wr * yr - wi * yi
                    im[k, row] = vr * xi + vi * xr + wr * yi + wi * yr


@compiled
def _commute(steps, theta, phi, alpha):  # noqa: ANN001, ANN202
    """Bring D = diag(e^{i alpha}) to the front of the left cells: U = D' (cells); all angles into [0, 2 pi)."""
    batch = theta.shape[1]
    for step in range(len(steps) - 1, -1, -1):
        left, row, place = steps[step, 0], steps[step, 1], steps[step, 3]
        for b in range(batch if left else 0):
            # T(theta, phi)^-1 diag(d0, d1) = diag(d0', d1') T(theta, phi') with
            # phi' = d0 - d1, d0' = d1 - phi - theta - pi, d1' = d1 - theta - pi; wrapped, so that they stay exact
            first, second = alpha[row - 1, b], alpha[row, b]
            alpha[row - 1, b] = _wrap(second - phi[place, b] - theta[place, b] + math.pi)
            alpha[row, b] = _wrap(second - theta[place, b] + math.pi)
            phi[place, b] = first - second
    for angles in (theta, phi, alpha):
        for index in range(len(angles)):
            for b in range(batch):
                angles[index, b] = _wrap(angles[index, b])
