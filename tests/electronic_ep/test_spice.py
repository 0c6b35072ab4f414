"""Crossbars against ngspice: wires, terminals, both directions, the voltage across every device; and what can fail."""

import shutil

import pytest
import torch

from electronic_ep import Terminals, Wires, drops, effective, spice

needs_ngspice = pytest.mark.skipif(shutil.which("ngspice") is None, reason=spice.MISSING)
NONE = Terminals()
ENDS = Terminals(word_drive=10.0, bit_sense=50.0, bit_drive=20.0, word_sense=70.0)
DIVIDER = "divider\nv1 in 0 1\nr1 in out 1k\nr2 out 0 2k\n"


@needs_ngspice
@pytest.mark.parametrize("shape", [(8, 8), (5, 7)])
@pytest.mark.parametrize("wires", [Wires(word=2.0, bit=3.0), Wires(word=0.0, bit=0.0)])
@pytest.mark.parametrize("ends", [ENDS, NONE])
@pytest.mark.parametrize("backward", [False, True])
def test_a_crossbar_is_ngspices(source, shape, wires, ends, backward):
    g = 1e-6 + 99e-6 * torch.rand(*shape, generator=source, dtype=torch.float64)
    volts = torch.rand(shape[1 if backward else 0], generator=source, dtype=torch.float64)
    values = spice.operating_point(spice.crossbar_deck(g, volts, wires, ends, backward=backward))
    whole = effective(g, wires, ends, backward=backward)
    found = spice.sensed(values, shape[0 if backward else 1])
    torch.testing.assert_close(found, (whole if not backward else whole.mT) @ volts, rtol=1e-10, atol=0)
    across = drops(g, volts[None], wires, ends, backward=backward)[0]
    torch.testing.assert_close(spice.across(values, *shape, wires), across, rtol=1e-10, atol=1e-13)


@needs_ngspice
def test_any_deck_is_solved(monkeypatch):
    monkeypatch.setenv("SPICE_ASCIIRAWFILE", "1")
    values = spice.operating_point(spice.deck(DIVIDER.splitlines()))
    assert values["v(out)"] == pytest.approx(2 / 3, rel=1e-14)
    assert values["i(v1)"] == pytest.approx(-1 / 3000, rel=1e-14)


@needs_ngspice
@pytest.mark.parametrize(
    ("deck", "said"),
    [
        (DIVIDER + "q1 out 0 none\n.op\n.end\n", "^ngspice: Error on line 5 .* q1 out 0 none; .*$"),
        (DIVIDER + "v2 in 0 2\n.op\n.end\n", "^ngspice: Error: .*$"),
        (DIVIDER + "r3 out 0\n.op\n.end\n", "^ngspice: Warning: r3: .* set to 1 mOhm$"),
        (DIVIDER + ".end\n", "does not ask for one operating point"),
        (DIVIDER + ".tran 1n 10n\n.end\n", "does not ask for one operating point"),
        ("", "^ngspice: .+$"),
    ],
)
def test_a_deck_that_fails_is_one_line(deck, said):
    with pytest.raises(ValueError, match=said):
        spice.operating_point(deck)


def test_without_ngspice(monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(FileNotFoundError, match=r"^ngspice is not there: .* apt-get install ngspice"):
        spice.operating_point(DIVIDER)


@pytest.mark.parametrize(
    ("g", "volts", "said"),
    [
        (torch.ones(2, 2, 3), torch.ones(2), "one tile"),
        (torch.ones(2, 3), torch.ones(3), "2 lines are driven, not 3"),
        (torch.zeros(2, 3), torch.ones(2), "positive and finite"),
        (torch.ones(2, 3), torch.ones(2) / 0, "finite voltages, not inf"),
    ],
)
def test_bad_input(g, volts, said):
    with pytest.raises(ValueError, match=said):
        spice.crossbar_deck(g, volts, Wires(word=0.0, bit=0.0))
