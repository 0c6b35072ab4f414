"""`experiments/train.py` whose second process dies in the second epoch; run by the tests under torchrun."""

import os
from unittest.mock import patch

from experiments import train
from experiments.common.options import TrainOptions
from experiments.common.progress import TrainingProgress
from experiments.common.shell import run

seen = 0


def update(*_):
    global seen
    seen += 1
    if os.environ["RANK"] == "1" and seen == 100:
        os._exit(9)


if __name__ == "__main__":
    with patch.object(TrainingProgress, "update", update):
        raise SystemExit(run(train.main, TrainOptions))
