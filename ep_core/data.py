"""Data sets in memory: scikit-learn's digits (embedded) and MNIST from IDX files, split once and checked."""

import gzip
import math
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

IDX_TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}


@dataclass(frozen=True)
class Split:
    """Inputs in [0, 1] of shape (samples, features) and integer labels."""

    x: Float[Tensor, "samples features"]
    labels: Int[Tensor, " labels"]  # as many as samples: Dataset checks it

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, index: Tensor) -> "Split":
        """Return the samples at `index`."""
        return Split(self.x[index], self.labels[index])


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """Train, validation and test samples that never mix; ValueError if any of them is unusable."""

    name: str
    train: Split
    validation: Split
    test: Split
    classes: int

    def __post_init__(self) -> None:
        for part, split in (("train", self.train), ("validation", self.validation), ("test", self.test)):
            where = f"{self.name} ({part})"
            if len(split.x) != len(split.labels):
                raise ValueError(f"{where}: {len(split.x)} images but {len(split.labels)} labels")
            if len(split) == 0:
                raise ValueError(f"{where}: no samples")
            if split.x.shape[1] != self.features:
                raise ValueError(f"{where}: images of {split.x.shape[1]} pixels, but training has {self.features}")
            if not torch.isfinite(split.x).all():
                raise ValueError(f"{where}: the images hold NaN or infinite values")
            if split.x.min() < 0 or split.x.max() > 1:
                span = f"{float(split.x.min()):g} to {float(split.x.max()):g}"
                raise ValueError(f"{where}: pixels must lie between 0 and 1, not {span}")
            if not (int(split.labels.min()) >= 0 and int(split.labels.max()) < self.classes):
                raise ValueError(f"{where}: labels outside 0..{self.classes - 1}")

    @property
    def features(self) -> int:
        """Pixels of an image."""
        return self.train.x.shape[1]


def digits(*, dtype: torch.dtype = torch.float32, validation: float = 0.1) -> Dataset:
    """scikit-learn's 1,797 8 x 8 digits: 360 test images, the rest train and validation, stratified, fixed."""
    from sklearn.datasets import load_digits

    pixels, labels = (np.asarray(part) for part in load_digits(return_X_y=True))
    pixels = pixels / 16
    rest, test = _hold_out(labels, 360)
    train, held = _hold_out(labels[rest], validation)
    return Dataset(
        name="digits",
        train=_split(pixels[rest[train]], labels[rest[train]], dtype),
        validation=_split(pixels[rest[held]], labels[rest[held]], dtype),
        test=_split(pixels[test], labels[test], dtype),
        classes=10,
    )


def mnist(folder: Path, *, dtype: torch.dtype = torch.float32, validation: float = 0.1) -> Dataset:
    """MNIST from IDX files in torchvision's layout, FOLDER/MNIST/raw/*-ubyte[.gz], or in FOLDER itself."""
    x, labels = _idx_pair(folder, "train")
    x_test, labels_test = _idx_pair(folder, "t10k")
    train, held = _hold_out(labels, validation)
    return Dataset(
        name="mnist",
        train=_split(x[train], labels[train], dtype),
        validation=_split(x[held], labels[held], dtype),
        test=_split(x_test, labels_test, dtype),
        classes=10,
    )


def few_mnist(folder: Path, *, each: int = 100, held: int = 500, dtype: torch.dtype = torch.float32) -> Dataset:
    """MNIST's first `each` images a class to train on, in file order, the next `held` to validate; all test images.

    ValueError where a class has fewer.
    """
    x, labels = _idx_pair(folder, "train")
    x_test, labels_test = _idx_pair(folder, "t10k")
    train, rest = first_of_each(labels, each), first_of_each(labels, each + held)
    validation = np.setdiff1d(rest, train)
    return Dataset(
        name=f"mnist, {each} a class",
        train=_split(x[train], labels[train], dtype),
        validation=_split(x[validation], labels[validation], dtype),
        test=_split(x_test, labels_test, dtype),
        classes=10,
    )


def first_of_each(labels: np.ndarray, count: int) -> np.ndarray:
    """Indices of the first `count` samples of each class, in order. ValueError where a class has fewer."""
    found = [np.flatnonzero(labels == label) for label in np.unique(labels)]
    least = min((len(own) for own in found), default=0)
    if least < count:
        raise ValueError(f"a class has only {least} images, not {count}")
    return np.sort(np.concatenate([own[:count] for own in found]))


def _hold_out(labels: np.ndarray, size: float | int) -> tuple[np.ndarray, np.ndarray]:
    """Indices of the rest and of `size` samples (a share below 1, or a number) held out, stratified, fixed."""
    from sklearn.model_selection import train_test_split

    if not size > 0:
        raise ValueError(f"the samples held out must be a positive share or number, not {size}")
    rest, held = train_test_split(np.arange(len(labels)), test_size=size, stratify=labels, random_state=0)
    return np.asarray(rest), np.asarray(held)


def _split(x: np.ndarray, labels: np.ndarray, dtype: torch.dtype) -> Split:
    return Split(torch.as_tensor(x, dtype=dtype), torch.as_tensor(labels, dtype=torch.int64))


def _idx_pair(folder: Path, part: str) -> tuple[np.ndarray, np.ndarray]:
    images = read_idx(_find(folder, f"{part}-images-idx3-ubyte"))
    labels = read_idx(_find(folder, f"{part}-labels-idx1-ubyte"))
    if images.ndim != 3 or labels.ndim != 1:
        raise ValueError(f"MNIST ({part}): images of shape {images.shape} and labels of shape {labels.shape}")
    if len(images) != len(labels):
        raise ValueError(f"MNIST ({part}): {len(images)} images but {len(labels)} labels")
    if not np.all(np.isin(labels, np.arange(1000))):
        raise ValueError(f"MNIST ({part}): the labels are not whole numbers from 0 on")
    scale = 255 if images.dtype == np.uint8 else 1
    return images.reshape(len(images), -1) / scale, labels.astype(np.int64)


def _find(folder: Path, name: str) -> Path:
    for place in (folder / "MNIST" / "raw", folder):
        for candidate in (place / name, place / f"{name}.gz"):
            if candidate.is_file():
                return candidate
    raise FileNotFoundError(f"no {name} or {name}.gz in {folder / 'MNIST' / 'raw'} or {folder}")


def read_idx(path: Path) -> np.ndarray:
    """Array held by an IDX file (gzip or plain). ValueError says what is wrong with a damaged one."""
    try:
        raw = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (EOFError, zlib.error, OSError) as error:
        raise ValueError(f"{path}: cannot be unpacked ({error})") from error
    if len(raw) < 4 or raw[:2] != b"\0\0" or raw[2] not in IDX_TYPES:
        raise ValueError(f"{path}: not an IDX file")
    dtype, rank = np.dtype(IDX_TYPES[raw[2]]), raw[3]
    start = 4 + 4 * rank
    if len(raw) < start:
        raise ValueError(f"{path}: truncated inside its header")
    shape = struct.unpack(f">{rank}I", raw[4:start])
    expected = start + dtype.itemsize * math.prod(shape)
    if len(raw) != expected:
        raise ValueError(f"{path}: {len(raw)} bytes where its header promises {expected}: truncated or damaged")
    return np.frombuffer(raw, dtype, offset=start).reshape(shape)
