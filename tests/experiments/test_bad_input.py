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
        (("--blocks", 4), ("--blocks", "--net layered")),
        (("--net", "conv", "--sizes", 64, 9, 10), ("--sizes", "follow from --channels", "64, 144, 10")),
        (("--net", "conv", "--kernel", 9), ("kernel of 9 does not fit",)),
        (("--net", "conv", "--kernel", 2), ("squares of pool 2",)),
        (("--net", "hopfield"), ("--net hopfield", "--backend ideal")),
        (("--net", "hopfield", "--backend", "ideal", "--sizes", 64, 10), ("--sizes", "hidden units")),
        (("--net", "hopfield", "--backend", "ideal", "--blocks", 5), ("64 hidden units", "5 equal blocks")),
        (("--skip", "--sizes", 64, 10), ("--skip",)),
        (("--loss", "cross-entropy", "--output", "box"), ("--loss cross-entropy", "--output readout")),
        (("--output", "linear"), ("levels need a box",)),
        (("--output", "readout", "--output-range", 0, 1), ("--output-range", "--output readout")),
        (("--estimator", "holomorphic"), ("smooth neurons", "HardSigmoid")),
        (("--estimator", "holomorphic", "--activation", "sigmoid", "--phases", 3), ("even number of phases", "3")),
        (("--estimator", "adjoint", "--beta", 0.1), ("--beta", "--estimator adjoint")),
        (("--estimator", "hebbian", "--output", "readout"), ("ContrastiveHebbian clamps output neurons",)),
        (("--momentum", 0.5), ("--momentum", "--optimiser adam")),
        (("--damping", 0), ("--damping", "0")),
        (("--solver", "anderson", "--damping", 0.5), ("--damping", "--solver anderson")),
        (("--neuron-noise", -1), ("--neuron-noise", "-1")),
        (("--decay", "nan"), ("--decay", "nan")),
        (("--beta", "nan"), ("--beta", "nan")),
        (("--insertion-loss-db", -0.1), ("--insertion-loss-db", "-0.1")),
        (("--insertion-loss-db", 50), ("insertion_loss_db", "less than 1e-6 of the field")),
        (("--dac-volts", "--dac-bits", 0), ("--dac-volts", "needs heaters with a converter")),
        (("--dac-volts", "--backend", "ideal"), ("--dac-volts", "--backend photonic")),
        (("--topology", "fftnet", "--tile", 6), ("FFTNet", "power of 2 modes, not 6")),
        (("--stuck", 2), ("--stuck", "2")),
        (("--floor-plan", 100, 25, "--crosstalk", 0.1), ("--crosstalk", "--floor-plan")),
        (("--floor-plan", 100, 0), ("--floor-plan", "0")),
        (("--trench", 0.2), ("--trench", "give --floor-plan")),
        (("--port-reflection", 0.5), ("--port-reflection", "0.5")),
        (("--detuning-nm", 900), ("--detuning-nm", "900")),
        (("--imbalance-db", -1), ("--imbalance-db", "-1")),
        (("--device", "mems", "--backend", "ideal"), ("--device", "--backend ideal")),
        (("--drift", -0.1), ("--drift", "-0.1")),
        (("--drift-reads", 0), ("--drift-reads", "0")),
        (("--order", "batch", "--backend", "ideal"), ("--order", "--backend ideal")),
        (("--port-phase", -1), ("--port-phase", "-1")),
        (("--phase-error", "nan"), ("--phase-error", "nan")),
        (("--crosstalk", 1.5), ("--crosstalk", "1.5")),
        (("--dac-bits", 40), ("--dac-bits", "40")),
        (("--state-bits", 99), ("--state-bits", "99")),
        (("--nudge-mw", 0), ("--nudge-mw", "0")),
        (("--nudge-extinction-db", -3), ("--nudge-extinction-db", "-3")),
        (("--tile", 1), ("--tile", "1")),
        (("--tile", 100000), ("--tile", "100000")),
        (("--std", "inf"), ("--std", "inf")),
        (("--std", -1), ("--std", "-1")),
        (("--beta", "1e-300"), ("--beta", "1e-300")),
        (("--lr", 0), ("--lr", "nothing would learn")),
        (("--seed", 10**20), ("--seed", str(10**20))),
        (("--batch", 10**20), ("--batch", str(10**20))),
        (("--threads", 100000), ("--threads", "100000")),
        (("--output-range", "-inf", "inf"), ("--output-range", "inf")),
        (("--tolerance", "inf"), ("--tolerance", "inf")),
        (("--sizes", 64, 99999999999, 10), ("--sizes", "99999999999")),
        (("--sizes", 60, 12, 10), ("64 pixels", "60")),
        (("--sizes", 64, 12, 9), ("10 classes", "9")),
        (("--sizes", 64, 0, 10), ("--sizes", "0")),
        (("--sizes", 64), ("--sizes", "64")),
        (("--lr", 0.1, 0.1, 0.1), ("--lr", "3")),
        (("--std", 0.1, 0.1, 0.1), ("--std", "3")),
        (("--lr", -0.1), ("--lr", "-0.1")),
        (("--epochs", 0), ("--epochs", "0")),
        (("--batch", -5), ("--batch", "-5")),
        (("--threads", 0), ("--threads", "0")),
        (("--steps", 0, 5), ("--steps", "0")),
        (("--output-range", 1, 0), ("--output-range", "1")),
        (("--backend", "ideal", "--tile", 4), ("--tile", "--backend ideal")),
        (("--nudge", "ideal", "--nudge-bits", 4), ("--nudge-bits", "--nudge ideal")),
        (("--backend", "crossbar", "--device", "F"), ("--device of --backend crossbar", "cmo-hfox", "not F")),
        (("--device", "reram-sb"), ("--device of --backend photonic", "mems", "not reram-sb")),
        (("--backend", "crossbar", "--gradient", "twin"), ("--gradient of --backend crossbar", "outer", "not twin")),
        (("--gradient", "outer"), ("--gradient of --backend photonic", "not outer")),
        (("--backend", "crossbar", "--nudge", "light"), ("--nudge of --backend crossbar", "not light")),
        (("--nudge", "current"), ("--nudge of --backend photonic", "not current")),
        (("--wire-ohm", 1), ("--wire-ohm", "--backend photonic")),
        (("--backend", "crossbar", "--topology", "reck"), ("--topology", "--backend crossbar")),
        (("--backend", "crossbar", "--wire-ohm", -1), ("--wire-ohm", "-1")),
        (("--backend", "crossbar", "--terminals", 1, 1, -1, 1), ("--terminals", "-1")),
        (("--backend", "crossbar", "--levels", 30), ("--levels", "30")),
        (("--backend", "crossbar", "--levels", 1), ("--levels", "2 to 24")),
        (("--backend", "crossbar", "--homeostasis", 1), ("--homeostasis", "--gradient oracle")),
        (("--backend", "crossbar", "--device-spread", "nan"), ("--device-spread", "nan")),
        (("--backend", "crossbar", "--net", "hopfield"), ("--net hopfield", "--backend ideal")),
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
        (lambda idx: idx.spoil("train-images-idx3-ubyte", at=12), ("train-images", "unpacked")),
        (lambda idx: idx.write("t10k-images-idx3-ubyte", np.full((40, 28, 28), 9, dtype=np.float32)), ("between 0",)),
        (
            lambda idx: idx.write("train-labels-idx1-ubyte", np.full(200, np.nan, dtype=np.float32)),
            ("whole numbers",),
        ),
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


