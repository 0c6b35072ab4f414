"""The estimator of asymmetry against |J - J'|^2 / 2n, its gradient against (2/n)(W - W'), and training with it."""

import math

import pytest
import torch

from ep_core import (
    Convolution,
    DenseWeight,
    Edge,
    Ledger,
    Network,
    Paired,
    Sigmoid,
    VectorField,
    chain,
    compare,
    one_hot,
)
from ep_core.adjoint import couplings
from ep_core.homeostasis import Homeostatic, asymmetry, asymmetry_gradient


def at_angle(source, degrees):
    """A pair whose backward matrix is turned by this angle from the forward one."""

    def make(o, i):
        forward = DenseWeight(o, i, std=0.5 / i**0.5, generator=source, dtype=torch.float64)
        w = forward.matrix()
        other = torch.randn(o, i, generator=source, dtype=torch.float64)
        other -= (other * w).sum() / (w * w).sum() * w
        turn = math.radians(degrees)
        back = math.cos(turn) * w + math.sin(turn) * w.norm() / other.norm() * other
        return Paired(forward, DenseWeight.of(back))

    return make


def network(source, degrees, edges=None):
    return Network((8, 20, 15, 10), at_angle(source, degrees), Sigmoid(), edges=edges)


@pytest.mark.parametrize("degrees", [60, 90])
@pytest.mark.parametrize("edges", [None, [*chain((8, 20, 15, 10)), Edge(pre=1, post=3), Edge(pre=2, post=2)]])
def test_the_estimators_mean_is_the_asymmetry(source, degrees, edges):
    net = network(source, degrees, edges)
    j = couplings(net)
    exact = float((j - j.mT).square().sum()) / (2 * len(j))
    values = asymmetry(net, source, draws=10_000)
    error = float(values.std()) / 100
    assert abs(float(values.mean()) - exact) <= 3 * error
    assert error <= 0.02 * exact, "the draws must be able to tell"


def test_a_symmetric_network_has_none(source):
    net = Network((8, 20, 10), lambda o, i: DenseWeight(o, i, generator=source, dtype=torch.float64), Sigmoid())
    values = asymmetry(net, source, draws=1000)
    assert abs(float(values.mean())) <= 3 * float(values.std()) / 1000**0.5
    # J e . J e - e . J J e vanishes draw by draw where J' = J
    assert float(values.abs().max()) <= 1e-12


@pytest.mark.parametrize("degrees", [60, 90])
def test_its_gradient_closes_the_gap(source, degrees):
    net = network(source, degrees)
    n = 20 + 15 + 10
    mean = asymmetry_gradient(net, source, draws=200_000)
    for index in (1, 2):
        pair = net.operators[index]
        gap = 2 / n * (pair.side("forward").matrix() - pair.side("backward").matrix())
        expected = {"forward": gap, "backward": -gap}
        for name, wanted in expected.items():
            error = mean[f"weights.{index}.{name}.weight"] - wanted
            assert float(error.norm() / wanted.norm()) <= 0.06
    assert set(mean) == {f"weights.{i}.{side}.weight" for i in (1, 2) for side in ("forward", "backward")}


def test_it_is_the_gradient_of_the_asymmetry(source):
    """Against autograd of |J - J'|^2 / 2n itself, with an edge of a layer to itself and a shortcut."""
    edges = [*chain((8, 20, 15, 10)), Edge(pre=1, post=3), Edge(pre=2, post=2)]
    net = network(source, 70, edges)
    names, parameters = zip(*[(n, p) for n, p in net.named_parameters() if n.startswith("weights.")], strict=True)
    eye, sizes = torch.eye(45, dtype=torch.float64), net.sizes[1:]
    rows = [net.drive(layer, eye.split(sizes, 1), [torch.zeros(45, n) for n in sizes]) for layer in range(3)]
    j = torch.cat(rows, 1).mT
    exact = torch.autograd.grad((j - j.mT).square().sum() / 90, parameters, allow_unused=True)
    exact = {n: g for n, g in zip(names, exact, strict=True) if g is not None}
    assert compare(asymmetry_gradient(net, source, draws=400_000), exact)[0] <= 0.05


def test_training_with_it_turns_the_weights_together(source):
    net = network(source, 90)
    x, y = torch.rand(10, 8, generator=source, dtype=torch.float64), one_hot(torch.arange(10), 10, torch.float64)
    ledger, start = Ledger(), float(asymmetry(net, source, draws=1000).mean())
    estimator = Homeostatic(inner=VectorField(beta=0.1), strength=10.0)
    for _ in range(60):
        gradients = estimator(net, x, y, source, ledger).gradients
        net.program_({name: -0.3 * gradient for name, gradient in gradients.items()}, source)
    assert float(asymmetry(net, source, draws=1000).mean()) <= 0.05 * start
    only = Ledger()
    VectorField(beta=0.1)(net, x, y, source, only)
    more = Ledger()
    estimator(net, x, y, source, more)
    assert more.reads - only.reads == 5 * len(x) * 4


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda net, g: asymmetry(net, g, draws=0), "at least 1 draw"),
        (lambda *_: Homeostatic(inner=VectorField(), strength=-1.0), "strength must not be negative"),
        (lambda net, _: Homeostatic(inner=VectorField())(net, torch.rand(2, 8), torch.ones(2, 10)), "a generator"),
    ],
)
def test_what_it_cannot_do_is_refused(source, call, message):
    with pytest.raises(ValueError, match=message):
        call(network(source, 60), source)


def test_max_pooling_is_refused(source):
    edges = [Convolution(pre=0, post=1, image=(4, 4, 1), channels=2, kernel=3, pool=2), Edge(pre=1, post=2)]
    net = Network((16, 2, 3), lambda o, i: DenseWeight(o, i, generator=source), edges=edges)
    with pytest.raises(ValueError, match="without max pooling"):
        asymmetry(net, source)
