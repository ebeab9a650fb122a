"""What the request under way knows of itself."""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, Final, Literal, get_args

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

__all__ = ["KINDS", "Kind", "RequestScope", "request_scope"]

Kind = Literal["cached", "database", "uncached"]
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)


class RequestScope:
    """The request that this thread or task is answering.

    The timers open one for each request and read it when the response starts; in between the
    host and the other parts of the library write to it. `started` is a reading of the monitor's
    monotonic clock, `method` and `route` are filled in once known, and functions added to
    `at_response_start` are called once, with the mutable list of response headers as
    `(name, value)` pairs of str, just before the first byte leaves. `streaming` set before that
    says that the response is a stream without end, judged to its first byte. Functions added to
    `at_end` are called once, with the scope, when the request is over; `queries` and `written`
    belong to the database part. `source` is what the server handed over, a WSGI environ or an ASGI
    scope; it is let go when the request ends and `is_open` turns False.
    """

    __slots__ = (
        "_kind",
        "at_end",
        "at_response_start",
        "is_open",
        "method",
        "queries",
        "route",
        "source",
        "started",
        "streaming",
        "written",
    )

    def __init__(self, method: str, started: float, source: object = None) -> None:
        self.method = method
        self.started = started
        self.source = source
        self.is_open = True
        self.streaming = False
        self.route: str | None = None
        self._kind: Kind | None = None
        self.at_response_start: list[Callable[[list[tuple[str, str]]], None]] | None = None
        self.at_end: list[Callable[[RequestScope], None]] | None = None
        self.queries: Any = None
        self.written: Any = None

    def runs_query(self) -> None:
        """Say that a database was asked: the kind is `database` unless somebody says otherwise."""
        if self._kind is None:
            self._kind = "database"

    @property
    def kind(self) -> Kind:
        """How the answer came about; `uncached` until somebody says otherwise."""
        return self._kind or "uncached"

    @kind.setter
    def kind(self, kind: Kind) -> None:
        if kind not in KINDS:
            raise ValueError(f"unknown kind of request {kind!r}; allowed are {', '.join(KINDS)}")
        self._kind = kind


current: Final[ContextVar[RequestScope | None]] = ContextVar("hhs_perf_request", default=None)


def request_scope() -> RequestScope | None:
    """Give the scope of the request under way, or None outside of one."""
    scope = current.get()
    # The timers do not reset the variable, which would cost more than this look.
    return scope if scope is not None and scope.is_open else None
