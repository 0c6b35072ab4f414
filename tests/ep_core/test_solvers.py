"""Every way to the fixed point reaches the same one, sample by sample, and says when it did not."""

from functools import partial
from unittest.mock import patch

import pytest
import torch

from electronic_ep.nudge import CurrentNudge
from ep_core import (
    Anderson,
    DenseWeight,
    GaussSeidel,
    GradientFlow,
    HardSigmoid,
    IdealNudge,
    Network,
    OneSided,
    Sigmoid,
    Symmetric,
    Synchronous,
    VectorField,
    fully_connected,
    kernel,
    one_hot,
    relax,
)
from ep_core.loss import SquaredError
from ep_core.nudge import Pull
from ep_core.relax import settle
from photonic_ep import BalancedDetector, IntensityNudge, NudgeLight

SOLVERS = [
    Synchronous(steps=3000, tolerance=1e-11),
    GaussSeidel(steps=2000, tolerance=1e-11),
    GaussSeidel(steps=2000, tolerance=1e-11, damping=0.6),
    GradientFlow(steps=5000, tolerance=1e-11, step=0.3),
    Anderson(steps=500, tolerance=1e-11),
]


def network(source, sizes=(8, 7, 6, 3), activation=None, scale=0.5, **options):
    return Network(
        sizes,
        lambda o, i: DenseWeight(o, i, std=scale / i**0.5, generator=source, dtype=torch.float64),
        activation or Sigmoid(),
        **options,
    )


@pytest.mark.parametrize("solver", SOLVERS, ids=lambda s: type(s).__name__)
@pytest.mark.parametrize("activation", [Sigmoid(), HardSigmoid()])
def test_all_reach_the_same_fixed_point(source, solver, activation):
    net = network(source, activation=activation)
    x = torch.rand(6, 8, generator=source, dtype=torch.float64)
    reference = relax(net, x, GaussSeidel(steps=5000, tolerance=1e-14)).state
    found = relax(net, x, solver)
    assert found.converged.all()
    for mine, theirs in zip(found.state, reference, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=0, atol=1e-9)


def test_gauss_seidel_takes_about_half_of_the_synchronous_sweeps_and_anderson_a_third(source):
    net = network(source, (8, 30, 30, 4), scale=0.9)
    x = torch.rand(20, 8, generator=source, dtype=torch.float64)
    kinds = (Synchronous, GaussSeidel, Anderson)
    sweeps = {kind: settle(net, net.clamp(x), kind(steps=5000, tolerance=1e-10)).steps for kind in kinds}
    assert sweeps[GaussSeidel] <= 0.65 * sweeps[Synchronous]
    assert sweeps[Anderson] <= sweeps[GaussSeidel] / 3


def test_at_three_times_the_usual_weights_gauss_seidel_still_converges(source):
    """Looped layers of spectral norm 3: most samples; synchronous sweeps leave many in a circle."""
    net = network(source, (20, 40, 40, 10), HardSigmoid())
    for operator in net.operators[1:]:
        with torch.no_grad():
            operator.weight *= 3 / torch.linalg.matrix_norm(operator.weight, 2)
    x = torch.rand(1000, 20, generator=source, dtype=torch.float64)
    missed = {}
    for kind in (GaussSeidel, Synchronous):
        found = settle(net, net.clamp(x), kind(steps=500, tolerance=1e-4))
        missed[kind] = float((~found.converged).double().mean())
    assert missed[GaussSeidel] <= 0.002
    assert missed[Synchronous] >= 0.02


def test_the_energy_falls_along_the_flow_and_along_damped_sweeps(source):
    sizes, edges = fully_connected(8, 12, 3, blocks=3)
    for solver in (GradientFlow(steps=1, tolerance=0.0, step=0.1), GaussSeidel(steps=1, tolerance=0.0, damping=0.5)):
        net = network(source, sizes, HardSigmoid(), scale=1.0, edges=edges)
        x = torch.rand(6, 8, generator=source, dtype=torch.float64)
        state, last = net.rest(len(x)), None
        for _ in range(40):
            state = settle(net, net.clamp(x), solver, start=state).state
            now = net.energy(state, x)
            assert last is None or (now <= last + 1e-12).all()
            last = now


