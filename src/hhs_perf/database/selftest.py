"""Looks whether what is used of SQLAlchemy without being promised by it is there.

Nothing is connected, mapped or executed for it: listeners of the host's to every engine, session
or mapper would hear of it, and might refuse. What is not there is left to the public API, or left
out, and said.
"""

from __future__ import annotations

import logging
from functools import cache
from typing import TYPE_CHECKING, Any, Final

import attrs
from sqlalchemy.engine import Connection
from sqlalchemy.engine import cursor as _cursor
from sqlalchemy.engine.default import DefaultExecutionContext
from sqlalchemy.engine.interfaces import Dialect
from sqlalchemy.orm import context as _context
from sqlalchemy.orm.state import InstanceState

from .seen.fetching import DEFAULT_FETCH
from .seen.timing import EVENTS

if TYPE_CHECKING:
    from types import CodeType

__all__ = ["Abilities", "abilities"]

_LOG: Final = logging.getLogger("hhs_perf")
_FETCHES: Final = ("fetchone", "fetchmany", "fetchall", "soft_close", "hard_close", "yield_per")


@attrs.frozen(kw_only=True)
class Abilities:
    """What works with the SQLAlchemy at hand; None, or the reason why not."""

    fetching: str | None
    orm: str | None
    layers: str | None = None

    @property
    def limits(self) -> tuple[str, ...]:
        """What is missing, in words."""
        limits = []
        if self.fetching is not None:
            limits.append(f"fetching is not timed, rows are not counted: {self.fetching}")
        if self.orm is not None:
            limits.append(f"N+1 queries are found by the public API, lazy loads only: {self.orm}")
        if self.layers is not None:
            limits.append(f"to see a query costs more than it need: {self.layers}")
        return tuple(limits)


@cache
def abilities() -> Abilities:
    """Look; says in the log what does not work."""
    try:
        found = Abilities(fetching=_fetching(), orm=_orm(), layers=_layers())
    except Exception as error:  # noqa: BLE001 - whatever a later version does differently
        reason = f"{type(error).__name__}: {error}"
        found = Abilities(fetching=reason, orm=reason, layers=reason)
    for limit in found.limits:
        _LOG.warning("SQLAlchemy has changed: %s", limit)
    return found


def _fetching() -> str | None:
    if DEFAULT_FETCH is None or DefaultExecutionContext.cursor_fetch_strategy is not DEFAULT_FETCH:
        return "results are fetched otherwise"
    missing = [name for name in _FETCHES if not hasattr(DEFAULT_FETCH, name)]
    missing += [name for name in ("_NO_CURSOR_DQL",) if not hasattr(_cursor, name)]
    missing += [name for name in ("_is_server_side",) if not hasattr(DefaultExecutionContext, name)]
    return f"there is no {', '.join(missing)}" if missing else None


def _layers() -> str | None:
    if not isinstance(vars(Dialect).get("_has_events"), bool):
        return "whether a dialect has listeners is noted otherwise"
    sends = getattr(Connection, "_exec_single_context", None)
    fails = getattr(Connection, "_handle_dbapi_exception", None)
    names = ("_has_events", *EVENTS)
    missing = [name for name in names if name not in _code_of(sends).co_names]
    missing += [name for name in ("is_disconnect",) if name not in _code_of(fails).co_names]
    missing += [
        name for name in ("statement", "context") if name not in _code_of(fails).co_varnames
    ]
    return f"SQLAlchemy asks otherwise for {', '.join(missing)}" if missing else None


def _code_of(function: Any) -> CodeType:
    code: CodeType = function.__code__
    return code


def _orm() -> str | None:
    state: Any = getattr(_context, "_ORMCompileState", None)
    state = state or getattr(_context, "ORMCompileState")  # noqa: B009 - its name in 2.0
    asked: tuple[tuple[Any, tuple[str, ...]], ...] = (
        (_context.QueryContext.default_load_options, ("_lazy_loaded_from", "_refresh_state")),
        (state, ("current_path",)),
        (state.default_compile_options, ("_for_refresh_state", "_only_load_props")),
        (InstanceState, ("runid", "load_path", "load_options", "expired_attributes")),
    )
    missing = [
        name
        for where, names in asked
        for name in names
        if not hasattr(where, name) and name not in getattr(where, "__annotations__", ())
    ]
    return f"a load does not say what it is for: {', '.join(missing)}" if missing else None
