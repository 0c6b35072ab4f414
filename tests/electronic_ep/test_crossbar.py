"""The crossbar as a weight: the contract for every device, scheme and terminal choice; its physics; bad input."""

from dataclasses import replace

import pytest
import torch

from electronic_ep import (
    CrossbarWeight,
    CurrentNudge,
    Memristor,
    Terminals,
    Wires,
    irdrop,
    oracle,
    presets,
    programming,
)
from electronic_ep.devices import Exponential, LinearStep, Piecewise, SoftBounds
from ep_core import WeightOperator, check_operator
from ep_core.quantity import sourceless

SPREAD = {"device_spread": 0.3, "cycle_spread": 0.3}
KINDS = {
    "linear": Memristor(low_us=1.0, high_us=100.0, response=LinearStep.of(7)),
    "soft": Memristor(low_us=1.0, high_us=100.0, response=SoftBounds.of(7), **SPREAD),
    "exponential": Memristor(low_us=1.0, high_us=100.0, response=Exponential(pulses=128.0, up=0.4, down=0.8), **SPREAD),
    "piecewise": Memristor(
        low_us=1.0,
        high_us=100.0,
        response=Piecewise(
            up=tuple((k / 96) ** 0.7 for k in range(97)), down=tuple((k / 80) ** 0.8 for k in range(81))
        ),
        **SPREAD,
    ),
    "everything": Memristor(
        low_us=1.0,
        high_us=100.0,
        response=SoftBounds.of(8),
        **SPREAD,
        stuck=0.1,
        read_noise=0.02,
        polarity=0.02,
        polarity_spread=0.01,
        drift=0.05,
        drift_spread=0.01,
        half_select=1e-3,
        slope_v=0.2,
    ),
}
SCHEMES = {
    "mixed": programming.MixedPrecision(),
    "stochastic": programming.StochasticRounding(),
    "sign": programming.Sign(least=0.0),
    "verify": programming.WriteVerify(),
    "tiki-taka": programming.TikiTaka(gain=4.0),
}
ENDS = {
    "none": (Wires(word=0.0, bit=0.0), Terminals()),
    "wires": (Wires(word=2.0, bit=3.0), Terminals()),
    "shared": (Wires(word=2.0, bit=2.0), presets.SHARED),
    "differ": (Wires(word=2.0, bit=2.0), Terminals(word_drive=10.0, bit_sense=50.0, bit_drive=10.0, word_sense=50.0)),
    "terminals alone": (Wires(word=0.0, bit=0.0), Terminals(word_drive=10.0, bit_sense=50.0)),
}


def build(source, out=7, n=5, **settings):
    return CrossbarWeight(out, n, tile=4, generator=source, dtype=torch.float64, **settings)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_contract_for_every_device_and_scheme(source, kind, scheme):
    wires, ends = ENDS["shared"]
    operator = build(source, memristor=KINDS[kind], programming=SCHEMES[scheme], wires=wires, terminals=ends)
    check_operator(operator)


@pytest.mark.parametrize("ends", ENDS)
@pytest.mark.parametrize("kind", ["linear", "everything"])
@pytest.mark.parametrize("rule", [oracle, None])
def test_the_contract_for_every_choice_of_terminals(source, ends, kind, rule):
    wires, terminals = ENDS[ends]
    settings = {} if rule is None else {"gradient": rule}
    check_operator(build(source, memristor=KINDS[kind], wires=wires, terminals=terminals, **settings))


@pytest.mark.parametrize("name", presets.CHIPS)
def test_the_contract_for_every_preset(source, name):
    check_operator(presets.chip(name).weight(7, 5, generator=source, dtype=torch.float64), small=5e-3)


