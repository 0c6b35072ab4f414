"""Data arrive whole, in range and never mixed; damaged files say what is wrong with them."""

import gzip
import struct

import numpy as np
import pytest
import torch

from ep_core.data import Dataset, Split, digits, mnist, read_idx


def write_idx(path, array):
    codes = {"uint8": 0x08, "float32": 0x0D}
    header = bytes([0, 0, codes[array.dtype.name], array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    raw = header + array.astype(array.dtype.newbyteorder(">")).tobytes()
    path.write_bytes(gzip.compress(raw) if path.suffix == ".gz" else raw)


@pytest.fixture
def tiny_mnist(tmp_path):
    folder = tmp_path / "MNIST" / "raw"
    folder.mkdir(parents=True)
    random = np.random.default_rng(0)
    for part, count in (("train", 100), ("t10k", 20)):
        write_idx(folder / f"{part}-images-idx3-ubyte.gz", random.integers(0, 256, (count, 28, 28), dtype=np.uint8))
        write_idx(folder / f"{part}-labels-idx1-ubyte", (np.arange(count) % 10).astype(np.uint8))
    return tmp_path


def test_digits_are_split_once_and_never_mix():
    data, again = digits(), digits()
    assert (len(data.test), len(data.train) + len(data.validation)) == (360, 1437)
    assert torch.equal(data.test.x, again.test.x)
    assert 0 <= data.train.x.min() <= data.train.x.max() <= 1
    rows = torch.cat([data.train.x, data.validation.x, data.test.x])
    assert len(rows.unique(dim=0)) == len(rows)
    shares = torch.bincount(data.test.labels) / 360
    assert (shares > 0.08).all()


def test_mnist_in_torchvisions_layout(tiny_mnist):
    data = mnist(tiny_mnist)
    assert (len(data.train), len(data.validation), len(data.test)) == (90, 10, 20)
    assert data.features == 784
    assert data.test.labels.tolist() == [n % 10 for n in range(20)]
    assert data.train.x.max() <= 1


def test_idx_round_trip(tmp_path):
    array = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    for name in ("plain", "packed.gz"):
        write_idx(tmp_path / name, array)
        np.testing.assert_array_equal(read_idx(tmp_path / name), array)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda raw: raw[:-5], "truncated or damaged"),
        (lambda raw: raw + b"x", "truncated or damaged"),
        (lambda raw: raw[:7], "inside its header"),
        (lambda raw: b"GIF8" + raw, "not an IDX file"),
        (lambda raw: raw[:0], "not an IDX file"),
    ],
)
def test_damaged_idx_says_how(tmp_path, spoil, message):
    path = tmp_path / "images"
    write_idx(path, np.zeros((2, 3), dtype=np.uint8))
    path.write_bytes(spoil(path.read_bytes()))
    with pytest.raises(ValueError, match=message):
        read_idx(path)


def test_truncated_gzip_says_so(tmp_path):
    path = tmp_path / "images.gz"
    write_idx(path, np.zeros((20, 30), dtype=np.uint8))
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(ValueError, match="cannot be unpacked"):
        read_idx(path)


def parts(**changes):
    good = Split(torch.rand(4, 3), torch.tensor([0, 1, 2, 0]))
    return {"name": "toy", "train": good, "validation": good, "test": good, "classes": 3} | changes


@pytest.mark.parametrize(
    ("split", "message"),
    [
        (Split(torch.rand(4, 3), torch.tensor([0, 1])), "4 images but 2 labels"),
        (Split(torch.full((1, 3), float("nan")), torch.tensor([0])), "NaN"),
        (Split(torch.rand(1, 2), torch.tensor([0])), "2 pixels"),
        (Split(torch.rand(1, 3), torch.tensor([7])), "outside 0..2"),
        (Split(torch.rand(0, 3), torch.zeros(0, dtype=torch.int64)), "no samples"),
    ],
)
def test_unusable_splits_are_refused(split, message):
    with pytest.raises(ValueError, match=message):
        Dataset(**parts(test=split))
