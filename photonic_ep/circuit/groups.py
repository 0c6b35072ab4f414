"""Leaves that share a model, evaluated in one call: their settings are stacked, their entries come back as blocks."""

import inspect
from collections.abc import Callable, Iterable, Mapping
from types import NoneType
from typing import Any

import numpy as np
import torch
from torch import Tensor

from photonic_ep.circuit.settings import NUMBERS, Picks, Route, Settings, plain

Model = Callable[..., Mapping[tuple[str, str], Any]]
READY = {float, int, Tensor, torch.nn.Parameter}  # settings that need no second look
Pattern = tuple[tuple[int, ...], tuple[int, ...]]  # block of each key; leaves in each block (1: all leaves share it)


def defaults(model: Model) -> Settings:
    """Settings of a model with their defaults."""
    return {name: p.default for name, p in inspect.signature(model).parameters.items()}


class Group:
    """Leaves with one model: by setting, the values that the netlist gives them."""

    def __init__(self, model: Model, leaves: dict[str, Settings]) -> None:
        if not callable(model):
            raise ValueError(f"the model of {next(iter(leaves))!r} is no function but {model!r}")
        self.model = model
        self.leaves = list(leaves)
        self.parameters = defaults(model)
        given = dict.fromkeys(name for values in leaves.values() for name in values)
        self._values = {
            name: [
                self._read(path, name, own[name]) if name in own else plain(self.parameters[name])
                for path, own in leaves.items()
            ]
            for name in given
        }
        # Numbers are stacked once; a tensor may be a parameter that an optimiser moves.
        fixed = {n: v for n, v in self._values.items() if not any(isinstance(value, Tensor) for value in v)}
        self._constants = {name: _stack(name, values, torch.float64) for name, values in fixed.items()}
        self._live = [name for name in self._values if name not in fixed]
        # A table or a circuit says its entries itself: it need not be defined at the default wavelength.
        first = {name: values[0] for name, values in self._values.items() if name in next(iter(leaves.values()))}
        self.keys: list[tuple[str, str]] = getattr(model, "keys", None) or list(self._call(first))

    def stacked(self, route: Route, values: list[Any]) -> Settings:
        """Every setting as one value for all leaves, or a tensor (leaves, *batch): the netlist's or the given one."""
        chosen = {name: self._of_leaves(name, picks, route, values) for name, picks in route.own.items()}
        for name, several in chosen.items():
            if not set(map(type, several)) <= READY:
                chosen[name] = [self._checked(name, value) for value in several]
        shared = {name: values[at] for name, at in route.shared.items()}
        for name in self._live:
            if name not in shared:
                chosen.setdefault(name, self._values[name])
        dtype = _precision(shared.values(), *chosen.values())
        full = dict(self._constants)
        if dtype != torch.float64:
            full = {name: v.to(dtype) if isinstance(v, Tensor) else v for name, v in full.items()}
        for name, value in shared.items():
            full[name] = value[None] if isinstance(value, Tensor) else self._checked(name, value)
        for name, several in chosen.items():
            full[name] = _stack(name, several, dtype)
        dims = max((v.dim() for v in full.values() if isinstance(v, Tensor)), default=1)
        return {n: _lined(v, dims) if isinstance(v, Tensor) else v for n, v in full.items()}

    def _checked(self, name: str, value: Any) -> Any:  # noqa: ANN401
        return value if isinstance(value, float | Tensor) else self._read(self._names(), name, value)

    def _read(self, place: str, name: str, value: Any) -> Any:  # noqa: ANN401
        """Read a setting; where the model's default is a number, a text such as YAML's 1e3 is one too."""
        if isinstance(value, list | tuple) and any(isinstance(item, Tensor) for item in value):
            raise ValueError(f"{place}: {name} must be one tensor, not a list of tensors")
        value = plain(value)
        default = self.parameters[name]
        if (
            isinstance(value, float | int | Tensor)
            or isinstance(default, str | bool | NoneType | Mapping)
            or default is inspect.Parameter.empty
        ):
            return value
        try:
            return float(value)
        except (TypeError, ValueError):
            raise ValueError(f"{place}: {name} must be a number, not {value!r}") from None

    def _names(self) -> str:
        return ", ".join(self.leaves[:3]) + (", ..." if len(self.leaves) > 3 else "")

    def _call(self, settings: Settings) -> Mapping[tuple[str, str], Any]:
        try:
            return self.model(**settings)
        except ValueError as error:
            raise ValueError(f"{self._names()}: {error}") from error
        except ZeroDivisionError as error:
            raise ValueError(f"{self._names()}: {error}: is the wavelength or a length zero?") from error

    def blocks(self, settings: Settings) -> tuple[list[Tensor], Pattern]:
        """Call the model; entries that are one and the same tensor are one block, (leaves or 1, *batch)."""
        result = self._call(settings)
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
    if not all(isinstance(value, Tensor | float | int) and not isinstance(value, bool) for value in values):
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
        value = torch.as_tensor(np.asarray(value))  # (torch alone would make a number a single)
    if not value.is_complex():
        value = value + 0j
    return value if value.dim() else value[None]
