"""What the tasks do: deal accounts to tasks, fetch those of one, send the rest again for later."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, Final, NoReturn

import attrs
import msgspec
from kombu.exceptions import OperationalError

from ..exceptions import ConfigurationError, StorageError
from ..scrapers.engine.selection import Selector, Wanted, day_of
from ..scrapers.storage.opening import open_sink
from ..scrapers.storage.reading import read_accounts
from ._celery_board import Board
from ._celery_chunk import Fetched, Part, fetch
from ._celery_dealing import account_of, deal
from ._celery_report import ChunkReport, Missed, report_of
from ._celery_retry import Task, backoff, sent_again

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from celery import Celery

    from .._monitor import Monitor
    from ..scrapers.accounts import Account
    from ..scrapers.storage.sink import Sink

__all__ = ["CHUNK", "Options", "Task", "Work"]

CHUNK: Final = "hhs_perf.scrape_chunk"
_LOG: Final = logging.getLogger("hhs_perf.scrapers")
_MOST_TRIES: Final = 8
_TRIES_AT_FAULTS: Final = 3


@attrs.frozen(kw_only=True)
class Options:
    """What `init_app` was told."""

    to: str | Callable[[], Sink] | None
    accounts: str | Callable[[], Iterable[Account]] | None
    chunk_size: int
    chunk_timeout: float
    max_wait: float


class Work:
    """The tasks of one application, in one process."""

    def __init__(self, app: Celery, monitor: Monitor, options: Options) -> None:
        """Connect to nothing yet."""
        self._app = app
        self._monitor = monitor
        self._options = options
        self._board = Board(monitor)
        self._away: tuple[type[BaseException], ...] = (
            StorageError,
            OperationalError,
            *self._board.errors,
        )

    def deal(
        self,
        task: Task,
        *,
        accounts: list[dict[str, Any]] | None = None,
        platforms: Sequence[str] = (),
        core_only: bool = False,
        core: str | None = None,
        resume: bool = False,
    ) -> None:
        """Send a task for each chunk of the accounts; once more sends those that were not."""
        self._monitor.ensure_started()
        for name in platforms:
            self._monitor.scrapers.platform(name)
        run = str(task.request.id)
        wanted = Wanted(platforms=tuple(platforms), core_only=core_only, core=core)
        try:
            if not self._board.has_begun(run):
                self._begin(run, wanted, accounts, resume=resume)
            for number, rows in self._board.undealt(run):
                self._app.tasks[CHUNK].apply_async(
                    kwargs={"run": run, "number": number, "rows": rows},
                    task_id=f"{run}-{number}",
                )
                self._board.dealt(run, number)
        except self._away as exc:
            self._later(task, exc)

    def _begin(
        self, run: str, wanted: Wanted, accounts: list[dict[str, Any]] | None, *, resume: bool
    ) -> None:
        now = self._monitor.clock.wall()
        listed = self._listed() if accounts is None else map(account_of, accounts)
        sink = self._sink()
        try:
            ids = sink.account_ids()
            if resume:
                wanted = attrs.evolve(wanted, done=sink.done_on(day_of(now)))
        finally:
            sink.close()
        setups = {each.platform.name: each for each in self._monitor.scrapers.setups}
        selector = Selector(setups, wanted, ids=ids, now=now).take(listed)
        selected = [each for _, each in sorted(selector.selected.items())]
        spent = self._board.spent(now)
        dealt = deal(selected, most=self._options.chunk_size, spent=spent, now=now)
        self._board.begin(
            run,
            started_at=now,
            chunks=[each.rows for each in dealt.chunks],
            first=report_of(None, [*selector.skipped, *dealt.skipped]),
            costs=dealt.costs,
        )
        if not dealt.chunks:
            self._tell_end(run)

    def fetch(
        self,
        task: Task,
        *,
        run: str,
        number: int,
        rows: list[dict[str, Any]],
        tries: int = 0,
        resume: bool = False,
        before: dict[str, Any] | None = None,
    ) -> None:
        """Fetch and keep the accounts of a chunk; what cannot be had now is sent again for later.

        `before` is what earlier tries of the same chunk did.
        """
        self._monitor.ensure_started()
        report = msgspec.convert(before or {}, type=ChunkReport)
        redelivered = bool((task.request.delivery_info or {}).get("redelivered"))
        if redelivered:
            if self._is_over(run, number, rows):
                return
        elif tries == 0 and self._was_sent_twice(run, number):
            return
        if rows:
            try:
                fetched = self._fetched(rows, resume=resume or redelivered)
            except Exception as exc:  # noqa: BLE001 - a named border: accounts are not lost by it
                self._monitor.note_fault("fetching the accounts of a task", exc)
                if tries < (_MOST_TRIES if isinstance(exc, StorageError) else _TRIES_AT_FAULTS):
                    self._again(task, exc, backoff(tries), rows, tries, report, resume=True)
                self._tell(task, run, number, report.plus(_lost(rows, type(exc).__name__)), tries)
                return
            rest = fetched.rest(tries)
            report = report.plus(report_of(fetched.report, fetched.settled(tries)))
            if rest:
                countdown = max(fetched.wait(tries), 0.0) or backoff(tries)
                self._again(
                    task, None, countdown, rest, tries, report, resume=fetched.was_cut_short
                )
        self._tell(task, run, number, report, tries)

    def _tell(self, task: Task, run: str, number: int, report: ChunkReport, tries: int) -> None:
        try:
            is_last = self._board.tell(run, number, report)
        except self._board.errors as exc:
            if tries >= _MOST_TRIES:
                raise
            self._again(task, exc, backoff(tries), [], tries, report, resume=False)
        if is_last:
            self._tell_end(run)

    def _listed(self) -> Iterable[Account]:
        source = self._options.accounts
        if source is not None and not isinstance(source, str):
            return source()
        return read_accounts(source or self._database("which accounts? Say init_app(accounts=…)"))

    def _sink(self) -> Sink:
        to = self._options.to
        if to is not None and not isinstance(to, str):
            return to()
        return open_sink(self._database("where do snapshots go? Say init_app(to=…)"))

    def _database(self, question: str) -> str:
        to = self._options.to
        url = to if isinstance(to, str) else self._monitor.settings.database.url
        if url is None:
            raise ConfigurationError(f"{question} or DATABASE_URL")
        return url

    def _fetched(self, rows: list[dict[str, Any]], *, resume: bool) -> Fetched:
        part = Part(self._sink(), sees_done=resume)
        return asyncio.run(
            fetch(
                self._monitor.scrapers,
                rows,
                part,
                resume=resume,
                within=self._options.chunk_timeout,
                max_wait=self._options.max_wait,
            )
        )

    def _is_over(self, run: str, number: int, rows: list[dict[str, Any]]) -> bool:
        """Tell whether a chunk that comes once more has been done, or kills all who try."""
        try:
            if self._board.has_told(run, number):
                return True
            if self._board.deliver_again(run, number):
                return False
            what = "the workers that fetched its task have died"
            _LOG.error("giving up chunk %s of the run %s: %s", number, run, what)
            if self._board.tell(run, number, _lost(rows, what)):
                self._tell_end(run)
        except self._board.errors as exc:
            self._monitor.note_fault("asking about a chunk", exc)
            return False
        return True

    def _was_sent_twice(self, run: str, number: int) -> bool:
        """Tell whether somebody has this chunk: whoever deals cannot always know what was sent."""
        try:
            return not self._board.claim(run, number)
        except self._board.errors as exc:
            self._monitor.note_fault("claiming a chunk", exc)
            return False

    def _later(self, task: Task, error: BaseException) -> NoReturn:
        tries = int(task.request.retries)
        if tries >= _MOST_TRIES:
            raise error
        raise sent_again(task, exc=error, countdown=backoff(tries))

    def _again(
        self,
        task: Task,
        error: BaseException | None,
        countdown: float,
        rows: list[dict[str, Any]],
        tries: int,
        report: ChunkReport,
        *,
        resume: bool,
    ) -> NoReturn:
        """Send what is left of a chunk for later, under the same name."""
        kwargs = {
            **task.request.kwargs,
            "rows": rows,
            "tries": tries + 1,
            "resume": resume,
            "before": msgspec.to_builtins(report),
        }
        raise sent_again(task, exc=error, kwargs=kwargs, countdown=countdown)

    def _tell_end(self, run: str) -> None:
        try:
            found = self._board.read(run)
        except self._board.errors as exc:
            self._monitor.note_fault("reading the report of a run", exc)
            return
        if found is not None:
            _LOG.log(
                logging.INFO if found.is_complete else logging.WARNING,
                "the run %s is over: %d fetched, %d failed, %d left out, %d requests",
                run,
                found.succeeded,
                found.failed,
                sum(found.skipped.values()),
                found.requests,
            )


def _lost(rows: list[dict[str, Any]], why: str) -> ChunkReport:
    """Tell of accounts that nothing can be said of."""
    missed = tuple(
        Missed(platform=row.get("platform"), account=account_of(row).name, why="lost", told=why)
        for row in rows
    )
    return ChunkReport(lost=len(rows), missed=missed)
