"""Scraping as tasks of a Celery application, on any number of workers and machines."""

from __future__ import annotations

from contextlib import suppress
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final
from weakref import ref

from .._lazy import importer
from ..exceptions import ConfigurationError
from ._common import close_with, refuse_second

try:
    from celery import Celery
    from celery.schedules import crontab
    from celery.signals import worker_init, worker_process_shutdown
except ImportError as exc:
    raise ConfigurationError.missing_extra("hhs_perf.adapters.celery", "celery") from exc

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from .._monitor import Monitor
    from ..scrapers.accounts import Account
    from ..scrapers.storage.sink import Sink
    from ._celery_report import GatheredRun, Missed, PlatformShare
    from ._celery_work import Task, Work

__all__ = [
    "GatheredRun",
    "Missed",
    "PlatformShare",
    "beat_schedule",
    "init_app",
    "read_run",
    "start_run",
]

# What only the tasks need is slow to import, and whoever sends them runs none.
__getattr__ = importer(
    __package__,
    dict.fromkeys(("GatheredRun", "Missed", "PlatformShare"), "_celery_report"),
    globals(),
)

_SCRAPE: Final = "hhs_perf.scrape"
_CHUNK: Final = "hhs_perf.scrape_chunk"
# Kombu's own, in seconds; it redelivers what was not acknowledged for so long.
_VISIBLE_FOR: Final = 3600.0
_WITH_VISIBILITY: Final = ("redis", "rediss", "sentinel", "valkey", "valkeys", "sqs")
_LOADED: Final = (
    "._celery_work",
    "..scrapers.scrapers",
    "..scrapers.storage.sql",
    "..scrapers.transports.by_aiohttp",
    "..scrapers.transports.by_httpcore",
)
# For closing connections and writing what is left.
_AFTERWARDS: Final = 60.0


def init_app(
    app: Celery,
    monitor: Monitor,
    *,
    to: str | Callable[[], Sink] | None = None,
    accounts: str | Callable[[], Iterable[Account]] | None = None,
    chunk_size: int = 50,
    chunk_timeout: float = 600.0,
    max_wait: float = 60.0,
) -> Monitor:
    """Register the tasks `hhs_perf.scrape` and `hhs_perf.scrape_chunk`, and return the monitor.

    The first one deals accounts to tasks of the second kind. `to` is the database of snapshots,
    by default that of DATABASE_URL, or makes the sink; `accounts` are those of runs that name
    none, by default those of that database. A task takes `chunk_size` accounts, or one batch of
    its platform where that is more. What a platform will not answer within `max_wait` seconds, or
    the task has not done in `chunk_timeout`, is sent again for later.

    Call it when `app` is configured, in every process. CELERY_MAX_WORKERS and CELERY_PREFETCH, if
    set, become `worker_concurrency` and `worker_prefetch_multiplier`; the visibility time-out of
    a Redis broker is raised where it is shorter than the longest task waits. The monitor is
    reachable as `app.hhs_perf`.

    Raises ConfigurationError for a second monitor in one application, and without REDIS_URL: the
    limits of the platforms are shared there.
    """
    refuse_second(getattr(app, "hhs_perf", None))
    if monitor.settings.redis.url is None:
        raise ConfigurationError(
            "init_app: several workers keep a platform's limits together in Redis: set REDIS_URL"
        )
    if chunk_size < 1 or not chunk_timeout > 0 or not max_wait > 0:
        raise ConfigurationError("init_app: chunk_size, chunk_timeout, max_wait must be above 0")
    _configure(app, monitor, chunk_timeout)

    @cache
    def work() -> Work:
        from ._celery_work import Options, Work  # noqa: PLC0415 - the engine is slow to import

        options = Options(
            to=to,
            accounts=accounts,
            chunk_size=chunk_size,
            chunk_timeout=chunk_timeout,
            max_wait=max_wait,
        )
        return Work(app, monitor, options)

    def scrape(task: Task, **wanted: Any) -> None:
        work().deal(task, **wanted)

    def scrape_chunk(task: Task, **chunk: Any) -> None:
        work().fetch(task, **chunk)

    options = {
        "bind": True,
        "acks_late": True,
        "reject_on_worker_lost": True,
        "ignore_result": True,
        "serializer": "json",
        "max_retries": None,  # the tasks count for themselves
        "shared": False,
        "lazy": False,
    }
    app.task(name=_SCRAPE, **options)(scrape)
    app.task(name=_CHUNK, time_limit=chunk_timeout + 2 * _AFTERWARDS, **options)(scrape_chunk)
    app.hhs_perf = monitor
    _prepare_workers(monitor)
    close_with(app, monitor)
    return monitor


