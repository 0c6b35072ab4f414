"""What machines cost: plans, products and comparisons agree with the operators' own costs; bad input."""

import json
import math
from dataclasses import replace
from functools import partial

import pytest
import torch

from electronic_ep import Accelerator, CrossbarWeight, DigitalWeight, presets
from ep_core import train
from ep_core.quantity import at
from experiments import breakeven, buildable, compare, deployed, noise
from experiments.common import building
from experiments.common.build import build
from experiments.common.building import Limits
from experiments.common.machines import kind, missing_sources
from experiments.common.options import TrainOptions
from experiments.common.products import Optics, break_even, crossbar, digital, photonic
from experiments.common.resolve import DEVICES, resolve
from experiments.common.shell import run
from photonic_ep import MeshWeight
from photonic_ep.presets import DEVICE_F, HEATERS, MEMS

TINY = {"sizes": (64, 8, 10), "epochs": 1, "batch": 100, "controls": False, "threads": 1, "steps": (5, 3)}


def test_every_constant_has_a_source():
    assert missing_sources() == []


def test_a_plan_is_what_the_operators_are(source):
    sizes = (64, 24, 10)
    layers = [HEATERS.weight(out, into, generator=source) for into, out in ((64, 24), (24, 10))]
    for weight in layers:
        weight.program_({name: math.pi - p.detach() for name, p in weight.named_parameters()})
    plan = building.build(HEATERS, sizes, "spatial")
    assert plan.heaters == sum(p.numel() for weight in layers for p in weight.parameters())
    assert plan.watts == pytest.approx(sum(w.cost().total("hold").watts for w in layers), rel=1e-2)
    assert plan.mm2 == pytest.approx(sum(w.cost().hold["mesh"].area for w in layers))
    assert plan.pairs == 8 * (3 * 8 + 2 * 3)
    real = building.build(HEATERS, sizes, "real-orthogonal")
    assert real.heaters == plan.tiles * 64
    one = building.build(HEATERS, sizes, "multiplexed", sweeps=20)
    assert one.tiles == 1
    assert one.reprogram_us == pytest.approx(1e6 * HEATERS.hardware.shifter.settle_s * (24 + 40 * 6))


def test_a_link_loses_what_is_on_its_way():
    plain = building.build(DEVICE_F, (8, 8), "spatial")
    lossy = replace(DEVICE_F, imperfections=replace(DEVICE_F.imperfections, insertion_loss_db=1.1))
    assert plain.left_db - building.build(lossy, (8, 8), "spatial").left_db == pytest.approx(17)
    assert plain.left_db - building.build(DEVICE_F, (8, 64), "spatial").left_db == pytest.approx(10 * math.log10(8))
    six = building.build(DEVICE_F, (8, 8), "spatial", limits=Limits(bits=6))
    assert six.left_db - plain.left_db == pytest.approx(10 * math.log10(16))
    words = building.build(HEATERS, (784, 256, 10), "spatial").missing
    assert words == ("6 chips", "107.8 times too hot")


def test_products_are_what_the_operators_read(source):
    mesh = MeshWeight(16, 16, generator=source, hardware=HEATERS.hardware, imperfections=HEATERS.imperfections)
    mesh.program_({name: math.pi - p.detach() for name, p in mesh.named_parameters()})
    ours = photonic(Optics.of(HEATERS, Limits(bits=4)), 16)
    read, cost = mesh.cost().read, mesh.cost()
    assert ours.shared >= 16 / ours.tile
    assert ours.joules["DAC"] == pytest.approx(read["dac"].joules)
    assert ours.joules["modulators"] == pytest.approx(read["modulator"].joules)
    assert ours.joules["ADC"] == pytest.approx(read["adc"].joules)
    assert ours.seconds == pytest.approx(cost.total("read").seconds)
    if ours.tile == 8:
        assert ours.joules["heaters"] == pytest.approx(cost.hold["shifter"].watts * ours.seconds, rel=1e-2)
    array = CrossbarWeight(64, 64, memristor=presets.CMO_HFOX.memristor, generator=source)
    array.program_({"state": 0.5 - array.state.detach()})
    theirs = crossbar(presets.CMO_HFOX, 64)
    assert theirs.joules["array"] == pytest.approx(array.cost().read["array"].joules, rel=0.1)
    assert theirs.seconds == pytest.approx(array.cost().total("read").seconds)
    int8 = digital(Accelerator(), 32)
    assert int8.total == pytest.approx(DigitalWeight(32, 32, generator=source).cost().total("read").joules)


