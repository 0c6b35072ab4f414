"""Running the main job in this process, tiny MNIST-like files, finished runs and a report on them."""

import gzip
import struct

import numpy as np
import pytest

from experiments import layout, train
from experiments.common.options import TrainOptions
from experiments.common.shell import run
from tests.experiments.written import compared, write

QUICK = ("--epochs", "2", "--no-controls", "--sizes", "64", "12", "10")


@pytest.fixture
def job(capsys):
    """Call the main job with command-line words; returns (status, stdout, stderr)."""

    def call(*words):
        status = run(train.main, TrainOptions, [str(word) for word in words])
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return call


class IdxFolder:
    """A folder of IDX files as MNIST's, 200 training and 40 test images."""

    def __init__(self, path):
        self.path, self.raw = path, path / "MNIST" / "raw"
        self.raw.mkdir(parents=True)
        random = np.random.default_rng(0)
        for part, count in (("train", 200), ("t10k", 40)):
            self.write(f"{part}-images-idx3-ubyte", random.integers(0, 256, (count, 28, 28), dtype=np.uint8))
            self.write(f"{part}-labels-idx1-ubyte", (np.arange(count) % 10).astype(np.uint8))

    def write(self, name, array):
        code = {"uint8": 0x08, "float32": 0x0D}[array.dtype.name]
        header = bytes([0, 0, code, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
        (self.raw / f"{name}.gz").write_bytes(
            gzip.compress(header + array.astype(array.dtype.newbyteorder(">")).tobytes())
        )

    def spoil(self, name, at):
        path = self.raw / f"{name}.gz"
        raw = bytearray(path.read_bytes())
        raw[at] = 0xFF
        path.write_bytes(bytes(raw))

    def truncate(self, name):
        path = self.raw / f"{name}.gz"
        path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes())[:-100]))


@pytest.fixture
def idx(tmp_path):
    return IdxFolder(tmp_path / "data")


@pytest.fixture(scope="session")
def runs(tmp_path_factory):
    """Three kinds of finished runs, one with two seeds, and the layout of a tile, in one folder."""
    folder = tmp_path_factory.mktemp("runs")
    kinds = {"mesh": {"tile": 4}, "ideal0": {"backend": "ideal"}, "ideal1": {"backend": "ideal", "seed": 1}}
    for name, own in (kinds | {"array": {"backend": "crossbar"}}).items():
        quick = TrainOptions(epochs=2, sizes=(64, 12, 10), controls=False, out=folder / name, **own)
        train.launch(quick, show=False)
    words = ["--run", folder / "mesh", "--tile", 0, 1, "--out", folder / "chip"]
    assert run(layout.main, layout.LayoutOptions, [str(word) for word in words]) == 0
    return folder


@pytest.fixture(scope="session")
def page(runs, tmp_path_factory):
    folder = tmp_path_factory.mktemp("page")
    out = folder / "report.html"
    assert write(compared(folder / "comparison"), runs, "--out", out) == 0
    assert {path.name for path in folder.iterdir()} == {"report.html", "comparison"}
    return out
