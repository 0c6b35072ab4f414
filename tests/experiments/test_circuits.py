"""The circuit scripts: what they write, that their numbers are right, and one clear line for bad input."""

import csv
import json
from importlib import import_module

import numpy as np
import pytest
import torch
import yaml

from experiments.common import spread
from experiments.common.circuits import LIBRARY, add_drop_ring, drawn_mesh, read_netlist, save_netlist
from experiments.common.shell import run
from photonic_ep import circuit, models

MZI = {
    "instances": {
        "lft": {"component": "coupler_ideal", "settings": {"coupling": 0.3}},
        "top": {"component": "straight", "settings": {"length": 25.0, "layer": "WG"}},
        "btm": {"component": "straight", "settings": {"length": 15.0}},
        "rgt": "coupler_ideal",
    },
    "connections": {"lft,o4": "btm,o1", "btm,o2": "rgt,o1", "lft,o3": "top,o1", "top,o2": "rgt,o2"},
    "ports": {"in": "lft,o1", "low": "rgt,o4", "high": "rgt,o3"},
}


def script(name, *words):
    module = import_module(f"experiments.{name}")
    (options,) = [v for k, v in vars(module).items() if k.endswith("Options") and v.__module__ == module.__name__]
    return run(module.main, options, [str(word) for word in words])


@pytest.fixture
def netlist(tmp_path):
    path = tmp_path / "mzi.yml"
    path.write_text(yaml.safe_dump(MZI, sort_keys=False))
    return path


def summary(folder):
    return json.loads((folder / "summary.json").read_text())


def test_circuit_writes_what_the_circuit_does(netlist, tmp_path, capsys):
    out = tmp_path / "out"
    assert script("circuit", netlist, "--out", out, "--points", 11, "--set", "top.length=30", "ng=4") == 0
    assert "top: settings that the model does not know are ignored: layer" in capsys.readouterr().out
    rows = list(csv.DictReader((out / "transmission.csv").read_text().splitlines()))
    wl = torch.tensor([float(row["wl_um"]) for row in rows], dtype=torch.float64)
    s = circuit(MZI, LIBRARY)[0](wl=wl, ng=4.0, top={"length": 30.0})
    for port in ("low", "high"):
        expected = 10 * torch.log10(s["in", port].abs().square())
        np.testing.assert_allclose([float(row[f"{port}_db"]) for row in rows], expected, atol=1e-6)
    assert summary(out)["instances"] == 4
    assert (out / "transmission.png").stat().st_size > 10_000
    again = circuit(read_netlist(out / "netlist.yml", extract=False), LIBRARY)[0](wl=wl)
    torch.testing.assert_close(again["in", "low"], s["in", "low"], atol=1e-12, rtol=0)


@pytest.mark.parametrize("engine", ["sax", "torch"])
def test_other_engines_agree(netlist, tmp_path, engine):
    out = tmp_path / "out"
    assert script("circuit", netlist, "--out", out, "--points", 11, "--engine", engine, "--check") == 0
    if engine == "sax":
        assert summary(out)["difference"] <= 1e-10


def test_a_hierarchy_defines_its_own_mzi_and_saves_flat(tmp_path):
    """The file's own circuit named mzi is meant, not our model of that name; sax reads what is saved."""
    path = tmp_path / "two.json"
    top = {"instances": {"a": "mzi", "b": "mzi"}, "connections": {"a,low": "b,in"}}
    path.write_text(json.dumps({"top": top | {"ports": {"in": "a,in", "out": "b,high"}}, "mzi": MZI}))
    out = tmp_path / "out"
    assert script("circuit", path, "--out", out, "--points", 3) == 0
    saved = yaml.safe_load((out / "netlist.yml").read_text())
    assert "a__lft" in saved["instances"]
    assert saved["ports"] == {"in": "a__lft,o1", "out": "b__rgt,o3"}
    assert script("circuit", out / "netlist.yml", "--out", tmp_path / "again", "--engine", "sax", "--check") == 0


def test_a_layout_is_extracted_with_its_routes(tmp_path):
    path = tmp_path / "wire.pic.yml"
    path.write_text(
        "name: wire\ninstances:\n  a: {component: straight, settings: {length: 10}}\n"
        "  b: {component: straight, settings: {length: 10}}\nplacements:\n  a: {x: 0, y: 0}\n  b: {x: 100, y: 50}\n"
        "routes:\n  r: {links: {'a,o2': 'b,o1'}}\nports: {o1: 'a,o1', o2: 'b,o2'}\n"
    )
    assert script("circuit", path, "--extract", "--out", tmp_path / "out", "--points", 3) == 0
    assert summary(tmp_path / "out")["instances"] > 4
    lengths = [
        b["settings"]["length"]
        for b in yaml.safe_load((tmp_path / "out/netlist.yml").read_text())["instances"].values()
    ]
    assert 100 < sum(lengths) < 160


