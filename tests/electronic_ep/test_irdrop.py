"""Wires of a crossbar against Kirchhoff's law at every node; both directions; the gradient; bad input."""

import numpy as np
import pytest
import torch

from electronic_ep import Terminals, Wires, drops, effective

ENDS = Terminals(word_drive=10.0, bit_sense=50.0, bit_drive=20.0, word_sense=70.0)


def random(source, *shape):
    """From 1 to 100 uS."""
    return 1e-6 + 99e-6 * torch.rand(*shape, generator=source, dtype=torch.float64)


def kirchhoff(g, wires, word, bit, backward):
    """Currents of the sensed lines per volt of the driven ones, from one equation a node."""
    rows, cols = g.shape
    admittance = np.zeros((2 * rows * cols,) * 2)

    def node(line, i, j):
        return line * rows * cols + i * cols + j

    def join(a, b, conductance):
        for x, y in ((a, b), (b, a)):
            admittance[x, x] += conductance
            admittance[x, y] -= conductance

    for i in range(rows):
        for j in range(cols):
            join(node(0, i, j), node(1, i, j), g[i, j])
            if j + 1 < cols:
                join(node(0, i, j), node(0, i, j + 1), 1 / wires.word)
            if i + 1 < rows:
                join(node(1, i, j), node(1, i + 1, j), 1 / wires.bit)
    words = [node(0, i, 0) for i in range(rows)]
    bits = [node(1, rows - 1, j) for j in range(cols)]
    at_word, at_bit = 1 / (wires.word + word), 1 / (wires.bit + bit)
    for ends, conductance in ((words, at_word), (bits, at_bit)):
        admittance[ends, ends] += conductance
    driven, sensed = (bits, words) if backward else (words, bits)
    sources = np.zeros((len(admittance), len(driven)))
    sources[driven, range(len(driven))] = at_bit if backward else at_word
    return (at_word if backward else at_bit) * np.linalg.solve(admittance, sources)[sensed]


@pytest.mark.parametrize(("rows", "cols"), [(1, 1), (1, 5), (6, 1), (8, 8), (7, 12)])
@pytest.mark.parametrize("backward", [False, True])
def test_it_is_kirchhoffs_law(source, rows, cols, backward):
    g, wires = random(source, 3, rows, cols), Wires(word=2.0, bit=5.0)
    found = effective(g, wires, ENDS, backward=backward)
    word, bit = (ENDS.word_sense, ENDS.bit_drive) if backward else (ENDS.word_drive, ENDS.bit_sense)
    for tile in range(3):
        law = kirchhoff(g[tile].numpy(), wires, word, bit, backward)
        np.testing.assert_allclose(found[tile], law.T if backward else law, rtol=1e-12)


def test_shared_terminals_are_symmetric_and_others_are_not(source):
    g, wires = random(source, 64, 64), Wires(word=2.0, bit=2.0)
    shared = Terminals(word_drive=10.0, word_sense=10.0, bit_drive=50.0, bit_sense=50.0)
    swapped = Terminals(word_drive=10.0, word_sense=50.0, bit_drive=10.0, bit_sense=50.0)
    assert shared.symmetric
    assert not swapped.symmetric
    for ends, least, most in ((shared, 0.0, 1e-12), (swapped, 1e-3, 0.1)):
        forward, backward = (effective(g, wires, ends, backward=b) for b in (False, True))
        assert least <= float((forward - backward).norm() / forward.norm()) <= most


@pytest.mark.parametrize("ends", [Terminals(), ENDS])
def test_wires_of_hardly_any_resistance_are_none(source, ends):
    g = random(source, 2, 5, 7)
    without = effective(g, Wires(word=0.0, bit=0.0), ends)
    torch.testing.assert_close(effective(g, Wires(word=1e-5, bit=1e-5), ends), without, rtol=1e-6, atol=0)
    if ends == Terminals():
        torch.testing.assert_close(without, g.mT)


@pytest.mark.parametrize("wires", [Wires(word=0.0, bit=0.0), Wires(word=30.0, bit=80.0)])
def test_the_gradient_is_exact(source, wires):
    scaled = 1e4 * random(source, 2, 3, 4)

    def law(g):
        return 1e4 * effective(1e-4 * g, wires, ENDS)

    assert torch.autograd.gradcheck(law, (scaled.requires_grad_(),))


@pytest.mark.parametrize("wires", [Wires(word=0.0, bit=0.0), Wires(word=3.0, bit=8.0)])
@pytest.mark.parametrize("backward", [False, True])
def test_drops_make_the_gradient(source, wires, backward):
    """Tellegen's local rule against the derivative of W_eff, for either direction's terminals."""
    g = random(source, 2, 6, 9).requires_grad_()
    pre, post = (torch.randn(2, 4, n, generator=source, dtype=torch.float64) for n in (6, 9))
    product = (post * (pre @ effective(g, wires, ENDS, backward=backward).mT)).sum()
    (slope,) = torch.autograd.grad(product, g)
    # The terminals of one W_eff: those of its forward direction driven from either side
    ends = ENDS
    if backward:
        ends = Terminals(word_drive=70.0, bit_sense=20.0)
    twin = Terminals(word_sense=ends.word_drive, bit_drive=ends.bit_sense)
    there, back = drops(g, pre, wires, ends), drops(g, post, wires, twin, backward=True)
    torch.testing.assert_close(-(there * back).sum(-3), slope, rtol=1e-10, atol=1e-12)


def test_drops_without_resistance_are_the_outer_product(source):
    g = random(source, 3, 2)
    pre, post = torch.randn(5, 3, generator=source, dtype=g.dtype), torch.randn(5, 2, generator=source, dtype=g.dtype)
    none = Wires(word=0.0, bit=0.0)
    found = -(drops(g, pre, none) * drops(g, post, none, backward=True))
    torch.testing.assert_close(found, pre[:, :, None] * post[:, None, :])
    nearly = Wires(word=1e-6, bit=1e-6)
    found = -(drops(g, pre, nearly) * drops(g, post, nearly, backward=True))
    torch.testing.assert_close(found, pre[:, :, None] * post[:, None, :], rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda _: Wires(word=-1.0, bit=1.0), "at least 0 ohm, not -1"),
        (lambda _: Wires(word=0.0, bit=1.0), "both lines or none"),
        (lambda _: Terminals(bit_sense=float("nan")), "bit_sense must be .* not nan"),
        (lambda g: effective(0 * g, Wires(word=1.0, bit=1.0)), "positive and finite, not 0"),
        (lambda g: effective(g / 0, Wires(word=1.0, bit=1.0)), "positive and finite, not inf"),
        (lambda g: effective(-g, Wires(word=1.0, bit=1.0)), "positive and finite, not -"),
    ],
)
def test_bad_input(source, make, said):
    with pytest.raises(ValueError, match=said):
        make(random(source, 2, 2))
