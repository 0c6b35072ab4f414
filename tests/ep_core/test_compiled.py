"""Compiled loops: results do not depend on what was compiled, or read from the cache, before."""

import importlib
import os
import pkgutil
import subprocess
import sys
from collections.abc import Iterator

import pytest
from numba.core.dispatcher import Dispatcher

PACKAGES = ("ep_core", "photonic_ep", "electronic_ep")
PROGRAM = """
import hashlib
import torch
from photonic_ep import MeshWeight

source = torch.Generator().manual_seed(0)
weight = MeshWeight(64, 64, generator=source)
parts = weight.pull_back(torch.randn(64, 64, generator=source))
print(hashlib.sha256(b"".join(part.numpy().tobytes() for part in parts.values())).hexdigest())
"""


def dispatchers() -> Iterator[Dispatcher]:
    """Everything that numba compiles."""
    for package in PACKAGES:
        paths = importlib.import_module(package).__path__
        for found in pkgutil.walk_packages(paths, package + "."):
            module = importlib.import_module(found.name)
            yield from (v for v in vars(module).values() if isinstance(v, Dispatcher) and v.__module__ == found.name)


def called(dispatcher: Dispatcher) -> list[Dispatcher]:
    names = dispatcher.py_func.__code__.co_names
    known = (dispatcher.py_func.__globals__.get(name) for name in names)
    return [value for value in known if isinstance(value, Dispatcher)]


def test_compiled_functions_call_helpers_alone():
    """Two copies of a function under one name, optimised apart, would differ by which of them was loaded first."""
    found = list(dispatchers())
    calls = [(caller, callee) for caller in found for callee in called(caller)]
    assert len(found) > 50
    assert len(calls) > 40
    assert not [(a.__name__, b.__name__) for a, b in calls if not b.targetoptions.get("forceinline")]


@pytest.mark.slow
def test_results_are_the_same_compiled_and_read_from_the_cache(tmp_path):
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)}
    command = [sys.executable, "-c", PROGRAM]
    cold, warm = (subprocess.run(command, env=environment, capture_output=True, check=True).stdout for _ in range(2))
    assert len(cold) > 64
    assert cold == warm
