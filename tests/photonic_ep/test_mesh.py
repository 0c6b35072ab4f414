"""Topologies, their decomposition, and their imperfections' geometry."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import hadamard
from scipy.stats import ortho_group, unitary_group

from photonic_ep import Imperfections, Topology, clements, decompose, fftnet, models, reck
from photonic_ep.mesh import kernel
from photonic_ep.mesh.heat import grid
from photonic_ep.mesh.kernel import Steps, by_steps, cell_matrix, couplers, parted, propagate, stages

SHAPES = [clements, reck]


def rebuild(phases, topology):
    settings = {"theta": torch.from_numpy(phases.theta), "phi": torch.from_numpy(phases.phi)}
    n, batch = topology.modes, phases.alpha.shape[1]
    light = torch.eye(n, dtype=torch.complex128)[:, :, None].expand(n, n, batch)
    fields = propagate(topology, cell_matrix(models.mzi, settings), light)
    return (np.exp(1j * phases.alpha)[:, None] * fields.numpy()).transpose(2, 0, 1)


def special(n):
    dft = np.exp(-2j * np.pi * np.outer(range(n), range(n)) / n) / math.sqrt(n)
    swap = np.kron(np.eye(n // 2), [[0, 1], [1, 0]]) if n % 2 == 0 else np.eye(n)
    half = n // 2
    blocks = np.zeros((n, n), complex)
    blocks[:half, :half] = unitary_group.rvs(half, random_state=5) if half > 1 else 1
    blocks[half:, half:] = unitary_group.rvs(n - half, random_state=6) if n - half > 1 else 1
    hadamards = [hadamard(n) / math.sqrt(n)] if n & (n - 1) == 0 else []
    permutations = [np.eye(n), np.eye(n)[::-1], np.roll(np.eye(n), 1, 0), swap]
    return [*permutations, dft, np.diag(np.exp(1j * np.arange(n))), blocks, *hadamards]


@pytest.mark.parametrize("shape", [*SHAPES, lambda n: clements(n, extra=3)])
@pytest.mark.parametrize("n", [2, 3, 4, 7, 8, 16, 256])
def test_decomposition_rebuilds_any_unitary(shape, n):
    batch = [unitary_group.rvs(n, random_state=s) for s in range(3 if n < 256 else 1)] + [
        ortho_group.rvs(n, random_state=1),
        *special(n),
    ]
    targets = np.stack(batch).astype(complex)
    phases = decompose(targets, shape(n))
    assert phases.theta.min() >= 0
    assert max(phases.theta.max(), phases.phi.max(), phases.alpha.max()) < 2 * np.pi + 1e-12
    assert np.abs(rebuild(phases, shape(n)) - targets).max() <= 1e-13


@settings(max_examples=25, deadline=None)
@given(n=st.integers(2, 9), seed=st.integers(0, 2**32 - 1), shape=st.sampled_from(SHAPES))
def test_decomposition_is_exact_on_haar(n, seed, shape):
    target = unitary_group.rvs(n, random_state=seed)[None]
    assert np.abs(rebuild(decompose(target, shape(n)), shape(n)) - target).max() <= 1e-13


def test_shapes():
    assert clements(5).columns == ((0, 2), (1, 3), (0, 2), (1, 3), (0, 2))
    assert reck(4).columns == ((0,), (1,), (0, 2), (1,), (0,))
    for n in range(2, 12):
        assert len(clements(n).mzis) == len(reck(n).mzis) == n * (n - 1) // 2
        assert len(reck(n).columns) == 2 * n - 3


@pytest.mark.parametrize(
    ("modes", "columns", "message"),
    [
        (1, (), "at least 2 modes"),
        (4, ((0, 1),), "overlap"),
        (4, ((3,),), "leave the 4 modes"),
        (4, ((-1,),), "leave the 4 modes"),
    ],
)
def test_impossible_topologies_are_refused(modes, columns, message):
    with pytest.raises(ValueError, match=message):
        Topology(modes, columns)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Topology(3, ((0,), (1,)), ((0, 1, 2),)), "as many orders"),
        (lambda: Topology(3, ((0,),), ((0, 1, 1),)), "no permutation of 3 modes"),
        (lambda: clements(4, extra=-1), "redundant columns, not -1"),
        (lambda: fftnet(6), "power of 2 modes, not 6"),
    ],
)
def test_impossible_orders_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_an_fftnet_joins_every_input_with_every_output():
    """Butterflies of 50:50 splits, as in a fast Fourier transform, whatever their phases."""
    n, topology = 8, fftnet(8)
    theta = np.full(len(topology.mzis), np.pi / 2)
    phi = 2 * np.pi * np.random.default_rng(0).random(len(topology.mzis))
    cells = cell_matrix(models.mzi, {"theta": torch.from_numpy(theta)[:, None], "phi": torch.from_numpy(phi)[:, None]})
    u = propagate(topology, cells, torch.eye(n, dtype=torch.complex128)[:, :, None])[..., 0].numpy()
    # Every input reaches every output by exactly one way, with the same power
    np.testing.assert_allclose(np.abs(u) ** 2, np.full((n, n), 1 / n), atol=1e-14)
    np.testing.assert_allclose(u @ u.conj().T, np.eye(n), atol=1e-14)
    assert len(topology.mzis) == n // 2 * 3


@pytest.mark.parametrize("modes", [4, 8, 16])
def test_crossings_are_those_of_the_swaps(modes):
    topology = fftnet(modes)
    for column in range(len(topology.columns)):
        lanes, met = list(range(modes)), np.zeros(modes, int)
        for tops in topology.swaps(column):
            for top in tops:
                met[lanes[top]] += 1
                met[lanes[top + 1]] += 1
                lanes[top], lanes[top + 1] = lanes[top + 1], lanes[top]
        assert tuple(lanes) == topology.order(column)
        np.testing.assert_array_equal(topology.crossings(column), met[list(topology.order(column))])


@pytest.mark.parametrize("inputs", [1, 5])
@pytest.mark.parametrize("tiles", [2, 20])
def test_permutations_and_their_losses_propagate(source, inputs, tiles):
    """Against explicit permutation matrices; the compiled columns take what has no loss."""
    turned = (2, 0, 1, 4, 3)
    topology = Topology(5, ((0, 3), (1,), (0, 2)), ((), turned, turned))
    cells = torch.randn(2, 2, len(topology.mzis), tiles, generator=source, dtype=torch.complex128)
    fields = torch.randn(5, inputs, tiles, generator=source, dtype=torch.complex128)
    for crossing in (1.0, 0.8):
        expected, index = fields, 0
        for column, tops in enumerate(topology.columns):
            if topology.order(column):
                lost = crossing ** torch.from_numpy(topology.crossings(column)).double()
                expected = lost[:, None, None] * expected[list(topology.order(column))]
            for top in tops:
                expected = expected.clone()
                expected[top : top + 2] = torch.einsum("ijt,jnt->int", cells[:, :, index], expected[top : top + 2])
                index += 1
        torch.testing.assert_close(propagate(topology, cells, fields, crossing), expected)


def test_any_columns_propagate():
    """Empty and irregular columns, against products of embedded 2 x 2 matrices."""
    topology = Topology(6, ((), (0, 3), (1, 4), (2,), (0, 2, 4)))
    cells = torch.randn(2, 2, len(topology.mzis), 3, dtype=torch.complex128)
    expected = torch.eye(6, dtype=torch.complex128).repeat(3, 1, 1)
    for index, (_, top) in enumerate(topology.mzis):
        step = torch.eye(6, dtype=torch.complex128).repeat(3, 1, 1)
        step[:, top : top + 2, top : top + 2] = cells[:, :, index].permute(2, 0, 1)
        expected = step @ expected
    light = torch.eye(6, dtype=torch.complex128)[:, :, None].expand(6, 6, 3)
    torch.testing.assert_close(propagate(topology, cells, light).permute(2, 0, 1), expected)


@pytest.mark.parametrize(
    ("target", "message"),
    [
        (np.full((1, 4, 4), 0.5), "not unitary: .* reaches"),
        (np.full((1, 4, 4), np.nan), "not unitary"),
        (np.eye(3)[None], "4 modes needs matrices"),
    ],
)
def test_impossible_targets_are_refused(target, message):
    with pytest.raises(ValueError, match=message):
        decompose(target.astype(complex), clements(4))


def test_only_known_shapes_are_decomposed():
    with pytest.raises(ValueError, match="Clements and the Reck"):
        decompose(np.eye(3)[None].astype(complex), Topology(3, ((0,), (1,))))


def test_floorplan_counts_stages():
    places = clements(4).floorplan(2.0, 1.0)
    assert places["v_mzi_0_2.phi"] == (0.0, -2.0)
    assert places["v_mzi_0_2.theta"] == (1.0, -2.0)
    assert places["v_alpha_3.phase"] == (8.0, -3.0)
    assert places["att_1.theta"] == (9.0, -1.0)
    assert places["u_mzi_0_0.phi"] == (10.0, 0.0)
    assert places["u_alpha_0.phase"] == (18.0, 0.0)
    assert len(set(places.values())) == len(places)


def test_crosstalk_follows_its_law():
    names = list(clements(4).floorplan(2.0, 1.0))
    x = grid(clements(4), names, 0.02)
    at = {name: i for i, name in enumerate(names)}

    def share(a, b):
        return float(x[at[a], at[b]])

    assert torch.equal(x, x.T)
    assert not x.diagonal().any()
    assert share("v_mzi_0_0.phi", "v_mzi_0_0.theta") == pytest.approx(0.02)
    assert share("v_mzi_0_0.phi", "v_mzi_0_2.phi") == pytest.approx(0.02 * math.exp(-2))
    assert share("v_mzi_0_0.theta", "v_mzi_1_1.phi") == pytest.approx(0.02 * math.exp(-2 * (math.sqrt(2) - 1)))
    assert share("v_alpha_0.phase", "att_0.theta") == 0
    assert share("v_mzi_0_0.theta", "u_mzi_0_0.theta") == 0


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"phase_error": -0.1}, "phase_error"),
        ({"splitter_error": float("nan")}, "splitter_error"),
        ({"insertion_loss_db": -1.0}, "insertion_loss_db"),
        ({"crosstalk": 1.0}, "below 1"),
        ({"dac_bits": 0}, "dac_bits"),
        ({"dac_volts": True}, "needs dac_bits"),
        ({"stuck": 1.5}, "at most 1"),
        ({"known": frozenset({"moon"})}, "moon"),
    ],
)
def test_impossible_imperfections_are_refused(wrong, message):
    with pytest.raises(ValueError, match=message):
        Imperfections(**wrong)


def test_the_controller_believes_what_it_knows():
    f = Imperfections(phase_error=0.1, splitter_error=0.2, insertion_loss_db=0.3, crosstalk=0.04)
    assert f.believed() == Imperfections(phase_error=0.1, splitter_error=0.2, insertion_loss_db=0.3)
    nothing = Imperfections(phase_error=0.1, crosstalk=0.04, known=frozenset())
    assert nothing.believed() == Imperfections(known=frozenset())


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(
    ("shape", "modes"), [(clements, 2), (clements, 7), (reck, 16), (clements, 21), (reck, 34), (clements, 70)]
)
@pytest.mark.parametrize("inputs", ["all", 1, 19])
@pytest.mark.parametrize("tiles", [3, 21])
def test_compiled_columns_are_those_of_torch(source, shape, modes, dtype, inputs, tiles):
    """Fields and gradients, with loss and a bar state, for the identity and for few inputs, some modes of them dark."""
    topology = shape(modes)
    theta, phi = (6 * torch.rand(len(topology.mzis), tiles, generator=source, dtype=dtype) for _ in range(2))
    theta[0] = math.pi
    cells = cell_matrix(models.mzi, {"theta": theta, "phi": phi, "loss_dB": 0.3}).detach()
    if inputs == "all":
        fields = torch.eye(modes, dtype=cells.dtype)[:, :, None].expand(modes, modes, tiles)
    else:
        fields = torch.randn(modes, inputs, tiles, generator=source, dtype=cells.dtype)
        fields[: modes // 3] = 0
    weight = torch.randn(modes, fields.shape[1], tiles, generator=source, dtype=cells.dtype)
    results = []
    for run in (propagate, lambda *args: list(stages(*args))[-1]):
        leaf = cells.clone().requires_grad_()
        out = run(topology, leaf, fields)
        (slope,) = torch.autograd.grad((weight * out).real.sum(), leaf)
        results.append((out.detach(), slope))
    tolerance = 1e-13 if dtype == torch.float64 else 1e-5
    for mine, theirs in zip(*results, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("most", [1, 6, 32, 10**6])
@pytest.mark.parametrize("topology", [clements(17), clements(6, extra=5), reck(16), fftnet(16)])
def test_steps_in_parts_keep_the_order_of_light(topology, most):
    """Lossy crossings, steps on one row, are among them; steps of different rows may change places."""
    rows = np.concatenate([topology.steps(lossy=True).rows, [(mode, -1) for mode in range(topology.modes)]])
    order = parted(rows, most)
    assert sorted(order) == list(range(len(rows)))
    sets = [{row for row in rows[step] if row >= 0} for step in order]
    for mode in range(topology.modes):
        met = [step for step, touched in zip(order, sets, strict=True) if mode in touched]
        assert met == sorted(met)


@pytest.mark.parametrize("tiles", [3, 21])
@pytest.mark.parametrize("given", [True, False])
# 40 dB lie at the limit: either way will do
@pytest.mark.parametrize(
    ("loss_db", "taken_back"), [(0.5, True), (20.0, True), (40.0, None), (90.0, False), (math.inf, False)]
)
def test_light_that_is_lost_on_the_way_has_its_gradient(source, monkeypatch, loss_db, taken_back, given, tiles):
    """Where fields do not come back through the inverse as they went in, they are remembered instead."""
    remembered = []
    monkeypatch.setattr(kernel, "by_steps", lambda *args, whole=by_steps: remembered.append(1) or whole(*args))
    topology = clements(9)
    theta, phi = (6 * torch.rand(len(topology.mzis), tiles, generator=source) for _ in range(2))
    lost = torch.full_like(theta, 0.1)
    lost[5] = loss_db
    arms = torch.stack([10 ** (-lost / 20), torch.ones_like(lost)])
    none = torch.zeros_like(theta)
    steps = Steps(topology.rows, 9, couplers(none, none), arms=arms)
    turns = [arm * torch.exp(1j * angle) for arm, angle in zip(arms, (theta, phi), strict=True)]

    def cells(e, f):
        return torch.stack([torch.stack([(e - 1) * f, 1j * (e + 1)]), torch.stack([1j * (e + 1) * f, 1 - e])]) / 2

    weight = torch.randn(9, 9, tiles, generator=source, dtype=torch.complex64)
    light = torch.eye(9, dtype=torch.complex64)[:, :, None].expand(9, 9, tiles)
    if given:
        leaf = cells(*turns).requires_grad_()
        found = torch.autograd.grad(propagate(topology, leaf, light), leaf, weight)
        leaf = cells(*turns).to(torch.complex128).requires_grad_()
        wanted = torch.autograd.grad(
            list(stages(topology, leaf, light.to(torch.complex128)))[-1], leaf, weight.to(torch.complex128)
        )
    else:
        angles = theta.requires_grad_(), phi.requires_grad_()
        found = torch.autograd.grad(steps(*angles), angles, weight)
        double = [angle.detach().double().requires_grad_() for angle in angles]
        leaf = cells(*(arm * torch.exp(1j * angle) for arm, angle in zip(arms.double(), double, strict=True)))
        out = list(stages(topology, leaf, light.to(torch.complex128)))[-1]
        wanted = torch.autograd.grad(out, double, weight.to(torch.complex128))
    assert taken_back is None or bool(remembered) is not taken_back
    for mine, theirs in zip(found, wanted, strict=True):
        torch.testing.assert_close(mine.to(theirs.dtype), theirs, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("tiles", [3, 21])
def test_attenuators_that_let_nothing_through_have_their_gradient(source, monkeypatch, tiles):
    """No light is behind them: what was in front is held, and goes back from there."""
    monkeypatch.setattr(kernel, "by_steps", lambda *_: pytest.fail("fields were not taken back"))
    mesh = clements(19).rows
    rows = np.concatenate([mesh, [(mode, -1) for mode in range(19)], mesh])
    theta, phi = (6 * torch.rand(len(rows), tiles, generator=source, dtype=torch.float64) for _ in range(2))
    theta[len(mesh) : len(mesh) + 12] = 0
    errors = 0.1 * torch.randn(2, len(rows), tiles, generator=source, dtype=torch.float64)
    errors[:, len(mesh) : len(mesh) + 19] = 0
    arms = 0.9 + 0.1 * torch.rand(2, len(rows), tiles, generator=source, dtype=torch.float64)
    arms[0, len(mesh) : len(mesh) + 12] = 1
    ratios, angles = couplers(*errors, kept=0.97), (theta.requires_grad_(), phi.requires_grad_())
    steps = Steps(rows, 19, ratios, arms=arms)
    weight = torch.randn(19, 19, tiles, generator=source, dtype=torch.complex128)
    t, results = steps(*angles), []
    results.append((t.detach(), *torch.autograd.grad(t, angles, weight)))
    results.append((t.detach(), *steps.pull(*(angle.detach() for angle in angles), weight)))
    e, f = (arm * torch.exp(1j * angle) for arm, angle in zip(arms, angles, strict=True))
    cc, cs, sc, ss = ratios
    cells = torch.stack(
        [torch.stack([(cc * e - ss) * f, 1j * (cs * e + sc)]), torch.stack([1j * (sc * e + cs) * f, cc - ss * e])]
    )
    assert cells[0, 0, len(mesh)].abs().max() < 1e-15
    t = by_steps(rows, cells, torch.eye(19, dtype=torch.complex128)[:, :, None].expand(19, 19, tiles))
    wanted = (t.detach(), *torch.autograd.grad(t, angles, weight))
    for mine in results:
        for value, its in zip(mine, wanted, strict=True):
            torch.testing.assert_close(value, its, rtol=1e-12, atol=1e-12)


def test_a_gradient_that_is_one_for_all_tiles_reaches_each(source):
    """As a sum over tiles sends it back: all tiles in the same memory."""
    topology, tiles = clements(34), 11
    theta, phi = (6 * torch.rand(len(topology.mzis), tiles, generator=source, dtype=torch.float64) for _ in range(2))
    cells = cell_matrix(models.mzi, {"theta": theta, "phi": phi})
    light = torch.eye(34, dtype=cells.dtype)[:, :, None].expand(34, 34, tiles)
    weight = torch.randn(34, 34, 1, generator=source, dtype=cells.dtype).expand(34, 34, tiles)
    slopes = []
    for run in (propagate, lambda *args: list(stages(*args))[-1]):
        leaf = cells.detach().clone().requires_grad_()
        slopes += torch.autograd.grad(run(topology, leaf, light), leaf, weight)
    torch.testing.assert_close(*slopes, rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("tiles", [1, 21])
@pytest.mark.parametrize(
    ("first", "second", "fields"),
    [
        ([[0.6, 0.8e-9], [0.8, -0.6e-9]], None, [1, 0]),  # rounding comes back in a row that was dark
        ([[0.6, 0.8e-9], [0.8, -0.6e-9]], None, [1e20, 1e20]),  # squares would overflow
        ([[0.6, 0.8e-9], [0.8, -0.6e-9]], None, [1e-25, 1e-25]),  # or be 0
        ([[1, 0], [0, 1e9]], [[0.6, 0.8e-9], [0.8, -0.6e-9]], [1, 1e-9]),  # an error that shrinks again in front
    ],
)
def test_fields_that_do_not_come_back_are_noticed(monkeypatch, first, second, fields, tiles):
    remembered = []
    monkeypatch.setattr(kernel, "by_steps", lambda *args, whole=by_steps: remembered.append(1) or whole(*args))
    steps = [torch.tensor(step, dtype=torch.complex64) for step in (first, second) if step is not None]
    topology = Topology(2, ((0,),) * len(steps))
    cells = torch.stack(steps, 2)[..., None].expand(-1, -1, -1, tiles) * torch.exp(torch.tensor(0.3j))
    light = torch.tensor(fields, dtype=torch.complex64)[:, None, None].expand(2, 1, tiles)
    weight, slopes = torch.ones(2, 1, tiles, dtype=torch.complex64), []
    for run in (propagate, lambda *args: list(stages(*args))[-1]):
        leaf = cells.clone().requires_grad_()
        slopes += torch.autograd.grad(run(topology, leaf, light), leaf, weight)
    assert remembered
    scale = slopes[1].abs().max()
    torch.testing.assert_close(slopes[0] / scale, slopes[1] / scale, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("dtype", "error"), [(torch.float32, 3e-7), (torch.float64, 4e-16)])
@pytest.mark.parametrize("several", [True, False])
def test_any_phase_turns_light_by_its_cosine_and_sine(source, dtype, error, several):
    """Small ones, quarters of a turn, many turns, either sign: T of one MZI each, against numpy in double precision."""
    size = torch.logspace(-8, 4, 500, dtype=torch.float64)
    angles = torch.cat([size, -size, torch.arange(-40, 41) * math.pi / 4, torch.tensor([0.0, -0.0])]).to(dtype)
    count = len(angles)
    phi = angles[torch.randperm(count, generator=source)]
    rows = np.array([[0, 1]]) if several else np.arange(2 * count).reshape(count, 2)
    theta, phi = (part[None] if several else part[:, None] for part in (angles, phi))
    none = torch.zeros_like(theta)
    t = Steps(rows, 2 if several else 2 * count, couplers(none, none))(theta, phi)
    t = (
        t.permute(2, 0, 1)
        if several
        else torch.stack([t[2 * k : 2 * k + 2, 2 * k : 2 * k + 2, 0] for k in range(count)])
    )
    e, f = (np.exp(1j * part.flatten().double().numpy()) for part in (theta, phi))
    half = np.array([[(e - 1) * f, 1j * (e + 1)], [1j * (e + 1) * f, 1 - e]]).transpose(2, 0, 1) / 2
    assert np.abs(t.numpy() - half).max() < error


def test_phases_that_are_no_numbers_give_none():
    rows, none = clements(2).rows, torch.zeros(1, 20)
    for wrong in (math.nan, math.inf):
        assert Steps(rows, 2, couplers(none, none))(torch.full_like(none, wrong), none).isnan().all()


@pytest.mark.parametrize("tiles", [1, 3])
def test_a_gradient_is_its_own_whatever_else_goes_on(source, tiles):
    """Of meshes that share a layout, asked for out of turn, and twice."""
    topology = clements(9)
    none = torch.zeros(len(topology.mzis), tiles, dtype=torch.float64)
    steps = Steps(topology.rows, 9, couplers(none, none))
    weights = torch.randn(3, 9, 9, tiles, generator=source, dtype=torch.complex128)
    angles = [
        [6 * torch.rand(none.shape, generator=source, dtype=none.dtype).requires_grad_() for _ in "tp"] for _ in weights
    ]
    light = torch.randn(9, 5, tiles, generator=source, dtype=torch.complex128)
    cells = [cell_matrix(models.mzi, {"theta": t.detach(), "phi": p.detach()}).requires_grad_() for t, p in angles]
    runs = [(lambda a=a: steps(*a), a, lambda a=a: steps.by_steps(*a), w) for a, w in zip(angles, weights, strict=True)]
    runs += [
        (lambda c=c: propagate(topology, c, light), [c], lambda c=c: list(stages(topology, c, light))[-1], w[:, :5])
        for c, w in zip(cells, weights, strict=True)
    ]
    outs = [run() for run, *_ in runs]
    for k in (2, 0, 4, 1, 5, 0, 3, 2, 4):
        _, leaves, slow, weight = runs[k]
        found = torch.autograd.grad(outs[k], leaves, weight, retain_graph=True)
        for mine, theirs in zip(found, torch.autograd.grad(slow(), leaves, weight), strict=True):
            torch.testing.assert_close(mine, theirs)


@pytest.mark.parametrize("tiles", [1, 3])
def test_light_may_be_changed_before_its_gradient_is_asked_for(source, tiles):
    topology = clements(9)
    theta, phi = (6 * torch.rand(len(topology.mzis), tiles, generator=source, dtype=torch.float64) for _ in range(2))
    cells = cell_matrix(models.mzi, {"theta": theta, "phi": phi}).detach().requires_grad_()
    light = torch.eye(9, dtype=cells.dtype)[:, :, None].expand(9, 9, tiles)
    weight = torch.randn(9, 9, tiles, generator=source, dtype=cells.dtype)
    none = torch.zeros_like(theta)
    steps, angles = Steps(topology.rows, 9, couplers(none, none)), (theta.requires_grad_(), phi.requires_grad_())
    for run, inputs in ((lambda: propagate(topology, cells, light), (cells,)), (lambda: steps(*angles), angles)):
        whole = torch.autograd.grad(run(), inputs, weight)
        for mine, its in zip(torch.autograd.grad(run().mul_(2), inputs, weight), whole, strict=True):
            torch.testing.assert_close(mine, 2 * its)


@pytest.mark.parametrize("tiles", [1, 20])
def test_no_light_is_no_light(tiles):
    topology = clements(9)
    cells = torch.ones(2, 2, len(topology.mzis), tiles, dtype=torch.complex64)
    assert propagate(topology, cells, torch.zeros(9, 0, tiles, dtype=torch.complex64)).shape == (9, 0, tiles)


def test_second_derivatives(source):
    """By way of torch, step by step."""
    topology = clements(4)
    angles = [6 * torch.rand(len(topology.mzis), 2, generator=source, dtype=torch.float64) for _ in range(2)]
    none = torch.zeros_like(angles[0])
    steps = Steps(topology.rows, 4, couplers(none, none))
    phi = angles[1].clone()
    assert torch.autograd.gradgradcheck(lambda theta: steps(theta, phi), (angles[0].requires_grad_(),))
    assert torch.autograd.gradgradcheck(steps, [angle.requires_grad_() for angle in angles])
    cells = cell_matrix(models.mzi, {"theta": angles[0].detach(), "phi": angles[1].detach()})
    fields = torch.randn(4, 3, 2, generator=source, dtype=torch.complex128)
    assert torch.autograd.gradgradcheck(lambda c: propagate(topology, c, fields), (cells.requires_grad_(),))


def test_fields_that_need_a_gradient_get_it(source):
    topology = clements(5)
    angles = torch.rand(2, len(topology.mzis), 2, generator=source, dtype=torch.float64)
    cells = cell_matrix(models.mzi, {"theta": angles[0], "phi": angles[1]})
    fields = torch.randn(5, 3, 2, generator=source, dtype=torch.complex128, requires_grad=True)
    assert torch.autograd.gradcheck(lambda f: propagate(topology, cells, f), (fields,))
    leaf = cells.clone().requires_grad_()
    assert torch.autograd.gradcheck(lambda c: propagate(topology, c, fields.detach()), (leaf,))
