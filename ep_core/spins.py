# ruff: noqa: ANN001, ANN201, ANN202 (numba gives the types)
"""Two layers of spins that take turns, compiled: sample by sample, each field changed by the spins that flip only."""

import math

import numpy as np

from ep_core.compiled import compiled

SURE = 20.0  # beyond that, a heat bath has chosen but for 2 in 1e9, and noise of 6.5 deviations but for 4 in 1e11
FAR = 6.5


@compiled
def _uniform(seed, count):
    """Number `count` of the stream `seed`, in [0, 1): splitmix64 (Steele, Lea & Flood, OOPSLA 2014)."""
    z = seed + np.uint64(count) * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.float64((z ^ (z >> np.uint64(31))) >> np.uint64(11)) * 2.0**-53


@compiled
def _turn(spins, field, others, push, cold, noisy, seed, count):
    """Draw all spins of a layer anew from their fields; a spin that flips moves the fields of the others by 2 push."""
    for i in range(len(spins)):
        f = field[i]
        if noisy:
            # P(s = -1) = Phi(f / phi), cold = 1 / phi
            u = f * cold
            up = _uniform(seed, count + i) >= 0.5 * math.erfc(-u * 0.7071067811865476) if abs(u) < FAR else u < 0
        else:
            # P(s = -1) = 1 / (1 + exp(-2 beta f)), cold = beta
            u = 2 * f * cold
            up = _uniform(seed, count + i) * (1.0 + math.exp(-u)) >= 1.0 if abs(u) < SURE else u < 0
        old = spins[i]
        if up != (old > 0):
            spins[i] = -old
            change, row = old + old, push[i]  # (2 old would be of double precision)
            for j in range(len(others)):
                others[j] -= change * row[j]


@compiled
def _own(field, h, spins, push):
    """Fields h + sum_i s_i push_i of a layer, all anew."""
    for j in range(len(field)):
        field[j] = h[j]
    for i in range(len(spins)):
        for j in range(len(field)):
            field[j] += spins[i] * push[i, j]


@compiled
def sweeps(h_first, h_second, up, down, schedule, noisy, seeds, first, second):
    """Sweep all rows of `first` and `second` (rows, n) in place, by turns, once a value of the schedule.

    h_first, h_second (batch, n): fields; row r has those of sample r modulo batch. up (n_second, n_first), down
    (n_first, n_second): what a spin of one layer adds to the fields of the other. schedule: inverse temperatures of a
    heat bath, or, where `noisy`, 1 / phi of fields read with noise phi. seeds: one of each row.
    """
    batch, n, m = len(h_first), first.shape[1], second.shape[1]
    f, g = np.empty(n, h_first.dtype), np.empty(m, h_first.dtype)
    for row in range(len(first)):
        a, b, seed, count = first[row], second[row], np.uint64(seeds[row]), 0
        _own(f, h_first[row % batch], b, up)
        _own(g, h_second[row % batch], a, down)
        for cold in schedule:
            _turn(a, f, g, down, cold, noisy, seed, count)
            _turn(b, g, f, up, cold, noisy, seed, count + n)
            count += n + m
