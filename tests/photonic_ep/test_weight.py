"""The mesh as a weight: contract, physics against sax, and EP's gradient down to every phase."""

import math
from dataclasses import replace
from itertools import pairwise

import pytest
import torch

from ep_core import (
    AsymEP,
    GaussSeidel,
    HardSigmoid,
    Network,
    Sigmoid,
    SquaredError,
    Symmetric,
    VectorField,
    adjoint_gradient,
    check_operator,
    compare,
    one_hot,
    relax,
)
from photonic_ep import FloorPlan, Imperfections, MeshWeight, Topology, clements, fftnet, gradients, models, reck
from photonic_ep.crosscheck import sax
from photonic_ep.detect import homodyne
from photonic_ep.mesh.netlist import tile_netlist
from photonic_ep.presets import DEVICE_F

F = DEVICE_F.imperfections
ALONE = {
    "exact": Imperfections(),
    "phase": Imperfections(phase_error=0.1),
    "splitter": Imperfections(splitter_error=0.05),
    "loss": Imperfections(insertion_loss_db=0.5),
    "crosstalk": Imperfections(crosstalk=0.02),
    "levels": Imperfections(dac_bits=8),
    "volts": Imperfections(dac_bits=10, dac_volts=True),
    "F": F,
    "ports": Imperfections(port_phase=0.1, port_gain=0.05),
    "known ports": Imperfections(port_phase=0.1, port_gain=0.05, known=frozenset({"port_phase", "port_gain"})),
    "dead heaters": Imperfections(stuck=0.1, crosstalk=0.02),
    "known dead heaters": Imperfections(stuck=0.1, crosstalk=0.02, known=frozenset({"stuck", "crosstalk"})),
    "imbalance": Imperfections(imbalance_db=0.3),
    "imbalance unknown": Imperfections(imbalance_db=0.3, detuning_nm=3.0, known=frozenset()),
    "detuned": Imperfections(detuning_nm=-4.0, phase_error=0.1, splitter_error=0.02),
    "reflecting ports": Imperfections(port_reflection=0.05),
    "all ports": Imperfections(port_reflection=0.05, port_phase=0.1, port_gain=0.05, insertion_loss_db=0.1),
    "floor": Imperfections(floor=FloorPlan(pitch_x_um=15.0, pitch_y_um=9.0, gap_um=0.0, trench=0.3)),
    "known floor": Imperfections(
        floor=FloorPlan(pitch_x_um=15.0, pitch_y_um=9.0, gap_um=0.0, trench=0.3), known=frozenset({"crosstalk"})
    ),
    "drift": Imperfections(drift=0.1, drift_reads=100.0),
    "noise": Imperfections(phase_noise=0.05, detector_noise=0.01),
    "nothing known": Imperfections(phase_error=0.1, crosstalk=0.02, known=frozenset()),
}


def mesh(source, out=6, into=5, tile=4, **options):
    return MeshWeight(out, into, tile=tile, generator=source, dtype=torch.float64, **options)


@pytest.mark.parametrize("topology", [clements, reck])
@pytest.mark.parametrize("gradient", [gradients.oracle, gradients.twin])
@pytest.mark.parametrize("imperfections", ALONE.values(), ids=ALONE)
def test_contract(source, topology, gradient, imperfections):
    check_operator(mesh(source, topology=topology, gradient=gradient, imperfections=imperfections))


def test_contract_with_an_odd_tile(source):
    check_operator(mesh(source, 7, 4, tile=5, imperfections=F))


def plain_mzi(theta=0.0, phi=0.0, delta_in=0.0, delta_out=0.0, loss_dB=0.0, theta_loss_dB=0.0, phi_loss_dB=0.0):
    """The built-in cell under another name, so that torch does the work."""
    arms = {"theta_loss_dB": theta_loss_dB, "phi_loss_dB": phi_loss_dB}
    return models.mzi(theta=theta, phi=phi, delta_in=delta_in, delta_out=delta_out, loss_dB=loss_dB, **arms)


def redundant(modes):
    return clements(modes, extra=2)


