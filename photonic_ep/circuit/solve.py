"""From a netlist and models to a circuit that is itself a model."""

import inspect
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from photonic_ep.circuit.groups import Group, Model, Pattern, Settings, defaults
from photonic_ep.circuit.layout import Layout, check_passive, gain_message, make_layout
from photonic_ep.circuit.netlist import FlatNetlist, Port, flatten
from photonic_ep.circuit.plan import Entry, Plan, make_plan
from photonic_ep.circuit.settings import Names, Route, make_routes, unpack
from photonic_ep.circuit.tables import Table
from photonic_ep.circuit.tape import GainError, NotFiniteError, solve_referee, solve_tape

ALIASES = {
    2: {"in0": "o1", "out0": "o2"},
    3: {"in0": "o1", "out0": "o3", "out1": "o2"},
    4: {"in0": "o1", "in1": "o2", "out0": "o4", "out1": "o3"},
}


@dataclass(frozen=True, kw_only=True)
class CircuitInfo:
    """What became of a netlist.

    Attributes:
        instances: model of each leaf, by path. ports: outer ports.
        ignored: settings of the netlist that the models do not know, by path. unused: parts that nothing joins.
        operations: of the elimination tape.

    """

    instances: dict[str, str]
    ports: tuple[str, ...]
    ignored: dict[str, list[str]]
    unused: list[str]
    operations: int


class LazySDict(Mapping[tuple[str, str], Tensor]):
    """S-parameters by (port in, port out), taken from the dense form when they are asked for."""

    def __init__(self, dense: Tensor, ports: tuple[str, ...], keys: list[tuple[str, str]]) -> None:
        self.dense, self.ports = dense, ports
        self._index = {name: i for i, name in enumerate(ports)}
        self._keys = keys

    def __getitem__(self, key: tuple[str, str]) -> Tensor:
        into, out = key
        return self.dense[..., self._index[out], self._index[into]]

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(self._keys)

    def __len__(self) -> int:
        return len(self._keys)


