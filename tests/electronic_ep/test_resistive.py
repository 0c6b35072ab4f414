"""Resistive networks: Kirchhoff's law, the co-content, EP against finite differences, ngspice as diodes get ideal."""

import math
import shutil
from itertools import pairwise

import pytest
import torch

from electronic_ep import ConductanceWeight, ResistiveNetwork, spice
from ep_core import (
    CoupledLearning,
    DenseWeight,
    GaussSeidel,
    OneSided,
    SquaredError,
    Symmetric,
    Updater,
    VectorField,
    adjoint_gradient,
    check_operator,
    compare,
    fit,
    one_hot,
    relax,
)
from ep_core.data import Dataset, Split
from experiments.common.referees import uncrossed

needs_ngspice = pytest.mark.skipif(shutil.which("ngspice") is None, reason=spice.MISSING)
ONES = torch.ones(2, 6, dtype=torch.float64)
EXACT = GaussSeidel(steps=5000, tolerance=1e-14)


def made(source, *sizes, gain=8.0, dtype=torch.float64):
    return ResistiveNetwork(sizes, lambda *shape: ConductanceWeight(*shape, generator=source, dtype=dtype), gain=gain)


@pytest.fixture
def problem(source):
    net = made(source, 6, 8, 7, 4)
    return (
        net,
        torch.rand(10, 6, generator=source, dtype=torch.float64),
        one_hot(torch.arange(10) % 4, 4, torch.float64),
    )


def co_content(net, state, x):
    """1/2 sum g (v_j - v_k)^2, resistor by resistor."""
    below, total = torch.cat([8 * x, -8 * x, torch.ones(len(x), 1), -torch.ones(len(x), 1)], 1), 0.0
    for operator, above in zip(net.operators, state, strict=True):
        total = total + (operator.g * (above[:, :, None] - below[:, None]) ** 2).sum((1, 2)) / 2
        below = above
    return total


def test_the_operator_keeps_the_contract(source):
    check_operator(ConductanceWeight(5, 4, least=0.05, generator=source, dtype=torch.float64))


def test_writes_stop_at_the_end_of_the_range(source):
    operator = ConductanceWeight(3, 2, least=0.25, generator=source)
    written = operator.program_({"g": torch.tensor([[-2.0, 0.0], [0.5, -2.0], [0.0, 0.0]])})
    assert (written.pulses, written.clipped) == (3, 2)
    assert float(operator.matrix().min()) == 0.25


def test_the_free_state_has_the_least_co_content(problem, source):
    net, x, _ = problem
    found = relax(net, x, EXACT)
    torch.testing.assert_close(net.energy(found.state, x), co_content(net, found.state, x))
    least = co_content(net, found.state, x)
    for layer, signed in enumerate((True, True, False)):
        other = [s.detach().clone() for s in found.state]
        moved = other[layer] + 1e-3 * torch.randn(other[layer].shape, generator=source, dtype=torch.float64)
        # Diodes keep even nodes from falling below 0, odd ones from rising above it.
        bounds = torch.tensor([0.0, -math.inf]).repeat(4)[: moved.shape[1]], torch.tensor([math.inf, 0.0]).repeat(4)
        other[layer] = moved.clamp(bounds[0], bounds[1][: moved.shape[1]]) if signed else moved
        assert (co_content(net, other, x) > least).all()
        if signed:
            assert (found.state[layer][:, ::2] >= 0).all()
            assert (found.state[layer][:, 1::2] <= 0).all()
            assert 0.1 < float((found.state[layer] == 0).double().mean()) < 0.9


def test_a_hasty_relaxation_admits_it(problem):
    net, x, _ = problem
    found = Symmetric(free=GaussSeidel(steps=1, tolerance=1e-9)).infer(net, x)
    assert not found.converged.any()


@pytest.mark.parametrize("estimator", [Symmetric, OneSided])
def test_ep_is_the_adjoint_as_beta_vanishes(problem, estimator):
    net, x, y = problem
    keep = uncrossed(net, Symmetric(beta=0.02, free=EXACT, nudged=EXACT), x, y)
    assert keep.sum() >= 5
    x, y = x[keep], y[keep]
    exact = adjoint_gradient(net, x, y, relax(net, x, EXACT).state, SquaredError())
    errors = [
        compare(estimator(beta=beta, free=EXACT, nudged=EXACT)(net, x, y).gradients, exact)[0] for beta in (0.02, 0.01)
    ]
    assert errors[1] <= (1e-4 if estimator is Symmetric else 1e-2)
    assert errors[0] / errors[1] == pytest.approx(4 if estimator is Symmetric else 2, rel=0.05)


