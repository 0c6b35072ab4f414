"""Pictures of a tile: what its heaters hold, and where the light goes."""

import matplotlib as mpl
import numpy as np
import torch
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize, PowerNorm
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from photonic_ep import MeshWeight

PHASE = mpl.colormaps["twilight"]
LIGHT = mpl.colormaps["inferno"]
FULL_TURN = 2 * np.pi


def mesh_picture(operator: MeshWeight, x: torch.Tensor) -> Figure:
    """Show the phases of one tile and the light in it for the input x: the tile that x lights most."""
    padded = ports(operator, x)
    column = int(padded.square().sum(1).argmax())
    figure = Figure(figsize=(13, 7.4), layout="constrained")
    above, below = figure.subplots(2, 1)
    _draw_phases(figure, above, operator, column)
    _draw_light(figure, below, operator, padded[column], column)
    return figure


def ports(operator: MeshWeight, x: Float[torch.Tensor, " n"]) -> Float[torch.Tensor, "cols k"]:
    """Fields that enter each column of tiles for the input x; ports beyond it are dark."""
    k = operator.topology.modes
    return torch.nn.functional.pad(x, (0, operator.cols * k - len(x))).unflatten(0, (operator.cols, k))


def _stage_x(operator: MeshWeight) -> tuple[list[float], float, list[float]]:
    """Horizontal places of V's columns, the attenuators and U's columns."""
    columns = len(operator.topology.columns)
    middle = columns + 0.7
    return [float(c) for c in range(columns)], middle, [middle + 1.7 + c for c in range(columns)]


def _frame(axes: Axes, operator: MeshWeight, title: str) -> None:
    v, middle, u = _stage_x(operator)
    bottom = operator.topology.modes - 0.4
    for x, label in ((np.mean(v), "V"), (middle, "a"), (np.mean(u), "U")):
        axes.text(float(x), bottom + 0.35, label, ha="center", va="center", fontsize=13)
    axes.set(xlim=(-1.3, u[-1] + 1.9), ylim=(bottom + 0.8, -0.8), title=title)
    axes.set_yticks(range(operator.topology.modes), [f"mode {m}" for m in range(operator.topology.modes)])
    axes.set_xticks([])
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)


def _draw_phases(figure: Figure, axes: Axes, operator: MeshWeight, tile: int) -> None:
    v, middle, u = _stage_x(operator)
    held = {name: p[:, tile].detach().numpy() for name, p in operator.named_parameters()}
    modes = range(operator.topology.modes)
    axes.hlines(modes, -0.9, u[-1] + 1.3, color="0.75", linewidth=1, zorder=0)
    for mesh, places in (("v", v), ("u", u)):
        for (column, top), theta, phi in zip(
            operator.topology.mzis, held[f"{mesh}_theta"], held[f"{mesh}_phi"], strict=True
        ):
            _box(axes, places[column], top, PHASE(theta / FULL_TURN % 1))
            _dot(axes, places[column] - 0.42, top, PHASE(phi / FULL_TURN % 1))
        for mode, alpha in zip(modes, held[f"{mesh}_alpha"], strict=True):
            _dot(axes, places[-1] + 0.75, mode, PHASE(alpha / FULL_TURN % 1))
    for mode, theta in zip(modes, held["att_theta"], strict=True):
        _dot(axes, middle, mode, PHASE(theta / FULL_TURN % 1), size=110, marker="s")
    _frame(axes, operator, f"Phases held by tile (0, {tile}): boxes theta, circles phi and alpha, squares attenuators")
    bar = figure.colorbar(ScalarMappable(Normalize(0, 2), PHASE), ax=axes, label="phase", pad=0.01)
    bar.set_ticks([0, 0.5, 1, 1.5, 2], labels=["0", "π/2", "π", "3π/2", "2π"])


def _box(axes: Axes, x: float, top: int, color: object) -> None:
    style = "round,pad=0,rounding_size=0.12"
    axes.add_patch(
        FancyBboxPatch((x - 0.27, top - 0.18), 0.54, 1.36, boxstyle=style, facecolor=color, edgecolor="0.25")
    )


def _dot(axes: Axes, x: float, mode: int, color: object, size: float = 42, marker: str = "o") -> None:
    axes.scatter([x], [mode], s=size, color=[color], edgecolors="0.25", linewidths=0.8, marker=marker, zorder=3)


def _draw_light(figure: Figure, axes: Axes, operator: MeshWeight, x: torch.Tensor, tile: int) -> None:
    v, middle, u = _stage_x(operator)
    fields = operator.light(x, tile)
    power = torch.stack([field.abs().square() for field in fields]).numpy()
    edges = [-0.9, *[place + 0.27 for place in v], middle, *[place + 0.27 for place in u], u[-1] + 0.8]
    # Colour and width follow the square root: light behind the attenuators is a tenth, and it is what counts.
    scale = PowerNorm(0.5, 0, float(power.max()) or 1.0)
    topology, columns = operator.topology, len(v)
    for stage, (left, right) in enumerate(zip(edges, [*edges[1:], u[-1] + 1.3], strict=True)):
        # In front of V's and U's columns waveguides may cross; behind V come the attenuators.
        column = stage if stage < columns else stage - columns - 1
        order = topology.order(column) if stage != columns and column < columns else ()
        for place, mode in enumerate(order or range(topology.modes)):
            share = float(scale(power[stage, mode]))
            bend = [right - 0.75, right - 0.55] if order else []
            axes.plot(
                [left, *bend, right],
                [mode, mode, place, place] if order else [mode, mode],
                color=LIGHT(share),
                linewidth=1 + 5 * share,
                solid_capstyle="butt",
                zorder=1,
            )
    for places in (v, u):
        for column, first in operator.topology.mzis:
            _box(axes, places[column], first, "0.85")
    for mode in range(operator.topology.modes):
        _dot(axes, middle, mode, "0.85", size=110, marker="s")
    _frame(axes, operator, "Light in the same tile: intensity for one test image's pixels, entering left")
    figure.colorbar(ScalarMappable(scale, LIGHT), ax=axes, label="intensity [full scale]", pad=0.01)
