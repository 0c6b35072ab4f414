"""Parts against sax's own parts, and what physics demands of them: reciprocal, passive, differentiable."""

import inspect

import jax
import mpmath
import numpy as np
import pytest
import sax
import torch

from photonic_ep import circuit, models

jax.config.update("jax_enable_x64", True)
DRAWS = {
    models.straight: {"wl": 1.53, "neff": 2.4, "ng": 4.1, "length": 37.0, "loss_dB_cm": 3.0},
    models.bend: {"wl": 1.53, "neff": 2.4, "ng": 4.1, "length": 37.0, "loss_dB_cm": 3.0},
    models.phase_shifter: {"wl": 1.56, "neff": 2.3, "voltage": 0.7, "length": 25.0, "loss": 0.01},
    models.attenuator: {"loss": 2.0},
    models.terminator: {"reflection": 0.3},
    models.crossing_ideal: {"wl": 1.5},
    models.splitter_ideal: {"coupling": 0.3},
    models.coupler_ideal: {"coupling": 0.37},
    models.coupler: {"wl": 1.57, "length": 12.0, "coupling0": 0.3, "dk1": 1.1, "dk2": 4.0, "dn": 0.03, "dn1": 0.1},
    models.grating_coupler: {"wl": 1.56, "loss": 3.0, "reflection": 0.1, "reflection_fiber": 0.2, "bandwidth": 0.03},
    models.mmi1x2: {"wl": 1.55, "fwhm": 0.15, "loss_dB": 0.4},
    models.mmi2x2: {"wl": 1.55, "fwhm": 0.15, "loss_dB": 0.4},
}
OURS = {
    models.reflector: {"reflection": 0.3, "loss_dB": 0.2},
    models.modulator: {"drive": 0.6, "loss_dB": 1.0},
    models.thermo_optic_phase_shifter: {"wl": 1.54, "power_mw": 7.0, "length": 50.0},
    models.mzi: {"theta": 1.1, "phi": 2.3, "delta_in": 0.05, "delta_out": -0.03, "loss_dB": 0.4},
    models.half_ring: {"wl": 1.53, "radius": 7.0, "coupling": 0.3, "loss_dB_cm": 5.0},
    models.ring_all_pass: {"wl": 1.53, "radius": 7.0, "coupling": 0.3, "loss_dB_cm": 5.0},
    models.ring_add_drop: {"wl": 1.53, "radius": 7.0, "coupling": 0.3, "coupling_drop": 0.2, "loss_dB_cm": 5.0},
}
EVERY = DRAWS | OURS
ALIASES = {  # sax's in/out names by number of ports
    2: {"in0": "o1", "out0": "o2"},
    3: {"in0": "o1", "out0": "o3", "out1": "o2"},
    4: {"in0": "o1", "in1": "o2", "out0": "o4", "out1": "o3"},
}
MZI = {"theta": 1.1, "phi": 2.3, "delta_in": 0.05, "delta_out": -0.03, "loss_dB": 0.4}


def same(ours, theirs, tolerance=1e-12):
    for key, value in sax.sdict(theirs).items():
        mine = complex(ours[key]) if key in ours else 0.0
        assert abs(mine - complex(np.asarray(value).squeeze())) <= tolerance, key


@pytest.mark.parametrize("model", DRAWS, ids=lambda m: m.__name__)
@pytest.mark.parametrize("settings", ["defaults", "drawn"])
def test_against_sax(model, settings):
    chosen = DRAWS[model] if settings == "drawn" else {}
    theirs = sax.sdict(getattr(sax.models, model.__name__)(**chosen))
    names = ALIASES.get(len({port for key in theirs for port in key}), {})
    same(model(**chosen), {(names.get(a, a), names.get(b, b)): v for (a, b), v in theirs.items()})


