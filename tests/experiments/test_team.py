"""The main job under torchrun: one process writes; one that dies ends the run with a line and leaves a checkpoint."""

import json
from pathlib import Path

import pytest

from experiments import train
from experiments.common.options import TrainOptions
from tests.ep_core.test_parallel import torchrun

SMALL = ("--backend", "ideal", "--sizes", 64, 12, 10, "--epochs", 3, "--dtype", "float64", "--no-controls")
SMALL += ("--tolerance", 0)  # no sample stops a sweep earlier because sums were rounded in another order


@pytest.mark.filterwarnings("ignore::ep_core.NotConverged")
def test_a_rank_that_dies_leaves_a_run_that_goes_on(tmp_path):
    out = tmp_path / "run"
    done = torchrun(Path(__file__).with_name("dying_rank.py"), *SMALL, "--out", out)
    assert done.returncode != 0
    lines = [line for line in done.stderr.splitlines() if line.startswith("error:")]
    assert lines == ["error: another process of this run has died: continue with --resume and the run's folder"]
    assert len((out / "metrics.jsonl").read_text().splitlines()) == 1
    assert not (out / "summary.json").exists()
    resumed = torchrun("experiments/train.py", "--resume", out, "--no-controls")
    assert resumed.returncode == 0, resumed.stderr
    whole = train.launch(
        TrainOptions(
            backend="ideal",
            sizes=(64, 12, 10),
            epochs=3,
            dtype="float64",
            tolerance=0.0,
            controls=False,
            out=tmp_path / "whole",
        ),
        show=False,
    )
    team = json.loads((out / "summary.json").read_text())
    assert team["test_error"] == whole["test_error"]
    assert team["reads"] == pytest.approx(whole["reads"], rel=1e-4)  # a sample may be exact a sweep earlier
    assert resumed.stdout.count("test_error") == 1
