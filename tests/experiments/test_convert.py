"""Runs as files for other programs, and runs that start from such files; what is wrong is one line."""

import json
import shutil

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from electronic_ep import spice
from experiments import convert, layout, train
from experiments.common.build import build
from experiments.common.options import TrainOptions
from experiments.common.rundir import RunDirectory
from experiments.common.shell import run

QUICK = {"epochs": 1, "sizes": (64, 6, 10), "controls": False}


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A photonic and a crossbar run, barely trained."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("runs")
    for backend, more in (("photonic", {"tile": 4}), ("crossbar", {"tile": 6})):
        train.launch(TrainOptions(backend=backend, out=folder / backend, **QUICK, **more), show=False)
    return folder


@pytest.fixture
def converted(runs, tmp_path, capsys):
    """Convert a run; returns (status, folder, summary, the line of error)."""

    def call(backend, to, *words):
        out = tmp_path / f"{backend}-{to}"
        words = ["--run", runs / backend, "--to", to, "--out", out, "--check", *words]
        status = run(convert.main, convert.ConvertOptions, [str(word) for word in words])
        summary = out / "summary.json"
        return status, out, json.loads(summary.read_text()) if summary.exists() else {}, capsys.readouterr().err

    return call


def network(path):
    folder, options = RunDirectory.open(path)
    job = build(options)
    folder.load(job)
    return job.network


def test_weights_go_to_files_and_start_other_runs(runs, converted, tmp_path):
    net = network(runs / "photonic")
    for to, read in (("npz", np.load), ("safetensors", load_file)):
        status, out, summary, _ = converted("photonic", to)
        assert (status, summary["max_error"]) == (0, 0)
        held = read(out / f"weights.{to}")
        np.testing.assert_array_equal(np.asarray(held["weight_1"]), net.operators[1].matrix().numpy())
        np.testing.assert_array_equal(np.asarray(held["bias_0"]), net.shifts[0].detach().numpy())
    frozen = TrainOptions(backend="ideal", lr=(1e-12,), bias_lr=0.0, weights=out / "weights.safetensors", **QUICK)
    train.launch(TrainOptions(**(vars(frozen) | {"out": tmp_path / "on"})), show=False)
    again = network(tmp_path / "on")
    for one, other in zip(net.operators, again.operators, strict=True):
        torch.testing.assert_close(other.matrix(), one.matrix(), rtol=0, atol=1e-6)
    torch.testing.assert_close(again.shifts[1], net.shifts[1])
    stored = json.loads((tmp_path / "on" / "config.json").read_text())
    assert stored["weights"] == str(out / "weights.safetensors")
    assert run(train.main, TrainOptions, ["--resume", str(tmp_path / "on"), "--no-controls"]) == 0


def test_meshes_and_their_masks(runs, converted, tmp_path):
    status, out, summary, _ = converted("photonic", "sax", "--layer", 1)
    assert status == 0
    assert summary["max_error"] < 1e-12
    assert sorted(path.name for path in out.glob("*.yml")) == [f"tile_{r}_{c}.yml" for r in range(3) for c in range(2)]
    words = ["--run", str(runs / "photonic"), "--tile", "2", "1", "--out", str(tmp_path / "mask"), "--check"]
    assert run(layout.main, layout.LayoutOptions, words) == 0


@pytest.mark.skipif(shutil.which("ngspice") is None, reason=spice.MISSING)
def test_ngspice_computes_the_crossbars_matrix(runs, converted):
    """W 0.1 from the currents of all decks of a layer."""
    status, out, summary, _ = converted("crossbar", "spice")
    assert status == 0
    assert summary["max_error"] < 1e-9
    weight = network(runs / "crossbar").operators[1]
    per_siemens, found = 1e6 * weight.per_us, []
    for row in range(2):
        plus, minus = (
            spice.sensed(spice.operating_point((out / f"tile_{row}_0_{sign}.cir").read_text()), 5)
            for sign in ("plus", "minus")
        )
        found.append(per_siemens * (plus - minus))
    want = weight.matrix().double() @ torch.full((6,), 0.1, dtype=torch.float64)
    torch.testing.assert_close(torch.cat(found), want, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("backend", "words", "said"),
    [
        ("photonic", ("spice",), "this needs a CrossbarWeight: layer -1 of the run is a MeshWeight"),
        ("crossbar", ("sax",), "this needs a MeshWeight"),
        ("photonic", ("sax", "--layer", 2), "--layer must lie between 0 and 1, not 2"),
        ("photonic", ("sax", "--tile", 9, 0), "--tile must lie within 3 x 2 tiles, not (9, 0)"),
        ("crossbar", ("spice", "--volts", 0), "--volts must be positive and finite, not 0.0"),
        ("none", ("npz",), "is not a run: it has no config.json"),
    ],
)
def test_bad_input_is_one_line(converted, backend, words, said):
    status, out, _, err = converted(backend, *words)
    assert status == 2
    assert said in err
    assert err.count("\n") == 1
    assert not out.exists()


@pytest.mark.parametrize(
    ("tensors", "words", "said"),
    [
        (None, (), "there is no"),
        ({"weight_0": (3, 64)}, (), "is .6,. in this network, missing there"),
        ({"weight_0": (6, 64), "weight_1": (10, 6), "bias_0": (6,), "bias_1": (10,)}, ("--backend", "photonic"), "std"),
    ],
)
def test_weights_that_do_not_fit(tmp_path, capsys, tensors, words, said):
    file = tmp_path / "weights.npz"
    if tensors is not None:
        np.savez(file, **{name: np.full(shape, 9.0) for name, shape in tensors.items()})
    out = tmp_path / "out"
    words = ["--sizes", "64", "6", "10", "--weights", str(file), "--out", str(out), *words]
    assert run(train.main, TrainOptions, words) == 2
    err = capsys.readouterr().err
    assert str(file) in err
    assert said.replace(".", "") in err.replace("(", "").replace(")", "").replace(".", "")
    assert not out.exists()