@pytest.mark.parametrize(
    ("asked", "kept"),
    [
        (("--backend", "photonic"), "ideal"),
        (("--seed", 0), "3"),
        (("--optimiser", "adam"), "sgd"),
        (("--nudge-mode", "frozen"), "closed"),
        (("--estimator", "symmetric"), "one-sided"),
    ],
)
def test_a_resumed_run_refuses_even_default_values(job, tmp_path, asked, kept):
    own = (
        "--backend",
        "ideal",
        "--seed",
        3,
        "--optimiser",
        "sgd",
        "--nudge-mode",
        "closed",
        "--estimator",
        "one-sided",
    )
    assert job(*QUICK, *own, "--out", tmp_path / "r")[0] == 0
    refused(job("--resume", tmp_path / "r", *asked), asked[0], f"the run's {kept}")
    assert job("--resume", tmp_path / "r", "--seed", 3, "--no-controls")[0] == 0


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("epochs", "two"),
        ("epochs", None),
        ("sizes", "abc"),
        ("sizes", [64, 12.5, 10]),
        ("lr", 0.01),
        ("topology", "x"),
        ("dataset", "cifar"),
        ("nudge_mode", None),
        ("seed", 1.5),
        ("threads", "1"),
        ("batch", 0),
        ("dtype", "float16"),
        ("data_dir", 3),
        ("steps", [1, 2, 3]),
    ],
)
def test_a_damaged_config_does_not_resume(job, finished, name, value):
    config = json.loads((finished / "config.json").read_text())
    (finished / "config.json").write_text(json.dumps(config | {name: value}))
    refused(job("--resume", finished), name.replace("_", "-") if name == "batch" else "config.json")


