"""Physical cost of hardware: joules, watts, seconds and square millimetres, part by part, each with its source.

The word *energy* belongs to EP; what hardware takes is *joules*.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class Part:
    """One kind of part, all of its kind in an operator together.

    Attributes:
        joules: of the event [J]. watts: while the part is on, whatever it does [W].
        seconds: by which the event is longer for it [s]; 0 where it works beside others.
        area: on the chip [mm^2].
        source: of the numbers, with their tag, or 'assumed'.

    """

    joules: float = 0.0
    watts: float = 0.0
    seconds: float = 0.0
    area: float = 0.0
    source: str

    def __post_init__(self) -> None:
        for name in ("joules", "watts", "seconds", "area"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 0):
                raise ValueError(f"{name} of a part must be finite and not negative, not {value}")
        if not self.source:
            raise ValueError("a part's cost needs a source, or the word 'assumed'")

    def times(self, count: int) -> "Part":
        """Return the cost of so many at once: the event is no longer for it."""
        return Part(
            joules=count * self.joules,
            watts=count * self.watts,
            seconds=self.seconds,
            area=count * self.area,
            source=self.source,
        )


EVENTS = ("read", "contrast", "write", "update", "hold")


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What an operator costs, by name of the part; every part stands under the one event that it is there for.

    Attributes:
        read: of a product with one sample in one direction.
        contrast: of one sample's states, in one phase, entering a gradient: digital multiply-adds of post pre'.
        write: joules of one pulse (a parameter that changes what it holds), seconds of one update, whose pulses are
            made at once.
        update: of one update, however few pulses it makes: digital accumulators of what is owed, a gradient pulled
            back through a model.
        hold: of keeping the parameters as they are.

    """

    read: Mapping[str, Part] = field(default_factory=dict)
    contrast: Mapping[str, Part] = field(default_factory=dict)
    write: Mapping[str, Part] = field(default_factory=dict)
    update: Mapping[str, Part] = field(default_factory=dict)
    hold: Mapping[str, Part] = field(default_factory=dict)

    @property
    def parts(self) -> dict[str, Part]:
        """All parts, as EVENT.PART."""
        return {f"{event}.{name}": part for event in EVENTS for name, part in getattr(self, event).items()}

    def total(self, event: str | None = None) -> Part:
        """Sum over the parts of one of the `EVENTS`, or of all; seconds add up."""
        own = [part for name, part in self.parts.items() if event is None or name.startswith(event + ".")]
        sums = {name: sum((getattr(p, name) for p in own), 0.0) for name in ("joules", "watts", "seconds", "area")}
        return Part(**sums, source="sum of parts")

    def joules(
        self, *, reads: int = 0, rows: int = 0, pulses: int = 0, updates: int = 0, seconds: float = 0.0
    ) -> float:
        """J of so many reads, rows of contrasts, pulses and updates, the machine being on for `seconds`."""
        counted = (("read", reads), ("contrast", rows), ("write", pulses), ("update", updates))
        return sum(count * self.total(event).joules for event, count in counted) + seconds * self.total().watts

    def renamed(self, prefix: str) -> "Cost":
        """Return the same with PREFIX.PART as names."""
        return Cost(**{event: {f"{prefix}.{k}": p for k, p in getattr(self, event).items()} for event in EVENTS})

    def __add__(self, other: "Cost") -> "Cost":
        events = {name: dict(getattr(self, name)) for name in EVENTS}
        for name, mine in events.items():
            theirs = getattr(other, name)
            both = mine.keys() & theirs.keys()
            if both:
                raise ValueError(f"both costs have parts named {sorted(both)}: rename one")
            mine |= theirs
        return Cost(**events)
