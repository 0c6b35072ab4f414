"""What a run costs: what each part takes in an event, and the bills of an inference and of a training sample."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from ep_core.cost import Cost, Part
from experiments.common.machines import QUANTITIES, Machine, rows
from experiments.common.report.parts import Row


@dataclass(frozen=True, kw_only=True)
class Event:
    """One kind of part in one operator, or in the nudge: what one event costs."""

    where: str
    event: str
    part: str
    cost: Part


def events(machine: Machine) -> list[Event]:
    """Every part of every operator, forwards; backwards where that takes other joules; and of the nudge."""
    network, nudge = machine.job.network, machine.nudge
    found: list[Event] = []
    for edge, operator in zip(network.edges, network.operators, strict=True):
        where, cost, back = f"layer {edge.pre} to {edge.post}", operator.cost(), operator.cost(backward=True)
        found += [Event(where=where, event=event, part=part, cost=own) for event, part, own in _parts(cost)]
        found += [
            Event(where=where, event="read back", part=part, cost=replace(own, area=0.0, watts=0.0))
            for part, own in back.read.items()
            if own.joules != cost.read[part].joules
        ]
    around = Cost() if nudge is None or not found else nudge.cost(network.sizes[-1])
    return found + [Event(where="nudge", event=event, part=part, cost=own) for event, part, own in _parts(around)]


def _parts(cost: Cost) -> Iterator[tuple[str, str, Part]]:
    for name, part in cost.parts.items():
        event, kind = name.split(".", 1)
        yield event, kind, part


def bills(machine: Machine, label: str) -> list[Row]:
    """Rows as of a comparison's parts.csv, at low, nominal and high constants; none for ideal weights."""
    kept = QUANTITIES if machine.trained.clamps else QUANTITIES[:1]
    return [row for row in rows({label: machine}, {}) if row["quantity"] in kept]  # pyright: ignore[reportReturnType]
