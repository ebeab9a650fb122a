"""What `hhs-perf scrape` does."""

from __future__ import annotations

import asyncio
import signal
from contextlib import aclosing, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import attrs
import click

from .._monitor import Monitor
from .._setting_fields import masked_database_url
from ..exceptions import (
    AccountsError,
    ConfigurationError,
    StorageError,
    UnknownPlatformError,
)
from ..scrapers.storage.opening import open_sink
from . import _exits
from ._console import console, plain, write_json
from ._report import ReplyError
from ._scrape_progress import shown_progress
from ._scrape_tables import (
    closing_lines,
    missing_table,
    plan_json,
    plan_lines,
    plan_table,
    report_json,
    report_table,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from .._clock import Clock
    from ..scrapers.accounts import Account
    from ..scrapers.engine.plan import RunPlan
    from ..scrapers.engine.report import RunReport
    from ..scrapers.scrapers import Scrapers
    from ..scrapers.storage.sink import Sink

__all__ = ["run_scrape"]

# What may be missing, and which extra brings it.
_EXTRAS: Final = {
    "sqlalchemy": "sql",
    "psycopg": "postgres",
    "asyncpg": "postgres",
    "httpx": "scrapers",
    "redis": "redis",
}
_ENDED_BY: Final = tuple(
    getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)
)


@attrs.frozen(kw_only=True)
class _Asked:
    """What the command line asks for."""

    to: str | None
    platforms: tuple[str, ...]
    core_only: bool
    core: str | None
    resume: bool
    max_workers: int | None
    as_json: bool


def run_scrape(accounts: str, *, dry_run: bool, **options: object) -> int:
    """Fetch the figures of accounts, or plan to; gives the exit status."""
    asked = _Asked(**options)  # type: ignore[arg-type]  # click has checked them
    monitor = Monitor.from_env()
    try:
        asked = attrs.evolve(asked, to=asked.to or monitor.settings.database.url)
        if asked.to is None and not dry_run:
            raise click.UsageError("where are the snapshots to go? Say --to or DATABASE_URL")
        with _extras_named(), _options_judged():
            scrapers = monitor.scrapers
            for name in asked.platforms:
                scrapers.platform(name)
            listed = _listed(accounts)
            if dry_run:
                return _show_plan(_plan(scrapers, listed, asked), asked)
            report, ended_by = _scraped(scrapers, listed, asked, monitor.clock)
        _show_report(report, asked)
        return _status(report, ended_by)
    finally:
        monitor.close()


@contextmanager
def _extras_named() -> Iterator[None]:
    try:
        yield
    except ModuleNotFoundError as exc:
        extra = _EXTRAS.get((exc.name or "").partition(".")[0])
        if extra is None:
            raise
        raise ConfigurationError.missing_extra("hhs-perf scrape", extra) from exc


@contextmanager
def _options_judged() -> Iterator[None]:
    try:
        yield
    except UnknownPlatformError as exc:
        known = ", ".join(exc.known)
        raise click.BadParameter(
            f"no platform {plain(exc.name)!r}; there are {known}", param_hint="'--platform'"
        ) from exc
    except StorageError as exc:
        raise ReplyError(str(exc)) from exc


def _listed(source: str) -> Sequence[Account]:
    from ..scrapers.storage.reading import read_accounts  # noqa: PLC0415 -- may need SQLAlchemy

    try:
        return read_accounts(source)
    except AccountsError as exc:
        # One line each: there may be hundreds, and they are worked through one by one.
        for problem in exc.problems[:-1]:
            click.echo(f"hhs-perf: {plain(problem)}", err=True)
        raise ConfigurationError(exc.problems[-1:] or str(exc)) from exc


def _plan(scrapers: Scrapers, accounts: Sequence[Account], asked: _Asked) -> RunPlan:
    sink = _read_only(asked.to)
    try:
        return scrapers.plan(
            accounts,
            to=sink,
            platforms=asked.platforms,
            core_only=asked.core_only,
            core=asked.core,
            resume=asked.resume,
        )
    finally:
        if sink is not None:
            sink.close()


def _read_only(to: str | None) -> Sink | None:
    """Open what earlier runs left, and make nothing: there may have been none."""
    if to is None or ("://" not in to and not Path(to).exists()):
        return None
    try:
        return open_sink(to, create=False)
    except StorageError as exc:
        click.echo(f"hhs-perf: note: of earlier runs nothing is known: {plain(str(exc))}", err=True)
        return None


def _scraped(
    scrapers: Scrapers, accounts: Sequence[Account], asked: _Asked, clock: Clock
) -> tuple[RunReport, int | None]:
    """Run to the end, or until a signal ends it; gives the signal's exit status, too."""
    titles = {each.name: each.title for each in scrapers.platforms}

    async def scrape() -> tuple[RunReport, int | None]:
        run = scrapers.run(
            accounts,
            to=asked.to,
            platforms=asked.platforms,
            core_only=asked.core_only,
            core=asked.core,
            resume=asked.resume,
            max_workers=asked.max_workers,
        )
        outcomes: Any = aiter(run)
        ended_by = None
        with (
            _cancelled_by_signals() as heard,
            shown_progress(run, titles, clock) as took,
            suppress(asyncio.CancelledError),
        ):
            ended_by = _exits.INTERRUPTED
            async with aclosing(outcomes):
                async for outcome in outcomes:
                    took(outcome)
            ended_by = None
        if ended_by is not None and heard:
            ended_by = _exits.TERMINATED
        return run.report, ended_by

    return asyncio.run(scrape())


@contextmanager
def _cancelled_by_signals() -> Iterator[list[int]]:
    """Have SIGTERM, and a terminal that is closed, do what Ctrl-C does; gives those that came."""
    loop, task, heard = asyncio.get_running_loop(), asyncio.current_task(), []

    def end(number: int) -> None:
        heard.append(number)
        if task is not None:
            task.cancel()

    numbers = [each for each in _ENDED_BY if signal.getsignal(each) != signal.SIG_IGN]
    # Elsewhere than in the main thread, and on Windows, there is nothing to hear them by.
    with suppress(NotImplementedError, RuntimeError, ValueError):
        for number in numbers:
            loop.add_signal_handler(number, end, number)
    try:
        yield heard
    finally:
        with suppress(NotImplementedError, RuntimeError, ValueError):
            for number in numbers:
                loop.remove_signal_handler(number)


def _show_plan(plan: RunPlan, asked: _Asked) -> int:
    if asked.as_json:
        write_json(plan_json(plan))
        return _exits.MET
    screen = console()
    screen.print(plan_table(plan), "")
    if (missing := missing_table(plan.skipped)) is not None:
        screen.print(missing, "")
    for line in plan_lines(plan):
        screen.print(line)
    return _exits.MET


def _show_report(report: RunReport, asked: _Asked) -> None:
    to = asked.to or ""
    place = masked_database_url(to) if "://" in to else to
    if asked.as_json:
        write_json(report_json(report, place))
        return
    screen = console()
    screen.print(report_table(report, screen.width), "")
    if (missing := missing_table(report.not_fetched)) is not None:
        screen.print(missing, "")
    for line in closing_lines(report, place):
        screen.print(line)


def _status(report: RunReport, ended_by: int | None) -> int:
    if ended_by is not None:
        return ended_by
    if report.is_complete:
        return _exits.SCRAPED
    # Accounts that have today's snapshot already are a success of the run that got it.
    got = report.written or report.skipped.get("already_done", 0)
    return _exits.PARTIAL if got else _exits.NOTHING
