"""The circuit solver against sax: from parameters to dense S and its gradient, one thread, kernels warm.

Expected: 3 to 4 times sax for a ring, 5 to 13 times for lattices and meshes, 2 times for one small mesh at one setting.
Minutes: one, most of it sax's compiler.
"""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
import sax
import torch

from experiments.common.folder import new_folder, write_config, write_json
from experiments.common.shell import run
from experiments.common.table import Bar, show, verdict
from photonic_ep import circuit, clements, models
from photonic_ep.mesh.netlist import mesh_netlist

BARS = {
    "ring_forward": Bar(least=3),
    "ring_gradient": Bar(least=3),
    "lattice_forward": Bar(least=4),
    "lattice_gradient": Bar(least=4),
    "clements8x100_forward": Bar(least=4),
    "clements8x100_gradient": Bar(least=4),
    "clements8_forward": Bar(least=2),
    "first_8_s": Bar(most=0.2),
    "first_16_s": Bar(most=0.6),
    "first_32_s": Bar(most=4),
}
# sax's other backend, filipsson_gunnar, is left out where it cannot win: the lattice took it 280 s to compile and then
# 160 ms a call (klu 8 ms), and the mesh of 8 modes did not compile in 500 s.
BACKENDS = {"ring": ("klu", "filipsson_gunnar"), "lattice": ("klu",), "clements8x100": ("klu",), "clements8": ("klu",)}


def ring() -> dict:
    """An add-drop ring."""
    return {
        "instances": {
            "lft": {"component": "coupler", "settings": {"coupling": 0.1}},
            "rgt": {"component": "coupler", "settings": {"coupling": 0.15}},
            "top": {"component": "straight", "settings": {"length": 20.0}},
            "btm": {"component": "straight", "settings": {"length": 30.0}},
        },
        "connections": {
            "lft,out1": "top,in0",
            "top,out0": "rgt,out1",
            "rgt,in1": "btm,in0",
            "btm,out0": "lft,in1",
        },
        "ports": {"in": "lft,in0", "thru": "lft,out0", "add": "rgt,out0", "drop": "rgt,in0"},
    }


def lattice(stages: int = 10) -> dict:
    """A lattice filter of couplers and unequal arms."""
    instances = {f"dc{i}": {"component": "coupler", "settings": {"coupling": 0.3}} for i in range(stages + 1)}
    instances |= {f"top{i}": {"component": "straight", "settings": {"length": 25.0 + i}} for i in range(stages)}
    instances |= {f"btm{i}": {"component": "straight", "settings": {"length": 15.0}} for i in range(stages)}
    links = {}
    for i in range(stages):
        links |= {f"dc{i},out0": f"btm{i},in0", f"btm{i},out0": f"dc{i + 1},in0"}
        links |= {f"dc{i},out1": f"top{i},in0", f"top{i},out0": f"dc{i + 1},in1"}
    ports = {"in0": "dc0,in0", "in1": "dc0,in1", "out0": f"dc{stages},out0", "out1": f"dc{stages},out1"}
    return {"instances": instances, "connections": links, "ports": ports}


def sax_mzi(theta: float = 0.0, phi: float = 0.0) -> dict:
    """The toolkit's MZI in jax: T = B diag(e^{i theta}, 1) B diag(e^{i phi}, 1)."""
    inner, outer = jnp.exp(1j * jnp.asarray(theta)), jnp.exp(1j * jnp.asarray(phi))
    bar, cross = (inner - 1) / 2, 1j * (inner + 1) / 2
    return sax.reciprocal(
        {("o2", "o3"): outer * bar, ("o1", "o3"): cross, ("o2", "o4"): outer * cross, ("o1", "o4"): -bar}
    )


OURS = {"coupler": models.coupler_ideal, "straight": models.straight, "mzi": models.mzi}
THEIRS = {"coupler": sax.models.coupler_ideal, "straight": sax.models.straight, "mzi": sax_mzi}


def phases(modes: int, samples: int) -> dict[str, dict[str, np.ndarray]]:
    """Drawn settings of every MZI of a Clements mesh."""
    random = np.random.default_rng(0)
    names = [f"u_mzi_{column}_{top}" for column, top in clements(modes).mzis]
    shape = None if samples == 1 else samples
    return {name: {"theta": random.uniform(0, 6, shape), "phi": random.uniform(0, 6, shape)} for name in names}


TURN_S = 0.05  # seconds that one turn of a timed pair takes
WL = {"wl": np.linspace(1.5, 1.6, 1000)}
# netlist, settings, what the gradient is taken of (None: every phase)
CASES: dict[str, tuple[dict, dict, bool]] = {
    "ring": (ring(), WL, True),
    "lattice": (lattice(), WL, True),
    "clements8x100": (mesh_netlist(clements(8)), phases(8, 100), True),
    "clements8": (mesh_netlist(clements(8)), phases(8, 1), False),
}


