"""kill -9 at any moment of training, then --resume, ends where an uninterrupted run ends."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.experiments.test_train import settled

ROOT = Path(__file__).parents[2]
WORDS = ["--epochs", "16", "--no-controls", "--sizes", "64", "12", "10", "--tile", "4"]


def start(out):
    words = ["--resume", str(out), "--no-controls"] if (out / "config.json").exists() else [*WORDS, "--out", str(out)]
    command = [sys.executable, str(ROOT / "experiments" / "train.py"), *words]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def settled_seconds(out):
    return json.loads((out / "summary.json").read_text())["seconds"]


def epochs(out):
    rows = out / "metrics.jsonl"
    return len(rows.read_text().splitlines()) if rows.exists() else 0


def kill_in_training(out, more, delay):
    """Start or resume, wait for `more` finished epochs and a moment, kill; returns whether it was still running."""
    process = start(out)
    target = epochs(out) + more
    while process.poll() is None and epochs(out) < target:
        time.sleep(0.002)
    time.sleep(delay)
    running = process.poll() is None
    os.kill(process.pid, signal.SIGKILL) if running else None
    process.communicate()
    return running


def test_killed_runs_end_like_whole_ones(tmp_path):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    process = start(whole)
    process.communicate()
    assert process.returncode == 0
    seed = int(time.time())
    print(f"moments drawn with seed {seed}")
    moments = random.Random(seed)
    # At most three epochs a kill, four kills: the run of 16 is still going, however fast the machine.
    one = settled_seconds(whole) / 16
    kills = sum(kill_in_training(killed, more=moments.choice((1, 2)), delay=moments.random() * one) for _ in range(4))
    assert kills >= 3, "the run was too short to be killed"
    last = start(killed)
    _, err = last.communicate()
    assert last.returncode == 0, err.decode()
    assert settled(killed) == settled(whole)
    assert {path.name for path in killed.iterdir() if path.suffix != ".part"} == {path.name for path in whole.iterdir()}
    assert not list(killed.glob(".*.part")), "a half-written file was left behind"
