"""How every script meets its user: options through tyro, one clear line and exit 2 for bad input."""

import inspect
import sys
from collections.abc import Callable, Sequence
from typing import TypeVar

import tyro

from experiments.common import sweep

T = TypeVar("T")
BAD_INPUT = (ValueError, OverflowError, OSError, MemoryError, FloatingPointError)


def run(
    main: Callable[[T], int], options: type[T], argv: Sequence[str] | None = None, *, prog: str | None = None
) -> int:
    """Parse `argv` into `options` and call `main`; returns the exit status (0, 1 a missed bar, 2 bad input).

    With --sweep among the words, `main` is called once for every set of options in a file, each in a process of its
    own; 1 is then a run that failed.
    """
    words = sys.argv[1:] if argv is None else list(argv)
    if sweep.asked(words):
        return guarded(lambda own: sweep.sweep(main, own, words), options)
    return guarded(main, tyro.cli(options, args=words, prog=prog, description=inspect.getdoc(options) + sweep.HELP))


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
