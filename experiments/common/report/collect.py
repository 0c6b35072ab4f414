"""What a report is made of: trained runs, chips, comparisons and other scripts' folders, read and checked."""

import json
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from ep_core import Ledger, checkpoint
from experiments.common.machines import Machine
from experiments.common.options import TrainOptions
from experiments.common.provenance import COMMAND, MADE_BY, TOOLKIT
from experiments.common.report.parts import Row, read_parts
from experiments.common.resolve import to_config
from experiments.common.rundir import RunDirectory

TRAINED = {"estimator", "backend", "sizes"}  # options that only the main job has all of
UNRECORDED = "not recorded"


@dataclass(frozen=True, kw_only=True)
class Folder:
    """What a script left: its config.json, summary.json and pictures.

    Attributes:
        path: the folder. config, summary: as stored, `made_by` apart. made_by: versions, and perhaps a command.
        pictures: its PNG files.
        parts: rows of parts.csv, which only comparisons have.

    """

    path: Path
    config: dict[str, object]
    summary: dict[str, float]
    made_by: dict[str, str]
    pictures: list[Path]
    parts: list[Row] = field(default_factory=list)

    @property
    def version(self) -> str:
        """Version of the toolkit that made it."""
        return self.made_by.get(TOOLKIT, UNRECORDED)

    @property
    def command(self) -> str:
        """The command that makes it again, if it is known."""
        return self.made_by.get(COMMAND, "")

    @property
    def is_chip(self) -> bool:
        """Whether it is a mask."""
        return (self.path / "chip.gds").is_file()

    def is_chip_of(self, run: Path) -> bool:
        """Whether it is a mask of this run, which lies beside it or where its config says."""
        said = self.config.get("run")
        if not self.is_chip or not isinstance(said, str):
            return False
        beside = self.path.resolve().parent == run.resolve().parent and Path(said).name == run.resolve().name
        return beside or Path(said).resolve() == run.resolve()


@dataclass(frozen=True, kw_only=True)
class Trained:
    """A finished run of the main job.

    Attributes:
        folder: its files. options: resolved. history: one row an epoch. ledger: what it did to the hardware.

    """

    folder: Folder
    options: TrainOptions
    history: list[dict[str, float]]
    ledger: Ledger

    @cached_property
    def machine(self) -> Machine | None:
        """The run's network on its hardware, as at its end; None where its data set is no longer there."""
        try:
            return Machine.load(self.folder.path)
        except FileNotFoundError:
            return None


@dataclass(frozen=True, kw_only=True)
class Found:
    """All that a report is about."""

    runs: list[Trained]
    chips: list[Folder]
    comparisons: list[Folder]
    others: list[Folder]

    @property
    def folders(self) -> list[Folder]:
        """Everything, in the order of the page."""
        return [*self.comparisons, *(run.folder for run in self.runs), *self.chips, *self.others]


def collect(paths: tuple[Path, ...]) -> Found:
    """Read every run, or folder of runs, once. FileNotFoundError or ValueError names the first that cannot be told of.

    What cannot: no run at all, a run that is not finished, a damaged file, runs of different versions of the toolkit.
    """
    if not paths:
        raise ValueError("give at least one run, or a folder of runs")
    places = {place.resolve(): place for path in reversed(paths) for place in reversed(_places(path))}
    folders = [_read(place) for place in reversed(places.values())]
    runs = [_trained(folder) for folder in folders if folder.config.keys() >= TRAINED]
    rest = [folder for folder in folders if not folder.config.keys() >= TRAINED]
    chips = [folder for folder in rest if folder.is_chip]
    chips += [chip for chip in _beside(runs) if chip.path.resolve() not in places]
    found = Found(
        runs=runs,
        chips=chips,
        comparisons=[folder for folder in rest if folder.parts],
        others=[folder for folder in rest if not (folder.parts or folder.is_chip)],
    )
    _require_one_version(found)
    return found


def _places(path: Path) -> list[Path]:
    """A run itself with the runs in it, or the runs of a folder that is none."""
    if not path.is_dir():
        raise FileNotFoundError(f"{path} is not a run: there is no such folder")
    inside = sorted(config.parent for config in path.rglob("config.json"))
    if not inside:
        raise FileNotFoundError(f"{path} is not a run: it has no config.json, and no run in it")
    return inside


def _read(path: Path) -> Folder:
    config = _json(path / "config.json")
    if not (path / "summary.json").is_file():
        raise ValueError(f"{path} is not finished: it has no summary.json")
    made_by = config.pop(MADE_BY, {})
    if not isinstance(made_by, dict):
        raise ValueError(f"{path / 'config.json'}: {MADE_BY} must hold versions, not {made_by!r}")
    summary = {name: float(value) for name, value in _json(path / "summary.json").items() if _is_number(value)}
    return Folder(
        path=path,
        config=config,
        summary=summary,
        made_by={name: str(value) for name, value in made_by.items()},
        pictures=sorted(path.glob("*.png")),
        parts=read_parts(path / "parts.csv") if (path / "parts.csv").is_file() else [],
    )


def _json(path: Path) -> dict[str, object]:
    try:
        content = json.loads(path.read_text())
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ValueError(f"{path} cannot be read ({error})") from error
    if not isinstance(content, dict):
        raise ValueError(f"{path} must hold names and values, not {type(content).__name__}")
    return content


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _trained(folder: Folder) -> Trained:
    directory, options = RunDirectory.open(folder.path, writes=False)
    _, meta = checkpoint.read(directory.last)
    if meta.get("config") != to_config(options):
        raise ValueError(f"{directory.last} was written with other options than {folder.path / 'config.json'}")
    return Trained(folder=folder, options=options, history=meta["history"], ledger=Ledger(**meta["ledger"]))  # pyright: ignore[reportArgumentType, reportCallIssue]


def _beside(runs: list[Trained]) -> list[Folder]:
    """Masks in the folders where runs lie that are those of these runs."""
    found: dict[Path, Folder] = {}
    for parent in dict.fromkeys(run.folder.path.parent for run in runs):
        for gds in sorted(parent.glob("*/chip.gds")):
            if all((gds.parent / name).is_file() for name in ("config.json", "summary.json")):
                chip = _read(gds.parent)
                if any(chip.is_chip_of(run.folder.path) for run in runs):
                    found[chip.path] = chip
    return list(found.values())


def _require_one_version(found: Found) -> None:
    """ValueError where results of different versions of the toolkit would stand in one report."""
    seen = {folder.version: folder.path for folder in reversed(found.folders) if folder.version != UNRECORDED}
    if len(seen) > 1:
        told = ", ".join(f"{version} ({path})" for version, path in sorted(seen.items()))
        raise ValueError(f"runs of different versions of {TOOLKIT} in one report: {told}")
