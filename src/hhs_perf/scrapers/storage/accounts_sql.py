"""The accounts that stand in a database."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import Engine, select
from sqlalchemy.exc import SQLAlchemyError

from ...database.addresses import address_of
from ...exceptions import AccountsError
from .engines import engine_of, told
from .opening import as_url
from .tables import Tables

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from sqlalchemy import URL

__all__ = ["account_rows"]


def account_rows(
    source: str | Path | URL | Engine, tables: Tables | None = None
) -> tuple[str, Iterable[tuple[int, object]]]:
    """Read the table of accounts: what it is called, and its rows by their keys.

    Raises AccountsError where it cannot be read, ConfigurationError for a bad URL.
    """
    table = (Tables() if tables is None else tables).account
    engine = source if isinstance(source, Engine) else engine_of(as_url(source))
    name = f"{address_of(engine)} {table}"
    try:
        with engine.connect() as connection:
            found = connection.execute(select(table).order_by(table.c.account_key)).mappings()
            return name, [(row["account_key"], row) for row in found]
    except SQLAlchemyError as exc:
        raise AccountsError(name, [f"{name}: {told(exc)}"]) from exc
    finally:
        if engine is not source:
            engine.dispose()
