"""Circuits in time: closed forms, the S-matrix that a step settles to, and photontorch."""

import math

import numpy as np
import pytest
import torch

from benchmarks.circuit import phases, ring
from photonic_ep import circuit, clements, models, time_domain
from photonic_ep.mesh.netlist import mesh_netlist

MODELS = {"mzi": models.mzi, "straight": models.straight, "coupler": models.coupler_ideal}
DT = 0.05  # ps
C = 299.792458  # um/ps


def mesh(guide_um=100.0):
    netlist = mesh_netlist(clements(4), guide_um=guide_um)
    netlist["instances"] |= {k: {"component": "mzi", "settings": v} for k, v in phases(4, 1).items()}
    return netlist


def all_pass(coupling=0.3, length=60.0, loss_dB_cm=400.0):
    return {
        "instances": {
            "dc": {"component": "coupler", "settings": {"coupling": coupling}},
            "loop": {"component": "straight", "settings": {"length": length, "loss_dB_cm": loss_dB_cm}},
        },
        "connections": {"dc,o3": "loop,o1", "loop,o2": "dc,o2"},
        "ports": {"in": "dc,o1", "out": "dc,o4"},
    }


@pytest.mark.parametrize(
    ("netlist", "lit", "steps"), [(mesh(), "in_1", 300), (ring(), "in", 4000)], ids=["mesh", "ring"]
)
def test_a_step_settles_to_the_s_matrix(netlist, lit, steps):
    whole = time_domain.TimeDomain(netlist, MODELS, dt_ps=DT)
    s, ports = circuit(netlist, MODELS)[0].dense()
    fields = whole.run({lit: time_domain.step(steps, dt_ps=DT)})
    for n, port in enumerate(ports):
        assert abs(complex(fields[port][-1]) - complex(s[n, ports.index(lit)])) < 1e-10


def test_a_waveguide_delays_by_its_group_index():
    """tau = ng L / c, whatever neff; the envelope keeps the carrier's phase and loss."""
    netlist = {"instances": {"w": "straight"}, "ports": {"a": "w,o1", "b": "w,o2"}}
    settings = {"w": {"length": 150.0, "loss_dB_cm": 200.0}}
    whole = time_domain.TimeDomain(netlist, MODELS, dt_ps=DT, settings=settings)
    steps = round(3.4 * 150 / C / DT)
    assert whole.delays == {"w": steps}
    light = torch.randn(80, dtype=torch.complex128, generator=torch.Generator().manual_seed(0))
    out = whole.run({"a": light})["b"]
    value = models.straight(**settings["w"])["o1", "o2"]
    torch.testing.assert_close(out[steps:], value * light[:-steps], atol=1e-15, rtol=0)
    assert not out[:steps].any()


def test_a_ring_answers_an_impulse_turn_by_turn():
    """t, then -k^2 a (t a)^(n-1) after n turns: nothing between."""
    whole = time_domain.TimeDomain(all_pass(), MODELS, dt_ps=DT)
    turn = whole.delays["loop"]
    impulse = torch.zeros(6 * turn, dtype=torch.complex128)
    impulse[0] = 1
    out = whole.run({"in": impulse})["out"]
    t, a = math.sqrt(0.7), complex(models.straight(length=60.0, loss_dB_cm=400.0)["o1", "o2"])
    expected = torch.zeros_like(out)
    expected[0] = t
    for n in range(1, 6):
        expected[n * turn] = -0.3 * a * (t * a) ** (n - 1)
    torch.testing.assert_close(out, expected, atol=1e-14, rtol=0)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize(
    ("netlist", "lit", "steps"), [(mesh(), "in_1", 300), (ring(), "in", 800)], ids=["mesh", "ring"]
)
@pytest.mark.parametrize("wave", ["step", "pulse"])
def test_against_photontorch(netlist, lit, steps, wave):
    from photonic_ep.crosscheck import photontorch

    light = (
        time_domain.step(steps, dt_ps=DT, start_ps=1.0)
        if wave == "step"
        else time_domain.pulse(steps, dt_ps=DT, centre_ps=3.0, width_ps=1.0) * torch.exp(torch.tensor(0.4j))
    )
    ours = time_domain.TimeDomain(netlist, MODELS, dt_ps=DT).run({lit: light})
    theirs = photontorch.transient(netlist, MODELS, {lit: light}, dt_ps=DT)
    assert set(theirs) == set(ours) - {lit}
    for port, field in theirs.items():
        torch.testing.assert_close(ours[port], field, atol=1e-6, rtol=0)


