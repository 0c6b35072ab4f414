"""Decks for ngspice, and what it makes of them: an independent engine that knows Kirchhoff's law and devices alone.

Word line i has the nodes w_i_0, w_i_1, ... at its devices and bit line j the nodes b_0_j, b_1_j, ...; a line without
wires is one node, w_i or b_j, and a terminal without resistance is none. Driven lines have the sources vdrive_k,
sensed ones end in sources vsense_k of 0 V, which count the current into ground.
"""

import os
import shutil
import struct
import subprocess
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from jaxtyping import Float
from torch import Tensor

from electronic_ep.irdrop import Conductances, Terminals, Wires, ends
from electronic_ep.resistive import Rails, ResistiveNetwork, signs
from ep_core import Edge
from ep_core.network import State

# Tight enough for double precision; ngspice's defaults stop at a relative 1e-3.
OPTIONS = ".options reltol=1e-12 abstol=1e-18 vntol=1e-15 gmin=1e-18"
DIODE_OPTIONS = ".options reltol=1e-9 abstol=1e-15 vntol=1e-9 gmin=1e-18"
MISSING = "ngspice is not there: install it (on Debian: apt-get install ngspice)"
NO_POINT = "the deck does not ask for one operating point (.op)"


def crossbar_deck(
    conductances: Conductances,
    volts: Float[Tensor, " lines"],
    wires: Wires,
    terminals: Terminals | None = None,
    *,
    backward: bool = False,
) -> str:
    """A tile as a deck of resistors between voltage sources, as `irdrop.effective` sees it.

    Args:
        conductances: of the devices of one tile [S], rows first.
        volts: of the word lines; backward of the bit lines [V].
        wires: as of `irdrop.effective`.
        terminals: as of `irdrop.effective`.
        backward: bit lines are driven.

    Raises ValueError for more than one tile, a wrong number of volts, and numbers that are not finite or conductances
    that are not positive.

    """
    if conductances.dim() != 2:
        raise ValueError(f"a deck is of one tile (rows, cols), not of shape {tuple(conductances.shape)}")
    rows, cols = conductances.shape
    if len(volts) != (cols if backward else rows):
        raise ValueError(f"{cols if backward else rows} lines are driven, not {len(volts)}")
    _check_finite("voltages", volts)
    word, bit = ends(conductances, terminals, backward)
    lines = [f"crossbar of {rows} x {cols}, {'bit' if backward else 'word'} lines driven"]
    for i, row in enumerate(conductances.tolist()):
        lines += [f"rg_{i}_{j} {_at('w', i, j, wires)} {_at('b', i, j, wires)} {1 / g!r}" for j, g in enumerate(row)]
    if wires.word:
        lines += [f"rw_{i}_{j} w_{i}_{j - 1} w_{i}_{j} {wires.word!r}" for i in range(rows) for j in range(1, cols)]
        lines += [f"rb_{i}_{j} b_{i - 1}_{j} b_{i}_{j} {wires.bit!r}" for i in range(1, rows) for j in range(cols)]
    held = (None, volts.tolist()) if backward else (volts.tolist(), None)
    lines += _ends("w", [_at("w", i, 0, wires) for i in range(rows)], [wires.word, word], held[0])
    lines += _ends("b", [_at("b", rows - 1, j, wires) for j in range(cols)], [wires.bit, bit], held[1])
    return deck(lines)


def deck(lines: Iterable[str], options: str = OPTIONS) -> str:
    """A title and elements as a deck that asks for the operating point."""
    return "\n".join([*lines, options, ".op", ".end", ""])


def resistive_deck(
    network: ResistiveNetwork,
    x: Float[Tensor, " pixels"],
    *,
    ideality: float = 1.0,
    unit: float = 1e-6,
) -> str:
    """A resistive network with one input clamped: nodes v_0_j (rails), v_1_j (first hidden layer), ..., outputs last.

    Its diodes are ngspice's, I = 1e-14 A (e^{V / n V_T} - 1) at 27 C, between every hidden node and ground; as n -> 0
    they become ideal ones.

    Args:
        network: of `ConductanceWeight`, or other operators whose matrices are conductances.
        x: one sample.
        ideality: n; 1 is a real diode.
        unit: of the conductances [S].

    Raises ValueError for an ideality or a unit that is not positive, a sample of another size, numbers that are not
    finite, and a negative conductance.

    """
    if not (ideality > 0 and unit > 0):
        raise ValueError(f"ideality and unit must be positive, not {ideality} and {unit}")
    if len(x) != network.sizes[0]:
        raise ValueError(f"the network has {network.sizes[0]} inputs, not {len(x)}")
    _check_finite("inputs", x)
    lines = [f"resistive network {network.sizes}, diodes of ideality {ideality!r}", f".model diode d(n={ideality!r})"]
    for edge, operator in network.links:
        if isinstance(edge, Rails):
            lines += [f"vrail_{k} v_0_{k} 0 {volts!r}" for k, volts in enumerate(edge.held(x[None])[0].tolist())]
        lines += _resistors(edge, unit * operator.matrix().double())
    for layer in range(1, network.layers):
        nodes = [f"v_{layer}_{j}" for j in range(network.sizes[layer])]
        # From the anode to the cathode: from ground where v >= 0, into ground where v <= 0.
        lines += [
            f"d{node} {'0 ' * (sign > 0)}{node}{' 0' * (sign < 0)} diode"
            for node, sign in zip(nodes, signs(len(nodes)).tolist(), strict=True)
        ]
    return deck(lines, DIODE_OPTIONS)


