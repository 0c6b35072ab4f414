"""The layout script: a run's tile and a Haar unitary as chips, checked again from their files; refusals."""

import json

import pytest

from experiments import layout
from experiments.common.shell import run
from tests.experiments.conftest import QUICK

NAMES = {
    "chip.gds",
    "pins.csv",
    "netlist.json",
    "target.json",
    "config.json",
    "summary.json",
    "chip.png",
    "mzi.png",
    "chip.svg",
}
NAMES |= {"mzi.svg", "sweep.png", "errors.json"}


def draw(*words):
    return run(layout.main, layout.LayoutOptions, [str(word) for word in words])


def test_a_unitary_becomes_a_chip(tmp_path):
    out = tmp_path / "chip"
    assert draw("--modes", 4, "--topology", "reck", "--out", out, "--check") == 0
    assert {path.name for path in out.iterdir()} == NAMES
    summary = json.loads((out / "summary.json").read_text())
    assert summary["max_error"] <= 1e-9
    assert summary["heaters"] == 16
    assert draw("--check-file", out / "chip.gds", "--check") == 0
    (out / "pins.csv").write_text((out / "pins.csv").read_text().replace("u_mzi_0_0", "u_mzi_9_9"))
    assert draw("--check-file", out / "chip.gds") == 2


def test_a_tile_of_a_run_becomes_a_chip(job, tmp_path):
    assert job(*QUICK, "--tile", 4, "--out", tmp_path / "run")[0] == 0
    out = tmp_path / "chip"
    assert draw("--run", tmp_path / "run", "--layer", 0, "--tile", 2, 3, "--out", out, "--check") == 0
    assert json.loads((out / "summary.json").read_text())["heaters"] == 2 * 16 + 4


def test_a_whole_layer_becomes_one_floor_plan(job, tmp_path):
    assert job(*QUICK, "--tile", 4, "--out", tmp_path / "run")[0] == 0
    out = tmp_path / "chip"
    assert draw("--run", tmp_path / "run", "--out", out, "--check") == 0
    summary = json.loads((out / "summary.json").read_text())
    # 10 outputs of 12 neurons: 3 x 3 tiles
    assert summary["tiles"] == 9
    assert summary["heaters"] == 9 * 36
    assert summary["max_error"] <= 1e-9
    trained = tmp_path / "trained"
    assert draw("--run", tmp_path / "run", "--known-errors", "--out", trained, "--check") == 0
    assert draw("--check-file", trained / "chip.gds", "--check") == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "give one of"),
        (("--modes", 4, "--run", "x"), "give one of"),
        (("--modes", 1), "at least 2"),
        (("--modes", 0), "at least 2"),
        (("--modes", 90), "too many wires over a heater"),
        (("--modes", 4, "--known-errors"), "needs --run"),
        (("--run", "nothing"), "is not a run"),
        (("--check-file", "nothing.gds"), "there is no nothing.gds"),
    ],
)
def test_bad_input(tmp_path, capsys, words, said):
    assert draw(*words, "--out", tmp_path / "out") == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_run_without_such_a_mesh_is_refused(job, tmp_path, capsys):
    assert job(*QUICK, "--backend", "ideal", "--out", tmp_path / "ideal")[0] == 0
    assert draw("--run", tmp_path / "ideal") == 2
    assert "has no meshes" in capsys.readouterr().err
    assert job(*QUICK, "--out", tmp_path / "run")[0] == 0
    assert draw("--run", tmp_path / "run", "--layer", 7) == 2
    assert draw("--run", tmp_path / "run", "--tile", 9, 0) == 2
    (tmp_path / "run" / "last.safetensors").unlink()
    assert draw("--run", tmp_path / "run") == 2
    assert "has not finished an epoch" in capsys.readouterr().err
