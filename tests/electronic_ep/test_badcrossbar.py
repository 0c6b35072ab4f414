"""Effective matrices against badcrossbar, which solves Kirchhoff's equations of all nodes for every input."""

import logging
import sys

import pytest
import torch

from electronic_ep import Wires, effective
from electronic_ep.crosscheck import badcrossbar


@pytest.mark.parametrize(("rows", "cols"), [(32, 32), (64, 64), (128, 128), (24, 40), (40, 24)])
def test_currents_are_badcrossbars(source, rows, cols):
    g = 1e-6 + 99e-6 * torch.rand(rows, cols, generator=source, dtype=torch.float64)
    volts = 0.1 + torch.rand(3, rows, generator=source, dtype=torch.float64)
    wires = Wires(word=2.0, bit=5.0)
    found = volts @ effective(g, wires).mT
    torch.testing.assert_close(found, badcrossbar.currents(volts, g, wires), rtol=1e-11, atol=0)


def test_it_does_not_set_up_logging_nor_draw():
    level = logging.getLogger().level
    badcrossbar.currents(*(torch.ones(2, 2, dtype=torch.float64) for _ in range(2)), Wires(word=1.0, bit=1.0))
    assert logging.getLogger().level == level
    assert not {"cairo", "badcrossbar", "badcrossbar.plotting"} & set(sys.modules)


def test_its_absence_is_said(monkeypatch):
    monkeypatch.delitem(sys.modules, "badcrossbar.computing", raising=False)
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(ModuleNotFoundError, match="pip install --no-deps badcrossbar"):
        badcrossbar.currents(*(torch.ones(2, 2, dtype=torch.float64) for _ in range(2)), Wires(word=1.0, bit=1.0))
