"""The scripts on crossbars, small: every number of their bars is there, what they refuse, what they go on with."""

import json
from dataclasses import replace

import pytest

from electronic_ep import CrossbarWeight
from experiments import mnist, pulses, terminals
from experiments.common.build import build
from experiments.common.resolve import resolve
from experiments.common.shell import run

SMALL = {"sizes": (64, 8, 10), "epochs": 1}


def test_schemes_are_compared_under_the_names_of_their_bars(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(pulses, "IDEAL", replace(pulses.IDEAL, **SMALL))
    monkeypatch.setattr(pulses, "SCHEMES", {name: replace(r, **SMALL) for name, r in pulses.SCHEMES.items()})
    words = ["--seeds", "1", "--epochs", "1", "--jobs", "1", "--out", str(tmp_path / "out")]
    assert run(pulses.main, pulses.PulsesOptions, [*words, "--bits", "5", "7"]) == 0
    found = json.loads((tmp_path / "out" / "summary.json").read_text())
    wanted = {"ideal", "mixed_precision_5", "stochastic_rounding_5", "sign_5", "tiki_taka_7", "pulse_ratio_5"}
    assert wanted | set(pulses.BARS) <= set(found)
    assert found["pulse_ratio_5"] == found["stochastic_rounding_5_pulses"] / found["mixed_precision_5_pulses"] > 1
    assert found["mixed_precision_above_ideal_5"] == found["mixed_precision_5"] - found["ideal"]
    assert (tmp_path / "out" / "pulses.png").exists()
    # Finished runs are read, not trained again; those of other options are not taken for them.
    assert run(pulses.main, pulses.PulsesOptions, [*words, "--bits", "5", "7"]) == 0
    assert run(pulses.main, pulses.PulsesOptions, [*words, "--bits", "5", "7", "--epochs", "2"]) == 2
    assert "other epochs" in capsys.readouterr().err


def test_terminals_that_differ_are_compared(tmp_path, monkeypatch):
    small = {"sizes": (64, 8, 8, 10), "batch": 200}
    monkeypatch.setattr(terminals, "METHODS", {name: replace(r, **small) for name, r in terminals.METHODS.items()})
    words = ["--seeds", "1", "--epochs", "1", "--jobs", "1", "--sense", "10", "500", "--out", str(tmp_path / "out")]
    assert run(terminals.main, terminals.TerminalsOptions, words) == 0
    found = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert found["asymmetry_10"] == 0
    assert found["asymmetry_500"] > 1e-3
    assert {f"{m}_{ohm}{end}" for m in terminals.METHODS for ohm in (10, 500) for end in ("", "_cosine")} <= set(found)
    assert (tmp_path / "out" / "terminals.png").exists()


@pytest.mark.parametrize(
    ("main", "kind", "words", "says"),
    [
        (pulses.main, pulses.PulsesOptions, ("--bits", 0), "--bits"),
        (pulses.main, pulses.PulsesOptions, ("--bits", 5, 1), "--bits"),
        (pulses.main, pulses.PulsesOptions, ("--bits", 30), "--bits"),
        (pulses.main, pulses.PulsesOptions, ("--epochs", 0), "--epochs"),
        (terminals.main, terminals.TerminalsOptions, ("--sense", -1), "--sense"),
        (terminals.main, terminals.TerminalsOptions, ("--seeds", 0), "--seeds"),
    ],
)
def test_bad_input(main, kind, words, says, capsys, tmp_path):
    out = tmp_path / "out"
    status = run(main, kind, [*map(str, words), "--out", str(out)])
    assert status == 2
    assert says in capsys.readouterr().err
    assert not out.exists()


def test_mnist_runs_on_the_crossbars_that_it_says():
    bare, wired = (mnist.RECIPES[name] for name in ("crossbar", "crossbar_wires"))
    options = resolve(wired)
    assert (options.sizes, options.epochs, options.batch, options.tile) == ((784, 128, 10), 3, 100, 32)
    assert options.wire_ohm == 0.47
    assert resolve(bare).wire_ohm == 0
    assert {"crossbar_mean", "crossbar_wires_mean"} <= set(mnist.BARS)


def test_a_network_of_crossbars_is_built_from_options():
    from experiments.common.options import TrainOptions

    weights = build(resolve(TrainOptions(backend="crossbar"))).network.operators
    assert all(isinstance(weight, CrossbarWeight) for weight in weights)
    assert [weight.top for weight in weights] == pytest.approx([8 * 0.06, 8 * 0.1])