@dataclass(frozen=True, kw_only=True)
class CircuitOptions:
    """Time circuits here and in sax; a ratio is sax's time over ours."""

    cases: tuple[Literal["ring", "lattice", "clements8x100", "clements8"], ...] = tuple(CASES)
    """What to time."""
    rounds: int = 15
    """Timed pairs; the median counts."""
    out: Path | None = None
    """Folder for summary.json (default: a new one under runs/)."""
    check: bool = False
    """Exit with 1 if a bar is missed."""


def main(options: CircuitOptions) -> int:
    """Time all cases."""
    if options.rounds < 1:
        raise ValueError(f"--rounds must be at least 1, not {options.rounds}")
    folder = new_folder(options.out, "benchmark-circuit")
    torch.set_num_threads(1)
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})  # one core for sax, too
    jax.config.update("jax_enable_x64", True)
    summary = first_results() | {k: v for name in options.cases for k, v in compare(name, options.rounds).items()}
    write_config(folder, options, {"rounds": options.rounds, "cases": list(options.cases)})
    write_json(folder / "summary.json", summary)
    bars = {name: bar for name, bar in BARS.items() if name in summary}
    return verdict(show(summary, bars, "circuits: sax's time / ours"), check=options.check)


def compare(name: str, rounds: int) -> dict[str, float]:
    """Ratios of one case: forward, and the gradient of Re sum conj(C) S in all settings, C drawn."""
    netlist, settings, gradient = CASES[name]
    ours = circuit(netlist, OURS)[0]
    leaves, tree = jax.tree_util.tree_flatten(settings)
    tensors = [torch.tensor(leaf, dtype=torch.float64, requires_grad=True) for leaf in leaves]
    chosen = jax.tree_util.tree_unflatten(tree, tensors)
    like = ours.dense(**settings)[0]
    cotangent = torch.randn(like.shape, dtype=like.dtype, generator=torch.Generator().manual_seed(0))
    weights = jnp.asarray(cotangent.numpy())

    def forward() -> torch.Tensor:
        with torch.no_grad():
            return ours.dense(**(chosen if gradient else settings))[0]

    def backward() -> object:
        return torch.autograd.grad(ours.dense(**chosen)[0], tensors, cotangent)

    theirs = fastest_backend(netlist, settings, BACKENDS[name])
    result = {f"{name}_forward": ratio(lambda: jax.block_until_ready(theirs(**settings)), forward, rounds)}
    if gradient:
        slope = jax.jit(jax.grad(lambda given: jnp.vdot(weights, theirs(**given)).real))
        result[f"{name}_gradient"] = ratio(lambda: jax.block_until_ready(slope(settings)), backward, rounds)
    return result


def fastest_backend(netlist: dict, settings: dict, backends: tuple[str, ...]) -> Callable[..., jax.Array]:
    """Return sax's circuit, compiled, with the backend that takes the least time."""
    times = {}
    for backend in backends:
        model, _ = sax.circuit(netlist, THEIRS, backend=backend, return_type="SDense")
        compiled = jax.jit(lambda _model=model, **chosen: _model(**chosen)[0])
        jax.block_until_ready(compiled(**settings))
        times[clock(lambda c=compiled: jax.block_until_ready(c(**settings)), 5)] = compiled
    return times[min(times)]


def ratio(theirs: Callable[[], object], ours: Callable[[], object], rounds: int) -> float:
    """Median of sax's time over ours, in turns, each turn a run of calls as in a sweep or a training loop."""
    theirs(), ours(), ours()
    calls = [max(1, int(TURN_S / clock(call, 3))) for call in (theirs, ours)]
    return median(clock(theirs, calls[0]) / clock(ours, calls[1]) for _ in range(rounds))


def clock(call: Callable[[], object], times: int) -> float:
    """Seconds of one call."""
    start = time.perf_counter()
    for _ in range(times):
        call()
    return (time.perf_counter() - start) / times


def first_results() -> dict[str, float]:
    """Seconds from a Clements netlist to its first S-matrix, the kernel compiled."""
    circuit(ring(), OURS)[0].dense()
    result = {}
    for modes in (8, 16, 32):
        netlist, settings = mesh_netlist(clements(modes)), phases(modes, 1)
        result[f"first_{modes}_s"] = clock(lambda n=netlist, s=settings: circuit(n, OURS)[0].dense(**s), 1)
    return result


if __name__ == "__main__":
    raise SystemExit(run(main, CircuitOptions))
