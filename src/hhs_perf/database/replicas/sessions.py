"""Sessions that route: reads to a replica, writes to the primary, one transaction one way."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker
from sqlalchemy.orm import Session, sessionmaker

from ...exceptions import ReadOnlyError
from .scopes import is_read_only
from .way import Way

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import ClauseElement, Connection, Engine
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
    from sqlalchemy.orm import SessionTransaction

    from .router import ReplicaRouter

__all__ = [
    "AsyncRoutingSession",
    "RoutingSession",
    "async_routing_sessionmaker",
    "routing_sessionmaker",
]

T = TypeVar("T")


class RoutingSession(Session):
    """A Session whose `router` chooses the engine of each transaction.

    `bind`, `binds` and `bind_arguments` are the host's and win: only what would go to the router's
    primary is routed. Sessions of two-phase transactions stay on the primary.
    """

    def __init__(
        self, bind: Engine | Connection | None = None, *, router: ReplicaRouter, **options: Any
    ) -> None:
        super().__init__(bind=router.primary if bind is None else bind, **options)
        self.router = router
        self._way = Way(router)

    def get_bind(
        self,
        mapper: Any = None,
        *,
        clause: ClauseElement | None = None,
        bind: Engine | Connection | None = None,
        **arguments: Any,
    ) -> Engine | Connection:
        """Give the engine that a statement runs on: see `Way`."""
        if bind is not None:
            return bind
        found = super().get_bind(mapper, clause=clause, **arguments)
        return self._way.engine_for(self, clause) if found is self.router.primary else found

    if not TYPE_CHECKING:  # for a type checker these stay as Session has them, overloads and all

        def execute(self, *arguments: object, **options: object) -> object:
            """Execute a statement, on the primary if the replica dies with it."""
            return self._attempt(super().execute, arguments, options)

        def scalar(self, *arguments: object, **options: object) -> object:
            """Do as `execute` for one value."""
            return self._attempt(super().scalar, arguments, options)

        def scalars(self, *arguments: object, **options: object) -> object:
            """Do as `execute` for the values of the first column."""
            return self._attempt(super().scalars, arguments, options)

        def connection(self, *arguments: object, **options: object) -> Connection:
            """Give the transaction's connection; without a clause that is the primary's."""
            return self._attempt(super().connection, arguments, options)

    def rollback(self) -> None:
        """Roll back; what a dead replica says to that is of no interest."""
        self._way.leave_replica(self)
        super().rollback()

    def close(self) -> None:
        """Close likewise."""
        self._way.leave_replica(self)
        super().close()

    def reset(self) -> None:
        """Reset likewise."""
        self._way.leave_replica(self)
        super().reset()

    def _attempt(
        self, call: Callable[..., T], arguments: tuple[Any, ...], options: dict[str, Any]
    ) -> T:
        try:
            result = call(*arguments, **options)
        except Exception as exc:
            if not self._way.may_begin_again(self, exc):
                raise
        else:
            self._way.has_succeeded(result)
            return result
        return call(*arguments, **options)


class AsyncRoutingSession(AsyncSession):
    """An AsyncSession that routes as RoutingSession does."""

    sync_session_class: ClassVar[type[Session]] = RoutingSession  # type: ignore[misc] # as documented

    def __init__(
        self,
        bind: AsyncEngine | AsyncConnection | None = None,
        *,
        router: ReplicaRouter,
        **options: Any,
    ) -> None:
        super().__init__(bind, router=router, **options)


def routing_sessionmaker(router: ReplicaRouter, **options: Any) -> sessionmaker[RoutingSession]:
    """Make a sessionmaker of RoutingSessions, or of the subclass `class_`; `options` are its."""
    options.setdefault("class_", RoutingSession)
    maker: sessionmaker[RoutingSession] = sessionmaker(router=router, **options)
    return maker


def async_routing_sessionmaker(
    router: ReplicaRouter, **options: Any
) -> async_sessionmaker[AsyncRoutingSession]:
    """Make an async_sessionmaker of AsyncRoutingSessions, or of the subclass `class_`."""
    options.setdefault("class_", AsyncRoutingSession)
    maker: async_sessionmaker[AsyncRoutingSession] = async_sessionmaker(router=router, **options)
    return maker


# These belong to the class above as its methods do; SQLAlchemy tells a session nothing otherwise.
@event.listens_for(RoutingSession, "after_begin")
def _after_begin(session: RoutingSession, _: SessionTransaction, connection: Connection) -> None:
    session._way.began(connection)  # noqa: SLF001 - likewise


@event.listens_for(RoutingSession, "before_flush")
def _before_flush(*_: object) -> None:
    if is_read_only():  # there is something to flush; to refuse it here leaves it as it is
        raise ReadOnlyError("a write within read_only(): the session would flush")


@event.listens_for(RoutingSession, "before_commit")
def _before_commit(session: RoutingSession) -> None:
    if not session.in_nested_transaction():
        session._way.is_about_to_commit(session)  # noqa: SLF001 - likewise


@event.listens_for(RoutingSession, "after_commit")
def _after_commit(session: RoutingSession) -> None:
    if not session.in_nested_transaction():
        session._way.has_committed()  # noqa: SLF001 - likewise


@event.listens_for(RoutingSession, "after_transaction_end")
def _after_transaction_end(session: RoutingSession, transaction: SessionTransaction) -> None:
    if transaction.parent is None:
        session._way.has_ended()  # noqa: SLF001 - likewise
