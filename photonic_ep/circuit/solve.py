"""From a netlist and models to a circuit that is itself a model."""

import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
from jaxtyping import Complex
from torch import Tensor

from photonic_ep.circuit.netlist import FlatNetlist, Port, flatten
from photonic_ep.circuit.plan import Entry, Plan, make_plan
from photonic_ep.circuit.tape import Tape, solve_referee

Model = Callable[..., Mapping[tuple[str, str], Any]]
Settings = dict[str, Any]
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


@dataclass(frozen=True, kw_only=True)
class _Group:
    """Leaves that share a model: one call with stacked settings gives all their entries."""

    model: Model
    leaves: list[str]
    keys: list[tuple[str, str]]
    parameters: dict[str, Any]


class Circuit:
    """A circuit as a model: call it with settings, get S-parameters; everything broadcasts as torch does.

    Settings go by instance, `circuit(ring={"length": 12.0})`, nested where the netlist is; any other keyword, such
    as `wl`, goes to every model that knows it. Instances that share a model are evaluated in one call.
    """

    def __init__(self, flat: FlatNetlist, models: Mapping[str, Model]) -> None:
        self._flat = flat
        known = {leaf.component: _defaults(models[leaf.component]) for leaf in flat.instances.values()}
        self._defaults = {
            path: {k: v for k, v in leaf.settings.items() if k in known[leaf.component]}
            for path, leaf in flat.instances.items()
        }
        self._groups = self._group(models)
        self._flat = self._renamed()
        self._check_ports()
        self.plan = self._make_plan()
        self.ports = self.plan.ports
        self._order = self._entry_order()
        self._known = {name for group in self._groups for name in group.parameters}
        # As a model of another circuit, this one takes its globals.
        keyword = inspect.Parameter.KEYWORD_ONLY
        self.__signature__ = inspect.Signature(
            [inspect.Parameter(n, keyword, default=None) for n in sorted(self._known)]
        )

    def info(self) -> CircuitInfo:
        """Return what became of the netlist."""
        flat = self._flat
        unknown = {
            path: sorted(set(leaf.settings) - set(self._defaults[path])) for path, leaf in flat.instances.items()
        }
        return CircuitInfo(
            instances={path: leaf.component for path, leaf in flat.instances.items()},
            ports=self.ports,
            ignored={path: names for path, names in unknown.items() if names},
            unused=flat.unused,
            operations=len(self.plan.operations),
        )

    def __call__(self, **settings: Any) -> LazySDict:  # noqa: ANN401
        """S-parameters, keyed (port in, port out)."""
        dense, ports = self.dense(**settings)
        keys = [(ports[into], ports[out]) for into, out in self.plan.outputs[:, 1:].tolist()]
        return LazySDict(dense, ports, keys)

    def dense(self, *, engine: Literal["tape", "torch"] = "tape", **settings: Any) -> tuple[Tensor, tuple[str, ...]]:  # noqa: ANN401
        """S of shape (*batch, out, in) and the names of the ports; `engine` torch is the plain referee."""
        entries, shape = self.entries(**settings)
        run = Tape.apply if engine == "tape" and entries.device.type == "cpu" else solve_referee
        values: Tensor = run(entries, self.plan)  # pyright: ignore[reportAssignmentType]
        return values.reshape(*shape, *values.shape[1:]), self.ports

    def entries(self, **settings: Any) -> tuple[Complex[Tensor, "entries batch"], tuple[int, ...]]:  # noqa: ANN401
        """S-matrix entries of all leaves in the plan's order, and the shape of the batch."""
        spread = self._spread(settings)
        blocks = [block for group in self._groups for block in _evaluate(group, spread)]
        shape = torch.broadcast_shapes(*(block.shape[1:] for block in blocks))
        full = torch.cat(
            [b.reshape(len(b), *(1,) * (len(shape) + 1 - b.dim()), *b.shape[1:]).expand(len(b), *shape) for b in blocks]
        )
        return full.reshape(len(full), -1)[self._order], tuple(shape)

    def _group(self, models: Mapping[str, Model]) -> list[_Group]:
        by_kind: dict[tuple[str, tuple[object, ...]], list[str]] = {}
        for path, leaf in self._flat.instances.items():
            words = tuple(sorted((k, v) for k, v in self._defaults[path].items() if isinstance(v, str | bool)))
            by_kind.setdefault((leaf.component, words), []).append(path)
        groups = []
        for (component, _), leaves in by_kind.items():
            model = models[component]
            sample = model(**self._defaults[leaves[0]])
            groups.append(_Group(model=model, leaves=leaves, keys=list(sample), parameters=_defaults(model)))
        return groups

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

    def _entry_order(self) -> Tensor:
        """Rows of the stacked blocks that the plan wants."""
        row, rows = 0, {}
        for group in self._groups:
            for a, b in group.keys:
                for leaf in group.leaves:
                    rows[leaf, a, b] = row
                    row += 1
        return torch.tensor([rows[entry] for entry in self.plan.entries], dtype=torch.int64)

    def _spread(self, settings: Settings) -> dict[str, Settings]:
        """Settings of each leaf: the netlist's, then globals, then its own."""
        full = {path: dict(values) for path, values in self._defaults.items()}
        own: list[tuple[str, Settings]] = []
        for name, value in settings.items():
            if isinstance(value, Mapping):
                own += _nested(name, value)
            elif name in self._known:
                for group in self._groups:
                    if name in group.parameters:
                        for leaf in group.leaves:
                            full[leaf][name] = value
            else:
                raise ValueError(f"no model of this circuit has a setting {name!r}; they have {sorted(self._known)}")
        for path, values in own:
            self._override(full, path, values)
        return full

    def _override(self, full: dict[str, Settings], path: str, values: Settings) -> None:
        """Give settings to a leaf, to all of an array, or to those in a circuit of the hierarchy that know them."""
        leaves = [leaf for leaf in full if path in (leaf, leaf.partition("<")[0])]
        inside = [leaf for leaf in full if leaf.startswith(f"{path}.")]
        if not leaves and not inside:
            raise ValueError(f"no instance {path!r} in this circuit; it has {sorted(full)}")
        parameters = {leaf: g.parameters for g in self._groups for leaf in g.leaves}
        for name, value in values.items():
            knowing = [leaf for leaf in leaves or inside if name in parameters[leaf]]
            if not knowing:
                has = sorted({p for leaf in leaves or inside for p in parameters[leaf]})
                raise ValueError(f"{path!r} has no setting {name!r}; it has {has}")
            for leaf in knowing:
                full[leaf][name] = value


