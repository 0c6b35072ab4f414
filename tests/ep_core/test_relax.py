"""Relaxation reaches the fixed point of the energy, counts its reads, and says when it failed."""

import pytest
import torch

from ep_core import (
    DenseWeight,
    GaussSeidel,
    HardSigmoid,
    Ledger,
    Network,
    NotConverged,
    OneSided,
    Sigmoid,
    Symmetric,
    one_hot,
    relax,
)


def network(source, activation, sizes=(6, 5, 4, 3), scale=0.3):
    return Network(
        sizes, lambda o, i: DenseWeight(o, i, std=scale / i**0.5, generator=source, dtype=torch.float64), activation
    )


def inputs(source, batch=7, n=6):
    return torch.rand(batch, n, generator=source, dtype=torch.float64)


@pytest.mark.parametrize("activation", [HardSigmoid(), Sigmoid()])
def test_free_state_is_a_minimum_of_the_energy(source, activation):
    net, x = network(source, activation), inputs(source)
    found = relax(net, x, GaussSeidel(steps=500, tolerance=1e-13))
    assert found.converged.all()
    assert found.residual.max() <= 1e-12
    lowest = net.energy(found.state, x)
    for _ in range(20):
        steps = [1e-3 * torch.randn(s.shape, generator=source, dtype=s.dtype) for s in found.state]
        nearby = tuple((s + d).clamp(1e-9, 1 - 1e-9) for s, d in zip(found.state, steps, strict=True))
        assert (net.energy(nearby, x) >= lowest - 1e-12).all()


@pytest.mark.filterwarnings("ignore::ep_core.NotConverged")
def test_energy_never_rises_in_a_sweep_of_hard_sigmoids(source):
    net, x = network(source, HardSigmoid(), scale=2.0), inputs(source)
    state = net.rest(len(x))
    last = net.energy(state, x)
    for _ in range(30):
        state = relax(net, x, GaussSeidel(steps=1), start=state).state
        now = net.energy(state, x)
        assert (now <= last + 1e-12).all()
        last = now


@pytest.mark.filterwarnings("ignore::ep_core.NotConverged")
@pytest.mark.parametrize("sizes", [(6, 5, 4, 3), (6, 5, 3)])
@pytest.mark.parametrize("activation", [HardSigmoid(), HardSigmoid(bits=4), Sigmoid()])
def test_sweeps_in_their_own_memory_leave_what_is_given_alone(source, activation, sizes):
    net, x = network(source, activation, sizes), inputs(source)
    start = tuple(torch.rand(len(x), n, generator=source, dtype=torch.float64) for n in sizes[1:])
    before = [s.clone() for s in start]
    # With a tolerance sweeps are watched, and keep the state before
    blind = relax(net, x, GaussSeidel(steps=6, tolerance=0.0), start=start)
    watched = relax(net, x, GaussSeidel(steps=6, tolerance=1e-300), start=start)
    assert all(torch.equal(a, b) for a, b in zip(start, before, strict=True))
    for a, b, given in zip(blind.state, watched.state, start, strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-14)
        assert a.data_ptr() != given.data_ptr()


@pytest.mark.filterwarnings("ignore::ep_core.NotConverged")
def test_a_force_may_be_the_state_itself(source):
    class Echo:
        def __call__(self, layer, state, generator):
            return state[layer] if layer == 2 else None

        def take(self, keep):
            return self

    net, x = network(source, HardSigmoid()), inputs(source)
    blind, watched = (
        relax(net, x, GaussSeidel(steps=5, tolerance=tolerance), force=Echo()).state for tolerance in (0.0, 1e-300)
    )
    for a, b in zip(blind, watched, strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-14)


def test_failure_is_admitted(source):
    net, x = network(source, Sigmoid(), scale=2.0), inputs(source)
    with pytest.warns(NotConverged, match="7 of 7 samples did not reach a residual of 1e-09 in 1 sweeps"):
        hasty = relax(net, x, GaussSeidel(steps=1, tolerance=1e-9))
    assert hasty.steps == 1
    assert not hasty.converged.any()
    assert (hasty.residual > 1e-9).all()


@pytest.mark.filterwarnings("ignore::ep_core.NotConverged")
def test_reads_are_counted(source):
    net, x = network(source, Sigmoid()), inputs(source)
    found = relax(net, x, GaussSeidel(steps=4, tolerance=0.0))
    # W0 x once; a sweep reads W1 both ways and W2 both ways
    assert found.reads == 7 * (1 + 4 * found.steps)


def test_every_read_goes_through_the_contract(source):
    """The ledger's count is what operators are really asked for, one-sided and symmetric."""
    for kind, copies in ((OneSided, 1), (Symmetric, 2)):
        net, x = network(source, Sigmoid()), inputs(source)
        asked = count_reads(net)
        for operator in net.operators:
            operator.noisy = True  # else a phase reads the matrix once and multiplies by that
        ledger = Ledger()
        steps = GaussSeidel(steps=3, tolerance=0.0)
        y = one_hot(torch.arange(7) % 3, 3, torch.float64)
        estimate = kind(beta=0.1, free=steps, nudged=steps)(net, x, y, source, ledger)
        assert ledger.samples == 7 * (1 + copies)
        assert ledger.sweeps == estimate.free.steps + estimate.nudged.steps
        # the simulator's own residual costs 4 products a sample and phase more, which no device pays
        assert asked[0] == ledger.reads + 4 * 7 * (1 + copies)


def count_reads(net):
    asked = [0]

    def counting(read):
        def counted(x, generator=None):
            asked[0] += len(x)
            return read(x, generator)

        return counted

    for operator in net.operators:
        operator.mvm, operator.vmm = counting(operator.mvm), counting(operator.vmm)
    return asked


def test_nan_names_its_layer(source):
    net, x = network(source, HardSigmoid()), inputs(source)
    with torch.no_grad():
        net.biases[1].fill_(float("nan"))
    with pytest.raises(FloatingPointError, match="layer"):
        relax(net, x, GaussSeidel(steps=3))


@pytest.mark.parametrize("wrong", [{"steps": 0}, {"tolerance": -1.0}, {"tolerance": float("nan")}])
def test_impossible_solvers_are_refused(wrong):
    with pytest.raises(ValueError, match="steps >= 1"):
        GaussSeidel(**wrong)


@pytest.mark.parametrize("sizes", [(5,), (5, 0, 3), ()])
def test_impossible_sizes_are_refused(source, sizes):
    with pytest.raises(ValueError, match="sizes"):
        network(source, HardSigmoid(), sizes)
