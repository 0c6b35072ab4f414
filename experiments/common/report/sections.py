"""The sections of a report on trained runs: what was run, what came out."""

from collections.abc import Sequence
from dataclasses import fields

from experiments.common.options import RUN_ONLY, TrainOptions
from experiments.common.report import figures
from experiments.common.report.blocks import Block, Plot, Section, Table, by_group
from experiments.common.report.groups import SHOWN, Group, Spread, differing, table
from experiments.common.report.text import TIED, number
from experiments.common.resolve import to_config


def options(groups: Sequence[Group]) -> Section:
    """What was asked for first; what follows from it and what is the same, folded."""
    resolved = [group.options for group in groups]
    names, asked = differing(resolved), [group.asked for group in groups]
    given = [f.name for f in fields(TrainOptions) if any(getattr(one, f.name) != f.default for one in asked)]
    chosen = [name for name in dict.fromkeys((*differing(asked), *given)) if name not in (*RUN_ONLY, "seed")]
    same = [name for name in to_config(resolved[0]) if name not in (*names, *RUN_ONLY, "seed")]
    seeds = ("seeds", [", ".join(str(run.options.seed) for run in group.runs) for group in groups])
    follows, common = table([n for n in names if n not in chosen], groups), table(same, groups[:1])
    blocks: list[Block] = [by_group("What was asked for", groups, [*table(chosen, groups), seeds])]
    if follows:
        blocks.append(by_group(f"What follows from that: {len(follows)} options", groups, follows, folded=True))
    rows = [[name, *own] for name, own in common]
    caption = f"The same in all runs: {len(common)} options"
    blocks.append(Table(caption=caption, head=["option", "value"], rows=rows, folded=True, cells="words"))
    return Section(name="options", title="What was run", blocks=blocks)


def results(groups: Sequence[Group]) -> Section:
    """Means and spreads, test errors, learning curves."""
    every = list(dict.fromkeys(name for group in groups for run in group.runs for name in run.folder.summary))
    main = [name for name in SHOWN if name in every]
    rest = [name for name in every if name not in (*main, "seed")]
    others = [(name.replace("_", " "), [told(group.spread(name)) for group in groups]) for name in rest]
    blocks: list[Block] = [
        Table(
            caption="Means over the seeds, ± sample standard deviation; errors in percent",
            head=["runs", "seeds", *[name.replace("_", " ") for name in main]],
            rows=[
                [group.label, str(len(group.runs)), *[told(group.spread(name)) for name in main]] for group in groups
            ],
        ),
        by_group(f"The other {len(rest)} numbers of the summaries", groups, others, folded=True, cells="numbers"),
        Plot(drawn=figures.test_errors(groups)),
        Plot(drawn=figures.curves(groups)),
    ]
    return Section(name="results", title="What came out", blocks=blocks)


def told(spread: Spread | None) -> str:
    """Mean ± standard deviation, as far as there are any."""
    if spread is None:
        return "-"
    return number(spread.mean) + (f" ±{TIED}{number(spread.std, 2)}" if spread.count > 1 and spread.std else "")
