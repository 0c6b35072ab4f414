"""Leaves that share a model, evaluated in one call: their settings are stacked, their entries come back as blocks."""

import inspect
from collections.abc import Callable, Mapping
from types import NoneType
from typing import Any

import numpy as np
import torch
from torch import Tensor

Model = Callable[..., Mapping[tuple[str, str], Any]]
Settings = dict[str, Any]
PLAIN = (Tensor, float, int, str, NoneType)
NUMBERS = {float, int}
Pattern = tuple[tuple[int, ...], tuple[int, ...]]  # block of each key; leaves in each block (1: all leaves share it)


def defaults(model: Model) -> Settings:
    """Settings of a model with their defaults."""
    return {name: p.default for name, p in inspect.signature(model).parameters.items()}


class Group:
    """Leaves with one model: by setting, the values that the netlist gives them."""

    def __init__(self, model: Model, leaves: dict[str, Settings]) -> None:
        self.model = model
        self.leaves = list(leaves)
        self.parameters = defaults(model)
        given = dict.fromkeys(name for values in leaves.values() for name in values)
        self._values = {
            name: [plain(leaf.get(name, self.parameters[name])) for leaf in leaves.values()] for name in given
        }
        self._constants = {name: _stack(values, torch.float64) for name, values in self._values.items()}
        self.keys = list(model(**next(iter(leaves.values()))))

    def stacked(self, shared: Settings, own: Mapping[str, dict[int, Any]]) -> Settings:
        """Every setting as one value for all leaves, or a tensor (leaves, *batch).

        `shared` replace the netlist's for all leaves, `own` for single ones, by their number.
        """
        given = {name: self._with(name, places, shared) for name, places in own.items()}
        dtype = _precision(
            [*shared.values(), *(v for values in given.values() for v in values if type(v) is not float)]
        )
        full = dict(self._constants)
        if dtype != torch.float64:
            full = {name: v.to(dtype) if isinstance(v, Tensor) else v for name, v in full.items()}
        for name, value in shared.items():
            full[name] = value[None] if isinstance(value, Tensor) else value
        for name, values in given.items():
            full[name] = _stack(values, dtype)
        dims = max((v.dim() for v in full.values() if isinstance(v, Tensor)), default=1)
        return {n: _lined(v, dims) if isinstance(v, Tensor) else v for n, v in full.items()}

    def blocks(self, settings: Settings) -> tuple[list[Tensor], Pattern]:
        """Call the model; entries that are one and the same tensor are one block, (leaves or 1, *batch)."""
        result = self.model(**settings)
        if list(result) != self.keys:
            raise ValueError(f"the model of {self.leaves[0]!r} returns other ports with other settings")
        values = list(result.values())  # kept alive: they are told apart by identity
        distinct = {id(value): value for value in values}
        number = {identity: n for n, identity in enumerate(distinct)}
        blocks = [_block(value) for value in distinct.values()]
        return blocks, (tuple([number[id(value)] for value in values]), tuple([block.shape[0] for block in blocks]))

    def _with(self, name: str, places: dict[int, Any], shared: Settings) -> list[Any]:
        """Values of one setting for all leaves."""
        if len(places) == len(self.leaves):
            values = [places[number] for number in range(len(places))]
        else:
            values = [shared[name]] * len(self.leaves) if name in shared else list(self._values_of(name))
            for number, value in places.items():
                values[number] = value
        return [value if type(value) is float else plain(value) for value in values]

    def _values_of(self, name: str) -> list[Any]:
        return self._values.get(name) or [plain(self.parameters[name])] * len(self.leaves)


def is_nest(value: object) -> bool:
    """Whether settings are a dictionary of settings."""
    return isinstance(value, dict) or (not isinstance(value, PLAIN) and isinstance(value, Mapping))


def plain(value: Any) -> Any:  # noqa: ANN401
    """Arrays, of NumPy or JAX, as tensors; numbers, words and tensors as they are."""
    if isinstance(value, PLAIN):
        return value
    if isinstance(value, np.ndarray) and not value.ndim:
        return value.item()
    return torch.as_tensor(np.asarray(value)) if hasattr(value, "__array__") or isinstance(value, list) else value


def _precision(values: list[Any]) -> torch.dtype:
    """Precision of the tensors among some values, the highest; of numbers double."""
    result = None
    for value in values:
        if isinstance(value, Tensor) and value.dtype != result and value.is_floating_point():
            result = value.dtype if result is None else torch.promote_types(result, value.dtype)
    return result or torch.float64


def _stack(values: list[Any], dtype: torch.dtype) -> Any:  # noqa: ANN401
    """Stack one setting over the leaves, (leaves, *batch); a value that all share stays as it is."""
    first = values[0]
    if set(map(type, values)) <= NUMBERS:
        if values.count(first) == len(values):
            return first
        numbers = torch.from_numpy(np.fromiter(values, float, len(values)))  # (torch.tensor takes three times as long)
        return numbers if dtype == torch.float64 else numbers.to(dtype)
    if isinstance(first, Tensor) and all(value is first for value in values):
        return first[None]
    if not any(isinstance(value, Tensor) for value in values):  # words and the like
        return first
    tensors = [v if isinstance(v, Tensor) else torch.tensor(v, dtype=dtype) for v in values]
    if any(tensor.shape != tensors[0].shape for tensor in tensors):
        tensors = torch.broadcast_tensors(*tensors)
    return torch.stack(tuple(tensors))


def _lined(value: Tensor, dims: int) -> Tensor:
    """Leaves come first; a setting of fewer batch dimensions gets them after the leaves."""
    missing = dims - value.dim()
    return value.reshape(len(value), *(1,) * missing, *value.shape[1:]) if missing else value


def _block(value: Any) -> Tensor:  # noqa: ANN401
    if not isinstance(value, Tensor):
        value = torch.as_tensor(value)
    if not value.is_complex():
        value = value + 0j
    return value if value.dim() else value[None]
