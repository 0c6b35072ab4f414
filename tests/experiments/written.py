"""Folders for reports, and the report script called in this process."""

from experiments import report
from experiments.common.report.parts import COLUMNS
from experiments.common.shell import run


def write(*words):
    return run(report.main, report.ReportOptions, [str(word) for word in words])


def compared(folder):
    """A folder as a comparison leaves it: a machine that needs three of another's joules."""
    folder.mkdir()
    lines = [",".join(COLUMNS)]
    for quantity in ("inference", "training"):
        for case, factor in (("low", 0.5), ("nominal", 1), ("high", 2)):
            for machine, part, group, joules in (
                ("mesh", "heaters", "core", 2e-6),
                ("mesh", "DAC", "converters", 0.5e-6),
                ("mesh", "DAC", "converters", 0.5e-6),
                ("<i>array</i>", "ADC", "converters", 1e-6),
            ):
                lines.append(f"{machine},{quantity},{case},{part},{group},{joules * factor},1e-9,0.5,2,assumed")
    (folder / "parts.csv").write_text("\n".join(lines) + "\n")
    (folder / "config.json").write_text("{}")
    (folder / "summary.json").write_text('{"mesh_error": 3.25}')
    return folder
