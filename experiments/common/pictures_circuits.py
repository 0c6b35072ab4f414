"""Pictures of circuits: spectra, signals in time, fabrication spread, and sax's beside ours."""

from collections.abc import Sequence

import numpy as np
import torch
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from experiments.common.spread import Knob


def spectrum(wl: np.ndarray, decibel: dict[str, np.ndarray], title: str) -> Figure:
    """Power that leaves each port over wavelength; ports that stay dark are left out."""
    figure = Figure(figsize=(7.2, 4), layout="constrained")
    axes = figure.subplots()
    lit = {port: values for port, values in decibel.items() if values.max() > -60}
    for port, values in lit.items():
        axes.plot(wl, values, label=port, linewidth=1.2)
    axes.set(xlabel="wavelength [um]", ylabel="transmission [dB]", title=title, ylim=(max(-60, _lowest(lit)), 2))
    axes.grid(alpha=0.3)
    figure.legend(loc="outside right upper", title="out of", fontsize="small")
    return figure


def _lowest(values: dict[str, np.ndarray]) -> float:
    return min((float(v.min()) for v in values.values()), default=-60.0) - 2


def transients(
    light: dict[str, torch.Tensor],
    power: dict[str, dict[str, torch.Tensor]],
    seen: dict[str, dict[str, torch.Tensor]],
    levels: dict[str, float],
    dt_ps: float,
    title: str,
) -> Figure:
    """Power at every lit port over time, as it is and as a detector of finite bandwidth sees it."""
    figure = Figure(figsize=(8.4, 3 + 2 * len(light)), layout="constrained")
    figure.suptitle(title)
    last = max(_settled(field) for own in seen.values() for field in own.values())
    rows = list(np.atleast_1d(figure.subplots(len(light), sharex=True)))
    for axes, (name, wave) in zip(rows, light.items(), strict=True):
        t = dt_ps * np.arange(len(wave))[: last + 1]
        axes.fill_between(t, wave.abs().square()[: last + 1], color="0.9", label="light in")
        for n, port in enumerate(port for port, field in power[name].items() if float(field.max()) > 1e-4):
            axes.plot(t, power[name][port][: last + 1], color=f"C{n}", linewidth=1, label=port)
            axes.plot(t, seen[name][port][: last + 1], color=f"C{n}", linewidth=1, linestyle=":")
            if name == "step":
                axes.plot(t[-1], levels[port], marker="_", markersize=14, color=f"C{n}", markeredgewidth=2)
        axes.set(ylabel=f"{name}: power", xlim=(0, t[-1]))
        axes.grid(alpha=0.3)
        axes.legend(loc="center right", fontsize="small")
    rows[-1].set_xlabel("time [ps]; dotted: as the detector sees it; bars: |S|^2, where the step must settle")
    return figure


def _settled(signal: torch.Tensor) -> int:
    """Step after which a signal moves no more than a thousandth, and a third more."""
    moving = torch.nonzero((signal - signal[-1]).abs() > 1e-3).flatten()
    return min(len(signal) - 1, int(1.3 * (int(moving[-1]) if len(moving) else 0)) + 1)


def yield_picture(
    merit: torch.Tensor, limit: float, knobs: Sequence[Knob], slopes: torch.Tensor, title: str, most: int = 14
) -> Figure:
    """Distribution of a figure of merit with its limits, and the knobs that move it most."""
    figure = Figure(figsize=(10, 4.4), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=[3, 2])
    left.hist(merit, bins=40, color="0.7")
    good = float((merit.abs() <= limit).double().mean())
    for n, edge in enumerate((limit, -limit) if float(merit.min()) < 0 else (limit,)):
        left.axvline(
            edge, color="C3", linestyle="--", label=f"limit {limit:g}: {100 * good:.1f} % good" if not n else None
        )
    left.axvline(float(merit.median()), color="0.2", linewidth=1, label=f"median {float(merit.median()):.3g}")
    left.set(xlabel=title, ylabel=f"circuits of {len(merit)}")
    left.legend(fontsize="small")
    colours = {"splitting": "C0", "width": "C1", "heater": "C2"}
    order = slopes.abs().argsort(descending=True)[:most].tolist()
    right.barh([knobs[i].label for i in order], [abs(float(slopes[i])) for i in order],
               color=[colours[knobs[i].kind] for i in order])  # fmt: skip
    right.invert_yaxis()
    right.tick_params(axis="y", labelsize="small")
    share = {kind: sum(float(v) ** 2 for v, k in zip(slopes, knobs, strict=True) if k.kind == kind) for kind in colours}
    whole = sum(share.values()) or 1.0
    names = [f"{kind}: {100 * value / whole:.0f} % of the variance" for kind, value in share.items() if value]
    right.xaxis.set_major_locator(MaxNLocator(5))
    right.set(xlabel="change by one standard deviation", title=f"first order, {len(order)} of {len(knobs)} knobs")
    right.legend(
        handles=[Patch(color=colours[n.partition(":")[0]], label=n) for n in names], fontsize="small", loc="lower right"
    )
    return figure


def beside_sax(wl: np.ndarray, curves: dict[str, dict[str, tuple[np.ndarray, np.ndarray]]]) -> Figure:
    """Power out of every lit port of some circuits: lines by our solver, dots by sax."""
    rows = -(-len(curves) // 2)
    figure = Figure(figsize=(10, 3 * rows + 0.4), layout="constrained")
    for axes, (name, ports) in zip(figure.subplots(rows, 2, squeeze=False).flat, curves.items(), strict=False):
        for n, (port, (ours, theirs)) in enumerate((p, c) for p, c in ports.items() if c[0].max() > 1e-6):
            axes.plot(wl, ours, color=f"C{n}", linewidth=1, label=port)
            axes.plot(wl[::20], theirs[::20], ".", color=f"C{n}", markersize=5)
        axes.set(title=name, xlabel="wavelength [um]", ylabel="power", ylim=(-0.03, 1.03))
        axes.grid(alpha=0.3)
        axes.legend(fontsize="small")
    figure.suptitle("lines: photonic-ep, dots: sax")
    return figure
