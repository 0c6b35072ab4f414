"""Exact laws of small Ising machines by enumeration: what samplers must draw, and what EP's expectation must be."""

import itertools
from dataclasses import dataclass

import torch

from ep_core.samplers import Samples, energy


def states(sizes):
    """All spins of layers, (2^n, 1, n) each."""
    every = torch.tensor(list(itertools.product((-1.0, 1.0), repeat=sum(sizes))), dtype=torch.float64)
    return [part[:, None] for part in every.split(list(sizes), 1)]


def boltzmann(fields, weights, beta):
    """P(s) of all `states` and F = -log Z / beta, of each sample: (2^n, batch), (batch)."""
    e = energy(fields, weights, states([h.shape[1] for h in fields]))
    return torch.softmax(-beta * e, 0), -torch.logsumexp(-beta * e, 0) / beta


def given(drive, other, phi):
    """P of every state `other` (m, n) drawn by -sign(f + phi xi) from fields (k, n): (k, m)."""
    up = torch.special.ndtr(-drive / phi)[:, None]
    return torch.where(other[None] > 0, up, 1 - up).prod(2)


def probit(h_hid, h_out, w, phi):
    """Stationary law of one sample's sweeps: the first layer anew from the second's spins, then the second from it."""
    n, m = w.shape
    hidden, outputs = (states([k])[0][:, 0] for k in (n, m))
    draw_h, draw_o = given(h_hid + outputs @ w.mT, hidden, phi), given(h_out + hidden @ w, outputs, phi)
    # Rows: from where; the law of the outputs is kept by one sweep
    sweep = draw_h @ draw_o
    law = torch.full((1, len(outputs)), 1 / len(outputs), dtype=torch.float64)
    for _ in range(4000):
        law = law @ sweep
    assert torch.allclose(law, law @ sweep, atol=1e-13)
    return ((law @ draw_h)[0][:, None] * draw_o).flatten()


def shares_of(samples):
    """How often each of `states` was drawn."""
    spins = torch.cat(list(samples.spins), 2).flatten(0, 1)
    place = ((spins > 0).long() * 2 ** torch.arange(spins.shape[1] - 1, -1, -1)).sum(1)
    return torch.bincount(place, minlength=2 ** spins.shape[1]).double() / len(spins)


def variation(p, q):
    """Total variation distance."""
    return 0.5 * float((p - q).abs().sum())


@dataclass(frozen=True)
class Enumerated:
    """A machine that returns all states, each with its share under a law of (fields, weights)."""

    law: object

    def sample(self, fields, weights, initial, schedule, reads, generator):
        batch, every = len(fields[0]), states([h.shape[1] for h in fields])
        return Samples(spins=[s.expand(-1, batch, -1) for s in every], shares=self.law(fields, weights))
