"""A weight matrix held by the heaters of MZI meshes: W = g Re(T), block by block, T = U diag(a) V."""

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Literal

import numpy as np
import torch
from jaxtyping import Complex, Float, Num
from torch import Tensor, nn

from ep_core import Written
from ep_core.compiled import compiled
from ep_core.cost import Cost, Part
from ep_core.quantity import sources
from ep_core.weight import Inputs, Outputs, SolvedWeight, product, require_finite
from photonic_ep.circuit import models
from photonic_ep.detect import homodyne
from photonic_ep.gradients import PhaseGradient, twin
from photonic_ep.hardware import Hardware
from photonic_ep.mesh.calibrate import lo_refit
from photonic_ep.mesh.fabricated import Fabricated
from photonic_ep.mesh.heat import Heat
from photonic_ep.mesh.imperfections import Imperfections
from photonic_ep.mesh.kernel import Cell, Steps, cell_matrix, propagate, stages
from photonic_ep.mesh.program import corrected_tile, tile_phases
from photonic_ep.mesh.tile import Heaters, Tile
from photonic_ep.mesh.topology import Topology, clements

HEADROOM = 3.0  # the receiver gain lets a weight grow to this multiple of its first size
TOP = 2.5 * math.pi  # a heater reaches 2 pi and a margin of pi / 2 before it wraps


@compiled
def turn_heaters(held, owed, delta, top, step, codes):  # noqa: ANN001, ANN201
    """`program_` of one parameter on the CPU, in one pass; returns how many phases changed."""
    pulses, turn = 0, held.dtype.type(2 * math.pi)
    top, step, none = held.dtype.type(top), held.dtype.type(step), held.dtype.type(0)
    codes = held.dtype.type(codes)
    for i in range(len(held)):
        wanted = held[i] + owed[i] + delta[i]
        if wanted < none or wanted > top:
            wanted -= turn * math.floor(wanted / turn)
        level = step * np.rint(wanted / step) if step > none else wanted
        if codes > none:
            share = np.rint(codes * np.sqrt(wanted / top)) / codes
            level = top * share * share
        pulses += level != held[i]
        owed[i], held[i] = wanted - level, level
    return pulses


