"""The command `demo`, from the first request to Ctrl-C."""

from __future__ import annotations

import json
import logging
import signal
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import click
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from .._clock import SystemClock
from ..exceptions import ConfigurationError
from . import _exits
from ._cache_report import level_table, read_cache_report, warm_up_table
from ._console import console, plain
from ._database_report import fault_table, parts_for_json, query_table, read_database_report
from ._report import read_report
from ._tables import alert_table, route_table, sla_table

try:
    from ..demo._check import Outcome, settle
    from ..demo._errors import DemoError
    from ..demo._server import DemoServer
    from ..demo._traffic import drive, plan
except ModuleNotFoundError as exc:
    raise ConfigurationError.missing_extra("hhs-perf demo", "demo") from exc

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

    from ..demo._launch import Framework

__all__ = ["run_demo"]

_LOG: Final = logging.getLogger("hhs_perf.cli")
_PATHS: Final = ("", "/sla", "/alerts", "/cache", "/database")


class _Terminated(BaseException):
    """Somebody asked the demo to end: SIGTERM, or a terminal that was closed."""


def run_demo(
    *,
    framework: Framework,
    host: str,
    port: int,
    requests: int,
    clients: int,
    leave: bool,
    as_json: bool,
) -> int:
    """Serve, send, compare, show, and serve on; gives the exit status."""
    with _ended_by_signals():
        try:
            with DemoServer.start(framework, host, port) as server:
                outcome = _traffic(server, requests, clients)
                _show(outcome, server.l2, as_json=as_json)
                if outcome.differences:
                    return _exits.MISCOUNTED
                if not leave:
                    _serve_on(server, as_json=as_json)
        except DemoError as exc:
            _LOG.debug("the log of the demo's server ends with\n%s", exc.log)
            raise
        except _Terminated:
            return _exits.TERMINATED
    return _exits.MET


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    def end(_number: int, _frame: FrameType | None) -> None:
        raise _Terminated

    numbers = [signal.SIGTERM]
    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
        numbers.append(signal.SIGHUP)  # ignored, it is under nohup and means to go on
    before = {number: signal.signal(number, end) for number in numbers}
    # Shells start background jobs with SIGINT ignored; a server is to hear it all the same.
    before[signal.SIGINT] = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _traffic(server: DemoServer, requests: int, clients: int) -> Outcome:
    visits = plan(requests, server.framework)
    clock = SystemClock()
    columns = (
        TextColumn("Sending requests"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    screen = console(sys.stderr)
    screen.quiet = not screen.is_terminal  # `disable` would still write an empty line in rich 13
    with Progress(*columns, console=screen, transient=True) as bar:
        task = bar.add_task("", total=requests)
        started = clock.monotonic()
        sent = drive(server.url, visits, clients=clients, answered=lambda: bar.advance(task))
        lasted = clock.monotonic() - started
    return settle(server, sent, lasted)


def _show(outcome: Outcome, l2: str, *, as_json: bool) -> None:
    for difference in outcome.differences:
        click.echo(f"hhs-perf: miscounted {plain(difference)}", err=True)
    if as_json:
        sys.stdout.write(_whole(outcome) + "\n")
        sys.stdout.flush()
        return
    report, cache = read_report(outcome.body), read_cache_report(outcome.cache)
    screen = console()
    screen.print(route_table(report, screen.width), "")
    screen.print(level_table(cache))
    screen.print(f"{l2}.\n")
    database = read_database_report(outcome.database)
    for table in (
        query_table(database),
        fault_table(database),
        warm_up_table(cache),
        sla_table(report),
        alert_table(report, screen.width),
    ):
        screen.print(table, "")
    if not outcome.differences:
        screen.print(
            f"All {sum(route.count for route in report.api.routes):,} requests were counted, "
            "route by route, errors included, and so were all lookups in the cache, and all "
            "queries of the routes that do not ask it."
        )


def _whole(outcome: Outcome) -> str:
    """Write the summary, with what the database's own body says of faults among its figures."""
    body = json.loads(outcome.body)
    body["database"] |= parts_for_json(outcome.database)
    return json.dumps(body, ensure_ascii=False, separators=(",", ":"))


def _serve_on(server: DemoServer, *, as_json: bool) -> None:
    try:
        # With --json stdout holds the JSON and nothing else.
        click.echo(_directions(server), err=as_json)
        server.wait()
    except (KeyboardInterrupt, _Terminated):
        pass
    click.echo("Stopped.", err=True)


def _directions(server: DemoServer) -> str:
    at = f"{server.shown_url}/api/performance"
    curls = (f'curl -H "Authorization: Bearer {server.token}" {at}{path}' for path in _PATHS)
    return "\n".join(
        (
            "",
            f"Serving on {server.shown_url} until Ctrl-C; all figures of accounts are generated.",
            f"  application  {server.shown_url}/api/summary",
            f"  performance  {at}",
            f"  dashboard    {at}/dashboard",
            f"  token        {server.token}",
            "",
            *curls,
        )
    )
