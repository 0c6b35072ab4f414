"""The same circuit stepped through time by photontorch (extra `crosscheck`).

photontorch 0.4 was written for torch 1.x. On torch 2 it needs two things, which only this module gives it: a
`torch.solve`, and a reading of sources without named tensors.
"""

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any
from unittest import mock

import numpy as np
import photontorch as pt
import torch
from jaxtyping import Complex
from photontorch.networks import network as pt_network
from torch import Tensor

from photonic_ep.circuit.groups import Model, defaults
from photonic_ep.circuit.netlist import FlatNetlist, Port
from photonic_ep.circuit.solve import circuit
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
        self.num_ports = len(s)
        self.s, self.delay_s = s, delay_s
        super().__init__()

    def set_S(self, S: Tensor) -> None:  # noqa: N802 (photontorch's names)
        """S (2, wavelengths, out, in)."""
        S[0, 0], S[1, 0] = torch.from_numpy(self.s).real, torch.from_numpy(self.s).imag

    def set_delays(self, delays: Tensor) -> None:
        """Delays of all ports [s]."""
        delays[:] = self.delay_s


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
    carrier = {"wl": wl} if "wl" in whole.setting_names else {}
    delays = group_delays(whole, wl=wl)
    with _double_precision():
        parts: dict[str, Any] = {}
        names: dict[str, list[str]] = {}
        for leaf, entries in whole.parts(**carrier).items():
            names[leaf] = sorted({port for key in entries for port in key})
            own = {**defaults(models[info.instances[leaf]]), **whole.flat.instances[leaf].settings}
            if info.instances[leaf] in GUIDES and not own.get("dispersion"):
                parts[leaf] = _guide(own)
            else:
                s = np.array([[complex(entries.get((i, o), 0)) for i in names[leaf]] for o in names[leaf]])
                parts[leaf] = _Part(s, 1e-12 * max(delays[leaf].values()))
        network = _network(whole.flat, parts, names, [*light, *watched], lit=len(light))
        waves = torch.stack(list(light.values()), -1)  # (time, sources)
        source = torch.view_as_real(waves).permute(2, 0, 1)[:, :, None, :, None].contiguous()
        times: Any = 1e-12 * dt_ps * np.arange(len(waves))
        with pt.Environment(t=times, wl=wl * LENGTH, freqdomain=False, grad=False):  # pyright: ignore[reportArgumentType]
            seen = network(source=source, power=False)[:, :, 0, :, 0]
    return {port: torch.complex(seen[0, :, n], seen[1, :, n]) for n, port in enumerate(watched)}


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
