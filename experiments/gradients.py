"""How exact each estimator is: relative error of its gradient to the exact adjoint, on ideal weights and on a mesh.

Expected (float64, sigmoid, looped layers of spectral norm .5 and .3): symmetric 1e-3 about 1e-6, its error falling
4 times as beta halves; one-sided about 2 beta; holomorphic .1 about 2e-4, 5e-6, 5e-9 with 4, 6, 10 phases; a minute.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import torch
from rich.progress import track

from ep_core import (
    Estimator,
    GaussSeidel,
    HardSigmoid,
    Holomorphic,
    Modulator,
    OneSided,
    Sigmoid,
    SquaredError,
    Symmetric,
    adjoint_gradient,
    compare,
    relax,
    unrolled_gradient,
)
from experiments.common.folder import new_folder, write_config, write_json
from experiments.common.referees import EXACT, by_newton, of_run, problem, uncrossed
from experiments.common.shell import run
from experiments.common.table import Bar, show, verdict

HIDDEN = {"1h": (9,), "2h": (9, 8)}
BARS = {
    "symmetric_1e-3": Bar(most=1e-5),
    "symmetric_0.1": Bar(most=4e-2),
    "symmetric_halving": Bar(least=3.8, most=4.2),
    "onesided_1e-2": Bar(most=3.5e-2),
    "holomorphic4_0.1": Bar(most=4e-4),
    "holomorphic6_0.1": Bar(most=4e-5),
    "holomorphic10_0.1": Bar(most=1e-6),
    "bptt": Bar(most=1e-12),
    "newton": Bar(most=1e-7),
    "float32_symmetric_0.1": Bar(least=0.999),
    "hard_symmetric_1e-3": Bar(most=1e-5),
    "fraction_hard_1e-3": Bar(least=0.5),
    "modulator_symmetric_1e-3": Bar(most=1e-5),
    "fraction_modulator_1e-3": Bar(least=0.5),
}


@dataclass(frozen=True, kw_only=True)
class GradientsOptions:
    """Compare every estimator with the exact adjoint."""

    batch: int = 20
    """Samples."""
    seed: int = 0
    """Of weights and samples."""
    run: Path | None = None
    """A run's folder, or a config.json for its network as it starts: look at that instead, on validation samples."""
    out: Path | None = None
    """Folder for summary.json (default: a new one under runs/)."""
    check: bool = False
    """Exit with 1 if a bar is missed (there are none with --run)."""


def main(options: GradientsOptions) -> int:
    """Run all, tabulate."""
    if options.batch < 1:
        raise ValueError(f"--batch must be at least 1, not {options.batch}")
    if options.run is not None:
        own = of_run(options.run, options.batch)
        folder = new_folder(options.out, "gradients")
        write_config(folder, options, {"run": str(options.run), "batch": options.batch})
        write_json(folder / "summary.json", own)
        return verdict(show(own, {}, f"{options.run}: relative errors and cosines to the adjoint"), check=False)
    folder = new_folder(options.out, "gradients")
    summary: dict[str, float] = {}
    cases = [(backend, depth) for backend in ("dense", "mesh") for depth in HIDDEN]
    for backend, depth in track(cases, description="estimators"):
        summary |= {f"{name}_{backend}_{depth}": value for name, value in errors(backend, depth, options).items()}
    write_config(folder, options, {"batch": options.batch, "seed": options.seed})
    write_json(folder / "summary.json", summary)
    bars = {f"{name}_{backend}_{depth}": bar for name, bar in BARS.items() for backend, depth in cases}
    return verdict(show(summary, bars, f"relative errors to the adjoint -> {folder}"), check=options.check)


def errors(backend: str, depth: str, options: GradientsOptions) -> dict[str, float]:
    """Every number of one network."""
    net, x, y = problem(backend, HIDDEN[depth], Sigmoid(), batch=options.batch, seed=options.seed)
    state = relax(net, x, EXACT).state
    reference = adjoint_gradient(net, x, y, state, SquaredError())

    def error(estimator: Estimator) -> float:
        return compare(estimator(net, x, y).gradients, reference)[0]

    symmetric = {beta: error(Symmetric(beta=beta, free=EXACT, nudged=EXACT)) for beta in (1e-3, 0.05, 0.1)}
    result = {"symmetric_1e-3": symmetric[1e-3], "symmetric_0.1": symmetric[0.1]}
    result |= {"symmetric_halving": symmetric[0.1] / symmetric[0.05]}
    result |= {"onesided_1e-2": error(OneSided(beta=1e-2, free=EXACT, nudged=EXACT))}
    for count in (4, 6, 10):
        result[f"holomorphic{count}_0.1"] = error(Holomorphic(beta=0.1, count=count, free=EXACT, nudged=EXACT))
    unrolled = unrolled_gradient(net, x, y, state, SquaredError(), steps=200)
    result |= {"bptt": compare(unrolled, reference)[0]}
    every = [Symmetric(beta=0.1), OneSided(beta=1e-2), *(Holomorphic(beta=0.1, count=n) for n in (4, 6, 10))]
    every = [replace(estimator, free=EXACT, nudged=EXACT) for estimator in every]
    result["newton"] = max(compare(e(net, x, y).gradients, by_newton(e, net, x, y))[0] for e in every)
    single, x32, y32 = problem(
        backend, HIDDEN[depth], Sigmoid(), batch=options.batch, seed=options.seed, dtype=torch.float32
    )
    coarse = GaussSeidel(steps=500, tolerance=1e-6)
    estimate = Symmetric(beta=0.1, free=coarse, nudged=coarse)(single, x32, y32).gradients
    result["float32_symmetric_0.1"] = compare({n: g.double() for n, g in estimate.items()}, reference)[1]
    return result | kinked(backend, depth, options)


def kinked(backend: str, depth: str, options: GradientsOptions) -> dict[str, float]:
    """Hard sigmoid and modulator on the samples where no unit changes its piece between the phases."""
    result = {}
    for name, activation in (("hard", HardSigmoid()), ("modulator", Modulator())):
        net, x, y = problem(backend, HIDDEN[depth], activation, batch=options.batch, seed=options.seed)
        for beta in ("1e-3", "0.1"):
            estimator = Symmetric(beta=float(beta), free=EXACT, nudged=EXACT)
            keep = uncrossed(net, estimator, x, y)
            result[f"fraction_{name}_{beta}"] = float(keep.double().mean())
            if keep.any():
                reference = adjoint_gradient(net, x[keep], y[keep], relax(net, x[keep], EXACT).state, SquaredError())
                result[f"{name}_symmetric_{beta}"] = compare(estimator(net, x[keep], y[keep]).gradients, reference)[0]
    return result


if __name__ == "__main__":
    raise SystemExit(run(main, GradientsOptions))
