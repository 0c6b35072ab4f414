"""Bad input: one clear line that names the value, status 2, nothing half-written."""

import json
import shutil

import numpy as np
import pytest
from safetensors.torch import save_file

from tests.experiments.conftest import QUICK


def refused(result, *fragments):
    status, _, err = result
    assert status == 2
    lines = err.strip().splitlines()
    assert len(lines) == 1, err
    for fragment in fragments:
        assert fragment in lines[0], err


@pytest.mark.parametrize(
    ("words", "fragments"),
    [
        (("--beta", 0), ("--beta", "other than 0")),
        (("--beta", "nan"), ("--beta", "nan")),
        (("--insertion-loss-db", -0.1), ("insertion_loss_db", "-0.1")),
        (("--phase-error", "nan"), ("phase_error", "nan")),
        (("--crosstalk", 1.5), ("crosstalk", "1.5")),
        (("--dac-bits", 40), ("dac_bits", "40")),
        (("--state-bits", 99), ("state bits", "99")),
        (("--nudge-mw", 0), ("ceiling_mw", "0")),
        (("--nudge-extinction-db", -3), ("extinction", "-3")),
        (("--tile", 1), ("2 modes", "1")),
        (("--sizes", 60, 12, 10), ("64 pixels", "60")),
        (("--sizes", 64, 12, 9), ("10 classes", "9")),
        (("--sizes", 64, 0, 10), ("--sizes", "0")),
        (("--sizes", 64), ("--sizes", "64")),
        (("--lr", 0.1, 0.1, 0.1), ("--lr", "3")),
        (("--lr", -0.1), ("learning rates", "-0.1")),
        (("--epochs", 0), ("--epochs", "0")),
        (("--batch", -5), ("--batch", "-5")),
        (("--threads", 0), ("--threads", "0")),
        (("--steps", 0, 5), ("steps >= 1", "0")),
        (("--output-range", 1, 0), ("--output-range", "1")),
        (("--backend", "ideal", "--tile", 4), ("--tile", "--backend ideal")),
        (("--nudge", "ideal", "--nudge-bits", 4), ("--nudge-bits", "--nudge ideal")),
        (("--dataset", "mnist", "--data-dir", "/nowhere"), ("train-images-idx3-ubyte", "/nowhere")),
    ],
)
def test_impossible_options(job, tmp_path, words, fragments):
    out = tmp_path / "run"
    refused(job("--no-controls", "--out", out, *words), *fragments)
    assert not out.exists()


MNIST = ("--dataset", "mnist", "--sizes", 784, 10, "--backend", "ideal", "--epochs", 1, "--no-controls")


@pytest.mark.parametrize(
    ("spoil", "fragments"),
    [
        (lambda idx: idx.truncate("train-images-idx3-ubyte"), ("train-images", "truncated or damaged")),
        (lambda idx: (idx.raw / "t10k-labels-idx1-ubyte.gz").unlink(), ("t10k-labels", "no ")),
        (lambda idx: (idx.raw / "t10k-labels-idx1-ubyte.gz").write_bytes(b"x"), ("t10k-labels", "unpacked")),
        (
            lambda idx: idx.write("t10k-images-idx3-ubyte", np.full((40, 28, 28), np.nan, dtype=np.float32)),
            ("test", "NaN"),
        ),
        (lambda idx: idx.write("t10k-images-idx3-ubyte", np.zeros((40, 27, 28), dtype=np.uint8)), ("756", "784")),
        (lambda idx: idx.write("t10k-labels-idx1-ubyte", np.zeros(39, dtype=np.uint8)), ("40 images", "39 labels")),
        (lambda idx: idx.write("train-labels-idx1-ubyte", (np.arange(200) % 11).astype(np.uint8)), ("outside 0..9",)),
        (lambda idx: idx.write("train-images-idx3-ubyte", np.zeros((200, 784), dtype=np.uint8)), ("shape",)),
    ],
)
def test_damaged_data(job, idx, tmp_path, spoil, fragments):
    spoil(idx)
    out = tmp_path / "run"
    refused(job(*MNIST, "--data-dir", idx.path, "--out", out), *fragments)
    assert not out.exists()


def test_run_directories_that_cannot_be(job, tmp_path):
    file = tmp_path / "file"
    file.write_text("mine")
    refused(job(*QUICK, "--out", file / "below"), "file/below")
    refused(job(*QUICK, "--out", "/proc/photonic"), "/proc/photonic")
    refused(job(*QUICK, "--out", file), "not an empty folder")
    refused(job(*QUICK, "--out", tmp_path), "not an empty folder")
    assert file.read_text() == "mine"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.fixture
def finished(job, tmp_path):
    out = tmp_path / "finished"
    assert job(*QUICK, "--backend", "ideal", "--out", out)[0] == 0
    return out


def test_what_is_no_run_does_not_resume(job, tmp_path, finished):
    refused(job("--resume", tmp_path / "nowhere"), "nowhere", "is not a run")
    (finished / "config.json").write_text("{")
    refused(job("--resume", finished), "config.json", "cannot be read")


def test_a_corrupt_checkpoint_does_not_resume(job, finished):
    last = finished / "last.safetensors"
    last.write_bytes(last.read_bytes()[: len(last.read_bytes()) // 2])
    before = {path.name: path.read_bytes() for path in finished.iterdir()}
    refused(job("--resume", finished), "last.safetensors", "not a readable checkpoint")
    assert before == {path.name: path.read_bytes() for path in finished.iterdir()}


def test_somebody_elses_file_does_not_resume(job, finished):
    import torch

    save_file({"a": torch.zeros(1)}, finished / "last.safetensors")
    refused(job("--resume", finished), "last.safetensors", "not a readable checkpoint")


def test_a_checkpoint_of_another_run_does_not_resume(job, finished, tmp_path):
    other = tmp_path / "other"
    assert job(*QUICK, "--backend", "ideal", "--beta", 0.3, "--out", other)[0] == 0
    shutil.copy(other / "last.safetensors", finished / "last.safetensors")
    refused(job("--resume", finished), "last.safetensors", "other options")


def test_a_resumed_run_keeps_its_options(job, finished):
    refused(job("--resume", finished, "--threads", 2), "--threads 2", "the run's 1")
    refused(job("--resume", finished, "--epochs", 9), "--epochs 9", "the run's 2")
    refused(job("--resume", finished, "--out", "elsewhere"), "--out")


def test_a_config_of_another_version_does_not_resume(job, finished):
    config = json.loads((finished / "config.json").read_text())
    (finished / "config.json").write_text(json.dumps(config | {"colour": "red"}))
    refused(job("--resume", finished), "colour")


def test_training_that_explodes_says_where(job, tmp_path):
    words = ("--backend", "ideal", "--lr", "1e38", "--optimiser", "sgd", "--warmup", 0)
    refused(job(*QUICK, *words, "--out", tmp_path / "r"), "finite")
