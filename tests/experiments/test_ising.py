"""The script on Ising machines: its figures, its resume, what it refuses; on digits and a tiny MNIST."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from ep_core import data as datasets
from ep_core import library
from experiments import ising
from experiments.common.ising import IsingRun
from experiments.common.ising_recipe import PLAIN
from experiments.common.ising_rows import means
from experiments.common.shell import run

ROOT = Path(__file__).parents[2]
QUICK = ["--dataset", "digits", "--reads", "1", "--sweeps", "8", "--epochs", "2", "--seeds", "2"]


@pytest.fixture
def few(monkeypatch):
    """Digits, but few of them."""
    full = datasets.digits()
    parts = {"train": 120, "validation": 60, "test": 150}
    small = replace(full, **{name: getattr(full, name).take(torch.arange(n)) for name, n in parts.items()})
    monkeypatch.setattr(datasets, "digits", lambda: small)


def called(*words):
    return run(ising.main, ising.IsingOptions, [str(word) for word in words])


def summary(folder):
    return json.loads((folder / "summary.json").read_text())


def settled(folder):
    """All that a run leaves, times apart."""
    found = {name: value for name, value in summary(folder).items() if "seconds" not in name}
    rows = [path.read_text().splitlines() for path in sorted(folder.glob("*/metrics.csv"))]
    return found, [[line.rsplit(",", 1)[0] for line in lines] for lines in rows]


@pytest.mark.usefixtures("few")
def test_it_learns_and_says_what_it_costs(tmp_path, capsys):
    assert called(*QUICK, "--epochs", "8", "--out", tmp_path / "run") == 0
    found = summary(tmp_path / "run")
    assert found["test"] > 15
    assert {"train", "test_100", "test_std", "seconds", "flips_last", "logistic_test"} <= set(found)
    # 1 + 2 * 8 reads of some nanoseconds; a crossbar's are longer, a mesh's heaters take more
    assert 1e-8 < found["seconds_mesh"] < found["seconds_crossbar"] < 1e-4
    assert 0 < found["joules_crossbar"] < found["joules_mesh"]
    out = capsys.readouterr().out
    assert "88.8 +- 1.5" in out
    assert "ising-seed1  epoch 8/8" in out


@pytest.mark.usefixtures("few")
def test_the_rows_of_the_mesh_are_drawn(tmp_path):
    assert called(*QUICK, "--seeds", "1", "--epochs", "1", "--mesh", "--out", tmp_path / "run") == 0
    found = summary(tmp_path / "run")
    assert {
        "mesh_test",
        "mesh_0.17_test",
        "mesh_0.43_test",
        "mesh_0.85_test",
        "single_0.85_test",
        "single_lost_by_noise",
        "noisy_1.7_test",
        "noisy_lost_by_noise",
    } <= set(found)
    assert (tmp_path / "run" / "noise.png").exists()


def test_a_killed_run_goes_on_to_the_same_end(tmp_path):
    words = [*QUICK, "--epochs", "5", "--seeds", "1", "--sweeps", "4"]
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert called(*words, "--out", whole) == 0
    command = [sys.executable, str(ROOT / "experiments" / "ising.py"), *words, "--out", str(killed)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, env={**os.environ, "PYTHONPATH": str(ROOT)})
    rows = killed / "ising-seed0" / "metrics.csv"
    while process.poll() is None and not (rows.exists() and len(rows.read_text().splitlines()) > 2):
        time.sleep(0.002)
    running = process.poll() is None
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert running, "the run was too short to be killed"
    assert called("--resume", killed) == 0
    assert settled(killed) == settled(whole)
    assert not list(killed.rglob(".*.part"))
    # Finished runs are read
    assert called("--resume", killed) == 0


@pytest.mark.usefixtures("few")
def test_a_run_that_stops_says_so_and_does_not_go_on(tmp_path, capsys):
    recipe = replace(PLAIN, rates=(50.0, 50.0, 5.0), epochs=5, reads=1, sweeps=8)
    from experiments.common.ising_rows import run_all

    runs = run_all({"": (recipe, datasets.digits())}, [0], tmp_path)
    out = capsys.readouterr().out
    assert "learning has stopped in epoch" in out
    job = IsingRun(recipe, datasets.digits(), 0, tmp_path / "ising-seed0")
    assert job.stopped
    count = len(job.history)
    assert count < 5
    job.train(lambda _: pytest.fail("it went on"))
    assert len(job.history) == count
    assert means(runs)["stopped"] == 1


@pytest.mark.usefixtures("few")
def test_another_recipe_does_not_go_on_with_a_checkpoint(tmp_path):
    recipe = replace(PLAIN, epochs=1, reads=1, sweeps=4)
    IsingRun(recipe, datasets.digits(), 0, tmp_path).train(lambda _: None)
    with pytest.raises(ValueError, match="written with other options"):
        IsingRun(replace(recipe, sweeps=5), datasets.digits(), 0, tmp_path)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--reads", 0), "reads must be at least 1, not 0"),
        (("--sweeps", 0), "sweeps must be at least 1, not 0"),
        (("--cold", 2, 1), "inverse temperatures must not fall: sweep 2 goes from 2 to"),
        (("--cold", 0, 1), "must be positive, not 0.0"),
        (("--epochs", 0), "epochs must be at least 1"),
        (("--seeds", 0), "--seeds must be at least 1, not 0"),
        (("--full",), "--full is all of MNIST"),
        (("--resume", "nowhere"), "nowhere is not a run"),
    ],
)
def test_bad_words_are_refused(words, message, capsys, tmp_path):
    assert called("--dataset", "digits", *words, *(() if "--resume" in words else ("--out", tmp_path / "run"))) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_a_missing_library_is_named_before_work_starts(monkeypatch, capsys, tmp_path):
    def missing():
        raise ModuleNotFoundError(library.MISSING.format("dwave-samplers"))

    monkeypatch.setattr(library, "annealer", missing)
    assert called(*QUICK, "--sampler", "dimod", "--out", tmp_path / "run") == 2
    assert "photonic-ep[ising]" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


@pytest.mark.usefixtures("few")
def test_resume_keeps_its_options(tmp_path, capsys):
    folder = tmp_path / "run"
    assert called(*QUICK, "--epochs", "1", "--seeds", "1", "--out", folder) == 0
    assert called("--resume", folder, "--sweeps", 9) == 2
    assert "sweeps is 8, not 9" in capsys.readouterr().err
    (folder / "config.json").write_text("{}")
    assert called("--resume", folder) == 2


def test_mnist_is_taken_where_it_is(idx, tmp_path, capsys, monkeypatch):
    """200 images are too few; without labels there is nothing to learn from; no folder at all means digits."""
    assert called("--data-dir", idx.path, "--out", tmp_path / "run") == 2
    assert "a class has only 20 images, not" in capsys.readouterr().err
    (idx.raw / "train-labels-idx1-ubyte.gz").unlink()
    assert called("--data-dir", idx.path, "--out", tmp_path / "run") == 2
    assert "no train-labels-idx1-ubyte" in capsys.readouterr().err
    monkeypatch.chdir(tmp_path)
    assert called("--reads", 0) == 2
    assert "reads" in capsys.readouterr().err


def test_the_paper_s_images_are_the_first_of_each_class(idx):
    data = datasets.few_mnist(idx.path, each=3, held=4)
    assert (len(data.train), len(data.validation), len(data.test)) == (30, 40, 40)
    assert torch.equal(data.train.labels, torch.arange(30) % 10)
    images = datasets.read_idx(idx.raw / "train-images-idx3-ubyte.gz").reshape(200, -1) / 255
    assert torch.equal(data.train.x, torch.as_tensor(images[:30], dtype=torch.float32))
    assert torch.equal(data.validation.x, torch.as_tensor(images[30:70], dtype=torch.float32))
