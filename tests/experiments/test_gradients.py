"""The table of estimators: every bar that the theory promises, on ideal weights and on a mesh."""

import json

import pytest
import torch

from ep_core import Sigmoid, relax
from experiments import gradients
from experiments.common.referees import EXACT, problem
from experiments.common.shell import run


def test_every_bar_is_met_and_named(tmp_path):
    assert run(gradients.main, gradients.GradientsOptions, ["--check", "--out", str(tmp_path / "out")]) == 0
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    for name, bar in gradients.BARS.items():
        for case in ("dense_1h", "dense_2h", "mesh_1h", "mesh_2h"):
            assert bar.holds(summary[f"{name}_{case}"]), (name, case)
    assert {"fraction_hard_0.1_dense_1h", "fraction_modulator_0.1_mesh_2h"} <= set(summary)


def test_the_net_is_the_one_that_the_bars_are_for():
    for backend in ("dense", "mesh"):
        net, x, _ = problem(backend, (9, 8), Sigmoid(), batch=20, seed=0)
        norms = [float(torch.linalg.matrix_norm(operator.matrix(), 2)) for operator in net.operators[1:]]
        assert norms == pytest.approx([0.5, 0.3])
        assert len(x) == 20
        assert relax(net, x, EXACT).residual.max() <= 1e-12


def test_bad_input(tmp_path, capsys):
    assert run(gradients.main, gradients.GradientsOptions, ["--batch", "0", "--out", str(tmp_path / "out")]) == 2
    assert "--batch must be at least 1, not 0" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words",
    [
        ("--backend", "photonic"),
        ("--backend", "ideal", "--activation", "sigmoid"),
        ("--backend", "ideal", "--net", "conv"),
        ("--backend", "ideal", "--net", "hopfield", "--sizes", 64, 12, 10),
        ("--backend", "ideal", "--loss", "cross-entropy"),
    ],
)
@pytest.mark.filterwarnings("ignore::ep_core.NotConverged")
def test_estimators_on_any_runs_network(job, tmp_path, words):
    """Trained weights from the run's folder, first weights from its config.json; small beta is exact on both."""
    run_dir = tmp_path / "run"
    sizes = () if {"conv", "hopfield"} & set(words) else ("--sizes", 64, 12, 10)
    status, _, err = job("--epochs", 1, "--no-controls", *sizes, *words, "--out", run_dir)
    assert status == 0, err
    found = {}
    for name in ("run", "run/config.json"):
        out = tmp_path / f"table-{len(found)}"
        arguments = ["--run", str(tmp_path / name), "--batch", "8", "--out", str(out)]
        assert run(gradients.main, gradients.GradientsOptions, arguments) == 0
        found[name] = json.loads((out / "summary.json").read_text())
    assert (found["run"]["trained"], found["run/config.json"]["trained"]) == (1, 0)
    for summary in found.values():
        assert summary["converged"] >= 0.5
        assert summary["symmetric_0.001_cosine"] >= 0.99
        assert summary["symmetric_0.1_error"] <= 1
        assert ("holomorphic10_0.1_error" in summary) == ("sigmoid" in words)
        assert ("hebbian_cosine" in summary) == ("cross-entropy" not in words)
        assert ("asymep_0.1_error" in summary) == ("conv" not in words)
    assert found["run"]["own_error"] != found["run/config.json"]["own_error"]


def test_a_folder_that_is_no_run_is_refused(tmp_path, capsys):
    assert run(gradients.main, gradients.GradientsOptions, ["--run", str(tmp_path)]) == 2
    assert "is not a run" in capsys.readouterr().err
