"""Chooses where a transaction reads: on a replica that is near enough, or on the primary."""

from __future__ import annotations

import itertools
from functools import partial
from typing import TYPE_CHECKING, Final, Self, TypedDict

from ..._clock import SystemClock, Timeline
from ..._faults import Faults
from ..._settings import Settings
from ...collectors.database import REPLICA_LAG
from ...exceptions import ReplicaError
from ..addresses import address_of, root_of, sync_engine_of
from ..engines import (
    create_async_engine_from_env,
    create_async_replica_engines_from_env,
    create_engine_from_env,
    create_replica_engines_from_env,
)
from ..marks import OURS
from .counts import Counts
from .lag import parse_lsn
from .probe import probe_for
from .reading import Manners
from .report import ReplicaReport
from .scopes import is_primary_only
from .tokens import Memory
from .watch import Watch, WatchRules

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from types import TracebackType

    from sqlalchemy import Connection, Engine
    from sqlalchemy.ext.asyncio import AsyncEngine

    from ..._clock import Clock
    from ..._settings import DatabaseSettings
    from ...metrics import Registry
    from .probe import Probe
    from .report import Reason

__all__ = ["ReplicaRouter"]


class _Options(TypedDict):
    max_lag: float
    probe_every: float
    note: str | None


_PROBE_TIMEOUT: Final = 1.0
# Of several replicas that cannot be used, each for its own reason, the first of these is told.
_TELLING: Final[tuple[Reason, ...]] = ("own writes", "lag", "unknown", "promoted", "down")


