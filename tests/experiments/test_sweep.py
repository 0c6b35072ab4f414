"""Sweeps: what a file asks for, what is wrong with it, finished runs recognised, a cluster that loses a worker."""

import contextlib
import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import psutil
import pyarrow.parquet
import pytest

from experiments import circuit, train
from experiments.common import executors, onerun, runtable, sets
from experiments.common.options import TrainOptions
from experiments.common.shell import run

ROOT = Path(__file__).parents[2]
TINY = "sizes: 64 12 10\nepochs: 1\nbackend: ideal\n"


@dataclass(frozen=True, kw_only=True)
class Options:
    """Of a script that there is not."""

    beta: float = 0.1
    lr: tuple[float, ...] = (0.01,)
    steps: tuple[int, int] = (20, 8)
    controls: bool = True
    seed: int = 0
    out: Path | None = None


@pytest.fixture
def sweep(tmp_path, capsys):
    """Write a file and sweep the main job over it; returns (status, the line of error)."""

    def call(text, *words, out="sweep"):
        file = tmp_path / "sweep.yaml"
        file.write_text(text)
        status = run(train.main, TrainOptions, ["--sweep", str(file), "--out", str(tmp_path / out), *map(str, words)])
        return status, capsys.readouterr().err.strip()

    return call


def table(folder):
    return pyarrow.parquet.read_table(folder / "runs.parquet").to_pylist()


def expanded(tmp_path, text, options=Options, given=()):
    file = tmp_path / "file.yaml"
    file.write_text(text)
    return sets.parsed(sets.read_sets(file, options), options, given)


def test_grids_zips_seeds_and_sets(tmp_path):
    text = "beta: [0.1, 2e-1]\nzip: {lr: [0.1, [0.2, 0.3]], steps: [1 2, 3 4]}\nseeds: 2\n"
    runs = expanded(tmp_path, text, given=["--no-controls"])
    assert len(runs) == len(set(runs)) == 8
    assert {(r.lr, r.steps) for r in runs} == {((0.1,), (1, 2)), ((0.2, 0.3), (3, 4))}
    assert [(r.beta, r.seed) for r in runs[:4]] == [(0.1, 0), (0.1, 1), (0.2, 0), (0.2, 1)]
    assert not any(r.controls for r in runs)
    runs = expanded(tmp_path, "sets:\n- {beta: 0.5}\n- {lr: [1, 2], controls: false}\nseeds: [7]\n")
    assert runs == [Options(beta=0.5, seed=7), Options(lr=(1.0, 2.0), controls=False, seed=7)]
    assert expanded(tmp_path, "beta: [null, -1]\n") == [Options(), Options(beta=-1.0)]
    (one,) = expanded(tmp_path, f"netlist: {tmp_path / 'a b.yml'}\npoints: 3\n", circuit.CircuitOptions)
    assert (one.netlist, one.points) == (tmp_path / "a b.yml", 3)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("betta: [0.1]", "unknown option 'betta'; nearest: beta"),
        ("no-controls: true", "unknown option 'no-controls'; nearest: controls"),
        ("zip: {sed: [1]}", "unknown option 'sed'; nearest: seed"),
        ("beta: []", "beta has an empty list of values: there would be no run"),
        ("zip: {beta: [1, 2], seed: [1]}", "zip needs lists of the same length, not {'beta': 2, 'seed': 1}"),
        ("zip: 3", "zip must name options and lists"),
        ("sets: []", "sets must be a list of sets"),
        ("seeds: 0", "seeds must be a number of seeds or a list of them, not 0"),
        ("{seeds: 2, seed: 1}", "seed and seeds are both given"),
        ("{beta: 1, zip: {beta: [2]}}", "beta is given twice"),
        ("beta: [0.1, much]", "'--beta much' is no value that this option takes"),
        ("steps: [20, 8]", "'--steps 20' is no value that this option takes"),
        ("controls: perhaps", "is no value that this option takes"),
        ("out: here", "out cannot be swept"),
        ("beta: [1, 1.0]", "two runs would be the same: {'beta': 1}"),
        ("{seeds: 2000, beta: [1, 2, 3, 4, 5, 6]}", "it asks for 12,000 runs, more than 10,000"),
        ("- beta", "must name options and their values"),
        ("", "must name options and their values"),
        ("beta: [", "is no YAML"),
    ],
)
def test_a_bad_file_is_one_line_before_work(sweep, tmp_path, text, said):
    status, err = sweep(text)
    assert status == 2
    assert err.startswith("error: ")
    assert said in err
    assert "\n" not in err
    assert not (tmp_path / "sweep").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--jobs", "0"], "--jobs must be at least 1"),
        (["--jobs", "2", "--scheduler", "tcp://127.0.0.1:9"], "no meaning with --scheduler"),
        (["--beta", "1"], "beta is given by the command line and by the file"),
        (["--check"], "check cannot be swept"),
        (["--scheduler", "tcp://127.0.0.1:9"], "no Dask scheduler answers at tcp://127.0.0.1:9 within 0.5 s"),
        (["--scheduler", "nowhere"], "no Dask scheduler answers at nowhere"),
    ],
)
def test_bad_words_are_one_line_before_work(sweep, tmp_path, monkeypatch, words, said):
    monkeypatch.setattr(executors, "PATIENCE", 0.5)
    status, err = sweep("beta: 0.1", *words)
    assert status == 2
    assert said in err.splitlines()[-1]
    assert not (tmp_path / "sweep").exists()


