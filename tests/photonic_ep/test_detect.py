"""Lasers and detectors: what a circuit's ends do, against closed forms and drawn statistics."""

import math

import pytest
import torch

from photonic_ep import BalancedDetector, Laser, circuit, models
from photonic_ep.detect import emerging

E, K = 1.602176634e-19, 1.380649e-23


def watts(*values):
    return torch.tensor(values, dtype=torch.float64)


def test_light_through_a_coupler_onto_balanced_diodes():
    """Two lasers interfere in a 50:50: P3 - P4 = 2 sqrt(Pa Pb) sin(phase), each port's power from the closed form."""
    netlist = {"instances": {"c": "coupler"}, "ports": {n: f"c,{n}" for n in ("o1", "o2", "o3", "o4")}}
    s, ports = circuit(netlist, {"coupler": models.coupler_ideal})[0].dense()
    a, b = Laser(power_mw=2.0), Laser(power_mw=0.5, phase=0.7)
    fields = emerging(s, ports, {"o1": a.field(), "o2": b.field()})
    detector = BalancedDetector()
    difference = detector.current(fields["o3"].abs().square(), fields["o4"].abs().square())
    assert float(difference) == pytest.approx(1.2 * 2 * math.sqrt(2e-3 * 0.5e-3) * math.sin(0.7), rel=1e-12)
    total = sum(float(f.abs().square()) for f in fields.values())
    assert total == pytest.approx(2.5e-3, rel=1e-12)


@pytest.mark.parametrize(
    ("detector", "variance"),
    [
        ({"shot": True, "rin_db_hz": None}, 2 * E * 1.2 * 3e-3 * 1e9),
        ({"shot": False, "rin_db_hz": -140.0}, 1e-14 * 1e9 * 1.2**2 * (4e-6 + 1e-6)),
        ({"shot": False, "rin_db_hz": None, "load_ohm": 50.0}, 4 * K * 300 * 1e9 / 50),
        ({"shot": False, "rin_db_hz": None, "load_ohm": 50.0, "bandwidth_hz": 4e9}, 4 * K * 300 * 4e9 / 50),
    ],
)
def test_each_noise_is_its_formula_and_its_draws(detector, variance):
    part = BalancedDetector(**detector)
    plus, minus = watts(2e-3), watts(1e-3)
    assert float(part.noise(plus, minus)) == pytest.approx(math.sqrt(variance), rel=1e-12)
    drawn = part.current(plus.expand(100_000), minus.expand(100_000), torch.Generator().manual_seed(0))
    assert float(drawn.mean()) == pytest.approx(1.2e-3, rel=1e-3)
    assert float(drawn.std()) == pytest.approx(math.sqrt(variance), rel=0.02)


def test_a_laser_without_noise_is_still_and_with_noise_spreads():
    assert torch.equal(Laser(power_mw=4.0).field(3), torch.full((3,), 0.004**0.5, dtype=torch.complex128))
    source = torch.Generator().manual_seed(0)
    noisy = Laser(rin_db_hz=-120.0, phase=1.0).field(100_000, bandwidth_hz=1e9, generator=source)
    power = noisy.abs().square()
    assert float(power.std() / power.mean()) == pytest.approx(math.sqrt(1e-12 * 1e9), rel=0.02)
    assert torch.allclose(noisy.angle(), torch.ones(1, dtype=torch.float64))


def test_impossible_ends_are_refused():
    with pytest.raises(ValueError, match="power must be zero or more milliwatts, not -1"):
        Laser(power_mw=-1.0)
    with pytest.raises(ValueError, match="load must be positive"):
        BalancedDetector(load_ohm=0.0)
    with pytest.raises(ValueError, match="power must be zero or more milliwatts, not inf"):
        Laser(power_mw=math.inf)
    with pytest.raises(ValueError, match="intensity noise must be a number"):
        BalancedDetector(rin_db_hz=math.nan)
    with pytest.raises(ValueError, match="give light to at least one port"):
        emerging(torch.zeros(1, 1, dtype=torch.complex128), ("o1",), {})
    with pytest.raises(ValueError, match="no port 'o9' to shine into"):
        emerging(torch.zeros(1, 1, dtype=torch.complex128), ("o1",), {"o9": Laser().field()})