def test_pulse_settles_and_agrees_with_photontorch(tmp_path):
    out = tmp_path / "out"
    assert script("pulse", "--engine", "photontorch", "--check", "--out", out) == 0
    numbers = summary(out)
    assert numbers["settled_error"] <= 1e-10
    assert numbers["difference"] <= 1e-6
    assert (out / "pulse.png").stat().st_size > 10_000
    assert script("pulse", "--circuit", "ring", "--steps", 20, "--check", "--out", tmp_path / "short") == 1


def test_yield_draws_and_differentiates(tmp_path):
    out = tmp_path / "out"
    assert script("yield", "--mesh", 4, "--draws", 400, "--out", out) == 0
    numbers = summary(out)
    assert numbers["rms_first_order"] == pytest.approx(numbers["rms"], rel=0.1)
    assert numbers["splitting_share"] + numbers["heater_share"] == pytest.approx(1)
    merits = np.array([float(x) for x in (out / "draws.csv").read_text().split()[1:]])
    assert len(merits) == 400
    assert np.median(merits) == pytest.approx(numbers["median"])
    assert (merits <= 0.15).mean() == pytest.approx(numbers["yield"])


def test_yield_of_a_transmission_against_finite_differences(netlist, tmp_path):
    """The die-wide width moves both arms; its first-order effect is the derivative of the decibels."""
    out = tmp_path / "out"
    assert script("yield", netlist, "--merit", "transmission", "--out-of", "low", "--out", out) == 0
    rows = {row["knob"]: row for row in csv.DictReader((out / "sensitivities.csv").read_text().splitlines())}

    def decibel(neff):
        s = circuit(MZI, LIBRARY)[0](neff=neff)["in", "low"]
        return 10 * np.log10(float(s.abs().square()))

    slope = (decibel(2.34 + 1e-6) - decibel(2.34 - 1e-6)) / 2e-6 * 3.0 * 1.5e-3
    assert float(rows["die"]["merit_per_sigma"]) == pytest.approx(slope, rel=1e-5)
    assert {row["kind"] for row in rows.values()} == {"splitting", "width"}


def test_the_jacobian_is_that_of_finite_differences():
    netlist = drawn_mesh(3)
    whole, _ = circuit(netlist, LIBRARY)
    varied = spread.Varied(whole, LIBRARY, spread.knobs(whole, LIBRARY, spread.Spread()), 1.55)
    zero = torch.zeros(len(varied.knobs), dtype=torch.float64)
    steps = 1e-5 * torch.eye(len(zero), dtype=torch.float64)
    expected = (varied.s(zero + steps) - varied.s(zero - steps)) / 2e-5
    torch.testing.assert_close(varied.jacobian(), expected, atol=1e-8, rtol=0)


@pytest.mark.parametrize(
    ("component", "settings"),
    [("coupler_ideal", {"coupling": 0.0}), ("half_ring", {"coupling": 0.0}), ("splitter_ideal", {"coupling": 1.0})],
)
def test_a_share_of_nothing_still_has_a_slope(component, settings):
    """A coupler that couples nothing lets an error of its angle through in first order."""
    ports = {f"p{n}": f"x,o{n}" for n in range(1, 4 if component == "splitter_ideal" else 5)}
    netlist = {"instances": {"x": {"component": component, "settings": settings}}, "ports": ports}
    whole, _ = circuit(netlist, LIBRARY)
    every = [knob for knob in spread.knobs(whole, LIBRARY, spread.Spread()) if knob.kind == "splitting"]
    slopes = spread.Varied(whole, LIBRARY, every, 1.55).jacobian()
    assert float(slopes.abs().max()) == pytest.approx(0.02, rel=1e-4)
    assert torch.isfinite(torch.view_as_real(slopes)).all()


