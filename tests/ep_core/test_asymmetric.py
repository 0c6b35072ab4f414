"""Estimators for backward weights that are not the forward ones, and the controls that clamp the output."""

import pytest
import torch

from ep_core import (
    AsymEP,
    ContrastiveHebbian,
    Convolution,
    CoupledLearning,
    DenseWeight,
    Edge,
    GaussSeidel,
    HolomorphicField,
    Network,
    Paired,
    Sigmoid,
    SquaredError,
    Symmetric,
    VectorField,
    adjoint_gradient,
    chain,
    check_operator,
    compare,
    one_hot,
    relax,
)
from ep_core.testing import NastyWeight

EXACT = GaussSeidel(steps=5000, tolerance=1e-13)
LOSS = SquaredError()


def dense(source, o, i):
    return DenseWeight(o, i, std=0.4 / i**0.5, generator=source, dtype=torch.float64)


def paired(source):
    return lambda o, i: Paired(dense(source, o, i), dense(source, o, i))


def setup(source, make, sizes=(8, 7, 6, 4), edges=None):
    net = Network(sizes, make, Sigmoid(), edges=edges)
    x = torch.rand(6, sizes[0], generator=source, dtype=torch.float64)
    y = one_hot(torch.randint(sizes[-1], (6,), generator=source), sizes[-1], torch.float64)
    return net, x, y, adjoint_gradient(net, x, y, relax(net, x, EXACT).state, LOSS)


def test_paired_keeps_the_contract(source):
    check_operator(Paired(dense(source, 4, 3), dense(source, 4, 3)))
    # One side's crosstalk is unknown to the controller, one side is symmetric: the pair says what each believes.
    check_operator(Paired(NastyWeight(4, 3, generator=source), dense(source, 4, 3)), small=0.04)


def test_paired_sides_must_have_one_shape(source):
    with pytest.raises(ValueError, match=r"one shape, not \(4, 3\) and \(3, 4\)"):
        Paired(dense(source, 4, 3), dense(source, 3, 4))


def test_the_vector_fields_contrast_is_the_symmetric_one_where_weights_are(source):
    net, x, y, reference = setup(source, lambda o, i: dense(source, o, i))
    estimate = VectorField(beta=1e-3, free=EXACT, nudged=EXACT)(net, x, y)
    # Backward reads are the same parameter's: both halves add up to what the energy's contrast gives.
    assert compare(estimate.gradients, reference)[0] <= 1e-5
    symmetric = Symmetric(beta=1e-3, free=EXACT, nudged=EXACT)(net, x, y)
    assert compare(estimate.gradients, symmetric.gradients)[0] <= 1e-5


SKIPPED = [*chain((8, 7, 6, 4)), Edge(pre=1, post=3), Edge(pre=2, post=2)]


@pytest.mark.parametrize("edges", [None, SKIPPED], ids=["chain", "skip and self"])
def test_asymep_is_exact_to_second_order_for_untied_weights(source, edges):
    net, x, y, reference = setup(source, paired(source), edges=edges)
    errors = {}
    for beta in (1e-3, 0.05, 0.1):
        errors[beta] = compare(AsymEP(beta=beta, free=EXACT, nudged=EXACT)(net, x, y).gradients, reference)[0]
    assert errors[1e-3] <= 1e-5
    assert 3.6 <= errors[0.1] / errors[0.05] <= 4.4
    plain, cosine = compare(VectorField(beta=1e-3, free=EXACT, nudged=EXACT)(net, x, y).gradients, reference)
    assert plain >= 0.2, "without the correction the estimate must be wrong here"
    assert cosine < 0.98


def test_asymep_on_nasty_hardware(source):
    net, x, y, _ = setup(source, lambda o, i: NastyWeight(o, i, generator=source))
    for operator in net.operators:
        operator.crosstalk, operator._kept = 0.0, {}
    reference = adjoint_gradient(net, x, y, relax(net, x, EXACT).state, LOSS)
    assert compare(AsymEP(beta=1e-3, free=EXACT, nudged=EXACT)(net, x, y).gradients, reference)[0] <= 1e-5


def test_asymep_refuses_max_pooling(source):
    edges = [Convolution(pre=0, post=1, image=(4, 4, 1), channels=2, kernel=3, pool=2), Edge(pre=1, post=2)]
    net = Network((16, 2, 3), paired(source), Sigmoid(), edges=edges)
    x, y = torch.rand(3, 16, dtype=torch.float64), torch.eye(3, dtype=torch.float64)
    with pytest.raises(ValueError, match="without max pooling"):
        AsymEP()(net, x, y)


def test_complex_nudges_leave_the_bias_of_asymmetry_alone(source):
    """More phases take the error in beta away, not the one of W_b != W (Laborieux & Zenke 2024)."""
    net, x, y, reference = setup(source, paired(source))
    limit = VectorField(beta=1e-4, free=EXACT, nudged=EXACT)(net, x, y).gradients
    away = [
        compare(HolomorphicField(beta=0.1, count=n, free=EXACT, nudged=EXACT)(net, x, y).gradients, limit)[0]
        for n in (2, 4, 6)
    ]
    assert away[0] > 5 * away[1] > 25 * away[2]
    six = HolomorphicField(beta=0.1, count=6, free=EXACT, nudged=EXACT)(net, x, y).gradients
    assert compare(six, reference)[0] >= 0.2


@pytest.mark.parametrize("eta", [1.0, 0.1])
def test_coupled_learning_against_its_definition(source, eta):
    """-(1/eta) [post pre' of the clamped state - of the free one], the clamped state by brute force."""
    net, x, y, _ = setup(source, lambda o, i: dense(source, o, i))
    kind = ContrastiveHebbian if eta == 1 else CoupledLearning
    estimate = kind(eta=eta, free=EXACT, clamped=EXACT)(net, x, y)
    free = relax(net, x, EXACT).state
    held = free[-1] + eta * (y - free[-1])
    assert torch.equal(estimate.nudged.output, held)
    # The hidden layers of the clamped net are a net whose output is an input.
    constant, state = net.clamp(x), [*free[:-1], held]
    for _ in range(500):
        for layer in range(2):
            state[layer] = net.activations[layer](net.drive(layer, state, constant)).detach()
    for index in range(3):
        pre_free, pre_held = (x, x) if index == 0 else (free[index - 1], state[index - 1])
        expected = -(state[index].mT @ pre_held - free[index].mT @ pre_free) / (eta * len(x))
        torch.testing.assert_close(estimate.gradients[f"weights.{index}.weight"], expected, rtol=0, atol=1e-10)


@pytest.mark.parametrize("eta", [0.0, -0.1, 1.5, float("nan")])
def test_impossible_eta_is_refused(eta):
    with pytest.raises(ValueError, match="eta must be"):
        CoupledLearning(eta=eta)


def test_clamping_needs_output_neurons(source):
    net = Network((8, 7, 4), lambda o, i: dense(source, o, i), Sigmoid(), readout=True)
    x, y = torch.rand(4, 8, dtype=torch.float64), torch.eye(4, dtype=torch.float64)
    with pytest.raises(ValueError, match="a network with a read-out has none"):
        CoupledLearning()(net, x, y)
