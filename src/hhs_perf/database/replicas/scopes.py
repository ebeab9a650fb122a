"""Scopes that say where a block of code may read and whether it may write."""

from __future__ import annotations

from contextvars import ContextVar, Token
from typing import TYPE_CHECKING, Final, Self

if TYPE_CHECKING:
    from types import TracebackType

__all__ = ["is_primary_only", "is_read_only", "primary", "read_only"]

_PRIMARY: Final[ContextVar[bool]] = ContextVar("hhs_perf_primary", default=False)
_READ_ONLY: Final[ContextVar[bool]] = ContextVar("hhs_perf_read_only", default=False)


class _Scope:
    """Sets a variable of the context for a block; each use is a block of its own."""

    _variable: ContextVar[bool]

    def __init__(self) -> None:
        self._tokens: list[Token[bool]] = []

    def __enter__(self) -> Self:
        self._tokens.append(self._variable.set(True))
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._variable.reset(self._tokens.pop())

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.__exit__(exc_type, exc, traceback)


class primary(_Scope):  # noqa: N801 - reads as the statement that it is: with primary():
    """Within it, transactions of routing sessions that begin run on the primary.

    For `with` and `async with`. It holds for this thread or task and for the tasks begun within.
    """

    _variable = _PRIMARY


class read_only(_Scope):  # noqa: N801 - likewise
    """Within it, a write by a routing session raises ReadOnlyError before it is sent.

    For `with` and `async with`. On PostgreSQL the transactions that begin within are read-only on
    the server too, so that a function that writes is refused as well: a standby's by themselves,
    the primary's by a `SET TRANSACTION READ ONLY`.
    """

    _variable = _READ_ONLY


def is_primary_only() -> bool:
    """Tell whether this code runs within `primary()`."""
    return _PRIMARY.get()


def is_read_only() -> bool:
    """Tell whether this code runs within `read_only()`."""
    return _READ_ONLY.get()