def test_a_batch_of_inputs_is_each_alone_and_light_adds():
    whole = time_domain.TimeDomain(mesh(), MODELS, dt_ps=DT)
    source = torch.Generator().manual_seed(0)
    a = torch.randn(3, 2, 120, dtype=torch.complex128, generator=source)
    b = torch.randn(120, dtype=torch.complex128, generator=source)
    both = whole.run({"in_0": a, "in_3": b})
    alone = whole.run({"in_0": a[2, 1]})
    other = whole.run({"in_3": b})
    for port, field in both.items():
        assert field.shape == (3, 2, 120)
        torch.testing.assert_close(field[2, 1], alone[port] + other[port], atol=1e-13, rtol=0)


@pytest.mark.parametrize("length", [1e4, 1e7, 2e7, 1e8, 3e9])
def test_delays_of_kilometres_do_not_wrap(length):
    whole, _ = circuit({"instances": {"w": "straight"}, "ports": {"a": "w,o1", "b": "w,o2"}}, MODELS)
    (delay, _) = time_domain.group_delays(whole, wl=1.55, settings={"w": {"length": length}})["w"].values()
    assert delay == pytest.approx(3.4 * length / C, rel=1e-6)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_photontorch_takes_losses_and_dispersion_as_they_are():
    from photonic_ep.crosscheck import photontorch

    netlist = {
        "instances": {
            "bend": {"component": "bend", "settings": {"length": 1000.0}},
            "wire": {"component": "straight", "settings": {"length": 400.0, "wl0": 1.5, "dispersion": -1000.0}},
        },
        "connections": {"bend,o2": "wire,o1"},
        "ports": {"a": "bend,o1", "b": "wire,o2"},
    }
    parts = {"bend": models.bend, "straight": models.straight}
    light = time_domain.step(600, dt_ps=DT)
    ours = time_domain.TimeDomain(netlist, parts, dt_ps=DT).run({"a": light})["b"]
    theirs = photontorch.transient(netlist, parts, {"a": light}, dt_ps=DT)["b"]
    torch.testing.assert_close(ours, theirs, atol=1e-6, rtol=0)


def test_without_waveguides_the_circuit_answers_at_once():
    whole = time_domain.TimeDomain(mesh_netlist(clements(3)), MODELS, dt_ps=DT)
    light = torch.randn(5, dtype=torch.complex128, generator=torch.Generator().manual_seed(0))
    out = whole.run({"in_2": light})
    for n, port in enumerate(whole.ports):
        torch.testing.assert_close(out[port], whole.settled[n, whole.ports.index("in_2")] * light, atol=1e-14, rtol=0)


def test_a_detector_of_one_pole_rises_as_it_should():
    """1 - e^{-2 pi B t} after a step; -3 dB at its bandwidth."""
    t = DT * torch.arange(1, 401, dtype=torch.float64)
    seen = time_domain.low_pass(torch.ones(400, dtype=torch.float64), bandwidth_hz=50e9, dt_ps=DT)
    torch.testing.assert_close(seen, 1 - torch.exp(-2 * math.pi * 0.05 * t), atol=1e-12, rtol=0)
    wave = torch.cos(2 * math.pi * 0.05 * DT * torch.arange(40_000, dtype=torch.float64))
    tail = time_domain.low_pass(wave, bandwidth_hz=50e9, dt_ps=DT)[20_000:]
    assert float(tail.max()) == pytest.approx(math.sqrt(0.5), rel=1e-2)