def test_shared_terminals_give_the_transpose_and_others_do_not(source):
    wires, shared = ENDS["shared"]
    eye = torch.eye(9, dtype=torch.float64)
    w = build(source, 9, 6, wires=wires, terminals=shared)
    with torch.no_grad():
        backward = w.effective(backward=True)
        assert w.symmetric
        assert (backward - w.matrix()).abs().max() <= 1e-12 * w.matrix().abs().max()
        wires, differ = ENDS["differ"]
        w = build(source, 9, 6, wires=wires, terminals=differ)
        asymmetry = (w.vmm(eye) - w.matrix()).norm() / w.matrix().norm()
    assert not w.symmetric
    assert asymmetry > 1e-3


def test_cells_that_a_matrix_does_not_need_draw_no_current(source):
    wires, shared = ENDS["shared"]
    w = build(source, 5, 4, wires=wires, terminals=shared)  # 2 tiles of 3 outputs, the last with 2
    g = 1e-6 * w.array.microsiemens(w.state.detach())[:, 3:].mT
    alone = 1e6 * irdrop.effective(g, wires, shared) * w.per_us
    torch.testing.assert_close(w.matrix()[3:], alone[0] - alone[1], rtol=0, atol=1e-9 * w.top)


@pytest.mark.parametrize("backward", [False, True])
@pytest.mark.parametrize("batch", [3, 11])
def test_the_local_rule_is_the_true_gradient(source, backward, batch):
    wires, differ = ENDS["differ"]
    w = build(source, 9, 6, memristor=KINDS["everything"], wires=wires, terminals=differ, gradient=oracle)
    post, pre = (torch.randn(batch, n, generator=source, dtype=torch.float64) for n in (9, 6))
    local = w.bilinear_grad(post, pre, backward)["state"]
    exact = WeightOperator.bilinear_grad(w, post, pre, backward)["state"]
    assert (local - exact).norm() <= 1e-8 * exact.norm()


def test_without_resistance_the_local_rule_is_the_outer_product(source):
    post, pre = (torch.randn(4, n, generator=source, dtype=torch.float64) for n in (9, 6))
    for ohm, most in ((1.0, 0.2), (1e-3, 1e-3), (1e-6, 1e-6)):
        w = build(source, 9, 6, wires=Wires(word=ohm, bit=ohm), gradient=oracle)
        plain = build(source, 9, 6).bilinear_grad(post, pre)["state"]
        assert (w.bilinear_grad(post, pre)["state"] - plain).norm() <= most * plain.norm()


@pytest.mark.parametrize("kind", ["linear", "soft", "exponential", "piecewise"])
@pytest.mark.parametrize("up", [True, False])
def test_many_pulses_are_as_many_single_ones(kind, up):
    response = KINDS[kind].response
    x, count = torch.linspace(0.1, 0.5, 9, dtype=torch.float64), 7
    one, single = torch.ones_like(x), x
    for _ in range(count):
        single = response.moved(single, one * up, one * (not up))
    together = response.moved(x, count * one * up, count * one * (not up))
    torch.testing.assert_close(together, single, rtol=0, atol=1e-12)
    assert bool(((together > x) == up).all())


def test_steps_are_named_by_bits():
    for kind in (LinearStep, SoftBounds):
        assert kind.of(5).step == pytest.approx(1 / 32)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_weakly_curved_exponential_is_linear(dtype):
    x, ten = torch.linspace(0.1, 0.8, 9, dtype=dtype), torch.full((9,), 10.0, dtype=dtype)
    moved = Exponential(pulses=100.0, up=1e6, down=1e6).after(x, ten, up=True)
    torch.testing.assert_close(moved, x + 0.1, rtol=0, atol=1e-6)


def test_spread_of_devices_and_pulses_is_as_asked(source):
    kind = replace(KINDS["linear"], response=LinearStep(up=1e-4, down=1e-4), device_spread=0.3, cycle_spread=0.5)
    w = build(source, 200, 200, memristor=kind)
    assert float(w.array.rate.mean()) == pytest.approx(1, abs=0.01)
    assert float(w.array.rate.std()) == pytest.approx(0.3, abs=0.01)
    before = w.state.detach().clone()
    w.program_({"state": torch.full_like(before, 10e-4)}, source)
    moved = (w.state.detach() - before) / (1e-4 * w.array.rate[0])
    assert float(moved.mean()) == pytest.approx(10, abs=0.1)
    assert float(moved.std()) == pytest.approx(0.5 * 10**0.5, rel=0.03)


