"""Graphs other than chains: their energy, their fixed points, their gradients, and what is refused."""

from functools import partial

import pytest
import torch

from ep_core import (
    Adjoint,
    Backpropagation,
    Convolution,
    CrossEntropy,
    DenseWeight,
    Edge,
    GaussSeidel,
    HardSigmoid,
    Holomorphic,
    Linear,
    Network,
    OneSided,
    Sigmoid,
    Softplus,
    SquaredError,
    Symmetric,
    Tanh,
    Updater,
    adjoint_gradient,
    backpropagation_gradient,
    chain,
    compare,
    fully_connected,
    one_hot,
    relax,
)
from ep_core.adjoint import couplings
from ep_core.contrast import Contrast
from ep_core.train import staircase
from photonic_ep import MeshWeight

EXACT = GaussSeidel(steps=5000, tolerance=1e-13)
DAMPED = GaussSeidel(steps=5000, tolerance=1e-13, damping=0.8)
CONV = (
    (36, 4 * 4 * 2, 2 * 2 * 3, 4),
    [
        Convolution(pre=0, post=1, image=(6, 6, 1), channels=2, kernel=3, pool=1),
        Convolution(pre=1, post=2, image=(4, 4, 2), channels=3, kernel=3, padding=1, pool=2, pooling="mean"),
        Edge(pre=2, post=3),
    ],
)
MAX = (
    (36, 3 * 3 * 2, 3 * 3 * 3, 4),
    [
        Convolution(pre=0, post=1, image=(6, 6, 1), channels=2, kernel=3, padding=1, pool=2),
        Convolution(pre=1, post=2, image=(3, 3, 2), channels=3, kernel=2, padding=2, pool=2),
        Edge(pre=2, post=3),
    ],
)
GRAPHS = {
    "skip": ((6, 5, 4, 3), [*chain((6, 5, 4, 3)), Edge(pre=0, post=2), Edge(pre=1, post=3)]),
    "hopfield": fully_connected(6, 8, 3, blocks=2),
    "conv": CONV,
}


def network(source, graph, activation=None, *, make=None, scale=0.3, **options):
    sizes, edges = graph
    make = make or (lambda o, i: DenseWeight(o, i, std=scale / i**0.5, generator=source, dtype=torch.float64))
    net = Network(sizes, make, activation or Sigmoid(), edges=edges, **options)
    with torch.no_grad():
        for bias in net.biases:
            bias += 0.1 * torch.randn(bias.shape, generator=source, dtype=torch.float64)
    return net


def samples(source, net, batch=5):
    x = torch.rand(batch, net.sizes[0], generator=source, dtype=torch.float64)
    labels = torch.randint(net.sizes[-1], (batch,), generator=source)
    return x, one_hot(labels, net.sizes[-1], torch.float64)


@pytest.mark.parametrize("name", GRAPHS)
def test_the_fixed_point_is_where_the_energy_is_flat(source, name):
    """dE/ds = 0 by autograd of `energy`: drives and energy are two readings of one graph."""
    net = network(source, GRAPHS[name])
    x, _ = samples(source, net)
    state = tuple(s.requires_grad_() for s in relax(net, x, DAMPED).state)
    slopes = torch.autograd.grad(net.energy(state, x).sum(), state)
    assert max(float(slope.abs().max()) for slope in slopes) <= 1e-11


def test_the_energy_of_max_pooling_is_flat_too(source):
    net = network(source, MAX)
    x, _ = samples(source, net)
    state = tuple(s.requires_grad_() for s in relax(net, x, EXACT).state)
    slopes = torch.autograd.grad(net.energy(state, x).sum(), state)
    assert max(float(slope.abs().max()) for slope in slopes) <= 1e-11


