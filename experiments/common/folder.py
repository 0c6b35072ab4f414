"""Output folders and JSON files of every script: new or empty folders, files written whole."""

import json
import math
from datetime import datetime
from pathlib import Path

from ep_core.checkpoint import write_atomic
from experiments.common.provenance import COMMAND, MADE_BY, command, versions


def new_folder(out: Path | None, name: str) -> Path:
    """Make `out`, or a new folder under runs/. ValueError if it is in use, OSError if it cannot be made."""
    path = Path("runs") / f"{datetime.now():%Y%m%d-%H%M%S-%f}-{name}" if out is None else out
    if path.exists() and (not path.is_dir() or any(p.suffix != ".part" for p in path.iterdir())):
        raise ValueError(f"{path} is not an empty folder")
    path.mkdir(parents=True, exist_ok=True)
    return path


def begun_or_new(out: Path | None, name: str, mark: str = "config.json") -> Path:
    """`out` if the file `mark` says that runs were begun in it, else a new folder. ValueError as `new_folder`."""
    if out is not None and (out / mark).exists():
        return out
    return new_folder(out, name)


def begun(run: Path) -> bool:
    """Whether a run was begun in this folder, so that it can be gone on with."""
    return (run / "config.json").exists()


def finished(run: Path) -> dict[str, float] | None:
    """Summary of a run that has ended; None where there is none that is whole."""
    try:
        summary = json.loads((run / "summary.json").read_text())
    except (OSError, ValueError):
        return None
    whole = isinstance(summary, dict) and all(isinstance(value, int | float) for value in summary.values())
    return summary if whole else None


def write_text(path: Path, text: str) -> None:
    """Write a text file, whole or not at all."""
    write_atomic(path, lambda part: part.write_text(text))


def write_json(path: Path, content: dict[str, object] | dict[str, float]) -> None:
    """Write a JSON file, whole or not at all."""
    write_text(path, json.dumps(content, indent=2) + "\n")


def write_config(folder: Path, options: object, content: dict[str, object]) -> None:
    """Write a script's config.json: what it was asked for, with its versions and the command that asks for it again."""
    write_json(folder / "config.json", content | {MADE_BY: {COMMAND: command(options), **versions()}})


def finite(summary: dict[str, float]) -> dict[str, float]:
    """Without the numbers that do not exist: JSON knows none that are infinite."""
    return {name: value for name, value in summary.items() if math.isfinite(value)}