class Circuit:
    """A circuit as a model: call it with settings, get S-parameters; everything broadcasts as torch does.

    Settings go by instance, `circuit(ring={"length": 12.0})`, nested where the netlist is; any other keyword, such
    as `wl`, goes to every model that knows it. Instances that share a model are evaluated in one call.
    """

    def __init__(self, flat: FlatNetlist, models: Mapping[str, Model], active: Collection[str] = ()) -> None:
        self._flat = flat
        known = {leaf.component: defaults(models[leaf.component]) for leaf in flat.instances.values()}
        self._settings = {
            path: {k: v for k, v in leaf.settings.items() if k in known[leaf.component]}
            for path, leaf in flat.instances.items()
        }
        self._groups = self._group(models)
        self._named_as_given = flat
        self._flat = self._renamed()
        self._check_ports()
        self.plan = self._make_plan()
        self.ports = self.plan.ports
        self._layouts: dict[tuple[Pattern, ...], Layout] = {}
        self._routes: dict[Names, list[Route]] = {}
        # A table's gain was looked at over all its wavelengths when it was read, a circuit's part by part.
        checked = {name for name, model in models.items() if isinstance(model, Table | Circuit)}
        self._active = frozenset(active) | checked
        self.setting_names = sorted({name for group in self._groups for name in group.parameters})
        # As a model of another circuit, this one takes its globals.
        keyword = inspect.Parameter.KEYWORD_ONLY
        self.__signature__ = inspect.Signature(
            [inspect.Parameter(n, keyword, default=None) for n in self.setting_names]
        )
        check_passive(self._groups, flat, self._active)

    def info(self) -> CircuitInfo:
        """Return what became of the netlist."""
        flat = self._flat
        unknown = {
            path: sorted(set(leaf.settings) - set(self._settings[path])) for path, leaf in flat.instances.items()
        }
        return CircuitInfo(
            instances={path: leaf.component for path, leaf in flat.instances.items()},
            ports=self.ports,
            ignored={path: names for path, names in (unknown | flat.ignored).items() if names},
            unused=flat.unused,
            operations=len(self.plan.operations),
        )

    def __call__(self, **settings: Any) -> LazySDict:  # noqa: ANN401
        """S-parameters, keyed (port in, port out)."""
        dense, ports = self.dense(**settings)
        return LazySDict(dense, ports, self.keys)

    def dense(self, *, engine: Literal["tape", "torch"] = "tape", **settings: Any) -> tuple[Tensor, tuple[str, ...]]:  # noqa: ANN401
        """S of shape (*batch, out, in) and the names of the ports; `engine` torch is the plain referee.

        Raises ValueError naming the place: an unknown instance or setting, a setting that is NaN or infinite, a part
        with gain that is not `active`, a lossless closed resonance.
        """
        if engine not in ("tape", "torch"):
            raise ValueError(f"the engine is 'tape' or 'torch', not {engine!r}")
        stacked = self._spread(settings)
        try:
            parts = [group.blocks(chosen) for group, chosen in zip(self._groups, stacked, strict=True)]
            blocks = [block for some, _ in parts for block in some]
            layout = self._layout(tuple(pattern for _, pattern in parts))
            on_cpu = all(block.device.type == "cpu" for block in blocks[:1])
            return (solve_tape if engine == "tape" and on_cpu else solve_referee)(
                self.plan, layout, *blocks
            ), self.ports
        except NotFiniteError:
            raise ValueError(self._not_finite(stacked)) from None
        except GainError as gain:
            component = self._flat.instances[gain.leaf].component
            raise ValueError(gain_message(gain.leaf, component, gain.power)) from None
        except RuntimeError as error:
            if not _broadcast(stacked):
                raise ValueError(f"{error}; shapes: {self._shapes(stacked)}") from error
            raise

    def parts(self, **settings: Any) -> dict[str, dict[tuple[str, str], Tensor]]:  # noqa: ANN401
        """S-parameters of every part of the circuit, by its path: shapes broadcast to the batch of the settings."""
        result: dict[str, dict[tuple[str, str], Tensor]] = {}
        for group, chosen in zip(self._groups, self._spread(settings), strict=True):
            blocks, (pattern, lengths) = group.blocks(chosen)
            for number, leaf in enumerate(group.leaves):
                rows = [block[number if length > 1 else 0] for block, length in zip(blocks, lengths, strict=True)]
                result[leaf] = {key: rows[at] for key, at in zip(group.keys, pattern, strict=True)}
        return result

    @property
    def flat(self) -> FlatNetlist:
        """The netlist made flat: parts by path, links, outer ports."""
        return self._flat

    def netlist(self, *, numbered: bool = False, **settings: Any) -> dict[str, Any]:  # noqa: ANN401
        """Return the circuit as a flat netlist of sax, {instances, connections, ports}, with the settings of a call.

        A part inside a hierarchy or an array gets a name that sax takes, ring.top -> ring__top; ports keep the names
        that they came with, or are `numbered` o1, o2, ... Raises ValueError as a call does, and where a setting is a
        batch or no number.
        """
        given: dict[str, Settings] = {path: {} for path in self._flat.instances}
        for group, chosen in zip(self._groups, self._spread(settings), strict=True):
            for number, leaf in enumerate(group.leaves):
                for name, value in chosen.items():
                    given[leaf][name] = _single(value, number, f"{leaf}.{name}")
        names: dict[str, str] = {}
        for path in given:
            name = re.sub(r"\W", "__", path.replace(">", ""))
            while name in names.values():
                name += "_"
            names[path] = name
        flat = self._flat if numbered else self._named_as_given
        return {
            "instances": {
                names[path]: {"component": leaf.component, "settings": given[path]}
                for path, leaf in flat.instances.items()
            },
            "connections": {f"{names[a[0]]},{a[1]}": f"{names[b[0]]},{b[1]}" for a, b in flat.links},
            "ports": {name: f"{names[leaf]},{port}" for name, (leaf, port) in flat.ports.items()},
        }

    @property
    def keys(self) -> list[tuple[str, str]]:
        """Pairs (port in, port out) between which light may go."""
        return [(self.ports[into], self.ports[out]) for into, out in self.plan.outputs[:, 1:].tolist()]

    def _not_finite(self, stacked: list[Settings]) -> str:
        """Name the settings to blame."""
        wrong = []
        for group, settings in zip(self._groups, stacked, strict=True):
            for name, value in settings.items():
                if isinstance(value, Tensor | float) and not torch.isfinite(torch.as_tensor(value)).all():
                    bad = (
                        [~torch.isfinite(torch.as_tensor(v)).all() for v in value] if isinstance(value, Tensor) else []
                    )
                    leaves = [leaf for leaf, is_bad in zip(group.leaves, bad, strict=False) if is_bad]
                    wrong.append(f"{', '.join(leaves if len(bad) > 1 else group.leaves)}: {name}")
        where = "; ".join(wrong) or "none: is a wavelength or another divisor zero?"
        return f"the circuit's S-parameters are not finite; NaN or infinite settings: {where}"

    def _shapes(self, stacked: list[Settings]) -> str:
        """Batches of the settings that are tensors, by a part that has them."""
        return ", ".join(
            f"{group.leaves[0]}.{name} {tuple(value.shape[1:])}"
            for group, settings in zip(self._groups, stacked, strict=True)
            for name, value in settings.items()
            if isinstance(value, Tensor) and value.dim() > 1
        )

    def _group(self, models: Mapping[str, Model]) -> list[Group]:
        by_kind: dict[tuple[str, tuple[object, ...]], dict[str, Settings]] = {}
        for path, leaf in self._flat.instances.items():
            # A word cannot be stacked, nor a number beside a default that is none: such leaves are other groups.
            own, default = self._settings[path], defaults(models[leaf.component])
            if isinstance(models[leaf.component], Circuit):
                by_kind[leaf.component, ((path, ""),)] = {path: own}  # its settings have no defaults to stand beside
                continue
            words = [(k, v if isinstance(v, str | bool) else "") for k, v in own.items() if not _numeric(default[k], v)]
            by_kind.setdefault((leaf.component, tuple(sorted(words))), {})[path] = own
        return [Group(models[component], leaves) for (component, _), leaves in by_kind.items()]

    def _ports_of(self) -> dict[str, set[str]]:
        return {leaf: {port for key in group.keys for port in key} for group in self._groups for leaf in group.leaves}

    def _renamed(self) -> FlatNetlist:
        """Read sax's in0, in1, out0, out1 as o1, o2, o4, o3 where a model has only those."""
        ports = self._ports_of()

        def rename(place: Port) -> Port:
            leaf, port = place
            return place if port in ports[leaf] else (leaf, ALIASES.get(len(ports[leaf]), {}).get(port, port))

        flat = self._flat
        return replace(
            flat,
            links=[(rename(a), rename(b)) for a, b in flat.links],
            ports={name: rename(place) for name, place in flat.ports.items()},
        )

    def _check_ports(self) -> None:
        ports = self._ports_of()
        for path, port in [*(place for link in self._flat.links for place in link), *self._flat.ports.values()]:
            if port not in ports[path]:
                component = self._flat.instances[path].component
                raise ValueError(f"{path!r} ({component}) has no port {port!r}; it has {sorted(ports[path])}")

    def _make_plan(self) -> Plan:
        entries: list[Entry] = [(leaf, a, b) for g in self._groups for leaf in g.leaves for a, b in g.keys]
        return make_plan(self._flat, entries)

    def _layout(self, patterns: tuple[Pattern, ...]) -> Layout:
        if patterns not in self._layouts:
            self._layouts[patterns] = make_layout(self._groups, patterns, self.plan.entries, self._flat, self._active)
        return self._layouts[patterns]

    def _spread(self, settings: Settings) -> list[Settings]:
        """Settings of each group: the netlist's, then globals, then those of single leaves."""
        names, values = unpack(settings)
        if names not in self._routes:
            self._routes[names] = make_routes(names, [(group.leaves, group.parameters) for group in self._groups])
        return [group.stacked(route, values) for group, route in zip(self._groups, self._routes[names], strict=True)]