@pytest.mark.parametrize("solver", SOLVERS, ids=lambda s: type(s).__name__)
def test_a_sample_does_not_depend_on_its_neighbours_in_the_batch(source, solver):
    """Samples stop one by one: each ends where it would end alone, and only its own sweeps are counted."""
    net = network(source)
    x = torch.rand(5, 8, generator=source, dtype=torch.float64)
    alone = [relax(net, x[i : i + 1], solver) for i in range(5)]
    whole = relax(net, x, solver)
    for layer, s in enumerate(whole.state):
        torch.testing.assert_close(s, torch.cat([one.state[layer] for one in alone]), rtol=0, atol=1e-14)
    assert whole.reads == sum(one.reads for one in alone)
    assert whole.steps == max(one.steps for one in alone)
    assert len({one.steps for one in alone}) > 1


# Light without noise: what every sweep draws would be another number in torch's order.
WEAK = NudgeLight(ceiling_mw=0.2, bits=7, extinction_db=13.0)
NUDGES = [
    IdealNudge(),
    IdealNudge(mode="frozen"),
    IntensityNudge(light=NudgeLight(bits=6, extinction_db=20.0)),
    IntensityNudge(light=WEAK, mode="closed", difference=torch.tensor([0.2], dtype=torch.float64)),
    CurrentNudge(ceiling=0.15, bits=6, mode="closed"),
]
NAMES = ["closed", "frozen", "light", "closed light", "closed current"]


def swept(net, x, kind, nudge, tolerance):
    """An estimate by the compiled sweeps and one by torch's."""
    y = one_hot(torch.arange(len(x)) % net.sizes[-1], net.sizes[-1], x.dtype)
    solvers = {"free": GaussSeidel(steps=30, tolerance=tolerance), "nudged": GaussSeidel(steps=5, tolerance=tolerance)}
    estimator = kind(beta=0.3, nudge=nudge, **solvers)
    fast = estimator(net, x, y)
    with patch.object(kernel, "WIDEST", 0):
        assert not kernel.fits(net, [GaussSeidel()], x)
        return fast, estimator(net, x, y)


def boxed(source, hidden, outputs, bits=None):
    """A net whose width fills no vector, or not the last one of them."""
    make = partial(DenseWeight, generator=source, dtype=torch.float64)
    weight = lambda o, i: make(o, i, std=1.0 / i**0.5)  # noqa: E731
    output = HardSigmoid(low=-0.5, high=1.5, bits=bits)
    return Network((8, hidden, outputs), weight, HardSigmoid(bits=bits), output=output)


@pytest.mark.parametrize(("hidden", "outputs"), [(3, 1), (30, 3), (64, 10), (150, 13)])
@pytest.mark.parametrize("nudge", NUDGES, ids=NAMES)
@pytest.mark.parametrize("kind", [Symmetric, OneSided, VectorField])
@pytest.mark.parametrize("bits", [None, 6])
def test_compiled_sweeps_are_those_of_torch(source, hidden, outputs, nudge, kind, bits):
    net = boxed(source, hidden, outputs, bits)
    fast, slow = swept(net, torch.rand(37, 8, generator=source, dtype=torch.float64), kind, nudge, 1e-4)
    close = {"rtol": 0, "atol": 1e-12}
    for mine, theirs in ((fast.free, slow.free), (fast.nudged, slow.nudged)):
        assert (mine.steps, mine.reads) == (theirs.steps, theirs.reads)
        assert torch.equal(mine.converged, theirs.converged)
        torch.testing.assert_close(mine.residual, theirs.residual, **close)
        for a, b in zip((*mine.state, mine.output), (*theirs.state, theirs.output), strict=True):
            torch.testing.assert_close(a, b, **close)
    assert fast.gradients.keys() == slow.gradients.keys()
    for name, gradient in fast.gradients.items():
        torch.testing.assert_close(gradient, slow.gradients[name], **close)


