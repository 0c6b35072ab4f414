"""A chip from its files alone: the matrix that it computes, rules, pads; broken masks are caught, bad input refused."""

import csv
import hashlib
import os
import subprocess
import sys
from dataclasses import replace

import klayout.db as kdb
import numpy as np
import pytest
import torch
from scipy.stats import unitary_group

from layouts import GPDK, closed_loop, drc, export, known_errors, lvs, mesh_layout, read_pins
from layouts.export import drawing, read_netlist
from layouts.netlist import heater_name, nested
from layouts.pads import heaters
from photonic_ep import MeshWeight, clements, decompose, fftnet, reck
from photonic_ep.circuit import circuit
from photonic_ep.crosscheck import sax
from photonic_ep.mesh.program import tile_phases
from photonic_ep.mesh.tile import Tile
from photonic_ep.presets import DEVICE_F


def chip(folder, shape=clements, modes=4, svd=False):
    """Export a tile; returns it, its chip, and the matrix that it shall make."""
    topology, rng = shape(modes), np.random.default_rng(modes)
    tile = Tile(topology, ("v", "u") if svd else ("u",))
    if svd:
        target = rng.standard_normal((modes, modes))
        target /= 1.1 * np.linalg.norm(target, 2)
        parts = tile_phases(target[None], topology)
    else:
        target = unitary_group.rvs(modes, random_state=rng)
        parts = {f"u_{kind}": part for kind, part in vars(decompose(target[None], topology)).items()}
    names = tile.heater_names
    phases = {n: float(v) for kind in names for n, v in zip(names[kind], parts[kind][:, 0], strict=True)}
    return tile, export(tile, {(0, 0): phases}, folder, GPDK), target


def loop(made, **light):
    (found,) = closed_loop(made.gds, made.pins, GPDK, **light).values()
    return found


def redundant(modes):
    return clements(modes, extra=1)


CASES = [(clements, 2), (clements, 5), (clements, 8), (reck, 5), (redundant, 4)]
LARGE = [(clements, 16, True), (clements, 32, False), (clements, 64, False), (reck, 8, True), (reck, 32, False)]


@pytest.mark.parametrize(
    ("shape", "modes", "svd"),
    [(shape, modes, svd) for shape, modes in CASES for svd in (False, True)]
    + [pytest.param(*case, marks=pytest.mark.slow) for case in LARGE],
)
def test_the_file_computes_the_matrix(tmp_path, shape, modes, svd):
    tile, made, target = chip(tmp_path, shape, modes, svd)
    assert np.abs(loop(made) - target).max() <= 1e-9
    assert drc(made.gds, made.pins, GPDK) == dict.fromkeys(drc(made.gds, made.pins, GPDK), 0)
    assert lvs(made.gds, made.pins, GPDK) == []
    assert made.heaters == sum(len(names) for names in tile.heater_names.values())


@pytest.mark.parametrize("modes", [4, pytest.param(8, marks=pytest.mark.slow)])
def test_sax_computes_it_too(tmp_path, modes):
    """sax on the circuit that the mask is, at the phases of the pins."""
    _, made, target = chip(tmp_path, modes=modes, svd=modes == 4)
    netlist, parts = read_netlist(made.netlist), {name: model for name, (model, _) in GPDK.models.items()}
    phases = {pin.name: pin.phase for pin in read_pins(made.pins) if pin.phase is not None}
    _, info = circuit(netlist, parts)
    heated = {path for path, part in info.instances.items() if part == GPDK.heater}
    settings = nested({path: {"phase": phases[heater_name(path)]} for path in heated})
    s, ports = sax.solve(netlist, parts, **settings)
    into, out = ([ports.index(f"{side}_{mode}") for mode in range(modes)] for side in ("in", "out"))
    assert np.abs(s[0][np.ix_(out, into)] - target).max() <= 1e-9


