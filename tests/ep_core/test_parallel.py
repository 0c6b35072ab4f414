"""Two processes do what one does; noise differs between them, what must agree does not."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from ep_core.parallel import Workers
from tests.ep_core.team_job import ten_updates

pytestmark = pytest.mark.filterwarnings("ignore::ep_core.NotConverged")


def torchrun(*words, processes=2):
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)]
    root = Path(__file__).parents[2]
    return subprocess.run([*command, *map(str, words)], cwd=root, capture_output=True, text=True, timeout=240)


@pytest.mark.parametrize("processes", [2, 4])
def test_a_team_equals_one_process(tmp_path, processes):
    done = torchrun(Path(__file__).with_name("team_job.py"), tmp_path, processes=processes)
    assert done.returncode == 0, done.stderr
    alone, rows, ledger = ten_updates(Workers())
    for rank in range(processes):
        team, team_rows, team_ledger = torch.load(tmp_path / f"rank{rank}.pt", weights_only=False)
        for name, value in alone.items():
            torch.testing.assert_close(team[name], value, rtol=0, atol=1e-12)
        assert team_rows[0].train_error == rows[0].train_error
        assert team_rows[0].val_error == rows[0].val_error
        assert team_rows[0].loss == pytest.approx(rows[0].loss, abs=1e-12)
        same = ("reads", "samples", "nonconverged", "updates", "pulses")
        assert {n: team_ledger[n] for n in same} == {n: ledger[n] for n in same}


def test_shares_are_a_partition_and_noise_is_ones_own():
    index = torch.randperm(11)
    team = [Workers(rank=rank, world=3) for rank in range(3)]
    assert torch.equal(torch.cat([one.share(index) for one in team]), index)
    sources = [torch.Generator().manual_seed(5) for _ in team]
    noises = [one.noise(source) for one, source in zip(team, sources, strict=True)]
    draws = [torch.randn(4, generator=noise) for noise in noises]
    assert not torch.equal(draws[0], draws[1])
    # What must agree still does: the common source has moved alike everywhere.
    assert torch.equal(torch.rand(3, generator=sources[0]), torch.rand(3, generator=sources[1]))
    lone = torch.Generator().manual_seed(5)
    assert Workers().noise(lone) is lone


@pytest.mark.parametrize("rank", [-1, 2])
def test_impossible_ranks_are_refused(rank):
    with pytest.raises(ValueError, match="between 0 and 1"):
        Workers(rank=rank, world=2)
