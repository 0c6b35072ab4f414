"""The same netlist and parts, solved by sax (extra `crosscheck`)."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import jax
import numpy as np
import sax
from jaxtyping import Complex, Float

from photonic_ep.circuit.groups import Model, defaults
from photonic_ep.circuit.solve import ALIASES, circuit

# Parts that sax has under the same name, with the same settings and formula; of others it gets our numbers.
SAME = {"attenuator", "bend", "coupler", "coupler_ideal", "crossing_ideal", "grating_coupler", "phase_shifter"}
SAME |= {"splitter_ideal", "straight", "terminator"}


EVERY = -1.0  # stands for all wavelengths where an instance has none of its own


def solve(
    netlist: Any,  # noqa: ANN401
    models: Mapping[str, Model],
    *,
    wl: Float[np.ndarray, " n"] | float = 1.55,
    **settings: Any,  # noqa: ANN401
) -> tuple[Complex[np.ndarray, "n out in"], tuple[str, ...]]:
    """S-parameters (wavelengths, out, in) of a circuit and its ports, composed by sax in double precision.

    Parts are sax's own models where it has the same (see SAME), our numbers otherwise.

    Args:
        netlist: as `circuit` takes it.
        models: the same.
        wl: wavelengths [um].
        settings: as for calling a circuit.

    """
    jax.config.update("jax_enable_x64", True)
    whole, _ = circuit(netlist, models)
    flat = whole.netlist(**({"wl": EVERY} if "wl" in whole.setting_names else {}), **settings)
    wavelengths = np.atleast_1d(np.asarray(wl, dtype=float))
    # Every instance is a part of its own, its settings bound.
    parts: Any = {
        name: _part(models[body["component"]], body["settings"], wavelengths)
        for name, body in flat["instances"].items()
    }
    # Ports by number, as `_part` names them, whatever the netlist calls them.
    flat = whole.netlist(numbered=True)
    composed, _ = sax.circuit({**flat, "instances": {name: name for name in parts}}, parts)
    s = np.zeros((len(wavelengths), len(whole.ports), len(whole.ports)), dtype=complex)
    for (into, out), value in sax.sdict(composed()).items():
        s[:, whole.ports.index(out), whole.ports.index(into)] = np.asarray(value)
    return s, whole.ports


def _part(model: Model, settings: dict[str, Any], wavelengths: np.ndarray) -> Callable[[], Any]:
    """sax's own part with these settings, its ports named as ours, or a part of our numbers."""
    known = defaults(model)
    own = settings | ({"wl": wavelengths} if settings.get("wl") == EVERY else {})
    name = getattr(model, "__name__", "")
    if name in SAME:
        theirs = getattr(sax.models, name)
        extra = {key: value for key, value in own.items() if key not in inspect.signature(theirs).parameters}
        if all(value == known[key] for key, value in extra.items()):
            return lambda: _renamed(theirs(**{key: value for key, value in own.items() if key not in extra}))
    return lambda: {key: np.asarray(value) for key, value in model(**own).items()}


def _renamed(s: Any) -> Any:  # noqa: ANN401
    table = sax.sdict(s)
    names = ALIASES.get(len({port for key in table for port in key}), {})
    return {(names.get(a, a), names.get(b, b)): value for (a, b), value in table.items()}