@pytest.mark.parametrize("model", [models.mmi1x2, models.mmi2x2])
def test_mmi_band_against_sax(model):
    """sax scales a band by its largest sample, so it is compared over a range that holds the centre."""
    wl = np.linspace(1.5, 1.6, 11)
    theirs = sax.sdict(getattr(sax.models, model.__name__)(wl=wl, fwhm=0.15))
    names = ALIASES[len({port for key in theirs for port in key})]
    ours = model(wl=torch.from_numpy(wl), fwhm=0.15)
    for (a, b), value in theirs.items():
        np.testing.assert_allclose(ours[names[a], names[b]].numpy(), np.asarray(value), atol=1e-12)


def test_mzi_is_what_sax_composes_of_couplers_and_shifters():
    def split(delta):
        return float(np.sin(np.pi / 4 + delta) ** 2)

    netlist = {
        "instances": {
            "phi": {"component": "shifter", "settings": {"voltage": MZI["phi"] / np.pi, "length": 0.0}},
            "first": {"component": "coupler", "settings": {"coupling": split(MZI["delta_in"])}},
            "theta": {"component": "shifter", "settings": {"voltage": MZI["theta"] / np.pi, "length": 0.0}},
            "second": {"component": "coupler", "settings": {"coupling": split(MZI["delta_out"])}},
            "low": {"component": "shifter", "settings": {"length": 1.0, "loss": MZI["loss_dB"], "neff": 0.0}},
            "top": {"component": "shifter", "settings": {"length": 1.0, "loss": MZI["loss_dB"], "neff": 0.0}},
        },
        "connections": {
            "phi,out0": "first,in1",
            "first,out1": "theta,in0",
            "theta,out0": "second,in1",
            "first,out0": "second,in0",
            "second,out0": "low,in0",
            "second,out1": "top,in0",
        },
        "ports": {"o1": "first,in0", "o2": "phi,in0", "o3": "top,out0", "o4": "low,out0"},
    }
    circuit, _ = sax.circuit(netlist, {"coupler": sax.models.coupler_ideal, "shifter": sax.models.phase_shifter})
    same(models.mzi(**MZI), circuit())


@pytest.mark.parametrize("closing", ["half_ring", "bend"])
def test_rings_are_what_half_rings_compose(closing):
    """Two half rings face to face are an add-drop ring; one closed by the other half turn is an all-pass ring."""
    settings = {"radius": 5.0, "coupling": 0.2, "loss_dB_cm": 20.0}
    wl = torch.linspace(1.5, 1.6, 50, dtype=torch.float64)
    netlist = {
        "instances": {"low": {"component": "half_ring", "settings": settings}},
        "connections": {"low,o2": "high,o3", "low,o3": "high,o2"} if closing == "half_ring" else {},
        "ports": {"o1": "low,o1", "o4": "low,o4"},
    }
    if closing == "half_ring":
        netlist["instances"]["high"] = {"component": "half_ring", "settings": settings | {"coupling": 0.1}}
        netlist["ports"] |= {"o2": "high,o4", "o3": "high,o1"}
        whole, names = models.ring_add_drop(wl=wl, coupling_drop=0.1, **settings), {}
    else:
        bend = {"length": np.pi * 5.0, "loss_dB_cm": 20.0}
        netlist["instances"]["high"] = {"component": "bend", "settings": bend}
        netlist["connections"] = {"low,o2": "high,o1", "low,o3": "high,o2"}
        whole, names = models.ring_all_pass(wl=wl, **settings), {"o2": "o4"}
    composed = circuit(netlist, {"half_ring": models.half_ring, "bend": models.bend})[0](wl=wl)
    for (a, b), value in whole.items():
        torch.testing.assert_close(composed[names.get(a, a), names.get(b, b)], value, atol=1e-12, rtol=0)


