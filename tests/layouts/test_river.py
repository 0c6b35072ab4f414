"""The river: whatever sources and targets, wires keep their distance and their order; refusals."""

from itertools import combinations, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from layouts.river import Wire, boxes, levels

SPACE = 1.2


@st.composite
def rivers(draw):
    count = draw(st.integers(1, 12))
    widths = draw(st.lists(st.sampled_from([2.0, 11.0]), min_size=count, max_size=count))
    ends = []
    for _ in range(2):
        x, places = draw(st.floats(-200, 200)), []
        for i, gap in enumerate(draw(st.lists(st.floats(0, 60), min_size=count, max_size=count))):
            x += SPACE + gap + ((widths[i - 1] + widths[i]) / 2 if i else 0)
            places.append(x)
        ends.append(places)
    return [Wire(source=s, target=t, width=w) for s, t, w in zip(*ends, widths, strict=True)]


def apart(one, other):
    """Distance of two rectangles, in the larger of both directions."""
    return max(other[0] - one[2], one[0] - other[2], other[1] - one[3], one[1] - other[3])


@given(rivers())
def test_wires_keep_their_distance(wires):
    pieces, top = boxes(wires, SPACE, 5.0)
    for one, other in combinations(pieces, 2):
        for a in one:
            for b in other:
                assert apart(a, b) >= SPACE - 1e-6
    for wire, own in zip(wires, pieces, strict=True):
        assert own[0][1] == 5.0
        assert own[-1][3] == top
        assert (own[0][0] + own[0][2]) / 2 == pytest.approx(wire.source)
        assert (own[-1][0] + own[-1][2]) / 2 == pytest.approx(wire.target)
        for a, b in pairwise(own):
            assert apart(a, b) < 0


def test_a_bend_to_the_right_goes_over_the_wires_beside_it():
    wires = [Wire(source=x, target=x + 50, width=2.0) for x in (0.0, 10.0, 20.0)]
    assert levels(wires, SPACE) == pytest.approx([2.2 + 2 * 3.2, 2.2 + 3.2, 2.2])


@pytest.mark.parametrize("places", [(0.0, 1.0), (10.0, 0.0)])
def test_wires_that_touch_or_cross_are_refused(places):
    wires = [Wire(source=x, target=30.0 * i, width=2.0) for i, x in enumerate(places)]
    with pytest.raises(ValueError, match="two sources"):
        levels(wires, SPACE)
