"""The commands under `hhs-perf partitions` and their options."""

from __future__ import annotations

import re
from typing import Any, Final

import click

from .._setting_fields import as_database_url

__all__ = ["partitions"]

_MONTH: Final = re.compile(r"\d{4}-(0[1-9]|1[0-2])")


def _check_url(_context: click.Context, _option: click.Parameter, value: str | None) -> str | None:
    if value is None:
        return None
    try:
        return as_database_url(value)
    except ValueError as exc:
        raise click.BadParameter(str(exc)) from exc


def _check_month(
    _context: click.Context, _option: click.Parameter, value: str | None
) -> str | None:
    if value is not None and _MONTH.fullmatch(value) is None:
        raise click.BadParameter("a month is written 2026-01")
    return value


@click.group()
def partitions() -> None:
    """Plan the partitions of a PostgreSQL table."""


@partitions.command()
@click.argument("table")
@click.option(
    "--by",
    "levels",
    multiple=True,
    required=True,
    help="month:COLUMN or list:COLUMN=A,B,C; twice for one within the other, the outer one first.",
)
@click.option(
    "--ahead",
    type=click.IntRange(0, 1200),
    default=3,
    show_default=True,
    help="Months after the present one that are to exist.",
)
@click.option("--since", callback=_check_month, help="The first month, by default the present one.")
@click.option(
    "--keep",
    type=click.IntRange(0, 1200),
    help="Months before the present one that stay; earlier ones are detached.",
)
@click.option("--drop", is_flag=True, help="Also drop what is detached, with its rows.")
@click.option("--schema", help="The table's schema; by default where PostgreSQL finds it.")
@click.option(
    "--timezone",
    default="UTC",
    show_default=True,
    help="Where months begin at midnight, for a column with a time zone.",
)
@click.option(
    "--database-url",
    "--url",
    callback=_check_url,
    help="The database; by default that of DATABASE_URL, which keeps a password out of the list "
    "of processes.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON, no SQL script.")
def plan(**options: Any) -> int:
    """Print the SQL that makes the partitions of TABLE those asked for. Nothing is executed."""
    from ._partitions_run import run_plan  # noqa: PLC0415 -- SQLAlchemy is slow to import

    return run_plan(**options)
