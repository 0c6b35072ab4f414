"""Bills by hand: counts of a ledger times the parts of the operators."""

from functools import partial

import pytest
import torch

from electronic_ep import CrossbarWeight, DigitalWeight
from ep_core import Backpropagation, DenseWeight, GaussSeidel, Ledger, Network, Symmetric, one_hot
from ep_core.bill import bill
from ep_core.quantity import at
from photonic_ep import IntensityNudge, MeshWeight, presets

SIZES = (6, 5, 4)
KINDS = {"digital": DigitalWeight, "crossbar": CrossbarWeight, "mesh": MeshWeight}


def counted(network, estimator, source, updates=3):
    ledger = Ledger()
    for _ in range(updates):
        x = torch.rand(7, network.sizes[0], generator=source)
        y = one_hot(torch.arange(7) % 4, 4, torch.float32)
        gradients = estimator(network, x, y, source, ledger).gradients
        ledger.written(network.program_({name: -0.1 * g for name, g in gradients.items()}, source))
    return ledger


@pytest.mark.parametrize("kind", KINDS)
def test_every_count_is_paid(source, kind):
    net = Network(SIZES, partial(KINDS[kind], generator=source))
    ledger = counted(net, Symmetric(free=GaussSeidel(steps=4), nudged=GaussSeidel(steps=3)), source)
    whole = bill(net, ledger, samples=21)
    (first, _), (up, down) = ((w.cost(), w.cost(backward=True)) for w in net.operators)
    assert ledger.clamps == 21
    assert ledger.ups == ledger.downs > 21 * 3
    assert ledger.rows == 42
    reads = (
        ledger.clamps * first.total("read").joules
        + ledger.ups * up.total("read").joules
        + ledger.downs * down.total("read").joules
    )
    # the input once; in a sweep the hidden layer reads downwards, then the output upwards
    waits = ledger.clamps * first.total("read").seconds + ledger.ups * (
        up.total("read").seconds + down.total("read").seconds
    )
    # the input is the same in both nudged phases: one contrast a sample
    for event, times in (("contrast", (21, 42)), ("update", (ledger.updates,) * 2)):
        for count, cost in zip(times, (first, up), strict=True):
            reads += count * cost.total(event).joules
            waits += count * cost.total(event).seconds
    reads += ledger.pulses * up.total("write").joules
    waits += ledger.rounds * max(cost.total("write").seconds for cost in (first, up))
    watts = first.total().watts + up.total("hold").watts
    watts += max(up.total("read").watts, down.total("read").watts)
    assert whole.seconds == pytest.approx(waits / 21)
    assert whole.watts == pytest.approx(watts)
    assert whole.joules == pytest.approx((reads + watts * waits) / 21)
    assert all(part.source for part in whole.parts.values())


def test_optimiser_nudge_and_constants_are_paid(source):
    net = Network(SIZES, partial(MeshWeight, generator=source, hardware=presets.DEVICE_F.hardware))
    nudge = IntensityNudge(light=presets.NUDGE_A)
    estimator = Symmetric(nudge=nudge, free=GaussSeidel(steps=4), nudged=GaussSeidel(steps=3))
    ledger = counted(net, estimator, source)
    plain, whole = bill(net, ledger, samples=21), bill(net, ledger, samples=21, nudge=nudge, words=100)
    assert ledger.nudges == ledger.rows
    parts = whole.parts
    assert parts["nudge.modulator"].joules == pytest.approx(42 * 8 * 1e-12 * presets.DEVICE_F.hardware.modulator.pj)
    assert parts["nudge.laser"].watts == pytest.approx(8 * 1e-3 / 0.1)
    assert parts["update.optimiser"].joules == pytest.approx(3 * 100 * 1e-12 * presets.DEVICE_F.hardware.accumulator.pj)
    assert whole.joules > plain.joules
    low, high = (bill(net, ledger, samples=21, change=partial(at, case=case)) for case in ("low", "high"))
    assert low.joules < plain.joules < high.joules
    assert low.seconds < plain.seconds < high.seconds
    assert net.operators[0].hardware is presets.DEVICE_F.hardware


def test_backpropagation_goes_up_and_down_once(source):
    net = Network(SIZES, partial(DigitalWeight, generator=source))
    ledger = counted(net, Backpropagation(), source)
    assert (ledger.clamps, ledger.ups, ledger.downs, ledger.rows) == (21, 21, 21, 21)
    assert ledger.reads == 63


def test_ideal_weights_cost_nothing(source):
    net = Network(SIZES, partial(DenseWeight, generator=source))
    assert bill(net, counted(net, Symmetric(), source), samples=1).joules == 0
    with pytest.raises(ValueError, match="at least one sample"):
        bill(net, Ledger(), samples=0)
