"""Benchmarks name every number that their bars ask for; their timings are not tested."""

import json

import pytest
import torch

from benchmarks import circuit, crossbar, ep, ising, mesh
from ep_core import one_hot
from experiments.common.shell import run


def test_circuit_cases_cover_the_bars():
    forward = {f"{name}_forward" for name in circuit.CASES}
    gradient = {f"{name}_gradient" for name, (_, _, wanted) in circuit.CASES.items() if wanted}
    first = {f"first_{modes}_s" for modes in (8, 16, 32)}
    assert forward | gradient | first == set(circuit.BARS)


def test_both_sides_time_the_same_circuit():
    import jax
    import numpy as np
    import sax
    import torch

    jax.config.update("jax_enable_x64", True)
    netlist, settings = circuit.ring(), circuit.WL
    ours, ports = circuit.circuit(netlist, circuit.OURS)[0].dense(wl=torch.from_numpy(settings["wl"]))
    theirs = sax.sdict(sax.circuit(netlist, circuit.THEIRS)[0](**settings))
    for (a, b), value in theirs.items():
        np.testing.assert_allclose(ours[:, ports.index(b), ports.index(a)].numpy(), np.asarray(value), atol=1e-10)
    mzi = sax.sdict(circuit.sax_mzi(1.0, 2.0))
    for key, value in circuit.models.mzi(theta=1.0, phi=2.0).items():
        assert abs(complex(value) - complex(mzi[key])) < 1e-14


def test_ep_without_its_peer_leaves_the_peers_keys_out(tmp_path):
    assert run(ep.main, ep.EPOptions, ["--rounds", "1", "--out", str(tmp_path / "out")]) == 0
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert {"gemm_b20", "gemm_b200"} <= set(summary)
    assert not [name for name in summary if "laborieux" in name]


def test_a_folder_that_is_no_checkout_is_refused(tmp_path, capsys):
    assert run(ep.main, ep.EPOptions, ["--laborieux", str(tmp_path)]) == 2
    assert "must be a checkout" in capsys.readouterr().err


def test_ep_times_what_it_says():
    """Every sample takes all of its sweeps: 20 free ones and 4 of each nudged phase, no state being exact before."""
    x, labels = ep.inputs(20)
    net, estimator, _ = ep.network()
    estimate = estimator(net, x, one_hot(labels, 10, x.dtype))
    assert (estimate.free.steps, estimate.nudged.steps) == (20, 4)
    assert estimate.free.reads == pytest.approx(20 * (1 + 2 * 20), rel=0.02)
    assert estimate.nudged.reads == pytest.approx(40 * 2 * 4, rel=0.02)
    assert torch.isfinite(estimate.gradients["weights.0.weight"]).all()


def test_meshes_are_timed_under_the_names_of_their_bars(tmp_path):
    assert run(mesh.main, mesh.MeshOptions, ["--rounds", "1", "--out", str(tmp_path / "out")]) == 0
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert set(mesh.BARS) - {"sax_8x100", "neurophox_64"} <= set(summary)


def test_a_folder_without_the_meshes_of_the_peer_is_refused(tmp_path, capsys):
    assert run(mesh.main, mesh.MeshOptions, ["--neurophox", str(tmp_path)]) == 2
    assert "neurophox/torch" in capsys.readouterr().err


def test_the_mesh_that_is_timed_is_the_one_that_it_says():
    calls = mesh.contenders(8, 3, torch.float64)
    torch.testing.assert_close(calls["forward"](), calls["phases"](), rtol=0, atol=1e-14)
    fields = calls["forward"]().permute(2, 0, 1)
    eye = torch.eye(8, dtype=fields.dtype).expand(3, 8, 8)
    torch.testing.assert_close(fields.mH @ fields, eye, rtol=0, atol=1e-13)


def test_crossbars_are_timed_under_the_names_of_their_bars(tmp_path):
    """Not at 128, which takes badcrossbar seconds a call."""
    sizes = ["--sizes", "32", "64"]
    assert run(crossbar.main, crossbar.CrossbarOptions, [*sizes, "--rounds", "1", "--out", str(tmp_path / "out")]) == 0
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert {name for name in crossbar.BARS if not name.endswith("_128")} <= set(summary)


def test_both_time_the_same_crossbar():
    calls = crossbar.contenders(8)
    volts = calls["badcrossbar_100"].args[0]
    torch.testing.assert_close(calls["badcrossbar_100"](), volts @ calls["ours"]().mT, rtol=1e-11, atol=0)


def test_ising_machines_are_timed_and_end_as_low(tmp_path):
    words = ["--batch", "4", "--rounds", "1", "--out", str(tmp_path / "out")]
    assert run(ising.main, ising.IsingSpeedOptions, words) == 0
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert {"ms_per_sample", *ising.BARS} <= set(summary)
    assert abs(summary["energy_gap"]) <= 1e-3


def test_the_library_gets_the_problem_that_we_solve():
    """Listed couplings and fields have the energy of the network's own."""
    import dimod

    (first, second), weight = ising.machine(3)
    j, spins = ising.couplings([120, 40], [weight]), torch.ones(1, 3, 160)
    spins[..., ::3] = -1
    parts = list(spins.split([120, 40], 2))
    expected = ising.energy([first, second], [weight], parts)[0]
    for n, h in enumerate(torch.cat([first, second], 1).tolist()):
        quadratic = {(a, b): float(j[a, b]) for a, b in j.nonzero().tolist()}
        bqm = dimod.BinaryQuadraticModel.from_ising(dict(enumerate(h)), quadratic)
        assert bqm.energy(dict(enumerate(spins[0, n].tolist()))) == pytest.approx(float(expected[n]), rel=1e-5)