def start_run(
    app: Celery,
    accounts: Iterable[Account] | None = None,
    *,
    platforms: Sequence[str] = (),
    core_only: bool = False,
    core: str | None = None,
    resume: bool = False,
) -> str:
    """Send `hhs_perf.scrape`, and give the name of the run for `read_run`.

    Without `accounts` they are those of `init_app`; else they travel in the message. The rest is
    as in `monitor.scrapers.run`.
    """
    wanted: dict[str, Any] = {
        "platforms": list(platforms),
        "core_only": core_only,
        "core": core,
        "resume": resume,
    }
    if accounts is not None:
        from ._celery_dealing import row_of  # noqa: PLC0415 - as above

        wanted["accounts"] = [row_of(each) for each in accounts]
    return str(app.tasks[_SCRAPE].apply_async(kwargs=wanted).id)


def read_run(monitor: Monitor, run: str) -> GatheredRun:
    """Tell what the tasks of a run did, so far or in all.

    Raises LookupError for a run that has not begun, or began more than a week ago.
    """
    from ._celery_board import Board  # noqa: PLC0415 - as above

    board = Board(monitor)
    try:
        found = board.read(run)
    finally:
        board.close()
    if found is None:
        raise LookupError(f"nothing is known of the run {run!r}")
    return found


def beat_schedule(
    schedule: object = None,
    *,
    name: str = _SCRAPE,
    platforms: Sequence[str] = (),
    core_only: bool = False,
    core: str | None = None,
    expires: float = 6 * 3600.0,
) -> dict[str, dict[str, Any]]:
    """Give an entry for `app.conf.beat_schedule`: a run each day at 06:00, or on `schedule`.

    A run that no worker has begun `expires` seconds later is dropped. Entries of several
    schedules need a `name` each.
    """
    return {
        name: {
            "task": _SCRAPE,
            "schedule": crontab(hour=6, minute=0) if schedule is None else schedule,
            "kwargs": {"platforms": list(platforms), "core_only": core_only, "core": core},
            "options": {"expires": expires},
        }
    }


def _configure(app: Celery, monitor: Monitor, chunk_timeout: float) -> None:
    held = monitor.settings.scrapers
    if held.celery_max_workers is not None:
        app.conf.worker_concurrency = held.celery_max_workers
    if held.celery_prefetch is not None:
        app.conf.worker_prefetch_multiplier = held.celery_prefetch
    scheme = str(app.conf.broker_url or "").partition(":")[0].partition("+")[0]
    if scheme not in _WITH_VISIBILITY:
        return
    # A task that was fetched ahead is not acknowledged before those in front of it are done. With
    # 0 there is no end to what is fetched ahead, and nothing that would fit.
    ahead = int(app.conf.worker_prefetch_multiplier or 0)
    longest = (ahead + 1) * (chunk_timeout + _AFTERWARDS)
    options = dict(app.conf.broker_transport_options or {})
    if float(options.get("visibility_timeout", _VISIBLE_FOR)) < longest:
        app.conf.broker_transport_options = {**options, "visibility_timeout": longest}


def _prepare_workers(monitor: Monitor) -> None:
    held = ref(monitor)

    def load(**_: object) -> None:
        for module in _LOADED:
            with suppress(ImportError):  # of an extra that is not installed, nor used
                import_module(module, __package__)

    def close(**_: object) -> None:
        found = held()
        if found is not None:
            found.close()

    # What is loaded before the processes of a pool are forked is loaded once; they end without
    # running what is registered for the end.
    worker_init.connect(load, weak=False, dispatch_uid="hhs_perf")
    worker_process_shutdown.connect(close, weak=False, dispatch_uid=f"hhs_perf-{id(monitor)}")
