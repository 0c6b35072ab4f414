"""The script on resistive networks: it learns, its gradient and its voltages hold, with and without ngspice."""

import json

import pytest

from electronic_ep import ConductanceWeight, ResistiveNetwork, spice
from ep_core.train import Epoch
from experiments import resistive
from experiments.common.resistive import Trained
from experiments.common.shell import run

WORDS = ["--seeds", "1", "--epochs", "1", "--samples", "1"]

PASS = Epoch(
    epoch=1, train_error=9.0, val_error=8.0, loss=0.1, residual=0.0, nonconverged=0.0, steps=5.0, reads=9, seconds=1.0
)
NET = ResistiveNetwork((64, 4, 10), ConductanceWeight)
RUNS = {seed: Trained(network=NET, epochs=[PASS], test=error) for seed, error in ((1, 3.0), (2, 5.0))}


def summary(folder, words):
    assert run(resistive.main, resistive.ResistiveOptions, [*words, "--out", str(folder)]) == 0
    assert (folder / "resistive.png").exists()
    return json.loads((folder / "summary.json").read_text())


@pytest.mark.skipif(not spice.present(), reason=spice.MISSING)
def test_it_learns_and_ngspice_agrees(tmp_path):
    found = summary(tmp_path / "out", WORDS)
    assert found["test_error"] <= 30 < found["frozen_error"]
    assert found["gradient_1e-2"] <= 1e-4
    assert found["gradient_halving"] == pytest.approx(4, rel=0.05)
    assert found["spice_0.001"] <= 1e-3
    assert found["spice_1"] / found["spice_0.001"] == pytest.approx(1000, rel=0.1)
    assert "test_error_std" not in found


def test_without_ngspice_the_rest_is_there(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(resistive, "train", lambda *given, **_: RUNS[given[1]])
    monkeypatch.setattr(resistive, "gradient_errors", lambda _: {})
    found = summary(tmp_path / "out", ["--seed", "1", "--seeds", "2"])
    assert not any(name.startswith("spice") for name in found)
    assert (found["test_error"], found["test_error_std"]) == (4.0, pytest.approx(2**0.5))
    assert "no voltages of ngspice (spice_...): ngspice is not there: install it" in capsys.readouterr().out


def test_bad_input(tmp_path, capsys):
    assert run(resistive.main, resistive.ResistiveOptions, ["--seeds", "0", "--out", str(tmp_path / "out")]) == 2
    assert "--seeds, --epochs and --samples must be at least 1" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
