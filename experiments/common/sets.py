"""A sweep's file: which options every run of a script gets. Grids, zipped lists, seeds, and sets written one by one."""

import contextlib
import difflib
import io
import math
import shlex
from collections.abc import Sequence
from dataclasses import fields, replace
from functools import cache
from itertools import product
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

import tyro
import yaml

OWN = ("out", "resume", "check")  # of each run, the sweep's business
MOST = 10_000  # runs, against a slip of the keyboard
Chosen = dict[str, Any]  # option -> what the file gives it


def read_sets(path: Path, options: type) -> list[Chosen]:
    """All sets of options that the file asks for, in order: sets, zips, grids, seeds, the last turning fastest.

    Raises FileNotFoundError, and ValueError for a file that is none, unknown options, lists that are empty or of
    different lengths, and more than `MOST` runs.
    """
    try:
        asked = yaml.safe_load(path.read_text())
    except FileNotFoundError as error:
        raise FileNotFoundError(f"there is no {path}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is no YAML: {error}") from error
    if not isinstance(asked, dict) or not asked:
        raise ValueError(f"{path} must name options and their values, as in 'beta: [0.1, 0.2]'")
    try:
        return _expanded(asked, option_names(options))
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def option_names(options: type) -> list[str]:
    """Names of a script's options."""
    return [f.name for f in fields(options)]


def _expanded(asked: dict[Any, Any], names: list[str]) -> list[Chosen]:
    explicit = asked.pop("sets", [{}])
    zipped = asked.pop("zip", {})
    if "seeds" in asked and "seeds" not in names:
        asked["seed"] = _seeds(asked.pop("seeds"), names, taken="seed" in asked)
    if not isinstance(explicit, list) or not explicit or not all(isinstance(own, dict) for own in explicit):
        raise ValueError("sets must be a list of sets of options")
    axes: list[list[Chosen]] = [[_known(own, names) for own in explicit], _zipped(zipped, names)]
    axes += [[{name: v} for v in _listed(name, given)] for name, given in _known(asked, names).items()]
    if math.prod(len(axis) for axis in axes) > MOST:
        raise ValueError(f"it asks for {math.prod(len(axis) for axis in axes):,} runs, more than {MOST:,}")
    return [_joined(parts) for parts in product(*axes)]


def _seeds(given: object, names: list[str], *, taken: bool) -> list[int]:
    """0 .. N - 1, or the list."""
    if "seed" not in names:
        raise ValueError("seeds: this script has no option seed")
    if taken:
        raise ValueError("seed and seeds are both given")
    seeds = list(range(given)) if isinstance(given, int) and given is not True else given
    if not isinstance(seeds, list) or not seeds:
        raise ValueError(f"seeds must be a number of seeds or a list of them, not {given!r}")
    return seeds


def _listed(name: str, given: object) -> list[object]:
    if given == []:
        raise ValueError(f"{name} has an empty list of values: there would be no run")
    return given if isinstance(given, list) else [given]


def _zipped(given: object, names: list[str]) -> list[Chosen]:
    """Lists whose values go together: the first with the first, the second with the second."""
    if not isinstance(given, dict):
        raise ValueError("zip must name options and lists of the same length")
    columns = {name: _listed(name, values) for name, values in _known(given, names).items()}
    lengths = {name: len(values) for name, values in columns.items()}
    if len(set(lengths.values())) > 1:
        raise ValueError(f"zip needs lists of the same length, not {lengths}")
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)] or [{}]


def _known(given: dict[Any, Any], names: list[str]) -> Chosen:
    """The same under the options' own names. ValueError for one that there is not, with those nearest to it."""
    result: Chosen = {}
    for key, value in given.items():
        name = str(key).replace("-", "_")
        if name in OWN or name not in names:
            raise ValueError(_unknown(str(key), name, names))
        result[name] = value
    return result


def _unknown(key: str, name: str, names: list[str]) -> str:
    if name in OWN:
        return f"{key} cannot be swept: the sweep gives every run a folder, goes on with it, and has no bars"
    own = [n for n in names if n not in OWN]
    near = difflib.get_close_matches(name.removeprefix("no_"), own, n=3, cutoff=0.5)
    return f"unknown option {key!r}; " + (f"nearest: {', '.join(near)}" if near else f"there are {', '.join(own)}")


def _joined(parts: tuple[Chosen, ...]) -> Chosen:
    """One set. ValueError where an option would have two values."""
    result: Chosen = {}
    for part in parts:
        twice = sorted(result.keys() & part.keys())
        if twice:
            raise ValueError(f"{', '.join(twice)} is given twice")
        result |= part
    return result


def parsed(sets: list[Chosen], options: type, given: Sequence[str]) -> list[Any]:
    """The options of every set, beside the words of the command line that all runs share.

    Raises ValueError for a value of a wrong type, and for an option that both give.
    """
    hints = get_type_hints(options, include_extras=True)
    named = {_name(word) for word in given if word.startswith("--")}
    both = sorted(named & {name for own in sets for name in own})
    for name in named & {*OWN}:
        raise ValueError(_unknown(name, name, []))
    if both:
        raise ValueError(f"{', '.join(both)} is given by the command line and by the file")

    @cache
    def read(must: tuple[str, ...], word: tuple[str, ...]) -> Any:  # noqa: ANN401 (an instance of `options`)
        try:
            with contextlib.redirect_stderr(io.StringIO()):
                return tyro.cli(options, args=[*given, *must, *word])
        except SystemExit as error:
            raise ValueError(f"{' '.join(word or must)!r} is no value that this option takes") from error

    def whole(chosen: Chosen) -> Any:  # noqa: ANN401
        must = tuple(words({n: v for n, v in chosen.items() if _positional(hints[n])}, hints))
        rest = {n: v for n, v in chosen.items() if not _positional(hints[n]) and v is not None}
        # Each value is read once, however many runs have it: a command line takes its time.
        found = {n: getattr(read(must, tuple(words({n: v}, hints))), n) for n, v in rest.items()}
        return replace(read(must, ()), **found)

    tyro.cli(options, args=[*given, *words({n: v for n, v in sets[0].items() if _positional(hints[n])}, hints)])
    return [whole(own) for own in sets]


def _name(word: str) -> str:
    """The option that a word of the command line sets."""
    return word.removeprefix("--").removeprefix("no-").partition("=")[0].replace("-", "_")


def words(chosen: Chosen, hints: dict[str, Any]) -> list[str]:
    """A set as words of the command line; an option of several values takes them from a list or from a string."""
    result: list[str] = []
    for name, value in chosen.items():
        flag = name.replace("_", "-")
        if value is None:  # as if it was not given
            continue
        if isinstance(value, bool) and _is(hints[name], bool):
            result.append(f"--{flag}" if value else f"--no-{flag}")
            continue
        several = value if isinstance(value, list) else [value]
        if isinstance(value, str) and _is(hints[name], tuple):
            several = shlex.split(value)
        result += [*([] if _positional(hints[name]) else [f"--{flag}"]), *map(str, several)]
    return result


def _positional(hint: object) -> bool:
    return get_origin(hint) is Annotated and tyro.conf.Positional in get_args(hint)


def _is(hint: object, kind: type) -> bool:
    """Whether a type has this kind among its alternatives."""
    if get_origin(hint) in (Union, UnionType, Annotated):
        return any(_is(part, kind) for part in get_args(hint))
    return (get_origin(hint) or hint) is kind
