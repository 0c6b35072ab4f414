"""Options resolve in one place; tables and summaries say what they mean."""

import json
import math
from dataclasses import replace

import pytest

from experiments import seeds
from experiments.common.options import TrainOptions
from experiments.common.pictures import seed_strip
from experiments.common.resolve import from_config, resolve, to_config
from experiments.common.shell import run
from experiments.common.table import Bar, number, show, verdict
from photonic_ep.presets import DEVICE_F, NUDGE_A


def test_photonic_means_device_f_with_nudge_a():
    options, f = resolve(TrainOptions()), DEVICE_F.imperfections
    assert (options.tile, options.topology) == (DEVICE_F.tile, "clements")
    assert (options.phase_error, options.splitter_error, options.insertion_loss_db) == (
        f.phase_error,
        f.splitter_error,
        f.insertion_loss_db,
    )
    assert (options.crosstalk, options.dac_bits, options.state_bits) == (f.crosstalk, f.dac_bits, DEVICE_F.state_bits)
    assert (options.nudge_mw, options.nudge_bits) == (NUDGE_A.ceiling_mw, NUDGE_A.bits)
    assert options.nudge_extinction_db == NUDGE_A.extinction_db
    assert options.beta <= 0.3


@pytest.mark.parametrize("dataset", ["digits", "mnist"])
@pytest.mark.parametrize("backend", ["ideal", "photonic"])
def test_resolved_options_survive_json(dataset, backend):
    options = resolve(TrainOptions(dataset=dataset, backend=backend))
    assert from_config(to_config(options)) == options
    assert resolve(options) == options


def test_defaults_of_the_data_sets():
    digits, mnist = resolve(TrainOptions()), resolve(TrainOptions(dataset="mnist"))
    assert (digits.sizes, digits.epochs, digits.batch) == ((64, 64, 10), 25, 20)
    assert (mnist.sizes, mnist.epochs, mnist.batch) == ((784, 256, 10), 5, 100)


def test_deeper_networks_get_first_weights_for_each_layer():
    assert resolve(TrainOptions(sizes=(64, 32, 16, 10))).std == (0.06, 0.06, 0.1)


def test_bars(capsys):
    bars = {"a": Bar(most=1.0), "b": Bar(least=0.5), "c": Bar(most=2.0)}
    missed = show({"a": 1.0, "b": 0.4, "c": math.nan, "d": 1234567}, bars, "title")
    assert missed == ["b", "c"]
    shown = capsys.readouterr().out
    assert "met" in shown
    assert "1,234,567" in shown
    assert verdict(missed, check=True) == 1
    assert verdict(missed, check=False) == 0
    assert verdict([], check=True) == 0
    assert number(0.123456) == "0.1235"


def test_seeds_that_were_interrupted_go_on(tmp_path, monkeypatch):
    """With their controls; finished runs are read."""
    tiny = TrainOptions(epochs=1, sizes=(64, 4, 10))
    monkeypatch.setattr(seeds, "recipes", lambda _: {b: replace(tiny, backend=b) for b in seeds.BACKENDS})
    words = ["--seeds", "1", "--jobs", "1", "--out", str(tmp_path / "seeds")]
    assert run(seeds.main, seeds.SeedsOptions, words) == 0
    whole = json.loads((tmp_path / "seeds" / "summary.json").read_text())
    (tmp_path / "seeds" / "photonic-seed0" / "summary.json").unlink()
    (tmp_path / "seeds" / "summary.json").unlink()
    before = (tmp_path / "seeds" / "ideal-seed0" / "summary.json").stat().st_mtime_ns
    assert run(seeds.main, seeds.SeedsOptions, words) == 0
    again = json.loads((tmp_path / "seeds" / "summary.json").read_text())
    assert again.keys() == whole.keys() >= {"photonic_frozen_mean", "logistic_error"}
    assert {n: v for n, v in again.items() if "seconds" not in n} == {
        n: v for n, v in whole.items() if "seconds" not in n
    }
    assert (tmp_path / "seeds" / "ideal-seed0" / "summary.json").stat().st_mtime_ns == before


def test_summary_of_seeds():
    def row(error, cosine):
        names = (
            "best_val_error",
            "frozen_error",
            "seconds",
            "classes_never_predicted",
            "logistic_error",
            "cosine_pooled",
        )
        return dict.fromkeys(names, 1.0) | {"test_error": error, "cosine": cosine}

    runs = {"ideal": [row(2.0, 0.9), row(3.0, 0.8)], "photonic": [row(3.0, 0.7), row(4.0, 0.95)]}
    summary = seeds.summarise(runs)
    assert (summary["ideal_mean"], summary["photonic_mean"], summary["gap"]) == (2.5, 3.5, 1.0)
    assert (summary["photonic_max"], summary["cosine_min"]) == (4.0, 0.7)
    assert set(seeds.BARS) <= set(summary)
    assert len(seed_strip(runs, summary, "digits").axes) == 1
