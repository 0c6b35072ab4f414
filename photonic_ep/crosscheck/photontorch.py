"""The same circuit by photontorch, at some wavelengths or stepped through time (extra `crosscheck`).

photontorch 0.4 was written for torch 1.x. On torch 2 it needs two things, which only this module gives it: a
`torch.solve`, and a reading of sources without named tensors.
"""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from unittest import mock

import numpy as np
import photontorch as pt
import torch
from jaxtyping import Complex, Float
from photontorch.networks import network as pt_network
from torch import Tensor

from photonic_ep.circuit.groups import Model, defaults
from photonic_ep.circuit.netlist import FlatNetlist, Port
from photonic_ep.circuit.solve import Circuit, CircuitInfo, circuit
from photonic_ep.circuit.time_domain import group_delays

LENGTH = 1e-6  # m per um
GUIDES = ("straight", "bend")  # photontorch computes their phase, loss and delay itself


class _Torch:
    """torch, with the `solve` of its first years."""

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401
        return getattr(torch, name)

    @staticmethod
    def solve(b: Tensor, a: Tensor) -> tuple[Tensor, None]:
        return torch.linalg.solve(a, b), None


def _full_source(network: Any, source: Tensor) -> Tensor:  # noqa: ANN401
    """Sources (2, time, wavelength, sources, batch) with zeros for all other nodes."""
    missing = network.num_mc - source.shape[3]
    return torch.cat([source, source.new_zeros(*source.shape[:3], missing, source.shape[4])], 3)


class _Part(pt.Component):
    """A part whose S-matrix at the carrier and group delay are given."""

    def __init__(self, s: np.ndarray, delay_s: float) -> None:
        self.num_ports = s.shape[1]
        self.s, self.delay_s = s, delay_s
        super().__init__()

    def set_S(self, S: Tensor) -> None:  # noqa: N802 (photontorch's names)
        """S (2, wavelengths, out, in)."""
        S[0], S[1] = torch.from_numpy(self.s).real, torch.from_numpy(self.s).imag

    def set_delays(self, delays: Tensor) -> None:
        """Delays of all ports [s]."""
        delays[:] = self.delay_s


def solve(
    netlist: Any,  # noqa: ANN401
    models: Mapping[str, Model],
    lit: Sequence[str],
    *,
    wl: Float[np.ndarray, " n"] | float = 1.55,
) -> tuple[Complex[np.ndarray, "n out in"], tuple[str, ...]]:
    """S-parameters (wavelengths, watched, lit) from the lit ports to all others, and the others' names, by photontorch.

    Waveguides are photontorch's own, of every other part it gets S at the wavelengths; double precision.

    Raises ValueError as `circuit`, for a lit port that it does not have, and where nothing is left to watch.
    """
    whole, info = circuit(netlist, models)
    strange = [port for port in lit if port not in whole.ports]
    watched = tuple(port for port in whole.ports if port not in lit)
    if strange or not watched or not lit:
        raise ValueError(f"light some, but not all, of the ports {list(whole.ports)}, not {list(lit)}")
    wavelengths = np.atleast_1d(np.asarray(wl, dtype=float))
    with _double_precision():
        parts, names = _parts(whole, info, models, wavelengths, {})
        network = _network(whole.flat, parts, names, [*lit, *watched], lit=len(lit))
        one_by_one = torch.eye(len(lit))[None, None].expand(1, len(wavelengths), -1, -1)
        source = torch.stack([one_by_one, torch.zeros_like(one_by_one)])
        with pt.Environment(wl=wavelengths * LENGTH, freqdomain=True, grad=False):  # pyright: ignore[reportArgumentType]
            seen = network(source=source, power=False)[:, 0]
    return torch.complex(seen[0], seen[1]).numpy(), watched