def shuffled(modes):
    """Crossings that end in another order than they began."""
    turned = (*range(1, modes), 0)
    return Topology(modes, ((0,), (modes - 2,), tuple(range(0, modes - 1, 2))), ((), turned, turned[::-1]))


LOSSY = replace(F, crossing_loss_db=0.16, imbalance_db=0.2, detuning_nm=2.0)
SHAPES = [(clements, 4), (reck, 5), (clements, 16), (clements, 2), (redundant, 4), (fftnet, 8), (shuffled, 5)]


@pytest.mark.parametrize(("topology", "tile"), SHAPES)
@pytest.mark.parametrize("form", ["svd", "unitary"])
@pytest.mark.parametrize("blocks", [1, 9])
@pytest.mark.parametrize("imperfections", [Imperfections(), LOSSY], ids=["exact", "F"])
def test_the_compiled_tile_equals_its_cell(source, topology, tile, form, blocks, imperfections):
    """T to 1e-14 and the gradient of every phase, for few tiles and for more than fill a vector."""
    weights = []
    for cell in (models.mzi, plain_mzi):
        again = torch.Generator().manual_seed(1)
        weights.append(
            mesh(
                again,
                blocks * tile,
                2 * tile,
                tile,
                topology=topology,
                form=form,
                imperfections=imperfections,
                cell=cell,
            )
        )
    ours, plain = weights
    torch.testing.assert_close(ours.transfer(), plain.transfer(), rtol=0, atol=1e-14)
    cotangent = torch.randn(blocks * tile, 2 * tile, generator=source, dtype=torch.float64)
    for way in (gradients.oracle, gradients.twin):
        mine, theirs = way(ours, cotangent), way(plain, cotangent)
        for name, gradient in mine.items():
            torch.testing.assert_close(gradient, theirs[name], rtol=0, atol=1e-13 * float(theirs[name].abs().max()))


@pytest.mark.parametrize("topology", [redundant, fftnet, shuffled])
@pytest.mark.parametrize("form", ["svd", "unitary"])
def test_contract_of_other_forms(source, topology, form):
    check_operator(mesh(source, topology=topology, form=form, imperfections=LOSSY))


@pytest.mark.parametrize("form", ["svd", "unitary"])
@pytest.mark.parametrize("topology", [clements, reck, fftnet, shuffled])
@pytest.mark.parametrize("imperfections", [Imperfections(), LOSSY], ids=["exact", "F"])
def test_tile_against_sax_in_both_directions(source, topology, form, imperfections):
    """One tile composed by sax: forwards it is T, light from behind sees the transpose."""
    weight = mesh(source, 4, 8, topology=topology, form=form, imperfections=imperfections)
    for tile, ours in enumerate(weight.transfer().detach()):
        netlist = tile_netlist(weight.topology, weight.tile_settings(tile))
        s, ports = sax.solve(
            netlist, {"mzi": models.mzi, "phase_shifter": models.phase_shifter, "crossing": models.crossing}
        )
        into, out = ([ports.index(f"{side}_{mode}") for mode in range(4)] for side in ("in", "out"))
        whole = torch.from_numpy(s[0])
        torch.testing.assert_close(ours, whole[out][:, into], atol=1e-13, rtol=0)
        torch.testing.assert_close(ours.mT, whole[into][:, out], atol=1e-13, rtol=0)


def test_converters_may_step_in_volts(source):
    """Phases are those of whole codes, phase = full scale (n / N)^2; what is between two of them is owed."""
    weight = mesh(source, imperfections=Imperfections(dac_bits=6, dac_volts=True))
    top, codes = 2.5 * math.pi, 63
    for name, phases in weight.named_parameters():
        n = codes * (phases.detach() / top).sqrt()
        assert float((n - n.round()).abs().max()) < 1e-9
        gap = top * (2 * n + 1) / codes**2
        assert bool((weight.get_buffer(f"owed_{name}").abs() <= 0.51 * gap).all())


