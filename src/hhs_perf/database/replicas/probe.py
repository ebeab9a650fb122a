"""What a replica is asked, off the path of any request."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

import attrs

from ..telling import told
from .failures import is_of_server, sqlstate_of
from .lag import History, PrimarySight, ReplicaSight, parse_lsn, reached
from .own_connection import OwnConnection

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from sqlalchemy import Engine

    from ..._clock import Clock

__all__ = ["PlainProbe", "PostgresProbe", "Probe", "Sighting", "probe_for"]

# What is flushed: behind it may stand, for long on an idle primary, what reads have tidied up.
_PRIMARY: Final = (
    "SELECT CAST(pg_current_wal_flush_lsn() AS text),"
    " CAST(extract(epoch FROM clock_timestamp()) AS float8)"
)
_REPLICA: Final = (
    "SELECT pg_is_in_recovery(), CAST(pg_last_wal_replay_lsn() AS text),"
    " coalesce(pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn(), false)"
    " AND EXISTS (SELECT 1 FROM pg_stat_wal_receiver),"
    " CAST(extract(epoch FROM pg_last_xact_replay_timestamp()) AS float8),"
    " CAST(extract(epoch FROM clock_timestamp()) AS float8),"
    " CAST(current_setting('wal_block_size') AS bigint),"
    " pg_size_bytes(current_setting('wal_segment_size'))"
)
# Insufficient privilege, feature not supported (Aurora), undefined function or table.
_REFUSALS: Final = frozenset({"42501", "0A000", "42883", "42P01"})


@attrs.frozen(kw_only=True)
class Sighting:
    """What one probe saw: the lag in seconds and the position up to which all is visible.

    None is what cannot be told; `note` says why, for people.
    """

    lag: float | None = None
    lsn: int | None = None
    is_promoted: bool = False
    note: str | None = None


class Probe(Protocol):
    """Looks at one replica. A custom one must not block for longer than a probe may take."""

    def look(self) -> Sighting:
        """Ask the replica; raises what the driver raises when it does not answer."""
        ...

    def close(self) -> None:
        """End the connections."""
        ...

    def forsake(self) -> None:
        """Forget the connections in a forked child, where they are the parent's."""
        ...


class PlainProbe:
    """Asks whether a replica answers: of its lag a database other than PostgreSQL says nothing."""

    def __init__(self, replica: OwnConnection) -> None:
        self._replica = replica

    def look(self) -> Sighting:
        """Ask for a row."""
        self._replica.ask("SELECT 1")
        return Sighting(note="the lag is known on PostgreSQL only")

    def close(self) -> None:
        """End the connection."""
        self._replica.close()

    def forsake(self) -> None:
        """Forget the connection in a forked child."""
        self._replica.forsake()


class PostgresProbe:
    """Compares the replica's replayed position with the primary's own, asked just before."""

    def __init__(self, primary: OwnConnection, replica: OwnConnection, clock: Clock) -> None:
        self._primary = primary
        self._replica = replica
        self._clock = clock
        self._history = History()
        self._refused: str | None = None

    def look(self) -> Sighting:
        """Ask the primary, then the replica."""
        primary, why_silent = self._look_at_primary()
        at = self._clock.monotonic()
        row = self._ask_replica()
        if row[0] is not True:
            return Sighting(is_promoted=True, note="it is in recovery no more: it was promoted")
        if len(row) == 1:
            return Sighting(note=self._refused)
        _, replayed, is_fed, last_commit, wall, block, segment = row
        visible = None if replayed is None else reached(parse_lsn(replayed), block, segment)
        sight = ReplicaSight(
            at=at, wall=wall, visible=visible, last_commit=last_commit, is_fed=is_fed
        )
        return Sighting(lag=self._history.lag(primary, sight), lsn=visible, note=why_silent)

    def close(self) -> None:
        """End both connections."""
        self._primary.close()
        self._replica.close()

    def forsake(self) -> None:
        """Forget both connections in a forked child."""
        self._primary.forsake()
        self._replica.forsake()

    def _look_at_primary(self) -> tuple[PrimarySight | None, str | None]:
        at = self._clock.monotonic()
        try:
            position, wall = self._primary.ask(_PRIMARY)
        except Exception as exc:
            # The replica may answer all the same.
            if not is_of_server(exc, self._primary.engine):
                raise
            return None, f"the primary did not tell its position: {type(exc).__name__}"
        return PrimarySight(at=at, lsn=parse_lsn(position), wall=wall), None

    def _ask_replica(self) -> tuple[Any, ...]:
        if self._refused is None:
            try:
                return self._replica.ask(_REPLICA)
            except Exception as exc:
                if sqlstate_of(exc) not in _REFUSALS:
                    raise
                why = told(exc, self._replica.engine.url)
                self._refused = f"the lag is unknown: the replica refuses to tell it ({why})"
        return self._replica.ask("SELECT pg_is_in_recovery()")


def probe_for(clock: Clock, timeout: float) -> Callable[[Engine, Engine], Probe]:
    """Make the function that chooses the probe for a primary and one of its replicas."""

    def choose(primary: Engine, replica: Engine) -> Probe:
        own = OwnConnection(replica, timeout)
        if replica.dialect.name == primary.dialect.name == "postgresql":
            return PostgresProbe(OwnConnection(primary, timeout), own, clock)
        return PlainProbe(own)

    return choose
