"""Put the scenarios through a monitor, and compare what it says with the truth."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from benchmarks.scenarios import dataset, nearest_rank
from hhs_perf import Monitor
from hhs_perf.sla import QuantileObjective, Sla
from hhs_perf.testing import FakeClock

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.scenarios import TrialGroup

NAME: Final = "bench.duration"
# A window, and how values are spread over it: so many steps of so many seconds.
SPREADS: Final = {"5m": (10, 30.0), "1h": (54, 60.0)}
FLUSH_EVERY: Final = 1_000


def wrong_verdicts(group: TrialGroup) -> int:
    """Count the trials of a group on which the monitor's verdict is not the truth."""
    clock = FakeClock()
    monitor = Monitor(clock=clock, tick=False, installed_plugins=False)
    objectives = tuple(
        QuantileObjective(
            name=f"trial-{index}",
            metric=NAME,
            quantile=trial.quantile,
            op="<" if trial.op == "<" else "<=",
            target=trial.target,
            window="5m",
        )
        for index, trial in enumerate(group.trials)
    )
    monitor.add_sla(Sla(name="trials", objectives=objectives))
    _record(monitor, clock, group.values, "5m")
    [verdict] = monitor.evaluate("trials")
    monitor.close()
    found = zip(group.trials, verdict.objectives, strict=True)
    return sum(_says_it_holds(said.status) != trial.holds for trial, said in found)


def relative_errors(
    name: str, n: int, seed: int, window: str, quantiles: Sequence[float]
) -> list[float]:
    """Return by what share each quantile shown differs from the true one."""
    clock = FakeClock()
    monitor = Monitor(clock=clock, tick=False, installed_plugins=False)
    values = dataset(name, n, seed)
    _record(monitor, clock, values, window)
    seen = monitor.reader.read(window).timer(NAME)
    monitor.close()
    if seen.count != n:
        message = f"{seen.count} of {n} values are in the window"
        raise AssertionError(message)
    ordered = sorted(values)
    errors = []
    for q in quantiles:
        shown, truth = seen.quantile(q), nearest_rank(ordered, q)
        errors.append(float("inf") if shown is None else abs(shown / truth - 1))
    return errors


def _says_it_holds(status: str) -> bool:
    if status not in ("met", "warning", "violated"):
        message = f"10,000 observations leave nothing {status}"
        raise AssertionError(message)
    return status != "violated"


def _record(monitor: Monitor, clock: FakeClock, values: Sequence[float], window: str) -> None:
    """Record the values in their order, spread evenly over the window, flushed as ticks do."""
    steps, seconds = SPREADS[window]
    timer = monitor.metrics.timer(NAME)
    for step in range(steps):
        if step:
            clock.advance(seconds)
            monitor.metrics.flush()
        chunk = values[len(values) * step // steps : len(values) * (step + 1) // steps]
        for at in range(0, len(chunk), FLUSH_EVERY):
            for value in chunk[at : at + FLUSH_EVERY]:
                timer.record(value)
            monitor.metrics.flush()
