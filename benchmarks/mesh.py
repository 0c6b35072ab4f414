"""Light through all tiles of a mesh, forwards and back, and their decomposition, against a dense product; one thread.

Expected, on an Intel Xeon: twice the product forwards, 2 to 2.6 times from phases, 7 to 13 with the gradient;
decompositions 4 to 19. A minute.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from unittest.mock import MagicMock

import numpy as np
import torch

from benchmarks.timing import clock
from experiments.common.folder import new_folder, write_config, write_json
from experiments.common.shell import run
from experiments.common.table import Bar, show, verdict
from photonic_ep import clements, decompose, models, reck
from photonic_ep.mesh.kernel import Steps, cell_matrix, couplers, propagate
from photonic_ep.mesh.netlist import mesh_netlist

SIZES = {"64": (64, 1), "128": (128, 1), "256": (256, 1), "100x64": (64, 100), "100x16": (16, 100)}
DECOMPOSED = {"clements": clements, "reck": reck}
BARS = {
    **{f"forward_{size}": Bar(most=2.5) for size in ("64", "128", "256", "100x64")},
    **{f"both_{size}": Bar(most=12) for size in ("64", "128", "256", "100x64")},
    **{f"phases_{size}": Bar(most=5) for size in ("64", "128", "256")},
    "phases_100x16": Bar(most=8),
    "sax_8x100": Bar(least=10),
    "neurophox_64": Bar(least=10),
    # To the complex128 product: decompositions are double precision
    **{f"{kind}_64_z": Bar(most=15) for kind in DECOMPOSED},
    **{f"{kind}_100x64_z": Bar(most=25) for kind in DECOMPOSED},
    **{f"{kind}_256_z": Bar(most=30) for kind in DECOMPOSED},
}


@dataclass(frozen=True, kw_only=True)
class MeshOptions:
    """Time Clements meshes from 2 x 2 matrices (forward, both) and from phases."""

    sax: bool = False
    """Also time sax, jit-compiled, on 100 Clements meshes of 8 modes in double precision: its time / ours."""
    neurophox: Path | None = None
    """Also time the torch mesh of 64 modes of a checkout of neurophox (0.1.0a4 or b0): its time / ours."""
    rounds: int = 15
    """Rounds in which each contender is timed once; the medians are compared."""
    out: Path | None = None
    """Folder for summary.json (default: a new one under runs/)."""
    check: bool = False
    """Exit with 1 if a bar is missed."""


def main(options: MeshOptions) -> int:
    """Time all sizes and tabulate ratios to the complex64 product; keys with _z are complex128 to complex128."""
    if options.rounds < 1:
        raise ValueError(f"--rounds must be at least 1, not {options.rounds}")
    if options.neurophox is not None and not (options.neurophox / "neurophox" / "torch").is_dir():
        raise ValueError(f"--neurophox needs a folder with neurophox/torch in it, not {options.neurophox}")
    torch.set_num_threads(1)
    folder = new_folder(options.out, "mesh-speed")
    summary: dict[str, float] = {}
    for size, (modes, tiles) in SIZES.items():
        for dtype, ending in ((torch.float32, ""), (torch.float64, "_z")):
            times = clock(contenders(modes, tiles, dtype), options.rounds)
            product = times.pop("product")
            summary |= {f"{name}_{size}{ending}": seconds / product for name, seconds in times.items()}
            summary[f"ms_product_{size}{ending}"] = 1e3 * product
    if options.sax:
        summary["sax_8x100"] = against_sax(options.rounds)
    if options.neurophox is not None:
        summary["neurophox_64"] = against_neurophox(options.neurophox, options.rounds)
    write_config(folder, options, {"rounds": options.rounds})
    write_json(folder / "summary.json", summary)
    bars = {name: bar for name, bar in BARS.items() if name in summary}
    return verdict(show(summary, bars, f"meshes against a dense product -> {folder}"), check=options.check)


def contenders(modes: int, tiles: int, dtype: torch.dtype) -> dict[str, Callable[[], object]]:
    """The product of two dense matrices a tile; a mesh from 2 x 2 matrices, with its gradient, and from phases."""
    source, topology = torch.Generator().manual_seed(0), clements(modes)
    theta, phi = (6 * torch.rand(len(topology.mzis), tiles, generator=source, dtype=dtype) for _ in range(2))
    cells = cell_matrix(models.mzi, {"theta": theta, "phi": phi})
    light = torch.eye(modes, dtype=cells.dtype)[:, :, None].expand(modes, modes, tiles)
    a, b = (torch.randn(tiles, modes, modes, generator=source, dtype=cells.dtype) for _ in range(2))
    none = torch.zeros(len(topology.mzis), tiles, dtype=dtype)
    steps = Steps(topology.rows, modes, couplers(none, none))
    leaf, weight = cells.clone().requires_grad_(), b.permute(1, 2, 0)

    def both() -> None:
        torch.autograd.grad(propagate(topology, leaf, light), leaf, weight)

    unitaries = torch.linalg.qr(a)[0].numpy()
    double = (
        {} if dtype == torch.float32 else {k: partial(decompose, unitaries, f(modes)) for k, f in DECOMPOSED.items()}
    )
    return {
        "product": lambda: a @ b,
        "forward": lambda: propagate(topology, cells, light),
        "both": both,
        "phases": lambda: steps(theta, phi),
        **double,
    }


def against_sax(rounds: int) -> float:
    """sax's time over ours from the phases of 100 meshes to their matrices."""
    import jax

    from benchmarks.circuit import fastest_backend, phases

    jax.config.update("jax_enable_x64", True)
    topology, settings = clements(8), phases(8, 100)
    theirs = fastest_backend(mesh_netlist(topology), settings, ("klu",))
    theta, phi = (
        torch.from_numpy(np.stack([settings[f"u_mzi_{column}_{top}"][name] for column, top in topology.mzis]))
        for name in ("theta", "phi")
    )
    none = torch.zeros_like(theta)
    steps = Steps(topology.rows, 8, couplers(none, none))
    matrices = steps(theta, phi).permute(2, 0, 1).numpy()
    assert np.allclose(np.sort(np.abs(theirs(**settings))[:, 8:, :8].ravel()), np.sort(np.abs(matrices).ravel()))
    calls = {"sax": lambda: jax.block_until_ready(theirs(**settings)), "ours": lambda: steps(theta, phi)}
    times = clock(calls, rounds)
    return times["sax"] / times["ours"]