@pytest.mark.parametrize("shape", [clements, reck])
def test_heaters_lie_as_the_floor_plan_says(shape):
    topology = shape(5)
    with drawing(GPDK):
        found = {h.name: ((h.left + h.right) / 2, h.y) for h in heaters(mesh_layout(topology, GPDK, svd=True))}
    plan = topology.floorplan(2 * GPDK.stage_um, GPDK.pitch_y_um)
    assert set(found) == set(plan)
    offsets = np.array([np.array(found[name]) - np.array(plan[name]) for name in plan])
    np.testing.assert_allclose(offsets, np.broadcast_to(offsets[0], offsets.shape), atol=2e-3)


def test_bytes_repeat_across_processes(tmp_path):
    code = (
        "import sys; from pathlib import Path; from tests.layouts.test_chip import chip; "
        "chip(Path(sys.argv[1]), modes=4, svd=True)"
    )
    sums = []
    for seed in ("1", "2"):
        folder = tmp_path / seed
        folder.mkdir()
        subprocess.run([sys.executable, "-c", code, str(folder)], check=True, env=os.environ | {"PYTHONHASHSEED": seed})
        files = ("chip.gds", "pins.csv", "netlist.json")
        sums.append([hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in files])
    assert sums[0] == sums[1]


def altered(made, change):
    """Change the shapes of a mask in its file."""
    layout = kdb.Layout()
    layout.read(str(made.gds))
    change(layout, layout.top_cell())
    layout.write(str(made.gds))


def rewritten(made, change):
    """Change the rows of a table of pins, by heater."""
    with made.pins.open(newline="") as file:
        rows = list(csv.DictReader(file))
    change({row["heater"]: row for row in rows})
    with made.pins.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)


def test_swapped_pads_are_caught(tmp_path):
    _, made, _ = chip(tmp_path)

    def swap(rows):
        one, other = rows["u_mzi_0_0.phi"], rows["u_mzi_0_0.theta"]
        for key in ("pad_x", "pad_y"):
            one[key], other[key] = other[key], one[key]

    rewritten(made, swap)
    assert len(lvs(made.gds, made.pins, GPDK)) >= 2


def test_swapped_labels_are_caught(tmp_path):
    _, made, _ = chip(tmp_path)

    def swap(layout, top):
        texts = [
            s
            for s in top.shapes(layout.layer(*GPDK.text)).each()
            if s.text_string in ("u_mzi_0_0.phi", "u_mzi_0_2.phi")
        ]
        names = [s.text_string for s in texts]
        for shape, name in zip(texts, names[::-1], strict=True):
            shape.text_string = name

    altered(made, swap)
    assert any("joined to" in error for error in lvs(made.gds, made.pins, GPDK))


def test_a_missing_wire_is_caught(tmp_path):
    _, made, _ = chip(tmp_path)

    def cut(layout, top):
        shapes = top.shapes(layout.layer(*GPDK.metal))
        shapes.erase(max(shapes.each(), key=lambda s: s.bbox().height() / s.bbox().width()))

    altered(made, cut)
    assert lvs(made.gds, made.pins, GPDK) or drc(made.gds, made.pins, GPDK)["nets"]


def test_a_track_over_a_terminal_is_caught(tmp_path):
    _, made, _ = chip(tmp_path)

    def cross(layout, top):
        with_label = {s.text_string: s.bbox().center() for s in top.shapes(layout.layer(*GPDK.text)).each()}
        a, b = with_label["u_mzi_0_0.phi"], with_label["u_mzi_0_0.theta"]
        top.shapes(layout.layer(*GPDK.metal)).insert(kdb.Box(a.x, a.y - 1000, b.x, b.y + 1000))

    altered(made, cross)
    assert drc(made.gds, made.pins, GPDK)["nets"] > 0
    assert lvs(made.gds, made.pins, GPDK)


