"""What inference and training cost: the ledger's counts times the parts of a machine."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

from ep_core.cost import Cost, Part
from ep_core.edge import Edge
from ep_core.ledger import Ledger
from ep_core.nudge import Nudge
from ep_core.parts import Accumulator, Engine
from ep_core.weight import WeightOperator

Change = Callable[[object], object]
Count = float | int


@dataclass(frozen=True, kw_only=True)
class Bill:
    """Joules and time of so many samples on one machine that does one after the other.

    Attributes:
        parts: by EVENT.NAME, all of their kind in the machine together: joules of the whole job, `watts` included;
            seconds that the job is longer for them; watts while the machine is on; mm^2.
        samples: of the job.

    """

    parts: Mapping[str, Part]
    samples: int

    @property
    def joules(self) -> float:
        """A sample [J]."""
        return sum(part.joules for part in self.parts.values()) / self.samples

    @property
    def seconds(self) -> float:
        """A sample [s]."""
        return sum(part.seconds for part in self.parts.values()) / self.samples

    @property
    def watts(self) -> float:
        """Of holding and of light, whatever the machine does [W]."""
        return sum(part.watts for part in self.parts.values())

    @property
    def area(self) -> float:
        """Of all parts [mm^2]."""
        return sum(part.area for part in self.parts.values())


@runtime_checkable
class Wired(Protocol):
    """What a bill must know of a network: its operators and whom each one joins."""

    operators: Sequence[WeightOperator]
    edges: Sequence[Edge]
    readout: int | None
    sizes: Sequence[int]


@dataclass(frozen=True, kw_only=True)
class Wiring:
    """Operators that are no `Network`, such as an Ising machine's. An edge reads its operator upwards into `post`."""

    operators: Sequence[WeightOperator]
    edges: Sequence[Edge]
    sizes: Sequence[int]
    readout: int | None = None


def bill(
    network: Wired,
    ledger: Ledger,
    *,
    samples: int,
    nudge: Nudge | None = None,
    words: int = 0,
    change: Change | None = None,
) -> Bill:
    """Price what a ledger counted.

    Operators of one layer's drive are read at the same time, layers one after the other; so are contrasts and
    pull-backs, by one digital engine; all operators are written at once. The machine is on for the sum of these.

    Args:
        network: on some hardware, in the state whose holding is to be paid.
        ledger: of the job.
        samples: that it was.
        nudge: where the job nudged.
        words: numbers that the optimiser keeps.
        change: of the parts, such as `partial(at, case="low")`.

    Raises ValueError where there are no samples.

    """
    if samples < 1:
        raise ValueError(f"a bill needs at least one sample, not {samples}")
    operators = [operator if change is None else operator.repriced(change) for operator in network.operators]
    costs = [(operator.cost(), operator.cost(backward=True)) for operator in operators]
    parts = _reads(network, ledger, costs)
    # The input is the same in all phases: their forces are summed first.
    rows = [min(ledger.rows, ledger.clamps) if edge.pre == 0 else ledger.rows for edge in network.edges]
    for count, (up, _) in zip(rows, costs, strict=True):
        parts += _timed("contrast", [up.contrast], count, joules=count)
    parts += _timed("write", [up.write for up, _ in costs], ledger.rounds, joules=ledger.pulses, at_once=True)
    parts += _timed("update", [up.update for up, _ in costs], ledger.updates, joules=ledger.updates)
    parts += _timed("hold", [up.hold for up, _ in costs], 0, joules=0)
    parts += _around(operators[0].parts, words, ledger.updates)
    if nudge is not None:
        priced = nudge if change is None else change(nudge)
        cost = priced.cost(network.sizes[-1])  # pyright: ignore[reportAttributeAccessIssue]
        for name, part in cost.read.items():
            # Its converters work beside the others; its light is on with the machine.
            whole = _scaled(part, ledger.nudges, 0)
            parts.append((f"nudge.{name}", replace(whole, watts=part.watts, area=part.area)))
    merged: dict[str, Part] = {}
    for name, part in parts:
        merged[name] = _sum(merged[name], part) if name in merged else part
    seconds = sum(part.seconds for part in merged.values())
    held = {name: replace(part, joules=part.joules + part.watts * seconds) for name, part in merged.items()}
    return Bill(parts=held, samples=samples)


Named = list[tuple[str, Part]]
Pair = tuple[Cost, Cost]