def test_a_dead_heater_moves_nothing(source):
    weight = mesh(source, 8, 8, imperfections=Imperfections(stuck=0.3))
    assert 0.2 < float(weight.chip.dead.double().mean()) < 0.4
    before = weight.matrix().clone()
    rows = weight.chip.dead.split([len(p) for p in weight.parameters()])
    weight.program_({name: dead * 0.5 for (name, _), dead in zip(weight.named_parameters(), rows, strict=True)})
    assert torch.equal(weight.matrix(), before)
    weight.program_({name: ~dead * 0.5 for (name, _), dead in zip(weight.named_parameters(), rows, strict=True)})
    assert not torch.allclose(weight.matrix(), before)


def test_reads_are_noisy_as_said(source):
    """A receiver adds its noise once a row of tiles; phases move the whole matrix, all samples of a batch alike."""
    x = torch.rand(1, 8, generator=source, dtype=torch.float64).expand(4000, -1)
    weight = mesh(source, 6, 8, imperfections=Imperfections(detector_noise=0.02))
    assert weight.noisy
    for read, exact in ((weight.mvm(x, source), weight.mvm(x)), (weight.vmm(x[:, :6], source), weight.vmm(x[:, :6]))):
        away = (read - exact).detach()
        assert float(away.std()) == pytest.approx(0.02, rel=0.03)
        assert float(torch.corrcoef(away.T).fill_diagonal_(0).abs().max()) < 0.08
    twice = weight.mvm(x.to(torch.complex128), source) - weight.mvm(x).detach()
    assert float(twice.detach().real.std()) == pytest.approx(float(twice.detach().imag.std()), rel=0.05)

    weight = mesh(source, 6, 8, imperfections=Imperfections(phase_noise=0.01))
    with torch.no_grad():
        away = torch.stack([weight.mvm(x[:2], source) - weight.mvm(x[:2]) for _ in range(400)])
    assert torch.equal(away[:, 0], away[:, 1])
    # To first order the variance of W x is sigma^2 times the sum of its squared slopes.
    expected = torch.zeros(6, dtype=torch.float64)
    for k in range(6):
        post = torch.zeros(1, 6, dtype=torch.float64)
        post[0, k] = 1
        expected[k] = sum(float(g.square().sum()) for g in weight.bilinear_grad(post, x[:1]).values())
    torch.testing.assert_close(away[:, 0].std(0), 0.01 * expected.sqrt(), rtol=0.15, atol=0)


def test_ports_multiply_the_matrix_of_each_direction(source):
    """W = g Re(D1 T D2), W_b = g Re(D3 T D4), D of ports that all tiles of a row or a column share."""
    weight = mesh(source, 6, 7, imperfections=Imperfections(port_phase=0.3, port_gain=0.1))
    assert not weight.symmetric
    t = weight.transfer().detach().unflatten(0, (2, 2)).permute(0, 2, 1, 3).reshape(8, 8)
    psi = weight.lo_phase.view(2, 1, 2, 1).expand(2, 4, 2, 4).reshape(8, 8)
    for backward, read in ((False, weight.mvm(torch.eye(7, dtype=torch.float64)).mT), (True, weight.reverse())):
        phase, gain = weight.chip.port_offset[int(backward)]
        ports = (1 + 0.1 * gain) * torch.exp(0.3j * phase)
        whole = ports[:8, None] * t * ports[8:] * torch.exp(-1j * psi)
        torch.testing.assert_close(read.detach(), weight.gain * whole.real[:6, :7])
    torch.testing.assert_close(weight.vmm(torch.eye(6, dtype=torch.float64)), weight.reverse())
    phases = weight.chip.port_offset[:, 0]
    assert float((weight.matrix() - weight.reverse()).norm() / weight.matrix().norm()) > 0.1
    assert not torch.equal(phases[0], phases[1])


