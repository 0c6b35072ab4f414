"""From which size on does light pay? Joules and seconds of a product against its size, and what moves the break-even.

Expected: at nominal constants no mesh pays, whatever its size: heaters hold power, and loss keeps tiles at 8 or 16
modes, each with a local oscillator. With every constant at its cheap end MEMS meshes take less than .23 pJ a MAC from
N = 7 on. Crossbars do at nominal constants from N = 41 on. Seconds.
"""

import math
from dataclasses import dataclass
from pathlib import Path

from electronic_ep import Accelerator, presets
from ep_core.quantity import CASES, at, moved
from experiments.common.building import Limits
from experiments.common.folder import finite, new_folder, write_config, write_json
from experiments.common.pictures import save
from experiments.common.pictures_products import sizes_picture, tornado_picture
from experiments.common.products import (
    Optics,
    break_even,
    crossbar,
    digital,
    optics_constants,
    photonic,
)
from experiments.common.resolve import DEVICES
from experiments.common.shell import run
from experiments.common.table import show, verdict

SHIFTERS = {"heaters": "heaters", "undercut": "undercut", "mems": "mems"}
BAND = {"low": 0.025, "nominal": 0.23, "high": 0.71}  # pJ a MAC: the digital baseline
SIZES = tuple(2**i for i in range(3, 13))
# What others find, and why we differ where we do.
CLAIMS = {
    "Pai, Science 380:398 (2023) SM, N = 72": "one mesh of N modes: photodiodes, and their light, grow with N; the"
    "  loss of MEMS (.66 dB a MZI) and 8 bits leave us tiles of 8, so they grow with N^2 / 8; digital at .6 pJ a MAC",
    "Al-Qadasi, APL Photon. 7:020902 (2022), N = 85": "the largest N that 10 dBm reach, not a break-even; ours is 8",
    "Nahmias, JSTQE 26(1) (2020), N > 500 at <= 4 bits": "8 bits ask 256 times the signal of 4: try --bits 4",
    "Opt. Express 29:13153 (2021), no gain": "agrees at nominal constants; here light is the reason",
    "Anderson, 2302.10360, 100 times": "of transformers, whose N is thousands, on optics without loss per element",
}


@dataclass(frozen=True, kw_only=True)
class BreakevenOptions:
    """Price products of all sizes on every machine."""

    bits: int = 8
    """Effective bits that the receivers must see."""
    out: Path | None = None
    """Folder for the figures and summary.json (default: a new one under runs/)."""
    check: bool = False
    """Without a meaning here: no bar is promised."""


def main(options: BreakevenOptions) -> int:
    """Price, tabulate, draw."""
    if not 1 <= options.bits <= 12:
        raise ValueError(f"--bits must be 1 to 12, not {options.bits}")
    folder = new_folder(options.out, "breakeven")
    write_config(folder, options, {"bits": options.bits, "claims": CLAIMS, "band_pj": BAND})
    optics = {name: Optics.of(DEVICES[d], Limits(bits=options.bits)) for name, d in SHIFTERS.items()}
    lines = {name: [photonic(own, n) for n in SIZES] for name, own in optics.items()}
    memristors = presets.CMO_HFOX
    lines["crossbar"] = [crossbar(memristors, n) for n in SIZES]
    lines["mems, all constants cheap"] = [photonic(at(optics["mems"], "low"), n) for n in SIZES]
    bands = {case: [digital(engine(pj), n) for n in SIZES] for case, pj in BAND.items()}
    summary = summarise(optics, memristors)
    torn = tornado(optics["mems"])
    write_json(folder / "summary.json", finite(summary))
    save(sizes_picture(SIZES, lines, bands), folder / "sizes.png")
    save(tornado_picture(torn, summary["mems_pj_a_mac_256"], BAND), folder / "tornado.png")
    for claim, why in CLAIMS.items():
        print(f"{claim}: {why}")
    return verdict(show(summary, {}, f"break-even sizes -> {folder}"), check=options.check)


def engine(pj: float) -> Accelerator:
    """Int8 at so many pJ a MAC, memory included: what a band of published figures means."""
    plain = Accelerator()
    return moved(plain, {"engine.int8_pj": pj, "sram_pj": 1e-6})


def summarise(optics: dict[str, Optics], memristors: presets.Chip) -> dict[str, float]:
    """Break-even sizes with each edge of the digital band; inf: none up to 4096."""
    summary: dict[str, float] = {}
    for case, pj in BAND.items():
        for name, own in optics.items():
            summary[f"{name}_break_even_{case}"] = break_even(lambda n, own=own: photonic(own, n), theirs(pj))
        summary[f"crossbar_break_even_{case}"] = break_even(lambda n: crossbar(memristors, n), theirs(pj))
    for name, own in optics.items():
        for case in CASES:
            ends = at(own, case)
            tail = "" if case == "nominal" else f"_constants_{case}"
            summary[f"{name}_break_even{tail}"] = break_even(lambda n, own=ends: photonic(own, n), theirs(0.23))
            one = photonic(ends, 256)
            summary[f"{name}_pj_a_mac_256{tail}"] = math.inf if one is None else 1e12 * one.total / 256**2
            summary[f"{name}_tile_256{tail}"] = 0 if one is None else one.tile
    return summary


def theirs(pj: float):  # noqa: ANN201
    """Int8 at so many pJ, as a function of the size."""
    return lambda n: digital(engine(pj), n)


def tornado(optics: Optics, n: int = 256) -> dict[str, tuple[float, float]]:
    """PJ a MAC of an n x n product at both ends of every constant that moves it, alone; the longest first."""
    found: dict[str, tuple[float, float]] = {}
    for name, value in optics_constants(optics).items():
        ends = [photonic(moved(optics, {name: end}), n) for end in (value.cheap, value.dear)]
        low, high = (math.inf if one is None else 1e12 * one.total / n**2 for one in ends)
        if abs(math.log(high / low)) > 0.01:
            found[name] = (low, high)
    return dict(sorted(found.items(), key=lambda item: -abs(math.log(item[1][1] / item[1][0]))))


if __name__ == "__main__":
    raise SystemExit(run(main, BreakevenOptions))
