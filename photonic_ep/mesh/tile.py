"""A tile, U diag(a) V or U alone: its heaters, the steps that light takes through it, and phases to start from."""

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Float
from scipy.stats import unitary_group
from torch import Tensor

from photonic_ep.mesh.decompose import decomposable, decompose
from photonic_ep.mesh.imperfections import Imperfections
from photonic_ep.mesh.kernel import Steps, couplers
from photonic_ep.mesh.topology import MeshName, MeshSteps, Topology

Heaters = dict[str, Tensor]


@dataclass(frozen=True)
class Tile:
    """The shape of tiles.

    Attributes:
        topology: of each mesh. meshes: ("v", "u") for U diag(a) V, ("u",) for U alone.

    """

    topology: Topology
    meshes: tuple[MeshName, ...]

    @property
    def svd(self) -> bool:
        """Whether there are attenuators between two meshes."""
        return len(self.meshes) > 1

    @property
    def modes(self) -> int:
        """Ports on either side."""
        return self.topology.modes

    @property
    def mzis(self) -> int:
        """Cells of each mesh."""
        return len(self.topology.mzis)

    @property
    def pullback(self) -> int:
        """Real multiply-adds of a pull-back: `modes` inputs through every cell, 16 each, and twice that backwards."""
        return 3 * 16 * self.modes * self.mzis * len(self.meshes)

    @cached_property
    def heater_names(self) -> dict[str, list[str]]:
        """Heaters as INSTANCE.SETTING, by parameter, in the order of the parameter's rows."""
        result: dict[str, list[str]] = {}
        for mesh in self.meshes:
            result |= {f"{mesh}_{kind}": names for kind, names in self.topology.heater_names(mesh).items()}
            if mesh == "v":
                result["att_theta"] = [f"att_{mode}.theta" for mode in range(self.modes)]
        return result

    def kept(self, physics: Imperfections) -> float:
        """Amplitude that the losses leave on the mean way through. ValueError where that is nothing."""
        meshes, columns = len(self.meshes), range(len(self.topology.columns))
        passed = 2 * meshes * self.mzis / self.modes + self.svd
        crossed = meshes * sum(float(self.topology.crossings(c).mean()) for c in columns)
        # Half of the light is in each arm, and the mean of |N(0, 1)| is sqrt(2 / pi)
        arms = math.sqrt(2 / math.pi) * physics.imbalance_db * passed
        kept = 10 ** (-(physics.insertion_loss_db * passed + physics.crossing_loss_db * crossed + arms) / 20)
        if kept < 1e-6:
            parts = f"{physics.insertion_loss_db:g} dB a MZI, {passed:.0f} in a row, and {crossed:.0f} crossings"
            raise ValueError(f"insertion_loss_db leaves less than 1e-6 of the field: {parts}")
        return kept

    def start(self, tiles: int, attenuation: float, generator: torch.Generator | None) -> Heaters:
        """Phases of Haar-random meshes, or of random splits where those cannot be decomposed, all attenuators alike."""
        result: Heaters = {}
        half = torch.full((self.modes, tiles), 2 * math.asin(attenuation), dtype=torch.float64)
        seed = int(torch.randint(2**31, (), generator=generator))
        haar = unitary_group.rvs(self.modes, size=len(self.meshes) * tiles, random_state=seed)
        haar = haar.reshape(-1, tiles, self.modes, self.modes)
        for mesh, unitaries in zip(self.meshes, haar, strict=True):
            if decomposable(self.topology):
                phases = decompose(unitaries, self.topology)
                parts = {kind: torch.from_numpy(getattr(phases, kind)) for kind in ("theta", "phi", "alpha")}
            else:
                parts = self._random(tiles, generator)
            result |= {f"{mesh}_{kind}": part for kind, part in parts.items()}
            result |= {"att_theta": half} if mesh == "v" else {}
        return result

    def _random(self, tiles: int, generator: torch.Generator | None) -> Heaters:
        """Splits that are uniform in power, and uniform phases."""
        counts = (self.mzis, self.mzis, self.modes)
        split, phi, alpha = (torch.rand(n, tiles, generator=generator, dtype=torch.float64) for n in counts)
        return {"theta": 2 * torch.asin(torch.sqrt(split)), "phi": 2 * math.pi * phi, "alpha": 2 * math.pi * alpha}

    def steps(
        self,
        errors: Float[Tensor, "2 cells tiles"],
        arms: Float[Tensor, "2 cells tiles"] | None,
        physics: Imperfections,
    ) -> Steps:
        """What couplers with these errors, V's, the attenuators' and U's, and the losses make of light's every step.

        `arms`: amplitude that the heated arms of theta and phi keep.
        """
        plan, which = self._plan(physics)
        ratios = couplers(errors[0], errors[1], 10 ** (-physics.insertion_loss_db / 20))
        # What only turns light, or crosses, lets pass what its T00 says.
        straight = ratios.new_zeros(4, self.modes + 1, ratios.shape[2])
        straight[0] = 1
        which = slice(-1) if which is None else which
        ratios = torch.cat([ratios, straight], 1)[:, which]
        if arms is not None:
            arms = torch.cat([arms, torch.ones_like(straight[:2])], 1)[:, which]
        ratios[0] *= torch.from_numpy(10 ** (-physics.crossing_loss_db * plan.crossed / 20)).to(ratios)[:, None]
        return Steps(plan.rows, self.modes, ratios, plan.exits, arms)

    def angles(self, held: Heaters, physics: Imperfections) -> tuple[Tensor, Tensor]:
        """Theta and phi of the steps: alpha of V is the attenuators' phi, that of U turns each output."""
        none = torch.zeros_like(held["u_alpha"])
        theta, phi = [held["u_theta"], held["u_alpha"]], [held["u_phi"], none]
        if self.svd:
            theta, phi = [held["v_theta"], held["att_theta"], *theta], [held["v_phi"], held["v_alpha"], *phi]
        which = self._plan(physics)[1]
        if which is None:
            return torch.cat(theta), torch.cat(phi)
        return torch.cat([*theta, none[:1]])[which], torch.cat([*phi, none[:1]])[which]

    def heaters(self, angles: Float[Tensor, "2 steps tiles"], physics: Imperfections) -> Float[Tensor, "heaters tiles"]:
        """Bring what belongs to the steps' theta and phi to the heaters, in the order of their names."""
        which, cells = self._plan(physics)[1], self.mzis + self.modes
        if which is not None:
            room = angles.new_zeros(2, len(self.meshes) * cells + 1, angles.shape[2])
            angles = room.index_add_(1, which, angles)[:, :-1]
        found: list[Tensor] = []
        for mesh, own in zip(self.meshes, angles.split(cells, 1), strict=True):
            theta, phi = own
            found += [theta[: self.mzis], phi[: self.mzis]]
            found += [phi[self.mzis :], theta[self.mzis :]] if mesh == "v" else [theta[self.mzis :]]
        return torch.cat(found)

    def _plan(self, physics: Imperfections) -> tuple[MeshSteps, Tensor | None]:
        return self._lossy if physics.crossing_loss_db and self.topology.orders else self._lossless

    @cached_property
    def _lossless(self) -> tuple[MeshSteps, None]:
        return self._walk(lossy=False), None

    @cached_property
    def _lossy(self) -> tuple[MeshSteps, Tensor]:
        """Crossings are steps too: which heater each step has, the one behind the last where it has none."""
        walk = self._walk(lossy=True)
        last = len(self.meshes) * (self.mzis + self.modes)
        return walk, torch.from_numpy(np.where(walk.heaters < 0, last, walk.heaters))

    def _walk(self, *, lossy: bool) -> MeshSteps:
        """V, the attenuators, U, and its output phases; the number of each step's heaters, as they come."""
        parts: list[MeshSteps] = []
        wires, first = np.arange(self.modes), 0
        for _ in self.meshes:
            parts.append(self.topology.steps(wires, first=first, lossy=lossy))
            wires, first = parts[-1].exits, first + self.mzis
            alone = np.stack([wires, np.full(self.modes, -1)], 1)
            parts.append(MeshSteps(alone, first + np.arange(self.modes), np.zeros(self.modes, np.int64), wires))
            first += self.modes
        rows, heaters, crossed = (np.concatenate([part[i] for part in parts]) for i in range(3))
        return MeshSteps(rows, heaters, crossed, wires)