@pytest.mark.parametrize("known", [True, False])
def test_ports_cost_ep_its_gradient_and_asymep_mends_it(source, known):
    """Two hidden layers: W_b != W bends the gradient of EP; with the correction of AsymEP it follows the adjoint."""
    names = frozenset({"port_phase", "port_gain"} if known else ())
    ports = Imperfections(port_phase=0.3, port_gain=0.1, known=names)
    source.manual_seed(2)
    net = Network(
        (6, 5, 5, 3), lambda o, i: mesh(source, o, i, imperfections=ports, gradient=gradients.oracle), Sigmoid()
    )
    x, y = torch.rand(8, 6, generator=source, dtype=torch.float64), one_hot(torch.arange(8) % 3, 3, torch.float64)
    solver = GaussSeidel(steps=2000, tolerance=1e-12)
    exact = adjoint_gradient(net, x, y, relax(net, x, solver).state, SquaredError())
    errors = {}
    for kind in (Symmetric, VectorField, AsymEP):
        estimate = kind(beta=1e-2, free=solver, nudged=solver)(net, x, y)
        errors[kind] = compare(estimate.gradients, exact)[0]
    assert errors[AsymEP] < 1e-3 < errors[VectorField]
    assert errors[AsymEP] < 0.05 * errors[Symmetric]


def test_reads_are_homodyne_detection_of_light(source):
    """W x is what a homodyne receiver reads behind the mesh, the photocurrents of a row of tiles added."""
    weight = mesh(source, 6, 7, imperfections=F)
    x = torch.rand(3, 7, generator=source, dtype=torch.float64)
    ports = torch.nn.functional.pad(x, (0, 1)).unflatten(1, (2, 4)) + 0j
    t = weight.transfer().unflatten(0, (2, 2))
    fields = torch.einsum("rcoi,bci->brco", t, ports)
    psi = weight.lo_phase.unflatten(0, (2, 2))[:, :, None]
    currents = weight.gain * homodyne(fields, psi).sum(2)
    torch.testing.assert_close(weight.mvm(x), currents.flatten(1)[:, :6])


def test_light_in_a_tile_ends_as_its_transfer(source):
    weight = mesh(source, 4, 8, imperfections=F)
    x = torch.randn(4, generator=source, dtype=torch.float64) + 0j
    fields = weight.light(x, 1)
    assert len(fields) == 1 + 4 + 1 + 4 + 1
    torch.testing.assert_close(fields[-1], weight.transfer()[1].detach() @ x)


def test_light_is_never_gained(source):
    weight = mesh(source, 8, 8, tile=8, imperfections=Imperfections(insertion_loss_db=0.3, splitter_error=0.05))
    powers = [float(field.abs().square().sum()) for field in weight.light(torch.ones(8, dtype=torch.complex128))]
    assert all(after < before for before, after in pairwise(powers[:-1]))


def test_built_in_cell_is_a_model_like_any_other():
    """A cell that sax would compose of couplers and shifters makes the same matrix and the same gradient."""

    def composed(*, theta, phi, delta_in=0.0, delta_out=0.0, loss_dB=0.0):
        def arm(phase):
            return torch.stack([torch.exp(1j * phase), torch.ones_like(phase) + 0j])

        def coupler(delta):
            s = models.coupler_ideal(delta=delta * torch.ones_like(theta))
            return s["o2", "o3"], s["o1", "o3"]

        (c1, s1), (c2, s2) = coupler(delta_in), coupler(delta_out)
        result = {}
        for into, field in (("o2", (1.0, 0.0)), ("o1", (0.0, 1.0))):
            top, low = (f * a for f, a in zip(field, arm(phi), strict=True))
            top, low = c1 * top + s1 * low, s1 * top + c1 * low
            top, low = (f * a for f, a in zip((top, low), arm(theta), strict=True))
            keep = 10 ** (-loss_dB / 20)
            result |= {(into, "o3"): keep * (c2 * top + s2 * low), (into, "o4"): keep * (s2 * top + c2 * low)}
        return models.reciprocal(result)

    first = mesh(torch.Generator().manual_seed(3), imperfections=F)
    second = mesh(torch.Generator().manual_seed(3), imperfections=F, cell=composed)
    torch.testing.assert_close(first.matrix(), second.matrix(), atol=1e-14, rtol=0)
    post, pre = torch.rand(2, 6, dtype=torch.float64), torch.rand(2, 5, dtype=torch.float64)
    for name, ours in first.bilinear_grad(post, pre).items():
        torch.testing.assert_close(ours, second.bilinear_grad(post, pre)[name], atol=1e-13, rtol=0)


