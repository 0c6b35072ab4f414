"""What a run took, part by part: what its operators cost an event, times what its ledger counted."""

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace

from ep_core import Ledger, Network
from ep_core.cost import Cost, Part
from ep_core.edge import Edge
from experiments.common.report.collect import Row, Trained
from experiments.common.report.constants import nudge_of
from photonic_ep import MeshWeight

GROUPS = {
    "core": ("modulator", "receiver", "array", "cells", "mesh", "shifter", "pulse"),
    "converters": ("dac", "adc", "nudge"),
    "laser": ("laser",),
    "memory": ("accumulator",),
    "digital": ("logic",),
}
GROUP_OF = {part: group for group, parts in GROUPS.items() for part in parts}


@dataclass(frozen=True, kw_only=True)
class Event:
    """One kind of part in one operator, or in the nudge: what one event costs."""

    where: str
    event: str
    part: str
    cost: Part


def events(run: Trained) -> list[Event]:
    """Every part of every operator, forwards; backwards where that takes other joules; and of the nudge."""
    network, _ = run.rebuilt
    found: list[Event] = []
    for edge, operator in zip(network.edges, network.operators, strict=True):
        where, cost, back = f"layer {edge.pre} to {edge.post}", operator.cost(), operator.cost(backward=True)
        found += [Event(where=where, event=event, part=part, cost=own) for event, part, own in _parts(cost)]
        found += [
            Event(where=where, event="read back", part=part, cost=replace(own, area=0.0, watts=0.0))
            for event, part, own in _parts(back)
            if event == "read" and own.joules != cost.read[part].joules
        ]
    nudge = _nudge(run).read
    return found + [Event(where="nudge", event="read", part=part, cost=own) for part, own in nudge.items()]


def _parts(cost: Cost) -> Iterator[tuple[str, str, Part]]:
    for name, part in cost.parts.items():
        event, kind = name.split(".", 1)
        yield event, kind, part


def _nudge(run: Trained) -> Cost:
    network, estimator = run.rebuilt
    nudge = nudge_of(estimator)
    return Cost() if nudge is None else nudge.cost(network.sizes[network.layers])  # pyright: ignore[reportAttributeAccessIssue]


def counted(ledger: Ledger) -> bool:
    """Whether the ledger says which operators were read; those of older versions do not."""
    return ledger.clamps + ledger.ups + ledger.pulls > 0


def training(run: Trained, label: str) -> list[Row]:
    """Joules, seconds, watts and mm^2 of the whole training by part, as rows of a comparison's parts.csv.

    Reads are made one after the other, all pulses of an update at once; lasers and heaters are on all the time. The
    digital work of the gradient and of the optimiser is not in it. Empty for ideal weights and uncounted ledgers.
    """
    network, _ = run.rebuilt
    ledger, whole = run.ledger, dict[str, Part]()
    if not counted(ledger):
        return []
    for edge, operator in zip(network.edges, network.operators, strict=True):
        for backward, count in zip((False, True), _reads(network, edge, ledger), strict=True):
            for part, own in operator.cost(backward=backward).read.items():
                _add(whole, part, own, joules=count * own.joules, seconds=count * own.seconds, there=not backward)
        cost = operator.cost()
        for part, own in cost.update.items():
            _add(whole, part, own, joules=ledger.updates * own.joules)
        for part, own in cost.hold.items():
            _add(whole, f"{part}, held", own)
    _write(whole, network, ledger)
    for part, own in _nudge(run).read.items():
        _add(whole, part if part == "nudge" else f"nudge's {part}", own, joules=ledger.nudges * own.joules)
    on = sum(part.seconds for part in whole.values())
    return [_row(label, name, replace(part, joules=part.joules + on * part.watts)) for name, part in whole.items()]


def _reads(network: Network, edge: Edge, ledger: Ledger) -> tuple[float, float]:
    """Products with one edge's operator in a training, forwards and backwards."""
    index = network.edges.index(edge)
    if index == network.readout:
        return ledger.pulls / 2, ledger.pulls / 2
    meshes = [operator.in_features for operator in network.operators if isinstance(operator, MeshWeight)]
    operator = network.operators[index]
    aligned = ledger.aligned * operator.in_features / sum(meshes) if isinstance(operator, MeshWeight) else 0.0
    if edge.pre == 0:
        return aligned + edge.reads * ledger.clamps, 0.0
    return aligned + edge.reads * ledger.ups, float(edge.reads * ledger.downs)


def _write(whole: dict[str, Part], network: Network, ledger: Ledger) -> None:
    """All operators have the same parts that write, and write at once."""
    writes = [operator.cost().write for operator in network.operators]
    for name in writes[0]:
        parts = [own[name] for own in writes]
        slowest = max(part.seconds for part in parts)
        seconds, joules = ledger.updates * slowest, ledger.pulses * parts[0].joules
        for number, part in enumerate(parts):
            once = {"joules": joules, "seconds": seconds} if number == 0 else {}
            _add(whole, f"{name}, written", part, **once)


def _add(
    whole: dict[str, Part], name: str, own: Part, *, joules: float = 0.0, seconds: float = 0.0, there: bool = True
) -> None:
    """Add to a part; its watts and area count once an operator, when it is `there`."""
    before = whole.get(name, Part(source=own.source))
    whole[name] = Part(
        joules=before.joules + joules,
        seconds=before.seconds + seconds,
        watts=before.watts + (own.watts if there else 0.0),
        area=before.area + (own.area if there else 0.0),
        source=own.source,
    )


def _row(machine: str, part: str, own: Part) -> Row:
    kind = part.split(",")[0].removeprefix("nudge's ")
    numbers = {"joules": own.joules, "seconds": own.seconds, "watts": own.watts, "mm2": own.area}
    told = {"machine": machine, "quantity": "training", "case": "nominal", "part": part, "group": GROUP_OF[kind]}
    return {**told, **numbers, "source": own.source}


def counts(ledger: Ledger) -> dict[str, int]:
    """All that a ledger counted, by name."""
    return {field.name: getattr(ledger, field.name) for field in fields(Ledger)}
