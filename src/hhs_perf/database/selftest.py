"""Tries what is used of SQLAlchemy without being promised by it.

Done once for each process, on a database in memory, when the first engine is instrumented. What
does not work is left to the public API, or left out, and said.
"""

from __future__ import annotations

import logging
from functools import cache
from typing import Any, Final
from warnings import catch_warnings, simplefilter

import attrs
from sqlalchemy import Column, Engine, ForeignKey, Integer, Table, create_engine, event, select
from sqlalchemy.engine import cursor as _cursor
from sqlalchemy.orm import Session, registry, relationship
from sqlalchemy.pool import StaticPool

from .seen.fetching import DEFAULT_FETCH

__all__ = ["Abilities", "abilities"]

_LOG: Final = logging.getLogger("hhs_perf")


class _Parent:
    children: list[object]
    id: int

    def __init__(self, **values: object) -> None:
        for name, value in values.items():
            setattr(self, name, value)


class _Child:
    __init__ = _Parent.__init__


@attrs.frozen(kw_only=True)
class Abilities:
    """What works with the SQLAlchemy at hand; None, or the reason why not."""

    fetching: str | None
    orm: str | None

    @property
    def limits(self) -> tuple[str, ...]:
        """What is missing, in words."""
        limits = []
        if self.fetching is not None:
            limits.append(f"fetching is not timed, rows are not counted: {self.fetching}")
        if self.orm is not None:
            limits.append(f"N+1 queries are found by the public API, lazy loads only: {self.orm}")
        return tuple(limits)


@cache
def abilities() -> Abilities:
    """Try them; says in the log what does not work."""
    try:
        with catch_warnings():
            simplefilter("ignore")
            found = _try()
    except Exception as error:  # noqa: BLE001 - whatever a later version does differently
        reason = f"{type(error).__name__}: {error}"
        found = Abilities(fetching=reason, orm=reason)
    for limit in found.limits:
        _LOG.warning("SQLAlchemy has changed: %s", limit)
    return found


def _try() -> Abilities:
    mapped = registry()
    parents = Table("parent", mapped.metadata, Column("id", Integer, primary_key=True))
    children = Table(
        "child",
        mapped.metadata,
        Column("id", Integer, primary_key=True),
        Column("parent_id", ForeignKey("parent.id")),
    )
    mapped.map_imperatively(_Parent, parents, properties={"children": relationship(_Child)})
    mapped.map_imperatively(_Child, children)
    engine = create_engine("sqlite://", poolclass=StaticPool)
    seen: list[Any] = []

    def look(_cursor: Any, _sql: str, _parameters: Any, context: Any) -> None:
        seen.append(context)

    try:
        if (reason := _cannot_connect(engine)) is not None:
            # A listener to every engine, of the host's, that expects another database: nothing
            # speaks against this version.
            _LOG.warning("SQLAlchemy could not be tried: %s", reason)
            return Abilities(fetching=None, orm=None)
        mapped.metadata.create_all(engine)
        event.listen(engine, "do_execute", look)
        with Session(engine) as session:
            session.add(_Parent(id=1, children=[_Child(id=1)]))
            session.commit()
            seen.clear()
            parent = session.scalars(select(_Parent)).one()
            fetching = _fetching(seen[-1])
            list(parent.children)
            orm = _lazy(seen[-1], parent)
            session.expire(parent)
            session.get(_Parent, parent.id)
            orm = orm or _refresh(seen[-1], parent)
    finally:
        engine.dispose()
        mapped.dispose()
    return Abilities(fetching=fetching, orm=orm)


def _cannot_connect(engine: Engine) -> str | None:
    try:
        engine.connect().close()
    except Exception as error:  # noqa: BLE001 - whatever the host's listeners raise
        return f"{type(error).__name__}: {error}"
    return None


def _fetching(context: Any) -> str | None:
    strategy = getattr(context, "cursor_fetch_strategy", None)
    if strategy is None or DEFAULT_FETCH is None or strategy is not DEFAULT_FETCH:
        return "results are fetched otherwise"
    if not hasattr(context, "_is_server_side") or not hasattr(_cursor, "_NO_CURSOR_DQL"):
        return "it does not say where its cursors are, or when they are closed"
    return None


def _lazy(context: Any, parent: Any) -> str | None:
    options = context.execution_options.get("_sa_orm_load_options")
    if getattr(options, "_lazy_loaded_from", None) is not parent._sa_instance_state:  # noqa: SLF001 - the subject
        return "a lazy load does not say for which instance it is"
    if len(getattr(context.compiled.compile_state, "current_path", ())) < 2:  # noqa: PLR2004 - mapper and property
        return "a lazy load does not say what it loads"
    state = parent._sa_instance_state  # noqa: SLF001 - likewise
    if not hasattr(state, "runid") or not hasattr(state, "load_path"):
        return "an instance does not say which query it came from"
    return None


def _refresh(context: Any, parent: Any) -> str | None:
    options = context.execution_options.get("_sa_orm_load_options")
    if getattr(options, "_refresh_state", None) is not parent._sa_instance_state:  # noqa: SLF001 - the subject
        return "a refresh does not say for which instance it is"
    compile_options = getattr(context.compiled.compile_state, "compile_options", None)
    if not getattr(compile_options, "_for_refresh_state", False):
        return "a refresh does not say that it is one"
    return None
