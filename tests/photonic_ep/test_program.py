"""Programming: tiles make the matrices that they are given, on exact parts and on known imperfect ones."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.stats import unitary_group

from photonic_ep import Imperfections, MeshWeight, clements, decompose, fftnet, models, reck
from photonic_ep.mesh.kernel import cell_matrix, propagate
from photonic_ep.mesh.program import corrected, tile_phases
from photonic_ep.presets import DEVICE_F


def built(phases, topology, first=0.0, second=0.0):
    """The unitaries of meshes whose couplers have these errors."""
    settings = {"theta": torch.from_numpy(phases.theta), "phi": torch.from_numpy(phases.phi)}
    settings |= {"delta_in": torch.as_tensor(first, dtype=torch.float64)}
    settings |= {"delta_out": torch.as_tensor(second, dtype=torch.float64)}
    n, batch = topology.modes, phases.alpha.shape[1]
    light = torch.eye(n, dtype=torch.complex128)[:, :, None].expand(n, n, batch)
    fields = propagate(topology, cell_matrix(models.mzi, settings), light).numpy()
    return (np.exp(1j * phases.alpha)[:, None] * fields).transpose(2, 0, 1)


def mesh(out=9, into=7, **options):
    return MeshWeight(out, into, tile=4, generator=torch.Generator().manual_seed(3), dtype=torch.float64, **options)


@pytest.mark.parametrize("shape", [clements, reck, lambda n: clements(n, extra=3)])
@pytest.mark.parametrize("kind", ["real", "complex", "singular", "identity"])
def test_tiles_make_any_matrix(shape, kind):
    rng, topology = np.random.default_rng(0), shape(6)
    targets = rng.standard_normal((5, 6, 6)) + (1j * rng.standard_normal((5, 6, 6)) if kind == "complex" else 0)
    if kind == "singular":
        targets[:, 3:] = 0
    if kind == "identity":
        targets = np.eye(6)[None].repeat(5, 0)
    targets = targets / np.linalg.norm(targets, 2, axis=(1, 2))[:, None, None]
    phases = tile_phases(targets, topology)
    u, v = (
        built(type("P", (), {kind: phases[f"{side}_{kind}"] for kind in ("theta", "phi", "alpha")}), topology)
        for side in ("u", "v")
    )
    att = 0.5 * (np.exp(1j * phases["att_theta"]) - 1).T
    assert np.abs((u * att[:, None]) @ v - targets).max() <= 1e-13


@pytest.mark.parametrize(
    ("imperfections", "shape"),
    # Blocks with dark ports need splits of 0 and 1, which imperfect couplers do not reach.
    [(Imperfections(), (9, 7)), (Imperfections(phase_error=0.3, splitter_error=0.005), (16, 16))],
)
@pytest.mark.parametrize("topology", [clements, reck])
def test_a_programmed_operator_holds_the_matrix(source, imperfections, shape, topology):
    weight = mesh(*shape, imperfections=imperfections, topology=topology)
    target = 0.05 * torch.randn(*shape, generator=source, dtype=torch.float64)
    written = weight.program_matrix_(target)
    assert written.pulses > 0
    away = torch.nn.functional.pad((weight.matrix() - target).abs(), (0, -shape[1] % 4, 0, -shape[0] % 4))
    off = away.unflatten(1, (-1, 4)).unflatten(0, (-1, 4)).amax((1, 3))
    if not imperfections.splitter_error:
        assert off.max() <= 1e-12
    # A tile with an MZI near the end of its range is a little off.
    assert (off <= 1e-12).double().mean() >= 0.4
    assert off.max() <= 0.01


def test_what_is_known_of_a_device_makes_it_better(source):
    target = 0.1 * torch.randn(9, 7, generator=source, dtype=torch.float64)
    errors = {}
    for name, known in (("nothing", frozenset()), ("all", DEVICE_F.imperfections.known | {"crosstalk"})):
        weight = mesh(imperfections=replace(DEVICE_F.imperfections, crosstalk=0.0, dac_bits=None, known=known))
        weight.program_matrix_(target)
        errors[name] = float((weight.matrix() - target).norm() / target.norm())
    assert errors["all"] < 0.4 * errors["nothing"]


@pytest.mark.parametrize(
    ("make", "target", "message"),
    [
        (mesh, torch.full((9, 7), 10.0), "largest singular value is .* times"),
        (mesh, torch.full((9, 7), math.nan), "not finite"),
        (mesh, torch.zeros(7, 9), r"shape \(9, 7\), not \(7, 9\)"),
        (lambda: mesh(form="unitary"), torch.zeros(9, 7), "U alone"),
        (lambda: mesh(topology=fftnet), torch.zeros(9, 7), "other topologies are trained"),
    ],
)
def test_impossible_matrices_are_refused_before_anything_is_written(make, target, message):
    weight = make()
    before = [p.detach().clone() for p in weight.parameters()]
    with pytest.raises(ValueError, match=message):
        weight.program_matrix_(target.double())
    assert all(torch.equal(old, new) for old, new in zip(before, weight.parameters(), strict=True))


@pytest.mark.parametrize("shape", [clements, reck])
@pytest.mark.parametrize("n", [2, 3, 8, 16])
def test_known_couplers_within_reach_cost_nothing(shape, n):
    """Where every MZI reaches its split the unitary is exact; else the error falls with the square of the spread."""
    rng, topology, batch = np.random.default_rng(1), shape(n), 8
    targets = unitary_group.rvs(n, size=batch, random_state=2).reshape(batch, n, n)
    phases, spread, errors = decompose(targets, topology), 0.01, {}
    for sigma in (spread, 4 * spread):
        first, second = (sigma * rng.standard_normal(phases.theta.shape) for _ in range(2))
        for name, found in (("plain", phases), ("corrected", corrected(phases, topology, first, second))):
            away = built(found, topology, first, second) - targets
            errors[name, sigma] = np.sqrt((np.abs(away) ** 2).sum((1, 2)) / n)
    reached = errors["corrected", spread] <= 1e-12
    assert reached.mean() >= (0.5 if n < 16 else 0.2)
    assert errors["plain", spread].min() > 1e-3
    assert errors["corrected", 4 * spread].mean() < 0.15 * errors["plain", 4 * spread].mean()


@pytest.mark.parametrize("target", [np.eye(4), np.eye(4)[::-1], np.diag(np.exp(1j * np.arange(4)))])
def test_correction_of_bar_and_cross_states(target):
    """Permutations need MZIs at the ends of their range, where imperfect couplers cannot go: what is left is small."""
    rng, topology = np.random.default_rng(4), clements(4)
    phases = decompose(target[None].astype(complex), topology)
    first, second = (0.02 * rng.standard_normal(phases.theta.shape) for _ in range(2))
    found = corrected(phases, topology, first, second)
    assert all(np.isfinite(part).all() for part in (found.theta, found.phi, found.alpha))
    assert np.abs(built(found, topology, first, second) - target).max() < 0.15


def test_couplers_of_another_mesh_are_refused():
    phases = decompose(np.eye(4, dtype=complex)[None], clements(4))
    with pytest.raises(ValueError, match="as many first and second couplers"):
        corrected(phases, clements(4), np.zeros((5, 1)), np.zeros((5, 1)))
