"""Shared fixtures: small, seeded, double precision."""

import pytest
import torch


@pytest.fixture
def source() -> torch.Generator:
    return torch.Generator().manual_seed(0)


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)
    yield
    torch.use_deterministic_algorithms(False)
