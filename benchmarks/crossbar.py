"""Effective matrices of crossbars with wires against badcrossbar, and in batches; one thread, processor time.

Expected, on an AMD EPYC (Zen 4): badcrossbar takes 130 to 170 times as long for one vector, 250 to 280 times for 100.
A tile in a batch costs .21 (16 x 16), .52 (32 x 32) and .77 to .9 (64 x 64) of one alone. The last, whose bar is .8,
needs memory beyond the second cache and is the slower the busier the machine is. A minute.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from threadpoolctl import threadpool_limits

from benchmarks.timing import clock
from electronic_ep import Wires, effective
from electronic_ep.crosscheck import badcrossbar
from experiments.common.folder import new_folder, write_config, write_json
from experiments.common.shell import run
from experiments.common.table import Bar, show, verdict

SIZES = (32, 64, 128)
VECTORS = (1, 100)
BATCHED, TILES = (16, 32, 64), 16
WIRES = Wires(word=2.0, bit=2.0)
BARS = {
    **{f"badcrossbar_100_{size}": Bar(least=6) for size in SIZES},
    **{f"badcrossbar_1_{size}": Bar(least=3) for size in SIZES},
    "batch_64": Bar(most=0.8),
}


@dataclass(frozen=True, kw_only=True)
class CrossbarOptions:
    """Time badcrossbar for 1 and 100 vectors of voltages / ours for all; a tile of a batch / one alone."""

    sizes: tuple[int, ...] = SIZES
    """Rows and columns of the crossbars that are compared."""
    rounds: int = 9
    """Rounds in which each contender is timed once; the medians are compared."""
    out: Path | None = None
    """Folder for summary.json (default: a new one under runs/)."""
    check: bool = False
    """Exit with 1 if a bar is missed."""


def main(options: CrossbarOptions) -> int:
    """Time all sizes and tabulate ratios."""
    if options.rounds < 1:
        raise ValueError(f"--rounds must be at least 1, not {options.rounds}")
    if not options.sizes or min(options.sizes) < 1:
        raise ValueError(f"--sizes must be one or more numbers of at least 1, not {options.sizes}")
    torch.set_num_threads(1)
    folder = new_folder(options.out, "crossbar-speed")
    # SuperLU, which badcrossbar solves with, would share its products among threads, and processor time counts them all
    with threadpool_limits(1):
        summary = measure(options)
    write_config(folder, options, {"sizes": options.sizes, "rounds": options.rounds})
    write_json(folder / "summary.json", summary)
    bars = {name: bar for name, bar in BARS.items() if name in summary}
    return verdict(show(summary, bars, f"crossbars with wires -> {folder}"), check=options.check)


def measure(options: CrossbarOptions) -> dict[str, float]:
    """Ratios, and our milliseconds."""
    summary: dict[str, float] = {}
    for size in options.sizes:
        times = clock(contenders(size), options.rounds, timer=time.process_time)
        ours = times.pop("ours")
        summary |= {f"{name}_{size}": seconds / ours for name, seconds in times.items()}
        summary[f"ms_{size}"] = 1e3 * ours
    for size in BATCHED:
        times = clock(batches(size), options.rounds, timer=time.process_time)
        summary[f"batch_{size}"] = times["batch"] / TILES / times["alone"]
        summary[f"ms_{size}_of_{TILES}"] = 1e3 * times["batch"] / TILES
    return summary


def contenders(size: int) -> dict[str, Callable[[], object]]:
    """badcrossbar for some vectors of voltages, and our matrix for all."""
    g, volts = devices(size, size), 1e4 * devices(max(VECTORS), size)
    theirs = {f"badcrossbar_{count}": partial(badcrossbar.currents, volts[:count], g, WIRES) for count in VECTORS}
    return {**theirs, "ours": partial(effective, g, WIRES)}


def batches(size: int) -> dict[str, Callable[[], object]]:
    """Many tiles in a call, and one of them."""
    g = devices(TILES, size, size)
    return {"batch": partial(effective, g, WIRES), "alone": partial(effective, g[0], WIRES)}


def devices(*shape: int) -> torch.Tensor:
    """Conductances from 1 to 100 uS."""
    return 1e-6 + 99e-6 * torch.rand(*shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


if __name__ == "__main__":
    raise SystemExit(run(main, CrossbarOptions))
