"""One run of a sweep, wherever it is carried out: recognised if it is finished, gone on with if it was interrupted."""

import fcntl
import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from experiments.common.folder import begun, finished, write_json

LOGS = "logs"


@dataclass(frozen=True, kw_only=True)
class Task:
    """One run to make.

    Attributes:
        script: its module, e.g. experiments.train.
        config: the options that define it. key: their hash, the name of its folder.
        sweep: the sweep's folder, absolute. cwd: folder from which relative paths of options are meant.
        words: of its command line, the folder apart. kept: those of them that are given again when it goes on.
        resumes: the script goes on by --resume. continues: by the same --out.
        version: of the toolkit that asks for it.

    """

    script: str
    config: dict[str, Any]
    key: str
    sweep: Path
    cwd: Path
    words: tuple[str, ...]
    kept: tuple[str, ...]
    resumes: bool
    continues: bool
    version: str

    @property
    def folder(self) -> Path:
        """Where the run's files are."""
        return self.sweep / self.key

    @property
    def record(self) -> Path:
        """What says of which options and of which version the run is."""
        return self.sweep / LOGS / f"{self.key}.json"

    @property
    def log(self) -> Path:
        """What the run printed."""
        return self.sweep / LOGS / f"{self.key}.log"


def toolkit() -> str:
    """Version of the toolkit."""
    return version("photonic-ep")


def result(task: Task) -> tuple[dict[str, float], str] | None:
    """Summary and version of a finished run of these very options, else None."""
    summary = finished(task.folder)
    try:
        record = json.loads(task.record.read_text())
    except (OSError, ValueError):
        return None
    same = isinstance(record, dict) and record.get("config") == task.config
    return (summary, str(record.get("version"))) if summary is not None and same else None


def carry_out(task: Task) -> str:
    """Make the run if it is not there; returns '' or its error in one line.

    The log is locked as long as the run lives, even if the process that started it has died: nobody else begins the
    same run, on this machine or on another one that shares the folder.
    """
    try:
        return _made(task)
    except OSError as error:
        return " ".join(str(error).split())


def _made(task: Task) -> str:
    if not task.sweep.is_dir() or not task.cwd.is_dir():
        return f"{task.sweep} or {task.cwd} is not seen by this worker: sweeps need a shared folder"
    if toolkit() != task.version:
        return f"this worker has version {toolkit()} of the toolkit, the sweep is of {task.version}"
    with task.log.open("ab") as log:
        fcntl.flock(log, fcntl.LOCK_EX)
        if result(task) is not None:
            return ""
        words = _prepared(task)
        write_json(task.record, {"script": task.script, "config": task.config, "version": task.version})
        start = log.tell()
        command = [sys.executable, "-m", "experiments.common.child", task.script, *words]
        with subprocess.Popen(command, cwd=task.cwd, stdin=subprocess.PIPE, stdout=log, stderr=log) as process:
            status = process.wait()
    return "" if status == 0 and result(task) is not None else _complaint(task.log, start, status)


def _prepared(task: Task) -> list[str]:
    """Words that go on with what was begun, or begin anew."""
    if task.resumes and begun(task.folder):
        return ["--resume", str(task.folder), *task.kept]
    if task.folder.exists() and not task.continues:
        shutil.rmtree(task.folder)
    return [*task.words, "--out", str(task.folder)]


def _complaint(log: Path, start: int, status: int) -> str:
    """Why a run failed: its line of error, or its last one."""
    if status < 0:
        return f"ended by signal {-status}"
    with log.open("rb") as handle:
        handle.seek(start)
        lines = [line.strip() for line in handle.read().decode(errors="replace").splitlines() if line.strip()]
    errors = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]
    said = errors or lines or ["it said nothing"]
    return said[-1] if status else f"it wrote no summary.json ({said[-1]})"
