"""Ten updates of a small net, run by the tests under torchrun: `team_job.py OUT WORLD_BATCH`."""

import sys
from pathlib import Path

import torch

from ep_core import DenseWeight, HardSigmoid, Ledger, Network, Symmetric, Updater, fit
from ep_core.data import Dataset, Split
from ep_core.parallel import workers


def ten_updates(team, optimiser=torch.optim.Adam):
    source = torch.Generator().manual_seed(3)
    x, labels = torch.rand(93, 6, generator=source, dtype=torch.float64), torch.arange(93) % 3
    part = Split(x, labels)
    data = Dataset(name="toy", train=part, validation=part, test=part, classes=3)
    net = Network((6, 5, 3), lambda o, i: DenseWeight(o, i, generator=source, dtype=torch.float64), HardSigmoid())
    updater, ledger = Updater(net, optimiser, lrs=(0.02, 0.02), bias_lr=0.01), Ledger()
    # 93 samples are ten batches, the last of 3: smaller shares than processes are met too
    rows = list(
        fit(net, data, Symmetric(beta=0.3), updater, epochs=1, batch=10, generator=source, ledger=ledger, workers=team)
    )
    return net.state_dict(), rows, ledger.as_dict()


if __name__ == "__main__":
    with workers() as mine:
        torch.save(ten_updates(mine), f"{sys.argv[1]}/rank{mine.rank}.pt")
    # A thread of the group that outlives it may abort the process at its end.
    left = [task.read_text().strip() for task in Path("/proc/self/task").glob("*/comm")]
    if any("gloo" in name for name in left):
        raise SystemExit(f"threads are left: {left}")
