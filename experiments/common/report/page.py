"""The page: one HTML file that needs nothing else."""

import json
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from experiments.common.report import folders, hardware, sections
from experiments.common.report.blocks import Plot, Section
from experiments.common.report.collect import Found
from experiments.common.report.groups import grouped

TEMPLATES = Path(__file__).parent / "page"
CONFIG = {"responsive": True, "displayModeBar": False}


def compose(found: Found) -> list[Section]:
    """All sections, in the order of reading."""
    groups = grouped(found.runs)
    parts = [folders.comparison(folder, place) for place, folder in enumerate(found.comparisons)]
    if groups:
        own = (sections.options, sections.results, hardware.costs, hardware.meshes)
        parts += [section for make in own if (section := make(groups)) is not None]
    parts += [folders.chip(folder, place) for place, folder in enumerate(found.chips)]
    parts += [folders.other(folder, place) for place, folder in enumerate(found.others)]
    constants = hardware.sources(groups) if groups else None
    parts += [] if constants is None else [constants]
    return [*parts, folders.versions(found), folders.commands(groups, found)]


def render(title: str, parts: list[Section]) -> str:
    """Return the page as text."""
    plots = [block.drawn for section in parts for block in section.blocks if isinstance(block, Plot)]
    drawings = {p.name: {**json.loads(p.plot.to_json()), "config": CONFIG} for p in plots}
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("report.html.j2").render(
        title=title, sections=parts, drawings=drawings, plotly=Markup(get_plotlyjs()) if plots else None
    )