@pytest.mark.parametrize("activation", [Tanh(), Softplus(), Linear(), Sigmoid()])
def test_energies_of_neurons_are_the_integrals_of_their_inverse(activation):
    drive = torch.linspace(-1.5, 2.0, 41, dtype=torch.float64)
    state = activation(drive).requires_grad_() if not isinstance(activation, Softplus) else None
    if state is None:
        # scipy's dilogarithm has no autograd
        s, h = activation(drive), 1e-6
        slope = (activation.energy(s + h) - activation.energy(s - h)) / (2 * h)
        torch.testing.assert_close(slope, drive, rtol=0, atol=1e-6)
    else:
        (slope,) = torch.autograd.grad(activation.energy(state).sum(), state)
        torch.testing.assert_close(slope, drive, rtol=0, atol=1e-9)
    drive.requires_grad_()
    (slope,) = torch.autograd.grad(activation(drive).sum(), drive)
    torch.testing.assert_close(slope, activation.slope(drive), rtol=0, atol=1e-12)


# The outputs of the fully connected graph have more than one edge: they cannot be a read-out.
READOUTS = [
    (name, readout) for name in (*GRAPHS, "max") for readout in (False, True) if (name, readout) != ("hopfield", True)
]


@pytest.mark.parametrize(("name", "readout"), READOUTS)
def test_ep_is_the_gradient_on_every_graph(source, name, readout):
    """Symmetric EP against the adjoint, and the adjoint against finite differences, down to every bias."""
    graph = MAX if name == "max" else GRAPHS[name]
    if readout and name == "skip":
        graph = (graph[0], graph[1][:-1])
    loss = CrossEntropy() if readout else SquaredError()
    net = network(source, graph, readout=readout)
    x, y = samples(source, net)
    free = relax(net, x, DAMPED)
    reference = adjoint_gradient(net, x, y, free.state, loss, damping=0.8)
    estimator = Symmetric(beta=1e-3, loss=loss, free=DAMPED, nudged=DAMPED)
    assert compare(estimator(net, x, y).gradients, reference)[0] <= 1e-5
    one_sided = OneSided(beta=1e-3, loss=loss, free=DAMPED, nudged=DAMPED)
    assert compare(one_sided(net, x, y).gradients, reference)[0] <= 1e-2
    for parameter_name, parameter in net.named_parameters():
        direction = torch.randn(parameter.shape, generator=source, dtype=torch.float64)
        costs = []
        for sign in (1, -1):
            with torch.no_grad():
                parameter += sign * 1e-5 * direction
                costs.append(float(loss.value(relax(net, x, DAMPED).output, y).mean()))
                parameter -= sign * 1e-5 * direction
        slope = float((reference[parameter_name] * direction).sum())
        assert slope == pytest.approx((costs[0] - costs[1]) / 2e-5, rel=1e-4, abs=1e-9), parameter_name


@pytest.mark.parametrize("readout", [False, True])
def test_holomorphic_contrast_of_a_graph(source, readout):
    loss = CrossEntropy() if readout else SquaredError()
    net = network(source, CONV, Tanh(), readout=readout)
    x, y = samples(source, net)
    reference = adjoint_gradient(net, x, y, relax(net, x, EXACT).state, loss)
    estimator = Holomorphic(beta=0.1, count=10, loss=loss, free=EXACT, nudged=EXACT)
    assert compare(estimator(net, x, y).gradients, reference)[0] <= 1e-7


def test_convolution_is_torchs(source):
    """`up` against conv2d and max_pool2d, `down` against their derivative."""
    edge = Convolution(pre=0, post=1, image=(6, 5, 3), channels=4, kernel=3, padding=1, pool=1)
    pooled = Convolution(pre=0, post=1, image=(6, 8, 3), channels=4, kernel=3, padding=1, pool=2)
    for conv in (edge, pooled):
        height, width, features = conv.image
        operator = DenseWeight(4, 27, generator=source, dtype=torch.float64)
        kernel = operator.weight.view(4, 3, 3, features).permute(0, 3, 1, 2)
        image = torch.randn(2, height, width, features, generator=source, dtype=torch.float64, requires_grad=True)
        planes = torch.nn.functional.conv2d(image.permute(0, 3, 1, 2), kernel, padding=1)
        if conv.pool > 1:
            planes = torch.nn.functional.max_pool2d(planes, conv.pool)
        expected = planes.permute(0, 2, 3, 1).flatten(1)
        torch.testing.assert_close(conv.up(operator, image.flatten(1)), expected)
        post = torch.randn(expected.shape, generator=source, dtype=torch.float64)
        (slope,) = torch.autograd.grad((expected * post).sum(), image)
        torch.testing.assert_close(conv.down(operator, post, image.flatten(1)), slope.flatten(1))


