# ruff: noqa: ANN001, ANN201, ANN202 (numba gives the types)
"""Two layers of spins that take turns, compiled: sample by sample, each field changed by the spins that flip only.

What a layer draws is made in passes without branches, which the compiler turns into vectors.
"""

import math

import numpy as np

from ep_core.compiled import compiled, helper

# Single precision, or numba would compute in double
ONE, TWO, HALF, MOST = np.float32(1), np.float32(2), np.float32(0.5), np.float32(60)
LOG2_E, LN_2, LN_2_REST = np.float32(1.44269504), np.float32(0.693359375), np.float32(-2.12194440e-4)
ROOT_HALF, UNIT = np.float32(0.70710678), np.float32(2.0**-24)
EXP = tuple(np.float32(1 / math.factorial(k)) for k in range(2, 7))
# Chebyshev fit of erfc, Press et al., Numerical Recipes, section 6.2: 1.2e-7 of it off at most
ERFC = tuple(
    np.float32(c)
    for c in (
        -1.26551223, 1.00002368, 0.37409196, 0.09678418, -0.18628806,
        0.27886807, -1.13520398, 1.48851587, -0.82215223, 0.17087277,
    )
)  # fmt: skip


@helper
def _uniforms(u, half, seed, count):
    """Numbers from `count` on of the stream `seed`, in [0, 1): splitmix64 (Steele, Lea & Flood, OOPSLA 2014)."""
    for i in range(half):
        z = seed + np.uint64(count + i) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z = z ^ (z >> np.uint64(31))
        u[i] = np.float32(np.int32(z & np.uint64(0xFFFFFF))) * UNIT
        u[half + i] = np.float32(np.int32(z >> np.uint64(40))) * UNIT


@helper
def _exponential(x):
    """exp(x), x clipped to +-60, as a number near 1 and the bits of a power of 2."""
    x = min(max(x, -MOST), MOST)
    k = np.floor(x * LOG2_E + HALF)
    r = x - k * LN_2 - k * LN_2_REST
    near = ONE + r * (ONE + r * (EXP[0] + r * (EXP[1] + r * (EXP[2] + r * (EXP[3] + r * EXP[4])))))
    return near, (np.int32(k) + np.int32(127)) << np.int32(23)


@helper
def _boltzmann(marks, u, spins, field, cold, near, powers, bits):
    """Mark the spins that flip, each with probability 1 / (1 + exp(-2 beta f s)), cold = beta."""
    for i in range(len(spins)):
        near[i], bits[i] = _exponential(-TWO * cold * np.float32(field[i] * spins[i]))
    for i in range(len(spins)):
        marks[i] = u[i] * (ONE + near[i] * powers[i]) < ONE


@helper
def _probit(marks, u, spins, field, cold, near, powers, bits):
    """Mark the spins that flip, each with probability Phi(f s / phi), cold = 1 / phi."""
    for i in range(len(spins)):
        z = abs(cold * np.float32(field[i])) * ROOT_HALF
        t = ONE / (ONE + HALF * z)
        tail = ERFC[4] + t * (ERFC[5] + t * (ERFC[6] + t * (ERFC[7] + t * (ERFC[8] + t * ERFC[9]))))
        own, bits[i] = _exponential(-z * z + ERFC[0] + t * (ERFC[1] + t * (ERFC[2] + t * (ERFC[3] + t * tail))))
        near[i] = HALF * t * own
    for i in range(len(spins)):
        beyond = near[i] * powers[i]
        marks[i] = u[i] < (ONE - beyond if field[i] * spins[i] > 0 else beyond)


@helper
def _turn(spins, field, others, push, cold, noisy, seed, count, near, u, powers, bits, marks, eights, flipped):
    """Draw all spins of a layer anew from their fields; a spin that flips moves the fields of the others by 2 push.

    Returns where the stream goes on.
    """
    n, m, flips = len(spins), len(others), 0
    half = (n + 1) // 2
    _uniforms(u, half, seed, count)
    if noisy:
        _probit(marks, u, spins, field, cold, near, powers, bits)
    else:
        _boltzmann(marks, u, spins, field, cold, near, powers, bits)
    for block in range((n + 7) // 8):
        if eights[block]:
            for i in range(8 * block, min(8 * block + 8, n)):
                flipped[flips] = i
                flips += marks[i]
    for k in range(flips):
        spins[flipped[k]] = -spins[flipped[k]]
    # Four at a time, so that fields are read and written once for four
    k = 0
    while k + 4 <= flips:
        a, b, c, d = flipped[k], flipped[k + 1], flipped[k + 2], flipped[k + 3]
        s, t, v, w = spins[a] + spins[a], spins[b] + spins[b], spins[c] + spins[c], spins[d] + spins[d]
        for j in range(m):
            others[j] += s * push[a, j] + t * push[b, j] + v * push[c, j] + w * push[d, j]
        k += 4
    while k < flips:
        a = flipped[k]
        s = spins[a] + spins[a]
        for j in range(m):
            others[j] += s * push[a, j]
        k += 1
    return count + half


@helper
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
    near, u, powers = np.empty(n + m, np.float32), np.empty(n + m + 2, np.float32), np.empty(n + m, np.float32)
    bits, flipped = powers.view(np.int32), np.empty(n + m + 8, np.int64)
    marks = np.zeros(8 * ((n + m + 7) // 8), np.uint8)
    eights = marks.view(np.uint64)
    for row in range(len(first)):
        a, b, seed, count = first[row], second[row], np.uint64(seeds[row]), 0
        _own(f, h_first[row % batch], b, up)
        _own(g, h_second[row % batch], a, down)
        for cold in schedule:
            count = _turn(a, f, g, down, cold, noisy, seed, count, near, u, powers, bits, marks, eights, flipped)
            count = _turn(b, g, f, up, cold, noisy, seed, count, near, u, powers, bits, marks, eights, flipped)
