"""The sections of a report on comparisons, chips and other scripts' folders; versions; commands."""

from collections.abc import Sequence

from experiments.common.provenance import COMMAND, TOOLKIT
from experiments.common.report.bars import stacked
from experiments.common.report.blocks import Block, Commands, Image, Plot, Section, Table, Text, sums
from experiments.common.report.collect import UNRECORDED, Folder, Found
from experiments.common.report.groups import Group, shown
from experiments.common.report.parts import Row
from experiments.common.report.text import TIED, number, si

LONG = 20  # a summary of more numbers is folded
CHIP = {
    "chip.png": "The mask: waveguides, heaters, wires, pads and fibres.",
    "mzi.png": "One MZI of it: guides, heaters and their wires.",
    "sweep.png": "How far the tile's matrix is off at other wavelengths.",
}


def comparison(folder: Folder, place: int) -> Section:
    """Stacked bars of every quantity, the parts as a table, pictures, the summary."""
    blocks: list[Block] = []
    for quantity in dict.fromkeys(str(row["quantity"]) for row in folder.parts):
        rows = [row for row in folder.parts if row["quantity"] == quantity]
        name, title = f"parts-{place}-{quantity}", f"Joules of one {quantity} sample, by part"
        blocks.append(Plot(drawn=stacked(name, title.replace("one inference sample", "one inference"), rows)))
        blocks.append(_parts(quantity, rows))
    blocks += [sums(folder.parts), *_errors(folder), *_common(folder)]
    return Section(name=f"comparison-{place}", title=f"Comparison: {folder.path.name}", blocks=blocks)


def _errors(folder: Folder) -> list[Block]:
    """Those of a comparison's numbers that are errors, with their spread."""
    rows = [
        [name.removesuffix("_error").replace("_", " "), number(mean), number(folder.summary.get(f"{name}_std", 0.0), 2)]
        for name, mean in folder.summary.items()
        if name.endswith("_error")
    ]
    head = ["", "mean", "standard deviation"]
    return [Table(caption="Test errors [%]", head=head, rows=rows)] if rows else []


def _parts(quantity: str, rows: Sequence[Row]) -> Table:
    lines = [
        [
            f"{row['machine']}, {row['case']}",
            str(row["part"]),
            str(row["group"]),
            si(float(row["joules"]), "J", zero="-"),
            si(float(row["seconds"]), "s", zero="-"),
            si(float(row["watts"]), "W", zero="-"),
            f"{number(float(row['mm2']))}{TIED}mm²" if row["mm2"] else "-",
            str(row["source"]),
        ]
        for row in rows
    ]
    head = ["machine, case", "part", "group", "joules", "seconds", "watts", "area", "source"]
    return Table(caption=f"{quantity}: all {len(rows)} parts", head=head, rows=lines, folded=True, cells="sourced")


def chip(folder: Folder, place: int) -> Section:
    """The pictures of a mask and what was checked on it."""
    images = [
        Image(path=folder.path / name, alt=said, caption=said)
        for name, said in CHIP.items()
        if (folder.path / name).is_file()
    ]
    run = folder.config.get("run")
    text = f"Exported from {run}." if isinstance(run, str) else "Not of a run: a random unitary."
    blocks: list[Block] = [Text(text=text), *images, _summary(folder), _config(folder)]
    return Section(name=f"chip-{place}", title=f"Layout: {folder.path.name}", blocks=blocks)


def other(folder: Folder, place: int) -> Section:
    """Whatever else a script left."""
    return Section(name=f"folder-{place}", title=folder.path.name, blocks=_common(folder))


def _common(folder: Folder) -> list[Block]:
    images = [
        Image(path=path, alt=f"Picture {path.stem.replace('_', ' ')} of {folder.path.name}", caption=path.name)
        for path in folder.pictures
    ]
    return [*images, _summary(folder), _config(folder)]


def _summary(folder: Folder) -> Table:
    rows = [[name.replace("_", " "), number(value)] for name, value in folder.summary.items()]
    folded, caption = len(rows) > LONG, f"Summary: {len(rows)} numbers"
    return Table(caption=caption, head=["number", "value"], rows=rows, folded=folded)


def _config(folder: Folder) -> Table:
    rows = [[name.replace("_", " "), shown(value)] for name, value in folder.config.items()]
    return Table(caption="Options", head=["option", "value"], rows=rows, folded=True, cells="words")


def versions(found: Found) -> Section:
    """Versions that made what is in the report, where they were recorded."""
    names = list(dict.fromkeys(name for f in found.folders for name in f.made_by if name != COMMAND)) or [TOOLKIT]
    kinds: dict[tuple[str, ...], list[str]] = {}
    for folder in found.folders:
        own = tuple(folder.made_by.get(name, UNRECORDED) for name in names)
        kinds.setdefault(own, []).append(folder.path.name)
    head = ["made with", *[", ".join(own) if len(kinds) > 1 else "all of these" for own in kinds.values()]]
    rows = [[name, *[kind[number] for kind in kinds]] for number, name in enumerate(names)]
    table = Table(caption="Versions of the toolkit and of what it computes with", head=head, rows=rows, cells="words")
    return Section(name="versions", title="Versions", blocks=[table])


def commands(groups: Sequence[Group], found: Found) -> Section:
    """What makes every run again."""
    lines = [line for group in groups for line in group.commands]
    rest = [folder.command for folder in found.folders if folder.command]
    text = "Each of these makes a run again, in a folder of its own under runs/; --out chooses another."
    blocks: list[Block] = [Text(text=text), Commands(lines=list(dict.fromkeys([*lines, *rest])))]
    return Section(name="commands", title="To repeat it", blocks=blocks)
