"""What fabrication and surroundings do, against closed forms and other engines; refusals."""

import math
from itertools import product

import pytest
import torch

from ep_core import HardSigmoid, Network, Sigmoid, Symmetric, adjoint_gradient, compare, one_hot, relax
from ep_core.loss import SquaredError
from ep_core.solvers import GaussSeidel
from photonic_ep import FloorPlan, Imperfections, MeshWeight, fftnet, gradients, models
from photonic_ep.crosscheck import sax
from photonic_ep.mesh.heat import DEEP_TRENCH, flow
from photonic_ep.mesh.imperfections import COUPLER_SLOPE
from photonic_ep.mesh.netlist import tile_netlist


def mesh(source, out=6, into=5, tile=4, **options):
    return MeshWeight(out, into, tile=tile, generator=source, dtype=torch.float64, **options)


def test_heat_flows_as_simulated():
    """The values that constants give beside the law: SCATTER, ICCAD 2024."""
    distance = torch.tensor([5.0, 9.0, 15.0, 20.0, 30.0, 40.0, 60.0], dtype=torch.float64)
    said = torch.tensor([0.358, 0.130, 0.039, 0.0136, 0.0048, 0.00135, 1.1e-4], dtype=torch.float64)
    torch.testing.assert_close(flow(distance), said, rtol=0.06, atol=0)
    assert pytest.approx(0.21, abs=0.005) == DEEP_TRENCH


def test_heat_reaches_the_whole_tile_and_its_neighbours(source):
    """Every heater of the chip at its place, every pair by its distance: what light sees is p + gamma(d) p."""
    floor = FloorPlan(pitch_x_um=14.0, pitch_y_um=9.0, gap_um=3.0, trench=0.5)
    weight = mesh(source, 7, 6, imperfections=Imperfections(floor=floor))
    names = [name for group in weight.heater_names().values() for name in group]
    plan = weight.topology.floorplan(14.0, 9.0)
    length, height = (4 * 4 + 3) * 7.0 + 3.0, 4 * 9.0 + 3.0
    places = torch.tensor(
        [
            [plan[name][0] + col * length, plan[name][1] - row * height]
            for name, (row, col) in product(names, product(range(2), range(2)))
        ],
        dtype=torch.float64,
    )
    distance = torch.cdist(places, places)
    shares = torch.where(distance > 0, 0.5 * flow(distance), 0.0)
    held = torch.cat([p.detach() for p in weight.parameters()])
    expected = held.flatten() + shares @ held.flatten()
    seen = torch.cat(list(weight._phases().values())).detach()
    torch.testing.assert_close(seen.flatten(), expected, rtol=0, atol=1e-7)
    alone = weight.chip.heat.own @ held
    assert float((seen - held - alone).abs().max()) > 0.01


def test_a_compact_plan_with_trenches_costs_little():
    """Pitches of 200 x 50 um: the nearest heater gets .04 % of a phase."""
    weight = MeshWeight(8, 8, imperfections=Imperfections(floor=FloorPlan()), generator=torch.Generator())
    assert float(weight.chip.heat.own.max()) == pytest.approx(0.217 * math.exp(-0.127 * 50), rel=1e-4)


