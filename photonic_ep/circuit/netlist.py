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

    `unused` are instances that nothing joins and that have no model: electrical or mechanical parts; `ignored` the
    settings that an instance of a circuit has and no part inside it.
    """

    instances: dict[str, Instance] = field(default_factory=dict)
    links: list[tuple[Port, Port]] = field(default_factory=list)
    ports: dict[str, Port] = field(default_factory=dict)
    unused: list[str] = field(default_factory=list)
    ignored: dict[str, list[str]] = field(default_factory=dict)


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
    flat.ports.update(_expand(circuits, top, "", {}, models, flat, (top,)))
    if not flat.instances or not flat.ports:
        raise ValueError(f"the circuit {top!r} has no {'ports' if flat.instances else 'instances'}")
    _check_joined_once(flat)
    return flat


def _expand(
    circuits: Mapping[str, Any],
    name: str,
    path: str,
    given: Mapping[str, Any],
    models: Collection[str],
    flat: FlatNetlist,
    inside: tuple[str, ...],
) -> dict[str, Port]:
    """Add one circuit's leaves and links; returns the leaf port behind each of its outer ports.

    `given` are the settings that the circuit around it has for its instances, by name.
    """
    where = f"circuit {name!r}"
    body = _mapping(circuits[name], where)
    joins = [(_place(a, where), _place(b, where)) for a, b in _joins(body, where)]
    outer = {port: _place(place, where) for port, place in _mapping(body.get("ports"), f"{where}: ports").items()}
    used = {place[0] for join in joins for place in join} | {place[0] for place in outer.values()}
    below: dict[str, dict[str, Port] | None] = {}
    for instance, content in _instances(body, where):
        component, settings = content
        leaf = f"{path}{instance}"
        for name_given in dict.fromkeys((instance.partition("<")[0], instance)):  # of an array, then of one of it
            settings = _merged(settings, _mapping(given.get(name_given), f"{leaf}: settings"))
        if component in models:
            flat.instances[leaf] = Instance(component=component, settings=settings)
            below[instance] = None
        elif component in inside:
            raise ValueError(f"the circuit {component!r} contains itself, through {leaf!r}")
        elif component in circuits:
            below[instance] = _expand(circuits, component, f"{leaf}.", settings, models, flat, (*inside, component))
            known = {name for name, _ in _instances(_mapping(circuits[component], component), component)}
            known |= {name.partition("<")[0] for name in known}
            if set(settings) - known:
                flat.ignored[leaf] = sorted(set(settings) - known)
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


def _merged(settings: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Settings with others over them, circuit in circuit."""
    both = {
        name: _merged(settings[name], value)
        for name, value in over.items()
        if isinstance(value, Mapping) and isinstance(settings.get(name), Mapping)
    }
    return {**settings, **over, **both}


def _mapping(value: Any, where: str) -> Mapping[str, Any]:  # noqa: ANN401
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise ValueError(f"{where} must be a dictionary, not {value!r:.80}")
    return value


def _joins(body: Mapping[str, Any], where: str) -> Iterator[tuple[Any, Any]]:
    yield from _mapping(body.get("connections"), f"{where}: connections").items()
    nets = body.get("nets") or ()
    if not isinstance(nets, list | tuple) or not all(
        isinstance(net, Mapping) and {"p1", "p2"} <= {*net} for net in nets
    ):
        raise ValueError(f"{where}: nets must be a list of {{p1: .., p2: ..}}, not {nets!r:.80}")
    for net in nets:
        yield net["p1"], net["p2"]
    for name, route in _mapping(body.get("routes"), f"{where}: routes").items():
        place = f"{where}: route {name!r}"
        yield from _mapping(_mapping(route, place).get("links"), f"{place}: links").items()


def _instances(body: Mapping[str, Any], where: str) -> Iterator[tuple[str, tuple[str, Mapping[str, Any]]]]:
    """Name, component and settings of each instance; arrays become INSTANCE<column.row>."""
    for name, content in _mapping(body.get("instances"), f"{where}: instances").items():
        if isinstance(content, str):
            yield name, (content, {})
            continue
        if not isinstance(content, Mapping) or not isinstance(content.get("component"), str):
            raise ValueError(f"the instance {name!r} needs a component, it is {content!r:.80}")
        # As in sax, what gdsfactory worked out (a bend's length) stands in `info` and completes the settings.
        settings = _mapping(content.get("settings"), f"{where}: settings of {name!r}")
        pair = (content["component"], {**settings, **_mapping(content.get("info"), f"{where}: info of {name!r}")})
        array = _mapping(content.get("array"), f"{where}: array of {name!r}")
        if not array:
            yield name, pair
            continue
        columns, rows = array.get("columns", array.get("num_a", 1)), array.get("rows", array.get("num_b", 1))
        if not all(isinstance(n, int) and n > 0 for n in (columns, rows)):
            raise ValueError(f"{where}: array of {name!r} needs columns and rows, whole numbers, not {dict(array)}")
        for column in range(columns):
            for row in range(rows):
                yield f"{name}<{column}.{row}>", pair


def _place(text: Any, where: str) -> Port:  # noqa: ANN401
    instance, comma, port = text.partition(",") if isinstance(text, str) else ("", "", "")
    if not comma or not instance.strip() or not port.strip():
        raise ValueError(f"{where}: a port is written INSTANCE,PORT, not {text!r:.80}")
    return instance.strip(), port.strip()


def _check_joined_once(flat: FlatNetlist) -> None:
    seen: dict[Port, str] = {}
    uses = [(place, f"the link {a[0]},{a[1]} - {b[0]},{b[1]}") for a, b in flat.links for place in (a, b)]
    uses += [(place, f"the outer port {name!r}") for name, place in flat.ports.items()]
    for place, use in uses:
        if place in seen:
            raise ValueError(f"the port {place[0]},{place[1]} is joined twice: by {seen[place]} and by {use}")
        seen[place] = use