def test_small_changes_add_up_exactly_on_even_devices_and_are_lost_without_an_accumulator(source):
    w = build(source, memristor=KINDS["linear"])
    before = w.state.detach() + w.owed_state
    for _ in range(10):
        written = w.program_({"state": torch.full_like(w.state, 1e-3)})
    assert written.pulses >= 0
    torch.testing.assert_close(w.state.detach() + w.owed_state, before + 0.01, rtol=0, atol=1e-12)
    w = build(source, memristor=KINDS["linear"], programming=programming.StochasticRounding())
    before = w.state.detach().clone()
    w.program_({"state": torch.full_like(w.state, 1e-3)})
    assert torch.equal(before, w.state.detach())


def test_stochastic_rounding_is_right_in_the_mean(source):
    w = build(source, 100, 100, memristor=KINDS["linear"], programming=programming.StochasticRounding())
    before = w.state.detach().clone()
    written = w.program_({"state": torch.full_like(w.state, 2e-3)}, source)
    assert float((w.state.detach() - before).mean()) == pytest.approx(2e-3, rel=0.05)
    assert written.pulses == pytest.approx(2 * 1e4 * 2e-3 * 128, rel=0.05)


def test_verified_writes_end_within_their_tolerance(source):
    w = build(source, 30, 30, memristor=KINDS["soft"], programming=programming.WriteVerify(rounds=50))
    target = 0.5 * w.top * (2 * torch.rand(30, 30, generator=source, dtype=torch.float64) - 1)
    w.program_matrix_(target, source)
    off = (w.matrix() - target).abs() / (2 * w.top * w.memristor.response.step)
    assert float(off.max()) <= 0.75
    with pytest.raises(ValueError, match="2 times the largest"):
        w.program_matrix_(torch.full((30, 30), 2 * w.top, dtype=torch.float64))
    with pytest.raises(ValueError, match="not finite"):
        w.program_matrix_(torch.full((30, 30), float("nan"), dtype=torch.float64))
    with pytest.raises(ValueError, match="shape"):
        w.program_matrix_(torch.zeros(3, 30, dtype=torch.float64))


@pytest.mark.parametrize("flaw", [{"read_noise": 0.05}, {"drift": 0.05}])
def test_verified_writes_of_nothing_do_not_move_what_is_wished(source, flaw):
    w = build(source, 20, 20, memristor=replace(KINDS["linear"], **flaw), programming=programming.WriteVerify())
    wished = w.state.detach() + w.owed_state
    for _ in range(20):
        w.age_(0.01 / w.cost().total("read").seconds)
        w.program_({"state": torch.zeros_like(w.state)}, source)
    torch.testing.assert_close(w.state.detach() + w.owed_state, wished, rtol=0, atol=1e-12)


def test_tiki_taka_without_changes_leaves_the_weights_where_fast_devices_are_stuck(source):
    kind = Memristor(low_us=1.0, high_us=100.0, response=SoftBounds.of(5), stuck=0.3)
    w = build(source, 20, 20, memristor=kind, programming=programming.TikiTaka())
    before = w.state.detach().clone()
    for _ in range(50):
        w.program_({"state": torch.zeros_like(w.state)}, source)
    assert torch.equal(w.state.detach(), before)


@pytest.mark.parametrize("flaw", [{"stuck": 0.3}, {"drift": 0.05}])
def test_counted_steps_are_blind_to_stuck_and_faded_devices(source, flaw):
    w = build(source, memristor=replace(KINDS["linear"], **flaw))
    w.age_(1 / w.cost().total("read").seconds)
    assert w.blind
    check_operator(w)


