"""How contenders are timed: in turns."""

import time
from collections.abc import Callable
from statistics import median


def clock(
    contenders: dict[str, Callable[[], object]],
    rounds: int,
    least: float = 0.05,
    timer: Callable[[], float] = time.perf_counter,
) -> dict[str, float]:
    """Median seconds of a call of each, timed in turns so that a busy machine slows all alike.

    In a round each is called as often as takes `least` seconds, as the timer counts them.
    """
    repeats: dict[str, int] = {}
    for name, call in contenders.items():
        call()
        start = timer()
        call()
        repeats[name] = max(1, int(least / (timer() - start)))
    times: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, call in contenders.items():
            start = timer()
            for _ in range(repeats[name]):
                call()
            times[name].append((timer() - start) / repeats[name])
    return {name: median(values) for name, values in times.items()}