def test_a_ground_too_thin_for_its_heaters_is_caught(tmp_path):
    """As wide as the rule for any wire asks, but not for the heaters that it joins; and only that is wrong."""
    _, made, _ = chip(tmp_path, modes=32)
    assert not any(drc(made.gds, made.pins, GPDK).values())

    def thin(layout, top):
        shapes, unit = top.shapes(layout.layer(*GPDK.metal)), round(1 / layout.dbu)
        wire = GPDK.wire_um * unit
        wide = [s for s in shapes.each() if wire < s.bbox().width() < 0.9 * GPDK.pad_um * unit]
        box = max((s.bbox() for s in wide), key=lambda box: box.height())
        cut = kdb.Box(box.left + wire, box.bottom + box.height() // 3, box.right, box.bottom + box.height() // 2)
        metal = kdb.Region(shapes) - kdb.Region(cut)
        shapes.clear()
        shapes.insert(metal)

    altered(made, thin)
    flags = drc(made.gds, made.pins, GPDK)
    assert flags.pop("current") > 0
    assert not any(flags.values())


@pytest.mark.parametrize("about", ["its middle", "its ports on the left"])
def test_a_reversed_coupler(tmp_path, about):
    """About its middle it is the same part on the mask; about its ports it no longer meets its neighbours."""
    _, made, target = chip(tmp_path)

    def turn(_, top):
        core = next(inst.cell for inst in top.each_inst() if inst.cell.name == "core")
        inst = next(inst for inst in core.each_inst() if "mzi" in inst.cell.name)
        part = next(part for part in inst.cell.each_inst() if part.cell.name.startswith("coupler"))
        box = part.bbox()
        x = box.left if about != "its middle" else box.center().x
        part.transform(kdb.Trans(-x, -box.center().y))
        part.transform(kdb.Trans(2, False, x, box.center().y))

    altered(made, turn)
    try:
        off = np.abs(loop(made) - target).max() > 1e-9
    except (ValueError, KeyError):
        off = True
    assert (off or bool(sum(drc(made.gds, made.pins, GPDK).values()))) == (about != "its middle")


@pytest.mark.parametrize("nanometres", [1, 10, 1000])
def test_a_shifted_mzi_is_caught(tmp_path, nanometres):
    _, made, target = chip(tmp_path)

    def shift(_, top):
        core = next(inst for inst in top.each_inst() if inst.cell.name == "core")
        inst = sorted(core.cell.each_inst(), key=lambda i: (i.bbox().left, i.bbox().top))[1]
        inst.transform(kdb.Trans(0, nanometres))

    altered(made, shift)
    try:
        off = np.abs(loop(made) - target).max() > 1e-9
    except (ValueError, KeyError):
        off = True
    assert off or sum(drc(made.gds, made.pins, GPDK).values())


def test_a_phase_that_is_off_is_caught(tmp_path):
    _, made, target = chip(tmp_path)
    rewritten(
        made, lambda rows: rows["u_mzi_1_1.theta"].update(phase=repr(float(rows["u_mzi_1_1.theta"]["phase"]) + 0.01))
    )
    assert 1e-3 < np.abs(loop(made) - target).max() < 0.1


def test_a_bypass_that_is_not_as_long_is_caught(tmp_path):
    longer = replace(GPDK, coupled_um=GPDK.coupled_um + 1.0)
    tile = Tile(clements(4), ("u",))
    names = [name for group in tile.heater_names.values() for name in group]
    with pytest.raises(ValueError, match="not equally long"):
        export(tile, {(0, 0): dict.fromkeys(names, 1.0)}, tmp_path, longer)


def test_a_wavelength_beside_the_design_costs_the_unequal_routes(tmp_path):
    _, made, target = chip(tmp_path)
    errors = [np.abs(loop(made, wl=wl) - target).max() for wl in (1.55, 1.551, 1.56)]
    assert errors[0] < 1e-9 < 1e-3 < errors[1]
    assert errors[2] > errors[1] or errors[2] > 0.5


def test_too_many_tracks_are_refused(tmp_path):
    tile = Tile(clements(4), ("u",))
    names = [name for group in tile.heater_names.values() for name in group]
    with pytest.raises(ValueError, match="more than the rule allows"):
        export(tile, {(0, 0): dict.fromkeys(names, 1.0)}, tmp_path, replace(GPDK, amperes_um=1e-4))
    with pytest.raises(ValueError, match="too many wires over a heater"):
        export(tile, {(0, 0): dict.fromkeys(names, 1.0)}, tmp_path, replace(GPDK, space_um=150.0))


def test_crossings_have_no_layout():
    with pytest.raises(ValueError, match="crossings has no layout"):
        mesh_layout(fftnet(4), GPDK)


def test_files_that_do_not_belong_together_are_refused(tmp_path):
    (tmp_path / "a").mkdir(), (tmp_path / "b").mkdir()
    _, four, _ = chip(tmp_path / "a", modes=4)
    _, five, _ = chip(tmp_path / "b", modes=5)
    with pytest.raises(ValueError, match="heaters for 16"):
        closed_loop(four.gds, five.pins, GPDK)
    with pytest.raises(ValueError, match="no table of pins"):
        read_pins(four.netlist)
    whole = four.gds.read_bytes()
    four.gds.write_bytes(whole[: len(whole) // 2])
    for check in (closed_loop, lvs):
        with pytest.raises(ValueError, match="no whole GDS"):
            check(four.gds, four.pins, GPDK)
    with pytest.raises(FileNotFoundError, match="no GDS file"):
        drc(tmp_path / "none.gds", four.pins, GPDK)


def test_a_mask_without_metadata_is_refused(tmp_path):
    _, made, _ = chip(tmp_path)
    layout = kdb.Layout()
    layout.read(str(made.gds))
    options = kdb.SaveLayoutOptions()
    options.write_context_info = False
    layout.write(str(made.gds), options)
    with pytest.raises(ValueError, match="no ports"):
        closed_loop(made.gds, made.pins, GPDK)


def test_tiles_of_a_layer_are_cells_of_one_chip(tmp_path):
    """Equal cells, phases of their own, names that begin with their place; a file for another layer is refused."""
    topology, rng = reck(3), np.random.default_rng(0)
    tile, targets, phases = Tile(topology, ("u",)), {}, {}
    for place in ((0, 0), (0, 1), (1, 0)):
        targets[place] = unitary_group.rvs(3, random_state=rng)
        parts = {f"u_{kind}": part for kind, part in vars(decompose(targets[place][None], topology)).items()}
        names = tile.heater_names
        phases[place] = {n: float(v) for k in names for n, v in zip(names[k], parts[k][:, 0], strict=True)}
    made = export(tile, phases, tmp_path, GPDK)
    found = closed_loop(made.gds, made.pins, GPDK)
    assert set(found) == set(targets)
    for place, target in targets.items():
        assert np.abs(found[place] - target).max() <= 1e-9
    assert lvs(made.gds, made.pins, GPDK) == []
    assert sum(drc(made.gds, made.pins, GPDK).values()) == 0
    assert made.heaters == 27
    assert {pin.name for pin in read_pins(made.pins)} > {"tile_0_1_u_mzi_0_0.theta", "tile_1_0_u_alpha_2.phase"}
    rewritten(
        made, lambda rows: [row.update(heater=row["heater"].replace("tile_1_0", "tile_1_1")) for row in rows.values()]
    )
    with pytest.raises(ValueError, match="the mask has tiles"):
        closed_loop(made.gds, made.pins, GPDK)


def test_another_process_is_other_data(tmp_path):
    """Other pitches, lengths and rules: nothing else changes."""
    wide = replace(
        GPDK,
        name="wide",
        pitch_y_um=40.0,
        coupler_settings={**GPDK.coupler_settings, "dy": 40.0, "dx": 35.0},
        coupler_bend_um=35.0,
        heater_um=200.0,
        wire_um=3.0,
        space_um=2.0,
    )
    topology = clements(4)
    target = unitary_group.rvs(4, random_state=0)
    parts, tile = decompose(target[None], topology), Tile(topology, ("u",))
    names = topology.heater_names("u")
    phases = {n: float(v) for kind in names for n, v in zip(names[kind], getattr(parts, kind)[:, 0], strict=True)}
    made = export(tile, {(0, 0): phases}, tmp_path, wide)
    assert np.abs(closed_loop(made.gds, made.pins, wide)[0, 0] - target).max() <= 1e-9
    assert sum(drc(made.gds, made.pins, wide).values()) == 0
    assert lvs(made.gds, made.pins, wide) == []


@pytest.mark.parametrize("form", ["svd", "unitary"])
def test_known_errors_make_the_mask_the_chip_that_was_trained(tmp_path, source, form):
    """Phase and coupler errors, losses and crosstalk of device F in the parts of the mask; held phases are kept."""
    physics = replace(DEVICE_F.imperfections, imbalance_db=0.1)
    weight = MeshWeight(4, 4, tile=4, form=form, imperfections=physics, generator=source, dtype=torch.float64)
    names = weight.heater_names()
    held = {n: float(v) for k, p in weight.named_parameters() for n, v in zip(names[k], p.detach()[:, 0], strict=True)}
    made = export(weight.tile, {(0, 0): held}, tmp_path, GPDK)
    target = weight.transfer()[0].detach().numpy()
    errors = {(0, 0): known_errors(weight.tile_settings(), held)}
    assert np.abs(loop(made, errors=errors) - target).max() <= 1e-12
    assert np.abs(loop(made) - target).max() > 0.01


def test_a_heater_of_the_wrong_length_is_caught(tmp_path):
    """Shorter on the mask than the process says: its guide, and so every way through it, is shorter too."""
    _, made, target = chip(tmp_path)
    assert np.abs(loop(made) - target).max() < 1e-9
    other = replace(GPDK, heater_um=119.0)
    (tmp_path / "other").mkdir()
    tile = Tile(clements(4), ("u",))
    names = [name for group in tile.heater_names.values() for name in group]
    wrong = export(tile, {(0, 0): dict.fromkeys(names, 1.0)}, tmp_path / "other", other)
    made.gds.write_bytes(wrong.gds.read_bytes())
    assert np.abs(loop(made) - target).max() > 1e-3
    assert lvs(made.gds, made.pins, GPDK)


def test_guides_that_touch_are_caught(tmp_path):
    _, made, _ = chip(tmp_path)

    def bridge(layout, top):
        box = top.bbox().center()
        top.shapes(layout.layer(*GPDK.guide)).insert(kdb.Box(box.x, box.y - 60_000, box.x + 500, box.y + 60_000))

    altered(made, bridge)
    assert drc(made.gds, made.pins, GPDK)["guides"] > 0


def test_a_mask_without_labels_is_refused(tmp_path):
    _, made, _ = chip(tmp_path)
    altered(made, lambda layout, top: top.shapes(layout.layer(*GPDK.text)).clear())
    with pytest.raises(ValueError, match="no labels of pads"):
        lvs(made.gds, made.pins, GPDK)


def test_a_process_that_lacks_something_is_refused():
    with pytest.raises(ValueError, match=r"lacks the layers \['metal'\]"):
        replace(GPDK, stack={name: layer for name, layer in GPDK.stack.items() if name != "metal"})
    with pytest.raises(ValueError, match=r"no circuit model of its cells \['mmi2x2'\]"):
        replace(GPDK, coupler="mmi2x2")


def test_models_of_the_process_are_passive_and_as_said():
    wl = torch.tensor([1.54, 1.55, 1.56], dtype=torch.float64)
    for name, (model, _) in GPDK.models.items():
        s = model(wl=wl)
        ports = sorted({p for key in s for p in key})
        power = torch.zeros(3)
        for out in ports:
            power = power + s[(ports[0], out)].abs() ** 2 if (ports[0], out) in s else power
        assert float(power.max()) <= 1 + 1e-12, name
