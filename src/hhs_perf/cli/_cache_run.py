"""What the commands under `hhs-perf cache` do."""

from __future__ import annotations

import re
import sys
from contextlib import contextmanager
from threading import Event
from typing import TYPE_CHECKING, Final

import attrs
import click
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from .._clock import SystemClock
from .._redis import masked
from .._settings import Settings
from ..cache import Codec, TieredCache
from ..cache.warm.inspection import Inspector
from ..exceptions import CacheBackendError
from . import _exits
from ._cache_tables import (
    Answer,
    answers_table,
    pattern_table,
    process_table,
    stats_json,
    survey_lines,
)
from ._console import console, plain, write_json
from ._report import ReplyError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ..cache.warm.board import Row, WarmUpRow
    from ..cache.warm.inspection import Marked, Targets

__all__ = ["run_invalidate", "run_stats", "run_warm"]

_ANSWER_WITHIN: Final = 5.0
_LOOK_EVERY: Final = 0.1
_ASK_AGAIN: Final = 1.0
_ERROR: Final = re.compile("Error|Exception")
_ENDED: Final = frozenset({"done", "failed", "off"})


@attrs.frozen(kw_only=True)
class _Place:
    """The cache that a command is about."""

    cache: TieredCache
    inspector: Inspector
    server: str
    """Its address, without passwords."""

    @property
    def head(self) -> dict[str, object]:
        """What every JSON answer begins with."""
        return {"server": self.server, "namespace": self.cache.namespace}


@contextmanager
def _opened(redis_url: str | None, namespace: str | None) -> Iterator[_Place]:
    settings = Settings.from_env()
    url = redis_url or settings.redis.url
    if url is None:
        raise click.UsageError("which server? Say --redis-url or REDIS_URL")
    cache = TieredCache(
        url,
        namespace=namespace or settings.redis.namespace,
        codec=Codec(keys=settings.cache.mac_keys),
        l2_timeout=_ANSWER_WITHIN,
        on_l2_error="raise",
    )
    server = masked(url)
    try:
        inspector = Inspector(cache)
        inspector.reach()
        yield _Place(cache=cache, inspector=inspector, server=server)
    except CacheBackendError as exc:
        raise ReplyError(f"cannot use {server}: {_reason(exc)}") from exc
    finally:
        cache.close()


def _reason(error: BaseException) -> str:
    causes = [error]
    while (cause := causes[-1].__cause__ or causes[-1].__context__) is not None:
        causes.append(cause)
    texts = [cause.strerror for cause in causes if isinstance(cause, OSError) and cause.strerror]
    names = [type(cause).__name__ for cause in causes]
    if texts:
        return texts[-1]
    if any("Timeout" in name for name in names):
        return f"no answer within {_ANSWER_WITHIN:g} s"
    # The server's own words, such as NOAUTH or NOPERM; they hold no password.
    told = next((str(each) for each in causes[1:] if _ERROR.search(type(each).__name__)), "")
    return told[:200] or str(error)


@contextmanager
def _progress(what: str, total: int) -> Iterator[Callable[[int], None]]:
    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    screen = console(sys.stderr)
    screen.quiet = not screen.is_terminal
    with Progress(*columns, console=screen, transient=True) as bar:
        task = bar.add_task("", total=total)
        yield lambda more: bar.advance(task, more)


def run_stats(
    *,
    redis_url: str | None,
    namespace: str | None,
    as_json: bool,
    limit: int | None,
    dry_run: bool,
) -> int:
    """Show what a namespace holds; gives the exit status."""
    with _opened(redis_url, namespace) as place:
        names = place.inspector.size()
        if dry_run:
            if as_json:
                write_json({**place.head, "dry_run": True, "names": names})
            else:
                click.echo(
                    f"Would look at {names:,} names in {place.server} for those of the namespace "
                    f"{place.cache.namespace}."
                )
            return _exits.MET
        with _progress("Reading names", names) as seen:
            survey = place.inspector.survey(limit=limit, seen=seen)
    if as_json:
        write_json({**place.head, **stats_json(survey)})
        return _exits.MET
    screen = console()
    for line in survey_lines(survey, place.server, place.cache.namespace):
        screen.print(line)
    screen.print("")
    screen.print(pattern_table(survey), "")
    screen.print(process_table(survey.processes))
    return _exits.MET


