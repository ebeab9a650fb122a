"""The commands `hhs-perf scrape` and `hhs-perf platforms`, and their options."""

from __future__ import annotations

from typing import Any, Final

import click

from .._setting_fields import as_database_url

__all__ = ["platforms", "scrape"]

_FILES: Final = (".csv", ".jsonl", ".ndjson", ".db", ".sqlite", ".sqlite3")


def _check_to(_context: click.Context, _option: click.Parameter, value: str | None) -> str | None:
    if value is None:
        return None
    if "://" in value:
        try:
            return as_database_url(value)
        except ValueError as exc:
            raise click.BadParameter(str(exc)) from exc
    if not value.lower().endswith(_FILES):
        raise click.BadParameter("a file's name ends in .jsonl, .csv or .db; a database has a URL")
    return value


def _check_text(_context: click.Context, _option: click.Parameter, value: str | None) -> str | None:
    if value is not None and not value.strip():
        raise click.BadParameter("must not be empty")
    return value


@click.command()
@click.argument("accounts", callback=_check_text)
@click.option(
    "--to",
    callback=_check_to,
    help="A database's URL, or a file .jsonl, .csv or .db; by default the database of "
    "DATABASE_URL, which keeps a password out of the list of processes.",
)
@click.option("--platform", "platforms", multiple=True, help="Only this platform; may be repeated.")
@click.option("--core-only", is_flag=True, help="Only core accounts.")
@click.option(
    "--core",
    callback=_check_text,
    help="Accounts that are core ones, too, by a field of theirs: organization=HHS.",
)
@click.option("--dry-run", is_flag=True, help="Only show requests, seconds and cost; ask nobody.")
@click.option("--resume", is_flag=True, help="Leave out accounts that have today's snapshot.")
@click.option(
    "--max-workers",
    type=click.IntRange(1, 10_000),
    help="Requests under way at a time; by default HHS_PERF_SCRAPE_WORKERS.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON, no tables.")
def scrape(**options: Any) -> int:
    """Fetch the public figures of ACCOUNTS, and keep them.

    ACCOUNTS is a file .json or .csv, or a database's URL. What is fetched before an interrupt is
    kept.

    \b
    Exit status: 0 all accounts have their snapshot, 1 some have none,
      2 none has.
    """  # noqa: D301 -- \b is click's mark for text to keep as it is
    from ._scrape_run import run_scrape  # noqa: PLC0415 -- the engine is slow to import

    return run_scrape(**options)


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON, no table.")
def platforms(*, as_json: bool) -> int:
    """List the platforms: credentials present or missing, limits, cost, figures."""
    from ._platforms_run import run_platforms  # noqa: PLC0415 -- likewise

    return run_platforms(as_json=as_json)
