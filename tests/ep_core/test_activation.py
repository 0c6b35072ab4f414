"""Transfers, slopes and energies belong together."""

import pytest
import torch

from ep_core import HardSigmoid, Modulator, Sigmoid

KINDS = [HardSigmoid(), HardSigmoid(low=-0.5, high=1.5), Sigmoid(), Modulator()]


@pytest.mark.parametrize("activation", KINDS)
def test_energy_is_the_primitive_of_the_inverse(activation):
    u = torch.linspace(0.05, 0.95, 41, dtype=torch.float64)
    s = activation.rho(u).requires_grad_()
    (inverse,) = torch.autograd.grad(activation.energy(s).sum(), s)
    torch.testing.assert_close(inverse, u, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("activation", KINDS)
def test_slope_is_the_derivative(activation):
    u = torch.tensor([-2.0, -0.3, 0.2, 0.5, 0.7, 1.2, 3.0], dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(activation.rho(u).sum(), u)
    torch.testing.assert_close(activation.slope(u.detach()), slope, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("activation", KINDS)
def test_transfer_is_increasing_and_stays_in_its_box(activation):
    s = activation(torch.linspace(-3, 4, 301, dtype=torch.float64))
    assert (s.diff() >= 0).all()
    assert s.min() >= activation.low
    assert s.max() <= activation.high


def test_levels_are_a_grid_over_the_box():
    activation = HardSigmoid(bits=3, low=-0.5, high=1.5)
    s = activation(torch.linspace(-1, 2, 1001, dtype=torch.float64)).unique()
    assert len(s) == 8
    torch.testing.assert_close(s.diff(), torch.full((7,), activation.level, dtype=torch.float64))
    assert (s[0], s[-1]) == (-0.5, 1.5)


def test_pieces_tell_kinks():
    assert HardSigmoid().piece(torch.tensor([-1.0, 0.5, 2.0])).tolist() == [-1, 0, 1]
    assert Modulator().piece(torch.tensor([-1.0, 0.5, 2.0])).tolist() == [-1, 0, 1]
    assert Sigmoid().piece(torch.tensor([-1.0, 0.5, 2.0])).tolist() == [0, 0, 0]


@pytest.mark.parametrize("bits", [0, 17, -1])
def test_impossible_bits_are_refused(bits):
    with pytest.raises(ValueError, match=str(bits)):
        HardSigmoid(bits=bits)
