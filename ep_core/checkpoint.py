"""Checkpoints: one safetensors file, written whole or not at all, that holds all that a run needs to go on."""

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from ep_core.network import Network
from ep_core.train import Updater

FORMAT = "photonic-ep-1"


def write_atomic(path: Path, write: Callable[[Path], object]) -> None:
    """Let `write` fill a temporary file beside `path`, flush it to disk, then rename it into place."""
    part = path.with_name(f".{path.name}.part")
    try:
        write(part)
        with part.open("rb") as handle:
            os.fsync(handle.fileno())
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def save(path: Path, network: Network, updater: Updater, generator: torch.Generator, meta: dict[str, object]) -> None:
    """Write network, optimiser, schedule and generator, with `meta` (plain JSON) beside them."""
    optimiser = updater.optimiser.state_dict()
    tensors = {f"network.{name}": t for name, t in network.state_dict().items()}
    for index, state in optimiser["state"].items():
        tensors |= {f"optimiser.{index}.{name}": t for name, t in state.items() if isinstance(t, Tensor)}
    tensors["generator"] = generator.get_state()
    write(path, tensors, {**meta, "schedule": updater.schedule.last_epoch})


def write(path: Path, tensors: dict[str, Tensor], meta: dict[str, object]) -> None:
    """Write tensors and `meta` (plain JSON) with a checksum, whole or not at all."""
    text = json.dumps({**meta, "format": FORMAT})
    tensors = {name: t.detach().clone().contiguous() for name, t in tensors.items()}
    seal = {"meta": text, "sha256": _digest(tensors, text)}
    try:
        write_atomic(path, lambda part: save_file(tensors, part, seal))
    except SafetensorError as error:
        raise OSError(f"{path} cannot be written ({error})") from error


def _digest(tensors: dict[str, Tensor], text: str) -> str:
    """Checksum of all that a checkpoint holds: names, shapes, types, values and meta."""
    whole = hashlib.sha256(text.encode())
    for name, tensor in sorted(tensors.items()):
        whole.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        whole.update(tensor.contiguous().numpy().tobytes())
    return whole.hexdigest()


def read(path: Path) -> tuple[dict[str, Tensor], dict[str, object]]:
    """Tensors and meta of a checkpoint; ValueError if the file is damaged or not one."""
    try:
        with safe_open(path, "pt") as handle:
            seal = handle.metadata() or {}
            tensors = {name: handle.get_tensor(name) for name in handle.keys()}  # noqa: SIM118 (not a dict)
        if seal["sha256"] != _digest(tensors, seal["meta"]):
            raise ValueError("its checksum does not match")
        meta = json.loads(seal["meta"])
    except FileNotFoundError as error:
        raise FileNotFoundError(f"no checkpoint {path}") from error
    except (SafetensorError, KeyError, ValueError, OSError) as error:
        raise ValueError(f"{path} is not a readable checkpoint ({error})") from error
    if meta.get("format") != FORMAT:
        raise ValueError(f"{path} has format {meta.get('format')!r}, not {FORMAT!r}")
    return tensors, meta


def load_network(path: Path, network: Network) -> dict[str, object]:
    """Put a checkpoint's weights into `network`; returns its meta. ValueError where they do not fit."""
    tensors, meta = read(path)
    own = {name.removeprefix("network."): t for name, t in tensors.items() if name.startswith("network.")}
    try:
        network.load_state_dict(own)
    except RuntimeError as error:
        detail = " ".join(str(error).split())[:200]
        raise ValueError(f"{path} does not fit this network: {detail}") from error
    return meta


def load(path: Path, network: Network, updater: Updater, generator: torch.Generator) -> dict[str, object]:
    """Put a whole checkpoint back; returns its meta."""
    meta = load_network(path, network)
    tensors, _ = read(path)
    blank = updater.optimiser.state_dict()
    state: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        if name.startswith("optimiser."):
            _, index, key = name.split(".", 2)
            state.setdefault(int(index), {})[key] = tensor
    updater.optimiser.load_state_dict({"state": state, "param_groups": blank["param_groups"]})
    generator.set_state(tensors["generator"])
    steps = int(meta["schedule"])  # pyright: ignore[reportArgumentType]
    updater.schedule.last_epoch = steps
    for group, factor, base in zip(
        updater.optimiser.param_groups, updater.schedule.lr_lambdas, updater.schedule.base_lrs, strict=True
    ):
        group["lr"] = base * factor(steps)
    return meta
