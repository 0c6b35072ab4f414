"""Compiled effective matrices against those in torch, and against Kirchhoff's law where torch rounds."""

import mpmath
import pytest
import torch

from electronic_ep import Terminals, Wires, effective

ENDS = Terminals(word_drive=10.0, bit_sense=50.0, bit_drive=20.0, word_sense=1e4)
SHAPES = [(1, 1), (1, 9), (9, 1), (8, 8), (16, 16), (7, 40), (40, 7), (1, 130), (130, 1), (64, 64), (23, 65)]


def spread(source, *shape, low=1e-6, high=1e-4):
    """Evenly on a logarithmic scale [S]."""
    return low * (high / low) ** torch.rand(*shape, generator=source, dtype=torch.float64)


def both(g, wires, ends=None, *, backward=False):
    """Compiled, and in torch, as where a gradient is asked for."""
    in_torch = effective(g.clone().requires_grad_(), wires, ends, backward=backward)
    assert in_torch.requires_grad
    return effective(g, wires, ends, backward=backward), in_torch.detach()


@pytest.mark.parametrize(("rows", "cols"), SHAPES)
@pytest.mark.parametrize("backward", [False, True])
def test_it_equals_torch(source, rows, cols, backward):
    for ends in (None, ENDS):
        found, expected = both(spread(source, rows, cols), Wires(word=2.0, bit=5.0), ends, backward=backward)
        torch.testing.assert_close(found, expected, rtol=1e-11, atol=0)


@pytest.mark.parametrize("tiles", [(1,), (3,), (2, 5), (17,)])
@pytest.mark.parametrize(("rows", "cols"), [(5, 3), (16, 16), (30, 41)])
def test_tiles_are_their_own(source, tiles, rows, cols):
    """Those that share vectors, and those left over."""
    g = spread(source, *tiles, rows, cols)
    found, expected = both(g, Wires(word=2.0, bit=5.0), ENDS)
    torch.testing.assert_close(found, expected, rtol=1e-11, atol=0)


@pytest.mark.parametrize("word", [1e-3, 1.0, 100.0])
@pytest.mark.parametrize("bit", [1e-3, 1.0, 100.0])
def test_wires_and_devices_of_all_kinds(source, word, bit):
    for low, high in ((1e-8, 1e-7), (1e-4, 1e-3), (1e-8, 1e-3)):
        found, expected = both(spread(source, 20, 28, low=low, high=high), Wires(word=word, bit=bit))
        error = (found - expected).abs().amax() / expected.abs().amax()
        assert float(error) < 1e-11


@pytest.mark.parametrize(("word", "bit"), [(1e-3, 1e2), (1e2, 1e-3), (1e-6, 1e-6)])
@pytest.mark.parametrize("shape", [(3, 10), (11, 3)])
def test_every_entry_is_precise(source, word, bit, shape):
    """Kirchhoff's law with 50 digits: nothing cancels, be there hardly any wire and next to no device."""
    g, ends = spread(source, *shape, low=1e-8, high=1e-3), Terminals(word_drive=1e5, bit_sense=1e3)
    found = effective(g, Wires(word=word, bit=bit), ends)
    torch.testing.assert_close(found, law(g, word, bit, ends), rtol=1e-13, atol=0)


def law(g, word, bit, ends):
    """Currents of the bit lines per volt of the word lines from one equation a node."""
    rows, cols = g.shape
    with mpmath.workdps(50):
        admittance = mpmath.zeros(2 * rows * cols)
        drives, senses = 1 / mpmath.mpf(word + ends.word_drive), 1 / mpmath.mpf(bit + ends.bit_sense)

        def join(a, b, conductance):
            for x, y in ((a, b), (b, a)):
                admittance[x, x] += conductance
                admittance[x, y] -= conductance

        for i in range(rows):
            for j in range(cols):
                here, there = i * cols + j, rows * cols + i * cols + j
                join(here, there, mpmath.mpf(float(g[i, j])))
                if j + 1 < cols:
                    join(here, here + 1, 1 / mpmath.mpf(word))
                if i + 1 < rows:
                    join(there, there + cols, 1 / mpmath.mpf(bit))
        words, bits = [i * cols for i in range(rows)], [2 * rows * cols - cols + j for j in range(cols)]
        for nodes, conductance in ((words, drives), (bits, senses)):
            for node in nodes:
                admittance[node, node] += conductance
        sources, (factors, order) = mpmath.zeros(2 * rows * cols, 1), mpmath.mp.LU_decomp(admittance)
        found = torch.empty(cols, rows, dtype=torch.float64)
        for i, node in enumerate(words):
            sources *= 0
            sources[node] = drives
            voltages = mpmath.mp.U_solve(factors, mpmath.mp.L_solve(factors, sources, order))
            found[:, i] = torch.tensor([float(senses * voltages[b]) for b in bits], dtype=torch.float64)
    return found


def test_no_wires(source):
    g = spread(source, 3, 9, 12)
    found, expected = both(g, Wires(word=0.0, bit=0.0), ENDS)
    torch.testing.assert_close(found, expected, rtol=0, atol=0)


def test_no_tiles():
    wires = Wires(word=1.0, bit=1.0)
    assert effective(torch.ones(0, 4, 6, dtype=torch.float64), wires).shape == (0, 6, 4)


def test_single_precision_is_computed_in_double(source):
    g = spread(source, 2, 20, 33).float()
    found = effective(g, Wires(word=2.0, bit=2.0))
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, effective(g.double(), Wires(word=2.0, bit=2.0)).float(), rtol=0, atol=0)


def test_it_is_chosen_where_no_gradient_is_asked_for(source, monkeypatch):
    g, wires = spread(source, 6, 5).requires_grad_(), Wires(word=2.0, bit=2.0)
    monkeypatch.setattr("electronic_ep.irdrop.compiled_effective", lambda *_: pytest.fail("compiled"))
    assert effective(g, wires).requires_grad
    for compiled in (lambda: effective(g.detach(), wires), lambda: torch.no_grad()(effective)(g, wires)):
        with pytest.raises(pytest.fail.Exception, match="compiled"):
            compiled()


def test_views_are_read_as_they_lie(source):
    g, wires = spread(source, 12, 9, 4), Wires(word=2.0, bit=5.0)
    turned = g.permute(2, 1, 0)
    torch.testing.assert_close(effective(turned, wires), effective(turned.contiguous(), wires), rtol=0, atol=0)