class ReplicaRouter:
    """A primary and its read replicas; one transaction reads from one of them.

    `primary` and `replicas` are engines, all synchronous or all asynchronous, and stay the host's
    to dispose of. A replica more than `max_lag` seconds behind is left out until it caught up; on
    other databases than PostgreSQL the lag is unknown. Who wrote reads from the primary until a
    replica shows the commit; where that cannot be told, for `stick_for` seconds. Each replica is
    probed every `probe_every` seconds on a thread of its own, with connections of its own, from
    `start()` or the first transaction on; `probe` makes another probe for a pair of engines. Until
    the first answer, reads go to the primary. Raises ReplicaError where engines do not fit.
    """

    def __init__(  # noqa: PLR0913 - each is a choice of the host's
        self,
        primary: Engine | AsyncEngine,
        replicas: Sequence[Engine | AsyncEngine] = (),
        *,
        max_lag: float = 1.0,
        probe_every: float = 1.0,
        stick_for: float = 2.0,
        probe: Callable[[Engine, Engine], Probe] | None = None,
        note: str | None = None,
        clock: Clock | None = None,
        faults: Faults | None = None,
    ) -> None:
        self.primary: Engine = sync_engine_of(primary)
        self.max_lag = max_lag
        self.probe_every = probe_every
        self.stick_for = stick_for
        self.faults = faults or Faults()
        self._note = note or (None if replicas else "no replicas: everything runs on the primary")
        self._clock = clock or SystemClock()
        self._memory = Memory(self._clock)
        self.manners: Final = Manners()
        self._turn = itertools.count()
        self._is_closed = False
        engines = [sync_engine_of(replica) for replica in replicas]
        for engine in engines:
            if root_of(engine) is root_of(self.primary):
                raise ReplicaError("an engine cannot be its own replica")
            if engine.dialect.is_async != self.primary.dialect.is_async:
                raise ReplicaError("the primary's engine and a replica's must both be asynchronous")
        self._watches = self._watch(engines, probe)
        self.counts: Final = Counts(self._watches)

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None) -> ReplicaRouter:
        """Make the engines of DATABASE_URL and DATABASE_READ_REPLICA_URL, and route between them.

        With `ENABLE_READ_REPLICA` unset or false there are no replicas, and the report says so.
        The engines are the router's `primary` and `replicas`, to be disposed of by the host.
        """
        settings = Settings.from_env(environ).database
        primary = create_engine_from_env(settings=settings)
        replicas = create_replica_engines_from_env(settings=settings)
        return cls(primary, replicas, **_options(settings))

    @classmethod
    def async_from_env(cls, environ: Mapping[str, str] | None = None) -> ReplicaRouter:
        """Do as `from_env` with asynchronous engines."""
        settings = Settings.from_env(environ).database
        primary = create_async_engine_from_env(settings=settings)
        replicas = create_async_replica_engines_from_env(settings=settings)
        return cls(primary, replicas, **_options(settings))

    @property
    def replicas(self) -> tuple[Engine, ...]:
        """The engines of the replicas."""
        return tuple(watch.engine for watch in self._watches)

    def start(self) -> None:
        """Start to watch the replicas, without waiting for them."""
        if not self._is_closed:
            for watch in self._watches:
                if not watch.is_watched:
                    watch.start()

    def probe(self) -> None:
        """Look at every replica once and wait for the answers: not for the path of a request."""
        for watch in self._watches:
            watch.look_now()

    def close(self) -> None:
        """Stop watching and end the probes' connections; then all reads go to the primary."""
        self._is_closed = True
        for watch in self._watches:
            watch.close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def token(self) -> str | None:
        """Give what this request, block, thread or task wrote last, for the next to `remember`.

        It is short ASCII text without a meaning to anybody else; None if nothing was written.
        """
        return self._memory.token()

    def remember(self, token: str | None) -> None:
        """Begin a request of somebody whose last `token` this was: its writes are read back.

        What it wrote before is forgotten. A text that is no token is as good as None.
        """
        self._memory.begin(token)

    def join(self, metrics: Registry, faults: Faults) -> None:
        """Be a monitor's: its faults count those of the router, before and from now on.

        The lag of each replica is kept in the gauge `db.replica.lag{replica}`.
        """
        self.faults.join(faults)
        for watch in self._watches:
            watch.gauge = metrics.gauge(REPLICA_LAG, replica=watch.name)

    def report(self) -> ReplicaReport:
        """Tell how the replicas stand, and where transactions went since the start."""
        now = self._clock.monotonic()
        transactions = self.counts.transactions()
        on_primary = transactions.pop(None)
        return ReplicaReport(
            enabled=bool(self._watches) and not self._is_closed,
            note="closed: everything runs on the primary" if self._is_closed else self._note,
            primary=address_of(self.primary),
            max_lag=self.max_lag,
            stick_for=self.stick_for,
            probe_every=self.probe_every,
            primary_transactions=on_primary,
            replica_transactions=sum(transactions.values()),
            replicas=tuple(watch.state(now, transactions[watch]) for watch in self._watches),
            fallbacks=self.counts.fallbacks(),
        )

    def mark(self) -> tuple[object, ...]:
        """Give what changes whenever the report does, at a fraction of its price."""
        now = self._clock.monotonic()
        counted = tuple(self.counts.transactions().values()), self.counts.fallbacks()
        return (self._is_closed, counted, *(watch.mark(now) for watch in self._watches))

    def choose(self) -> tuple[Watch | None, Reason | None]:
        """Choose a replica for a transaction; None and the reason if it is the primary's."""
        if self._is_closed or not self._watches:
            return None, "off"
        if not all(watch.is_watched for watch in self._watches):
            self.start()
        if is_primary_only():
            return None, "pinned"
        now, written = self._clock.monotonic(), self._memory.last()
        refusals = [watch.refusal(now, written) for watch in self._watches]
        usable = [watch for watch, why in zip(self._watches, refusals, strict=True) if why is None]
        if usable:
            return usable[next(self._turn) % len(usable)], None
        return None, next(reason for reason in _TELLING if reason in refusals)

    def committed(self, connection: Connection) -> None:
        """Remember a commit made on `connection`, which is asked for the primary's position."""
        self._memory.note(None)  # what holds if the next lines fail or are cancelled
        if self._watches and connection.dialect.name == "postgresql":
            try:
                self._memory.note(_position(connection))
            except Exception as exc:  # noqa: BLE001 - a named border: it is committed already
                self.faults.note("asking for the position of a commit", exc)

    def ended_in_doubt(self) -> None:
        """Remember that a commit was tried, and may have happened."""
        self._memory.note(None)

    def _watch(
        self,
        engines: Sequence[Engine],
        probe: Callable[[Engine, Engine], Probe] | None,
    ) -> tuple[Watch, ...]:
        choose = probe or probe_for(self._clock, _PROBE_TIMEOUT)
        rules = WatchRules(
            max_lag=self.max_lag,
            stick_for=self.stick_for,
            probe_every=self.probe_every,
            patience=3 * self.probe_every + 2 * _PROBE_TIMEOUT,
            answer_within=_PROBE_TIMEOUT,
        )
        timeline = Timeline(self._clock)
        return tuple(
            Watch(
                f"replica-{number}",
                engine,
                make_probe=partial(choose, self.primary, engine),
                rules=rules,
                clock=self._clock,
                timeline=timeline,
                faults=self.faults,
            )
            for number, engine in enumerate(engines, 1)
        )


def _options(settings: DatabaseSettings) -> _Options:
    note = None if settings.read_replica else "ENABLE_READ_REPLICA is off: no replica is used"
    return {
        "max_lag": settings.replica_max_lag,
        "probe_every": settings.replica_probe_every,
        "note": note,
    }


def _position(connection: Connection) -> int:
    # Without a transaction it is one round trip. The position to insert at is an upper bound of
    # the commit's; that of what is written (pg_current_wal_lsn) is too early where
    # synchronous_commit is off.
    connection.execution_options(isolation_level="AUTOCOMMIT")
    sql = f"{OURS}SELECT CAST(pg_current_wal_insert_lsn() AS text)"
    position = parse_lsn(str(connection.exec_driver_sql(sql).scalar_one()))
    connection.commit()
    return position
