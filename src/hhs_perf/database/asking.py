"""Questions of the library's own, marked as such."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import text
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql import ClauseElement
from sqlalchemy.sql.base import Executable

from .marks import OURS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.engine import Connection
    from sqlalchemy.sql.compiler import SQLCompiler

__all__ = ["Ours", "rows_of"]


def rows_of(connection: Connection, sql: str, **values: object) -> Sequence[Any]:
    """Give the rows of a question of ours; `:name` stands for a value."""
    return connection.execute(text(OURS + sql), values).all()


class Ours(Executable, ClauseElement):
    """A statement of SQLAlchemy's sent as one of ours, with `prefix` before it.

    Its values go to the driver as parameters: none of them becomes part of the text, which the
    server shows in pg_stat_activity and writes to its log.
    """

    inherit_cache = False

    def __init__(self, statement: ClauseElement, prefix: str = "") -> None:
        self.statement = statement
        self.prefix = prefix


@compiles(Ours)
def _compiled(ours: Ours, compiler: SQLCompiler, **options: Any) -> str:
    return f"{OURS}{ours.prefix}{compiler.process(ours.statement, **options)}"
