"""Measured or simulated parts: S-parameter tables as models, `tables.touchstone(path)` and `tables.lumerical(path)`.

Between the wavelengths of a table, amplitude and unwrapped phase follow monotone cubics (PCHIP: no overshoot, and a
phase that only falls with wavelength, a positive group delay, stays so), differentiable in the wavelength.
"""

import ast
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from jaxtyping import Complex, Float
from scipy.interpolate import PchipInterpolator
from torch import Tensor

from photonic_ep.circuit.models import SPEED_OF_LIGHT, SDict, Setting

Blocks = dict[tuple[str, str], np.ndarray]  # rows (frequency, |S|, angle) by (port out, port in)
HEAD = re.compile(r"\((.*[A-Za-z].*)\)")
Gain = Literal["refuse", "clip", "keep"]
WEAK = 0.05  # amplitude below which a phase says little of the delay
NOISE_RAD = 0.5  # phase over the whole table that may run backwards: noise
ROUNDING = 1e-6
EDGE = 1e-7  # relative overshoot of a wavelength that rounding explains


class Table:
    """A part given by its S-matrix at some wavelengths: itself a model, `table(wl=1.55)`.

    Entries that are zero at every wavelength are left out.
    """

    def __init__(
        self,
        *,
        wl: Float[np.ndarray, "n"],  # noqa: F821 (an axis)
        s: Complex[np.ndarray, "n out in"],
        ports: Iterable[str],
        name: str = "table",
        gain: Gain = "refuse",
    ) -> None:
        """Make a table.

        Args:
            wl: wavelengths [um], in any order.
            s: S-matrices, e^{+i 2 pi n L / wl} for a delay.
            ports: their names, in the order of s.
            name: for error messages.
            gain: what to do with singular values above 1: `refuse` the table, `clip` them, or `keep` them.

        Raises:
            ValueError: fewer than two wavelengths, one of them twice, NaN, gain (by how much and where), or a phase
                whose group delay is negative.

        """
        self.ports, self.name = tuple(ports), name
        wl, s = np.asarray(wl, dtype=float), np.asarray(s, dtype=complex)
        if s.shape != (len(wl), len(self.ports), len(self.ports)) or len(set(self.ports)) < len(self.ports):
            raise ValueError(f"{name}: S of shape {s.shape} does not fit {len(wl)} wavelengths and ports {self.ports}")
        order = np.argsort(wl)
        self.wl, s = wl[order], s[order]
        if len(wl) < 2 or not (np.diff(self.wl) > 0).all():
            raise ValueError(f"{name}: a table needs two or more different wavelengths")
        if not (np.isfinite(self.wl).all() and np.isfinite(s).all()):
            raise ValueError(f"{name}: the table holds NaN or infinite values")
        s = _limit(s, self.wl, name, gain)
        places = [(a, b) for a in range(len(self.ports)) for b in range(len(self.ports)) if s[:, b, a].any()]
        self.keys = [(self.ports[a], self.ports[b]) for a, b in places]
        if not places:
            raise ValueError(f"{name}: the table is dark, every entry is zero")
        values = np.stack([s[:, b, a] for a, b in places], axis=1)
        phase = np.unwrap(np.angle(values), axis=0)
        _check_delay(self.wl, np.abs(values), phase, self.keys, name)
        # Coefficients (4, intervals, 2 entries) of cubics in the distance from the interval's start.
        self._cubics = torch.from_numpy(PchipInterpolator(self.wl, np.hstack([np.abs(values), phase])).c.copy())
        self._knots = torch.from_numpy(self.wl.copy())

    def __call__(self, *, wl: Setting = 1.55) -> SDict:
        """S-parameters at wavelengths [um]; ValueError where one is outside the table."""
        wl = wl if isinstance(wl, Tensor) else torch.as_tensor(wl, dtype=torch.float64)
        low, high = float(self._knots[0]), float(self._knots[-1])
        outside = wl[(wl < low * (1 - EDGE)) | (wl > high * (1 + EDGE))]
        if outside.numel():
            raise ValueError(
                f"{self.name}: the wavelength {float(outside[0]):g} um is outside the table, {low:g} to {high:g} um"
            )
        knots = self._knots.to(wl.device)
        at = (torch.searchsorted(knots, wl.detach().double().contiguous(), right=True) - 1).clamp(0, len(knots) - 2)
        c3, c2, c1, c0 = self._cubics.to(wl.device)[:, at]
        x = (wl - knots[at])[..., None]
        amplitude, phase = (((c3 * x + c2) * x + c1) * x + c0).chunk(2, -1)
        s = torch.complex(amplitude * torch.cos(phase), amplitude * torch.sin(phase))
        s = s.to(torch.promote_types(wl.dtype, torch.complex32))
        return dict(zip(self.keys, s.unbind(-1), strict=True))

    def group_delay(self, into: str, out: str) -> Float[np.ndarray, "n"]:  # noqa: F821
        """Group delay d(phase)/d(omega) [ps] of one entry at the table's wavelengths."""
        if (into, out) not in self.keys:
            raise ValueError(f"{self.name}: no entry from {into!r} to {out!r}; it has {self.keys}")
        wl = self._knots.clone().requires_grad_()
        phase = self(wl=wl)[into, out]
        # Im(S' / S) is the slope of the phase.
        grads = [torch.autograd.grad(part.sum(), wl, retain_graph=True)[0] for part in (phase.real, phase.imag)]
        slope = (torch.complex(*grads) / phase.detach()).imag.numpy()
        return -slope * self.wl**2 / (2 * np.pi * SPEED_OF_LIGHT) * 1e12


