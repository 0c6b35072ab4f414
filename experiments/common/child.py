"""`python -m experiments.common.child experiments.NAME WORDS`: a script that ends with the process that started it.

Who started it holds the other end of its standard input, and need do nothing else.
"""

import os
import sys
import threading
from importlib import import_module
from typing import get_type_hints

from experiments.common.shell import run


def main() -> int:
    """Call the script's main with the words that follow its name."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    script = import_module(sys.argv[1])
    return run(script.main, get_type_hints(script.main, include_extras=True)["options"], sys.argv[2:])


def _end_with_parent() -> None:
    os.read(sys.stdin.fileno(), 1)
    os._exit(1)


if __name__ == "__main__":
    raise SystemExit(main())