@pytest.mark.parametrize("nudge", NUDGES[:3], ids=NAMES[:3])
def test_levels_in_single_precision_are_torchs(source, nudge):
    """States are levels, but for the few that rounding puts on the other side of a half."""
    net = boxed(source, 60, 10, bits=6)
    x = torch.rand(37, 8, generator=source, dtype=torch.float64)
    fast, slow = swept(net.float(), x.float(), Symmetric, nudge, 1e-4)
    for mine, theirs in ((fast.free, slow.free), (fast.nudged, slow.nudged)):
        for a, b, neurons in zip(mine.state, theirs.state, net.activations, strict=True):
            away = (a - b).abs()
            assert float((away > 1e-5).double().mean()) < 0.01
            assert float(away.max()) < 3 * neurons.level


@pytest.mark.parametrize("nudge", NUDGES[:2], ids=["closed", "frozen"])
def test_compiled_sweeps_in_single_precision_are_as_exact_as_torchs(source, nudge):
    """All sweeps are made: where samples stop by themselves, rounding decides when."""
    net = boxed(source, 60, 10)
    x = torch.rand(37, 8, generator=source, dtype=torch.float64)
    exact = swept(net, x, Symmetric, nudge, 0.0)[1]
    fast, slow = swept(net.float(), x.float(), Symmetric, nudge, 0.0)
    worst = {}
    for name, found in (("fast", fast), ("slow", slow)):
        pairs = [*zip(found.free.state, exact.free.state, strict=True)]
        pairs += [*zip(found.nudged.state, exact.nudged.state, strict=True)]
        worst[name] = max(float((mine - theirs).abs().max()) for mine, theirs in pairs)
    assert worst["fast"] <= 1.5 * worst["slow"] <= 1e-5


def test_a_frozen_nudge_draws_new_noise_for_every_sweep(source):
    light = NudgeLight(full_scale_mw=0.01, ceiling_mw=0.01, detector=BalancedDetector(load_ohm=50.0))
    pull = Pull(
        network=boxed(source, 6, 3),
        loss=SquaredError(),
        nudge=IntensityNudge(light=light),
        beta=torch.ones(400, 1, dtype=torch.float64),
        target=torch.rand(400, 3, generator=source, dtype=torch.float64),
    ).freeze((torch.zeros(400, 6), torch.zeros(400, 3, dtype=torch.float64)))
    drawn = pull.drawn(5, source)
    assert drawn.shape == (6, 400, 3)
    spread = (drawn[:-1] - drawn[-1]).std((1, 2))
    assert (spread > 0.01).all()
    assert spread.std() < 0.1 * spread.mean()
    assert float(torch.corrcoef((drawn[:-1] - drawn[-1]).flatten(1))[0, 1:].abs().max()) < 0.1


RECEIVER = BalancedDetector(load_ohm=50.0, bandwidth_hz=5e9, rin_db_hz=-120.0)
NOISY = [
    NudgeLight(full_scale_mw=0.05, ceiling_mw=0.05, bits=5, extinction_db=13.0, detector=RECEIVER),
    NudgeLight(full_scale_mw=1e-4, ceiling_mw=1e-4, detector=BalancedDetector(rin_db_hz=None)),
]