def test_a_convolution_runs_on_a_mesh(source):
    def make(o, i):
        return MeshWeight(o, i, tile=4, generator=source, dtype=torch.float64)

    net = network(source, MAX, make=make)
    x, y = samples(source, net)
    reference = adjoint_gradient(net, x, y, relax(net, x, EXACT).state, SquaredError())
    estimate = Symmetric(beta=1e-3, free=EXACT, nudged=EXACT)(net, x, y)
    assert compare(estimate.gradients, reference)[0] <= 1e-5
    brief = GaussSeidel(steps=2, tolerance=0.0)
    found = Symmetric(beta=0.1, free=brief, nudged=brief).infer(net, x)
    # The first convolution once at 36 places; a sweep reads the second one at 36 and the last edge once, both ways.
    assert found.reads == len(x) * (36 + 2 * 2 * (36 + 1))


def test_couplings_are_the_jacobian_of_the_drives(source):
    for graph in GRAPHS.values():
        net = network(source, graph)
        x, _ = samples(source, net, batch=1)
        constant, sizes = net.clamp(x), net.sizes[1:]

        def drives(flat, net=net, constant=constant, sizes=sizes):
            state = flat[None].split(sizes, 1)
            return torch.cat([net.drive(layer, state, constant)[0] for layer in range(net.layers)])

        flat = torch.cat(relax(net, x, DAMPED).state, 1)[0]
        jacobian = torch.autograd.functional.jacobian(drives, flat)
        torch.testing.assert_close(couplings(net), jacobian)


@pytest.mark.parametrize("name", [*GRAPHS, "max", "mesh", "readout"])
def test_plain_descent_without_gradients_is_descent(source, name):
    """Operators that learn from their own products end where the gradient's step leads, schedule and rates included."""
    graph = {"max": MAX, "mesh": GRAPHS["skip"], "readout": CONV}.get(name) or GRAPHS[name]

    def build():
        own = torch.Generator().manual_seed(1)
        kinds = {"mesh": lambda o, i: MeshWeight(o, i, tile=4, generator=own, dtype=torch.float64)}
        net = network(own, graph, make=kinds.get(name), readout=name == "readout")
        rates = [0.1 + 0.01 * i for i in range(len(net.operators))]
        schedule = partial(staircase, every=2)
        return net, Updater(net, torch.optim.SGD, lrs=rates, bias_lr=0.05, schedule=schedule)

    (fast, quick), (slow, plain) = build(), build()
    x, y = samples(source, fast)
    estimator = Symmetric(beta=0.1, free=DAMPED, nudged=DAMPED)
    for _ in range(3):
        quick.write_(estimator(fast, x, y))
        slow.program_(plain(estimator(slow, x, y).gradients))
    for mine, theirs in zip(fast.parameters(), slow.parameters(), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=0, atol=1e-12)


def test_descent_refuses_what_is_not_finite_before_it_writes(source):
    net = network(source, GRAPHS["skip"])
    x, _ = samples(source, net)
    state = relax(net, x, EXACT).state
    before = [p.detach().clone() for p in net.parameters()]
    forces = (*state[:-1], torch.full_like(state[-1], float("inf")))
    with pytest.raises(ValueError, match="not finite: nothing was written"):
        Contrast.of(net, forces, state, x).learn_([0.1] * len(net.operators), 0.1)
    for old, new in zip(before, net.parameters(), strict=True):
        assert torch.equal(old, new)


def test_hopfields_units_do_not_couple_to_themselves(source):
    sizes, edges = fully_connected(6, 8, 3, blocks=2)

    def make(edge):
        return lambda o, i: DenseWeight(o, i, generator=source, dtype=torch.float64, hollow=edge.pre == edge.post)

    net = Network(sizes, [make(edge) for edge in edges], Sigmoid(), edges=edges)
    assert len(edges) == 3 + 3 + 3
    assert couplings(net).diagonal().abs().max() == 0
    x, y = samples(source, net)
    estimate = Symmetric(beta=0.1, free=DAMPED, nudged=DAMPED)(net, x, y).gradients
    net.program_({name: -0.1 * gradient for name, gradient in estimate.items()})
    assert couplings(net).diagonal().abs().max() == 0