def test_bytes_that_are_no_text_do_not_resume(job, finished):
    (finished / "config.json").write_bytes(b"\xff\xfe\x00")
    refused(job("--resume", finished), "config.json", "cannot be read")


def reseal(path, change):
    """Rewrite a checkpoint with a change in its tensors or its meta, as damage or a foreign program would."""
    from safetensors import safe_open

    with safe_open(path, "pt") as handle:
        seal, tensors = handle.metadata(), {name: handle.get_tensor(name) for name in handle.keys()}  # noqa: SIM118
    meta = json.loads(seal["meta"])
    change(tensors, meta)
    save_file(tensors, path, seal | {"meta": json.dumps(meta)})


@pytest.mark.parametrize(
    "change",
    [
        lambda _, meta: meta.pop("history"),
        lambda _, meta: meta.update(schedule=-5),
        lambda _, meta: meta.update(ledger=[1]),
        lambda tensors, _: tensors.pop("generator"),
        lambda tensors, _: [tensors.pop(name) for name in list(tensors) if name.startswith("optimiser.")],
        lambda tensors, _: tensors.update({"network.weights.0.weight": tensors["network.weights.0.weight"].int()}),
        lambda tensors, _: tensors.update({"optimiser.0.exp_avg": tensors["optimiser.0.exp_avg"][:1, :1].clone()}),
        lambda tensors, _: tensors["network.weights.0.weight"].add_(1e-6),
    ],
)
def test_a_changed_checkpoint_does_not_resume(job, finished, change):
    reseal(finished / "last.safetensors", change)
    before = {path.name: path.read_bytes() for path in finished.iterdir()}
    refused(job("--resume", finished), "last.safetensors", "checksum")
    assert before == {path.name: path.read_bytes() for path in finished.iterdir()}


def test_files_that_cannot_be_written_are_one_line(job, tmp_path):
    refused(job(*QUICK, "--out", tmp_path / ("x" * 400)), "File name too long")
    out = tmp_path / "r"
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    refused(job(*QUICK, "--out", tmp_path / "loop" / "below"), "loop")
    assert job(*QUICK, "--backend", "ideal", "--out", out)[0] == 0
    (out / "metrics.csv").unlink()
    (out / "metrics.csv").mkdir()
    refused(job("--resume", out), "metrics.csv")
    assert not list(out.glob(".*.part"))


def test_a_config_of_another_version_does_not_resume(job, finished):
    config = json.loads((finished / "config.json").read_text())
    (finished / "config.json").write_text(json.dumps(config | {"colour": "red"}))
    refused(job("--resume", finished), "colour")


def test_training_that_explodes_says_where(job, tmp_path):
    words = ("--backend", "ideal", "--lr", "1e38", "--optimiser", "sgd", "--warmup", 0)
    refused(job(*QUICK, *words, "--out", tmp_path / "r"), "finite")