@pytest.mark.parametrize("light", NOISY, ids=["thermal and intensity", "shot"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_closed_nudge_of_compiled_sweeps_has_the_noise_that_its_hardware_says(source, light, dtype):
    """Without weights the outputs of one sweep are the forces on them: their mean, and their spread a row apart."""
    rows, start = 4000, torch.tensor([0.2, 0.5, 0.9], dtype=dtype)
    net = Network(
        (2, 4, 3),
        lambda o, i: DenseWeight(o, i, std=0.0, generator=source, dtype=dtype),
        HardSigmoid(),
        output=HardSigmoid(low=-9.0, high=9.0),
    )
    nudge = IntensityNudge(light=light, mode="closed", difference=torch.tensor([0.1, -0.1, 0.0], dtype=dtype))
    target = torch.tensor([0.7, 0.1, 0.9], dtype=dtype)
    pull = Pull(
        network=net,
        loss=SquaredError(),
        nudge=nudge,
        beta=torch.ones(rows, 1, dtype=dtype),
        target=target.expand(rows, 3),
    )
    held = torch.zeros(rows, 4, dtype=dtype), start.expand(rows, 3)

    def forces(steps, seed):
        one = GaussSeidel(steps=steps, tolerance=0.0)
        assert kernel.fits(net, [one], target)
        noise = None if seed is None else torch.Generator().manual_seed(seed)
        constant = net.clamp(torch.zeros(rows, 2, dtype=dtype))
        return settle(net, constant, one, start=held, force=pull, generator=noise).state[1]

    found, quiet = forces(1, 0).double(), forces(1, None)
    setting = nudge.emit((target - start)[None])
    torch.testing.assert_close(quiet, nudge.act(setting, None).expand(rows, 3))
    watts = 1e-3 * light.full_scale_mw
    powers = (
        watts * part
        for part in ((1 + nudge.difference / 2) * setting[..., 0], (1 - nudge.difference / 2) * setting[..., 1])
    )
    spread = light.detector.noise(*powers)[0] / (light.detector.responsivity * watts)
    close = {"check_dtype": False, "rtol": 0.05, "atol": 0}
    torch.testing.assert_close(found.std(0), spread, **close)
    assert ((found.mean(0) - quiet[0]).abs() <= 4 * spread / rows**0.5).all()
    assert torch.equal(forces(1, 0).double(), found)
    # Every sweep draws anew
    second = forces(2, 0).double() - nudge.act(nudge.emit(target - found.to(dtype)), None)
    assert float(torch.corrcoef(torch.stack([second[:, 0], found[:, 0]]))[0, 1].abs()) < 0.08


def test_compiled_sweeps_go_on_from_a_state(source):
    net = network(source, (8, 6, 3), HardSigmoid())
    x = torch.rand(4, 8, generator=source, dtype=torch.float64)
    first = settle(net, net.clamp(x), GaussSeidel(steps=3, tolerance=0.0))
    second = settle(net, net.clamp(x), GaussSeidel(steps=3, tolerance=0.0), start=first.state)
    whole = settle(net, net.clamp(x), GaussSeidel(steps=6, tolerance=0.0))
    assert torch.equal(second.state[0], whole.state[0])
    assert torch.equal(second.state[1], whole.state[1])
    assert first.reads + second.reads == whole.reads == 4 * (1 + 2 * 6)


@pytest.mark.parametrize("what", ["input", "bias", "weight"])
@pytest.mark.parametrize("sizes", [(8, 6, 3), (8, 6, 5, 3)])
def test_nan_is_found_and_named(source, what, sizes):
    net = network(source, sizes, HardSigmoid())
    x = torch.rand(4, 8, generator=source, dtype=torch.float64)
    with torch.no_grad():
        if what == "input":
            x[2, 3] = float("nan")
        elif what == "bias":
            net.biases[1][0] = float("nan")
        else:
            net.operators[1].weight[0, 0] = float("nan")
    expected = {"input": "input or bias of layer 1", "bias": "input or bias of layer 2", "weight": "state of layer"}
    with pytest.raises(FloatingPointError, match=expected[what]):
        relax(net, x)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: GaussSeidel(damping=0.0), "damping must be more than 0"),
        (lambda: GradientFlow(step=1.5), "step must be more than 0"),
        (lambda: Anderson(memory=0), "memory >= 1"),
        (lambda: Anderson(steps=0), "steps >= 1"),
    ],
)
def test_impossible_solvers_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize("solver", [GaussSeidel, Synchronous, Anderson])
def test_a_tolerance_of_zero_asks_for_all_sweeps(source, solver):
    """However still the states are; every sweep is counted."""
    for sizes in ((8, 6, 3), (8, 6, 5, 3)):
        net = network(source, sizes, HardSigmoid())
        found = settle(
            net, net.clamp(torch.rand(5, 8, generator=source, dtype=torch.float64)), solver(steps=900, tolerance=0.0)
        )
        assert found.steps == 900
        assert found.reads == 5 * (1 + 900 * 2 * (len(sizes) - 2))
        assert found.residual.max() < 1e-13


