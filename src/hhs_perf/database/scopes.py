"""What one request, task or block of code asked of databases."""

from __future__ import annotations

from collections import Counter
from contextvars import ContextVar
from threading import RLock
from typing import TYPE_CHECKING, Any, Final, Literal, Self

from .n_plus_one.watch import Watch
from .profile import MOST_QUERIES

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextvars import Token
    from types import TracebackType

    from .._scope import RequestScope
    from .n_plus_one.findings import Finding
    from .profile import ProfiledQuery
    from .seen.statements import Statement

__all__ = ["FOLD_AT", "OnNPlusOne", "QueryScope", "open_scope"]

OnNPlusOne = Literal["record", "warn", "raise", "off"]

FOLD_AT: Final = 4096
"""Executions that a scope holds before it adds them up."""

current: Final[ContextVar[QueryScope | None]] = ContextVar("hhs_perf_queries", default=None)


class QueryScope:
    """Counts the queries of one request, task or `with` block, and looks for N+1 queries.

    Use it with `with` or `async with`. `queries` is exact over threads and tasks that were
    started within; `findings` is what was found so far.
    """

    def __init__(
        self,
        name: str,
        *,
        owner: object,
        n_plus_one: OnNPlusOne,
        done: Callable[[QueryScope], None],
        profiled: list[ProfiledQuery] | None = None,
        request: RequestScope | None = None,
        route_of: Callable[[RequestScope], str | None] | None = None,
        began: float,
    ) -> None:
        self.began = began
        self.name = name
        self.request = request
        self._route_of = route_of
        self.left_out = 0
        self.owner = owner
        self.n_plus_one: OnNPlusOne = n_plus_one
        self.watch = None if n_plus_one == "off" else Watch(n_plus_one)
        self.profiled = profiled
        self._done = done
        self._token: Token[QueryScope | None] | None = None
        self.outer: QueryScope | None = None
        # Guards _counts.
        self._lock = RLock()
        self._counts: Counter[Statement] = Counter()
        # Belongs to the routers of replicas: their commits in the block.
        self.written: Any = None
        # Executions not counted yet; the listener appends to it, and calls `counts` when long.
        self.seen: list[Statement] = []

    def take(self, statement: Statement) -> None:
        """Count an execution: an append is exact over threads, and cheap."""
        self.seen.append(statement)
        if len(self.seen) >= FOLD_AT:
            self.counts()

    def counts(self) -> Counter[Statement]:
        """Count the executions of each statement so far."""
        with self._lock:
            n = len(self.seen)
            self._counts.update(self.seen[:n])
            del self.seen[:n]
            return Counter(self._counts)

    def add(self, counts: Counter[Statement]) -> None:
        """Count what a scope within this one counted."""
        with self._lock:
            self._counts.update(counts)

    def label(self) -> str:
        """Name it: the route where the request has one, the name that it was given otherwise."""
        request = self.request
        if request is None:
            return self.name
        # Frameworks know the route while the view runs, the timers when the response starts.
        found = self._route_of(request) if request.route is None and self._route_of else None
        return request.route or found or self.name

    @property
    def queries(self) -> int:
        """Executions so far, those that failed included."""
        return sum(self.counts().values())

    @property
    def findings(self) -> tuple[Finding, ...]:
        """N+1 queries found so far."""
        return () if self.watch is None else self.watch.findings()

    def around(self) -> QueryScope | None:
        """Give the scope of the same monitor that this block stands in, None in a request alone."""
        outer = self.outer
        while outer is not None and outer.owner is not self.owner:
            outer = outer.outer
        return outer

    def take_over(self, inner: QueryScope) -> None:
        """Take what was sent in a block within, which has ended."""
        self.add(inner.counts())
        if self.profiled is not None and inner.profiled is not None:
            room = max(MOST_QUERIES - len(self.profiled), 0)
            self.profiled += inner.profiled[:room]
            self.left_out += inner.left_out + len(inner.profiled[room:])

    def end(self) -> None:
        """Tell what was seen."""
        self._done(self)
        outer = self.around()
        if outer is not None:
            outer.take_over(self)

    def __enter__(self) -> Self:
        self.outer = current.get()
        self._token = current.set(self)
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._token is not None:
            try:
                current.reset(self._token)
            except ValueError:
                # Fixtures of pytest-asyncio end in another context than they began in.
                current.set(self.outer)
            self._token = None
        self.end()

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(self, *raised: object) -> None:
        self.__exit__(None, None, None)


def open_scope() -> QueryScope | None:
    """Give the scope of the innermost `with` block, None outside of all."""
    return current.get()
