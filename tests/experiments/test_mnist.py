"""Rows over seeds on tiny MNIST-like files: what is there is not trained again, what was interrupted goes on."""

import json
from dataclasses import replace

import pytest

from experiments import mnist
from experiments.common.shell import run

ROWS = tuple(mnist.RECIPES)
pytestmark = pytest.mark.filterwarnings("ignore::ep_core.NotConverged")


@pytest.fixture(autouse=True)
def _small(monkeypatch):
    tiny = replace(mnist.LAYERED, sizes=(784, 8, 10), epochs=2, warmup=None)
    conv = replace(mnist.RECIPES["conv"], channels=(2, 2), epochs=1)
    monkeypatch.setattr(mnist, "RECIPES", {"layered": tiny, "conv": conv})


def words(idx, out, *more):
    return ["--data-dir", str(idx.path), "--out", str(out), "--seeds", "2", "--jobs", "1", *more]


def test_rows_over_seeds_go_on_where_they_were(idx, tmp_path):
    out = tmp_path / "out"
    assert run(mnist.main, mnist.MnistOptions, words(idx, out, "--rows", "layered")) == 0
    first = json.loads((out / "summary.json").read_text())
    assert {"layered_mean", "layered_std", "layered_cosine", "classes_never_predicted"} <= set(first)
    # Interrupted: one run lost its last part, the other is whole.
    (out / "layered-seed1" / "summary.json").unlink()
    before = (out / "layered-seed0" / "last.safetensors").stat().st_mtime_ns
    assert run(mnist.main, mnist.MnistOptions, words(idx, out, "--rows", "layered", "conv")) == 0
    assert (out / "layered-seed0" / "last.safetensors").stat().st_mtime_ns == before
    second = json.loads((out / "summary.json").read_text())
    assert second["layered_mean"] == first["layered_mean"]
    assert "conv_mean" in second
    assert (out / "mnist.png").exists()


@pytest.mark.parametrize("more", [("--rows", "nothing"), ("--seeds", "0"), ("--jobs", "0")])
def test_bad_input(idx, tmp_path, capsys, more):
    assert run(mnist.main, mnist.MnistOptions, [*words(idx, tmp_path / "out"), *more]) == 2
    assert "--rows must be of layered, conv" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_every_bar_has_its_row():
    rows = {name for bar in mnist.BARS for name in ROWS if bar.startswith(name)}
    meshes, crossbars = {"photonic"}, {"crossbar", "crossbar_wires"}
    assert rows == {"layered", "deep", "hopfield", "conv", "noisy_symmetric", "noisy_one_sided"} | meshes | crossbars
