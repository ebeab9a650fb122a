"""What was observed in a window, all of it at one moment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, Protocol

import attrs

from .merging import merge

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from .digest import DigestEngine
    from .distribution import Distribution
    from .instruments import Tags
    from .window import Window

__all__ = ["Reader", "Scope", "SeriesParts", "Snapshot"]

Scope = Literal["worker", "fleet"]
_EMPTY: Final[Mapping[Tags, float]] = {}


class Reader(Protocol):
    """Where everybody above the metrics gets figures from."""

    def read(self, window: str = "5m", scope: Scope = "worker") -> Snapshot:
        """Read all series over `window`: `5m`, `1h` or `24h`.

        Raises UnknownWindowError for another window.
        """
        ...

    def generation(self) -> str:
        """Name the state of the data: equal names, equal figures."""
        ...


class SeriesParts(Protocol):
    """A series' share of a snapshot, put together only when somebody looks."""

    def parts(self) -> Iterator[Distribution]:
        """Give the slots in the window."""
        ...


def _has(tags: Tags, wanted: Mapping[str, str]) -> bool:
    return not wanted or wanted.items() <= dict(tags).items()


@attrs.define(kw_only=True, eq=False)
class Snapshot:
    """All series over one window, as they were at one moment.

    `since` and `until` are seconds since 1970; rates are per second between them.
    """

    window: Window
    scope: Scope
    generation: str
    since: float
    until: float
    engine: DigestEngine
    _timers: Mapping[str, Mapping[Tags, SeriesParts]]
    _totals: Mapping[tuple[str, Tags], SeriesParts] = attrs.field(factory=dict)
    _counters: Mapping[str, Mapping[Tags, float]]
    _gauges: Mapping[str, Mapping[Tags, float]]
    _merged: dict[tuple[str, Tags], Distribution] = attrs.field(factory=dict, init=False)
    _added_up: dict[tuple[str, Tags], Distribution] = attrs.field(factory=dict, init=False)

    @property
    def seconds(self) -> float:
        """How long the snapshot looks back; 0 when nothing has passed yet."""
        return max(0.0, self.until - self.since)

    def rate(self, count: float) -> float | None:
        """Give events per second, None while no time has passed."""
        return count / self.seconds if self.seconds else None

    def timers(self, name: str, /, **tags: str) -> list[tuple[Mapping[str, str], Distribution]]:
        """Give each series of timer `name` that has these tags, with its own tags."""
        return [
            (dict(key), self._distribution(name, key))
            for key in self._timers.get(name, {})
            if _has(key, tags)
        ]

    def timer(self, name: str, /, **tags: str) -> Distribution:
        """Give the series of timer `name` that have these tags as one."""
        at = (name, tuple(sorted(tags.items())))
        if at not in self._added_up:
            self._added_up[at] = merge(self.parts(name, tags), self.engine)
        return self._added_up[at]

    def counters(self, name: str, /, **tags: str) -> list[tuple[Mapping[str, str], float]]:
        """Give the total of each series of counter `name` that has these tags."""
        held = self._counters.get(name, _EMPTY)
        return [(dict(key), total) for key, total in held.items() if _has(key, tags)]

    def count(self, name: str, /, **tags: str) -> float:
        """Give the total of counter `name` over the series that have these tags."""
        return sum(total for _, total in self.counters(name, **tags))

    def gauges(self, name: str, /, **tags: str) -> list[tuple[Mapping[str, str], float]]:
        """Give the latest value of each series of gauge `name` that has these tags."""
        held = self._gauges.get(name, _EMPTY)
        return [(dict(key), value) for key, value in held.items() if _has(key, tags)]

    def tag_values(self, name: str, tag: str) -> list[str]:
        """Give the values that `tag` takes in timers and counters `name`, sorted."""
        keys = [*self._timers.get(name, ()), *self._counters.get(name, ())]
        return sorted({dict(key)[tag] for key in keys if tag in dict(key)})

    def parts(self, name: str, tags: Mapping[str, str]) -> Iterator[Distribution]:
        """Give what the series of timer `name` that have these tags saw, in as few as are kept."""
        total = self._totals.get((name, tuple(sorted(tags.items()))))
        if total is not None:
            yield from total.parts()
            return
        for key, series in self._timers.get(name, {}).items():
            if _has(key, tags):
                merged = self._merged.get((name, key))
                if merged is not None:
                    yield merged
                else:
                    yield from series.parts()

    def _distribution(self, name: str, key: Tags) -> Distribution:
        at = (name, key)
        if at not in self._merged:
            self._merged[at] = merge(self._timers[name][key].parts(), self.engine)
        return self._merged[at]
