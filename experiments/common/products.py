"""Joules and seconds of one N x N product on meshes, crossbars and int8, as matrices grow beyond what one tile can."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from electronic_ep import Accelerator
from electronic_ep.presets import Chip
from ep_core.quantity import Case, Quantity, constants, moved
from experiments.common.building import Limits, needed_mw
from photonic_ep.mesh.tile import Tile
from photonic_ep.presets import Device

TILES = tuple(2**i for i in range(2, 11))


@dataclass(frozen=True, kw_only=True)
class Product:
    """One product: joules by part, seconds, and of a mesh the tile, with the rows of tiles that share a modulator."""

    joules: Mapping[str, float]
    seconds: float
    tile: int = 0
    shared: int = 0

    @property
    def total(self) -> float:
        """Joules of all parts."""
        return sum(self.joules.values())


@dataclass(frozen=True, kw_only=True)
class Optics:
    """All constants of a photonic product in one place: a device, what its link may take, and its loss a MZI [dB]."""

    device: Device
    limits: Limits
    loss_db: Quantity

    @classmethod
    def of(cls, device: Device, limits: Limits) -> "Optics":
        """With the loss that the device trains with; the range is assumed, .2 dB that of Pai's SM (C)."""
        loss = device.imperfections.insertion_loss_db
        told = f"{device.sources['imperfections']}; range assumed"
        return cls(
            device=device, limits=limits, loss_db=Quantity(loss, min(loss, 0.2), 2 * loss, unit="dB", source=told)
        )


@dataclass(frozen=True, kw_only=True)
class Memristors:
    """A crossbar machine's parts; mean conductance as half of the range."""

    chip: Chip


def photonic(optics: Optics, n: int) -> Product | None:
    """The cheapest tiling of an n x n product whose link closes; None where none does.

    Tiles of k modes. An input's light is split between as many rows of tiles as the link allows (`shared`), the others
    get modulators of their own. Heaters hold a mean phase of pi for the time of the read.
    """
    found = [one for k in TILES if k <= max(n, TILES[0]) and (one := _tiled(optics, n, k)) is not None]
    return min(found, key=lambda one: one.total, default=None)


def _tiled(optics: Optics, n: int, k: int) -> Product | None:
    device, limits, parts = optics.device, optics.limits, optics.device.hardware
    mesh, rows = Tile(device.topology(k), ("v", "u")), -(-n // k)
    depth = 2 * len(device.topology(k).columns) + 1
    loss = limits.coupler_db + limits.modulator_db + depth * optics.loss_db
    ask = 10 * math.log10(needed_mw(device, limits)) + loss
    left = limits.launch_dbm - ask
    if left < 0:
        return None
    shared = min(rows, int(10 ** (left / 10)))
    senders = n * -(-rows // shared)
    seconds = parts.dac.sample_s + 1 / parts.receiver.detector.bandwidth_hz + parts.adc.sample_s + parts.logic_s
    heaters = sum(len(names) for names in mesh.heater_names.values()) * rows**2
    light = n * rows * 10 ** (ask / 10) + k * rows**2 * limits.lo_mw * 10 ** (limits.coupler_db / 10)
    joules = {
        "DAC": 1e-12 * senders * parts.dac.pj,
        "modulators": 1e-12 * senders * parts.modulator.pj,
        "receivers": 1e-12 * n * parts.receiver.pj,
        "ADC": 1e-12 * n * parts.adc.pj,
        "neurons": 1e-12 * n * parts.neuron_pj,
        "laser": 1e-3 * light / parts.supply.efficiency * seconds,
        "heaters": 1e-3 * parts.shifter.mw_pi * heaters * seconds,
    }
    return Product(joules=joules, seconds=seconds, tile=k, shared=shared)


def crossbar(memristors: Memristors, n: int) -> Product:
    """Pairs of memristors; converters at the ends of every line, shared by tiles as the operator's are."""
    parts, kind = memristors.chip.periphery, memristors.chip.memristor
    siemens = 1e-6 * 2 * n**2 * (kind.low_us + kind.high_us) / 2
    joules = {
        "DAC": 1e-12 * n * parts.dac.pj,
        "ADC": 1e-12 * n * parts.adc.pj,
        "neurons": 1e-12 * n * parts.neuron_pj,
        "array": parts.read_v**2 * siemens * parts.read_s,
    }
    seconds = parts.dac.sample_s + parts.read_s + parts.adc.sample_s + parts.logic_s
    return Product(joules=joules, seconds=seconds)


def digital(accelerator: Accelerator, n: int) -> Product:
    """Multiply-adds in SRAM's reach."""
    read = accelerator.cost(driven=n, sensed=n).read
    names = {"multiply": "multiply-adds", "memory": "memory", "neuron": "neurons"}
    return Product(
        joules={names[name]: part.joules for name, part in read.items()},
        seconds=sum(part.seconds for part in read.values()),
    )


def break_even(ours: Callable[[int], Product | None], theirs: Callable[[int], Product], most: int = 4096) -> float:
    """Smallest n from which on, up to `most`, our joules stay below theirs; infinite where there is none."""
    sizes = sorted({round(2 ** (i / 8)) for i in range(8, 8 * 12 + 1)} | {most})
    best = math.inf
    for n in reversed([n for n in sizes if n <= most]):
        one = ours(n)
        if one is None or one.total >= theirs(n).total:
            break
        best = n
    return best


@dataclass(frozen=True)
class _Loss:
    db: Quantity


def optics_constants(optics: Optics) -> dict[str, Quantity]:
    """Constants that a photonic product depends on, by name."""
    used = ("dac.", "modulator.", "receiver.", "adc.", "neuron_pj", "efficiency", "mw_pi", "logic_s")
    parts = dict(constants(optics.device.hardware, "hardware."))
    own = {name: value for name, value in parts.items() if any(part in name for part in used)}
    return own | dict(constants(optics.limits, "limits.")) | {"loss_db": optics.loss_db}


def with_constants(optics: Optics, values: Mapping[str, float]) -> Optics:
    """Return the optics with some constants moved."""
    own = {
        room: {name.split(".", 1)[1]: value for name, value in values.items() if name.startswith(room + ".")}
        for room in ("hardware", "limits")
    }
    device = optics.device
    hardware, limits = moved(device.hardware, own["hardware"]), moved(optics.limits, own["limits"])
    floor = device.imperfections.floor
    physics = device.imperfections if floor is None else replace(device.imperfections, floor=hardware.plan)
    return Optics(
        device=replace(device, hardware=hardware, imperfections=physics),
        limits=limits,
        loss_db=moved(_Loss(optics.loss_db), {"db": values["loss_db"]}).db if "loss_db" in values else optics.loss_db,
    )


def at_case(optics: Optics, case: Case) -> Optics:
    """Return the optics with all constants at one end."""
    return with_constants(optics, {name: value.at(case) for name, value in optics_constants(optics).items()})
