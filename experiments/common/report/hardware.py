"""The sections of a report on the machines of trained runs: what they cost, their light, their constants."""

from collections.abc import Sequence
from pathlib import Path

from rich.progress import track

from experiments.common.report import figures
from experiments.common.report.bars import stacked
from experiments.common.report.blocks import Block, Image, Plot, Section, Table, Text, by_group, sums
from experiments.common.report.collect import Trained
from experiments.common.report.constants import constants, named
from experiments.common.report.costs import Event, bills, events
from experiments.common.report.groups import Group
from experiments.common.report.light import phases
from experiments.common.report.parts import Row
from experiments.common.report.text import TIED, number, si

TAGS = "Tags: A read in the paper or its abstract, B as a later source cites it, C somebody's model; or assumed."


def costs(groups: Sequence[Group]) -> Section:
    """Joules of an inference and of a training sample by part, what an event costs, what was counted."""
    rows, blocks, each = list[Row](), list[Block](), list[Block]()
    for group in track(groups, "machines", transient=True):
        machine = group.runs[0].machine
        own = [] if machine is None else bills(machine, group.label)
        rows += own
        if machine is None:
            blocks.append(Text(text=f"{group.label}: the data set is not here, so nothing is counted."))
        elif not own:
            blocks.append(Text(text=f"{group.label}: ideal weights are no hardware; they cost nothing here."))
        else:
            each.append(_events(group.label, events(machine)))
    drawn: list[Block] = []
    for quantity in dict.fromkeys(str(row["quantity"]) for row in rows):
        own = [row for row in rows if row["quantity"] == quantity]
        drawn.append(Plot(drawn=stacked(f"joules-{quantity}", JOULES[quantity], own)))
    if rows:
        drawn += [Text(text=BASIS), sums(rows)]
    ledgers = [group.runs[0].ledger.as_dict() for group in groups]
    counts = [(name, [f"{ledger[name]:,}" for ledger in ledgers]) for name in ledgers[0]]
    caption = "What the ledger counted, in the first seed's run"
    each.append(by_group(caption, groups, counts, folded=True, cells="numbers"))
    return Section(name="costs", title="What it costs", blocks=[*drawn, *blocks, *each])


JOULES = {"inference": "Joules of one inference, by part", "training": "Joules of one training sample, by part"}
BASIS = (
    "What the ledger counted times what each part costs, for the first seed of each kind of run: training as it was, "
    "inference of the test images. One sample goes through after the other; lasers and heaters are on all the time."
)


def _events(label: str, found: Sequence[Event]) -> Table:
    rows = []
    for own in found:
        part = own.cost
        numbers = [si(part.joules, "J", zero="-"), si(part.seconds, "s", zero="-"), si(part.watts, "W", zero="-")]
        numbers += [f"{number(part.area)}{TIED}mm²" if part.area else "-"]
        rows.append([f"{own.where}: {own.event}", own.part, *numbers, part.source])
    head = ["event", "part", "an event", "lasts", "while on", "area", "source"]
    return Table(
        caption=f"{label}: what an event costs, part by part", head=head, rows=rows, folded=True, cells="sourced"
    )


def sources(groups: Sequence[Group]) -> Section | None:
    """Constants of every machine, each once."""
    blocks: list[Block] = [Text(text=TAGS)]
    for group in groups:
        machine = group.runs[0].machine
        found = [] if machine is None else constants(machine)
        if found:
            rows = [[named(own), number(own.value), own.range, own.unit, own.tags, own.source] for own in found]
            caption = f"{group.label}: {len(found)} constants" + (
                f" of device {device}" if (device := group.options.device) else ""
            )
            head = ["constant", "value", "low .. high", "unit", "tags", "source"]
            blocks.append(Table(caption=caption, head=head, rows=rows, folded=True, cells="words"))
    return Section(name="constants", title="Constants and their sources", blocks=blocks) if len(blocks) > 1 else None


def meshes(groups: Sequence[Group]) -> Section | None:
    """The light in both phases, and the phases that heaters hold, of every photonic kind of run."""
    photonic = [group for group in groups if group.options.backend == "photonic"]
    blocks = [block for place, group in enumerate(photonic) for block in _mesh(place, group)]
    return Section(name="light", title="The mesh and its light", blocks=blocks) if blocks else None


def _mesh(place: int, group: Group) -> list[Block]:
    run = group.runs[0]
    seen = phases(run.machine) if run.machine else "The light is not shown: the data set is not here."
    if isinstance(seen, str):
        return [Text(text=f"{group.label}: {seen}"), *_mesh_picture(run, group.label)]
    drawn = figures.light(f"light-{place}", f"{group.label}, seed {run.options.seed}", seen)
    return [Plot(drawn=drawn), *_mesh_picture(run, group.label)]


def _mesh_picture(run: Trained, label: str) -> list[Block]:
    path: Path = run.folder.path / "mesh.png"
    if not path.is_file():
        return []
    alt = "A tile of the first layer: above, the phases its heaters hold; below, the light of a test image in it."
    return [Image(path=path, alt=alt, caption=f"{label}: phases and light of a tile of the first layer.")]
