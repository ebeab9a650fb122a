"""What the commands under `hhs-perf partitions` do."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING, Any, Final

import attrs
import click

from .._setting_fields import masked_database_url
from .._settings import Settings
from ..exceptions import ConfigurationError, DatabaseError
from . import _exits
from ._console import plain, write_json
from ._report import ReplyError

if TYPE_CHECKING:
    from ..database.partitions import ByList, ByMonth, PartitionPlan

__all__ = ["run_plan"]

_LEVEL: Final = re.compile(r"(month|list):([^=]+)(?:=(.*))?", re.DOTALL)
_LONGEST_LINE: Final = 100_000


def run_plan(
    *,
    table: str,
    levels: tuple[str, ...],
    timezone: str,
    database_url: str | None,
    as_json: bool,
    **wanted: Any,
) -> int:
    """Print the plan for a table; gives the exit status. `wanted` goes into its specification."""
    url = database_url or Settings.from_env().database.url
    if url is None:
        raise click.UsageError("which database? Say --database-url or DATABASE_URL")
    try:
        from ..database.partitions import PartitionSpec  # noqa: PLC0415 -- an extra
        from ..database.partitions.reaching import plan_at  # noqa: PLC0415 -- likewise
    except ModuleNotFoundError as exc:
        if exc.name is None or exc.name.partition(".")[0] != "sqlalchemy":
            raise
        raise ConfigurationError.missing_extra("hhs-perf partitions", "sql") from exc
    try:
        spec = PartitionSpec(table=table, by=[_level(each, timezone) for each in levels], **wanted)
    except ValueError as exc:
        raise click.UsageError(str(exc)) from exc
    try:
        plan = plan_at(url, spec)
    except ConnectionError as exc:
        raise ReplyError(f"cannot use {masked_database_url(url)}: {exc}") from exc
    except DatabaseError as exc:
        raise ConfigurationError(str(exc)) from exc
    if as_json:
        write_json({**attrs.asdict(plan), "rows_to_move": plan.rows_to_move})
    else:
        _print(plan)
    return _exits.MET


def _level(text: str, timezone: str) -> ByMonth | ByList:
    from ..database.partitions import ByList, ByMonth  # noqa: PLC0415 -- an extra

    found = _LEVEL.fullmatch(text)
    if found is None or (found[1] == "list") != (found[3] is not None):
        raise click.UsageError(f"--by is month:COLUMN or list:COLUMN=A,B,C, not {plain(text)!r}")
    kind, column, values = found.groups()
    if kind == "month":
        return ByMonth(column=column, timezone=timezone)
    return ByList(column=column, values=[each for each in values.split(",") if each])


def _print(plan: PartitionPlan) -> None:
    script = plan.script()
    if not script:
        click.echo(f"-- {plain(plan.table)} has all of its partitions.")
    for line in script.splitlines():
        sys.stdout.write(plain(line, _LONGEST_LINE) + "\n")
