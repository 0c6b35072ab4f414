"""Compiling the few loops that torch cannot run fast, with numba.

A helper is always inlined. As a function of its own it would be compiled once alone and once in every caller, each
time optimised otherwise, all under one name: which one runs, and so the last digit of a result, would depend on what
was compiled or read from the cache before.
"""

import inspect
from collections.abc import Callable
from typing import Any

from numba import njit

FAST = {"contract", "reassoc", "nsz"}  # NaN keeps its meaning


def compiled(function: Callable[..., Any]) -> Any:  # noqa: ANN401
    """Compile what Python calls, kept between runs. A division by 0 gives infinity: an error would hinder vectors.

    Unwraps what a checker of types may have put on.
    """
    return njit(cache=True, fastmath=FAST, error_model="numpy")(inspect.unwrap(function))


def helper(function: Callable[..., Any]) -> Any:  # noqa: ANN401
    """The same for what only compiled functions call: it becomes part of them."""
    return njit(cache=True, fastmath=FAST, error_model="numpy", forceinline=True)(inspect.unwrap(function))
