"""EP's estimates against the exact adjoint, and the adjoint against finite differences."""

import pytest
import torch

from ep_core import (
    DenseWeight,
    GaussSeidel,
    HardSigmoid,
    Holomorphic,
    IdealNudge,
    Modulator,
    Network,
    OneSided,
    RandomSign,
    Sigmoid,
    SquaredError,
    Symmetric,
    adjoint_gradient,
    compare,
    one_hot,
    relax,
    unrolled_gradient,
)
from ep_core.testing import NastyWeight
from experiments.common.referees import problem

EXACT = GaussSeidel(steps=2000, tolerance=1e-14)
LOSS = SquaredError()


def setup(source, activation, sizes=(12, 9, 8, 5), batch=20):
    net = Network(
        sizes, lambda o, i: DenseWeight(o, i, std=0.5 / i**0.5, generator=source, dtype=torch.float64), activation
    )
    with torch.no_grad():
        # EP's error depends on the net: the looped layers get spectral norms .5 and .3
        for operator, norm in zip(net.operators[1:], (0.5, 0.3), strict=False):
            operator.weight *= norm / torch.linalg.matrix_norm(operator.weight, 2)
    x = torch.rand(batch, sizes[0], generator=source, dtype=torch.float64)
    y = one_hot(torch.randint(sizes[-1], (batch,), generator=source), sizes[-1], torch.float64)
    return net, x, y


def exact(net, x, y):
    return adjoint_gradient(net, x, y, relax(net, x, EXACT).state, LOSS)


@pytest.mark.parametrize("activation", [Sigmoid(), Modulator()])
def test_adjoint_against_finite_differences(source, activation):
    net, x, y = setup(source, activation)
    gradient = exact(net, x, y)
    for name, parameter in net.named_parameters():
        direction = torch.randn(parameter.shape, generator=source, dtype=torch.float64)
        costs = []
        for sign in (1, -1):
            with torch.no_grad():
                parameter += sign * 1e-5 * direction
                costs.append(float(LOSS.value(relax(net, x, EXACT).output, y).mean()))
                parameter -= sign * 1e-5 * direction
        slope = float((gradient[name] * direction).sum())
        assert slope == pytest.approx((costs[0] - costs[1]) / 2e-5, rel=1e-5, abs=1e-9), name


def test_adjoint_without_weight_symmetry(source):
    """With W_b != W the adjoint still is the derivative: vmm has its own gradient."""
    net = Network((6, 5, 4), lambda o, i: NastyWeight(o, i, generator=source), Sigmoid())
    for operator in net.operators:
        operator.crosstalk = 0.0
    x = torch.rand(4, 6, generator=source, dtype=torch.float64)
    y = one_hot(torch.arange(4), 4, torch.float64)
    gradient = exact(net, x, y)
    theta = net.operators[1].theta
    direction = torch.randn(theta.shape, generator=source, dtype=torch.float64)
    costs = []
    for sign in (1, -1):
        with torch.no_grad():
            theta += sign * 1e-5 * direction
            costs.append(float(LOSS.value(relax(net, x, EXACT).output, y).mean()))
            theta -= sign * 1e-5 * direction
    assert float((gradient["weights.1.theta"] * direction).sum()) == pytest.approx(
        (costs[0] - costs[1]) / 2e-5, rel=1e-5
    )


@pytest.mark.parametrize("mode", ["closed", "frozen"])
@pytest.mark.parametrize("sizes", [(12, 9, 5), (12, 9, 8, 5)])
def test_symmetric_estimate_is_exact_to_its_theory(source, mode, sizes):
    net, x, y = setup(source, Sigmoid(), sizes)
    reference = exact(net, x, y)
    errors = {}
    for beta in (1e-3, 0.05, 0.1):
        estimator = Symmetric(beta=beta, free=EXACT, nudged=EXACT, nudge=IdealNudge(mode=mode))
        errors[beta] = compare(estimator(net, x, y).gradients, reference)[0]
    assert errors[1e-3] <= 1e-5
    assert errors[0.1] <= 4e-2
    assert 3.8 <= errors[0.1] / errors[0.05] <= 4.2


@pytest.mark.parametrize("beta", [0.01, -0.01])
def test_one_sided_estimate_errs_in_proportion_to_beta(source, beta):
    net, x, y = setup(source, Sigmoid())
    estimator = OneSided(beta=beta, free=EXACT, nudged=EXACT)
    error, cosine = compare(estimator(net, x, y).gradients, exact(net, x, y))
    assert error <= 3.5 * abs(beta)
    assert cosine > 0.999


@pytest.mark.parametrize("activation", [HardSigmoid(), Modulator()])
def test_kinked_units_are_exact_where_no_unit_crosses(source, activation):
    net, x, y = setup(source, activation, batch=60)
    keep = no_crossing(net, x, y, beta=1e-3)
    assert keep.double().mean() >= 0.5, f"only {keep.double().mean():.2f} of the samples cross no kink"
    estimator = Symmetric(beta=1e-3, free=EXACT, nudged=EXACT)
    error, _ = compare(estimator(net, x[keep], y[keep]).gradients, exact(net, x[keep], y[keep]))
    assert error <= 1e-5