def test_the_straight_takes_its_group_index_and_dispersion_from_the_phase():
    """ng = n - wl dn/dwl and D = -(wl/c) d2n/dwl2, from the phase by finite differences in multiple precision."""
    with mpmath.workdps(40):
        step = mpmath.mpf("1e-6")

        def index(wl):
            return 2.4 - (wl - 1.55) * (4.1 - 2.4) / 1.55 - (wl - 1.55) ** 2 * 2.99792458e14 * 900e-18 / 3.1

        assert float(mpmath.diff(index, 1.55, h=step) * -1.55 + 2.4) == pytest.approx(4.1)
        curvature = mpmath.diff(index, 1.55, 2, h=step)  # 1/um^2; D in s/um^2, 1e-18 of them a ps/(nm km)
        assert float(-1.55 / 2.99792458e14 * curvature / 1e-18) == pytest.approx(900.0)
        for wl in (1.5, 1.58):
            phase = float(2 * mpmath.pi * index(wl) * 50 / wl % (2 * mpmath.pi))
            got = models.straight(wl=wl, neff=2.4, ng=4.1, length=50.0, dispersion=900.0)["o1", "o2"]
            assert complex(got) == pytest.approx(np.exp(1j * phase), abs=1e-11)


def matrix(model, **settings):
    s = model(**settings)
    ports = sorted({port for key in s for port in key})
    return torch.stack([torch.stack([s.get((a, b), torch.zeros(())) + 0j for a in ports]) for b in ports])


@pytest.mark.parametrize("model", EVERY, ids=lambda m: m.__name__)
def test_reciprocal_and_passive(model):
    for settings in ({}, EVERY[model]):
        s = matrix(model, **settings)
        assert torch.equal(s, s.mT)
        assert torch.linalg.svdvals(s).max() <= 1 + 1e-12


def test_lossless_parts_are_unitary():
    for model, settings in (
        (models.coupler_ideal, {"coupling": 0.2, "delta": 0.1}),
        (models.mzi, MZI | {"loss_dB": 0.0}),
    ):
        s = matrix(model, **settings)
        torch.testing.assert_close(s @ s.mH, torch.eye(4, dtype=s.dtype), atol=1e-14, rtol=0)


@pytest.mark.parametrize("model", EVERY, ids=lambda m: m.__name__)
def test_gradients_in_every_setting(model):
    defaults = {name: p.default for name, p in inspect.signature(model).parameters.items()}
    settings = defaults | EVERY[model] | ({"delta": 0.1} if "delta" in defaults else {})
    # Away from the ends of a share, where a square root has no slope, and from the edge of its range.
    settings |= {name: 0.3 for name in ("coupling", "coupling_drop", "reflection") if name in settings}
    names = list(settings)
    values = [torch.tensor([settings[n], settings[n] * 1.1], dtype=torch.float64, requires_grad=True) for n in names]

    def outputs(*tensors):
        s = model(**dict(zip(names, tensors, strict=True)))
        return tuple(torch.view_as_real(v) for v in s.values())

    assert torch.autograd.gradcheck(outputs, values)


def test_settings_broadcast_and_keep_precision():
    s = models.mzi(theta=torch.zeros(3, 1), phi=torch.zeros(1, 4), loss_dB=0.1)
    assert s["o2", "o3"].shape == (3, 4)
    assert s["o2", "o3"].dtype == torch.complex64


def test_convention_of_the_mzi():
    """theta = pi is the bar state, theta = 0 crosses; phi turns what enters on top."""
    bar = models.mzi(theta=np.pi, phi=0.3)
    assert abs(bar["o2", "o3"]) == pytest.approx(1)
    assert abs(bar["o1", "o3"]) == pytest.approx(0, abs=1e-12)
    cross = models.mzi(theta=0.0, phi=0.3)
    assert complex(cross["o2", "o4"]) == pytest.approx(1j * np.exp(0.3j))
    assert complex(cross["o1", "o3"]) == pytest.approx(1j)


@pytest.mark.parametrize("value", [-0.1, 1.1, torch.tensor([0.5, float("nan")])])
@pytest.mark.parametrize(
    ("model", "name"),
    [
        (models.coupler_ideal, "coupling"),
        (models.splitter_ideal, "coupling"),
        (models.reflector, "reflection"),
        (models.terminator, "reflection"),
        (models.mmi2x2, "splitting_ratio_thru"),
    ],
)
def test_impossible_shares_are_refused(model, name, value):
    with pytest.raises(ValueError, match=f"{name} is a share of power between 0 and 1"):
        model(**{name: value})
