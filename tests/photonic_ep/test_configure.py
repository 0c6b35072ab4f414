"""Meshes that configure themselves from powers: exact where couplers allow it, whatever else is unknown; refusals."""

import numpy as np
import pytest
import torch
from scipy.stats import unitary_group

from photonic_ep import MeshPhases, clements, decompose, fftnet, reck
from photonic_ep.circuit import circuit, models
from photonic_ep.mesh.configure import self_configured
from photonic_ep.mesh.kernel import Steps, couplers
from photonic_ep.mesh.netlist import mesh_netlist


def device(topology, spread, batch=3, seed=0):
    rng = np.random.default_rng(seed)
    targets = unitary_group.rvs(topology.modes, size=batch, random_state=rng).reshape(batch, *2 * [topology.modes])
    phases = decompose(targets, topology)
    return targets, phases, spread * rng.standard_normal((2, *phases.theta.shape)), rng


def away(phases, topology, errors, targets):
    """|U - target|_F / sqrt N of every device, by the compiled mesh."""
    light = Steps(topology.rows, topology.modes, couplers(*torch.from_numpy(errors)))
    made = light(torch.from_numpy(phases.theta), torch.from_numpy(phases.phi)).numpy()
    made = np.exp(1j * phases.alpha)[:, None] * made
    return np.sqrt((np.abs(made.transpose(2, 0, 1) - targets) ** 2).sum((1, 2)) / topology.modes)


@pytest.mark.parametrize("shape", [clements, reck])
@pytest.mark.parametrize("modes", [2, 5, 8])
def test_small_errors_leave_nothing(shape, modes):
    topology = shape(modes)
    targets, phases, errors, _ = device(topology, 0.002)
    assert away(phases, topology, errors, targets).min() > 1e-4
    assert away(self_configured(phases, topology, errors), topology, errors, targets).max() < 1e-12


def test_static_phases_need_not_be_known():
    topology = clements(16)
    targets, phases, errors, rng = device(topology, 0.005)
    offsets = 0.1 * rng.standard_normal(errors.shape)
    found = self_configured(phases, topology, errors, offsets)
    blind = MeshPhases(phases.theta + offsets[0], phases.phi + offsets[1], phases.alpha)
    seen = MeshPhases(found.theta + offsets[0], found.phi + offsets[1], found.alpha)
    assert away(seen, topology, errors, targets).max() < 0.01 < 0.3 < away(blind, topology, errors, targets).min()


def test_another_engine_sees_the_unitary_that_was_found():
    """The netlist of the device, at the phases found: |U| to 1e-12 (powers say nothing of the output phases)."""
    topology = clements(4)
    targets, phases, errors, _ = device(topology, 0.01, batch=1)
    found = self_configured(phases, topology, errors)
    model, _ = circuit(mesh_netlist(topology), {"mzi": models.mzi})
    settings = {
        f"u_mzi_{column}_{top}": {
            "theta": float(found.theta[i, 0]),
            "phi": float(found.phi[i, 0]),
            "delta_in": float(errors[0, i, 0]),
            "delta_out": float(errors[1, i, 0]),
        }
        for i, (column, top) in enumerate(topology.mzis)
    }
    s = model(**settings)
    made = np.array([[abs(complex(s[f"in_{i}", f"out_{o}"])) for i in range(4)] for o in range(4)])
    np.testing.assert_allclose(made, np.abs(targets[0]), atol=1e-12)


def test_errors_follow_the_noise_of_the_detectors():
    topology = reck(8)
    targets, phases, errors, rng = device(topology, 0.02, batch=20)
    rms = []
    for noise in (1e-6, 1e-4):
        found = self_configured(phases, topology, errors, noise=noise, rng=rng)
        rms.append(np.median(away(found, topology, errors, targets)))
    # theta and phi follow from slopes of the power, so their errors go with the noise itself
    assert rms[1] / rms[0] == pytest.approx(100, rel=0.5)
    assert rms[1] < 2e-3


def test_a_mesh_that_leaks_too_much_is_left_as_it_was():
    topology = clements(32)
    targets, phases, errors, _ = device(topology, 0.3, batch=1)
    found = self_configured(phases, topology, errors)
    assert away(found, topology, errors, targets) <= away(phases, topology, errors, targets) + 1e-9


def test_any_feed_forward_mesh_does():
    """An FFTNet makes few unitaries: those that its exact parts make are found again."""
    topology = fftnet(8)
    rng = np.random.default_rng(0)
    shape = len(topology.mzis), 1
    phases = MeshPhases(
        2 * np.arcsin(np.sqrt(rng.random(shape))), 2 * np.pi * rng.random(shape), 2 * np.pi * rng.random((8, 1))
    )
    none = np.zeros((2, *shape))
    errors = 0.005 * rng.standard_normal(none.shape)

    def through(own, wrong):
        light = Steps(topology.rows, 8, couplers(*torch.from_numpy(wrong)), topology.exits)
        fields = light(torch.from_numpy(own.theta), torch.from_numpy(own.phi)).numpy()
        return np.exp(1j * own.alpha)[:, None] * fields

    target = through(phases, none)
    found = self_configured(phases, topology, errors)
    before, after = (np.abs(through(own, errors) - target).max() for own in (phases, found))
    assert after < 1e-12 < 1e-3 < before


def test_bad_input():
    topology = clements(4)
    _, phases, errors, _ = device(topology, 0.01)
    with pytest.raises(ValueError, match="couplers and offsets of shape"):
        self_configured(phases, topology, errors[:, :-1])
    with pytest.raises(ValueError, match="need a generator"):
        self_configured(phases, topology, errors, noise=0.1)
