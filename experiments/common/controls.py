"""What an accuracy must beat to mean anything: a linear model, and a network whose hidden layers never learn."""

import warnings
from dataclasses import replace

from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from ep_core.data import Dataset
from ep_core.train import error
from experiments.common.build import build
from experiments.common.options import TrainOptions
from experiments.common.resolve import resolve


def logistic_error(data: Dataset) -> float:
    """Test error [%] of scikit-learn's logistic regression on the pixels."""
    model = LogisticRegression(max_iter=200)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(data.train.x.double().numpy(), data.train.labels.numpy())
    return 100 * (1 - float(model.score(data.test.x.double().numpy(), data.test.labels.numpy())))


def frozen_error(options: TrainOptions, data: Dataset) -> float:
    """Test error [%] of the same run on the same hardware with only the read-out layer trained."""
    hidden = len(options.sizes) - 2
    return _trained_error(replace(options, lr=(0.0,) * hidden + options.lr[-1:]), data)


def backpropagation_error(options: TrainOptions, data: Dataset) -> float:
    """Test error [%] of the same graph without feedback on ideal weights, trained by backpropagation as long.

    Learning rates and first weights are those of ideal weights, where the run itself is on other hardware.
    """
    same = ("dataset", "data_dir", "net", "sizes", "skip", "blocks", "channels", "kernel", "pooling", "activation")
    same += ("output", "loss", "output_range", "epochs", "batch", "seed", "dtype", "threads")
    same += ("lr", "bias_lr", "std", "warmup", "schedule") if options.backend == "ideal" else ()
    kept = {name: getattr(options, name) for name in same}
    plain = TrainOptions(**kept, backend="ideal", estimator="backpropagation")
    return _trained_error(resolve(plain), data)


def _trained_error(options: TrainOptions, data: Dataset) -> float:
    job = build(options, data)
    for _ in job.fit():
        pass
    return error(job.network, data.test, job.estimator)
