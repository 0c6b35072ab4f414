"""Documents run: both columns of docs/circuits.md give the same numbers, and its commands and pictures are real."""

import re
from importlib import import_module
from pathlib import Path

import jax
import numpy as np
import pytest
import torch
import yaml

from experiments import train
from experiments.common import sets
from experiments.common.options import TrainOptions
from experiments.common.resolve import resolve
from experiments.common.shell import run

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "docs" / "circuits.md").read_text()
CROSSBARS = (ROOT / "docs" / "crossbars.md").read_text()
COMPARING = (ROOT / "docs" / "comparing.md").read_text()
INTEROPERATE = (ROOT / "docs" / "interoperate.md").read_text()
SWEEPS = (ROOT / "docs" / "sweeps.md").read_text()
REPORT = (ROOT / "docs" / "report.md").read_text()
ISING = (ROOT / "docs" / "ising.md").read_text()
PREAMBLE, *COLUMNS = re.findall(r"```python\n(.*?)```", TEXT, re.S)
ROWS = list(zip(COLUMNS[::2], COLUMNS[1::2], strict=True))
jax.config.update("jax_enable_x64", True)


def test_four_circuits_stand_side_by_side():
    assert len(ROWS) == 4


@pytest.mark.parametrize(("theirs", "ours"), ROWS, ids=["mzi", "all-pass", "add-drop", "lattice"])
def test_both_columns_give_the_same_numbers(theirs, ours, monkeypatch):
    monkeypatch.chdir(ROOT)
    results = []
    for code in (theirs, ours):
        scope = {}
        exec(PREAMBLE + code, scope)
        results.append(scope["s"])
    for key, value in results[0].items():
        got = results[1][key].numpy() if key in results[1] else 0.0
        np.testing.assert_allclose(got, np.broadcast_to(np.asarray(value), (500,)), atol=1e-10)
    assert max(float(abs(v).max()) for v in results[1].values()) > 0.5


def test_learning_runs_as_printed():
    text = (ROOT / "docs" / "learning.md").read_text()
    (code,) = re.findall(r"```python\n(.*?)```", text, re.S)
    scope = {}
    exec(code, scope)
    assert scope["error"] <= 0.04
    assert scope["cosine"] >= 0.999
    for picture in re.findall(r"!\[.*?\]\((.*?)\)", text):
        assert (ROOT / "docs" / picture).is_file()


def test_meshes_run_as_printed():
    text = (ROOT / "docs" / "meshes.md").read_text()
    scope = {}
    exec("".join(re.findall(r"```python\n(.*?)```", text, re.S)), scope)
    # The figures that stand beside the second block
    cost = scope["layer"].cost()
    assert 1e9 * cost.total("read").seconds == pytest.approx(2.4, abs=0.05)
    assert 1e9 * cost.total("read").joules == pytest.approx(7.1, abs=0.05)
    assert scope["phases"].theta.shape == (120, 5)
    # Padded ports and the spread of losses are not corrected.
    assert scope["away"] < 0.1
    assert tuple(scope["butterflies"].matrix().shape) == (16, 16)
    for picture in re.findall(r"!\[.*?\]\((.*?)\)", text):
        assert (ROOT / "docs" / picture).is_file()


def test_crossbars_run_as_printed(capsys):
    (code,) = re.findall(r"```python\n(.*?)```", CROSSBARS, re.S)
    exec(code, {})
    pulses, joules = map(float, capsys.readouterr().out.split())
    assert pulses >= 0
    assert 1e-12 < joules < 1e-6
    for picture in re.findall(r"!\[.*?\]\((.*?)\)", CROSSBARS):
        assert (ROOT / "docs" / picture).is_file()


def test_a_bill_is_made_as_printed(capsys):
    (code,) = re.findall(r"```python\n(.*?)```", COMPARING, re.S)
    exec(code, {})
    first, *parts = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r"\d+ nJ and \d+ ns a sample, \d\.\d\d mm\^2", first)
    assert {line.split()[0] for line in parts} >= {"read.multiply", "contrast.contrast", "update.optimiser"}
    for picture in re.findall(r"\((images/\w+\.png)\)", COMPARING):
        assert (ROOT / "docs" / picture).is_file()


def test_sweeps_run_as_printed(tmp_path, monkeypatch):
    """The file asks for 18 runs; a small one of them is made and read."""
    written = re.search(r"```yaml\n(.*?)```", SWEEPS, re.S)[1]
    (code,) = re.findall(r"```python\n(.*?)```", SWEEPS, re.S)
    (tmp_path / "beta.yaml").write_text(written)
    runs = sets.parsed(sets.read_sets(tmp_path / "beta.yaml", TrainOptions), TrainOptions, [])
    assert len({(run.beta, run.device, run.lr, run.seed) for run in map(resolve, runs)}) == 18
    small = yaml.safe_load(written) | {"epochs": 1, "beta": 0.1, "zip": {"device": ["mems"]}, "seeds": 1}
    (tmp_path / "beta.yaml").write_text(yaml.safe_dump(small))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.chdir(tmp_path)
    assert run(train.main, TrainOptions, ["--sweep", "beta.yaml", "--out", "runs/beta"]) == 0
    scope = {}
    exec(code, scope)
    assert scope["errors"].index.to_list() == [("mems", 0.1)]
    assert 0 < scope["errors"]["mean"].item() < 90


def test_interoperation_runs_as_printed(capsys):
    scope = {}
    exec("".join(re.findall(r"```python\n(.*?)```", INTEROPERATE, re.S)), scope)
    assert re.fullmatch(r"mesh: \d+\.\d% off, crossbar: \d+\.\d% off, \d+ pulses\n", capsys.readouterr().out)
    assert 0.2 < scope["on_mesh"].error < 0.35
    assert scope["on_crossbar"].error < 0.15
    torch.testing.assert_close(scope["again"].weight, scope["on_mesh"].operator.matrix())
    t = scope["mesh"].transfer()[0].detach().numpy()
    assert abs(complex(scope["s"]["in_0", "out_3"]) - t[3, 0]) < 1e-12


def test_ising_machines_run_as_printed():
    (code,) = re.findall(r"```python\n(.*?)```", ISING, re.S)
    scope = {}
    exec(code, scope)
    assert scope["right"] > 80
    assert tuple(scope["samples"].spins[0].shape) == (5, 97, 60)
    for picture in re.findall(r"!\[.*?\]\((.*?)\)", ISING):
        assert (ROOT / "docs" / picture).is_file()


COMMANDS = re.findall(
    r"^python experiments/(.*?)(?:#.*)?$", TEXT + CROSSBARS + COMPARING + INTEROPERATE + REPORT + ISING, re.M
)


@pytest.mark.parametrize("line", COMMANDS)
def test_commands_have_real_options(line):
    name, *words = line.split()
    module = import_module(f"experiments.{name.removesuffix('.py')}")
    own = [v for k, v in vars(module).items() if k.endswith("Options") and v.__module__ == module.__name__]
    (options,) = own or [module.TrainOptions]
    assert run(lambda chosen: int(chosen is None), options, words) == 0


def test_pictures_are_there():
    for picture in re.findall(r"!\[.*?\]\((.*?)\)", TEXT + REPORT):
        assert (ROOT / "docs" / picture).is_file()
