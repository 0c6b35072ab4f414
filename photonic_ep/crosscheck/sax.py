"""The same netlist and parts, solved by sax (extra `crosscheck`)."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import sax
from jaxtyping import Complex

from photonic_ep.circuit import models
from photonic_ep.mesh.netlist import Netlist

PARTS = {"mzi": models.mzi, "phase_shifter": models.phase_shifter}


def solve(netlist: Netlist) -> Callable[[str, str], complex]:
    """S(in, out) of a netlist of `mzi` and `phase_shifter`, composed by sax in double precision."""
    jax.config.update("jax_enable_x64", True)
    instances = netlist["instances"]
    # Every instance is a part of its own, its settings bound: sax composes numbers that torch computed.
    parts: Any = {name: _bound(PARTS[body["component"]], body["settings"]) for name, body in instances.items()}
    circuit, _ = sax.circuit({**netlist, "instances": {name: name for name in instances}}, parts)
    table = sax.sdict(circuit())
    return lambda into, out: complex(np.asarray(table[into, out]))


def _bound(model: Callable[..., models.SDict], settings: dict[str, float]) -> Callable[[], dict]:
    return lambda: {key: np.asarray(value) for key, value in model(**settings).items()}


def transfer(netlist: Netlist, modes: int, *, backwards: bool = False) -> Complex[np.ndarray, "k k"]:
    """Matrix from the inputs to the outputs of a tile; with `backwards`, from its outputs to its inputs."""
    s = solve(netlist)
    first, last = ("out", "in") if backwards else ("in", "out")
    return np.array([[s(f"{first}_{i}", f"{last}_{o}") for i in range(modes)] for o in range(modes)])