def touchstone(path: str | Path, *, ports: Mapping[str, str] | None = None, gain: Gain = "refuse") -> Table:
    """A part from a Touchstone file (.s1p to .sNp), read by scikit-rf.

    Touchstone's e^{-i k x} becomes e^{+i k x}: the values are conjugated.

    Args:
        path: of the file.
        ports: new names of the ports o1, o2, ...
        gain: as for `Table`.

    Raises:
        ValueError: as `Table`, or a file that scikit-rf cannot read.

    """
    import skrf  # half a second that only who reads such files should pay

    try:
        network = skrf.Network(str(path))
    except Exception as error:
        raise ValueError(f"{path} is no Touchstone file: {error}") from error
    names = [f"o{i + 1}" for i in range(network.nports)]
    return _table(np.asarray(network.f), np.conj(network.s), names, ports, path, gain)


def lumerical(
    path: str | Path, *, ports: Mapping[str, str] | None = None, mode: int = 1, gain: Gain = "refuse"
) -> Table:
    """A part from the table of Lumerical's optical N-port element (.sparam, .dat): frequency [Hz], |S|, angle [rad].

    Format: "S-parameter file formats", optics.ansys.com, article 360036618513: blocks with a header each, with the
    option for a group delay taken out of the phase; or the bare 2-port table, frequency and S21, S11 S21 (symmetric)
    or S11 S21 S12 S22. Ports named "port 1" become o1; other names stay.

    Args:
        path: of the file.
        ports: new names of the ports.
        mode: number of the mode that is read, in and out.
        gain: as for `Table`.

    Raises:
        ValueError: as `Table`, or a file that does not follow the format, with its line.

    """
    lines = [line for line in Path(path).read_text().splitlines() if not line.lstrip().startswith(("#", "!"))]
    blocks = _bare_table(lines) or _blocks(lines, path, mode)
    names = sorted({port for key in blocks for port in key}, key=_natural)
    first = next(iter(blocks.values()))[:, 0]
    s = np.zeros((len(first), len(names), len(names)), dtype=complex)
    for (out, into), rows in blocks.items():
        if not np.array_equal(rows[:, 0], first):
            raise ValueError(f"{path}: the block from {into!r} to {out!r} has other frequencies than the first")
        s[:, names.index(out), names.index(into)] = rows[:, 1] * np.exp(1j * rows[:, 2])
    return _table(first, s, [re.sub(r"^port (\d+)$", r"o\1", name) for name in names], ports, path, gain)


def _table(
    frequency: np.ndarray,
    s: np.ndarray,
    names: list[str],
    ports: Mapping[str, str] | None,
    path: str | Path,
    gain: Gain,
) -> Table:
    renamed = ports or {}
    for name in renamed:
        if name not in names:
            raise ValueError(f"{path} has no port {name!r} to rename; it has {names}")
    names = [renamed.get(name, name) for name in names]
    if not (frequency > 0).all():
        raise ValueError(f"{path}: frequencies must be positive, not {frequency.min():g} Hz")
    return Table(wl=SPEED_OF_LIGHT / frequency, s=s, ports=names, name=Path(path).name, gain=gain)