def test_ports_reflect_as_a_circuit_says(source):
    """Every port an S-matrix of its own, the tile between them composed by sax, in both directions."""
    weight = mesh(source, 4, 4, imperfections=Imperfections(port_reflection=0.2, splitter_error=0.05))
    for backward in (False, True):
        real, imaginary = weight.chip.reflection[int(backward)]
        at_u, at_v = torch.complex(real, imaginary)[..., 0, :]
        netlist = tile_netlist(weight.topology, weight.tile_settings())
        for side, mirrors in (("in", at_v), ("out", at_u)):
            for mode, mirror in enumerate(mirrors):
                name, place = f"end_{side}_{mode}", netlist["ports"][f"{side}_{mode}"]
                settings = {"real": float(mirror.real), "imaginary": float(mirror.imag)}
                netlist["instances"][name] = {"component": "end", "settings": settings}
                netlist["connections"][place] = f"{name},o2"
                netlist["ports"][f"{side}_{mode}"] = f"{name},o1"

        def end(*, real=0.0, imaginary=0.0):
            # Half of the amplitude passes, so that the part is passive whatever it reflects
            one = torch.full((), 0.5, dtype=torch.complex128)
            back = 2 * one * torch.as_tensor(real) + 1j * torch.as_tensor(imaginary)
            return {("o1", "o2"): one, ("o2", "o1"): one, ("o2", "o2"): back}

        parts = {"mzi": models.mzi, "phase_shifter": models.phase_shifter, "end": end}
        s, ports = sax.solve(netlist, parts)
        into, out = ([ports.index(f"{side}_{mode}") for mode in range(4)] for side in ("in", "out"))
        whole = 4 * torch.from_numpy(s[0])
        seen = weight._seen(backward)[0].detach()
        theirs = whole[into][:, out].mT if backward else whole[out][:, into]
        # sax regularises a singular system by 1e-12 or so, which what is sent to and fro feels
        torch.testing.assert_close(seen, theirs, rtol=0, atol=1e-9)
    assert float((weight.matrix() - weight.reverse()).norm() / weight.matrix().norm()) > 0.01


def test_couplers_follow_the_wavelength_as_a_dispersive_one():
    length = 1.55 / 4 / 0.02  # 50:50 at 1.55 um
    angles = []
    for wl in (1.549, 1.551):
        s = models.coupler(wl=wl, length=length, coupling0=0.0, dk1=0.0, dk2=0.0, dn2=0.0)
        angles.append(math.asin(abs(complex(s["o1", "o3"]))))
    assert (angles[1] - angles[0]) / 2 == pytest.approx(COUPLER_SLOPE, rel=1e-4)


def test_detuning_scales_phases_and_turns_couplers():
    exact = mesh(torch.Generator().manual_seed(1))
    tuned = mesh(torch.Generator().manual_seed(1), imperfections=Imperfections(detuning_nm=5.0))
    torch.testing.assert_close(tuned._phases()["u_phi"], exact._phases()["u_phi"] * 1550 / 1555)
    settings = tuned.tile_settings()["u_mzi_0_0"]
    assert settings["delta_in"] == settings["delta_out"] == pytest.approx(5 * COUPLER_SLOPE)


def test_known_detuning_is_programmed_against(source):
    target = 0.15 * torch.randn(6, 5, generator=source, dtype=torch.float64)
    left = []
    for known in (frozenset(), frozenset({"detuning_nm"})):
        weight = mesh(source, imperfections=Imperfections(detuning_nm=3.0, known=known))
        weight.program_matrix_(target)
        left.append(float((weight.matrix() - target).norm() / target.norm()))
    assert left[1] < 0.5 * left[0]


def test_heated_arms_lose_more(source):
    """Passive whatever is drawn, and the mean loss is what the gain makes good."""
    physics = Imperfections(imbalance_db=0.3)
    weight = mesh(source, 64, 64, tile=8, imperfections=physics, std=0.05)
    assert float(torch.linalg.matrix_norm(weight.transfer().detach(), 2).max()) < 1
    assert float(weight.matrix().std()) == pytest.approx(0.05, rel=0.1)
    assert weight.chip.arm_loss[0].mean() == pytest.approx(0.3 * math.sqrt(2 / math.pi), rel=0.05)
    assert float(weight.chip.arm_loss[1, 28:36].abs().max()) == 0


def test_drift_is_an_ornstein_uhlenbeck_process(source):
    weight = mesh(source, 64, 64, tile=8, imperfections=Imperfections(drift=0.2, drift_reads=1000.0))
    assert float(weight.chip.wander.abs().max()) == 0
    before = weight.matrix().clone()
    weight.age_(250.0, source)
    assert not torch.equal(weight.matrix(), before)
    assert float(weight.chip.wander.std()) == pytest.approx(0.2 * math.sqrt(1 - math.exp(-0.5)), rel=0.03)
    weight.age_(1e6, source)
    first = weight.chip.wander.flatten().clone()
    assert float(first.std()) == pytest.approx(0.2, rel=0.03)
    weight.age_(500.0, source)
    kept = float(first @ weight.chip.wander.flatten() / (first @ first))
    assert kept == pytest.approx(math.exp(-0.5), abs=0.03)
    saved = weight.state_dict()
    assert torch.equal(saved["chip.wander"], weight.chip.wander)