def circuit(netlist: Any, models: Mapping[str, Model]) -> tuple[Circuit, CircuitInfo]:  # noqa: ANN401
    """Return a circuit as a model, and what became of its netlist.

    Args:
        netlist: as `netlist.flatten` accepts it.
        models: by component name: functions of keywords that return S-dictionaries of torch tensors.

    Raises:
        ValueError: naming the place that is wrong.

    """
    whole = Circuit(flatten(netlist, models), models)
    return whole, whole.info()


def _defaults(model: Model) -> dict[str, Any]:
    """Settings of a model with their defaults."""
    return {name: p.default for name, p in inspect.signature(model).parameters.items()}


def _nested(path: str, values: Mapping[str, Any]) -> Iterator[tuple[str, Settings]]:
    """Settings of a hierarchy by leaf path: {"ring": {"top": {"length": 3}}} -> ("ring.top", {"length": 3})."""
    plain = {k: v for k, v in values.items() if not isinstance(v, Mapping)}
    if plain:
        yield path, plain
    for name, inner in values.items():
        if isinstance(inner, Mapping):
            yield from _nested(f"{path}.{name}", inner)


def _evaluate(group: _Group, spread: dict[str, Settings]) -> Iterator[Tensor]:
    """One block (leaves, *batch) for each key of the group's model."""
    names = {name for leaf in group.leaves for name in spread[leaf]}
    given = [v for leaf in group.leaves for v in spread[leaf].values() if isinstance(v, Tensor)]
    dtype = torch.result_type(given[0], given[-1]) if given else torch.float64
    stacked = {
        name: _stack([spread[leaf].get(name, group.parameters[name]) for leaf in group.leaves], dtype) for name in names
    }
    dims = max((v.dim() for v in stacked.values() if isinstance(v, Tensor)), default=1)
    # Leaves come first; a setting of fewer batch dimensions gets them after the leaves.
    lined = {
        n: v.reshape(len(v), *(1,) * (dims - v.dim()), *v.shape[1:]) if isinstance(v, Tensor) else v
        for n, v in stacked.items()
    }
    result = group.model(**lined)
    if list(result) != group.keys:
        raise ValueError(f"the model of {group.leaves[0]!r} returns other ports with other settings")
    for key in group.keys:
        value = torch.as_tensor(result[key])
        value = value if value.is_complex() else value + 0j
        yield value.expand(len(group.leaves), *value.shape[1:]) if value.dim() else value.expand(len(group.leaves))


def _stack(values: list[Any], dtype: torch.dtype) -> Any:  # noqa: ANN401
    """Stack one setting over the leaves, (leaves, *batch); a value that all share stays as it is."""
    first = values[0]
    if all(
        v is first or (isinstance(v, int | float) and isinstance(first, int | float) and v == first) for v in values
    ):
        return first[None] if isinstance(first, Tensor) else first
    tensors = [v if isinstance(v, Tensor) else torch.tensor(v, dtype=dtype) for v in values]
    return torch.stack(torch.broadcast_tensors(*tensors))