@pytest.mark.parametrize("scheme", ["mixed", "verify", "tiki-taka"])
def test_pairs_share_words_of_the_accumulator_only_where_both_devices_owe_the_same(source, scheme):
    w = build(source, memristor=KINDS["soft"], programming=SCHEMES[scheme])
    for _ in range(5):
        change = 0.01 * torch.randn(7, 5, generator=source, dtype=torch.float64)
        w.program_({"state": torch.stack([change, -change])}, source)
    shared = torch.equal(w.owed_state[0], -w.owed_state[1])
    words = w.cost().update["accumulator"].joules / (1e-12 * w.periphery.accumulator.pj)
    assert words == pytest.approx(35 if shared else 70)


@pytest.mark.parametrize("flaw", [{"read_noise": 0.05}, {"drift": 0.05}])
def test_fast_devices_of_tiki_taka_are_read_with_noise_and_fade(source, flaw):
    kind = Memristor(low_us=1.0, high_us=100.0, response=SoftBounds.of(5), **flaw)
    w = build(source, 20, 20, memristor=kind, programming=programming.TikiTaka(lines=20, share=0.01))
    w.age_(1 / w.cost().total("read").seconds)
    w.program_({"state": torch.zeros_like(w.state)}, source)
    g, share = 1 + 99 * w.beside.reference, 0.01 / 99
    if "drift" in flaw:
        torch.testing.assert_close(w.owed_state, share * (g - 1) * (2**-0.05 - 1), rtol=0, atol=1e-12)
    else:
        assert float((w.owed_state / (share * g)).std()) == pytest.approx(0.05, rel=0.1)


def test_a_written_matrix_forgets_what_fast_devices_hold(source):
    w = build(source, 20, 20, memristor=KINDS["soft"], programming=programming.TikiTaka())
    for _ in range(3):
        w.program_({"state": torch.full_like(w.state, 0.1)}, source)
    w.program_matrix_(torch.zeros(20, 20, dtype=torch.float64), source)
    written = w.state.detach().clone()
    for _ in range(20):
        w.program_({"state": torch.zeros_like(w.state)}, source)
    # What verified writes leave of a fast state, at most .75 steps, is passed on 8 times, a tenth of it each time
    assert float((w.state.detach() - written).abs().max()) <= 2 * w.memristor.response.step


def test_pulses_up_and_down_cancel_at_the_point_of_symmetry(source):
    kind = replace(KINDS["soft"], response=SoftBounds(up=0.02, down=0.04), cycle_spread=0.0)
    w = build(source, memristor=kind)
    point, rate = w.array.symmetry(), w.array.rate
    up = 1 - (1 - 0.02) ** rate[0]
    down = 1 - (1 - 0.04) ** rate[1]
    torch.testing.assert_close(point, (1 - down) * up / (up + down - up * down), rtol=0, atol=1e-6)


def test_half_selected_devices_get_their_share(source):
    kind = replace(KINDS["linear"], half_select=0.1)
    w = build(source, 8, 8, memristor=kind)
    before, delta = w.state.detach().clone(), torch.zeros_like(w.state)
    delta[0, 1, 2] = 1 / 128
    w.program_({"state": delta})
    moved = 128 * (w.state.detach() - before)
    expected = torch.zeros_like(moved)
    expected[0, 1, :4] = expected[0, :4, 2] = 0.1
    expected[0, 1, 2] = 1
    torch.testing.assert_close(moved, expected, rtol=0, atol=1e-9)


def test_a_far_device_gets_weaker_pulses(source):
    kind = replace(KINDS["linear"], slope_v=0.1)
    w = build(source, 4, 4, memristor=kind, wires=Wires(word=100.0, bit=100.0))
    before = w.state.detach().clone()
    w.program_({"state": torch.full_like(before, 1 / 128)})
    moved = 128 * (w.state.detach() - before)[0]
    # W's outputs are bit lines, whose end is behind the last word line: input 3, output 0 is nearest
    assert moved[0, 3] > moved[3, 3] > moved[3, 0]
    g = 1e-6 * w.array.microsiemens(before)[0, 3, 0]
    lost = 1 - 1 / (1 + g * (4 * 100 + 4 * 100))
    assert float(moved[3, 0]) == pytest.approx(float(torch.exp(-10 * lost)), rel=1e-6)


