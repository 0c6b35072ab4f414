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