def _bare_table(lines: list[str]) -> Blocks:
    """Columns of a 2-port table without headers; nothing where the file is no such table."""
    if any(HEAD.fullmatch(line.strip()) for line in lines):
        return {}
    try:
        rows = np.array([[float(x) for x in line.split()] for line in lines if line.strip() and line[0] != "("])
    except ValueError:
        return {}
    names = {3: ("21",), 5: ("11", "21"), 9: ("11", "21", "12", "22")}.get(rows.shape[-1], ())
    columns = {name: rows[:, [0, 1 + 2 * n, 2 + 2 * n]] for n, name in enumerate(names)}
    if columns and len(columns) < 4:
        columns |= {"12": columns["21"]} | ({"22": columns["11"]} if "11" in columns else {})
    return {(f"port {out}", f"port {into}"): part for (out, into), part in columns.items()}


def _blocks(lines: list[str], path: str | Path, mode: int) -> Blocks:
    """Blocks with a header each."""
    blocks: Blocks = {}
    modes: set[int] = set()
    at = 0
    while at < len(lines):
        head = HEAD.fullmatch(lines[at].strip())
        at += 1
        if head is None:
            continue  # blank, or the list of ports and their sides
        try:
            out, _, mode_out, into, mode_in, _, *delay = [part.strip().strip("'\"") for part in head[1].split(",")]
            count, columns = ast.literal_eval(lines[at].strip())
            rows = np.array([[float(x) for x in line.split()] for line in lines[at + 1 : at + 1 + count]])
            rows = rows.reshape(count, columns)[:, [0, 1, 2]]
            if len(delay) > 1:
                raise ValueError("a table swept over parameters is not read; save one set of them")
        except (ValueError, SyntaxError, IndexError, TypeError) as error:
            raise ValueError(f"{path}, line {at}: no block of Lumerical's S-parameters: {error}") from error
        at += 1 + count
        modes |= {int(mode_out), int(mode_in)}
        if delay:
            centre = (rows[0, 0] + rows[-1, 0]) / 2
            rows[:, 2] += 2 * np.pi * float(delay[0]) * (rows[:, 0] - centre)
        if int(mode_out) == int(mode_in) == mode:
            if (out, into) in blocks:
                raise ValueError(f"{path}, line {at - count - 1}: the block from {into!r} to {out!r} is there twice")
            blocks[out, into] = rows
    if not blocks:
        raise ValueError(f"{path} holds no S-parameters of mode {mode}; modes: {sorted(modes) or 'none'}")
    return blocks


def _natural(name: str) -> list[tuple[int, str]]:
    """Order "port 10" after "port 9"."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", name)]


def _limit(s: np.ndarray, wl: np.ndarray, name: str, gain: Gain) -> np.ndarray:
    u, values, v = np.linalg.svd(s)
    worst = int(values[:, 0].argmax())
    if gain == "keep" or values[worst, 0] <= 1 + ROUNDING:
        return s
    if gain == "clip":
        return u * np.minimum(values, 1)[:, None, :] @ v
    raise ValueError(
        f"{name} amplifies: {20 * np.log10(values[worst, 0]):.3g} dB at {wl[worst]:g} um; measured noise is taken out "
        'with gain="clip", a true amplifier is kept with gain="keep"'
    )


def _check_delay(wl: np.ndarray, amplitude: np.ndarray, phase: np.ndarray, keys: list, name: str) -> None:
    """Refuse a phase that rises with wavelength over the whole table, where there is light to measure it."""
    strong = (amplitude > WEAK).all(axis=0)
    rise = np.where(strong, phase[-1] - phase[0], 0)
    if rise.sum() > NOISE_RAD * max(1, strong.sum()):
        worst = int(rise.argmax())
        delay = -rise[worst] / (2 * np.pi * SPEED_OF_LIGHT * (1 / wl[0] - 1 / wl[-1])) * 1e12
        raise ValueError(
            f"{name}: the group delay from {keys[worst][0]} to {keys[worst][1]} is negative, {delay:.3g} ps: the phase "
            "follows the other convention, or the wavelengths are too far apart to follow it"
        )
