"""The reader of one process."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from .._fork import renew_after_fork
from .instruments import Counter, Gauge, Tags, Timer
from .merging import KEPT_ON_READ, merge
from .window import FIVE_MINUTES, window_named

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from .digest import DigestEngine
    from .distribution import Distribution
    from .registry import Registry
    from .snapshot import Scope, Snapshot

__all__ = ["LocalReader"]


class _Slots(NamedTuple):
    """A series' closed slots in a window, and what its open one saw; a total's has many of those.

    `folded` is where the series remembers what its closed slots come to, until the next closes.
    """

    closed: tuple[bytes, ...]
    open: Sequence[Distribution]
    engine: DigestEngine
    folded: dict[str, tuple[int, bytes]]
    window: str
    slot: int

    def parts(self) -> Iterator[Distribution]:
        from .frame import decode  # noqa: PLC0415 - slow, see instruments.Timer

        slot, held = self.folded.get(self.window, (None, b""))
        payloads = (held,) if slot == self.slot else self.closed
        frames = (decode(payload, self.engine, ours=True) for payload in payloads)
        seen = [frame.seen for frame in frames if frame is not None]
        # Few values are read from the slots, exactly; many would be merged at each read.
        if len(seen) > 1 and sum([part.count for part in seen]) > KEPT_ON_READ:
            yield merge(seen, self.engine, then=self._remember)
        else:
            yield from seen
        yield from self.open

    def _remember(self, seen: Distribution) -> None:
        from .frame import encode  # noqa: PLC0415 - slow, see instruments.Timer

        self.folded[self.window] = (self.slot, encode(self.slot, FIVE_MINUTES.slot_seconds, seen))


class LocalReader:
    """Reads what this process has recorded."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._boot_id: str | None = None
        renew_after_fork(self)

    @property
    def boot_id(self) -> str:
        """Name this process: host, process id and when it started, since ids are used again."""
        if self._boot_id is None:
            import socket  # noqa: PLC0415 - slow, and not needed before the first read

            started = round(self._registry.started_at * 1000)
            self._boot_id = f"{socket.gethostname()}-{os.getpid()}-{started}"
        return self._boot_id

    def after_fork_in_child(self) -> None:
        """Take an identity of its own."""
        self._boot_id = None

    def generation(self) -> str:
        """Name the state of the data, all that was recorded before this call included."""
        self._registry.flush()
        return f"{self.boot_id}-{self._registry.changes}"

    def read(
        self,
        window: str = "5m",
        scope: Scope = "worker",  # noqa: ARG002 - one process has one scope
    ) -> Snapshot:
        """Read all series over `window`; one process has one scope, `worker`.

        Raises UnknownWindowError for a window that does not exist.
        """
        from .snapshot import Snapshot  # noqa: PLC0415 - slow, and start-up reads nothing

        reach = window_named(window)
        registry = self._registry
        timers: dict[str, dict[Tags, _Slots]] = {}
        counters: dict[str, dict[Tags, float]] = {}
        gauges: dict[str, dict[Tags, float]] = {}
        with registry.lock:
            now = registry.flush_holding_lock()
            slot = int(now // FIVE_MINUTES.slot_seconds)

            def slots(
                closed: tuple[bytes, ...],
                seen: Sequence[Distribution],
                folded: dict[str, tuple[int, bytes]],
            ) -> _Slots:
                return _Slots(closed, seen, registry.engine, folded, window, slot)

            for series in registry.held():
                if isinstance(series, Timer):
                    closed, seen = series.parts(reach, now)
                    if closed or seen.count or seen.rejected:
                        held = timers.setdefault(series.name, {})
                        held[series.tags] = slots(closed, (seen,), series.folded)
                elif isinstance(series, Counter):
                    counters.setdefault(series.name, {})[series.tags] = series.total(reach, now)
                elif isinstance(series, Gauge) and series.value is not None:
                    gauges.setdefault(series.name, {})[series.tags] = series.value
            first = (now // reach.slot_seconds - reach.slots + 1) * reach.slot_seconds
            totals = {}
            for total in registry.totals():
                if total.since <= max(first, registry.started_at):
                    held = timers.get(total.name, {})
                    opened = [each.open[0] for tags, each in held.items() if total.has(tags)]
                    key = (total.name, total.tags)
                    totals[key] = slots(total.closed(reach, now), opened, total.folded)
            return Snapshot(
                window=reach,
                scope="worker",
                generation=f"{self.boot_id}-{registry.changes}",
                since=max(first, registry.started_at),
                until=registry.changed_at,
                engine=registry.engine,
                timers=timers,
                totals=totals,
                counters=counters,
                gauges=gauges,
            )
