"""The script on programming: exact without errors, a quadratic gain with them, refusals."""

import json

import pytest

from experiments import programming
from experiments.common.shell import run


@pytest.mark.parametrize("topology", ["clements", "reck"])
def test_the_quadratic_gain(tmp_path, topology):
    words = ["--topology", topology, "--sizes", "16", "32", "--draws", "60", "--out", str(tmp_path / "out"), "--check"]
    assert run(programming.main, programming.ProgrammingOptions, words) == 0
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert summary["exact_32"] <= 1e-13
    assert 1.8 <= summary["exponent"] <= 2.2
    assert summary["configured_to_corrected"] <= 1.1
    for spread in (0.01, 0.02, 0.04):
        # |U - target|_F / sqrt N = sqrt(2 N) sigma to first order: 2 (N - 1) couplers of each of N ways add up
        assert summary[f"plain_32_{spread:g}"] == pytest.approx((2 * 32) ** 0.5 * spread, rel=0.1)
        for way in ("corrected", "configured"):
            assert summary[f"{way}_32_{spread:g}"] < 0.3 * summary[f"plain_32_{spread:g}"]
    assert (tmp_path / "out" / "programming.png").exists()


@pytest.mark.parametrize("words", [("--sizes", "1"), ("--spreads", "0"), ("--draws", "1")])
def test_bad_input(tmp_path, capsys, words):
    assert run(programming.main, programming.ProgrammingOptions, [*words, "--out", str(tmp_path / "out")]) == 2
    assert "--sizes must be 2 or more" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
