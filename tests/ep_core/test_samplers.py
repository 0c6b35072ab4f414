"""Samplers draw the laws that they say, by enumeration; what they cannot draw from is refused."""

import builtins
import math
from itertools import pairwise

import pytest
import torch

from ep_core import DenseWeight, DimodSampler, HeatBath, Injected, NoisyReads, Paired, Sampler, Schedule
from ep_core.samplers import SLOPE, energy
from ep_core.testing import NastyWeight
from tests.ep_core.ising_laws import boltzmann, probit, shares_of, states, variation

CHAINS = 150_000
# Cold enough that probit and logit differ
WARM, COLD = 0.5, 1.8


def machine(source, sizes=(4, 3), scale=0.5):
    """Fields of one sample, and couplings that settle within a few sweeps."""
    fields = [0.4 * torch.randn(1, n, generator=source, dtype=torch.float64) for n in sizes]
    weights = [DenseWeight(n, m, std=scale, generator=source, dtype=torch.float64) for n, m in pairwise(sizes)]
    return fields, weights


def drawn(sampler, fields, weights, beta, source, sweeps=20, chains=CHAINS):
    many = [h.expand(chains, -1).contiguous() for h in fields]
    return shares_of(sampler.sample(many, weights, None, Schedule.constant(beta, sweeps), 1, source))


@pytest.mark.parametrize("beta", [WARM, COLD])
@pytest.mark.parametrize("compiled", [True, False])
def test_the_heat_bath_is_the_law_of_boltzmann(compiled, beta, source):
    fields, weights = machine(source)
    exact = boltzmann(fields, weights, beta)[0][:, 0]
    assert variation(drawn(HeatBath(compiled=compiled), fields, weights, beta, source), exact) < 0.02


@pytest.mark.parametrize("beta", [WARM, COLD])
@pytest.mark.parametrize("compiled", [True, False])
def test_noisy_reads_are_their_own_probit_law(compiled, beta, source):
    fields, weights = machine(source)
    exact = probit(fields[0], fields[1], weights[0].matrix(), SLOPE / beta)
    assert variation(drawn(NoisyReads(compiled=compiled), fields, weights, beta, source), exact) < 0.02


def test_probit_and_logit_differ_by_more_than_the_tolerance_where_it_is_cold(source):
    fields, weights = machine(source)
    laws = (boltzmann(fields, weights, COLD)[0][:, 0], probit(*fields, weights[0].matrix(), SLOPE / COLD))
    assert variation(*laws) > 0.025
    # So the test above can tell them apart
    assert variation(drawn(NoisyReads(), fields, weights, COLD, source), laws[0]) > 0.02


def test_three_layers_take_turns(source):
    fields, weights = machine(source, (3, 3, 3))
    exact = boltzmann(fields, weights, 0.8)[0][:, 0]
    assert variation(drawn(HeatBath(), fields, weights, 0.8, source, chains=100_000), exact) < 0.02


def test_the_way_back_is_that_of_the_hardware(source):
    """Untied weights: hidden spins feel W, outputs W_b; compiled and in torch alike."""
    fields, _ = machine(source)
    ways = [DenseWeight(4, 3, std=0.6, generator=source, dtype=torch.float64) for _ in range(2)]
    pair = Paired(*ways)
    laws = [drawn(NoisyReads(compiled=c), fields, [pair], 0.8, source, chains=50_000) for c in (True, False)]
    tied = drawn(NoisyReads(), fields, [ways[0]], 0.8, source, chains=50_000)
    assert variation(*laws) < 0.03
    assert variation(laws[0], tied) > 0.1


def test_noise_of_the_reads_themselves_is_drawn(source):
    """Without any noise of its own the machine is certain; the operator's noise makes it waver."""
    weight = NastyWeight(5, 4, generator=source)
    weight.read_noise = 2.0
    fields = [torch.zeros(200, n, dtype=torch.float64) for n in (5, 4)]
    start = [torch.ones(1, 200, n, dtype=torch.float64) for n in (5, 4)]
    cold = NoisyReads(noise=Injected(most=1e-9))
    schedule = Schedule.constant(1.0, 3)
    spins = cold.sample(fields, [weight], start, schedule, 1, source).spins[0][0]
    assert len(spins.unique(dim=0)) > 1
    twin = DenseWeight.of(weight.matrix())
    still = cold.sample(fields, [twin], start, schedule, 1, source).spins[0][0]
    assert len(still.unique(dim=0)) == 1


def test_noise_stays_within_the_stated_range():
    machine = NoisyReads(noise=Injected(floor=0.1, most=2.0))
    cold = machine.coldness(Schedule.of_noise(17.0, 0.04, 5))
    assert cold[0] == pytest.approx(0.5)
    assert cold[-1] == pytest.approx(10)
    assert NoisyReads(noise=Injected(most=1.0)).coldness(Schedule.constant(SLOPE / 0.3, 1)) == pytest.approx([1 / 0.3])


