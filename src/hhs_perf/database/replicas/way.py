"""The way of one session through its transaction: on a replica, or on the primary."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ...exceptions import ReadOnlyError
from ..marks import OURS
from .failures import failure_to_connect, failure_to_read, is_read_only_refusal
from .held import let_go
from .isolation import is_autocommit, is_open, sees_each_commit, streamed_in
from .scopes import is_read_only

if TYPE_CHECKING:
    from sqlalchemy import ClauseElement, Connection, CursorResult, Engine
    from sqlalchemy.orm import Session

    from .failures import Failure
    from .reading import Manner
    from .report import Reason
    from .router import ReplicaRouter
    from .watch import Watch

__all__ = ["Way"]

_REFUSED: Final = "a write within read_only()"


class Way:
    """Where one transaction runs, from the first statement to its end.

    Its first statement decides: a read takes it to a replica, where it stays, so that what it
    reads never runs backwards. Its first write takes it to the primary, once and for good; so does
    the replica's death. What was chosen counts from the moment that a connection is there. A
    transaction on the primary is sealed if it is READ ONLY on the server.
    """

    def __init__(self, router: ReplicaRouter) -> None:
        self._router = router
        self.clear()

    def clear(self) -> None:
        """Begin a transaction."""
        self._watch: Watch | None = None
        self._reason: Reason | None = None
        self._engine: Engine | None = None
        self._on_replica: Connection | None = None
        self._on_primary: Connection | None = None
        self._must_be_primary = False
        self._is_sealed = False
        self._has_read = False
        self._has_written = False
        self._has_called = False
        self._streamed: list[CursorResult[*tuple[object, ...]]] = []
        self._is_committing = False

    def engine_for(self, session: Session, clause: ClauseElement | None) -> Engine:
        """Give the engine for a statement; raises ReadOnlyError for a write in `read_only()`."""
        manner = self._manner_of(session, clause)
        if manner != "read" and manner != "call":  # noqa: PLR1714 - what narrows its type
            if is_read_only():
                raise ReadOnlyError(f"{_REFUSED}: {_told(clause)}")
            self._unseal(session)
            self._has_written = True
            if self._on_primary is None:
                self._take_primary(manner)
        else:
            if self._engine is None or not self._is_settled():
                self._choose(session)
            self._has_called |= manner == "call" and self._watch is None
        assert self._engine is not None  # noqa: S101 - each branch above has set it
        return self._engine

    def began(self, connection: Connection) -> None:
        """Be told that the session has a connection, of this way or of another bind."""
        if connection.engine is not self._engine:
            return
        if self._watch is not None:
            if self._on_replica is None:
                self._on_replica = connection
                self._router.counts.began(self._watch, None)
        elif self._on_primary is not connection:
            if self._on_primary is None:
                self._router.counts.began(None, self._reason)
            self._on_primary = connection
            if is_read_only():
                self._seal(connection)

    def has_succeeded(self, result: object) -> None:
        """Be told that a statement ran, and what it gave."""
        if self._watch is not None and self._on_replica is not None:
            self._has_read = True
            streamed = streamed_in(result)
            if streamed is not None:
                self._streamed = [*filter(is_open, self._streamed), streamed]

    def may_begin_again(self, session: Session, error: Exception) -> bool:
        """Judge an error; True if the statement may run again, now on the primary.

        That is so if the replica could not be reached, or refused because the statement writes, or
        failed: by any failure before anything was read from it in this transaction, by its death
        also later if each statement sees the latest commit anyway. Raises ReadOnlyError where the
        server refused a write within `read_only()`.
        """
        if is_read_only_refusal(error):
            if is_read_only():
                raise ReadOnlyError(f"{_REFUSED}, refused by the server") from error
            if self._is_sealed:
                self._has_written = True
                return self._unseal(session)
        watch, connection = self._watch, self._on_replica
        if watch is None:
            return False
        if connection is None:
            failure = failure_to_connect(error, watch.engine)
        else:
            failure = failure_to_read(error)
        if failure is None:
            return False
        if failure == "down":
            watch.fell(error)
        if self._has_read and not (failure == "write" or self._may_go_on(failure)):
            return False
        if connection is not None and not let_go(session, connection, self._router.faults):
            return False
        self._on_replica = None
        self._has_written |= failure == "write"
        self._take_primary(failure)
        self._must_be_primary = True
        return True

    def leave_replica(self, session: Session) -> None:
        """Return the replica's connection: a replica that dies late must not fail a commit."""
        connection = self._on_replica
        if connection is not None and let_go(session, connection, self._router.faults):
            self._on_replica = None
            self._must_be_primary = True
            if self._watch is not None:
                self._take_primary("write")

    def is_about_to_commit(self, session: Session) -> None:
        """Be told that the transaction, not only a savepoint, will be committed."""
        self.leave_replica(session)
        self._is_committing = True

    def has_committed(self) -> None:
        """Be told that it was."""
        self._is_committing = False
        if self._on_primary is not None and self._may_have_written():
            self._router.committed(self._on_primary)

    def has_ended(self) -> None:
        """Be told that the transaction ended, one way or the other."""
        if self._is_committing and self._on_primary is not None and self._may_have_written():
            self._router.ended_in_doubt()
        self.clear()

    def _may_have_written(self) -> bool:
        return self._has_written or (self._has_called and not self._is_sealed)

    def _may_go_on(self, failure: Failure) -> bool:
        """Tell whether the primary may go on where the replica died: it is never behind it."""
        connection = self._on_replica
        return (
            failure == "down"
            and connection is not None
            and sees_each_commit(connection)
            and not any(map(is_open, self._streamed))
        )

    def _seal(self, connection: Connection) -> None:
        # Not by an option of SQLAlchemy's: drivers keep on the connection what undoes it, and
        # psycopg then asks a standby to write.
        if connection.dialect.name == "postgresql" and not is_autocommit(connection):
            connection.exec_driver_sql(f"{OURS}SET TRANSACTION READ ONLY")
            self._is_sealed = True

    def _unseal(self, session: Session) -> bool:
        """Give back a connection that only read, for one that may write; tell whether it went."""
        connection = self._on_primary
        if not self._is_sealed or connection is None:
            return False
        if not let_go(session, connection, self._router.faults):
            return False
        self._on_primary = None
        self._is_sealed = self._has_called = False
        self._take_primary("write")
        self._must_be_primary = True
        return True

    def _manner_of(self, session: Session, clause: ClauseElement | None) -> Manner | Reason:
        if session._flushing:  # noqa: SLF001 - SQLAlchemy's own example of get_bind reads it
            return "write"
        if clause is None:
            # Who asks for a connection may do with it what he likes.
            return "call" if is_read_only() else "connection"
        if self._on_primary is not None and not is_read_only() and self._has_written:
            return "read"
        return self._router.manners.of(clause)

    def _is_settled(self) -> bool:
        is_there = self._on_replica is not None or self._on_primary is not None
        return is_there or self._must_be_primary

    def _choose(self, session: Session) -> None:
        if session.twophase:
            self._watch, self._reason = None, "two-phase"
        else:
            self._watch, self._reason = self._router.choose()
        self._engine = self._router.primary if self._watch is None else self._watch.engine

    def _take_primary(self, reason: Reason) -> None:
        self._watch, self._reason = None, reason
        self._engine = self._router.primary


def _told(clause: ClauseElement | None) -> str:
    if clause is None:
        return "the session would flush"
    kind = clause.__visit_name__
    return "a statement in SQL that is not plainly a read" if kind == "textclause" else kind