def run_invalidate(
    targets: Targets,
    *,
    redis_url: str | None,
    namespace: str | None,
    as_json: bool,
    limit: int | None,
    dry_run: bool,
) -> int:
    """Make entries void, or count those that would be; gives the exit status."""
    named = attrs.asdict(targets)
    with _opened(redis_url, namespace) as place:
        if dry_run:
            with _progress("Reading entries", place.inspector.size()) as seen:
                found = place.inspector.marked(targets, limit=limit, seen=seen)
            if as_json:
                write_json({**place.head, "dry_run": True, **named, **attrs.asdict(found)})
            else:
                click.echo(_counted(found))
            return _exits.MET
        if targets.keys:
            place.cache.delete(*targets.keys)
        if targets.tags or targets.everything:
            place.cache.invalidate(tags=targets.tags, everything=targets.everything)
        for prefix in targets.prefixes:
            place.cache.invalidate(prefix=prefix)
    if as_json:
        write_json({**place.head, "dry_run": False, **named})
    else:
        what = [f"key {key}" for key in targets.keys]
        what += [f"tag {tag}" for tag in targets.tags]
        what += [f"prefix {prefix}" for prefix in targets.prefixes]
        what += ["everything"] * targets.everything
        click.echo(f"Made void in {place.cache.namespace}: {plain(', '.join(what))}.")
    return _exits.MET


def _counted(found: Marked) -> str:
    of = "" if found.complete else ", and did not look further"
    lines = [f"Would make void {found.hit:,} entries; looked at {found.looked_at:,} names{of}."]
    if found.void:
        lines.append(f"{found.void:,} more are void already.")
    if found.unreadable:
        lines.append(f"{found.unreadable:,} cannot be read: HHS_PERF_CACHE_MAC_KEYS may be others.")
    return "\n".join(lines)


def run_warm(
    *,
    name: tuple[str, ...],
    redis_url: str | None,
    namespace: str | None,
    as_json: bool,
    timeout: float,
    dry_run: bool,
) -> int:
    """Have warm-ups run in all processes, and show what came of it; gives the exit status."""
    with _opened(redis_url, namespace) as place:
        there = place.inspector.processes()
        known = {each.name for row in there for each in row.warm_ups}
        unknown = sorted(set(name) - known)
        if there and unknown:
            raise click.UsageError(
                f"no process has a warm-up {plain(unknown[0])!r}; there are "
                f"{plain(', '.join(sorted(known)))}"
            )
        if not there:
            click.echo(
                f"hhs-perf: no process of the namespace {place.cache.namespace} warms its cache",
                err=True,
            )
        answers = _registered(there, name)
        if there and not dry_run:
            requests = {each: place.inspector.board.ask_to_warm(each) for each in name or ("",)}
            answers = _awaited(place.inspector, answers, requests, timeout)
    if as_json:
        rows = [attrs.asdict(each) for each in answers]
        write_json({**place.head, "dry_run": dry_run, "warm_ups": rows})
    elif answers:
        console().print(answers_table(answers))
    if not there or any(each.state == "no answer" for each in answers):
        return _exits.UNKNOWN
    failed = not dry_run and any(each.state == "failed" for each in answers)
    return _exits.WARNING if failed else _exits.MET


def _registered(there: tuple[Row, ...], names: tuple[str, ...]) -> list[Answer]:
    return [
        Answer.of(row, each)
        for row in there
        for each in row.warm_ups
        if not names or each.name in names
    ]


def _awaited(
    inspector: Inspector, asked: list[Answer], requests: dict[str, str], timeout: float
) -> list[Answer]:
    """Wait until all have answered, or for so long; those that have not say so."""
    clock = SystemClock()
    until = clock.monotonic() + timeout
    again = clock.monotonic() + _ASK_AGAIN
    with _progress("Waiting for processes", len(asked)) as seen:
        answered = 0
        while True:
            told = {
                (row.host, row.pid, each.name): Answer.of(row, each)
                for row in inspector.processes()
                for each in row.warm_ups
                if _answers(each, requests)
            }
            found = [told.get((each.host, each.pid, each.name)) for each in asked]
            count = sum(each is not None for each in found)
            seen(count - answered)
            answered = count
            if count == len(asked) or clock.monotonic() > until:
                return [
                    each or attrs.evolve(before, state="no answer", seconds=None, error=None)
                    for each, before in zip(found, asked, strict=True)
                ]
            if clock.monotonic() > again:  # a link may have been lost, or not be there yet
                again += _ASK_AGAIN
                for name, request in requests.items():
                    inspector.board.ask_to_warm(name, request)
            Event().wait(_LOOK_EVERY)


def _answers(row: WarmUpRow, requests: dict[str, str]) -> bool:
    request = requests.get(row.name, requests.get("", ""))
    return row.state in _ENDED and row.request >= request