def test_states_fade_and_pulses_renew_them(source):
    kind = replace(KINDS["linear"], drift=0.1, drift_s=1.0)
    w = build(source, memristor=kind)
    fresh = w.matrix().clone()
    assert w.drifting
    w.age_(1 / w.cost().total("read").seconds)
    torch.testing.assert_close(w.matrix(), fresh * 2**-0.1)
    delta = torch.zeros_like(w.state)
    delta[0, 0, 0] = 1 / 128
    w.program_({"state": delta})
    assert float(w.array.since[0, 0, 0]) == 0
    assert float(w.array.since[1, 0, 0]) == 1


def test_stuck_devices_stay(source):
    w = build(source, 50, 50, memristor=replace(KINDS["linear"], stuck=0.2))
    before = w.state.detach().clone()
    w.program_({"state": torch.full_like(w.state, 0.1)})
    same = w.state.detach() == before
    assert torch.equal(same, w.array.dead)
    assert float(same.double().mean()) == pytest.approx(0.2, abs=0.02)


def test_read_noise_is_that_of_every_device(source):
    w = build(source, 3, 4, memristor=replace(KINDS["linear"], read_noise=0.05))
    x = torch.randn(1, 4, generator=source, dtype=torch.float64)
    reads = w.mvm(x.expand(20000, -1), source).detach()
    g = w.array.microsiemens(w.state.detach()) * w.per_us
    expected = (x**2 @ (0.05 * g).square().sum(0).mT).sqrt()[0]
    torch.testing.assert_close(reads.std(0), expected, rtol=0.03, atol=0)
    torch.testing.assert_close(reads.mean(0), w.mvm(x).detach()[0], rtol=0, atol=0.03)


def test_costs_come_from_the_preset_and_the_counts(source):
    chip = presets.chip("cmo-hfox")
    w, parts = chip.weight(70, 100, generator=source), chip.periphery
    cost = w.cost()
    assert cost.read["dac"].joules == pytest.approx(100 * 1e-12 * parts.dac.pj)
    assert cost.read["adc"].joules == pytest.approx(70 * 1e-12 * parts.adc.pj)
    assert w.cost(backward=True).read["adc"].joules == pytest.approx(100 * 1e-12 * parts.adc.pj)
    g = w.array.microsiemens(w.state.detach()).double().sum()
    assert cost.read["array"].joules == pytest.approx(float(1e-6 * g) * parts.read_v**2 * parts.read_s, rel=1e-6)
    assert cost.total("read").seconds == pytest.approx(
        parts.dac.sample_s + parts.adc.sample_s + parts.read_s + parts.logic_s
    )
    assert cost.write["pulse"].joules == 1e-12 * parts.pulse_pj
    assert cost.write["pulse"].seconds == pytest.approx(50 * parts.pulse_s)
    assert cost.update["accumulator"].joules == pytest.approx(7000 * 1e-12 * parts.accumulator.pj)
    assert cost.hold["cells"].area == pytest.approx(2 * 4 * 64**2 * 1e-6 * parts.cell_um2)
    whole = cost.joules(reads=3, pulses=5, updates=2)
    expected = sum(n * cost.total(e).joules for e, n in (("read", 3), ("write", 5), ("update", 2)))
    assert whole == pytest.approx(expected)
    blind = CrossbarWeight(7, 5, programming=programming.StochasticRounding(), generator=source)
    assert not blind.cost().update


def _numbers(owner):
    return {n: v for n, v in vars(owner).items() if n != "sources" and not isinstance(v, str)}


@pytest.mark.parametrize("name", presets.CHIPS)
def test_every_constant_of_a_preset_has_a_source_or_is_marked_assumed(name):
    chip = presets.chip(name)
    defaults = {n: f.default for n, f in Memristor.__dataclass_fields__.items()}
    for key, value in _numbers(chip.memristor).items():
        if (not value and defaults[key] == value) or (key == "drift_s" and not chip.memristor.drifts):
            continue
        assert marked(chip.memristor.sources.get(key, "")), f"{key} of {name} has no source"
    assert not sourceless(chip.periphery)
    for key in ("tile", "wires", "terminals", "nudge"):
        assert marked(chip.sources.get(key, "")), f"{key} of {name} has no source"


