"""Phases of a mesh from the unitary that it shall make: Clements' and Reck's eliminations, batched over tiles.

The cell is T(theta, phi) = B diag(e^{i theta}, 1) B diag(e^{i phi}, 1)
= i e^{i theta/2} [[e^{i phi} sin, cos], [e^{i phi} cos, -sin]] with sin, cos of theta/2.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Complex, Float

from photonic_ep.mesh.topology import Topology, clements, reck

Unitaries = Complex[np.ndarray, "batch n n"]
Phases = Float[np.ndarray, " batch"]
AllPhases = Float[np.ndarray, "batch n"]


@dataclass(frozen=True)
class MeshPhases:
    """theta and phi of every MZI (mzis, batch) in the order of `Topology.mzis`, alpha of every mode (modes, batch).

    All in [0, 2 pi).
    """

    theta: Float[np.ndarray, "mzis batch"]
    phi: Float[np.ndarray, "mzis batch"]
    alpha: Float[np.ndarray, "modes batch"]


def decompose(unitary: Unitaries, topology: Topology, *, tolerance: float = 1e-6) -> MeshPhases:
    """Phases with which `topology` (clements(n) or reck(n)) makes each unitary of the batch.

    Raises ValueError for another topology, a wrong size, or a matrix that is not unitary (it says by how much).
    """
    u = np.array(unitary, dtype=np.complex128)
    n = topology.modes
    if u.ndim != 3 or u.shape[1:] != (n, n):
        raise ValueError(f"a mesh of {n} modes needs matrices of shape (batch, {n}, {n}), not {u.shape}")
    excess = np.abs(u @ u.conj().swapaxes(1, 2) - np.eye(n)).max(initial=0.0)
    if not excess <= tolerance:
        raise ValueError(f"not unitary: |U U^H - 1| reaches {excess:.2g} (allowed {tolerance:.0e})")
    if topology == clements(n):
        steps = _clements_steps(n)
    elif topology == reck(n):
        steps = [("right", row, column) for row in range(n - 1, 0, -1) for column in range(row)]
    else:
        raise ValueError("only the Clements and the Reck mesh can be decomposed; other topologies are trained")
    return _collect(*_eliminate(u, steps), topology)


def _clements_steps(n: int) -> list[tuple[str, int, int]]:
    """Side and matrix element of each elimination: anti-diagonals from the bottom left, alternating sides."""
    steps = []
    for i in range(n - 1):
        if i % 2 == 0:
            steps += [("right", n - 1 - j, i - j) for j in range(i + 1)]
        else:
            steps += [("left", n - 1 - i + j, j) for j in range(i + 1)]
    return steps


def _eliminate(u: Unitaries, steps: list[tuple[str, int, int]]) -> tuple[list, list, AllPhases]:
    """Null the elements in turn: U = (left cells)^-1 ... D ... (right cells); cells as (top, theta, phi)."""
    left, right = [], []
    for side, row, column in steps:
        if side == "right":
            # U T^H has a zero at (row, column): light enters the right cells first
            theta, phi = _null(u[:, row, column], u[:, row, column + 1])
            t = _cell(theta, phi).conj().swapaxes(1, 2)
            u[:, :, column : column + 2] = u[:, :, column : column + 2] @ t
            right.append((column, theta, phi))
        else:
            # T U has a zero at (row, column)
            a, b = u[:, row - 1, column], u[:, row, column]
            theta = 2 * np.arctan2(np.abs(a), np.abs(b))
            phi = np.where((a == 0) | (b == 0), 0.0, np.angle(b) - np.angle(a))
            u[:, row - 1 : row + 1] = _cell(theta, phi) @ u[:, row - 1 : row + 1]
            left.append((row - 1, theta, phi))
    return left, right, np.angle(np.einsum("bii->bi", u))


def _null(a: Complex[np.ndarray, " batch"], b: Complex[np.ndarray, " batch"]) -> tuple[Phases, Phases]:
    """theta and phi with a conj(T00) + b conj(T01) = 0."""
    theta = 2 * np.arctan2(np.abs(b), np.abs(a))
    phi = np.where((a == 0) | (b == 0), 0.0, np.angle(a) - np.angle(b) + np.pi)
    return theta, phi


def _cell(theta: Phases, phi: Phases) -> Complex[np.ndarray, "batch 2 2"]:
    front, turn = 1j * np.exp(0.5j * theta), np.exp(1j * phi)
    sin, cos = np.sin(theta / 2), np.cos(theta / 2)
    return (front * np.array([[turn * sin, cos + 0j], [turn * cos, -sin + 0j]])).transpose(2, 0, 1)


def _collect(left: list, right: list, alpha: AllPhases, topology: Topology) -> MeshPhases:
    """Commute D through the left cells' inverses, then let light meet the cells as early as their modes allow."""
    alpha = alpha.copy()
    ordered = list(right)
    for top, theta, phi in reversed(left):
        # T(theta, phi)^-1 diag(d0, d1) = diag(d0', d1') T(theta, phi') with
        # phi' = d0 - d1, d0' = d1 - phi - theta - pi, d1' = d1 - theta - pi
        first, second = alpha[:, top].copy(), alpha[:, top + 1].copy()
        ordered.append((top, theta, first - second))
        alpha[:, top] = np.mod(second - phi - theta + np.pi, 2 * np.pi)
        alpha[:, top + 1] = np.mod(second - theta + np.pi, 2 * np.pi)
    index = {place: i for i, place in enumerate(topology.mzis)}
    shape = (len(index), len(alpha))
    thetas, phis = np.zeros(shape), np.zeros(shape)
    depth = _first_columns(topology)
    for top, theta, phi in ordered:
        column = depth[top].pop(0)
        thetas[index[column, top]], phis[index[column, top]] = theta, phi
    full = 2 * np.pi
    return MeshPhases(np.mod(thetas, full), np.mod(phis, full), np.mod(alpha, full).T)


def _first_columns(topology: Topology) -> dict[int, list[int]]:
    """Columns of the MZIs on each top mode, in the order in which light meets them."""
    return {top: [c for c, t in topology.mzis if t == top] for top in range(topology.modes - 1)}
