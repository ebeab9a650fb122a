"""What two executions of one statement have in common: the fingerprint."""

from __future__ import annotations

from hashlib import blake2b
from operator import ge, gt, le, lt
from threading import RLock
from typing import TYPE_CHECKING, Any, Final, Literal

from sqlalchemy.sql.visitors import iterate

from ..._fork import renew_after_fork
from ..marks import OURS
from ..verbs import CHANGES, READS
from .masking import mask, operation_of, tables_of

if TYPE_CHECKING:
    from sqlalchemy.engine.interfaces import Dialect, ExecutionContext

__all__ = ["Role", "Shape", "Shapes", "is_another"]

Role = Literal["own", "read", "loader", "refresh", "other"]
"""`own`: the library's; `read`: a SELECT; `loader`: the ORM loads a relationship; `refresh`: the
ORM loads columns of instances that it has; `other`: what changes data or defines tables."""

_MOST_TEXTS: Final = 4096
_LONGEST_TEXT: Final = 20_000
_MOST_CHARACTERS: Final = 4_000_000
_LONGEST_TABLE: Final = 60
_LONGEST_SHOWN: Final = 4000
_MAY_HOLD_ANOTHER: Final = frozenset({"WITH", "EXPLAIN"})
# How pages go on after the last row of the one before: WHERE id > :last … LIMIT.
_RANGES: Final = (gt, ge, lt, le)
_KEPT: Final = "_hhs_perf_shape"


class Shape:
    """One statement whatever its values.

    `key` names it: operation, first table and a hash of the masked text, which is `sql`.
    `has_rows` is None where only the cursor knows; the parameters `batched_by` say which part of
    many rows is read: IN lists and OFFSET.
    """

    __slots__ = ("batched_by", "has_rows", "key", "operation", "role", "sql", "tables")

    def __init__(
        self,
        sql: str,
        role: Role,
        *,
        has_rows: bool | None,
        batched_by: tuple[str, ...] = (),
    ) -> None:
        self.batched_by = batched_by
        self.sql = sql if len(sql) <= _LONGEST_SHOWN else f"{sql[:_LONGEST_SHOWN]}…"
        self.role: Role = role
        self.has_rows = has_rows
        self.operation = operation_of(sql)
        self.tables = tables_of(sql)
        name = self.tables[0][:_LONGEST_TABLE] if self.tables else ""
        digest = blake2b(sql.encode(), digest_size=6).hexdigest()
        self.key = " ".join(part for part in (self.operation, name, digest) if part)


_OWN: Final = Shape("", "own", has_rows=None)


class Shapes:
    """Finds the shape of what is executed.

    SQLAlchemy compiles a statement once and keeps that, so the shape is kept upon it. Driver SQL
    is looked up by its text; very long texts and what is past the bound are masked each time.
    """

    def __init__(self) -> None:
        # Guards _texts, by the name of the dialect; reentrant: a finalizer may run a query.
        self._lock = RLock()
        self._texts: dict[str, dict[str, Shape]] = {}
        self._characters = 0
        renew_after_fork(self)

    def of(self, context: ExecutionContext, statement: str) -> Shape:
        """Give the shape of `statement`, as it is handed to the driver with `context`."""
        if statement.startswith(OURS):
            return _OWN  # marked on its way to the driver: a look's own engine does that
        compiled: Any = context.compiled
        if compiled is None or is_another(context, statement):
            return self.of_text(statement, context.dialect)
        kept: Shape | None = compiled.__dict__.get(_KEPT)
        if kept is None:
            kept = self._of_compiled(compiled, context)
            compiled.__dict__[_KEPT] = kept
        return kept

    def of_text(self, statement: str, dialect: Dialect) -> Shape:
        """Give the shape of driver SQL."""
        texts = self._texts.get(dialect.name)
        if texts is None:
            with self._lock:
                texts = self._texts.setdefault(dialect.name, {})
        shape = texts.get(statement)
        if shape is not None:
            return shape
        if statement.startswith(OURS):
            return _OWN
        masked = mask(statement, dialect.name)
        shape = Shape(masked, _role_of_text(masked), has_rows=None)
        if len(statement) <= _LONGEST_TEXT:
            with self._lock:
                self._characters += len(statement)
                if len(texts) >= _MOST_TEXTS or self._characters > _MOST_CHARACTERS:
                    texts.clear()
                    self._characters = len(statement)
                texts[statement] = shape
        return shape

    def _of_compiled(self, compiled: Any, context: ExecutionContext) -> Shape:
        text = str(compiled.string)
        if text.startswith(OURS):
            return _OWN
        written = any(
            getattr(compiled, name, False) for name in ("isinsert", "isupdate", "isdelete")
        )
        base = self.of_text(text, context.dialect)
        if written or getattr(compiled, "isddl", False) or base.role == "other":
            has_rows = bool(getattr(compiled, "effective_returning", None)) if written else None
            return Shape(base.sql, "other", has_rows=has_rows)
        is_text = getattr(getattr(compiled, "statement", None), "_is_text_clause", False)
        return Shape(
            base.sql,
            _role_of(compiled),
            has_rows=None if is_text else True,
            batched_by=_batched_by(compiled),
        )

    def after_fork_in_child(self) -> None:
        """Renew the lock, which another thread may have held."""
        self._lock = RLock()


def is_another(context: Any, statement: str) -> bool:
    """Tell a statement that SQLAlchemy sends on behalf of another, as for a sequence's value.

    Batches of insertmanyvalues are written anew, and a listener may have added a comment.
    """
    text = getattr(context, "statement", None)
    if statement is text:
        return False
    if text is None:
        # It is not ready yet: this is for one of its defaults.
        return context.compiled is not None
    return context.execute_style.name != "INSERTMANYVALUES" and text not in statement


def _role_of_text(masked: str) -> Role:
    operation = operation_of(masked)
    if operation not in READS:
        return "other"
    return "other" if operation in _MAY_HOLD_ANOTHER and CHANGES.search(masked) else "read"


def _batched_by(compiled: Any) -> tuple[str, ...]:
    """Name the parameters that say which rows are read: IN lists, OFFSET, a key before a LIMIT."""
    binds = getattr(compiled, "binds", None) or {}
    names = getattr(compiled, "bind_names", None) or {}
    statement = getattr(compiled, "statement", None)
    moving = {id(getattr(statement, "_offset_clause", None))}
    where = getattr(statement, "whereclause", None)
    if where is not None and getattr(statement, "_limit_clause", None) is not None:
        for part in iterate(where):
            if getattr(part, "operator", None) in _RANGES:
                moving.update(id(bind) for bind in iterate(part))
    found = [name for name, bind in binds.items() if getattr(bind, "expanding", False)]
    found += (name for bind, name in names.items() if id(bind) in moving)
    return tuple(dict.fromkeys(found))


def _role_of(compiled: Any) -> Role:
    state = getattr(compiled, "compile_state", None)
    options = getattr(state, "compile_options", None)
    if getattr(options, "_for_refresh_state", False):
        return "refresh"
    path = getattr(state, "current_path", None)
    return "loader" if path is not None and len(path) > 1 else "read"
