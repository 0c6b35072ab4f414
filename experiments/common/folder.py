"""Output folders and JSON files of every script: new or empty folders, files written whole."""

import json
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


def write_text(path: Path, text: str) -> None:
    """Write a text file, whole or not at all."""
    write_atomic(path, lambda part: part.write_text(text))


def write_json(path: Path, content: dict[str, object] | dict[str, float]) -> None:
    """Write a JSON file, whole or not at all."""
    write_text(path, json.dumps(content, indent=2) + "\n")


def write_config(folder: Path, options: object, content: dict[str, object]) -> None:
    """Write a script's config.json: what it was asked for, with its versions and the command that asks for it again."""
    write_json(folder / "config.json", content | {MADE_BY: {COMMAND: command(options), **versions()}})
