"""The registry: gets or creates instruments, bounds them, and moves what they took into slots."""

from __future__ import annotations

from threading import Lock, RLock
from typing import TYPE_CHECKING, Final, TypeVar
from weakref import WeakValueDictionary

from .._clock import SystemClock, Timeline
from .._fork import renew_after_fork
from ..exceptions import MetricKindError
from .digest import load_engine
from .instruments import Counter, Gauge, InstrumentKind, Tags, Timer
from .totals import Total
from .window import FIVE_MINUTES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from .._clock import Clock
    from .digest import DigestEngine
    from .distribution import Distribution, Threshold

__all__ = ["OTHER", "Registry"]

OTHER: Final = "other"
"""The value of the tags of the series that takes what is past the cap."""

# Values of tags that say how it went: they stay where others become `other`.
_OUTCOMES: Final[dict[str, frozenset[str]]] = {
    "class": frozenset({"1xx", "2xx", "3xx", "4xx", "5xx"}),
    "kind": frozenset({"cached", "database", "uncached"}),
    "layer": frozenset({"all", "l1", "l2"}),
    "result": frozenset({"failure", "hit", "miss", "skipped", "success"}),
}
_MOST_OVERFLOW: Final = 32

_LONGEST_TAG: Final = 256
_CHECK_FORGETTABLE_EVERY: Final = 3600.0

AnySeries = Timer | Counter | Gauge
S = TypeVar("S", Timer, Counter, Gauge)
_KINDS: Final[dict[type[AnySeries], InstrumentKind]] = {
    Timer: "timer",
    Counter: "counter",
    Gauge: "gauge",
}


def _tag_value(value: object) -> str:
    # Half a surrogate pair, as a hostile path can carry it, could not be written out later.
    return str(value)[:_LONGEST_TAG].encode(errors="replace").decode()