@pytest.mark.parametrize("batch", [9, 80])
@pytest.mark.parametrize("sizes", [(8, 70, 5), (8, 7, 6, 3), (8, 90, 80, 70, 4)])
@pytest.mark.parametrize("nudge", [None, *NUDGES], ids=["none", *NAMES])
@pytest.mark.parametrize("bits", [None, 6])
def test_sweeps_that_nobody_watches_are_the_same(source, batch, sizes, nudge, bits):
    """What moves in place, layer by layer, is what moves anew and is looked at: a tolerance that nothing reaches."""
    net = network(source, sizes, HardSigmoid(bits=bits), scale=1.0)
    x, y = (torch.rand(batch, n, generator=source, dtype=torch.float64) for n in (sizes[0], sizes[-1]))
    start = tuple(torch.rand(batch, n, generator=source, dtype=torch.float64) for n in sizes[1:])
    kept = [s.clone() for s in start]
    pull = None
    if nudge is not None:
        beta = 0.3 * torch.randn(batch, 1, generator=source, dtype=torch.float64)
        pull = Pull(network=net, loss=SquaredError(), nudge=nudge, beta=beta, target=y).freeze(start)
    with patch.object(kernel, "WIDEST", 0):
        blind, watched = (
            settle(net, net.clamp(x), GaussSeidel(steps=4, tolerance=tolerance), start=start, force=pull)
            for tolerance in (0.0, 1e-300)
        )
    for mine, theirs in zip((*blind.state, blind.residual), (*watched.state, watched.residual), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=0, atol=1e-12)
    assert all(torch.equal(s, k) for s, k in zip(start, kept, strict=True))


def test_the_mean_of_the_last_sweeps_is_less_noisy(source):
    net = network(source, (8, 6, 3), HardSigmoid(noise=0.05))
    x = torch.rand(400, 8, generator=source, dtype=torch.float64)
    exact = relax(network_without_noise(net), x, GaussSeidel(steps=500, tolerance=1e-13)).state
    spread = {}
    for average in (1, 16):
        found = settle(net, net.clamp(x), GaussSeidel(steps=30, average=average), generator=source)
        spread[average] = float(torch.cat([a - b for a, b in zip(found.state, exact, strict=True)], 1).std())
        assert found.steps == 30
        assert found.reads == 400 * (1 + 2 * 30)
    # Noise of neighbours comes along, so that it is a little more than each neuron's own.
    assert 0.05 < spread[1] < 0.08
    assert spread[16] == pytest.approx(spread[1] / 4, rel=0.3)


def network_without_noise(net):
    quiet = network(torch.Generator(), net.sizes, HardSigmoid())
    quiet.load_state_dict(net.state_dict())
    return quiet


@pytest.mark.parametrize("average", [0, 9])
def test_a_mean_over_sweeps_that_are_not_made_is_refused(average):
    with pytest.raises(ValueError, match=f"averages over 1 to 8 sweeps, which it has, not {average}"):
        GaussSeidel(steps=8, average=average)
