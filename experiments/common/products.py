"""Joules and seconds of one N x N product on meshes, crossbars and int8, as matrices grow beyond what one tile can."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from electronic_ep import Accelerator
from electronic_ep.presets import Chip
from ep_core.quantity import Quantity, constants
from experiments.common.building import Limits, launched_dbm
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
    ask = launched_dbm(device, limits, k, optics.loss_db)
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


def crossbar(chip: Chip, n: int) -> Product:
    """Pairs of memristors at half of their range; tiles share the converters at the ends of lines."""
    parts, kind = chip.periphery, chip.memristor
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


def optics_constants(optics: Optics) -> dict[str, Quantity]:
    """Constants that a photonic product depends on, by name."""
    parts = ("dac", "modulator", "receiver", "adc", "neuron_pj", "supply.efficiency", "shifter.mw_pi", "logic_s")
    rooms = (*(f"device.hardware.{part}" for part in parts), "limits.", "loss_db")
    return {name: value for name, value in constants(optics) if name.startswith(rooms)}