def test_a_cell_that_reflects_is_refused(source):
    def mirror(*, theta, phi):
        return models.mzi(theta=theta, phi=phi) | {("o1", "o1"): torch.full((), 0.1 + 0j)}

    with pytest.raises(ValueError, match=r"reflects \(o1 -> o1\)"):
        mesh(source, cell=mirror)


def test_a_cell_that_is_not_reciprocal_is_refused(source):
    def isolator(*, theta, phi):
        return {key: value for key, value in models.mzi(theta=theta, phi=phi).items() if key[0] in ("o1", "o2")}

    with pytest.raises(ValueError, match="not reciprocal"):
        mesh(source, cell=isolator)


def test_a_cell_without_a_needed_setting_is_refused(source):
    def plain(*, theta, phi):
        return models.mzi(theta=theta, phi=phi)

    with pytest.raises(ValueError, match=r"no setting .*delta_in"):
        mesh(source, cell=plain, imperfections=F)


def test_names_follow_the_parameters(source):
    weight = mesh(source)
    names = weight.heater_names()
    assert list(names) == [name for name, _ in weight.named_parameters()]
    for name, parameter in weight.named_parameters():
        assert len(names[name]) == len(parameter)
        assert parameter.shape[1] == weight.tiles == 4
    assert names["v_theta"][:3] == ["v_mzi_0_0.theta", "v_mzi_0_2.theta", "v_mzi_1_1.theta"]
    assert names["att_theta"][1] == "att_1.theta"
    assert names["u_alpha"][3] == "u_alpha_3.phase"
    flat = [name for group in names.values() for name in group]
    assert set(flat) == set(weight.topology.floorplan(1.0, 1.0))


def test_first_weights_have_the_asked_size(source):
    for imperfections in (Imperfections(), F):
        weight = MeshWeight(128, 128, generator=source, imperfections=imperfections, std=0.05)
        assert float(weight.matrix().std()) == pytest.approx(0.05, rel=0.1)


def test_phases_are_held_in_levels_and_in_range(source):
    weight = mesh(source, imperfections=Imperfections(dac_bits=6))
    step = 2 * math.pi / 64
    for _ in range(20):
        weight.program_({n: torch.randn(p.shape, generator=source).double() for n, p in weight.named_parameters()})
    for parameter in weight.parameters():
        torch.testing.assert_close(parameter / step, (parameter / step).round())
        assert parameter.min() >= 0
        assert parameter.max() <= 2.5 * math.pi + step


def test_updates_below_half_a_level_happen_in_the_end(source):
    """The accumulator: 200 steps of 1/20 level move a phase by 10 levels."""
    weight = mesh(source, imperfections=Imperfections(dac_bits=8))
    step = 2 * math.pi / 256
    start = weight.v_phi.detach().clone()
    push = {n: torch.zeros_like(p) for n, p in weight.named_parameters()}
    push["v_phi"] += step / 20
    for _ in range(200):
        weight.program_(push)
    moved = torch.remainder(weight.v_phi - start + 0.1, 2 * math.pi) - 0.1
    assert (moved - 10 * step).abs().max() <= 1.01 * step


def test_oscillators_undo_the_common_phase_of_crosstalk(source):
    """Unaligned, crosstalk turns Re(T) into another matrix; aligned, the twin's gradient is close to the oracle's."""
    weight = mesh(source, 16, 16, tile=8, imperfections=F)
    post, pre = torch.rand(9, 16, generator=source).double(), torch.rand(9, 16, generator=source).double()
    cosines = []
    for aligned in (True, False):
        device = weight._altered(aligned=aligned)
        cosines.append(compare(gradients.twin(device, post.mT @ pre), gradients.oracle(device, post.mT @ pre))[1])
    assert cosines[0] >= 0.85 > 0.5 > cosines[1]


def test_alignment_is_what_two_quadratures_show(source):
    weight = mesh(source, imperfections=F)
    reads = weight.align_()
    assert reads == 2 * weight.in_features
    measured, believed = weight.transfer().detach(), weight.believed().transfer().detach()

    def misfit(psi):
        return (torch.polar(torch.ones_like(psi), -psi)[:, None, None] * measured - believed).norm(dim=(1, 2))

    best = misfit(weight.lo_phase)
    for shift in (-0.05, 0.05, math.pi):
        assert (misfit(weight.lo_phase + shift) > best).all()


