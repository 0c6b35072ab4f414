"""Constants of hardware: numbers with range, unit and source; parts at the ends of their ranges."""

import copy
import pickle
from dataclasses import dataclass, field
from typing import ClassVar

import pytest

from ep_core.quantity import Quantity, at, constants, moved, sourceless, sources

PJ = Quantity(2.0, 1.0, 5.0, unit="pJ", source="somebody 2020 (B)")
SHARE = Quantity(0.1, 0.5, 0.05, unit="1", source="assumed")


@dataclass(frozen=True)
class Inner:
    pj: float = PJ
    plain: float = 3.0
    bits: int = 8
    nothing: float = 0.0


@dataclass(frozen=True)
class Outer:
    inner: Inner = field(default_factory=Inner)
    share: float = SHARE
    told: float = 4.0
    sources: ClassVar = {"told": "assumed"}


def test_it_is_its_nominal_value():
    assert PJ == 2.0
    assert 3 * PJ == 6.0
    assert (PJ.at("low"), PJ.at("nominal"), PJ.at("high")) == (1.0, 2.0, 5.0)


@pytest.mark.parametrize("through", [copy.deepcopy, lambda q: pickle.loads(pickle.dumps(q))])
def test_copies_keep_everything(through):
    again = through(SHARE)
    assert (again, again.cheap, again.dear, again.unit, again.source) == (0.1, 0.5, 0.05, "1", "assumed")


def test_parts_move_to_an_end_of_their_ranges():
    low, high = at(Outer(), "low"), at(Outer(), "high")
    assert (low.inner.pj, low.share, low.inner.plain) == (1.0, 0.5, 3.0)
    assert (high.inner.pj, high.share) == (5.0, 0.05)
    assert Outer().inner.pj == 2.0
    assert dict(constants(low)).keys() == {"inner.pj", "share"}
    assert low.inner.pj.source == PJ.source


def test_one_constant_moves_alone():
    changed = moved(Outer(), {"inner.pj": 9.0})
    assert (changed.inner.pj, changed.share) == (9.0, 0.1)
    assert (changed.inner.pj.cheap, changed.inner.pj.dear) == (1.0, 9.0)
    assert moved(Outer(), {"share": 0.9}).share.cheap == 0.9


def test_what_says_no_source_is_found():
    assert sourceless(Outer()) == ["inner.plain"]
    assert sources(Inner()) == "somebody 2020 (B); assumed"
    assert sources(Outer(), "share") == "assumed"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Quantity(0.0, unit="pJ", source="assumed"), "positive and finite"),
        (lambda: Quantity(1.0, -1.0, 2.0, unit="pJ", source="assumed"), "positive and finite"),
        (lambda: Quantity(1.0, 2.0, 3.0, unit="pJ", source="assumed"), "lies in its range"),
        (lambda: Quantity(1.0, unit="pJ", source="somebody"), "needs a source"),
        (lambda: moved(Outer(), {"inner.plain": 1.0}), "no constant inner.plain: there are inner.pj, share"),
        (lambda: moved(Outer(), {"share": 0.0}), "positive and finite, not 0"),
    ],
)
def test_what_cannot_be_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
