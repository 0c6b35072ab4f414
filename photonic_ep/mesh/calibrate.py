"""What any laboratory does before it trusts a mesh: today, turning the local oscillators of the receivers."""

import torch
from jaxtyping import Complex, Float
from torch import Tensor


def lo_refit(measured: Complex[Tensor, "tiles k k"], believed: Complex[Tensor, "tiles k k"]) -> Float[Tensor, " tiles"]:
    """Return one local-oscillator phase a tile, psi = arg sum conj(believed) measured: the best fit in least squares.

    Crosstalk turns all heaters the same way, so most of its harm is a common phase of T, and Re(e^{i psi} T) is
    another matrix. `measured` is what two quadratures of each column show: 2 k reads of a tile.
    """
    return torch.angle((believed.conj() * measured).sum((1, 2)))
