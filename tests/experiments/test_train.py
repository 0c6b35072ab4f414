"""The main job end to end, small: files, numbers, pictures, repeatability, resuming."""

import csv
import json
import re
from dataclasses import replace

import pytest
import torch
from matplotlib import image

from experiments.cli import main as cli
from experiments.common.build import build
from experiments.common.options import TrainOptions
from experiments.common.rundir import RunDirectory
from experiments.common.shell import run
from tests.experiments.conftest import QUICK

OPTIONS = """
dataset data-dir sizes backend topology tile phase-error splitter-error insertion-loss-db crosstalk crossing-loss-db
imbalance-db detuning-nm floor-plan trench port-reflection drift drift-reads order
device
homeostasis programming levels device-spread cycle-spread read-noise polarity wire-ohm terminals top
nudge-ceiling nudge-noise
port-phase port-gain stuck phase-noise detector-noise dac-bits dac-volts state-bits gradient nudge nudge-mode nudge-mw
nudge-bits nudge-extinction-db beta estimator steps epochs batch optimiser lr seed dtype threads out resume check
"""
SUMMARY = {
    "test_error",
    "train_error",
    "best_val_error",
    "seconds",
    "epoch_seconds",
    "epochs",
    "steps_mean",
    "reads",
    "pulses",
    "nonconverged",
    "nonconverged_free",
    "cosine",
    "cosine_pooled",
    "classes_never_predicted",
    "seed",
}


def summary(path):
    return json.loads((path / "summary.json").read_text())


def settled(path):
    """All that must not depend on when a run was interrupted."""
    rows = [
        {k: v for k, v in json.loads(line).items() if k != "seconds"}
        for line in (path / "metrics.jsonl").read_text().splitlines()
    ]
    return {k: v for k, v in summary(path).items() if "seconds" not in k}, rows


@pytest.mark.parametrize("backend", ["ideal", "photonic", "crossbar"])
def test_a_run_leaves_everything(job, tmp_path, backend):
    out = tmp_path / "run"
    status, shown, _ = job(*QUICK, "--backend", backend, "--out", out)
    assert status == 0
    assert "test_error" in shown
    found = {path.name for path in out.iterdir()}
    pictures = {"learning_curve.png"} | ({"mesh.png"} if backend == "photonic" else set())
    files = {"config.json", "metrics.csv", "metrics.jsonl", "summary.json", "last.safetensors", "best.safetensors"}
    assert found == files | pictures
    for name in pictures:
        assert image.imread(out / name).std() > 0.05, f"{name} is blank"
    numbers = summary(out)
    assert set(numbers) == SUMMARY
    assert all(isinstance(value, int | float) for value in numbers.values())
    rows = list(csv.DictReader((out / "metrics.csv").read_text().splitlines()))
    assert [row["epoch"] for row in rows] == ["1", "2"]
    assert min(float(row["val_error"]) for row in rows) == numbers["best_val_error"]
    assert numbers["reads"] >= sum(int(row["reads"]) for row in rows) > 0


def test_controls_stand_beside_the_result(job, tmp_path):
    out = tmp_path / "run"
    assert job("--backend", "ideal", "--epochs", 1, "--sizes", 64, 12, 10, "--out", out)[0] == 0
    numbers = summary(out)
    assert set(numbers) == SUMMARY | {"logistic_error", "frozen_error", "backpropagation_error"}
    assert 2 < numbers["logistic_error"] < 5
    assert 0 < numbers["frozen_error"] < 95
    assert 0 < numbers["backpropagation_error"] < 95


def test_light_and_levels_on_ideal_weights(job, tmp_path):
    words = ("--backend", "ideal", "--nudge", "light", "--nudge-mode", "closed", "--state-bits", 8)
    assert job(*QUICK, *words, "--estimator", "one-sided", "--optimiser", "sgd", "--out", tmp_path / "r")[0] == 0


def test_every_option_of_the_device_reaches_it(job, tmp_path):
    words = ("--topology", "reck", "--tile", 4, "--phase-error", 0, "--splitter-error", 0, "--insertion-loss-db", 0)
    words += ("--crosstalk", 0, "--dac-bits", 0, "--state-bits", 0, "--gradient", "oracle", "--nudge", "ideal")
    assert job(*QUICK, *words, "--dtype", "float64", "--out", tmp_path / "r")[0] == 0
    tensors, options = RunDirectory.open(tmp_path / "r")[0], RunDirectory.open(tmp_path / "r")[1]
    assert (options.topology, options.tile, options.dac_bits, options.dtype) == ("reck", 4, 0, "float64")
    assert tensors.last.exists()


CROSSBAR = ("--backend", "crossbar", "--wire-ohm", 0, "--terminals", 0, 0, 0, 0)