def test_what_is_missing_or_in_use_is_said(sweep, tmp_path, monkeypatch, capsys):
    assert run(train.main, TrainOptions, ["--sweep", str(tmp_path / "none.yaml")]) == 2
    assert "there is no" in capsys.readouterr().err
    other = tmp_path / "sweep"
    other.mkdir()
    (other / "config.json").write_text("{}")  # a run, no sweep
    assert sweep("beta: 0.1") == (2, f"error: {other} is not an empty folder")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    status, err = sweep("beta: 0.1", out="new")
    assert status == 2
    assert "pyarrow, which is missing: it needs the extra sweep (pip install 'photonic-ep[sweep]')" in err
    monkeypatch.undo()
    monkeypatch.setitem(sys.modules, "distributed", None)
    status, err = sweep("beta: 0.1", "--scheduler", "tcp://127.0.0.1:9", out="new")
    assert status == 2
    assert "distributed, which is missing: it needs the extra sweep" in err
    assert not (tmp_path / "new").exists()


def test_finished_runs_are_not_made_again(sweep, tmp_path, monkeypatch):
    """A failed run stops no other; a second sweep makes only what is missing or not whole."""
    made = []
    real = onerun.carry_out
    monkeypatch.setattr(executors, "carry_out", lambda task: made.append(task.key) or real(task))
    text = TINY.replace("epochs: 1", "epochs: [1, 0]")
    folder = tmp_path / "sweep"
    assert sweep(text, "--no-controls")[0] == 1
    good, bad = table(folder)
    assert (good["status"], good["epochs"], good["summary_epochs"], good["sizes"]) == ("finished", 1, 1, "64 12 10")
    assert good["version"] == onerun.toolkit()
    assert good["test_error"] == json.loads((folder / good["run"] / "summary.json").read_text())["test_error"]
    assert (bad["status"], bad["error"]) == ("failed", "--epochs must lie between 1 and 1e+06, not 0")
    assert json.loads((folder / "summary.json").read_text()) == {"runs": 2, "finished": 1, "failed": 1}
    made.clear()
    assert sweep(TINY, "--no-controls")[0] == 0
    assert made == []
    # A summary that is not whole, as a disk may leave it: the run goes on by --resume, from its last epoch
    (folder / good["run"] / "summary.json").write_text('{"test_error": ')
    assert sweep(TINY, "--no-controls")[0] == 0
    assert made == [good["run"]]
    assert json.loads((folder / good["run"] / "summary.json").read_text())["test_error"] == good["test_error"]
    assert "logistic_error" not in (folder / good["run"] / "summary.json").read_text()
    log = (folder / "logs" / f"{good['run']}.log").read_text()
    assert (log.count(f"run: {folder / good['run']}"), log.count("epoch 1/1 ")) == (2, 1)


@pytest.fixture
def task(tmp_path):
    """A run that nobody has made."""
    made = onerun.Task(
        script="experiments.train",
        config={"beta": 1},
        key="k",
        sweep=tmp_path,
        cwd=tmp_path,
        words=(),
        kept=(),
        resumes=False,
        continues=False,
        version=onerun.toolkit(),
    )
    made.folder.mkdir()
    made.record.parent.mkdir()
    return made


def test_a_record_of_other_options_is_no_finished_run(task):
    (task.folder / "summary.json").write_text('{"a": 1}')
    task.record.write_text('{"config": {"beta": 1}, "version": "9"}')
    assert onerun.result(task) == ({"a": 1}, "9")
    for text in ('{"config": {"beta": 2}}', "[]", "{"):
        task.record.write_text(text)
        assert onerun.result(task) is None


def test_a_run_that_another_process_makes_is_waited_for(task, monkeypatch):
    monkeypatch.setattr(onerun.subprocess, "Popen", None)  # nothing is to be started
    with task.log.open("ab") as theirs, ThreadPoolExecutor() as pool:
        fcntl.flock(theirs, fcntl.LOCK_EX)
        waiting = pool.submit(onerun.carry_out, task)
        with pytest.raises(TimeoutError):
            waiting.result(timeout=0.2)
        (task.folder / "summary.json").write_text('{"a": 1}')
        task.record.write_text('{"config": {"beta": 1}, "version": "9"}')
        fcntl.flock(theirs, fcntl.LOCK_UN)
        assert waiting.result(timeout=60) == ""


