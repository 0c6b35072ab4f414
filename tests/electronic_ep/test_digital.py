"""The int8 reference keeps the contract, on its grid, and costs what its parts do."""

import pytest
import torch

from electronic_ep import Accelerator, DigitalWeight
from ep_core import check_operator
from ep_core.quantity import sourceless


def test_it_keeps_the_contract(source):
    check_operator(DigitalWeight(7, 5, generator=source, dtype=torch.float64), small=5e-2)


def test_weights_are_whole_steps_within_the_range(source):
    w = DigitalWeight(20, 30, top=0.7, std=0.1, generator=source, dtype=torch.float64)
    whole = w.weight / w.step
    assert torch.allclose(whole, whole.round(), atol=1e-9)
    assert whole.abs().max() <= 127
    written = w.program_({"weight": torch.full_like(w.weight, 1e3)})
    assert written.clipped == w.weight.numel()
    assert torch.allclose(w.weight, torch.full_like(w.weight, 0.7))
    assert not w.owed_weight.abs().max() > 1e-9


def test_small_changes_add_up(source):
    w = DigitalWeight(4, 4, top=1.0, std=0.1, generator=source, dtype=torch.float64)
    start = w.weight + w.owed_weight
    for _ in range(10):
        w.program_({"weight": torch.full_like(w.weight, 0.13 / 127)})
    assert torch.allclose(w.weight + w.owed_weight, start + 1.3 / 127)
    assert (w.weight - start).abs().max() <= 2 / 127


def test_a_read_is_multiply_adds_and_fetches(source):
    w, parts = DigitalWeight(20, 30, generator=source), Accelerator()
    cost = w.cost()
    assert cost.read["multiply"].joules == pytest.approx(600 * 1e-12 * parts.engine.int8_pj)
    assert cost.read["memory"].joules == pytest.approx(600 / parts.reuse * 1e-12 * parts.sram_pj)
    assert cost.total("read").seconds == pytest.approx(600 / parts.engine.per_s + parts.logic_s)
    assert w.cost(backward=True).read["neuron"].joules == pytest.approx(30 * 1e-12 * parts.neuron_pj)
    assert cost.hold["memory"].area == pytest.approx(4800 * 1e-6 * parts.bit_um2)
    assert not sourceless(parts)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: DigitalWeight(3, 3, top=-1.0, generator=torch.Generator()), "largest weight must be positive"),
        (lambda: Accelerator(reuse=0.0), "reuse of Accelerator must be positive"),
    ],
)
def test_what_cannot_be_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
