"""Constants of hardware: a number with its range, unit and source, and parts with their constants at another value."""

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Literal, TypeVar, get_args

Case = Literal["low", "nominal", "high"]
CASES: tuple[Case, ...] = get_args(Case)
TAG = re.compile(r"\([ABC][);,:]|assumed")
P = TypeVar("P")


class Quantity(float):
    """A constant: used as a plain number it is its nominal value.

    Attributes:
        cheap, dear: ends of the range, at which a machine costs least and most; both the nominal value where it is
            physics too, and the network was trained at it.
        unit: such as 'pJ'.
        source: with its tag, A read in the paper, B as cited by a later one, C a modelling assumption; or 'assumed'.

    Raises ValueError for a value that is not positive and finite, outside its range, or without a source.

    """

    cheap: float
    dear: float
    unit: str
    source: str

    def __new__(
        cls, nominal: float, cheap: float | None = None, dear: float | None = None, *, unit: str, source: str
    ) -> "Quantity":
        """Check, and keep."""
        ends = (nominal if cheap is None else cheap, nominal if dear is None else dear)
        if not all(math.isfinite(value) and value > 0 for value in (nominal, *ends)):
            raise ValueError(f"a constant must be positive and finite, not {nominal} within {ends} {unit}")
        if not min(ends) <= nominal <= max(ends):
            raise ValueError(f"a constant lies in its range, not {nominal} outside {ends} {unit}")
        if not TAG.search(source):
            raise ValueError(f"a constant needs a source with a tag (A, B, C) or the word 'assumed', not {source!r}")
        made = super().__new__(cls, nominal)
        made.cheap, made.dear, made.unit, made.source = *ends, unit, source
        return made

    def __getnewargs_ex__(self) -> tuple[tuple[float, float, float], dict[str, str]]:
        """For copies and pickles."""
        return (float(self), self.cheap, self.dear), {"unit": self.unit, "source": self.source}

    def at(self, case: Case) -> float:
        """Value at which a machine costs least ('low'), what it is taken to ('nominal'), most ('high')."""
        return {"low": self.cheap, "nominal": float(self), "high": self.dear}[case]


def constants(owner: object, prefix: str = "") -> Iterator[tuple[str, Quantity]]:
    """All constants in a dataclass and in those inside it, as PATH.NAME."""
    for name, value in _members(owner):
        if isinstance(value, Quantity):
            yield prefix + name, value
        elif is_dataclass(value):
            yield from constants(value, f"{prefix}{name}.")


def sourceless(owner: object, prefix: str = "") -> list[str]:
    """Numbers in a dataclass, and in those inside it, that say no source: neither they nor a mapping `sources`.

    Levels and sizes (whole numbers), and numbers that are 0, are no constants of nature: they need none.
    """
    told = getattr(owner, "sources", {})
    found: list[str] = []
    for name, value in _members(owner):
        if is_dataclass(value) and name not in told:
            found += sourceless(value, f"{prefix}{name}.")
        elif isinstance(value, float) and value and not isinstance(value, Quantity) and not _told(told, name):
            found.append(prefix + name)
    return found


def _told(sources: Mapping[str, str], name: str) -> bool:
    return bool(TAG.search(sources.get(name, "")))


def _members(owner: object) -> Iterator[tuple[str, object]]:
    if is_dataclass(owner):
        yield from ((f.name, getattr(owner, f.name)) for f in fields(owner) if f.init)


def sources(owner: object, *names: str) -> str:
    """Sources of the constants of a part, or of those named; a plain number is assumed."""
    values = [
        (name, value) for name, value in _members(owner) if name in names or (not names and isinstance(value, float))
    ]
    return "; ".join(dict.fromkeys(getattr(value, "source", "assumed") for _, value in values))


def at(parts: P, case: Case) -> P:
    """The same parts with every constant at an end of its range."""
    return _changed(parts, {name: value.at(case) for name, value in constants(parts)})


def moved(parts: P, values: Mapping[str, float]) -> P:
    """The same parts with some constants at other values. ValueError for names that are none, and for values <= 0."""
    known = dict(constants(parts))
    unknown = sorted(values.keys() - known.keys())
    if unknown:
        raise ValueError(f"there is no constant {unknown[0]}: there are {', '.join(known)}")
    for name, value in values.items():
        if not (math.isfinite(value) and value > 0):
            raise ValueError(f"the constant {name} must be positive and finite, not {value}")
    return _changed(parts, values)


def _changed(parts: P, values: Mapping[str, float], prefix: str = "") -> P:
    changes: dict[str, object] = {}
    for name, value in _members(parts):
        path = prefix + name
        if isinstance(value, Quantity) and path in values:
            new = values[path]
            ends = {"cheap": min(new, value.cheap), "dear": max(new, value.dear)}
            if value.cheap == value.dear:
                ends = {"cheap": new, "dear": new}
            elif value.cheap > value.dear:
                ends = {"cheap": max(new, value.cheap), "dear": min(new, value.dear)}
            changes[name] = Quantity(new, **ends, unit=value.unit, source=value.source)
        elif is_dataclass(value) and any(key.startswith(path + ".") for key in values):
            changes[name] = _changed(value, values, path + ".")
    return replace(parts, **changes) if changes else parts  # pyright: ignore[reportArgumentType, reportCallIssue]
