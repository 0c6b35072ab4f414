"""How every script meets its user: options through tyro, one clear line and exit 2 for bad input."""

import sys
from collections.abc import Callable, Sequence
from typing import TypeVar

import tyro

T = TypeVar("T")
BAD_INPUT = (ValueError, OverflowError, OSError, MemoryError, FloatingPointError)


def run(main: Callable[[T], int], options: type[T], argv: Sequence[str] | None = None) -> int:
    """Parse `argv` into `options` and call `main`; returns the exit status (0, 1 a missed bar, 2 bad input)."""
    return guarded(main, tyro.cli(options, args=argv))


def guarded(main: Callable[[T], int], options: T) -> int:
    """Call `main`; bad input becomes one line on stderr and status 2."""
    try:
        return main(options)
    except BAD_INPUT as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted: continue with --resume and the run's folder", file=sys.stderr)
        return 130
