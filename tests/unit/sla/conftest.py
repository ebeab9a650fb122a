"""Real parts under a clock that moves only when told."""

from __future__ import annotations

from collections.abc import Iterable

import attrs
import pytest

from hhs_perf.metrics import LocalReader, Registry
from hhs_perf.sla import AlertRule, Sla, SlaVerdict, judge, remember, thresholds
from hhs_perf.testing import FakeClock

ON_THE_HOUR = 1_700_002_800.0


@attrs.define
class Host:
    """A registry with its reader, as a monitor has them."""

    clock: FakeClock = attrs.field(factory=lambda: FakeClock(wall=ON_THE_HOUR + 5))
    registry: Registry = attrs.field(init=False)
    reader: LocalReader = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.registry = Registry(clock=self.clock)
        self.reader = LocalReader(self.registry)

    def watch(self, *watched: Sla | AlertRule) -> None:
        slas = [sla for sla in watched if isinstance(sla, Sla)]
        rules = [rule for rule in watched if isinstance(rule, AlertRule)]
        for metric, levels in thresholds(slas, rules):
            self.registry.count_at(metric, levels)

    def record(self, values: Iterable[float], metric: str = "work", **tags: str) -> None:
        timer = self.registry.timer(metric, **tags)
        for value in values:
            timer.record(value)

    def add(self, metric: str, amount: float, **tags: str) -> None:
        self.registry.counter(metric, **tags).add(amount)

    def judge(self, sla: Sla) -> SlaVerdict:
        return judge(sla, remember(self.reader.read))


@pytest.fixture
def host() -> Host:
    return Host()


@pytest.fixture
def make_host() -> type[Host]:
    return Host
