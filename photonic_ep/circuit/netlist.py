"""Netlists as sax and gdsfactory write them, made flat: leaves with a model, links between their ports, outer ports.

Accepted: one circuit {instances, connections | nets | routes, ports}; a dictionary of named circuits, the first on
top; anything with `get_netlist(recursive=True)`, such as a gdsfactory Component. An instance is a component's name
or {component, settings, array}. A leaf of a hierarchy is named by its path, OUTER.INNER.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

Port = tuple[str, str]


@dataclass(frozen=True, kw_only=True)
class Instance:
    """A leaf: the name of its model, and the settings that its netlist gives it."""

    component: str
    settings: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class FlatNetlist:
    """Leaves by path, pairs of joined ports (path, port), and the outer ports by name, in their order.

    `unused` are instances that nothing joins and that have no model: electrical or mechanical parts.
    """

    instances: dict[str, Instance] = field(default_factory=dict)
    links: list[tuple[Port, Port]] = field(default_factory=list)
    ports: dict[str, Port] = field(default_factory=dict)
    unused: list[str] = field(default_factory=list)


def flatten(netlist: Any, models: Collection[str]) -> FlatNetlist:  # noqa: ANN401 (duck-typed on purpose)
    """Flatten a netlist down to the components in `models`.

    Raises ValueError naming the place: an empty netlist, a component without a model, a port or an instance that
    does not exist, a port joined twice, a circuit inside itself.
    """
    if hasattr(netlist, "get_netlist"):
        netlist = netlist.get_netlist(recursive=True)
    if not isinstance(netlist, Mapping) or not netlist:
        raise ValueError(f"a netlist is a dictionary with instances and ports, not {netlist!r}")
    circuits = {"top_level": netlist} if "instances" in netlist else dict(netlist)
    top = next(iter(circuits))
    flat = FlatNetlist()
    flat.ports.update(_expand(circuits, top, "", models, flat, (top,)))
    if not flat.instances or not flat.ports:
        raise ValueError(f"the circuit {top!r} has no {'ports' if flat.instances else 'instances'}")
    _check_joined_once(flat)
    return flat


def _expand(
    circuits: Mapping[str, Any],
    name: str,
    path: str,
    models: Collection[str],
    flat: FlatNetlist,
    inside: tuple[str, ...],
) -> dict[str, Port]:
    """Add one circuit's leaves and links; returns the leaf port behind each of its outer ports."""
    body = circuits[name]
    where = f"circuit {name!r}"
    joins = [(_place(a, where), _place(b, where)) for a, b in _joins(body)]
    outer = {port: _place(place, where) for port, place in (body.get("ports") or {}).items()}
    used = {place[0] for join in joins for place in join} | {place[0] for place in outer.values()}
    below: dict[str, dict[str, Port] | None] = {}
    for instance, content in _instances(body):
        component, settings = content
        leaf = f"{path}{instance}"
        if component in models:
            flat.instances[leaf] = Instance(component=component, settings=settings)
            below[instance] = None
        elif component in inside:
            raise ValueError(f"the circuit {component!r} contains itself, through {leaf!r}")
        elif component in circuits:
            below[instance] = _expand(circuits, component, f"{leaf}.", models, flat, (*inside, component))
        elif instance in used:
            raise ValueError(f"no model for the component {component!r} of {leaf!r}; models: {sorted(models)}")
        else:
            flat.unused.append(leaf)

    def resolve(place: Port) -> Port:
        instance, port = place
        if instance not in below:
            raise ValueError(f"{where}: no instance {instance!r} for {instance},{port}; it has {sorted(below)}")
        inner = below[instance]
        if inner is None:
            return (f"{path}{instance}", port)
        if port not in inner:
            raise ValueError(f"{where}: {instance!r} has no port {port!r}; it has {sorted(inner)}")
        return inner[port]

    flat.links.extend((resolve(a), resolve(b)) for a, b in joins)
    return {port: resolve(place) for port, place in outer.items()}


def _joins(body: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    yield from (body.get("connections") or {}).items()
    for net in body.get("nets") or ():
        yield net["p1"], net["p2"]
    for route in (body.get("routes") or {}).values():
        yield from (route.get("links") or {}).items()


def _instances(body: Mapping[str, Any]) -> Iterator[tuple[str, tuple[str, Mapping[str, Any]]]]:
    """Name, component and settings of each instance; arrays become INSTANCE<column.row>."""
    for name, content in (body.get("instances") or {}).items():
        if isinstance(content, str):
            yield name, (content, {})
            continue
        if not isinstance(content, Mapping) or "component" not in content:
            raise ValueError(f"the instance {name!r} needs a component, it is {content!r}")
        # As in sax, what gdsfactory worked out (a bend's length) stands in `info` and completes the settings.
        pair = (content["component"], {**(content.get("settings") or {}), **(content.get("info") or {})})
        array = content.get("array")
        if not array:
            yield name, pair
            continue
        for column in range(int(array.get("columns", 1))):
            for row in range(int(array.get("rows", 1))):
                yield f"{name}<{column}.{row}>", pair


def _place(text: str, where: str) -> Port:
    instance, comma, port = text.partition(",")
    if not comma or not instance.strip() or not port.strip():
        raise ValueError(f"{where}: a port is written INSTANCE,PORT, not {text!r}")
    return instance.strip(), port.strip()


def _check_joined_once(flat: FlatNetlist) -> None:
    seen: dict[Port, str] = {}
    uses = [(place, f"the link {a[0]},{a[1]} - {b[0]},{b[1]}") for a, b in flat.links for place in (a, b)]
    uses += [(place, f"the outer port {name!r}") for name, place in flat.ports.items()]
    for place, use in uses:
        if place in seen:
            raise ValueError(f"the port {place[0]},{place[1]} is joined twice: by {seen[place]} and by {use}")
        seen[place] = use