def test_cheap_constants_break_even_where_dear_ones_do_not():
    optics = Optics.of(MEMS, Limits())
    theirs = breakeven.theirs(0.23)
    assert break_even(partial(photonic, at(optics, "low")), theirs) < 100
    assert math.isinf(break_even(partial(photonic, at(optics, "high")), theirs))
    assert digital(breakeven.engine(0.71), 512).total / 512**2 == pytest.approx(0.71e-12, rel=0.05)
    torn = breakeven.tornado(optics)
    assert {"limits.lo_mw", "device.hardware.supply.efficiency"} <= set(list(torn)[:3])
    assert all(low <= high for low, high in torn.values())


@pytest.mark.parametrize(("backend", "device"), [("photonic", "mems"), ("photonic", "heaters"), ("crossbar", "dpe")])
def test_accuracy_and_cost_come_from_one_preset(backend, device):
    job = build(resolve(TrainOptions(backend=backend, device=device, **TINY)))
    preset = DEVICES[device] if backend == "photonic" else presets.chip(device)
    for operator in job.network.operators:
        assert operator.parts == (preset.hardware if backend == "photonic" else preset.periphery)
        if backend == "photonic":
            assert operator.physics == preset.imperfections
        else:
            assert operator.array.memristor == preset.memristor
    if backend == "photonic":
        assert job.estimator.nudge.hardware == preset.hardware


def test_parts_know_their_labels():
    assert kind("hold.shifter") == ("heaters", "core")
    assert kind("write.shifter") == ("writes", "core")
    assert kind("nudge.laser") == ("laser", "laser")


def tiny(_options, _factor=None):
    return {
        name: TrainOptions(dataset="digits", **TINY, **setting)
        for name, setting in {
            "ideal": {"backend": "ideal"},
            "photonic": {"backend": "photonic"},
            "digital_backpropagation": {"backend": "digital", "estimator": "backpropagation"},
        }.items()
    }


