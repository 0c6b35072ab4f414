"""What a device costs, by hand from its parts; presets say every number once."""

import math
from dataclasses import fields, replace

import pytest
import torch

from ep_core import DenseWeight, Paired
from ep_core.cost import Cost, Part
from ep_core.nudge import IdealNudge
from ep_core.parts import Converter
from photonic_ep import FloorPlan, Imperfections, IntensityNudge, MeshWeight, clements, presets
from photonic_ep.detect import BalancedDetector
from photonic_ep.hardware import Hardware, Shifter, Supply

DEVICES = {name: value for name, value in vars(presets).items() if isinstance(value, presets.Device)}


def operator(out=20, into=30, **options):
    return MeshWeight(out, into, generator=torch.Generator().manual_seed(0), **options)


def test_heaters_hold_a_phase_with_power():
    """784-256-10 with every phase at pi: 435,200 heaters of 24.77 mW."""
    source = torch.Generator().manual_seed(0)
    layers = [operator(256, 784), presets.DEVICE_F.weight(10, 256, generator=source)]
    watts = 0.0
    for weight in layers:
        weight.program_({name: math.pi - p for name, p in weight.named_parameters()})
        watts += weight.cost().total("hold").watts
    assert sum(p.numel() for weight in layers for p in weight.parameters()) == 435_200
    assert watts == pytest.approx(435_200 * 24.77e-3, rel=2e-3)


def test_a_read_counts_ports_and_takes_them_in_turn():
    weight, parts = operator(), Hardware()
    for backward, senders, receivers, split in ((False, 30, 20, 3), (True, 20, 30, 4)):
        read = weight.cost(backward=backward).read
        assert read["dac"].joules == pytest.approx(senders * parts.dac.pj * 1e-12)
        assert read["modulator"].joules == pytest.approx(senders * parts.modulator.pj * 1e-12)
        assert read["receiver"].joules == pytest.approx(receivers * parts.receiver.pj * 1e-12)
        assert read["adc"].joules == pytest.approx(receivers * parts.adc.pj * 1e-12)
        assert read["laser"].watts == pytest.approx(senders * split * 1e-3 / 0.1)
        assert read["adc"].area == pytest.approx(50 * parts.adc.mm2)
    expected = 1 / 14e9 + 1e-9 + 1 / 2.7e9 + 1e-9
    assert weight.cost().total("read").seconds == pytest.approx(expected)


def test_area_is_that_of_the_floor_plan():
    weight = operator(16, 8, hardware=Hardware(plan=FloorPlan(pitch_x_um=100.0, pitch_y_um=25.0)))
    # Two tiles: 35 stages of 50 um, 8 waveguides 25 um apart
    assert weight.cost().hold["mesh"].area == pytest.approx(2 * 35 * 50 * 8 * 25 * 1e-6)
    half = operator(16, 8, form="unitary").cost().hold["mesh"].area
    assert half == pytest.approx(operator(16, 8).cost().hold["mesh"].area / 2)


def test_dead_heaters_take_nothing():
    weight = operator(imperfections=Imperfections(stuck=1.0))
    assert weight.cost().total("hold").watts == 0


def test_the_nudge_is_two_modulators_an_output_and_their_light():
    parts = Hardware()
    nudge = IntensityNudge(light=presets.NUDGE_A)
    read = nudge.cost(10).read
    assert read["modulator"].joules == pytest.approx(20 * parts.modulator.pj * 1e-12)
    assert read["laser"].watts == pytest.approx(20 * 1e-3 / 0.1)
    assert nudge.cost(10).total("read").seconds == 0
    assert IdealNudge().cost(10) == Cost()


def test_counts_become_joules():
    cost = operator().cost()
    watts = cost.total().watts
    assert cost.joules(reads=1000, pulses=50, seconds=2.0) == pytest.approx(
        1000 * cost.total("read").joules + 50 * 1e-11 + 2 * watts
    )
    assert set(cost.parts) >= {"read.dac", "read.laser", "write.shifter", "hold.mesh"}
    with pytest.raises(ValueError, match="rename one"):
        _ = cost + cost
    double = cost.renamed("a") + cost.renamed("b")
    assert double.total().area == pytest.approx(2 * cost.total().area)


def test_ideal_weights_cost_nothing_and_pairs_cost_both():
    assert DenseWeight(3, 4, generator=torch.Generator()).cost() == Cost()
    pair = Paired(operator(), operator())
    one = operator().cost()
    assert pair.cost().total("hold").area == pytest.approx(2 * one.total("hold").area)
    assert pair.cost().total("read").joules == pytest.approx(one.total("read").joules)


@pytest.mark.parametrize("device", DEVICES.values(), ids=DEVICES)
def test_presets_are_one_object(device):
    """Operator, nudge and cost come from it; no number of the physics stands in the parts a second time."""
    weight = device.weight(8, 8, generator=torch.Generator().manual_seed(0))
    assert weight.physics is device.imperfections
    assert weight.hardware is device.hardware
    assert device.state_bits == device.hardware.adc.bits == device.hardware.dac.bits
    assert device.imperfections.floor in (None, device.hardware.plan)
    assert device.nudge.detector == device.hardware.receiver.detector
    physics = {field.name for field in fields(Imperfections)}
    for part in (device, *(getattr(device.hardware, f.name) for f in fields(Hardware)), device.nudge):
        names = {f.name for f in fields(part)} if hasattr(part, "__dataclass_fields__") else set()
        assert not names & physics
    assert all(part.source for part in weight.cost().parts.values())


def test_presets_differ_as_their_shifters_do():
    watts, seconds = {}, {}
    for name, device in DEVICES.items():
        cost = device.weight(8, 8, generator=torch.Generator().manual_seed(0)).cost()
        watts[name], seconds[name] = cost.total("hold").watts, cost.total("write").seconds
    assert watts["MEMS"] == watts["NON_VOLATILE"] == 0
    assert watts["HEATERS"] / watts["UNDERCUT"] == pytest.approx(40, rel=0.01)
    assert seconds["MEMS"] < seconds["HEATERS"] < seconds["UNDERCUT"]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Part(joules=-1.0, source="x"), "joules of a part"),
        (lambda: Part(source=""), "needs a source"),
        (lambda: Supply(port_mw=1.0, efficiency=1.5), "between 0 and 1"),
        (lambda: Shifter(mw_pi=-1.0, settle_s=1e-6), "mw_pi of Shifter"),
        (lambda: Converter(bits=8, pj=0.0, sample_s=1e-9, mm2=1e-3), "pj of Converter"),
        (lambda: Hardware(dac=replace(Hardware().dac, bits=6)), "as many bits"),
        (lambda: replace(presets.DEVICE_F, imperfections=Imperfections(floor=FloorPlan(trench=0.5))), "one floor plan"),
        (
            lambda: replace(
                presets.DEVICE_F, nudge=replace(presets.NUDGE_A, detector=BalancedDetector(responsivity=0.9))
            ),
            "one kind of them",
        ),
        (
            lambda: MeshWeight(
                4, 4, imperfections=Imperfections(floor=FloorPlan(trench=0.5)), hardware=Hardware(), topology=clements
            ),
            "one chip has one floor plan",
        ),
    ],
)
def test_what_cannot_be_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
