"""`--sweep FILE.yaml` of every script: many runs at the same time, each in a folder of its own, and a table of all."""

import hashlib
import json
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, get_type_hints

import tyro
from rich.progress import track

from experiments.common import sets
from experiments.common.executors import Executor, executor
from experiments.common.folder import begun_or_new, write_json
from experiments.common.onerun import LOGS, Task, result, toolkit
from experiments.common.runtable import Run, print_table, require_extra, write_table

APART = ("jobs", "data_dir")  # what does not define a run, beside `sets.OWN`: how many at a time, where the data lie
AGAIN = ("controls",)  # what a run that goes on has not kept
MARK = "sweep.json"
HELP = """

Many runs: --sweep FILE.yaml [--jobs N | --scheduler ADDRESS] [--out DIR], see docs/sweeps.md."""


@dataclass(frozen=True, kw_only=True)
class SweepOptions:
    """Options of a sweep; all others are those of its runs."""

    sweep: Path
    """File of options and their values."""
    jobs: int | None = None
    """Runs at the same time, on this machine (default: 2)."""
    scheduler: str | None = None
    """Address of a Dask scheduler, whose workers make the runs."""
    out: Path | None = None
    """Folder of the sweep (default: a new one under runs/); one that holds a sweep is gone on with."""


def asked(argv: Sequence[str]) -> bool:
    """Whether a command line is that of a sweep."""
    return any(word == "--sweep" or word.startswith("--sweep=") for word in argv)


def sweep(main: Callable[[Any], int], options: type, argv: Sequence[str]) -> int:
    """Make all runs that are missing; returns 0, or 1 if any failed.

    Raises ValueError, FileNotFoundError or OSError before work starts where the file, a value, the folder or the
    scheduler is no good.
    """
    own, given = tyro.cli(SweepOptions, args=argv, return_unknown_args=True)
    if own.jobs is not None and (own.jobs < 1 or own.scheduler is not None):
        raise ValueError(f"--jobs must be at least 1, and has no meaning with --scheduler; it is {own.jobs}")
    require_extra("pyarrow")
    plan = _tasks(main, options, sets.read_sets(own.sweep, options), given)
    with executor(own.jobs or 2, own.scheduler) as execute:
        folder = begun_or_new(own.out, f"sweep-{own.sweep.stem}", MARK).resolve()
        (folder / LOGS).mkdir(exist_ok=True)
        tasks = [replace(task, sweep=folder) for task in plan]
        write_json(folder / MARK, {"script": tasks[0].script, "runs": {task.key: task.config for task in tasks}})
        try:
            runs = _carried_out(tasks, execute, folder)
        except KeyboardInterrupt:
            print(f"interrupted: the same command with --out {folder} goes on", file=sys.stderr)
            return 130
    counts = {status: sum(run.status == status for run in runs) for status in ("finished", "failed")}
    write_json(folder / "summary.json", {"runs": len(runs), **counts})
    print_table(runs, f"{own.sweep}: {counts['finished']} of {len(runs)} runs finished -> {folder / 'runs.parquet'}")
    return 1 if counts["failed"] else 0


def _tasks(main: Callable[[Any], int], options: type, chosen: list[sets.Chosen], given: list[str]) -> list[Task]:
    """Every run of the sweep, its folder apart. ValueError where a value is no good or two runs are the same."""
    hints, module = get_type_hints(options, include_extras=True), sys.modules[main.__module__]
    place = Path(str(module.__file__))
    tasks: list[Task] = []
    for own, full in zip(chosen, sets.parsed(chosen, options, given), strict=True):
        script = f"{place.parent.name}.{place.stem}"
        config = {n: v for n, v in asdict(full).items() if n not in (*sets.OWN, *APART)}
        config = json.loads(json.dumps(config, default=str))
        known = {n: getattr(full, n) for n in AGAIN if n in hints}
        task = Task(
            script=script,
            config=config,
            key=hashlib.sha256(json.dumps([script, config], sort_keys=True).encode()).hexdigest()[:12],
            sweep=Path(),
            cwd=Path.cwd(),
            words=(*given, *sets.words(own, hints)),
            kept=tuple(sets.words(known, hints)),
            resumes="resume" in hints,
            continues=hasattr(module, begun_or_new.__name__),  # such scripts go on in a folder of theirs
            version=toolkit(),
        )
        tasks.append(task)
    twice = [key for key, count in Counter(task.key for task in tasks).items() if count > 1]
    if twice:
        same = next(own for own, task in zip(chosen, tasks, strict=True) if task.key == twice[0])
        raise ValueError(f"two runs would be the same: {same}")
    return tasks


def _carried_out(tasks: list[Task], execute: Executor, folder: Path) -> list[Run]:
    """All runs, those that are there already and those that are made now; the table is rewritten after each."""
    runs = {task.key: _run(task, None) for task in tasks}
    missing = [task for task in tasks if runs[task.key].status != "finished"]
    print(f"sweep: {folder}, {len(tasks)} runs, {len(tasks) - len(missing)} of them finished before", flush=True)
    write_table(folder / "runs.parquet", list(runs.values()))
    for task, error in track(execute(missing) if missing else (), "runs", total=len(missing)):
        runs[task.key] = _run(task, error)
        write_table(folder / "runs.parquet", list(runs.values()))
    return list(runs.values())


def _run(task: Task, error: str | None) -> Run:
    """What there is of a run now; an error of None: it was not made yet."""
    found = result(task)
    summary, version = found if found is not None else ({}, task.version)
    status = "finished" if found is not None else "waiting" if error is None else "failed"
    said = "" if found is not None else error if error != "" else "its summary is not seen here: share the folder"
    return Run(name=task.key, options=task.config, status=status, error=said or "", version=version, summary=summary)