def test_a_comparison_prices_what_it_trained(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(compare, "recipes", tiny)
    constants = tmp_path / "constants.yaml"
    call = ["--seeds", "1", "--jobs", "1", "--out", str(tmp_path / "a"), "--constants", str(constants)]
    constants.write_text("shifter.mw_pi: 2.477e+0\ndac.pj: 1\n")
    assert run(compare.main, compare.CompareOptions, call) == 0
    cheap = json.loads((tmp_path / "a" / "summary.json").read_text())
    constants.write_text("{}\n")
    assert run(compare.main, compare.CompareOptions, call) == 0
    summary = json.loads((tmp_path / "a" / "summary.json").read_text())
    table = (tmp_path / "a" / "parts.csv").read_text()
    for name in ("photonic", "digital_backpropagation"):
        low, nominal, high = (summary[f"{name}_training_joules{tail}"] for tail in ("_low", "", "_high"))
        assert low < nominal < high
        assert summary[f"{name}_area_mm2"] > 0
        assert summary[f"{name}_inference_joules_core"] <= summary[f"{name}_inference_joules"]
    assert cheap["photonic_watts"] < summary["photonic_watts"]
    changed = json.loads((tmp_path / "a" / "constants.json").read_text())
    assert changed["photonic.nudge.hardware.dac.pj"]["nominal"] == pytest.approx(50 / 14)
    assert summary["sources_missing"] == 0
    assert "heaters,core" in table
    assert "can digits be built?" in capsys.readouterr().out
    for word, content in (
        ("no constant 'nothing'", "nothing: 1\n"),
        ("positive number, not 0", "shifter.mw_pi: 0\n"),
        ("positive number, not -1", "shifter.mw_pi: -1\n"),
        ("map names", "- 1\n"),
        ("no YAML", "a: [\n"),
        ("physics too", "receiver.detector.bandwidth_hz: 1e9\n"),
    ):
        constants.write_text(content)
        assert run(compare.main, compare.CompareOptions, call) == 2
        assert word in capsys.readouterr().err


def test_deployed_and_noisy_runs_are_summed_up(tmp_path, monkeypatch):
    for name in ("IDEAL", "MESH", "ARRAY"):
        monkeypatch.setattr(deployed, name, replace(getattr(deployed, name), sizes=(64, 8, 10), batch=100))
    call = ["--seeds", "1", "--epochs", "1", "--jobs", "1", "--crosstalk", "0.05", "--ohm", "2"]
    assert run(deployed.main, deployed.DeployedOptions, [*call, "--out", str(tmp_path / "deployed")]) == 0
    summary = json.loads((tmp_path / "deployed" / "summary.json").read_text())
    assert summary.keys() == {"ideal", "crosstalk_0.05", "ohm_2", "crosstalk_0.05_deployed", "ohm_2_deployed"}
    # One epoch of one size settles nothing.
    monkeypatch.setattr(train, "MISSED", 1.0)
    small = {m: (replace(o, sizes=(64, 8, 10), batch=100), k, n) for m, (o, k, n) in noise.MACHINES.items()}
    monkeypatch.setattr(noise, "MACHINES", small)
    call = ["--seeds", "1", "--epochs", "1", "--jobs", "1", "--levels", "1", "--betas", "0.2"]
    assert run(noise.main, noise.NoiseOptions, [*call, "--out", str(tmp_path / "noise")]) == 0
    summary = json.loads((tmp_path / "noise" / "summary.json").read_text())
    for machine in ("photonic", "crossbar"):
        assert 2 < summary[f"{machine}_noise_0.01_beta_0.2_bits"] < 10


@pytest.mark.parametrize(
    ("script", "options", "call", "message"),
    [
        (buildable.main, buildable.BuildableOptions, ["--sizes", "5"], "at least two positive numbers"),
        (buildable.main, buildable.BuildableOptions, ["--sweeps", "0"], "--sweeps must be at least 1"),
        (breakeven.main, breakeven.BreakevenOptions, ["--bits", "0"], "--bits must be 1 to 12"),
        (compare.main, compare.CompareOptions, ["--seeds", "0"], "must be at least 1"),
        (deployed.main, deployed.DeployedOptions, ["--ohm", "-1"], "must not be negative"),
        (noise.main, noise.NoiseOptions, ["--levels", "9"], "--levels 1 to 4"),
    ],
)
def test_bad_input_is_one_line(script, options, call, message, capsys, tmp_path):
    assert run(script, options, [*call, "--out", str(tmp_path / "out")]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_small_plans_and_prices_are_drawn(tmp_path):
    assert run(buildable.main, buildable.BuildableOptions, ["--sizes", "8", "4", "--out", str(tmp_path / "b")]) == 0
    assert run(breakeven.main, breakeven.BreakevenOptions, ["--out", str(tmp_path / "e")]) == 0
    assert (tmp_path / "b" / "buildable.png").exists()
    assert (tmp_path / "e" / "tornado.png").exists()
    summary = json.loads((tmp_path / "b" / "summary.json").read_text())
    assert summary["yours_spatial_undercut_buildable"] == 1.0
    assert at(HEATERS.hardware, "low").shifter.mw_pi < HEATERS.hardware.shifter.mw_pi
    assert torch.tensor(summary["yours_spatial_standard_heaters"]) == 136