def against_neurophox(folder: Path, rounds: int) -> float:
    """neurophox's time over ours from the phases of a rectangular mesh of 64 modes to its matrix, single precision."""
    # It asks for tensorflow, which its torch meshes do not use, and for names that numpy no longer has.
    for name in ("tensorflow", "tensorflow.keras", "tensorflow.keras.layers", "tensorflow.keras.activations"):
        sys.modules.setdefault(name, MagicMock())
    for name, kind in (("complex", complex), ("float", float), ("int", int), ("long", int)):
        setattr(np, name, kind)
    sys.path.insert(0, str(folder.resolve()))
    from neurophox.torch import RMTorch  # pyright: ignore[reportMissingImports]

    # 0.1.0a4 takes arrays and returns both parts; 0.1.0b0 has complex tensors
    theirs, identity = RMTorch(64), np.eye(64, dtype=np.complex64)
    with torch.no_grad():
        made = theirs(identity)
        made = torch.complex(*made) if len(made) == 2 else torch.as_tensor(made)
        assert torch.allclose(made @ made.mH, torch.eye(64, dtype=made.dtype), atol=1e-5)
        ours = contenders(64, 1, torch.float32)["phases"]
        times = clock({"neurophox": lambda: theirs(identity), "ours": ours}, rounds)
    return times["neurophox"] / times["ours"]


if __name__ == "__main__":
    raise SystemExit(run(main, MeshOptions))