def marked(text):
    return "assumed" in text or any(tag in text for tag in ("(A", "(B", "(C"))


def test_an_unknown_preset_lists_those_that_exist():
    with pytest.raises(ValueError, match="no preset 'reram': there are cmo-hfox, reram-sb"):
        presets.chip("reram")


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Memristor(low_us=0.0, high_us=1.0, response=LinearStep.of(5)), "from 0.0 to 1.0 uS"),
        (lambda: Memristor(low_us=-1.0, high_us=1.0, response=LinearStep.of(5)), "from -1.0"),
        (lambda: Memristor(low_us=2.0, high_us=1.0, response=LinearStep.of(5)), "rise"),
        (lambda: replace(KINDS["linear"], device_spread=float("nan")), "device_spread"),
        (lambda: replace(KINDS["linear"], stuck=1.5), "stuck"),
        (lambda: replace(KINDS["linear"], drift_s=0.0), "drift_s"),
        (lambda: replace(KINDS["linear"], polarity=-1.0), "polarity"),
        (lambda: LinearStep.of(0), "1 to 24 bits, not 0"),
        (lambda: SoftBounds(up=1.0, down=0.5), "up of SoftBounds"),
        (lambda: Exponential(pulses=0.5, up=1.0, down=1.0), "at least one pulse"),
        (lambda: Exponential(pulses=10.0, up=0.0, down=1.0), "must be positive"),
        (lambda: Exponential(pulses=10.0, up=float("inf"), down=1.0), "up to 1e\\+06"),
        (lambda: Exponential(pulses=float("inf"), up=1.0, down=1.0), "at least one pulse"),
        (lambda: SoftBounds.of(1), "2 to 24 bits, not 1"),
        (lambda: Piecewise(up=(0.0, 0.6, 0.5, 1.0), down=(0.0, 1.0)), "curve up"),
        (lambda: programming.Sign(least=-1.0), "least"),
        (lambda: programming.WriteVerify(tolerance=0.0), "tolerance"),
        (lambda: programming.TikiTaka(gain=0.0), "positive gain"),
        (lambda: CrossbarWeight(3, 4, tile=0), "tile"),
        (lambda: CrossbarWeight(3, 4, top=0.0), "largest weight"),
        (lambda: CrossbarWeight(3, 4, top=0.5, std=0.5), "3 times the largest weight"),
        (lambda: CrossbarWeight(3, 4).program_({"state": torch.zeros(1)}), r"shape \(2, 3, 4\), not \(1,\)"),
        (lambda: CrossbarWeight(0, 4), "1 x 1"),
        (lambda: CrossbarWeight(3, 4, std=float("nan"), top=1.0), "standard deviation"),
        (lambda: CrossbarWeight(3, 4, std=-1.0), "standard deviation"),
    ],
)
def test_bad_input(make, says):
    with pytest.raises(ValueError, match=says):
        make()


def test_the_current_nudge_has_a_range_and_levels(source):
    wanted = torch.tensor([[-2.0, -0.3, 0.0, 0.1, 1.5]])
    nudge = CurrentNudge(ceiling=1.0, bits=3, noise=0.1)
    torch.testing.assert_close(nudge.emit(wanted), torch.tensor([[-1, -1 / 3, 0, 0, 1.0]]))
    assert torch.equal(CurrentNudge(ceiling=10.0).emit(wanted), wanted)
    assert torch.equal(nudge.act(wanted, None), wanted)
    noisy = nudge.act(torch.zeros(10000, 1), source)
    assert float(noisy.std()) == pytest.approx(0.1, rel=0.05)
    for bad in ({"ceiling": 0.0}, {"bits": 1}, {"noise": -1.0}):
        with pytest.raises(ValueError, match="nudge"):
            CurrentNudge(**bad)
