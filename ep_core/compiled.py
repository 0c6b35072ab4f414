"""Compiling the few loops that torch cannot run fast, with numba."""

import inspect
from collections.abc import Callable
from typing import Any

from numba import njit


def compiled(function: Callable[..., Any]) -> Any:  # noqa: ANN401
    """Compile with numba, kept between runs; NaN keeps its meaning. Unwraps what a checker of types may have put on."""
    return njit(cache=True, fastmath={"contract", "reassoc", "nsz"})(inspect.unwrap(function))


def vectored(function: Callable[..., Any]) -> Any:  # noqa: ANN401
    """The same, but a division by 0 gives infinity: an error would keep loops from being vectors."""
    return njit(cache=True, fastmath={"contract", "reassoc", "nsz"}, error_model="numpy")(inspect.unwrap(function))
