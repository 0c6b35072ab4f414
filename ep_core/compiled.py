"""Compiling the few loops that torch cannot run fast, with numba."""

import inspect
from collections.abc import Callable
from typing import Any

from numba import njit


def compiled(function: Callable[..., Any]) -> Any:  # noqa: ANN401
    """Compile with numba, kept between runs; NaN keeps its meaning. Unwraps what a checker of types may have put on."""
    return njit(cache=True, fastmath={"contract", "reassoc", "nsz"})(inspect.unwrap(function))