class Registry:
    """Holds the series of one monitor.

    Any thread may get instruments and record; one thread at a time moves what was recorded into
    slots. At most `max_series` series exist, `max_series_per_instrument` of them under one name;
    what comes later goes to series of the same name whose tags are `other`, but for those that
    say how it went (class, kind, layer, result), so that totals and rates stay true: at most 33
    series an instrument. A name that itself is new then goes to the instrument `other.timer`,
    `other.counter` or `other.gauge`.
    """

    def __init__(
        self,
        *,
        clock: Clock | None = None,
        engine: DigestEngine | None = None,
        max_series: int = 2000,
        max_series_per_instrument: int = 500,
    ) -> None:
        self.engine = engine or load_engine()
        self.max_series = max_series
        self.max_series_per_instrument = max_series_per_instrument
        self._timeline = Timeline(clock or SystemClock())
        self.monotonic: Callable[[], float] = self._timeline.monotonic
        self.now: Callable[[], float] = self._timeline.now
        # Guards the six dictionaries below against two creations at once. Reentrant: a garbage
        # collection inside a creation may run a finalizer that records, and so creates.
        self._creating = RLock()
        self._kinds: dict[str, InstrumentKind] = {}
        self._series: dict[tuple[str, Tags], AnySeries] = {}
        self._sizes: dict[str, int] = {}
        self._refused: dict[str, int] = {}
        self._overflow: dict[str, dict[Tags, Tags]] = {}
        self._thresholds: dict[str, tuple[Threshold, ...]] = {}
        self._totals: dict[tuple[str, Tags], Total] = {}
        self._feeds: list[Callable[[], None]] = []
        # Series that were forgotten but that somebody may still record to.
        self._parked: WeakValueDictionary[tuple[str, Tags], Timer | Counter] = WeakValueDictionary()
        # Guards all slots, and the fields below.
        self._flushing = Lock()
        self._ticking = False
        self.started_at = self.now()
        self.changed_at = self.started_at
        self.changes = 0
        self.due_at = 0.0
        self._set_due(self.started_at)
        self._forget_at = self.started_at + _CHECK_FORGETTABLE_EVERY
        renew_after_fork(self)

    def timer(self, name: str, /, **tags: str) -> Timer:
        """Get or create the timer `name` with these tags.

        Raises MetricKindError when `name` is another kind of instrument.
        """
        return self._get(Timer, name, tags)

    def counter(self, name: str, /, **tags: str) -> Counter:
        """Get or create the counter `name` with these tags; raises as `timer` does."""
        return self._get(Counter, name, tags)

    def gauge(self, name: str, /, **tags: str) -> Gauge:
        """Get or create the gauge `name` with these tags; raises as `timer` does."""
        return self._get(Gauge, name, tags)

    def count_at(self, name: str, thresholds: Iterable[Threshold]) -> None:
        """Count exactly how many observations of timers `name` hold at these levels.

        Counting starts with each series' next slot.
        """
        with self._creating:
            held = self._thresholds.get(name, ())
            new = tuple(dict.fromkeys((*held, *thresholds)))
            if new != held:
                self._thresholds[name] = new

    def add_up(self, name: str, tags: Mapping[str, str]) -> None:
        """Keep a total over the timers `name` that have these tags, so that it is cheap to read.

        Until it reaches back as far as a window does, the series are added up when it is read.
        """
        key = (name, tuple(sorted(tags.items())))
        with self._flushing, self._creating:
            if key not in self._totals:
                since = self.now() if name in self._kinds else self.started_at
                self._totals[key] = Total(*key, self.engine, since)

    def feed_from(self, feed: Callable[[], None]) -> None:
        """Call `feed` before each flush: it records what its owner counts by itself.

        It must not raise, nor read or flush.
        """
        self._feeds.append(feed)

    def totals(self) -> list[Total]:
        """Give the totals kept."""
        return list(self._totals.values())

    def closing(self, name: str, tags: Tags, seen: Distribution) -> None:
        """Add what a series saw in the slot that it closes to the totals."""
        for total in self.totals():
            total.take(name, tags, seen)

    def thresholds(self, name: str) -> tuple[Threshold, ...]:
        """Give the levels at which timers `name` count exactly."""
        return self._thresholds.get(name, ())

    @property
    def refused(self) -> dict[str, int]:
        """How often a new series was asked for past the cap, by the instrument that took it."""
        return dict(self._refused)

    def __len__(self) -> int:
        """Count the series held."""
        return len(self._series)

    def _get(self, of: type[S], name: str, tags: dict[str, str]) -> S:
        try:
            series = self._series.get((name, tuple(sorted(tags.items()))))
        except TypeError:  # the value of a tag cannot be hashed; its text can
            series = None
        if type(series) is of:
            return series
        return self._create(of, name, tags)

    def _create(self, of: type[S], name: str, tags: dict[str, str]) -> S:
        kind = _KINDS[of]
        key = (name, tuple(sorted((k, _tag_value(v)) for k, v in tags.items())))
        with self._creating:
            held = self._kinds.get(name, kind)
            if held != kind:
                raise MetricKindError(name, held, kind)
            if key not in self._series and not self._has_room(name):
                if name not in self._kinds:
                    name = f"{OTHER}.{kind}"
                self._refused[name] = self._refused.get(name, 0) + 1
                key = (name, self._overflow_tags(name, key[1]))
            series = self._adopt(of, key)
            if type(series) is not of:
                raise MetricKindError(name, _KINDS[type(series)], kind)
            self._kinds[name] = kind
            return series

    def _overflow_tags(self, name: str, tags: Tags) -> Tags:
        """Give the tags under which a series past the cap is taken: `other`, but for outcomes.

        Without these, errors that come late would be missing among the errors.
        """
        outcomes = tuple((k, v) for k, v in tags if v in _OUTCOMES.get(k, ()))
        held = self._overflow.setdefault(name, {})
        if outcomes not in held and len(held) >= _MOST_OVERFLOW:
            outcomes = ()
        # The first names of tags asked for: random ones make no further series.
        others = tuple((k, v if (k, v) in outcomes else OTHER) for k, v in tags)
        return held.setdefault(outcomes, others)

    def _has_room(self, name: str) -> bool:
        return (
            len(self._series) < self.max_series
            and self._sizes.get(name, 0) < self.max_series_per_instrument
        )

    def _adopt(self, of: type[AnySeries], key: tuple[str, Tags]) -> AnySeries:
        name, tags = key
        series: AnySeries | None = self._series.get(key)
        if series is not None:
            return series
        parked = self._parked.pop(key, None)
        if parked is not None:
            parked.reopen(self.now())
            series = parked
        else:
            series = of(name, tags) if issubclass(of, Gauge) else of(name, tags, self)
        if not isinstance(series, Gauge):
            series.use_ticks(ticking=self._ticking)
        # A finalizer may have been faster, see _creating.
        held = self._series.setdefault(key, series)
        if held is series:
            self._sizes[name] = self._sizes.get(name, 0) + 1
        return held

    def _buffered(self) -> Iterator[Timer | Counter]:
        for series in list(self._series.values()):
            if not isinstance(series, Gauge):
                yield series

    def flush(self) -> None:
        """Move all that was recorded before this call into slots, and close those that ended."""
        with self._flushing:
            self.flush_holding_lock()

    def flush_if_free(self) -> None:
        """Do as `flush`, unless another thread, or this one further out, is at it already."""
        if self._flushing.acquire(blocking=False):
            try:
                self.flush_holding_lock()
            finally:
                self._flushing.release()

    def flush_holding_lock(self) -> float:
        """Do as `flush` under the lock that the caller holds; give the time flushed up to."""
        moved = self._feed()
        now = self.now()
        moved = moved or self.monotonic() >= self.due_at
        for key, parked in list(self._parked.items()):
            if parked.buffer:
                with self._creating:
                    self._adopt(type(parked), key)
        for series in self._buffered():
            moved = series.flush(now) or moved
        for total in self.totals():
            total.roll(now)
        if moved:
            self.changed_at = now
            self.changes += 1
            self._set_due(now)
        if now >= self._forget_at:
            self._forget_at = now + _CHECK_FORGETTABLE_EVERY
            self._forget_idle(now)
        return now

    def _feed(self) -> bool:
        """Let the feeds record, and tell whether that moved anything."""
        is_due = bool(self._feeds) and self.monotonic() >= self.due_at
        if is_due:
            # What is fed now must not fall into slots that ended long ago.
            for series in self._buffered():
                series.flush(self.now())
        for feed in self._feeds:
            feed()
        return is_due

    def _set_due(self, now: float) -> None:
        length = FIVE_MINUTES.slot_seconds
        self.due_at = self._timeline.monotonic_at((now // length + 1) * length)

    def _forget_idle(self, now: float) -> None:
        with self._creating:
            for series in self._buffered():
                if series.is_forgettable(now):
                    key = (series.name, series.tags)
                    del self._series[key]
                    self._sizes[series.name] -= 1
                    self._parked[key] = series

    @property
    def lock(self) -> Lock:
        """The lock that `flush_holding_lock` wants held."""
        return self._flushing

    def held(self) -> list[AnySeries]:
        """Give all series, in the order of their creation."""
        return list(self._series.values())

    def use_ticks(self, *, ticking: bool) -> None:
        """Let series take by bare append while somebody calls `flush` each second."""
        with self._creating:
            self._ticking = ticking
            for series in self._buffered():
                series.use_ticks(ticking=ticking)

    def after_fork_in_child(self) -> None:
        """Start anew: renew the locks, which other threads may have held, and forget all."""
        self._creating = RLock()
        self._flushing = Lock()
        self._refused.clear()
        self.started_at = self.changed_at = self.now()
        self.changes = 0
        self._set_due(self.started_at)
        for total in self.totals():
            total.clear(self.started_at)
        for series in [*self._series.values(), *self._parked.values()]:
            if isinstance(series, Gauge):
                series.clear()
            else:
                series.clear(self.started_at)
