"""Weights from elsewhere and back: torch's nn.Linear on any operator, networks as files of NumPy and safetensors."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable
from zipfile import BadZipFile

import numpy as np
import torch
from jaxtyping import Float
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from ep_core.checkpoint import write_atomic
from ep_core.network import Network
from ep_core.weight import OutOfRangeError, WeightOperator, Written, require_finite

Tensors = dict[str, Tensor]
SUFFIXES = (".npz", ".safetensors")
MARGIN = 1.001  # of a range that is widened until a matrix fits


@runtime_checkable
class Scaled(Protocol):
    """What makes an operator whose range follows from the standard deviation of its first weights."""

    def __call__(self, out_features: int, in_features: int, *, std: float) -> WeightOperator:
        """Make it."""
        ...


@dataclass(frozen=True, kw_only=True)
class Held:
    """A linear layer on hardware, W x + b.

    Attributes:
        operator: whose matrix is as close to W as the device allows. bias: b, which is held digitally.
        error: |W_held - W|_F / |W|_F. worst: the largest difference of a weight.
        written: what programming did.

    """

    operator: WeightOperator
    bias: Float[Tensor, " out"]
    error: float
    worst: float
    written: Written


def hold(linear: nn.Linear, weight: Scaled, generator: torch.Generator | None = None) -> Held:
    """Put a layer of torch on an operator.

    Args:
        linear: the layer.
        weight: `DenseWeight`, `MeshWeight`, `CrossbarWeight`, or a partial of them. It is called with the layer's
            shape and the standard deviation of its weights; once more with a wider range where they do not fit.
        generator: of what writing draws.

    Raises ValueError where the weights are not finite or the device cannot be set to a matrix.

    """
    target = linear.weight.detach()
    shape, spread = (linear.out_features, linear.in_features), float(target.square().mean().sqrt())
    std = spread or 1 / linear.in_features**0.5
    operator = weight(*shape, std=std)
    try:
        written = operator.program_matrix_(target, generator)
    except OutOfRangeError as beyond:
        operator = weight(*shape, std=MARGIN * beyond.factor * std)
        written = operator.program_matrix_(target, generator)
    bias = torch.zeros(shape[0]) if linear.bias is None else linear.bias.detach().clone()
    off = operator.matrix().to(target) - target
    error = float(off.norm() / target.norm()) if spread else float(off.norm())
    return Held(operator=operator, bias=bias, error=error, worst=float(off.abs().max()), written=written)


def to_linear(operator: WeightOperator, bias: Float[Tensor, " out"] | None = None) -> nn.Linear:
    """A layer of torch that computes what the operator computes, without noise: its effective W, and b."""
    matrix = operator.matrix()
    linear = nn.Linear(operator.in_features, operator.out_features, bias=bias is not None, dtype=matrix.dtype)
    with torch.no_grad():
        linear.weight.copy_(matrix)
        if bias is not None:
            linear.bias.copy_(bias)
    return linear


def matrices(network: Network) -> Tensors:
    """Effective matrices of all edges, weight_0, weight_1, ..; biases of all layers, bias_0 of the first hidden one."""
    held = {f"weight_{n}": operator.matrix().clone() for n, operator in enumerate(network.operators)}
    return held | {f"bias_{n}": bias.detach().clone() for n, bias in enumerate(network.shifts)}


def put_(network: Network, tensors: Tensors, generator: torch.Generator | None = None) -> dict[str, float]:
    """Set a network to such matrices and biases; returns |W_held - W|_F / |W|_F of every matrix.

    Raises ValueError where names or shapes are not the network's or a number is not finite, before anything is written;
    OutOfRangeError where the hardware cannot hold a matrix.
    """
    shapes = {name: tuple(t.shape) for name, t in matrices(network).items()}
    given = {name: tuple(t.shape) for name, t in tensors.items()}
    for name in sorted(shapes.keys() | given.keys()):
        if shapes.get(name) != given.get(name):
            raise ValueError(
                f"{name} is {shapes.get(name, 'unknown')} in this network, {given.get(name, 'missing')} there"
            )
    require_finite(tensors)
    errors: dict[str, float] = {}
    for n, operator in enumerate(network.operators):
        target = tensors[f"weight_{n}"].double()
        try:
            operator.program_matrix_(target, generator)
        except OutOfRangeError as beyond:
            raise OutOfRangeError(f"weight_{n}: {beyond}", beyond.factor) from beyond
        errors[f"weight_{n}"] = float((operator.matrix().double() - target).norm() / target.norm().clamp(min=1e-300))
    with torch.no_grad():
        for n, bias in enumerate(network.shifts):
            bias.copy_(tensors[f"bias_{n}"])
    return errors


def write(path: Path, tensors: Tensors) -> None:
    """Write tensors as .npz or .safetensors, whole or not at all. ValueError for another suffix."""
    _check_suffix(path)
    if path.suffix == ".npz":

        def save(part: Path) -> None:
            with part.open("wb") as handle:  # (of a name, numpy makes another one)
                np.savez(handle, allow_pickle=False, **{name: t.numpy() for name, t in tensors.items()})

        write_atomic(path, save)
    else:
        own = {name: t.contiguous() for name, t in tensors.items()}
        write_atomic(path, lambda part: save_file(own, part))


def read(path: Path) -> Tensors:
    """Read tensors from .npz or .safetensors. ValueError for a file that is damaged or holds anything but numbers."""
    _check_suffix(path)
    if not path.is_file():
        raise FileNotFoundError(f"there is no {path}")
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        with np.load(path, allow_pickle=False) as stored:
            return {name: torch.from_numpy(stored[name]) for name in stored}
    except (SafetensorError, BadZipFile, ValueError, TypeError, OSError, EOFError) as error:
        raise ValueError(f"{path} cannot be read as weights ({error})") from error


def _check_suffix(path: Path) -> None:
    if path.suffix not in SUFFIXES:
        raise ValueError(f"weights are files of {' or '.join(SUFFIXES)}, not {path}")