def test_error_ignores_a_common_phase():
    s = models.mzi(theta=0.3, phi=0.2)
    nominal = torch.stack([torch.stack([s["o2", "o3"], s["o1", "o3"]]), torch.stack([s["o2", "o4"], s["o1", "o4"]])])
    assert float(spread.error(nominal * np.exp(0.7j), nominal)) == pytest.approx(0, abs=1e-7)
    assert float(spread.error(0.9 * nominal, nominal)) == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("circuit", "moon.yml"), "moon.yml"),
        (("circuit", "NETLIST", "--wl", 1.6, 1.5), "--wl must rise"),
        (("circuit", "NETLIST", "--points", 1), "--points"),
        (("circuit", "NETLIST", "--into", "moon"), "--into moon"),
        (("circuit", "NETLIST", "--set", "top.length=long"), "'top.length=long'"),
        (("circuit", "NETLIST", "--set", "moon.length=3"), "no instance 'moon'"),
        (("circuit", "NETLIST", "--set", "top.colour=3"), "no setting 'colour'"),
        (("circuit", "NETLIST", "--set", "lft.coupling=2"), "coupling is a share of power"),
        (("circuit", "NETLIST", "--set", "top.loss_dB_cm=-90"), "'top' (straight) amplifies"),
        (("circuit", "NETLIST", "--set", "top.length=nan"), "top: length"),
        (("circuit", "NETLIST", "--table", "straight"), "COMPONENT=FILE"),
        (("circuit", "NETLIST", "--set", "wl=1.5"), "those of --wl"),
        (("circuit", "PIC"), "gdsfactory's mzi, a circuit of its own: use --extract"),
        (("pulse", "--steps", 1), "--steps"),
        (("pulse", "--dt-fs", 0), "time step"),
        (("pulse", "--into", "moon"), "--into moon"),
        (("pulse", "--width-ps", 0), "width must be positive"),
        (("yield", "--draws", 1), "--draws"),
        (("yield", "--wl", "nan"), "--wl must be a positive number"),
        (("yield", "--mesh", 1), "at least 2 modes"),
        (("yield", "--splitting-rad", -1), "splitting_rad must be zero or more"),
        (("yield", "--splitting-rad", 0, "--heater-rad", 0), "nothing in this circuit varies"),
        (("yield", "NETLIST", "--merit", "transmission", "--into", "moon"), "no port 'moon'"),
        (("yield", "NETLIST", "--merit", "transmission", "--out-of", "in"), "no light goes from in to in"),
        (("sax_circuits", "--netlists", "nowhere"), "holds no .yml files"),
    ],
)
def test_bad_input_is_one_clear_line(netlist, tmp_path, words, message, capsys):
    chip = tmp_path / "chip.pic.yml"
    chip.write_text("instances: {a: {component: mzi, settings: {delta_length: 10}}}\nports: {o1: 'a,o1', o2: 'a,o2'}\n")
    name, *rest = ({"NETLIST": netlist, "PIC": chip}.get(word, word) for word in words)
    assert script(name, *rest, "--out", tmp_path / "out") == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1, lines
    assert message in lines[0]
    assert not (tmp_path / "out").exists()


def test_a_saved_mesh_comes_back_in_both_engines(tmp_path):
    """A mesh of MZIs has no wavelength: it is the same at all of them."""
    path = tmp_path / "mesh.yml"
    save_netlist(path, drawn_mesh(3))
    assert script("circuit", path, "--engine", "sax", "--check", "--points", 3, "--out", tmp_path / "out") == 0
    assert yaml.safe_load((tmp_path / "out" / "netlist.yml").read_text())["instances"] == drawn_mesh(3)["instances"]


def test_a_wavelength_of_one_part_alone_is_the_same_in_sax(netlist, tmp_path):
    words = ("--set", "lft.coupling=0.3", "top.wl=1.5", "--points", 5)
    assert script("circuit", netlist, "--engine", "sax", "--check", *words, "--out", tmp_path / "out") == 0


def test_every_kind_of_part_has_its_knob():
    """Angles of couplers however they are given, ratios, indices, heaters; a share keeps its power in both ports."""
    parts = {
        "ring": "half_ring",
        "mmi": {"component": "mmi2x2", "settings": {"loss_dB": 0.0}},
        "split": "splitter_ideal",
        "heat": "thermo_optic_phase_shifter",
        "volt": "phase_shifter",
    }
    netlist = {
        "instances": parts,
        "connections": {"ring,o4": "mmi,o1", "mmi,o3": "split,o1", "split,o2": "heat,o1", "split,o3": "volt,o1"},
        "ports": {"in": "ring,o1", "a": "heat,o2", "b": "volt,o2", "c": "mmi,o4", "d": "ring,o3"},
    }
    whole, _ = circuit(netlist, LIBRARY)
    every = spread.knobs(whole, LIBRARY, spread.Spread())
    assert {knob.label: knob.kind for knob in every} == {
        "ring.coupling": "splitting",
        "ring.neff": "width",
        "mmi.splitting_ratio_cross": "splitting",
        "split.coupling": "splitting",
        "heat.neff": "width",
        "heat.power_mw": "heater",
        "volt.neff": "width",
        "volt.phase": "heater",
        "die": "width",
    }
    varied = spread.Varied(whole, LIBRARY, every, 1.55)
    assert (varied.jacobian().abs().amax((1, 2)) > 1e-6).all()
    turned = varied.s(torch.tensor([0.0, 0, 3, 0, 0, 0, 0, 0, 0], dtype=torch.float64))
    still = varied.s(torch.zeros(9, dtype=torch.float64))
    assert float(turned[:, 0].abs().square().sum()) == pytest.approx(float(still[:, 0].abs().square().sum()), rel=0.01)
    assert float((turned - still).abs().max()) > 0.01


@pytest.mark.parametrize("text", ["- 1\n- 2\n", "a: [", ""])
def test_a_file_that_is_no_netlist(tmp_path, text, capsys):
    path = tmp_path / "x.yml"
    path.write_text(text)
    assert script("circuit", path, "--out", tmp_path / "out") == 2
    assert "x.yml" in capsys.readouterr().err


def test_the_resonant_ring_drops_its_light():
    s = circuit(add_drop_ring(), LIBRARY)[0]()
    assert float(s["in", "drop"].abs().square()) > 0.9
