"""The nudge as light: exact in its ideal limit, and what each imperfection does to it."""

import math

import pytest
import torch

from ep_core import DenseWeight, GaussSeidel, HardSigmoid, IdealNudge, Network, Nudge, SquaredError, Symmetric
from photonic_ep import IntensityNudge, NudgeLight
from photonic_ep.detect import BalancedDetector, homodyne
from photonic_ep.presets import NUDGE_A


def build(source, light, mode="frozen"):
    return IntensityNudge.build(light, 4, mode=mode, generator=source, dtype=torch.float64)


def wanted(source, batch=50):
    output, target = torch.rand(2, batch, 4, generator=source, dtype=torch.float64)
    return -0.3 * SquaredError().gradient(output, target.round())


def force(nudge, w, generator=None):
    return nudge.act(nudge.emit(w), generator)


@pytest.mark.parametrize("mode", ["closed", "frozen"])
def test_ideal_limit_is_minus_beta_times_the_gradient(source, mode):
    nudge, w = build(source, NudgeLight(ceiling_mw=10.0), mode), wanted(source)
    assert isinstance(nudge, Nudge)
    assert nudge.mode == mode
    torch.testing.assert_close(force(nudge, w), w, atol=1e-12, rtol=0)
    torch.testing.assert_close(force(nudge, w), force(IdealNudge(), w), atol=1e-12, rtol=0)


def test_light_is_never_negative_and_sits_on_one_diode(source):
    power = build(source, NudgeLight()).emit(wanted(source))
    assert (power >= 0).all()
    assert (power.amin(-1) == 0).all()


def test_ceiling_clips(source):
    nudge = build(source, NudgeLight(ceiling_mw=0.1, full_scale_mw=1.0))
    w = torch.tensor([[-0.5, -0.05, 0.05, 0.5]], dtype=torch.float64)
    torch.testing.assert_close(force(nudge, w), w.clamp(-0.1, 0.1))


def test_levels_are_of_the_power(source):
    nudge = build(source, NudgeLight(bits=3))
    levels = force(nudge, torch.linspace(-1, 1, 1001, dtype=torch.float64).reshape(-1, 1)[:, [0] * 4]).unique()
    assert len(levels) == 15
    torch.testing.assert_close(levels.diff(), torch.full((14,), 1 / 7, dtype=torch.float64))


def test_leak_is_common_mode_but_for_the_mismatch(source):
    leaky = build(source, NudgeLight(extinction_db=20.0))
    off = torch.zeros(1, 4, dtype=torch.float64)
    assert leaky.emit(off).unique().tolist() == pytest.approx([0.01])
    torch.testing.assert_close(force(leaky, off), off)
    full = torch.ones(1, 4, dtype=torch.float64)
    torch.testing.assert_close(force(leaky, full), 0.99 * full)
    mismatched = build(source, NudgeLight(extinction_db=20.0, mismatch=0.1))
    torch.testing.assert_close(force(mismatched, off), 0.01 * mismatched.difference[None])


def test_mismatch_has_its_spread(source):
    nudge = IntensityNudge.build(
        NudgeLight(mismatch=0.02), 20_000, mode="frozen", generator=source, dtype=torch.float64
    )
    assert float(nudge.difference.std()) == pytest.approx(0.02, rel=0.03)


def test_noise_follows_shot_and_intensity_noise(source):
    """Nudge A at 1 mW, 1 GHz: RIN 10^(-14 + 9) -> .316 %, shot sqrt(2 e B / (R P)) -> .0517 %."""
    detector = BalancedDetector()
    one, none = torch.tensor([1e-3], dtype=torch.float64), torch.zeros(1, dtype=torch.float64)
    relative = float(detector.noise(one, none)) / (1.2 * 1e-3)
    shot = math.sqrt(2 * 1.602176634e-19 * 1e9 / (1.2 * 1e-3))
    assert relative == pytest.approx(math.sqrt(1e-5 + shot**2), rel=1e-9)
    light = NudgeLight(detector=detector)
    nudge = build(source, light)
    w = torch.full((20_000, 4), 0.5, dtype=torch.float64)
    spread = float((force(nudge, w, source) - w).std())
    expected = float(detector.noise(one / 2, none)) / (1.2 * 1e-3)
    assert spread == pytest.approx(expected, rel=0.03)
    assert torch.equal(force(nudge, w), w), "no generator, no noise"


def test_noise_of_the_nudge_is_not_in_the_residual(source):
    """The residual tells how far the noiseless map moves the state; noise must not make it look unconverged."""
    net = Network(
        (5, 4), lambda o, i: DenseWeight(o, i, generator=source, dtype=torch.float64), HardSigmoid(low=-9.0, high=9.0)
    )
    x, y = torch.rand(2, 6, 5, generator=source, dtype=torch.float64)
    nudge = build(source, NudgeLight(detector=BalancedDetector()))
    estimator = Symmetric(beta=0.3, nudge=nudge, nudged=GaussSeidel(steps=3, tolerance=0.0))
    state = source.get_state()
    estimate = estimator(net, x, y[:, :4].round(), source)
    spread = float((estimate.nudged.output - estimator(net, x, y[:, :4].round()).nudged.output).abs().max())
    assert 1e-5 < spread < 1e-2
    assert float(estimate.nudged.residual.max()) <= 3 * spread
    source.set_state(state)
    torch.randn(3, 12, 4, generator=source, dtype=torch.float64)
    after = source.get_state()
    source.set_state(state)
    estimator(net, x, y[:, :4].round(), source)
    assert torch.equal(source.get_state(), after), "more noise was drawn than the sweeps read"


def test_nudge_a_is_close_to_ideal_at_large_forces(source):
    w = wanted(source)
    error = (force(build(source, NUDGE_A), w, source) - w).norm() / w.norm()
    assert 1e-3 < error < 0.03


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"ceiling_mw": 0.0}, "ceiling_mw"),
        ({"full_scale_mw": -1.0}, "full_scale_mw"),
        ({"bits": 0}, "bits"),
        ({"extinction_db": 0.0}, "extinction"),
        ({"mismatch": 1.0}, "mismatch"),
    ],
)
def test_impossible_light_is_refused(wrong, message):
    with pytest.raises(ValueError, match=message):
        NudgeLight(**wrong)


def test_impossible_detector_is_refused():
    with pytest.raises(ValueError, match="responsivity"):
        BalancedDetector(responsivity=0.0)


def test_homodyne_reads_a_quadrature():
    field = torch.polar(torch.tensor(2.0), torch.tensor(0.7))
    assert float(homodyne(field, torch.tensor(0.0))) == pytest.approx(2 * math.cos(0.7), rel=1e-6)
    assert float(homodyne(field, torch.tensor(0.7))) == pytest.approx(2.0, rel=1e-6)
    assert float(homodyne(field, torch.tensor(0.7 + math.pi))) == pytest.approx(-2.0, rel=1e-6)
