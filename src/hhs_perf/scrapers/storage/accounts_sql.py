"""The accounts that stand in a database."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, cast

from sqlalchemy import URL, Engine, select
from sqlalchemy.exc import SQLAlchemyError

from ...database.addresses import address_of
from ...exceptions import AccountsError
from .engines import engine_of, told
from .opening import as_url
from .tables import Tables

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy import RowMapping

__all__ = ["account_rows"]


def account_rows(
    source: object, tables: Tables | None = None
) -> tuple[str, Iterable[tuple[int, RowMapping]]]:
    """Read the table of accounts: what it is called, and its rows by their keys.

    Raises AccountsError where it cannot be read, ConfigurationError for a bad URL.
    """
    table = (Tables() if tables is None else tables).account
    is_ours = not isinstance(source, Engine)
    engine = engine_of(as_url(cast("str | Path | URL", source))) if is_ours else source
    name = f"{address_of(engine)} {table}"
    try:
        with engine.connect() as connection:
            found = connection.execute(select(table).order_by(table.c.account_key)).mappings()
            return name, [(row["account_key"], row) for row in found]
    except SQLAlchemyError as exc:
        raise AccountsError(name, [told(exc)]) from exc
    finally:
        if is_ours:
            engine.dispose()
