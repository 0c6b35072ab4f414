"""The numbers of a machine with their sources: all that its presets hold, as the run had them."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any

from electronic_ep import CrossbarWeight, CurrentNudge
from electronic_ep.presets import CHIPS
from ep_core import Estimator, Network, Nudging
from ep_core.homeostasis import Homeostatic
from experiments.common.report.collect import Trained
from experiments.common.resolve import DEVICES
from photonic_ep import IntensityNudge, MeshWeight

CHANGED = "set for this run"
NO_NUMBERS = ("sources", "source")
UNLESS_DRIFT = ("drift_s", "drift_reads")


@dataclass(frozen=True, kw_only=True)
class Constant:
    """One number. `tags`: A, B, C (see `presets`), assumed, or that the run set it; empty where there is no source."""

    part: str
    name: str
    value: float
    source: str

    @property
    def tags(self) -> str:
        """Of the source."""
        letters = sorted(set(re.findall(r"(?:\(|tau )([ABC])\b", self.source)))
        words = [word for word in ("assumed", CHANGED) if word in self.source]
        return ", ".join([*letters, *words])


def constants(run: Trained) -> list[Constant]:
    """All numbers of the run's machine that are not zero; none for ideal weights."""
    network, estimator = run.rebuilt
    if run.options.backend == "photonic":
        preset = DEVICES[run.options.device]
        return list(walk(_photonic(preset, network, estimator), preset, preset.sources))
    if run.options.backend == "crossbar":
        preset = CHIPS[run.options.device]
        return list(walk(_crossbar(preset, network, estimator), preset, preset.sources))
    return []


def _photonic(preset: Any, network: Network, estimator: Estimator) -> object:  # noqa: ANN401
    first, nudge = network.operators[0], nudge_of(estimator)
    assert isinstance(first, MeshWeight)
    light = nudge.light if isinstance(nudge, IntensityNudge) else preset.nudge
    own = {"tile": first.topology.modes, "imperfections": first.physics, "hardware": first.hardware, "nudge": light}
    return replace(preset, **own)


def _crossbar(preset: Any, network: Network, estimator: Estimator) -> object:  # noqa: ANN401
    first, nudge = network.operators[0], nudge_of(estimator)
    assert isinstance(first, CrossbarWeight)
    own = {name: getattr(first, name) for name in ("memristor", "programming", "wires", "terminals", "periphery")}
    return replace(
        preset, tile=first.array.tile, **own, **({"nudge": nudge} if isinstance(nudge, CurrentNudge) else {})
    )


def nudge_of(estimator: Estimator) -> object:
    """The nudge that an estimator works with; None where it has none."""
    inner = estimator.inner if isinstance(estimator, Homeostatic) else estimator
    return inner.nudge if isinstance(inner, Nudging) else None


def walk(machine: Any, preset: Any, sources: Mapping[str, str], part: str = "machine") -> Iterator[Constant]:  # noqa: ANN401
    """Numbers of a tree of dataclasses that are not zero, each with its source.

    That stands under PART.NAME among the `sources` of what the part is in, or with the part itself, by name or for all
    of it, or under NAME among the former.
    """
    own, of_part = getattr(machine, "sources", {}), getattr(machine, "source", "")
    for field in fields(machine):
        name, value, usual = field.name, getattr(machine, field.name), getattr(preset, field.name, None)
        if name in NO_NUMBERS or (name in UNLESS_DRIFT and not machine.drift):
            continue
        source = sources.get(f"{part}.{name}") or own.get(name) or of_part or sources.get(name, "")
        if is_dataclass(value):
            inside = {f.name: source for f in fields(value) if source}
            yield from walk(value, usual, {**sources, **inside}, name)
        elif isinstance(value, int | float) and not isinstance(value, bool) and value:
            yield Constant(part=part, name=name, value=value, source=source if value == usual else CHANGED)


def named(value: Constant) -> str:
    """PART.NAME in words."""
    return f"{value.part}: {value.name}".replace("_", " ")