def test_every_option_of_the_crossbar_reaches_it(job, tmp_path):
    words = ("--tile", 16, "--programming", "stochastic", "--levels", 7, "--device-spread", 0.1, "--cycle-spread", 0.2)
    words += ("--read-noise", 1e-6, "--polarity", 0.02, "--wire-ohm", 0.1, "--terminals", 1, 2, 3, 4, "--top", 6)
    words += ("--stuck", 0.01, "--nudge-ceiling", 2, "--nudge-noise", 0.1, "--nudge-bits", 6, "--device", "hfo2")
    out = tmp_path / "r"
    sizes = ("--sizes", 64, 12, 10, "--epochs", 1, "--no-controls", "--estimator", "asymep")
    assert job("--backend", "crossbar", *sizes, *words, "--out", out)[0] == 0
    weight = build(RunDirectory.open(out)[1]).network.operators[1]
    kind, ends = weight.memristor, weight.terminals
    assert (kind.high_us, kind.device_spread, kind.cycle_spread, kind.read_noise) == (225.0, 0.1, 0.2, 1e-6)
    assert (kind.polarity, kind.stuck, kind.response.step) == (0.02, 0.01, pytest.approx(1 / 128))
    assert (ends.word_drive, ends.bit_sense, ends.bit_drive, ends.word_sense) == (1, 2, 3, 4)
    assert (weight.wires.word, weight.array.tile, weight.top) == (0.1, 16, pytest.approx(0.6))
    assert type(weight.programming).__name__ == "StochasticRounding"
    assert not weight.symmetric


@pytest.mark.parametrize("scheme", ["mixed-precision", "stochastic", "sign", "write-verify", "tiki-taka"])
def test_every_scheme_trains_and_resumes_bit_exactly(job, tmp_path, scheme):
    words = (*CROSSBAR, "--programming", scheme, "--sizes", 64, 12, 10, "--no-controls")
    assert job(*words, "--epochs", 2, "--out", tmp_path / "whole")[0] == 0
    half = build(RunDirectory.open(tmp_path / "whole")[1])
    folder = RunDirectory.create(replace(half.options, out=tmp_path / "half"))
    for epoch in half.fit(folder.ledger):
        folder.finished(half, epoch)
        break
    assert job("--resume", tmp_path / "half", "--no-controls")[0] == 0
    assert settled(tmp_path / "whole") == settled(tmp_path / "half")


def test_same_seed_same_files(job, tmp_path):
    for name in ("a", "b"):
        assert job(*QUICK, "--out", tmp_path / name)[0] == 0
    assert settled(tmp_path / "a") == settled(tmp_path / "b")


def test_the_seconds_of_an_epoch_are_those_without_compiling():
    folder = RunDirectory(None)
    folder.history = [{"seconds": end} for end in (9.0, 10.0, 12.0, 13.5)]
    assert folder.epoch_seconds == 1.75


def test_a_finished_run_resumes_to_the_same_summary(job, tmp_path):
    out = tmp_path / "run"
    assert job(*QUICK, "--out", out)[0] == 0
    before = settled(out)
    (out / "summary.json").unlink()
    (out / "metrics.csv").write_text("rows of a later epoch\n")
    assert job("--resume", out, "--no-controls")[0] == 0
    assert settled(out) == before
    assert len((out / "metrics.csv").read_text().splitlines()) == 3


def test_mnist_files_train(job, idx, tmp_path):
    words = ("--dataset", "mnist", "--data-dir", idx.path, "--sizes", 784, 10, "--backend", "ideal")
    assert job(*words, "--epochs", 1, "--batch", 50, "--no-controls", "--out", tmp_path / "r")[0] == 0
    assert summary(tmp_path / "r")["epochs"] == 1


def test_check_says_which_bar_was_missed(tmp_path, monkeypatch, capsys):
    from experiments import train
    from experiments.common.table import Bar

    monkeypatch.setattr(train, "_is_reference", lambda _: True)
    monkeypatch.setattr(train, "DIGITS_F", {"test_error": Bar(most=0.0), "seconds": Bar(most=1000)})
    words = [*QUICK, "--backend", "ideal", "--check", "--out", str(tmp_path / "r")]
    assert run(train.main, TrainOptions, words) == 1
    assert "bar missed: test_error" in capsys.readouterr().out


def test_the_console_script_is_the_same_job(tmp_path):
    assert cli(["train", *QUICK, "--backend", "ideal", "--out", str(tmp_path / "r")]) == 0
    assert (tmp_path / "r" / "summary.json").exists()


def test_help_names_every_option(capsys):
    with pytest.raises(SystemExit) as stop:
        run(lambda _: 0, TrainOptions, ["--help"])
    assert stop.value.code == 0
    text = capsys.readouterr().out
    for word in OPTIONS.split():
        assert re.search(rf"--{word}[ ,]", text), word


@pytest.mark.parametrize("seed", range(3))
def test_no_class_is_never_predicted(job, tmp_path, seed):
    """Dead outputs: seeds and rates that killed classes in a [0, 1] box without warm-up live in the default."""
    words = ("--backend", "ideal", "--epochs", 8, "--seed", seed, "--lr", 0.008, "--no-controls")
    assert job(*words, "--out", tmp_path / "r")[0] == 0
    assert summary(tmp_path / "r")["classes_never_predicted"] == 0
    assert summary(tmp_path / "r")["test_error"] < 9


def test_no_class_dies_on_the_chip(job, tmp_path):
    assert job("--epochs", 4, "--no-controls", "--out", tmp_path / "r")[0] == 0
    assert summary(tmp_path / "r")["classes_never_predicted"] == 0
    assert summary(tmp_path / "r")["test_error"] < 10


@pytest.mark.slow
def test_reference_run_keeps_its_bars(job, tmp_path):
    assert job("--check", "--out", tmp_path / "r")[0] == 0


def test_jobs_do_not_touch_the_global_generator(job, tmp_path):
    state = torch.random.get_rng_state()
    assert job(*QUICK, "--out", tmp_path / "r")[0] == 0
    assert torch.equal(state, torch.random.get_rng_state())