def test_backpropagation_is_torchs_own(source):
    net = network(source, ((6, 5, 4, 3), chain((6, 5, 4, 3))))
    x, y = samples(source, net)
    weights = [w.weight.detach().clone().requires_grad_() for w in net.operators]
    s = x
    for weight, bias in zip(weights, net.biases, strict=True):
        s = torch.sigmoid(4 * (s @ weight.mT + bias.detach()) - 2)
    slopes = torch.autograd.grad(((s - y) ** 2).sum(1).mean() / 2, weights)
    found = backpropagation_gradient(net, x, y, SquaredError())
    for index, slope in enumerate(slopes):
        torch.testing.assert_close(found[f"weights.{index}.weight"], slope)
    estimated = Backpropagation()(net, x, y).gradients
    assert estimated.keys() == found.keys()
    for name, gradient in found.items():
        assert torch.allclose(estimated[name], gradient, atol=1e-12), name
    inferred = Backpropagation().infer(net, x)
    torch.testing.assert_close(inferred.output, s.detach())
    assert inferred.reads == 3 * len(x)


def test_referees_train_as_estimators(source):
    net = network(source, GRAPHS["skip"])
    x, y = samples(source, net)
    reference = adjoint_gradient(net, x, y, relax(net, x, EXACT).state, SquaredError())
    estimate = Adjoint(free=EXACT)(net, x, y)
    assert compare(estimate.gradients, reference)[0] <= 1e-5
    assert estimate.nudged is None


@pytest.mark.parametrize(
    ("sizes", "edges", "message"),
    [
        ((3, 2, 2, 2), [(0, 1), (1, 2), (2, 3), (3, 1)], "circle 1 -> .*turn one around"),
        ((3, 2), [(1, 0)], "must go from a layer"),
        ((3, 2), [(0, 2)], "must go from a layer"),
        ((3, 2, 2), [(0, 1), (1, 2), (2, 1)], "joined twice"),
        ((3, 2, 2), [(0, 1)], "layer 2 has no edge"),
    ],
)
def test_impossible_graphs_are_refused(sizes, edges, message):
    with pytest.raises(ValueError, match=message):
        Network(sizes, DenseWeight, edges=[Edge(pre=pre, post=post) for pre, post in edges])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: fully_connected(4, 7, 2, blocks=2), "7 hidden units do not fall into 2"),
        (lambda: Network((4, 2), DenseWeight, readout=True), "read-out needs one edge"),
        (lambda: Network((36, 4, 3), DenseWeight, edges=[CONV[1][0], Edge(pre=1, post=2)]), "32 neurons, not 4"),
        (lambda: Convolution(pre=0, post=1, image=(4, 4, 1), channels=1, kernel=5), "does not fit"),
        (lambda: Convolution(pre=0, post=1, image=(4, 4, 1), channels=1, kernel=2, pool=2), "squares of pool 2"),
        (lambda: Convolution(pre=0, post=1, image=(4, 4, 1), channels=0, kernel=2), "must be positive"),
        (lambda: DenseWeight(3, 4, hollow=True), "only a square weight"),
        (lambda: Linear(bits=4), "box with two ends"),
        (lambda: HardSigmoid(noise=-1.0), "noise of neurons"),
    ],
)
def test_impossible_parts_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_max_pooling_is_refused_where_it_cannot_serve(source):
    net = network(source, MAX)
    x, y = samples(source, net)
    with pytest.raises(ValueError, match="without max pooling"):
        Holomorphic()(net, x, y)
    with pytest.raises(ValueError, match="no constant couplings"):
        couplings(net)


def test_neurons_noise_comes_from_the_generator(source):
    net = network(source, GRAPHS["skip"], HardSigmoid(noise=0.04))
    x, _ = samples(source, net, batch=400)
    quiet, noisy = (Symmetric(free=GaussSeidel(steps=1)).infer(net, x, g) for g in (None, source))
    spread = float((noisy.state[0] - quiet.state[0])[(quiet.state[0] > 0.2) & (quiet.state[0] < 0.8)].std())
    assert spread == pytest.approx(0.04, rel=0.1)