def test_all_machines_find_the_ground_state(source):
    fields, weights = machine(source, (6, 5))
    fields = [h.repeat(3, 1) + 0.1 * torch.randn(3, h.shape[1], generator=source, dtype=torch.float64) for h in fields]
    lowest = energy(fields, weights, states((6, 5))).min(0).values
    schedule = Schedule.annealed(0.1, 20.0, 100)
    for sampler in (HeatBath(), HeatBath(compiled=False), NoisyReads(), DimodSampler()):
        assert isinstance(sampler, Sampler)
        found = sampler.sample(fields, weights, None, schedule, 32, source)
        assert [tuple(s.shape) for s in found.spins] == [(32, 3, 6), (32, 3, 5)]
        best = found.best(fields, weights)
        torch.testing.assert_close(energy(fields, weights, best.spins)[0], lowest)


def test_any_sampler_of_dimod_serves(source):
    import dimod
    from dwave.samplers import TabuSampler

    fields, weights = machine(source)
    lowest = float(energy(fields, weights, states((4, 3))).min())
    for sampler in (dimod.ExactSolver(), TabuSampler()):
        found = DimodSampler(sampler=sampler).sample(fields, weights, None, Schedule.constant(1.0, 5), 2, source)
        assert found.spins[0].shape == (2, 1, 4)
        assert energy(fields, weights, found.spins).flatten().tolist() == pytest.approx([lowest] * 2)


def test_the_library_follows_the_schedule_and_the_first_spins(source):
    """Warm, its spins are those of chance; cold from the start it stays in the valley where it began."""
    fields = [torch.zeros(1, n, dtype=torch.float64) for n in (5, 4)]
    weights = [DenseWeight.of(-torch.ones(5, 4, dtype=torch.float64))]
    start = [torch.ones(300, 1, n, dtype=torch.float64) for n in (5, 4)]
    warm, cold = (
        DimodSampler().sample(fields, weights, start, Schedule.constant(beta, 41), 300, source).spins[0].mean()
        for beta in (0.1, 5.0)
    )
    assert abs(float(warm)) < 0.2
    assert float(cold) == 1


def test_draws_come_from_the_generator_alone(source):
    fields, weights = machine(source)
    for sampler in (HeatBath(), HeatBath(compiled=False), NoisyReads(), NoisyReads(compiled=False), DimodSampler()):
        first, second = (
            sampler.sample(fields, weights, None, Schedule.constant(0.5, 4), 20, torch.Generator().manual_seed(3))
            for _ in range(2)
        )
        assert all(torch.equal(a, b) for a, b in zip(first.spins, second.spins, strict=True))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ((1.0, 2.0, 1.5), "must not fall: sweep 3 goes from 2 to 1.5"),
        ((), "at least one sweep"),
        ((0.0, 1.0), "positive and finite"),
        ((1.0, math.inf), "positive and finite"),
    ],
)
def test_schedules_that_are_none_are_refused(values, message):
    with pytest.raises(ValueError, match=message):
        Schedule(values)


def test_what_cannot_be_drawn_is_refused(source):
    fields, weights = machine(source)
    schedule = Schedule.constant(1.0, 2)
    for sampler in (HeatBath(), NoisyReads(), DimodSampler()):
        with pytest.raises(ValueError, match="reads must be at least 1, not 0"):
            sampler.sample(fields, weights, None, schedule, 0, source)
        with pytest.raises(ValueError, match=r"couplings of shapes \[\(4, 3\)\], not \[\(3, 4\)\]"):
            sampler.sample(fields, [DenseWeight(3, 4)], None, schedule, 1, source)
    with pytest.raises(ValueError, match="floor of 0 or more"):
        Injected(floor=2.0, most=1.0)


def test_machines_with_ranges_get_nothing_beyond(source):
    import dimod

    annealer = dimod.ExactSolver()
    annealer.properties = {"j_range": [-1.0, 1.0], "h_range": [-4.0, 4.0]}
    narrow, schedule = DimodSampler(sampler=annealer), Schedule.constant(1.0, 1)
    fields, weights = machine(source)
    within, beyond = (DenseWeight.of(weights[0].matrix().clamp(-1, 1) * factor) for factor in (1, 4))
    narrow.sample(fields, [within], None, schedule, 1, source)
    with pytest.raises(ValueError, match=r"j_range of the machine is \[-1.0, 1.0\]"):
        narrow.sample(fields, [beyond], None, schedule, 1, source)
    with pytest.raises(ValueError, match="h_range"):
        narrow.sample([5 + h for h in fields], [within], None, schedule, 1, source)


@pytest.mark.parametrize("package", ["dimod", "dwave"])
def test_a_missing_library_names_the_extra(package, monkeypatch, source):
    real = builtins.__import__

    def without(name, *args, **kwargs):
        if name.split(".")[0] == package:
            raise ModuleNotFoundError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    fields, weights = machine(source)
    with pytest.raises(ModuleNotFoundError, match=r"photonic-ep\[ising\]"):
        DimodSampler().sample(fields, weights, None, Schedule.constant(1.0, 1), 1, source)
