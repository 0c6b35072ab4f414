"""A circuit's algebra, once: which waves to eliminate in which order, as a flat list of operations (a tape).

Waves are the nodes of a graph, S-matrix entries its edges. Eliminating an inner wave k adds to every path through it
S_ij += S_ik (1 - S_kk)^-1 S_kj. Entries that models declare zero are no edges; waves that no input reaches or that
reach no output are dropped; the rest goes in Markowitz order (fewest new paths first). Feed-forward circuits need no
reciprocal at all.
"""

import heapq
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int

from photonic_ep.circuit.netlist import FlatNetlist, Port

MULTIPLY, ADD_PRODUCT, LOOP = 0, 1, 2  # d = a b; d += a b; d = 1 / (1 - a)
Entry = tuple[str, str, str]  # instance, port in, port out


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What to compute, whatever the numbers.

    Attributes:
        entries: S-matrix entries that the circuit needs; entry i starts in slot i.
        operations: rows (code, d, a, b) over slots. slots: how many there are.
        outputs: rows (slot, port in, port out) of the circuit's own entries, ports as indices.
        ports: names of the outer ports. loops: slot of each reciprocal -> the port whose wave closes on itself.

    """

    entries: list[Entry]
    operations: Int[np.ndarray, "operations 4"]
    slots: int
    outputs: Int[np.ndarray, "outputs 3"]
    ports: tuple[str, ...]
    loops: dict[int, Port]


class _Graph:
    """Edges i -> j carry the slot that holds S_ij."""

    def __init__(self) -> None:
        self.after: dict[Port, dict[Port, int]] = {}
        self.before: dict[Port, dict[Port, int]] = {}

    def join(self, i: Port, j: Port, slot: int) -> None:
        self.after.setdefault(i, {})[j] = slot
        self.before.setdefault(j, {})[i] = slot
        self.after.setdefault(j, {})
        self.before.setdefault(i, {})

    def remove(self, k: Port) -> None:
        for j in self.after.pop(k):
            self.before[j].pop(k, None)
        for i in self.before.pop(k):
            if i in self.after:
                self.after[i].pop(k, None)

    def cost(self, k: Port) -> int:
        return len(self.before[k]) * len(self.after[k])


def make_plan(flat: FlatNetlist, entries: Iterable[Entry]) -> Plan:
    """Plan the elimination for the given structurally nonzero entries of all instances."""
    partner = dict([*flat.links, *((b, a) for a, b in flat.links)])
    outer = {place: name for name, place in flat.ports.items()}
    edges = [(entry, _wave_in(entry, partner, outer), _wave_out(entry, partner, outer)) for entry in entries]
    edges = _reachable([(e, i, j) for e, i, j in edges if i is not None and j is not None], flat.ports)
    graph = _Graph()
    for slot, (_, i, j) in enumerate(edges):
        graph.join(i, j, slot)
    operations, slots, loops = _eliminate(graph, len(edges))
    ports = tuple(flat.ports)
    index = {name: n for n, name in enumerate(ports)}
    outputs = [
        (slot, index[i[1]], index[j[1]]) for i in graph.after for j, slot in graph.after[i].items() if i[0] == "in "
    ]
    return Plan(
        entries=[entry for entry, _, _ in edges],
        operations=np.array(operations, dtype=np.int32).reshape(-1, 4),
        slots=slots,
        outputs=np.array(outputs, dtype=np.int64).reshape(-1, 3),
        ports=ports,
        loops=loops,
    )


# A node is an outgoing inner wave (instance, port), or an outer wave ("in ", name) or ("out ", name): instance
# names hold no trailing space.
def _wave_in(entry: Entry, partner: dict[Port, Port], outer: dict[Port, str]) -> Port | None:
    place = (entry[0], entry[1])
    return ("in ", outer[place]) if place in outer else partner.get(place)


def _wave_out(entry: Entry, partner: dict[Port, Port], outer: dict[Port, str]) -> Port | None:
    place = (entry[0], entry[2])
    return ("out ", outer[place]) if place in outer else place if place in partner else None


def _reachable(edges: list, ports: Iterable[str]) -> list:
    """Keep the edges on a path from an input to an output."""
    names = list(ports)
    forth: dict[Port, list[Port]] = {}
    back: dict[Port, list[Port]] = {}
    for _, i, j in edges:
        forth.setdefault(i, []).append(j)
        back.setdefault(j, []).append(i)
    lit = _closure([("in ", name) for name in names], forth)
    seen = _closure([("out ", name) for name in names], back)
    return [(entry, i, j) for entry, i, j in edges if i in lit and j in seen]


def _closure(start: list[Port], neighbours: dict[Port, list[Port]]) -> set[Port]:
    found, todo = set(start), list(start)
    while todo:
        for node in neighbours.get(todo.pop(), ()):
            if node not in found:
                found.add(node)
                todo.append(node)
    return found


def _eliminate(graph: _Graph, slots: int) -> tuple[list[tuple[int, int, int, int]], int, dict[int, Port]]:
    operations: list[tuple[int, int, int, int]] = []
    loops: dict[int, Port] = {}
    heap = [(graph.cost(k), k) for k in graph.after if k[0] not in ("in ", "out ")]
    heapq.heapify(heap)
    while heap:
        cost, k = heapq.heappop(heap)
        if k not in graph.after:
            continue
        if cost != graph.cost(k):
            heapq.heappush(heap, (graph.cost(k), k))
            continue
        inward, outward = dict(graph.before[k]), dict(graph.after[k])
        own = inward.pop(k, None)
        outward.pop(k, None)
        graph.remove(k)
        if own is not None:
            operations.append((LOOP, slots, own, 0))
            loops[slots] = k
            own, slots = slots, slots + 1
        for i, first in inward.items():
            if own is not None:
                operations.append((MULTIPLY, slots, first, own))
                first, slots = slots, slots + 1
            for j, second in outward.items():
                known = graph.after[i].get(j)
                if known is None:
                    graph.join(i, j, slots)
                    operations.append((MULTIPLY, slots, first, second))
                    slots += 1
                else:
                    operations.append((ADD_PRODUCT, known, first, second))
    return operations, slots, loops
