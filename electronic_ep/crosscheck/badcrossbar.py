"""The currents of a crossbar by badcrossbar (Joksas & Mehonic, SoftwareX 12 (2020) 100617): Kirchhoff's law, sparse.

Only its part that computes is loaded: the package as a whole also wants a drawing library, and sets up logging.
badcrossbar knows one direction (word lines driven, bit lines sensed) and no terminals but a piece of wire at the ends.
"""

import importlib
import importlib.util
import sys
from types import ModuleType
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from electronic_ep.irdrop import Wires

PACKAGE = "badcrossbar"


def currents(
    volts: Float[Tensor, "batch rows"], conductances: Float[Tensor, "rows cols"], wires: Wires
) -> Float[Tensor, "batch cols"]:
    """Currents of the bit lines [A] for voltages of the word lines [V]."""
    found = _computing().extract.solution(
        1 / conductances.numpy(), wires.word, wires.bit, volts.numpy().T, node_voltages=False, all_currents=False
    )
    return torch.from_numpy(np.ascontiguousarray(found.currents.output))


def _computing() -> Any:  # noqa: ANN401
    """Its package `computing`, behind a package that does nothing else.

    Raises ModuleNotFoundError if badcrossbar is not installed.
    """
    name = f"{PACKAGE}.computing"
    if name not in sys.modules:
        spec = importlib.util.find_spec(PACKAGE)
        if spec is None or spec.submodule_search_locations is None:
            raise ModuleNotFoundError("badcrossbar is missing: pip install --no-deps badcrossbar==1.1.0")
        shell = ModuleType(PACKAGE)
        shell.__path__ = list(spec.submodule_search_locations)
        sys.modules[PACKAGE] = shell
        try:
            importlib.import_module(name)
        finally:
            del sys.modules[PACKAGE]
    return sys.modules[name]
