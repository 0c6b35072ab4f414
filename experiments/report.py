"""One page from any set of runs: what was run, what came out, what it costs, the light in the mesh, every source.

Expected: one HTML file of about 5 MB that opens without a network; seconds, a few more for each photonic run.
"""

import tempfile
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Annotated

import tyro

from experiments.common.folder import new_folder, write_text
from experiments.common.report.blocks import Plot
from experiments.common.report.collect import Found, collect
from experiments.common.report.page import compose, render
from experiments.common.shell import run
from experiments.common.table import show


@dataclass(frozen=True, kw_only=True)
class ReportOptions:
    """Put runs, comparisons, chips and other scripts' folders into one HTML page."""

    runs: Annotated[tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar="RUN [RUN ..]")]
    """Folders of finished runs, or folders that hold some."""
    out: Path | None = None
    """The page, a .html file; an old one is replaced (default: report.html in a new folder under runs/)."""


def main(options: ReportOptions) -> int:
    """Collect, draw, write the page whole or not at all."""
    start = perf_counter()
    if options.out is not None:
        check_place(options.out)
    found = collect(options.runs)
    parts = compose(found)
    page = render(titled(found), parts)
    out = new_folder(None, "report") / "report.html" if options.out is None else options.out
    write_text(out, page)
    plots = sum(isinstance(block, Plot) for section in parts for block in section.blocks)
    summary = {"runs": len(found.runs), "folders": len(found.folders), "figures": plots}
    show(summary | {"megabytes": 1e-6 * out.stat().st_size, "seconds": perf_counter() - start}, {}, f"{out}")
    return 0


def check_place(out: Path) -> None:
    """ValueError or OSError where the page could not be written, before any work."""
    if out.suffix.lower() not in (".html", ".htm") or out.is_dir():
        raise ValueError(f"--out must name a .html file, not {out}")
    if not out.parent.is_dir():
        raise FileNotFoundError(f"--out {out}: there is no folder {out.parent}")
    try:
        tempfile.TemporaryFile(dir=out.parent).close()
    except OSError as error:
        raise OSError(f"--out {out}: its folder cannot be written ({error.strerror})") from error


def titled(found: Found) -> str:
    """What the report is of, in a line."""
    counts = (
        (len(found.comparisons), "comparison"),
        (len(found.runs), "run"),
        (len(found.chips), "layout"),
        (len(found.others), "other folder"),
    )
    return "Report on " + ", ".join(f"{count} {name}{'s' if count > 1 else ''}" for count, name in counts if count)


if __name__ == "__main__":
    raise SystemExit(run(main, ReportOptions))