def node_voltages(values: dict[str, float], network: ResistiveNetwork) -> State:
    """Voltages of all layers of a `resistive_deck` [V], one sample (1, n) each."""
    sizes = enumerate(network.sizes[1:], 1)
    volts = [[[values[f"v(v_{layer}_{j})"] for j in range(nodes)]] for layer, nodes in sizes]
    return tuple(torch.tensor(own, dtype=torch.float64) for own in volts)


def present() -> bool:
    """Whether ngspice is there."""
    return shutil.which("ngspice") is not None


def operating_point(deck: str) -> dict[str, float]:
    """Solve a deck by ngspice: 'v(NODE)' [V] and 'i(SOURCE)' [A] at the operating point, in lower case, as doubles.

    A source's current is the one that flows through it from its first node to its second.

    Raises FileNotFoundError where ngspice is not there, ValueError with ngspice's own words where the deck fails, has
    no operating point, or has resistors without a value, which ngspice makes up.

    """
    engine = shutil.which("ngspice")
    if engine is None:
        raise FileNotFoundError(MISSING)
    with TemporaryDirectory() as folder:
        source, raw = Path(folder, "deck.cir"), Path(folder, "deck.raw")
        source.write_text(deck)
        command = [engine, "-n", "-b", "-r", str(raw), str(source)]  # -n: whatever a .spiceinit says
        env = {name: value for name, value in os.environ.items() if name != "SPICE_ASCIIRAWFILE"}
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", env=env, cwd=folder)
        changed = "set to 1 mOhm" in done.stderr  # resistors without a value
        if done.returncode or changed or not raw.exists():
            raise ValueError(f"ngspice: {_complaint(done.stderr)}")
        return _values(raw.read_bytes())


def sensed(values: dict[str, float], lines: int) -> Float[Tensor, " lines"]:
    """Currents of a crossbar's sensed lines into ground [A]: irdrop's W_eff times the volts."""
    return torch.tensor([values[f"i(vsense_{k})"] for k in range(lines)], dtype=torch.float64)


def across(values: dict[str, float], rows: int, cols: int, wires: Wires) -> Float[Tensor, "rows cols"]:
    """Voltage across every device of a crossbar [V], from its word to its bit line: `irdrop.drops`."""

    def volts(kind: str, i: int, j: int) -> float:
        return values[f"v({_at(kind, i, j, wires)})"]

    drops = [[volts("w", i, j) - volts("b", i, j) for j in range(cols)] for i in range(rows)]
    return torch.tensor(drops, dtype=torch.float64)


def _resistors(edge: Edge, siemens: Float[Tensor, "post pre"]) -> list[str]:
    """Between all nodes of two layers; where there is no conductance there is none."""
    _check_finite("conductances", siemens)
    if float(siemens.min()) < 0:
        raise ValueError(f"between layers {edge.pre} and {edge.post} a conductance is negative: that is no resistor")
    ends = [
        (f"v_{edge.post}_{j} v_{edge.pre}_{k}", g) for j, row in enumerate(siemens.tolist()) for k, g in enumerate(row)
    ]
    return [f"r_{edge.pre}_{n} {pair} {1 / g!r}" for n, (pair, g) in enumerate(ends) if g]


def _check_finite(name: str, values: Tensor) -> None:
    if not torch.isfinite(values).all():
        raise ValueError(f"a deck needs finite {name}, not {values[~torch.isfinite(values)][0].item()}")


def _at(kind: str, i: int, j: int, wires: Wires) -> str:
    """Node of word or bit line at device ij."""
    if wires.word:
        return f"{kind}_{i}_{j}"
    return f"w_{i}" if kind == "w" else f"b_{j}"


def _ends(kind: str, nodes: list[str], ohms: list[float], volts: list[float] | None) -> list[str]:
    """From each line's last node through wire and terminal to its source, driven or (no volts) sensed at 0 V."""
    lines = []
    for k, at in enumerate(nodes):
        for part, ohm in zip(("wire", "end"), ohms, strict=True):
            if ohm:
                beyond = f"{kind}{part}_{k}"
                lines.append(f"r{beyond} {at} {beyond} {ohm!r}")
                at = beyond
        lines.append(f"vsense_{k} {at} 0 0" if volts is None else f"vdrive_{k} {at} 0 {volts[k]!r}")
    return lines


def _complaint(said: str) -> str:
    """The line of ngspice's messages that says most, with the two after it where they tell which element."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    for sign in ("Error on line", "set to 1 mOhm", "Error", "singular matrix"):
        for n, line in enumerate(lines):
            if sign in line:
                return "; ".join(lines[n : n + 3] if sign == "Error on line" else [line])
    return lines[-1] if lines else NO_POINT


def _values(raw: bytes) -> dict[str, float]:
    """Read ngspice's binary raw file: a header, the variables' names, then one double each."""
    head, _, body = raw.partition(b"Binary:\n")
    text = head.decode(errors="replace")
    if "Plotname: Operating Point" not in text or "No. Points: 1 " not in text or not body:
        raise ValueError(f"ngspice: {NO_POINT}")
    names = [line.split()[1] for line in text.partition("Variables:\n")[2].splitlines()]
    return dict(zip(names, struct.unpack(f"={len(names)}d", body[: 8 * len(names)]), strict=True))
