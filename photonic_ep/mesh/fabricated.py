"""Tiles as fabrication made them: from the phases that heaters hold to those of the light, and what else was drawn."""

import copy
import math

import torch
from jaxtyping import Complex, Float
from torch import Tensor, nn

from photonic_ep.mesh.heat import Heat, grid, plan
from photonic_ep.mesh.imperfections import Imperfections
from photonic_ep.mesh.tile import Tile

Phases = Float[Tensor, "heaters tiles"]


class Fabricated(nn.Module):
    """What is static in rows x cols tiles, drawn once and in float64 whatever the precision, and what drifts.

    The methods take the imperfections to count with: all of them, or those that a controller knows.
    """

    phase_offset: Tensor
    splitter_offset: Tensor
    arm_loss: Tensor
    dead: Tensor
    port_offset: Tensor
    reflection: Tensor
    wander: Tensor

    def __init__(
        self,
        tile: Tile,
        rows: int,
        cols: int,
        physics: Imperfections,
        generator: torch.Generator | None,
        dtype: torch.dtype,
    ) -> None:
        super().__init__()
        self.rows, self.cols, self.modes = rows, cols, tile.modes
        names, tiles = [name for group in tile.heater_names.values() for name in group], rows * cols
        cells = len(tile.meshes) * tile.mzis + tile.svd * tile.modes

        def normal(*shape: int) -> Tensor:
            return torch.randn(*shape, generator=generator, dtype=torch.float64)

        drawn = {
            "phase_offset": physics.phase_error * normal(len(names), tiles),
            "splitter_offset": physics.splitter_error * normal(2, cells, tiles),
        }
        if physics.imbalance_db:
            # Theta's and phi's arms; an attenuator has no phi
            loss = physics.imbalance_db * normal(2, cells, tiles).abs()
            if tile.svd:
                loss[1, tile.mzis : tile.mzis + tile.modes] = 0
            drawn["arm_loss"] = loss
        if physics.stuck:
            drawn["dead"] = torch.rand(len(names), tiles, generator=generator, dtype=torch.float64) < physics.stuck
        if physics.port_phase or physics.port_gain:
            # Phase and gain, of each direction: the ports at U, then those at V
            drawn["port_offset"] = normal(2, 2, (rows + cols) * tile.modes)
        if physics.port_reflection:
            # Of each direction, real and imaginary: where light comes out, where it enters
            drawn["reflection"] = physics.port_reflection / math.sqrt(2) * normal(2, 2, 2, tiles, tile.modes)
        if physics.drift:
            drawn["wander"] = torch.zeros(len(names), tiles)
        for name, value in drawn.items():
            self.register_buffer(name, value if value.dtype == torch.bool else value.to(dtype))
        self.heat = self._heat(tile, names, physics)

    def _heat(self, tile: Tile, names: list[str], physics: Imperfections) -> Heat | None:
        if not physics.heat:
            return None
        if physics.floor is None:
            around = {(0, 0): grid(tile.topology, names, physics.crosstalk)}
        else:
            around = plan(tile.topology, names, physics.floor)
        own = around.pop((0, 0))
        return Heat(own, around, self.rows, self.cols).to(self.phase_offset)

    def seen(
        self, held: Phases, physics: Imperfections, heat: Heat | None, generator: torch.Generator | None = None
    ) -> Phases:
        """Phases of the light, s (p + X p + offset + wander) + noise: p is 0 where a heater is dead, s 1 untuned."""
        phases = held.masked_fill(self.dead, 0.0) if physics.stuck else held
        if heat is not None:
            phases = heat(phases)
        if physics.phase_error:
            phases = phases + self.phase_offset
        if physics.drift:
            phases = phases + self.wander
        if physics.detuning_nm:
            phases = physics.phase_scale * phases
        if physics.phase_noise and generator is not None:
            drawn = torch.randn(phases.shape, generator=generator, dtype=phases.dtype)
            phases = phases + physics.phase_noise * drawn
        return phases

    def felt(self, slopes: Phases, physics: Imperfections, heat: Heat | None) -> Phases:
        """Gradient in the held phases from that in the light's."""
        if physics.detuning_nm:
            slopes = physics.phase_scale * slopes
        if heat is not None:
            slopes = heat.back(slopes)
        return slopes.masked_fill(self.dead, 0.0) if physics.stuck else slopes

    def holding(self, wanted: Phases, physics: Imperfections, heat: Heat | None) -> Phases:
        """p in [0, 2 pi) that light sees as `wanted`, modulo 2 pi, as far as `physics` says; float64."""
        wanted = torch.remainder(wanted.double(), 2 * math.pi) / physics.phase_scale
        if physics.phase_error:
            wanted = wanted - self.phase_offset
        turn = 2 * math.pi / physics.phase_scale
        held = torch.remainder(wanted, turn)
        if heat is None:
            return held
        # A contraction for |X| < 1, but for wraps; best effort where it is not.
        heat = copy.deepcopy(heat).to(held)
        for _ in range(50):
            held = torch.remainder(wanted + held - heat(held), turn)
        return held

    def errors(self, physics: Imperfections) -> Float[Tensor, "2 cells tiles"]:
        """Errors of the angles of first and second couplers."""
        offset = self.splitter_offset if physics.splitter_error else torch.zeros_like(self.splitter_offset)
        return offset + physics.coupler_shift if physics.detuning_nm else offset

    def arms(self, physics: Imperfections) -> Float[Tensor, "2 cells tiles"] | None:
        """Amplitude that the arms of theta and phi keep; None for all."""
        return 10 ** (-self.arm_loss / 20) if physics.imbalance_db else None

    def between_ports(
        self, t: Complex[Tensor, "tiles k k"], physics: Imperfections, backward: bool
    ) -> Complex[Tensor, "tiles k k"]:
        """T from modulators to receivers, as light in one direction sees it: D1 T (1 - R_in T' R_out T)^-1 D2.

        For light sent backwards it is the transpose of what that passes. D is (1 + gain) e^{i phase} of each port.
        """
        if physics.port_reflection:
            real, imaginary = self.reflection[int(backward)]
            at_u, at_v = torch.complex(real, imaginary)
            # Backwards, T' (1 - R_u T R_v T')^-1 is the transpose of the same form
            loop = (at_v[:, :, None] * t.mT) @ (at_u[:, :, None] * t)
            t = torch.linalg.solve(torch.eye(self.modes, dtype=t.dtype, device=t.device) - loop, t, left=False)
        return t * self.ports(physics, backward) if physics.port_phase or physics.port_gain else t

    def ports(self, physics: Imperfections, backward: bool) -> Complex[Tensor, "tiles k k"]:
        """What the ports of each tile's rows and columns multiply its T by."""
        k = self.modes
        phase, gain = self.port_offset[int(backward)]
        all_ports = torch.polar(1 + physics.port_gain * gain, physics.port_phase * phase)
        rows, cols = all_ports.split([self.rows * k, self.cols * k])
        both = rows.unflatten(0, (self.rows, 1, k, 1)) * cols.unflatten(0, (1, self.cols, 1, k))
        return both.flatten(0, 1)

    @torch.no_grad()
    def age_(self, reads: float, physics: Imperfections, generator: torch.Generator | None) -> None:
        """Ornstein-Uhlenbeck: w <- w e^{-t/tau} + drift sqrt(1 - e^{-2 t/tau}) n after t reads."""
        time = reads / physics.drift_reads
        drawn = torch.randn(self.wander.shape, generator=generator, dtype=self.wander.dtype)
        self.wander.mul_(math.exp(-time)).add_(physics.drift * math.sqrt(-math.expm1(-2 * time)) * drawn)