def transient(
    netlist: Any,  # noqa: ANN401
    models: Mapping[str, Model],
    light: Mapping[str, Complex[Tensor, " steps"]],
    *,
    dt_ps: float,
    wl: float = 1.55,
) -> dict[str, Complex[Tensor, " steps"]]:
    """Fields that leave the ports that get no light, as `TimeDomain.run` gives them, by photontorch.

    Waveguides (`straight`, `bend`) are photontorch's own, from their settings; of every other part it gets S at the
    carrier. A port is either lit or watched, as in photontorch.

    Raises ValueError as `circuit`, and where nothing is left to watch.
    """
    whole, info = circuit(netlist, models)
    watched = [port for port in whole.ports if port not in light]
    if not watched:
        raise ValueError("photontorch watches only ports without light, and every port is lit")
    delays = group_delays(whole, wl=wl)
    with _double_precision():
        parts, names = _parts(whole, info, models, np.array([wl]), delays)
        network = _network(whole.flat, parts, names, [*light, *watched], lit=len(light))
        waves = torch.stack(list(light.values()), -1)  # (time, sources)
        source = torch.view_as_real(waves).permute(2, 0, 1)[:, :, None, :, None].contiguous()
        times: Any = 1e-12 * dt_ps * np.arange(len(waves))
        with pt.Environment(t=times, wl=wl * LENGTH, freqdomain=False, grad=False):  # pyright: ignore[reportArgumentType]
            seen = network(source=source, power=False)[:, :, 0, :, 0]
    return {port: torch.complex(seen[0, :, n], seen[1, :, n]) for n, port in enumerate(watched)}


def _parts(
    whole: Circuit,
    info: CircuitInfo,
    models: Mapping[str, Model],
    wavelengths: Float[np.ndarray, " n"],
    delays: Mapping[str, Mapping[Any, float]],
) -> tuple[dict[str, Any], dict[str, list[str]]]:
    """photontorch's parts by leaf, and the names of their ports."""
    light = {"wl": torch.from_numpy(wavelengths)} if "wl" in whole.setting_names else {}
    parts: dict[str, Any] = {}
    names: dict[str, list[str]] = {}
    for leaf, entries in whole.parts(**light).items():
        names[leaf] = sorted({port for key in entries for port in key})
        own = {**defaults(models[info.instances[leaf]]), **whole.flat.instances[leaf].settings}
        if info.instances[leaf] in GUIDES and not own.get("dispersion"):
            parts[leaf] = _guide(own)
        else:
            s = np.zeros((len(wavelengths), len(names[leaf]), len(names[leaf])), complex)
            for (into, out), value in entries.items():
                s[:, names[leaf].index(out), names[leaf].index(into)] = np.asarray(value)
            parts[leaf] = _Part(s, 1e-12 * max(delays[leaf].values()) if delays else 0.0)
    return parts, names


def _network(
    flat: FlatNetlist, parts: dict[str, Any], names: dict[str, list[str]], ports: list[str], *, lit: int
) -> Any:  # noqa: ANN401
    """A terminated photontorch network: sources at the first `lit` ports, detectors at the others."""
    # photontorch writes a place INSTANCE:NUMBER:..., so instances get names without its punctuation.
    short = {leaf: f"part{n}" for n, leaf in enumerate(parts)}
    whole: dict[str, Any] = {f"end{n}": pt.Source() if n < lit else pt.Detector() for n in range(len(ports))}
    whole |= {short[leaf]: part for leaf, part in parts.items()}

    def place(port: Port) -> str:
        return f"{short[port[0]]}:{names[port[0]].index(port[1])}"

    wires = [f"{place(a)}:{place(b)}" for a, b in flat.links]
    wires += [f"end{n}:0:{place(flat.ports[port])}" for n, port in enumerate(ports)]
    joined = {port for link in flat.links for port in link} | set(flat.ports.values())
    dangling = [(leaf, port) for leaf in parts for port in names[leaf] if (leaf, port) not in joined]
    for n, port in enumerate(dangling):
        whole[f"dark{n}"] = pt.Term()
        wires.append(f"dark{n}:0:{place(port)}")
    return pt.Network(components=whole, connections=wires)


def _guide(given: Mapping[str, Any]) -> Any:  # noqa: ANN401
    return pt.Waveguide(
        length=given["length"] * LENGTH,
        loss=given["loss_dB_cm"] * 100,
        neff=given["neff"],
        ng=given["ng"],
        wl0=given["wl0"] * LENGTH,
        trainable=False,
    )


@contextlib.contextmanager
def _double_precision() -> Iterator[None]:
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    patches = (
        mock.patch.object(pt_network, "torch", _Torch()),
        mock.patch.object(pt_network.Network, "_handle_source", _full_source),
    )
    try:
        with patches[0], patches[1], torch.no_grad():
            yield
    finally:
        torch.set_default_dtype(before)
