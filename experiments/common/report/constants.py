"""The numbers of a machine with their sources: all that its presets hold, as the run had them."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any

from electronic_ep import CrossbarWeight, CurrentNudge
from electronic_ep.presets import CHIPS
from ep_core.quantity import Quantity
from experiments.common.machines import Machine
from experiments.common.resolve import DEVICES
from photonic_ep import IntensityNudge, MeshWeight

PRESETS: dict[str, Mapping[str, Any]] = {"photonic": DEVICES, "crossbar": CHIPS}
CHANGED = "set for this run"
NO_NUMBERS = ("sources", "source")
UNLESS_DRIFT = ("drift_s", "drift_reads")


@dataclass(frozen=True, kw_only=True)
class Constant:
    """One number, with its range and unit where they are known."""

    part: str
    name: str
    value: float
    source: str

    @property
    def tags(self) -> str:
        """A, B, C (see `presets`), assumed, or that the run set it; 'none' where there is no source."""
        letters = sorted(set(re.findall(r"\(([ABC])\b", self.source)))
        words = [word for word in ("assumed", CHANGED) if word in self.source]
        return ", ".join([*letters, *words]) or "none"

    @property
    def range(self) -> str:
        """Where a machine costs least .. most."""
        own = self.value
        return f"{own.cheap:.3g} .. {own.dear:.3g}" if isinstance(own, Quantity) and own.cheap != own.dear else "-"

    @property
    def unit(self) -> str:
        """Of the value."""
        return self.value.unit if isinstance(self.value, Quantity) else "-"


def constants(machine: Machine) -> list[Constant]:
    """All numbers of the run's machine that are not zero; none for ideal weights."""
    options = machine.job.options
    if options.backend in PRESETS:
        preset = PRESETS[options.backend][options.device]
        return list(walk(_device(preset, machine), preset, preset.sources))
    parts = machine.job.network.operators[0].parts
    return [] if parts is None else list(walk(parts, parts, {}))


def _device(preset: Any, machine: Machine) -> object:  # noqa: ANN401
    """The preset with what the run changed of it."""
    first, nudge = machine.job.network.operators[0], machine.nudge
    if isinstance(first, MeshWeight):
        light = nudge.light if isinstance(nudge, IntensityNudge) else preset.nudge
        own = {"tile": first.topology.modes, "imperfections": first.physics, "hardware": first.hardware}
        return replace(preset, **own, nudge=light)
    assert isinstance(first, CrossbarWeight)
    names = ("memristor", "programming", "wires", "terminals", "periphery")
    current = nudge if isinstance(nudge, CurrentNudge) else preset.nudge
    return replace(preset, tile=first.array.tile, **{name: getattr(first, name) for name in names}, nudge=current)


def walk(machine: Any, preset: Any, sources: Mapping[str, str], part: str = "machine") -> Iterator[Constant]:  # noqa: ANN401
    """Numbers of a tree of dataclasses that are not zero, each with its source: its own, its part's, or inherited.

    Whole numbers without a source are sizes and levels that somebody chose; they are left out.
    """
    told = {**sources, **getattr(machine, "sources", {})}
    for field in fields(machine):
        name, value, usual = field.name, getattr(machine, field.name), getattr(preset, field.name, None)
        if name in NO_NUMBERS or (name in UNLESS_DRIFT and not machine.drift):
            continue
        source = getattr(value, "source", told.get(name, ""))
        chosen = isinstance(value, int) and not source
        if is_dataclass(value):
            yield from walk(value, usual, {f.name: source for f in fields(value) if source}, name)
        elif isinstance(value, int | float) and not isinstance(value, bool) and value and not chosen:
            yield Constant(part=part, name=name, value=value, source=source if value == usual else CHANGED)


def named(value: Constant) -> str:
    """PART.NAME in words."""
    return f"{value.part}: {value.name}".replace("_", " ")
