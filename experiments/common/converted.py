"""What a run has learned as files: all weights, tiles of meshes for sax, of crossbars for ngspice; compared."""

from pathlib import Path
from typing import TypeVar

import torch

from electronic_ep import CrossbarWeight, effective, spice
from ep_core import Network, WeightOperator, interchange
from experiments.common.circuits import LIBRARY, read_netlist, save_netlist
from experiments.common.folder import write_text
from photonic_ep import MeshWeight, circuit
from photonic_ep.mesh.netlist import tile_netlist
from photonic_ep.mesh.sax_parts import in_sax_parts

Tile = tuple[int, int]
Tiled = TypeVar("Tiled", MeshWeight, CrossbarWeight)


def of_layer(operators: list[WeightOperator], layer: int, kind: type[Tiled], tile: Tile | None) -> Tiled:
    """One operator, in double precision. ValueError where it is of another kind, or not there, or has no such tile."""
    if not -len(operators) <= layer < len(operators):
        raise ValueError(f"--layer must lie between 0 and {len(operators) - 1}, not {layer}")
    weight = operators[layer]
    if not isinstance(weight, kind):
        raise ValueError(f"this needs a {kind.__name__}: layer {layer} of the run is a {type(weight).__name__}")
    rows, columns = counts(weight)
    if tile is not None and not (0 <= tile[0] < rows and 0 <= tile[1] < columns):
        raise ValueError(f"--tile must lie within {rows} x {columns} tiles, not {tile}")
    return weight.double()


def counts(weight: MeshWeight | CrossbarWeight) -> Tile:
    """Tiles along the outputs and along the inputs."""
    return (weight.rows, weight.cols) if isinstance(weight, MeshWeight) else weight.array.counts


def to_weights(network: Network, tile: Tile, folder: Path, suffix: str) -> list[float]:  # noqa: ARG001 (there are none)
    """Write all matrices and biases; returns how far the file's are from them."""
    file, held = folder / f"weights.{suffix}", interchange.matrices(network)
    interchange.write(file, held)
    again = interchange.read(file)
    return [float((again[name] - tensor).abs().max()) for name, tensor in held.items()]


def to_sax(weight: MeshWeight, tile: Tile, folder: Path) -> list[float]:
    """Write one tile as the light meets it; returns how far our circuit of the file is from its T."""
    number = tile[0] * weight.cols + tile[1]
    file = folder / f"tile_{tile[0]}_{tile[1]}.yml"
    save_netlist(file, in_sax_parts(tile_netlist(weight.topology, weight.tile_settings(number))))
    s, ports = circuit(read_netlist(file, extract=False), LIBRARY)[0].dense()
    into, out = ([ports.index(f"{side}_{n}") for n in range(weight.tile.modes)] for side in ("in", "out"))
    return [float((s[out][:, into] - weight.transfer()[number]).detach().abs().max())]


def to_spice(weight: CrossbarWeight, tile: Tile, folder: Path, volts: float) -> list[float]:
    """Write both signs of one tile; returns how far ngspice's currents are from ours, as shares, where it is there."""
    off: list[float] = []
    for sign, g in zip(("plus", "minus"), weight.tile_siemens(*tile).detach(), strict=True):
        driven = torch.full((len(g),), volts, dtype=g.dtype)
        deck = spice.crossbar_deck(g, driven, weight.wires, weight.terminals)
        write_text(folder / f"tile_{tile[0]}_{tile[1]}_{sign}.cir", deck)
        if spice.present():
            ours = effective(g, weight.wires, weight.terminals) @ driven
            off.append(float((spice.sensed(spice.operating_point(deck), len(ours)) / ours - 1).abs().max()))
    return off
