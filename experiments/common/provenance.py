"""What made a result: versions of this toolkit and of what it computes with, and the command that makes it again."""

import inspect
import platform
import shlex
from dataclasses import MISSING, Field, fields, is_dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, get_type_hints

import tyro

TOOLKIT = "photonic-ep"
PACKAGES = ("numpy", "scipy", "torch", "numba", "scikit-learn")
MADE_BY = "made_by"  # where config.json keeps it; no option has this name
COMMAND = "command"
ASIDE = ("out", "resume", "check")  # options that say where a result goes, not what it is


def versions() -> dict[str, str]:
    """Version of this toolkit, of Python and of the packages that the numbers depend on, by name."""
    return {TOOLKIT: _version(TOOLKIT), "python": platform.python_version()} | {
        name: _version(name) for name in PACKAGES
    }


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def command(options: object) -> str:
    """Return the command line that gives a script these options: those that are not its defaults, without --out."""
    script = Path(inspect.getfile(type(options)))
    return shlex.join(["python", f"{script.parent.name}/{script.name}", *words(options)])


def words(options: Any) -> list[str]:  # noqa: ANN401 (any dataclass)
    """Words of the command line for the fields of a dataclass that differ from their defaults."""
    hints, plain, flags = get_type_hints(type(options), include_extras=True), list[str](), list[str]()
    for field in fields(options):
        value = getattr(options, field.name)
        if field.name in ASIDE or value == _default(field):
            continue
        if is_dataclass(value):
            flags += words(value)
        elif tyro.conf.Positional in getattr(hints[field.name], "__metadata__", ()):
            plain += _spelled(value)
        elif isinstance(value, bool):
            flags.append(f"--{'' if value else 'no-'}{field.name.replace('_', '-')}")
        else:
            flags += [f"--{field.name.replace('_', '-')}", *_spelled(value)]
    return plain + flags


def _default(field: "Field[Any]") -> object:
    return field.default if field.default_factory is MISSING else field.default_factory()


def _spelled(value: object) -> list[str]:
    return [str(part) for part in value] if isinstance(value, tuple | list) else [str(value)]