@torch.no_grad()
def test_the_adjoint_is_a_finite_difference(problem):
    net, x, y = problem
    exact = adjoint_gradient(net, x, y, relax(net, x, EXACT).state, SquaredError())
    for layer, operator in enumerate(net.operators):
        direction, values = torch.randn_like(operator.g), []
        for sign in (1, -2):
            operator.g += sign * 1e-6 * direction
            values.append(float(SquaredError().value(relax(net, x, EXACT).output, y).mean()))
        operator.g += 1e-6 * direction
        slope = float((exact[f"weights.{layer}.g"] * direction).sum())
        assert slope == pytest.approx((values[0] - values[1]) / 2e-6, rel=1e-6)


def test_coupled_learning_is_the_contrast_of_squared_drops(problem):
    net, x, y = problem
    found = CoupledLearning(eta=0.5, free=EXACT, clamped=EXACT)(net, x, y)
    drops = []
    for state in (found.nudged.state, found.free.state):
        net.zero_grad()
        drops.append(torch.autograd.grad(co_content(net, state, x).mean(), [w.g for w in net.operators]))
    for layer, (held, free) in enumerate(zip(*drops, strict=True)):
        torch.testing.assert_close(found.gradients[f"weights.{layer}.g"], (held - free) / 0.5)


@pytest.mark.parametrize("optimiser", [torch.optim.Adam, torch.optim.SGD])
def test_the_training_loop_is_the_cores(source, optimiser):
    """Four classes by where the light is: learned, and plain descent by the resistors' own products too."""
    labels = torch.arange(200) % 4
    x = 0.2 * torch.rand(200, 8, generator=source) + 0.8 * one_hot(labels, 8, torch.float32)
    parts = {"train": Split(x[:100], labels[:100]), "validation": Split(x[100:], labels[100:])}
    data = Dataset(name="toy", **parts, test=parts["validation"], classes=4)
    net = made(source, 8, 12, 4, dtype=torch.float32)
    rate = 0.02 if optimiser is torch.optim.Adam else 3.0
    updater = Updater(net, optimiser, lrs=[rate, rate], bias_lr=0.0)
    assert updater.plain == (optimiser is torch.optim.SGD)
    estimator = Symmetric(beta=0.1, free=GaussSeidel(tolerance=1e-5), nudged=GaussSeidel(tolerance=1e-5))
    epochs = list(fit(net, data, estimator, updater, epochs=8, batch=10, generator=source))
    assert epochs[-1].loss < 0.5 * epochs[0].loss
    assert epochs[-1].val_error <= 5
    assert min(float(w.matrix().min()) for w in net.operators) >= 0


@needs_ngspice
def test_ngspice_agrees_as_diodes_become_ideal(problem):
    net, x, _ = problem
    state = relax(net, x[:1], EXACT).state
    errors = []
    for ideality in (1.0, 0.1, 0.01, 0.001):
        values = spice.operating_point(spice.resistive_deck(net, x[0], ideality=ideality))
        found = spice.node_voltages(values, net)
        errors.append(max(float((a - b).abs().max()) for a, b in zip(found, state, strict=True)))
    assert errors[3] <= 1e-3
    assert errors[0] > 0.1
    assert [more / less for more, less in pairwise(errors)] == pytest.approx([10, 10, 10], rel=0.1)


@needs_ngspice
def test_an_open_circuit_is_no_resistor(problem):
    net, x, _ = problem
    net.operators[1].program_({"g": -0.5 * torch.ones(7, 8, dtype=torch.float64)})
    assert (net.operators[1].g == 0).any()
    found = spice.node_voltages(spice.operating_point(spice.resistive_deck(net, x[0], ideality=1e-3)), net)
    torch.testing.assert_close(found, relax(net, x[:1], EXACT).state, rtol=0, atol=1e-3)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda _: made(None, 6, 8, 4, gain=0.0), "gain of the input must be positive and finite, not 0"),
        (lambda _: ConductanceWeight(2, 2, least=-0.1), "least >= 0 and most > least, not -0.1 and 1"),
        (lambda _: ConductanceWeight(2, 2, most=0.1, least=0.2), "not 0.2 and 0.1"),
        (lambda net: net.feedforward(ONES), "no pass without feedback"),
        (lambda net: VectorField()(net, ONES, ONES[:, :4]), "edges of energy -s' W s alone"),
        (lambda net: spice.resistive_deck(net, ONES[0], ideality=0.0), "must be positive, not 0.0"),
        (lambda net: spice.resistive_deck(net, ONES[0, :4]), "has 6 inputs, not 4"),
        (lambda net: spice.resistive_deck(net, ONES[0] * math.nan), "finite inputs, not nan"),
        (lambda _: spice.resistive_deck(ResistiveNetwork((6, 3), DenseWeight), ONES[0].float()), "is no resistor"),
    ],
)
def test_bad_input(problem, make, said):
    with pytest.raises(ValueError, match=said):
        make(problem[0])
