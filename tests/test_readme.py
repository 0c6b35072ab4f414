"""README's Python runs as printed, and its commands are real."""

import re
from pathlib import Path

from experiments.common.options import TrainOptions
from experiments.common.shell import run

README = (Path(__file__).parents[1] / "README.md").read_text()


def test_python_runs_and_reaches_every_heater(capsys):
    (code,) = re.findall(r"```python\n(.*?)```", README, re.S)
    scope = {}
    exec(code, scope)
    printed = capsys.readouterr().out
    for name, parameter in scope["net"].named_parameters():
        assert name in printed
        assert scope["estimate"].gradients[name].abs().sum() > 0, name
        assert scope["estimate"].gradients[name].shape == parameter.shape


def test_commands_have_real_options():
    for words in re.findall(r"^python experiments/train\.py(.*?)(?:#|$)", README, re.M):
        if "--help" not in words:
            assert run(lambda options: int(options is None), TrainOptions, words.split()) == 0


def test_readme_is_short_and_shows_python_early():
    lines = README.splitlines()
    assert len(lines) < 110
    assert lines.index("```python") < 25
    for picture in re.findall(r"!\[.*?\]\((.*?)\)", README):
        assert (Path(__file__).parents[1] / picture).is_file()
