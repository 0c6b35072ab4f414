"""What a training of an Ising machine is made of, and the rows of `experiments/ising.py`."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

import torch

from ep_core import BoundedWeight, DimodSampler, HeatBath, IsingEP, IsingNetwork, NoisyReads, Sampler, Schedule, library
from ep_core.samplers import SLOPE
from photonic_ep import PowerSwept, presets

Machine = Literal["heat-bath", "dimod", "mesh", "noisy"]
MOST = 4.0  # couplings of a mesh are what its light makes them: its gain sets the range, within that of the fields


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """All that a training is, data and seed apart. Chosen on validation images.

    Attributes:
        machine: heat-bath or dimod (simulated annealing) on ideal couplings; mesh: couplings and noise of meshes;
            noisy: the noise of meshes on ideal couplings.
        hidden, outputs: spins. std: of the first W_0 and W_1. rates: of W_0, W_1 (or its phases) and of the biases.
        decay: factor of all rates from an epoch to the next.
        beta: of the nudge. cold: first and last inverse temperature. sweeps, reads: of each phase.
        epochs, batch, averaged: epochs at the end whose weights are averaged.

    """

    machine: Machine = "heat-bath"
    hidden: int = 120
    outputs: int = 40
    std: tuple[float, float] = (0.0103, 0.0132)
    rates: tuple[float, float, float] = (0.02, 0.02, 0.002)
    decay: float = 1.0
    beta: float = 5.0
    cold: tuple[float, float] = (0.05, 20.0)
    sweeps: int = 30
    reads: int = 5
    epochs: int = 30
    batch: int = 4
    averaged: int = 15

    def __post_init__(self) -> None:
        for name in ("hidden", "outputs", "sweeps", "reads", "epochs", "batch"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, not {getattr(self, name)}")
        self.schedule  # noqa: B018 (refuses a wrong one)

    @property
    def schedule(self) -> Schedule:
        """Of both phases."""
        return Schedule.annealed(*self.cold, self.sweeps)

    def network(self, inputs: int, generator: torch.Generator) -> IsingNetwork:
        """The input's product is digital, as the paper's; couplings are ideal, or those of meshes of device F."""
        ideal = [partial(BoundedWeight, std=std, generator=generator) for std in self.std]
        mesh = partial(presets.DEVICE_F.weight, std=self.std[1], generator=generator)
        return IsingNetwork(
            (inputs, self.hidden, self.outputs),
            [ideal[0], mesh if self.machine == "mesh" else ideal[1]],
            coupling_limit=MOST if self.machine == "mesh" else 1.0,
        )

    def estimator(self) -> IsingEP:
        """The machine with its schedule."""
        noisy = partial(NoisyReads, noise=PowerSwept())
        samplers: dict[str, Callable[[], Sampler]] = {
            "heat-bath": HeatBath,
            "dimod": DimodSampler,
            "mesh": noisy,
            "noisy": noisy,
        }
        return IsingEP(
            sampler=samplers[self.machine](),
            beta=self.beta,
            free=self.schedule,
            second=self.schedule,
            reads=self.reads,
            keep="mean",
        )


PLAIN = Recipe()
FULL = replace(PLAIN, epochs=4, decay=0.6, reads=3, averaged=1)
MESH = replace(PLAIN, machine="mesh", std=(0.0103, 0.08), rates=(0.02, 0.02, 0.002))
NOISE = (0.17, 0.43, 0.85, 1.7)
MESHES = {
    "mesh": MESH,
    "single": replace(MESH, reads=1),
    "noisy": replace(PLAIN, machine="noisy", reads=1, epochs=50, averaged=0),
}


def mesh_rows() -> dict[str, Recipe]:
    """Annealed (`NAME`) and at constant noise (`NAME_PHI`): the mesh, the same by one read of a phase (`single`), and
    the mesh's noise on ideal couplings by one read and without averages (`noisy`).
    """
    rows: dict[str, Recipe] = {}
    for name, own in MESHES.items():
        rows[name] = own
        rows |= {f"{name}_{phi}": replace(own, cold=(SLOPE / phi, SLOPE / phi)) for phi in NOISE}
    return rows


def require_machine(machine: Machine) -> None:
    """Raise ValueError where a library's sampler is not installed; it names the extra."""
    try:
        if machine == "dimod":
            library.annealer()
    except ModuleNotFoundError as error:
        raise ValueError(str(error)) from error
