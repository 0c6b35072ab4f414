# ruff: noqa: ANN001, ANN201, ANN202 (numba gives the types)
"""Two layers of spins that take turns, compiled: sample by sample, each field changed by the spins that flip only.

What a layer draws is made in passes without branches, which the compiler turns into vectors.
"""

import math

import numpy as np

from ep_core.compiled import compiled


@compiled
def _uniforms(u, seed, count):
    """Numbers `count`, .. of the stream `seed`, in [0, 1): splitmix64 (Steele, Lea & Flood, OOPSLA 2014)."""
    for i in range(len(u)):
        z = seed + np.uint64(count + i) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        u[i] = np.float64((z ^ (z >> np.uint64(31))) >> np.uint64(11)) * 2.0**-53


@compiled
def _exponentials(e, powers):
    """e <- exp(e), e clipped to +-700: 2^n times a polynomial of the rest, 1e-12 off at most."""
    bits = powers.view(np.int64)
    for i in range(len(e)):
        x = min(max(e[i], -700.0), 700.0)
        n = math.floor(x * 1.4426950408889634 + 0.5)
        r = x - n * 0.6931471805599453
        tail = 1 / 120 + r * (1 / 720 + r * (1 / 5040 + r * (1 / 40320 + r / 362880)))
        e[i] = 1.0 + r * (1.0 + r * (1 / 2 + r * (1 / 6 + r * (1 / 24 + r * tail))))
        bits[i] = (np.int64(n) + 1023) << 52
    for i in range(len(e)):
        e[i] *= powers[i]


@compiled
def _boltzmann(p, field, cold, powers):
    """p <- P(s = -1) = 1 / (1 + exp(-2 beta f)), cold = beta."""
    for i in range(len(p)):
        p[i] = -2.0 * cold * field[i]
    _exponentials(p, powers)
    for i in range(len(p)):
        p[i] = 1.0 / (1.0 + p[i])


@compiled
def _probit(p, field, cold, powers):
    """p <- P(s = -1) = Phi(f / phi), cold = 1 / phi, by a Chebyshev fit of erfc, 1.2e-7 off at most.

    The fit is that of Press et al., Numerical Recipes, section 6.2.
    """
    for i in range(len(p)):
        z = abs(cold * field[i]) * 0.7071067811865476
        t = 1.0 / (1.0 + 0.5 * z)
        tail = -0.18628806 + t * (
            0.27886807 + t * (-1.13520398 + t * (1.48851587 + t * (-0.82215223 + t * 0.17087277)))
        )
        p[i] = -z * z - 1.26551223 + t * (1.00002368 + t * (0.37409196 + t * (0.09678418 + t * tail)))
    _exponentials(p, powers)
    for i in range(len(p)):
        z = abs(cold * field[i]) * 0.7071067811865476
        beyond = 0.5 * p[i] / (1.0 + 0.5 * z)
        p[i] = 1.0 - beyond if field[i] > 0 else beyond


@compiled
def _turn(spins, field, others, push, cold, noisy, seed, count, p, u, powers, flipped):
    """Draw all spins of a layer anew from their fields; a spin that flips moves the fields of the others by 2 push."""
    n, flips = len(spins), 0
    _uniforms(u[:n], seed, count)
    if noisy:
        _probit(p[:n], field, cold, powers[:n])
    else:
        _boltzmann(p[:n], field, cold, powers[:n])
    for i in range(n):
        flipped[flips] = i
        flips += (u[i] >= p[i]) != (spins[i] > 0)
    for k in range(flips):
        i = flipped[k]
        spins[i] = -spins[i]
        change, row = spins[i] + spins[i], push[i]  # (2 s would be of double precision)
        for j in range(len(others)):
            others[j] += change * row[j]


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
    p, u, powers, flipped = np.empty(n + m), np.empty(n + m), np.empty(n + m), np.empty(n + m + 1, np.int64)
    for row in range(len(first)):
        a, b, seed, count = first[row], second[row], np.uint64(seeds[row]), 0
        _own(f, h_first[row % batch], b, up)
        _own(g, h_second[row % batch], a, down)
        for cold in schedule:
            _turn(a, f, g, down, cold, noisy, seed, count, p, u, powers, flipped)
            _turn(b, g, f, up, cold, noisy, seed, count + n, p, u, powers, flipped)
            count += n + m