def test_the_order_of_phases_decides_what_drift_costs(source):
    """Free, + and - of a sample at once cancel most of it; + of a whole batch before its - does not."""

    def net():
        again = torch.Generator().manual_seed(3)
        physics = Imperfections(drift=0.3, drift_reads=1e5)
        return Network(
            (8, 7, 4), lambda o, i: mesh(again, o, i, imperfections=physics, gradient=gradients.oracle), Sigmoid()
        )

    x = torch.rand(20, 8, generator=source, dtype=torch.float64)
    y = one_hot(torch.randint(4, (20,), generator=source), 4, torch.float64)
    solver = GaussSeidel(steps=500, tolerance=1e-12)
    exact = adjoint_gradient(net(), x, y, relax(net(), x, solver).state, SquaredError())
    cosine = {}
    for order in ("sample", "batch"):
        estimator = Symmetric(beta=0.05, free=solver, nudged=solver, order=order)
        estimate = estimator(net(), x, y, torch.Generator().manual_seed(4))
        cosine[order] = compare(estimate.gradients, exact)[1]
        assert (estimate.aged > 0) == (order == "batch")
    assert cosine["sample"] > 0.999 > 0.7 > cosine["batch"]


def test_without_drift_the_order_makes_no_difference(source):
    network = Network((8, 7, 4), lambda o, i: mesh(source, o, i), HardSigmoid())
    x = torch.rand(5, 8, generator=source, dtype=torch.float64)
    y = one_hot(torch.randint(4, (5,), generator=source), 4, torch.float64)
    solver = GaussSeidel(steps=200, tolerance=1e-13)
    one, other = (
        Symmetric(free=solver, nudged=solver, order=order)(network, x, y).gradients for order in ("sample", "batch")
    )
    for name, gradient in one.items():
        torch.testing.assert_close(gradient, other[name], rtol=0, atol=1e-10)


@pytest.mark.parametrize("topology", [None, fftnet])
def test_all_at_once_and_none_of_it(source, topology):
    shape = {} if topology is None else {"topology": topology}
    everything = Imperfections(
        phase_error=0.05,
        splitter_error=0.02,
        insertion_loss_db=0.1,
        crossing_loss_db=0.16,
        imbalance_db=0.05,
        detuning_nm=0.5,
        floor=FloorPlan(pitch_x_um=100.0, pitch_y_um=25.0, trench=DEEP_TRENCH),
        port_phase=0.05,
        port_gain=0.05,
        port_reflection=0.02,
        stuck=0.01,
        phase_noise=0.01,
        detector_noise=0.01,
        drift=0.05,
        dac_bits=8,
        dac_volts=True,
    )
    weight = mesh(source, 9, 9, imperfections=everything, **shape)
    x = torch.randn(3, 9, generator=source, dtype=torch.float64)
    assert weight.mvm(x, source).isfinite().all()
    gradient = weight.bilinear_grad(torch.randn(3, 9, generator=source, dtype=torch.float64), x)
    assert all(part.isfinite().all() for part in gradient.values())
    exact = mesh(source, 9, 9, **shape)
    t = exact.transfer().detach()
    assert torch.linalg.matrix_norm(t, 2) == pytest.approx([1 / 3] * len(t), abs=1e-12)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"crosstalk": 0.02, "floor": FloorPlan()}, "not by both"),
        ({"detuning_nm": 1000.0}, "detuning_nm must be small"),
        ({"detuning_nm": math.nan}, "finite"),
        ({"port_reflection": 0.6}, "below .5"),
        ({"imbalance_db": -0.1}, "imbalance_db"),
        ({"drift": -1.0}, "drift"),
        ({"drift_reads": 0.0}, "positive number of reads"),
    ],
)
def test_what_cannot_be_is_refused(wrong, message):
    with pytest.raises(ValueError, match=message):
        Imperfections(**wrong)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [({"pitch_x_um": 0.0}, "pitch_x_um"), ({"gap_um": -1.0}, "side by side"), ({"trench": 1.5}, "0..1")],
)
def test_impossible_floor_plans_are_refused(wrong, message):
    with pytest.raises(ValueError, match=message):
        FloorPlan(**wrong)
