"""Who makes the runs of a sweep: joblib on this machine, or a cluster of Dask."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from joblib import Parallel, delayed

from experiments.common.onerun import Task, carry_out
from experiments.common.runtable import require_extra

PATIENCE = 10  # seconds
Executor = Callable[[list[Task]], Iterator[tuple[Task, str]]]  # runs as they end, with their errors


@contextmanager
def executor(jobs: int, scheduler: str | None) -> Iterator[Executor]:
    """What makes runs: joblib on this machine, or the workers of a Dask scheduler, which must answer.

    Raises OSError where the scheduler does not answer or has no workers, ValueError where Dask is missing.
    """
    if scheduler is None:
        yield partial(_here, jobs)
        return
    dask = require_extra("distributed")
    try:
        client = dask.Client(scheduler, timeout=PATIENCE)
    except (OSError, ValueError) as error:
        raise OSError(f"no Dask scheduler answers at {scheduler} within {PATIENCE} s") from error
    with client:
        try:
            client.wait_for_workers(1, timeout=PATIENCE)
        except OSError as error:
            raise OSError(f"the Dask scheduler at {scheduler} has no workers") from error
        yield partial(_on_dask, client)


def _here(jobs: int, tasks: list[Task]) -> Iterator[tuple[Task, str]]:
    """Threads that wait for the processes of the runs."""

    def one(task: Task) -> tuple[Task, str]:
        return task, carry_out(task)

    return Parallel(n_jobs=jobs, backend="threading", return_as="generator_unordered")(map(delayed(one), tasks))  # pyright: ignore[reportReturnType]


def _on_dask(client: Any, tasks: list[Task]) -> Iterator[tuple[Task, str]]:  # noqa: ANN401 (an extra's)
    """Dask sends the run of a worker that dies to another one."""
    futures = {client.submit(carry_out, task, pure=False): task for task in tasks}
    for future in require_extra("distributed").as_completed(futures):
        if future.cancelled():
            raise OSError(f"the Dask scheduler at {client.scheduler.address} is gone: the same command goes on")
        error = future.exception()
        yield futures[future], future.result() if error is None else f"{type(error).__name__}: {error}"
