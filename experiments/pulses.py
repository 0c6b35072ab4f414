"""How memristors are written: mixed precision, stochastic rounding, signs, Tiki-Taka beside ideal weights; digits.

Soft-bound devices with 30 % device and 30 % cycle spread, no wires. All schemes descend by plain SGD: an optimiser with
a state would need a digital memory, which only mixed precision has. Expected: mixed precision within .7 points of ideal
weights at 5 bits, with a tenth of the pulses of stochastic rounding; two minutes on 2 cores.
"""

import statistics
from dataclasses import dataclass, replace
from pathlib import Path

from experiments.common.folder import begun_or_new, write_config, write_json
from experiments.common.options import TrainOptions
from experiments.common.pictures import pulses_picture, save
from experiments.common.rows import Results, means, run_rows
from experiments.common.shell import run
from experiments.common.table import Bar, show, verdict

# Ranges, rates, the least change of a sign and Tiki-Taka's numbers were chosen on validation data, seeds 0 to 2;
# twice the rate is no better for stochastic rounding, and takes twice the pulses.
IDEAL = TrainOptions(
    backend="ideal",
    epochs=15,
    batch=20,
    beta=0.2,
    state_bits=8,
    optimiser="sgd",
    momentum=0.0,
    lr=(0.1,),
    controls=False,
)
PULSED = TrainOptions(
    backend="crossbar",
    levels=5,
    device_spread=0.3,
    cycle_spread=0.3,
    wire_ohm=0.0,
    terminals=(0.0, 0.0, 0.0, 0.0),
    epochs=15,
    batch=20,
    beta=0.2,
    optimiser="sgd",
    momentum=0.0,
    lr=(0.3,),
    controls=False,
)
SCHEMES = {
    "mixed_precision": PULSED,
    "stochastic_rounding": replace(PULSED, programming="stochastic", top=4.0, lr=(0.6,)),
    "sign": replace(PULSED, programming="sign"),
    "tiki_taka": replace(PULSED, programming="tiki-taka", top=4.0, lr=(1.2,), schedule="constant"),
}
BITS = (5, 6, 7)
BARS = {
    "mixed_precision_above_ideal_5": Bar(most=0.7),
    "pulse_ratio_5": Bar(least=5),
    "tiki_taka_7": Bar(most=4.5),
}


@dataclass(frozen=True, kw_only=True)
class PulsesOptions:
    """Train with every scheme at every number of states. A folder that holds some of the runs is gone on with."""

    bits: tuple[int, ...] = BITS
    """Bits of the states."""
    seeds: int = 5
    """Seeds 0, 1, ..."""
    epochs: int = 15
    """Passes over the training set."""
    jobs: int = 2
    """Runs at the same time."""
    out: Path | None = None
    """Folder for the runs, the figure and summary.json (default: a new one under runs/)."""
    check: bool = False
    """Exit with 1 if a bar is missed."""


def main(options: PulsesOptions) -> int:
    """Train, tabulate, draw."""
    if min(options.seeds, options.jobs, options.epochs) < 1:
        raise ValueError("--seeds, --epochs and --jobs must be at least 1")
    if not options.bits or not all(2 <= bits <= 24 for bits in options.bits):
        raise ValueError(f"--bits must be of 2 to 24, not {options.bits}")
    folder = begun_or_new(options.out, "pulses")
    write_config(folder, options, {"bits": list(options.bits), "seeds": options.seeds, "epochs": options.epochs})
    recipes = {f"{s}_{bits}": replace(recipe, levels=bits) for s, recipe in SCHEMES.items() for bits in options.bits}
    recipes = {name: replace(r, epochs=options.epochs) for name, r in ({"ideal": IDEAL} | recipes).items()}
    runs = run_rows(recipes, seeds=options.seeds, jobs=options.jobs, folder=folder)
    summary = summarise(runs, options.bits)
    write_json(folder / "summary.json", summary)
    save(pulses_picture(runs, list(SCHEMES), options.bits), folder / "pulses.png")
    bars = {name: bar for name, bar in BARS.items() if name in summary}
    return verdict(show(summary, bars, f"digits, {options.seeds} seeds -> {folder}"), check=options.check)


def summarise(runs: dict[str, Results], bits: tuple[int, ...]) -> dict[str, float]:
    """Mean test error of a row under its own name, with spread and pulses; how rows compare."""
    found = means(runs)
    summary: dict[str, float] = {}
    for row, results in runs.items():
        summary |= {row: found[f"{row}_mean"], f"{row}_std": found[f"{row}_std"], f"{row}_val": found[f"{row}_val"]}
        summary[f"{row}_pulses"] = statistics.mean(result["pulses"] for result in results)
    for b in bits:
        summary[f"mixed_precision_above_ideal_{b}"] = summary[f"mixed_precision_{b}"] - summary["ideal"]
        summary[f"pulse_ratio_{b}"] = (
            summary[f"stochastic_rounding_{b}_pulses"] / summary[f"mixed_precision_{b}_pulses"]
        )
    return summary


if __name__ == "__main__":
    raise SystemExit(run(main, PulsesOptions))