class MeshWeight(SolvedWeight):
    """SVD tiles of MZI meshes that compute W x in one direction and W' y in the other.

    Neuron states are real field amplitudes, homodyne detection reads the real quadrature: W = g Re(T). A passive
    mesh is reciprocal, so light sent backwards sees the transpose, whatever its imperfections: `symmetric`. Only ports
    that differ by direction break that: W = g Re(D1 T D2), W_b = g Re(D3 T D4).
    Matrices larger than a tile are blocks; the last ones have dark ports. Photocurrents of a row of tiles add.

    Parameters (heaters, tiles), physical radians: v_theta, v_phi, v_alpha, att_theta, u_theta, u_phi, u_alpha.

    Args:
        out_features, in_features: shape of W.
        tile: modes of a tile.
        topology: of U and V, e.g. clements, reck or fftnet.
        form: svd for tiles U diag(a) V; unitary for U alone, whose weights are turned, not scaled.
        imperfections: of every tile; drawn once, from `generator`.
        generator: of the start (Haar-random U and V, all attenuators alike) and of the imperfections.
        std: standard deviation of the first weights; default .5 / sqrt(in_features). It sets the gain g.
        hardware: the parts that `cost` counts; its floor plan is that by which heat flows, where it does.
        gradient: how bilinear_grad reaches the phases: gradients.twin or gradients.oracle.
        cell: model of the MZI, any feed-forward 2 x 2 with settings theta and phi.
        dtype: of the phases.

    """

    lo_phase: Tensor

    def __init__(
        self,
        out_features: int,
        in_features: int,
        *,
        tile: int = 8,
        topology: Callable[[int], Topology] = clements,
        form: Literal["svd", "unitary"] = "svd",
        imperfections: Imperfections | None = None,
        hardware: Hardware | None = None,
        generator: torch.Generator | None = None,
        std: float | None = None,
        gradient: PhaseGradient = twin,
        cell: Cell = models.mzi,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__(out_features, in_features)
        if tile < 2:
            raise ValueError(f"a tile needs at least 2 modes, not {tile}")
        self.topology, self.gradient, self.cell = topology(tile), gradient, cell
        self.tile = Tile(self.topology, ("v", "u") if form == "svd" else ("u",))
        self.physics = Imperfections() if imperfections is None else imperfections
        plan = self.physics.floor
        self.hardware = (Hardware() if plan is None else Hardware(plan=plan)) if hardware is None else hardware
        if plan is not None and plan != self.hardware.plan:
            raise ValueError(f"one chip has one floor plan: heat flows by {plan}, parts are on {self.hardware.plan}")
        self._stacks: dict[tuple, Steps] = {}  # shared with the twin
        # What the model has of crosstalk that was measured; the device has its own.
        self.table: Heat | None = None
        self.aligned = True  # the model needs no turned oscillators: they make the device agree with it
        self.rows, self.cols = -(-out_features // tile), -(-in_features // tile)
        first = 0.5 / in_features**0.5 if std is None else std
        self.gain = self._gain(first)
        for name, phases in self.tile.start(self.tiles, 1 / HEADROOM, generator).items():
            self.register_parameter(name, nn.Parameter(phases.to(dtype).contiguous()))
            self.register_buffer(f"owed_{name}", torch.zeros_like(phases, dtype=dtype))
        self.chip = Fabricated(self.tile, self.rows, self.cols, self.physics, generator, dtype)
        self.register_buffer("lo_phase", torch.zeros(self.tiles, dtype=dtype))
        self.program_({name: torch.zeros_like(p) for name, p in self.named_parameters()})
        self.align_()

    @property
    def symmetric(self) -> bool:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Whether both directions see the same matrix."""
        return not self.physics.ports

    @property
    def noisy(self) -> bool:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Whether reads with a generator draw noise."""
        return bool(self.physics.phase_noise or self.physics.detector_noise)

    @property
    def drifting(self) -> bool:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Whether phases wander."""
        return bool(self.physics.drift)

    @property
    def tiles(self) -> int:
        """Number of tiles; tile (row, col) has index row * cols + col."""
        return self.rows * self.cols

    def heater_names(self) -> dict[str, list[str]]:
        """Names of a tile's heaters, INSTANCE.SETTING, by parameter, in the order of the parameter's rows."""
        return self.tile.heater_names

    def _gain(self, std: float) -> float:
        # Re(T) of Haar U, V with attenuators at 1/headroom (U alone has none): std 1/(headroom sqrt(2 tile)), less loss
        if not std > 0:
            raise ValueError(f"the standard deviation of the first weights must be positive, not {std}")
        headroom = HEADROOM if self.tile.svd else 1.0
        return std * headroom * math.sqrt(2 * self.topology.modes) / self.kept

    @property
    def kept(self) -> float:
        """Amplitude that the losses leave on the mean way through a tile. ValueError where that is nothing."""
        return self.tile.kept(self.physics)

    @torch.no_grad()
    def align_(self) -> int:
        """Turn each tile's local oscillator so that the device agrees best with the controller's model of it.

        Both directions of a tile share its oscillator: reads stay symmetric. Returns the reads that this took: one
        input at a time, two quadratures each. Phases that move turn the crosstalk too, so repeat it now and then.
        """
        self.lo_phase.copy_(lo_refit(self._seen(), self._model()._seen()))
        self._kept = {}
        return 2 * self.in_features

    def _phases(self, generator: torch.Generator | None = None) -> Heaters:
        """Phases that the light sees, by parameter."""
        parameters: list[Tensor] = list(self.parameters())
        phases = self.chip.seen(torch.cat(parameters), self.physics, self._heat, generator)
        return dict(zip(self.heater_names(), phases.split([len(p) for p in parameters]), strict=True))

    @property
    def _heat(self) -> Heat | None:
        """Crosstalk: the device's own, or in the model what is known or was measured."""
        if not self.aligned and self.table is not None:
            return self.table
        return self.chip.heat if self.physics.heat else None

    def _model(self) -> "MeshWeight":
        """The controller's model of the device."""
        return self._altered(physics=self.physics.believed(), aligned=False)

    @torch.no_grad()
    def age_(self, reads: float, generator: torch.Generator | None = None) -> None:
        """Let the phases drift for the time of so many reads."""
        if self.physics.drift:
            self.chip.age_(reads, self.physics, generator)
            self._kept = {}

    def calibrate_(self, table: Float[Tensor, "heaters heaters"]) -> None:
        """Let the controller's model have this crosstalk: shares of columns' phases in the rows', by `heater_names`.

        From then on the twin's gradient and `program_matrix_` count with it. Raises ValueError for another size, or
        where it is not finite or has a share of 1 and more.
        """
        count = sum(len(names) for names in self.heater_names().values())
        if tuple(table.shape) != (count, count):
            raise ValueError(f"a crosstalk table of this tile is {count} x {count}, not {tuple(table.shape)}")
        if not bool((table.abs() < 1).all()):
            raise ValueError("crosstalk shares must be finite and below 1")
        self.table = Heat(table, {}, 1, 1).to(self.lo_phase)
        self.align_()

    def _settings(self, generator: torch.Generator | None = None) -> tuple[dict[str, Tensor | float], Tensor]:
        """Settings of all MZIs (V's, the attenuators, U's), and the output phases (V's, then U's tiles)."""
        held, svd = self._phases(generator), self.tile.svd
        none = torch.zeros_like(held["u_alpha"])
        settings: dict[str, Tensor | float] = {
            "theta": torch.cat([held["v_theta"], held["att_theta"], held["u_theta"]]) if svd else held["u_theta"],
            "phi": torch.cat([held["v_phi"], none, held["u_phi"]]) if svd else held["u_phi"],
        }
        if self.physics.splitter_error or self.physics.detuning_nm:
            settings |= dict(zip(("delta_in", "delta_out"), self.chip.errors(self.physics), strict=True))
        if self.physics.imbalance_db:
            settings |= dict(zip(("theta_loss_dB", "phi_loss_dB"), self.chip.arm_loss, strict=True))
        if self.physics.insertion_loss_db:
            settings["loss_dB"] = self.physics.insertion_loss_db
        return settings, torch.cat([held[f"{mesh}_alpha"] for mesh in self.tile.meshes], 1)

    def _cells(self, generator: torch.Generator | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """The 2 x 2 matrices of V's and U's tiles (2, 2, mzis, tiles), the attenuators' T00, and e^{i alpha} alike."""
        settings, alpha = self._settings(generator)
        mzis, modes = self.tile.mzis, self.tile.modes
        cells, turn = cell_matrix(self.cell, settings), torch.polar(torch.ones_like(alpha), alpha)
        if not self.tile.svd:
            return cells, turn.new_ones(modes, self.tiles), turn
        v, attenuators, u = cells.split([mzis, modes, mzis], 2)
        return torch.cat([v, u], 3), attenuators[0, 0], turn

    def _compiles(self) -> bool:
        return self.cell is models.mzi and self.lo_phase.device.type == "cpu"

    def _angles(self, generator: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
        """Theta and phi of a tile's steps."""
        return self.tile.angles(self._phases(generator), self.physics)

    def pull_back(self, cotangent: Float[Tensor, "out in"], backward: bool = False) -> dict[str, Tensor]:
        """d<cotangent, W(theta)>/dtheta, of W_b if `backward`, of every heater, through this very device."""
        names, parameters = zip(*self.named_parameters(), strict=True)
        if not self._compiles():
            with torch.enable_grad():
                weight = self.effective(backward)
            return dict(zip(names, torch.autograd.grad(weight, parameters, cotangent), strict=True))
        with torch.no_grad():
            k = self.topology.modes
            # dL/dT = g e^{i psi} conj(D D') dL/dW, block by block
            dark = self.cols * k - self.in_features, self.rows * k - self.out_features
            full = torch.nn.functional.pad(cotangent, (0, dark[0], 0, dark[1])) if any(dark) else cotangent
            blocks = full.unflatten(1, (self.cols, k)).unflatten(0, (self.rows, k)).permute(1, 3, 0, 2)
            psi = self.lo_phase if self.aligned else torch.zeros_like(self.lo_phase)
            turn = torch.polar(torch.full_like(psi, self.gain), psi).unflatten(0, (self.rows, self.cols))
            light = turn.new_empty(k, k, self.tiles)
            torch.mul(turn, blocks, out=light.unflatten(2, turn.shape))
            steps, angles = self._steps(), self._angles()
            if self.physics.port_reflection:
                light = self._through_ports(steps(*angles), light, backward)
            elif self.physics.ports:
                light = light * self.chip.ports(self.physics, backward).conj().permute(1, 2, 0)
            slopes = self.tile.heaters(steps.pull(*angles, light), self.physics)
            heaters = self.chip.felt(slopes, self.physics, self._heat)
            return dict(zip(names, heaters.split([len(p) for p in parameters]), strict=True))

    @torch.enable_grad()
    def _through_ports(
        self, t: Complex[Tensor, "k k tiles"], light: Complex[Tensor, "k k tiles"], backward: bool
    ) -> Complex[Tensor, "k k tiles"]:
        """dL/dT of the tiles from dL/dT between the ports."""
        t = t.detach().requires_grad_()
        seen = self.chip.between_ports(t.permute(2, 0, 1), self.physics, backward)
        return torch.autograd.grad(seen, t, light.permute(2, 0, 1))[0]

    def _steps(self) -> Steps:
        """What the couplers and the losses make of every step of a tile; kept until they change."""
        chip, physics = self.chip, self.physics
        offset, losses = chip.splitter_offset, (physics.insertion_loss_db, physics.crossing_loss_db)
        drawn = bool(physics.splitter_error), bool(physics.imbalance_db), physics.detuning_nm
        key = *drawn, *losses, offset.data_ptr(), offset._version, offset.dtype
        if key not in self._stacks:
            if len(self._stacks) > 1:  # those of device and twin are enough
                self._stacks.clear()
            self._stacks[key] = self.tile.steps(chip.errors(physics), chip.arms(physics), physics)
        return self._stacks[key]

    def transfer(self, generator: torch.Generator | None = None) -> Complex[Tensor, "tiles k k"]:
        """T = U diag(a) V of every tile, differentiable in the phases; with a generator, that of one noisy read."""
        if self._compiles():
            return self._steps()(*self._angles(generator)).permute(2, 0, 1)
        cells, attenuators, alpha = self._cells(generator)
        modes = self.topology.modes
        light = torch.eye(modes, dtype=alpha.dtype, device=alpha.device)
        fields = light[:, :, None].expand(modes, modes, len(self.tile.meshes) * self.tiles)
        meshes = alpha[:, None] * propagate(self.topology, cells, fields, self._crossing)
        if not self.tile.svd:
            return meshes.permute(2, 0, 1)
        v, u = meshes.split(self.tiles, 2)
        return (u * attenuators).permute(2, 0, 1) @ v.permute(2, 0, 1)

    @property
    def _crossing(self) -> float:
        """Amplitude that a crossing leaves."""
        return 10 ** (-self.physics.crossing_loss_db / 20)

    def _seen(self, backward: bool = False, generator: torch.Generator | None = None) -> Complex[Tensor, "tiles k k"]:
        """T between modulators and receivers, as light in one direction sees it."""
        return self.chip.between_ports(self.transfer(generator), self.physics, backward)

    def effective(self, backward: bool = False, generator: torch.Generator | None = None) -> Float[Tensor, "out in"]:
        """W = g Re(e^{-i psi} D1 T D2), psi the tiles' local-oscillator phases, D the ports'; of W_b if `backward`.

        Differentiable in the heaters' phases; with a generator, that of one noisy read.
        """
        k = self.topology.modes
        psi = self.lo_phase[:, None, None] if self.aligned else torch.zeros(())
        blocks = self.gain * homodyne(self._seen(backward, generator), psi).unflatten(0, (self.rows, self.cols))
        full = blocks.permute(0, 2, 1, 3).reshape(self.rows * k, self.cols * k)
        return full[: self.out_features, : self.in_features]

    def mvm(self, x: Inputs, generator: torch.Generator | None = None) -> Outputs:
        """W x: light enters at V."""
        return self._received(product(x, self._read(False, generator)), generator)

    def vmm(self, y: Outputs, generator: torch.Generator | None = None) -> Inputs:
        """W_b' y: light enters at U, backwards."""
        return self._received(product(y, self._read(True, generator).mT), generator)

    def _read(self, backward: bool, generator: torch.Generator | None) -> Float[Tensor, "out in"]:
        """The matrix that a read in one direction sees: one draw of the phases for the whole batch."""
        noise = generator if self.physics.phase_noise else None
        if torch.is_grad_enabled() or noise is not None:
            return self.effective(backward, noise)
        return self.reverse() if backward else self.matrix()

    def _received(self, current: Tensor, generator: torch.Generator | None) -> Tensor:
        """Photocurrents of a row of tiles are added before one receiver, whose noise comes on top."""
        if generator is None or not self.physics.detector_noise:
            return current
        # Complex states are two reads
        shape = torch.view_as_real(current).shape if current.is_complex() else current.shape
        drawn = torch.randn(shape, generator=generator, dtype=self.lo_phase.dtype)
        return current + self.physics.detector_noise * (torch.view_as_complex(drawn) if current.is_complex() else drawn)

    @property
    def parts(self) -> Hardware:
        """The machine's parts."""
        return self.hardware

    def repriced(self, change: Callable[[object], object]) -> "MeshWeight":
        """The same meshes among other parts."""
        return self._altered(hardware=change(self.hardware))

    @torch.no_grad()
    def cost(self, *, backward: bool = False) -> Cost:
        """Joules, watts, seconds and mm^2 of a read, a pulse, an update, and holding the phases as they now are.

        Every port of the operator has a modulator with its DAC and a receiver with its ADC, used in turn by the two
        directions; a column of tiles shares modulators, a row of tiles receivers. A read takes DAC, receiver, ADC and
        logic in turn. Heaters take P_pi phase / pi each, unless dead; phases turn all at once. A gradient is post pre'
        of every state and, once an update, a pull-back through a model of the tiles (`pullback`).
        """
        parts, ports = self.hardware, self.in_features + self.out_features
        senders, tiles = (self.out_features, self.cols) if backward else (self.in_features, self.rows)
        counted = (("dac", parts.dac, senders), ("modulator", parts.modulator, senders))
        counted += (("receiver", parts.receiver, ports - senders), ("adc", parts.adc, ports - senders))
        read = {name: replace(own.part().times(count), area=ports * own.mm2) for name, own, count in counted}
        read["laser"] = parts.supply.part(senders * tiles * parts.supply.port_mw)
        neurons = 1e-12 * parts.neuron_pj * (ports - senders)
        read["neuron"] = Part(joules=neurons, seconds=parts.logic_s, source=sources(parts, "logic_s", "neuron_pj"))
        held = torch.cat(list(self.parameters()))
        held = held.masked_fill(self.chip.dead, 0.0) if self.physics.stuck else held
        shifter, (length, height) = parts.shifter, parts.plan.size(self.topology)
        drivers = 1e-12 * shifter.write_pj, held.numel() * shifter.driver_mm2
        told = sources(shifter)
        write = {"shifter": Part(joules=drivers[0], seconds=shifter.settle_s, area=drivers[1], source=told)}
        watts = 1e-3 * shifter.mw_pi * float(held.double().sum()) / math.pi
        # A tile without V and attenuators takes half of the place
        area = 1e-6 * self.tiles * length * height * len(self.tile.meshes) / 2
        hold = {
            "shifter": Part(watts=watts, source=told),
            "mesh": Part(area=area, source=sources(parts.plan, "pitch_x_um", "pitch_y_um")),
        }
        owing = self.physics.step is not None or self.physics.codes
        update = {"accumulator": parts.accumulator.part(held.numel())} if owing else {}
        update["pullback"] = parts.engine.part(floats=self.tiles * self.tile.pullback)
        contrast = {"contrast": parts.engine.part(int8=self.in_features * self.out_features, kept=ports)}
        return Cost(read=read, contrast=contrast, write=write, update=update, hold=hold)

    def believed(self) -> "MeshWeight":
        """Return the operator that `bilinear_grad` differentiates: the controller's model under `twin`."""
        return self._model() if self.gradient is twin else self

    def bilinear_grad(
        self, post: Float[Tensor, "batch out"], pre: Float[Tensor, "batch in"], backward: bool = False
    ) -> dict[str, Tensor]:
        """Pull post pre' back to the phases, by `gradient`."""
        return self.gradient(self, post.mT @ pre, backward)

    @torch.no_grad()
    def program_(self, deltas: dict[str, Tensor], generator: torch.Generator | None = None) -> Written:
        """Turn the heaters; a phase that leaves [0, 5/2 pi] wraps by 2 pi; rounding to DAC levels is owed."""
        require_finite(deltas)
        pulses, step = 0, self.physics.step
        for name, held in self.named_parameters():
            owed = self.get_buffer(f"owed_{name}")
            if held.device.type == "cpu":
                own = held.detach().view(-1).numpy(), owed.view(-1).numpy()
                delta = deltas[name].to(held.dtype).reshape(-1).numpy()
                pulses += turn_heaters(*own, delta, TOP, 0.0 if step is None else step, self.physics.codes)
                torch.autograd.graph.increment_version((held, owed))
                continue
            wanted = held + owed + deltas[name]
            outside = (wanted < 0) | (wanted > TOP)
            wanted = torch.where(outside, torch.remainder(wanted, 2 * math.pi), wanted)
            level = wanted if step is None else step * torch.round(wanted / step)
            if self.physics.codes:
                level = TOP * (torch.round(self.physics.codes * (wanted / TOP).sqrt()) / self.physics.codes) ** 2
            pulses += int(torch.count_nonzero(level != held))
            owed.copy_(wanted - level)
            held.copy_(level)
        return Written(pulses=pulses, rounds=1 if pulses else 0)

    @torch.no_grad()
    def program_matrix_(self, target: Float[Tensor, "out in"], generator: torch.Generator | None = None) -> Written:
        """Set the heaters so that W comes as close to `target` as what the controller knows of the device allows.

        Every tile gets the singular values and vectors of its block of target / g, which the mean loss is made good
        for; known errors of couplers are corrected (`mesh.program.corrected`), known static phases are subtracted.
        Then the local oscillators are aligned.

        Raises OutOfRangeError where the target is beyond what gain and loss allow, ValueError where it has another
        shape or is not finite, or where the form or the topology cannot be decomposed.
        """
        self._check_target(target)
        if not self.tile.svd:
            raise ValueError("U alone turns, it cannot hold any matrix: use tiles of form 'svd'")
        k = self.topology.modes
        full = target.new_zeros(self.rows * k, self.cols * k, dtype=torch.float64)
        full[: self.out_features, : self.in_features] = target
        blocks = full.unflatten(1, (self.cols, k)).unflatten(0, (self.rows, k)).permute(0, 2, 1, 3).flatten(0, 1)
        phases = tile_phases(blocks.numpy() / (self.gain * self.kept), self.topology)
        model = self._model()
        if model.physics.splitter_error or model.physics.detuning_nm:
            errors = self.chip.errors(model.physics).double().numpy()
            phases = corrected_tile(phases, self.topology, *errors)
        wanted = torch.cat([torch.from_numpy(np.ascontiguousarray(phases[name])) for name in self.heater_names()])
        wanted = self.chip.holding(wanted, model.physics, model._heat)
        owned = dict(self.named_parameters())
        parts = wanted.split([len(p) for p in owned.values()])
        deltas = {
            name: (part - held - self.get_buffer(f"owed_{name}")).to(held.dtype)
            for (name, held), part in zip(owned.items(), parts, strict=True)
        }
        written = self.program_(deltas)
        self.align_()
        return written

    def tile_settings(self, tile: int = 0) -> dict[str, dict[str, float]]:
        """Settings of every instance of one tile as the light meets them, imperfections included, for netlists."""
        return next(self.settings_of([tile]))

    def settings_of(self, tiles: Iterable[int]) -> Iterator[dict[str, dict[str, float]]]:
        """`tile_settings` of several: what is common to them is computed once."""
        with torch.no_grad():
            settings, alpha = self._settings()
        names = []
        for mesh in self.tile.meshes:
            names += [f"{mesh}_mzi_{column}_{top}" for column, top in self.topology.mzis]
            names += [f"att_{mode}" for mode in range(self.topology.modes)] if mesh == "v" else []
        for tile in tiles:
            result = {
                name: {key: float(v[row, tile]) if isinstance(v, Tensor) else v for key, v in settings.items()}
                for row, name in enumerate(names)
            }
            for number, mesh in enumerate(self.tile.meshes):
                index = number * self.tiles + tile
                for column in range(len(self.topology.columns)):
                    crossing = {"loss_dB": self.physics.crossing_loss_db}
                    result |= {name: dict(crossing) for name, _ in self.topology.crossing_names(mesh, column)}
                for mode in range(self.topology.modes):
                    result[f"{mesh}_alpha_{mode}"] = {"phase": float(alpha[mode, index]), "length": 0.0}
            yield result

    @torch.no_grad()
    def light(self, x: Num[Tensor, " k"], tile: int = 0) -> list[Complex[Tensor, " k"]]:
        """Fields along one tile for the input field x: at its input, behind each column, and at its output.

        In order: input, behind each column of V, behind the attenuators, behind each column of U, output.
        """
        cells, attenuators, alpha = self._cells()
        fields = [x[:, None, None].to(alpha.dtype)]
        for number, mesh in enumerate(self.tile.meshes):
            index = number * self.tiles + tile
            fields += stages(self.topology, cells[..., index : index + 1], fields[-1], self._crossing)
            last = alpha[:, index, None, None] * fields[-1]
            fields.append(attenuators[:, tile, None, None] * last if mesh == "v" else last)
        return [field[:, 0, 0] for field in fields]
