"""Leaves that share a model, evaluated in one call: their settings are stacked, their entries come back as blocks."""

import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from photonic_ep.circuit.settings import NUMBERS, Picks, Route, Settings, plain

Model = Callable[..., Mapping[tuple[str, str], Any]]
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
        self._constants = {name: _stack(name, values, torch.float64) for name, values in self._values.items()}
        # A table says its entries itself: it need not hold the default wavelength.
        self.keys: list[tuple[str, str]] = getattr(model, "keys", None) or list(model(**next(iter(leaves.values()))))

    def stacked(self, route: Route, values: list[Any]) -> Settings:
        """Every setting as one value for all leaves, or a tensor (leaves, *batch): the netlist's or the given one."""
        chosen = {name: self._of_leaves(name, picks, route, values) for name, picks in route.own.items()}
        shared = {name: values[at] for name, at in route.shared.items()}
        dtype = _precision(shared.values(), *chosen.values())
        full = dict(self._constants)
        if dtype != torch.float64:
            full = {name: v.to(dtype) if isinstance(v, Tensor) else v for name, v in full.items()}
        for name, value in shared.items():
            full[name] = value[None] if isinstance(value, Tensor) else value
        for name, several in chosen.items():
            full[name] = _stack(name, several, dtype)
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

    def _of_leaves(self, name: str, picks: Picks, route: Route, values: list[Any]) -> list[Any]:
        """One setting of each leaf."""
        if len(picks) == len(self.leaves):
            return [values[at] for at in picks.values()]
        if name in route.shared:
            several = [values[route.shared[name]]] * len(self.leaves)
        else:
            several = list(self._values.get(name) or [plain(self.parameters[name])] * len(self.leaves))
        for leaf, at in picks.items():
            several[leaf] = values[at]
        return several


def _precision(*groups: Iterable[Any]) -> torch.dtype:
    """Precision of the tensors among some values, the highest; of numbers double."""
    result = None
    for values in groups:
        for value in values if not set(map(type, values)) <= NUMBERS else ():
            if isinstance(value, Tensor) and value.dtype != result and value.is_floating_point():
                result = value.dtype if result is None else torch.promote_types(result, value.dtype)
    return result or torch.float64


def _stack(name: str, values: list[Any], dtype: torch.dtype) -> Any:  # noqa: ANN401
    """Stack one setting over the leaves, (leaves, *batch); a value that all share stays as it is."""
    first = values[0]
    if set(map(type, values)) <= NUMBERS:
        if values.count(first) == len(values):
            return first
        numbers = torch.from_numpy(np.fromiter(values, float, len(values)))  # (torch.tensor takes three times as long)
        return numbers if dtype == torch.float64 else numbers.to(dtype)
    if isinstance(first, Tensor) and all(value is first for value in values):
        return first[None]
    if not all(isinstance(value, Tensor | float | int) for value in values):
        if not any(isinstance(value, Tensor) for value in values) and all(value == first for value in values):
            return first  # a word that all share
        raise ValueError(f"{name}: values that are no numbers must be the same for all parts of a model: {values}")
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