def circuit(
    netlist: Any,  # noqa: ANN401
    models: Mapping[str, Model],
    *,
    active: Collection[str] = (),
) -> tuple[Circuit, CircuitInfo]:
    """Return a circuit as a model, and what became of its netlist.

    Args:
        netlist: as `netlist.flatten` accepts it.
        models: by component name: functions of keywords that return S-dictionaries of torch tensors.
        active: components that may amplify; a gain of any other is an error.

    Raises:
        ValueError: naming the place that is wrong.

    """
    whole = Circuit(flatten(netlist, models), models, active)
    return whole, whole.info()


def _broadcast(stacked: list[Settings]) -> bool:
    """Whether the batches of all settings go together."""
    try:
        np.broadcast_shapes(*(v.shape[1:] for some in stacked for v in some.values() if isinstance(v, Tensor)))
    except ValueError:
        return False
    return True


def _numeric(*values: Any) -> bool:  # noqa: ANN401
    return all(not isinstance(v, str | bool) and (isinstance(v, int | float | Tensor | np.ndarray)) for v in values)


def _single(value: Any, number: int, place: str) -> Any:  # noqa: ANN401
    """One leaf's value of a stacked setting, as a plain number or word."""
    if not isinstance(value, Tensor):
        return value
    own = value[number if len(value) > 1 else 0]
    if own.numel() != 1:
        raise ValueError(f"{place} is a batch of {tuple(own.shape)}; a netlist holds one number a setting")
    return float(own)
