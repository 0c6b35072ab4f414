"""The photonic Ising machine: meshes as couplings, noise by the power of the light, learning through phases."""

from functools import partial

import pytest
import torch

from ep_core import BoundedWeight, IsingEP, IsingNetwork, Ledger, NoisyReads, Schedule
from ep_core.bill import Wiring, bill
from ep_core.edge import Edge
from ep_core.ising_fit import fit_ising, ising_error
from ep_core.samplers import SLOPE
from photonic_ep import BalancedDetector, Imperfections, MeshWeight, PowerSwept, presets
from photonic_ep.ising import RECEIVER
from tests.ep_core.ising_laws import probit, shares_of, variation
from tests.ep_core.test_ising import toy


def test_the_mesh_draws_its_own_probit_law(source):
    """Couplings as the light computes them, imperfections included, at two noises."""
    weight = MeshWeight(
        3, 2, tile=4, std=0.5, imperfections=presets.DEVICE_F.imperfections, generator=source, dtype=torch.float64
    )
    fields = [0.4 * torch.randn(1, n, generator=source, dtype=torch.float64) for n in (3, 2)]
    for beta, sweeps in ((0.5, 20), (1.8, 60)):
        exact = probit(*fields, weight.matrix(), SLOPE / beta)
        many = [h.expand(40_000, -1).contiguous() for h in fields]
        machine = NoisyReads(noise=PowerSwept())
        drawn = machine.sample(many, [weight], None, Schedule.constant(beta, sweeps), 1, source)
        assert variation(shares_of(drawn), exact) < 0.02


def test_ports_that_differ_make_the_way_back_another_one(source):
    weight = MeshWeight(
        4, 3, tile=4, std=0.5, imperfections=Imperfections(port_phase=0.6), generator=source, dtype=torch.float64
    )
    assert not weight.symmetric
    many = [torch.zeros(40_000, n, dtype=torch.float64) for n in (4, 3)]
    laws = [
        shares_of(NoisyReads(compiled=c).sample(many, [weight], None, Schedule.constant(1.0, 20), 1, source))
        for c in (True, False)
    ]
    assert variation(*laws) < 0.03


def test_noise_of_phases_is_drawn_in_every_read(source):
    weight = MeshWeight(4, 3, tile=4, std=0.5, imperfections=Imperfections(phase_noise=0.5), generator=source)
    fields = [torch.full((1, 4), 0.1), torch.full((1, 3), 0.1)]
    start = [torch.ones(1, 1, 4), torch.ones(1, 1, 3)]
    cold, schedule = NoisyReads(noise=PowerSwept()), Schedule.constant(1e6, 1)
    drawn = {
        tuple(cold.sample(fields, [weight], start, schedule, 1, source).spins[0].flatten().tolist()) for _ in range(20)
    }
    assert len(drawn) > 1


def test_less_light_is_more_noise_within_the_stated_range():
    swept = PowerSwept()
    floor, most = swept.span
    # By hand at 1 mW: shot 2 e R P B, thermal 4 k T B / 50, intensity noise 1e-14 B (R P)^2 / 2
    r, p, b = 1.2, 1e-3, 1e9
    variance = 2 * 1.602176634e-19 * r * p * b + 4 * 1.380649e-23 * 300 * b / 50 + 1e-14 * b * (r * p) ** 2 / 2
    assert floor == pytest.approx(8 * variance**0.5 / (r * p))
    assert floor < 0.04
    assert most > 17
    assert swept.reached(1e-9) == floor
    assert swept.reached(1e9) == most
    for phi in (0.04, 0.85, 17.0):
        assert swept.reached(phi) == phi
        assert swept.phi(swept.power(phi)) == pytest.approx(phi, rel=1e-6)
    assert swept.power(0.17) > swept.power(0.85)
    assert NoisyReads(noise=swept).coldness(Schedule.constant(1e9, 1)) == pytest.approx([1 / floor])
    assert PowerSwept(detector=BalancedDetector(load_ohm=320.0)).span[0] < floor
    assert RECEIVER.load_ohm == 50


@pytest.mark.parametrize(
    ("settings", "message"),
    [({"least_mw": 0.0}, "powers must be positive"), ({"least_mw": 2.0}, "rise"), ({"full_scale": 0.0}, "full scale")],
)
def test_bad_ranges_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        PowerSwept(**settings)


def test_couplings_on_a_mesh_learn_through_its_phases():
    source = torch.Generator().manual_seed(0)
    make = [
        partial(BoundedWeight, std=0.05, generator=source),
        partial(presets.DEVICE_F.weight, std=0.1, generator=source),
    ]
    net = IsingNetwork((12, 16, 6), make, classes=3, coupling_limit=4.0)
    schedule = Schedule.annealed(0.05, 20.0, 15)
    estimator = IsingEP(sampler=NoisyReads(noise=PowerSwept()), free=schedule, second=schedule, reads=2, keep="mean")
    before, ledger = net.couplings[0].matrix().clone(), Ledger()
    options = {"rates": (0.05, 0.05), "bias_rate": 0.005, "epochs": 8, "batch": 4, "generator": source}
    list(fit_ising(net, toy(), estimator, ledger=ledger, **options))
    assert not torch.equal(before, net.couplings[0].matrix())
    assert ising_error(net, toy().test, estimator) < 15
    assert ledger.pulses > 0


def test_what_a_sample_costs_by_hand(source):
    """Two reads of 15 sweeps: 30 products up and as many down, after one with the input."""
    first, second = presets.DEVICE_F.weight(16, 12, generator=source), presets.DEVICE_F.weight(16, 6, generator=source)
    ledger = Ledger(clamps=10, ups=10 * 30, downs=10 * 30, samples=10)
    edges = [Edge(pre=0, post=1), Edge(pre=2, post=1)]
    found = bill(Wiring(operators=[first, second], edges=edges, sizes=(12, 16, 6)), ledger, samples=10)
    up, down, into = second.cost().total("read"), second.cost(backward=True).total("read"), first.cost().total("read")
    seconds = 10 * (into.seconds + 30 * (up.seconds + down.seconds))
    assert found.seconds == pytest.approx(seconds / 10)
    watts = first.cost().total().watts + second.cost().total("hold").watts + max(up.watts, down.watts)
    joules = 10 * (into.joules + 30 * (up.joules + down.joules)) + seconds * watts
    assert found.joules == pytest.approx(joules / 10)