EXACT = GaussSeidel(steps=2000, tolerance=1e-14)


@pytest.mark.parametrize("imperfections", [Imperfections(), F], ids=["exact", "F"])
@pytest.mark.parametrize("sizes", [(10, 9, 5), (10, 9, 8, 5)])
def test_ep_reaches_every_phase_exactly(source, imperfections, sizes):
    net, x, y = problem(source, Sigmoid(), sizes, imperfections)
    estimator = Symmetric(beta=1e-3, free=EXACT, nudged=EXACT)
    reference = adjoint_gradient(net, x, y, relax(net, x, EXACT).state, SquaredError())
    estimate = estimator(net, x, y).gradients
    assert compare(estimate, reference)[0] <= 1e-5
    assert sum(g.numel() for g in estimate.values()) == sum(p.numel() for p in net.parameters())


def test_the_adjoint_of_a_mesh_is_the_derivative_of_the_cost(source):
    net, x, y = problem(source, Sigmoid(), (10, 9, 5), F)
    reference = adjoint_gradient(net, x, y, relax(net, x, EXACT).state, SquaredError())
    for name in ("weights.0.v_phi", "weights.1.att_theta", "weights.1.u_theta"):
        parameter = dict(net.named_parameters())[name]
        direction = torch.randn(parameter.shape, generator=source, dtype=torch.float64)
        costs = []
        for sign in (1, -1):
            with torch.no_grad():
                parameter += sign * 1e-5 * direction
                costs.append(float(SquaredError().value(relax(net, x, EXACT).output, y).mean()))
                parameter -= sign * 1e-5 * direction
        slope = float((reference[name] * direction).sum())
        assert slope == pytest.approx((costs[0] - costs[1]) / 2e-5, rel=1e-4, abs=1e-10)


def test_hard_sigmoids_on_a_mesh_are_exact_where_no_unit_crosses(source):
    net, x, y = problem(source, HardSigmoid(), (10, 9, 5), F, batch=60)
    estimator = Symmetric(beta=1e-3, free=EXACT, nudged=EXACT)
    nudged = estimator(net, x, y).nudged.state
    keep = torch.ones(len(x), dtype=torch.bool)
    constant = net.clamp(x.repeat(2, 1))
    for layer, activation in enumerate(net.activations):
        plus, minus = activation.piece(net.drive(layer, nudged, constant)).split(len(x))
        keep &= (plus == minus).all(1)
    # An output on the edge of its box crosses by the nudge itself, which the drive above leaves out.
    keep &= ((nudged[-1] > 1e-3) & (nudged[-1] < 1 - 1e-3) | (nudged[-1] == nudged[-1].round())).all(1)[: len(x)]
    assert keep.double().mean() >= 0.5
    reference = adjoint_gradient(net, x[keep], y[keep], relax(net, x[keep], EXACT).state, SquaredError())
    assert compare(estimator(net, x[keep], y[keep]).gradients, reference)[0] <= 1e-5


def problem(source, activation, sizes, imperfections, batch=20):
    net = Network(
        sizes, lambda o, i: mesh(source, o, i, imperfections=imperfections, gradient=gradients.oracle), activation
    )
    for operator, norm in zip(net.operators[1:], (0.5, 0.3), strict=False):
        operator.gain *= norm / float(torch.linalg.matrix_norm(operator.matrix(), 2))
        operator._kept = {}
    x = torch.rand(batch, sizes[0], generator=source, dtype=torch.float64)
    y = one_hot(torch.randint(sizes[-1], (batch,), generator=source), sizes[-1], torch.float64)
    return net, x, y


@pytest.mark.parametrize(("wrong", "message"), [({"tile": 1}, "2 modes"), ({"std": 0.0}, "positive")])
def test_impossible_meshes_are_refused(source, wrong, message):
    with pytest.raises(ValueError, match=message):
        MeshWeight(4, 4, generator=source, **wrong)