def test_workers_of_another_version_or_without_the_folder(task):
    assert onerun.carry_out(replace(task, version="9")).endswith(
        f"{onerun.toolkit()} of the toolkit, the sweep is of 9"
    )
    assert "sweeps need a shared folder" in onerun.carry_out(replace(task, sweep=task.sweep / "none"))


def test_columns_of_several_types(tmp_path):
    def row(name, options, summary):
        return runtable.Run(name=name, options=options, status="finished", error="", version="0", summary=summary)

    runs = [row("a", {"x": 1, "y": True, "z": None}, {"x": 1.5}), row("b", {"x": 0.5, "y": "b", "z": [1, 2]}, {"n": 2})]
    runtable.write_table(tmp_path / "runs.parquet", runs)
    first, second = table(tmp_path)
    assert (first["x"], first["y"], first["z"], first["summary_x"], first["n"]) == (1.0, "True", None, 1.5, None)
    assert (second["x"], second["y"], second["z"], second["summary_x"], second["n"]) == (0.5, "b", "1 2", None, 2)


def test_a_scheduler_without_workers_is_one_line(sweep, tmp_path, monkeypatch):
    monkeypatch.setattr(executors, "PATIENCE", 0.5)
    address = tmp_path / "scheduler.json"
    where = ("--host", "127.0.0.1", "--port", "0", "--scheduler-file", str(address), "--no-dashboard")
    alone = subprocess.Popen([sys.executable, "-m", "dask", "scheduler", *where], stderr=subprocess.DEVNULL)
    try:
        end = time.time() + 60
        while not address.exists():
            assert alone.poll() is None
            assert time.time() < end
            time.sleep(0.05)
        found = json.loads(address.read_text())["address"]
        status, err = sweep("beta: 0.1", "--scheduler", found)
    finally:
        alone.kill()
        alone.wait()
    assert status == 2
    assert err.splitlines()[-1].endswith(f"the Dask scheduler at {found} has no workers")
    assert not (tmp_path / "sweep").exists()


def test_a_worker_is_killed_and_nothing_is_lost(tmp_path):
    """Two Dask workers, processes of their own; one gets kill -9 in the middle of a run: the other goes on with it."""
    file, address, folder = tmp_path / "sweep.yaml", tmp_path / "scheduler.json", tmp_path / "sweep"
    file.write_text(TINY.replace("epochs: 1", "epochs: 8") + "seeds: 2\n")
    started, env = [], os.environ | {"PYTHONPATH": str(ROOT)}

    def start(*words):
        command = [sys.executable, *map(str, words)]
        started.append(subprocess.Popen(command, cwd=ROOT, env=env, stdout=log, stderr=log))
        return started[-1]

    def wait(what, seconds=120):
        end = time.time() + seconds
        while not (found := what()):
            assert time.time() < end, (tmp_path / "log").read_text()
            time.sleep(0.01)
        return found

    def busy():
        """A worker whose run has finished an epoch, and the folder of that run."""
        for worker in workers:
            for child in psutil.Process(worker.pid).children():
                with contextlib.suppress(psutil.Error):  # it may have ended meanwhile
                    words = child.cmdline()
                    if "--out" in words and (Path(words[-1]) / "metrics.jsonl").exists():
                        return worker, Path(words[-1])
        return None

    with (tmp_path / "log").open("wb") as log:
        where = ("--scheduler-file", address, "--no-dashboard")
        own = ("--nthreads", 1, "--no-nanny", "--local-directory", tmp_path)
        try:
            start("-m", "dask", "scheduler", "--host", "127.0.0.1", "--port", 0, *where)
            workers = [start("-m", "dask", "worker", *where, *own) for _ in range(2)]
            wait(address.exists)
            words = (
                "--no-controls",
                "--sweep",
                file,
                "--out",
                folder,
                "--scheduler",
                json.loads(address.read_text())["address"],
            )
            swept = start("experiments/train.py", *words)
            victim, interrupted = wait(busy)
            victim.send_signal(signal.SIGKILL)
            assert not (interrupted / "summary.json").exists()
            wait(lambda: swept.poll() is not None)
        finally:
            for process in started:
                process.kill()
                process.wait()
    assert swept.returncode == 0, (tmp_path / "log").read_text()
    runs = table(folder)
    assert [(run["status"], run["seed"]) for run in runs] == [("finished", seed) for seed in range(2)]
    for made in runs:
        epochs = (folder / made["run"] / "metrics.jsonl").read_text().splitlines()
        assert len(epochs) == made["summary_epochs"] == 8
        log = (folder / "logs" / f"{made['run']}.log").read_text()
        assert log.count("run: ") == (2 if made["run"] == interrupted.name else 1)
        assert log.count("epoch 1/8 ") == 1, "it began anew"
