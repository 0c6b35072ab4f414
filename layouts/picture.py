"""Pictures of a mask: the whole chip, or a part of it, guides and metal in plain colours."""

from pathlib import Path

import klayout.db as kdb
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure

from layouts.process import Process

COLOURS = {"metal": "#c9a227", "heater": "#b3396b", "guide": "#1b4b7f"}
PIXEL = 1 / 900  # of the picture's width: what is thinner is drawn as wide
MARGIN = 50.0  # um
Window = tuple[float, float, float, float]  # left, bottom, right, top [um]


def draw(gds: Path, process: Process, window: Window | None = None) -> Figure:
    """Draw a mask, or the part of it in a window; guides that are thinner than a pixel are widened to it."""
    layout = kdb.Layout()
    layout.read(str(gds))
    unit, top = layout.dbu, layout.top_cell()
    box = top.dbbox().enlarged(MARGIN, MARGIN) if window is None else kdb.DBox(*window)
    figure = Figure(figsize=(12, max(1.5, min(12.0, 12 * box.height() / box.width()))))
    axes = figure.add_axes((0, 0, 1, 1))
    layers = {"metal": process.metal, "heater": process.stack["heater"], "guide": process.guide}
    for name, layer in layers.items():
        region = kdb.Region(top.begin_shapes_rec_touching(layout.layer(*layer), box.to_itype(unit)))
        region.merge()
        pixel = box.width() * PIXEL
        # Bends have a hundred corners, of which a picture shows few
        region.smooth(int(pixel / 4 / unit), False)
        if name == "guide":
            region = region.sized(int(max(0.0, pixel / 2 - process.guide_um) / unit))
        shapes = [[(unit * p.x, unit * p.y) for p in polygon.each_point_hull()] for polygon in region.each()]
        axes.add_collection(PolyCollection(shapes, facecolor=COLOURS[name], edgecolor=COLOURS[name], linewidth=0.5))
    axes.set(xlim=(box.left, box.right), ylim=(box.bottom, box.top), aspect="equal")
    axes.axis("off")
    return figure


def around(heater: tuple[float, float], process: Process) -> Window:
    """Return the window of one MZI, whose phi heater lies there."""
    x, y = heater
    left = x - process.arm_um / 2 - process.lead_um
    return (
        left,
        y - 2.5 * process.pitch_y_um,
        left + 2 * process.stage_um + 2 * process.lead_um,
        y + 1.5 * process.pitch_y_um,
    )
