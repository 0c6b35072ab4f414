"""Settings of a call, from `circuit(wl=1.5, ring={"length": 12.0})` to the leaves that they are for.

Where each value goes depends on the names alone, so it is worked out once for every set of names (a route).
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from numbers import Real
from typing import Any

import numpy as np
import torch
from torch import Tensor

Settings = dict[str, Any]
Names = tuple[str | tuple[str, ...], ...]  # of each global; of each instance with those of its settings
Picks = dict[int, int]  # number of a leaf -> number of its value
NUMBERS = {float, int}
Kinds = Sequence[tuple[list[str], Settings]]  # of each group, its leaves and the settings of its model with defaults

MOST = 20  # names that a message lists


@dataclass(frozen=True, kw_only=True)
class Route:
    """Where a group's settings stand among the values of a call: those for all leaves, and those for single ones."""

    shared: dict[str, int] = field(default_factory=dict)
    own: dict[str, Picks] = field(default_factory=dict)


def unpack(settings: Settings) -> tuple[Names, list[Any]]:
    """Names and values of a call, apart."""
    names: list[str | tuple[str, ...]] = []
    values: list[Any] = []
    for name, value in settings.items():
        if type(value) is dict:
            names.append((name, *value))
            values += value.values()
        else:
            names.append(name)
            values.append(value)
    if set(map(type, values)) <= NUMBERS:
        return tuple(names), values
    if any(isinstance(value, Mapping) for value in values):
        return unpack(_by_path(settings))
    return tuple(names), [plain(value) for value in values]


def plain(value: Any) -> Any:  # noqa: ANN401
    """Numbers of any library as floats or doubles in tensors, arrays as tensors; words and the rest as they are."""
    if isinstance(value, Tensor):
        if value.dtype in (torch.float16, torch.bfloat16):
            return value.float()  # torch has no complex numbers of that size to compute with
        return value if value.is_floating_point() or value.is_complex() else value.double()
    if isinstance(value, np.bool_):
        return bool(value)
    if isinstance(value, str | bool) or type(value) in NUMBERS:
        return value
    if isinstance(value, Real):
        return float(value)
    if isinstance(value, list | tuple) and value and all(isinstance(item, Tensor) for item in value):
        return torch.stack(list(value))
    return from_array(np.asarray(value)) if isinstance(value, list) or hasattr(value, "__array__") else value


def from_array(array: np.ndarray) -> Any:  # noqa: ANN401
    """Read an array as a tensor of floats, single ones as singles, in whatever order its memory is."""
    if array.dtype.kind not in "fiu":
        raise ValueError(f"a setting is a number or an array of numbers, not of {array.dtype}: {array!r:.60}")
    kind = np.float32 if array.dtype.kind == "f" and array.dtype.itemsize == 4 else np.float64
    return torch.from_numpy(np.array(array, dtype=kind)) if array.ndim else float(array)


def make_routes(names: Names, groups: Kinds) -> list[Route]:
    """Find the leaves of every value; a global goes to every model that knows it, an instance's own goes last.

    Raises ValueError naming an instance or a setting that does not exist.
    """
    routes = [Route() for _ in groups]
    known = sorted({name for _, parameters in groups for name in parameters})
    leaves = {leaf: (g, n) for g, (members, _) in enumerate(groups) for n, leaf in enumerate(members)}
    own: list[tuple[bool, int, str, list[tuple[int, int]], int]] = []
    at = 0
    for entry in names:
        if isinstance(entry, str):
            if entry not in known:
                raise ValueError(f"no model of this circuit has a setting {entry!r}; they have {known}")
            for (_, parameters), route in zip(groups, routes, strict=True):
                if entry in parameters:
                    route.shared[entry] = at
            at += 1
            continue
        path, *settings = entry
        for setting in settings:
            exact, targets = _targets(path, setting, leaves, groups)
            own.append((exact, len(path), setting, targets, at))
            at += 1
    # What names a part beats what names a circuit around it, and an inner circuit beats an outer one.
    for _, _, setting, targets, number in sorted(own, key=lambda entry: entry[:2]):
        for group, leaf in targets:
            routes[group].own.setdefault(setting, {})[leaf] = number
    ordered = [{name: dict(sorted(picks.items())) for name, picks in route.own.items()} for route in routes]
    return [Route(shared=route.shared, own=single) for route, single in zip(routes, ordered, strict=True)]


def _targets(
    path: str, setting: str, leaves: dict[str, tuple[int, int]], groups: Kinds
) -> tuple[bool, list[tuple[int, int]]]:
    """Group and number of a leaf, of all of an array, or of those in a circuit of the hierarchy that know it.

    Also whether the path names parts, rather than a circuit around them.
    """
    exact, named = True, [leaves[path]] if path in leaves else []
    if not named:
        asked = _names(path)
        found = {leaf: names for leaf, names in zip(leaves, map(_names, leaves), strict=True) if _is_in(names, asked)}
        named = [leaves[leaf] for leaf, names in found.items() if len(names) == len(asked)]
        exact = bool(named)
        named = named or [leaves[leaf] for leaf in found]
    if not named:
        known = sorted(leaves)
        more = f" and {len(known) - MOST} more" if len(known) > MOST else ""
        raise ValueError(f"no instance {path!r} in this circuit; it has {known[:MOST]}{more}")
    knowing = [(group, number) for group, number in named if setting in groups[group][1]]
    if not knowing:
        has = sorted({name for group, _ in named for name in groups[group][1]})
        raise ValueError(f"{path!r} has no setting {setting!r}; it has {has}")
    return exact, knowing


def _names(path: str) -> list[str]:
    """ring<0.1>.top -> ring<0.1>, top."""
    return re.findall(r"[^.<]+(?:<[^>]*>)?", path)


def _is_in(leaf: list[str], path: list[str]) -> bool:
    """Whether a leaf is what a path names or inside it; the name of an array means all of it."""
    return len(leaf) >= len(path) and all(b in (a, a.partition("<")[0]) for a, b in zip(leaf, path, strict=False))


def _by_path(settings: Mapping[str, Any]) -> Settings:
    """Settings nested as a hierarchy is, by path: {"ring": {"top": {"length": 3}}} -> {"ring.top": {"length": 3}}."""
    flat: Settings = {}
    for name, value in settings.items():
        for path, own in _nested(name, value) if isinstance(value, Mapping) else [(name, value)]:
            flat[path] = {**flat.get(path, {}), **own} if isinstance(own, Mapping) else own
    return flat


def _nested(path: str, values: Mapping[str, Any]) -> Iterator[tuple[str, Settings]]:
    yield path, {name: value for name, value in values.items() if not isinstance(value, Mapping)}
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _nested(f"{path}.{name}", value)