def no_crossing(net, x, y, beta):
    """Samples whose units lie on the same smooth piece in both nudged phases."""
    estimate = Symmetric(beta=beta, free=EXACT, nudged=EXACT)(net, x, y)
    constant = net.clamp(x.repeat(2, 1))
    state = estimate.nudged.state
    keep = torch.ones(len(x), dtype=torch.bool)
    for layer, activation in enumerate(net.activations):
        drive = net.drive(layer, state, constant)
        if layer == len(state) - 1:
            drive = drive - beta * torch.cat([state[-1][: len(x)] - y, -(state[-1][len(x) :] - y)])
        plus, minus = activation.piece(drive).split(len(x))
        keep &= (plus == minus).all(1)
    return keep


@pytest.mark.parametrize("sizes", [(12, 9, 5), (12, 9, 8, 5)])
@pytest.mark.parametrize("backend", ["dense", "mesh"])
def test_holomorphic_estimate_gains_an_order_a_phase(source, sizes, backend):
    if backend == "dense":
        net, x, y = setup(source, Sigmoid(), sizes)
    else:
        net, x, y = problem("mesh", sizes[1:-1], Sigmoid(), batch=20, seed=0)
    reference = exact(net, x, y)
    for count, bar in ((4, 4e-4), (6, 4e-5), (10, 1e-6)):
        estimate = Holomorphic(beta=0.1, count=count, free=EXACT, nudged=EXACT)(net, x, y)
        assert compare(estimate.gradients, reference)[0] <= bar
        brief = GaussSeidel(steps=3, tolerance=0.0)
        nudged = Holomorphic(beta=0.1, count=count, free=EXACT, nudged=brief)(net, x, y).nudged
        assert nudged.reads == 3 * 2 * 2 * (len(sizes) - 2) * count * len(x)


def test_two_phases_of_the_holomorphic_estimate_are_the_symmetric_one(source):
    net, x, y = setup(source, Sigmoid())
    two = Holomorphic(beta=0.1, count=2, free=EXACT, nudged=EXACT)(net, x, y).gradients
    symmetric = Symmetric(beta=0.1, free=EXACT, nudged=EXACT)(net, x, y).gradients
    assert compare(two, symmetric)[0] <= 1e-12


def test_random_sign_is_one_sided_with_either_sign(source):
    net, x, y = setup(source, Sigmoid())
    estimator = RandomSign(beta=0.1, free=EXACT, nudged=EXACT)
    sides = [OneSided(beta=b, free=EXACT, nudged=EXACT)(net, x, y).gradients for b in (0.1, -0.1)]
    generator = torch.Generator().manual_seed(0)
    seen = set()
    for _ in range(12):
        drawn = estimator(net, x, y, generator).gradients
        errors = [compare(drawn, side)[0] for side in sides]
        assert min(errors) <= 1e-12
        seen.add(errors.index(min(errors)))
    assert seen == {0, 1}
    # The mean of both signs is the symmetric estimate: the errors of first order cancel.
    mean = {name: (sides[0][name] + sides[1][name]) / 2 for name in sides[0]}
    assert compare(mean, exact(net, x, y))[0] < compare(sides[0], exact(net, x, y))[0] / 5


@pytest.mark.parametrize("activation", [Sigmoid(), HardSigmoid(), Modulator()])
def test_backpropagation_through_time_is_the_adjoint(source, activation):
    net, x, y = setup(source, activation)
    state = relax(net, x, EXACT).state
    reference = adjoint_gradient(net, x, y, state, LOSS)
    assert compare(unrolled_gradient(net, x, y, state, LOSS, steps=200), reference)[0] <= 1e-12
    short, longer = (compare(unrolled_gradient(net, x, y, state, LOSS, steps=n), reference)[0] for n in (2, 8))
    assert longer < short


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda *_: Holomorphic(count=0), "needs an even number of phases, not 0"),
        (lambda *_: Holomorphic(count=3), "needs an even number of phases, not 3"),
        (lambda net, x, y: Holomorphic()(net, x, y), "smooth neurons without levels, not HardSigmoid"),
        (lambda net, x, y: RandomSign()(net, x, y), "give it a generator"),
        (lambda net, x, y: unrolled_gradient(net, x, y, net.rest(len(x)), LOSS, steps=0), "at least 1 step, not 0"),
    ],
)
def test_estimators_refuse_what_they_cannot_run_on(source, make, message):
    net, x, y = setup(source, HardSigmoid())
    with pytest.raises(ValueError, match=message):
        make(net, x, y)


@pytest.mark.parametrize("beta", [0.0, float("nan"), float("inf")])
def test_impossible_beta_is_refused(beta):
    with pytest.raises(ValueError, match="beta"):
        Symmetric(beta=beta)


def test_adjoint_of_a_large_net_with_two_threads(source):
    """torch's batched solve fails here (266 neurons, two threads); the referee must not."""
    net = Network((20, 256, 10), lambda o, i: DenseWeight(o, i, generator=source), Sigmoid())
    x, y = torch.rand(100, 20, generator=source), one_hot(torch.arange(100) % 10, 10, torch.float32)
    torch.set_num_threads(2)
    state = relax(net, x, GaussSeidel(steps=200, tolerance=1e-6)).state
    gradient = adjoint_gradient(net, x, y, state, LOSS)
    torch.set_num_threads(1)
    estimate = Symmetric(beta=0.01, free=GaussSeidel(steps=200, tolerance=1e-6), nudged=GaussSeidel(steps=50))
    assert compare(estimate(net, x, y).gradients, gradient)[1] >= 0.99


def test_compare_wants_the_same_parameters():
    with pytest.raises(ValueError, match="different parameters"):
        compare({"a": torch.ones(1)}, {"b": torch.ones(1)})