def test_a_pulse_has_its_width():
    power = time_domain.pulse(2000, dt_ps=0.01, centre_ps=10.0, width_ps=3.0).abs().square()
    assert float(power.max()) == pytest.approx(1.0)
    assert int((power >= 0.5).sum()) == pytest.approx(300, abs=1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"dt_ps": 0.0}, "time step must be a positive number of picoseconds, not 0"),
        ({"dt_ps": float("nan")}, "time step must be"),
        ({"settings": {"loop": {"length": torch.ones(3)}}}, r"one value a setting, not a batch \(3,\)"),
        ({"settings": {"loop": {"colour": 1.0}}}, "no setting 'colour'"),
        ({"settings": {"wl": 1.5}}, "carrier is TimeDomain's wl"),
        ({"settings": {"loop": {"wl": 1.5}}}, "carrier is TimeDomain's wl"),
        ({"settings": {"dc": {"coupling": torch.tensor(0.3, requires_grad=True)}}}, "not differentiable"),
        ({"settings": {"loop": {"loss_dB_cm": -400.0}}}, "'loop' .straight. amplifies"),
        ({"wl": float("nan")}, "not finite"),
    ],
)
def test_impossible_circuits_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        time_domain.TimeDomain(all_pass(), MODELS, **{"dt_ps": DT, **change})


def test_impossible_light_is_refused():
    whole = time_domain.TimeDomain(all_pass(), MODELS, dt_ps=DT)
    ones = torch.ones(5, dtype=torch.complex128)
    with pytest.raises(ValueError, match="no port 'moon' to shine into"):
        whole.run({"moon": ones})
    with pytest.raises(ValueError, match="at least one port"):
        whole.run({})
    with pytest.raises(ValueError, match="different numbers of steps"):
        whole.run({"in": ones, "out": ones[:3]})
    for light in (ones[:0], ones.clone().requires_grad_()):
        with pytest.raises(ValueError, match="the light into in must have one or more steps and no gradient"):
            whole.run({"in": light})
    with pytest.raises(ValueError, match="must be positive, not -1"):
        time_domain.low_pass(torch.ones(3), bandwidth_hz=-1.0, dt_ps=DT)
    with pytest.raises(ValueError, match="width must be positive"):
        time_domain.pulse(5, dt_ps=DT, centre_ps=0.0, width_ps=0.0)


def test_random_reflections_ring_down_to_the_s_matrix():
    """Guides between mirrors in a chain, some far shorter than a step: lumped, they reflect at once."""
    random = np.random.default_rng(0)
    count = 7
    instances = {
        f"m{i}": {"component": "mirror", "settings": {"reflection": random.uniform(0.1, 0.6)}} for i in range(count)
    }
    lengths = [0.5 if i % 3 == 0 else random.uniform(40, 90) for i in range(count - 1)]
    instances |= {f"w{i}": {"component": "straight", "settings": {"length": x}} for i, x in enumerate(lengths)}
    links = {}
    for i in range(count - 1):
        links |= {f"m{i},o2": f"w{i},o1", f"w{i},o2": f"m{i + 1},o1"}
    netlist = {"instances": instances, "connections": links, "ports": {"a": "m0,o1", "b": f"m{count - 1},o2"}}
    parts = {"mirror": models.reflector, "straight": models.straight}
    whole = time_domain.TimeDomain(netlist, parts, dt_ps=DT)
    assert set(whole.delays) == {f"w{i}" for i in range(count - 1) if i % 3}
    fields = whole.run({"a": time_domain.step(40_000, dt_ps=DT)})
    s, _ = circuit(netlist, parts)[0].dense()
    assert abs(complex(fields["a"][-1]) - complex(s[0, 0])) < 1e-10
    assert abs(complex(fields["b"][-1]) - complex(s[1, 0])) < 1e-10
