"""Whether a photonic network can be built: heaters, watts, mm^2, receivers, light, and what is left of the link."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, get_args

from ep_core.quantity import Quantity
from photonic_ep.detect import ELEMENTARY_CHARGE
from photonic_ep.mesh.tile import Tile
from photonic_ep.presets import Device

Strategy = Literal["spatial", "multiplexed", "real-orthogonal"]
STRATEGIES: tuple[Strategy, ...] = get_args(Strategy)


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What a machine may take, and what stands between its laser and its receivers beside the meshes.

    Attributes:
        chip_mm2: area of one exposure [mm^2]. watts: that a package leads away [W].
        launch_dbm: light in one waveguide [dBm]. coupler_db, modulator_db: on the way in [dB].
        lo_mw: local oscillator at each pair of photodiodes [mW]. bits: that receivers must see; default the states'.

    """

    chip_mm2: float = Quantity(858.0, unit="mm^2", source="assumed: 26 x 33 mm")
    watts: float = Quantity(100.0, unit="W", source="assumed")
    launch_dbm: float = Quantity(
        10.0, 20.0, 7.0, unit="dBm", source="Al-Qadasi, APL Photon. 7:020902 (B); range assumed"
    )
    coupler_db: float = Quantity(
        1.52, 1.2, 4.0, unit="dB", source="edge coupler, APN 4:026004, 2025 (A); range Bahadori (B)"
    )
    modulator_db: float = Quantity(1.2, unit="dB", source="Akiyama, OE 20, 2012 (B)")
    lo_mw: float = Quantity(1.0, 0.1, 10.0, unit="mW", source="assumed")
    bits: int | None = None


@dataclass(frozen=True, kw_only=True)
class Building:
    """What a network takes; `missing` says in words why it cannot be built, and is empty where it can.

    Attributes:
        tiles: on the chip. heaters: and their `watts`, at a mean phase of pi. mm2: of the meshes.
        pairs: of photodiodes. light_mw: out of the laser, before any loss, local oscillators included.
        left_db: of the link: light allowed in a waveguide over what the receivers' bits ask for.
        reprogram_us: time that tiles wait for their phases in one inference.

    """

    tiles: int
    heaters: int
    watts: float
    mm2: float
    pairs: int
    light_mw: float
    left_db: float
    reprogram_us: float
    missing: tuple[str, ...]


def needed_mw(device: Device, limits: Limits) -> float:
    """Signal at a pair of photodiodes whose shot noise leaves so many bits: P = 12 4^b e B / 8 R [mW].

    Homodyne: the current swings from -2 R sqrt(P_lo P) to as much above 0; that range over the noise
    sqrt(2 e R P_lo B) is sqrt(12) 2^b.
    """
    detector = device.hardware.receiver.detector
    bandwidth, responsivity = detector.bandwidth_hz, detector.responsivity
    bits = device.state_bits if limits.bits is None else limits.bits
    return 1e3 * 12 * 4**bits * ELEMENTARY_CHARGE * bandwidth / (8 * responsivity)


def launched_dbm(device: Device, limits: Limits, modes: int, loss_db: float) -> float:
    """Light in a waveguide before coupler, modulator and the MZIs of a tile, of which receivers see enough [dBm]."""
    depth = 2 * len(device.topology(modes).columns) + 1
    return 10 * math.log10(needed_mw(device, limits)) + limits.coupler_db + limits.modulator_db + depth * loss_db


def build(
    device: Device, sizes: Sequence[int], strategy: Strategy, *, sweeps: int = 20, limits: Limits | None = None
) -> Building:
    """Plan a layered network on a device.

    'spatial': every tile at once. 'multiplexed': one tile, reprogrammed for each. 'real-orthogonal': every tile at
    once, meshes of real rotations, whose phi and alpha are fixed when they are made: W is real, so nothing is lost.
    """
    bounds, k = Limits() if limits is None else limits, device.tile
    tile = Tile(device.topology(k), ("v", "u"))
    shapes = [(-(-out // k), -(-into // k)) for into, out in pairwise(sizes)]
    every = sum(rows * cols for rows, cols in shapes)
    tiles = 1 if strategy == "multiplexed" else every
    names = tile.heater_names
    own = sum(len(n) for key, n in names.items() if strategy != "real-orthogonal" or key.endswith("theta"))
    watts = 1e-3 * device.hardware.shifter.mw_pi * own * tiles
    length, height = device.hardware.plan.size(device.topology(k))
    mm2 = 1e-6 * tiles * length * height
    # Each input is split between the rows of tiles that it lights; one tile at a time needs no splitting.
    split = 1 if strategy == "multiplexed" else max(rows for rows, _ in shapes)
    ask = launched_dbm(device, bounds, k, device.imperfections.insertion_loss_db) + 10 * math.log10(split)
    ports = k if strategy == "multiplexed" else sum(cols * k for _, cols in shapes)
    pairs = k * tiles
    light = ports * 10 ** (ask / 10) + pairs * bounds.lo_mw * 10 ** (bounds.coupler_db / 10)
    reads = shapes[0][0] * shapes[0][1] + 2 * sweeps * sum(rows * cols for rows, cols in shapes[1:])
    wait = 1e6 * device.hardware.shifter.settle_s * reads if strategy == "multiplexed" else 0.0
    return Building(
        tiles=tiles,
        heaters=own * tiles,
        watts=watts,
        mm2=mm2,
        pairs=pairs,
        light_mw=light,
        left_db=bounds.launch_dbm - ask,
        reprogram_us=wait,
        missing=_missing(bounds, watts, mm2, bounds.launch_dbm - ask),
    )


def _missing(limits: Limits, watts: float, mm2: float, left_db: float) -> tuple[str, ...]:
    words = []
    if mm2 > limits.chip_mm2:
        words.append(f"{math.ceil(mm2 / limits.chip_mm2)} chips")
    if watts > limits.watts:
        words.append(f"{watts / limits.watts:.1f} times too hot")
    if left_db < 0:
        words.append(f"link {-left_db:.1f} dB short")
    return tuple(words)