@dataclass(frozen=True)
class _Way:
    """Reads of one operator in one direction: of which drive they are, parts of one product, products, how often."""

    drive: tuple[int, bool]
    parts: Mapping[str, Part]
    products: int
    times: int

    @property
    def seconds(self) -> float:
        """Of one time."""
        return self.products * sum((part.seconds for part in self.parts.values()), 0.0)


def _reads(network: Wired, ledger: Ledger, costs: Sequence[Pair]) -> Named:
    """Joules of every read of every operator; seconds of the slowest of those that make a drive together."""
    result: Named = []
    drives: dict[tuple[int, bool], list[_Way]] = {}
    checks = (ledger.checks + ledger.aligned) / len(costs)
    for index, (edge, (up, down)) in enumerate(zip(network.edges, costs, strict=True)):
        for way in _ways(edge, up.read, down.read, ledger, readout=index == network.readout):
            result += _events("read", way.parts, way.products * way.times, 0)
            drives.setdefault(way.drive, []).append(way)
        result += _standing(up.read, down.read, lit=edge.pre != 0)
        result += _events("read", up.read, checks, checks)
    for ways in drives.values():
        slowest = max(ways, key=lambda way: (way.times > 0, way.seconds))
        result += _events("read", slowest.parts, 0, slowest.products * slowest.times)
    return result


def _ways(edge: Edge, up: Mapping[str, Part], down: Mapping[str, Part], ledger: Ledger, *, readout: bool) -> list[_Way]:
    """Directions of a sweep meet in a layer's drive; the input is read before the sweeps."""
    if edge.pre == 0 and not readout:
        return [_Way((edge.post, True), up, edge.reads, ledger.clamps)]
    pulls = ledger.pulls // 2
    ups, downs = (pulls + ledger.samples, pulls) if readout else (ledger.ups, ledger.downs)
    return [_Way((edge.post, False), up, edge.reads, ups), _Way((edge.pre, False), down, edge.reads, downs)]


def _standing(up: Mapping[str, Part], down: Mapping[str, Part], *, lit: bool) -> Named:
    """Ports are those of both directions: a read of either counts their area; `lit`: light is sent backwards too."""
    return [
        (
            f"read.{name}",
            Part(
                area=max(part.area, down[name].area),
                watts=max(part.watts, down[name].watts) if lit else part.watts,
                source=part.source,
            ),
        )
        for name, part in up.items()
    ]


def _timed(
    event: str, events: Sequence[Mapping[str, Part]], times: Count, *, joules: Count, at_once: bool = False
) -> Named:
    """So many events of every operator: `joules` times their joules (pulses of all together), `times` their seconds."""
    result: Named = []
    slowest = max(range(len(events)), key=lambda i: sum(part.seconds for part in events[i].values()))
    for index, own in enumerate(events):
        # Pulses are counted over all operators, whose pulses cost the same.
        count = (joules if index == slowest else 0) if at_once else joules
        wait = times if index == slowest or not at_once else 0
        for name, part in own.items():
            whole = _scaled(part, count, wait)
            result.append((f"{event}.{name}", replace(whole, area=part.area, watts=part.watts)))
    return result


def _around(parts: object, words: int, updates: int) -> Named:
    """The digital engine, one for all operators, and the optimiser's memory."""
    result: Named = []
    engine, accumulator = getattr(parts, "engine", None), getattr(parts, "accumulator", None)
    if isinstance(engine, Engine):
        result.append(("hold.engine", replace(engine.part(), area=engine.mm2)))
    if isinstance(accumulator, Accumulator) and words:
        part = accumulator.part(words)
        result.append(("update.optimiser", replace(_scaled(part, updates, 0), area=part.area)))
    return result


def _events(event: str, parts: Mapping[str, Part], joules: Count, seconds: Count) -> Named:
    return [(f"{event}.{name}", _scaled(part, joules, seconds)) for name, part in parts.items()]


def _scaled(part: Part, joules: Count, seconds: Count) -> Part:
    return Part(joules=joules * part.joules, seconds=seconds * part.seconds, source=part.source)


def _sum(a: Part, b: Part) -> Part:
    told = dict.fromkeys([*a.source.split("; "), *b.source.split("; ")])
    return Part(
        joules=a.joules + b.joules,
        watts=a.watts + b.watts,
        seconds=a.seconds + b.seconds,
        area=a.area + b.area,
        source="; ".join(told),
    )
