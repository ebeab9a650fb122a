"""The commands and their options."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Final

import click
from click.exceptions import Exit

from .._monitor import Monitor
from . import _exits
from ._cache import cache
from ._console import console, plain, write_json
from ._fetch import address_of, fetch
from ._partitions import partitions
from ._report import read_report, shown_parts, verdict
from ._scrape import platforms, scrape
from ._settings import settings_json, settings_table
from ._tables import alert_table, sla_table
from ._trace import Trace

if TYPE_CHECKING:
    from ..demo._launch import Framework

__all__ = ["hhs_perf"]

_LONGEST_TIMEOUT: Final = 3600


def _check_address(_context: click.Context, _option: click.Parameter, value: str) -> str:
    try:
        return address_of(value)
    except ValueError as exc:
        raise click.BadParameter(str(exc)) from exc


def _check_token(
    _context: click.Context, _option: click.Parameter, value: str | None
) -> str | None:
    if value is not None and not (value.isascii() and value.isprintable() and value.strip()):
        raise click.BadParameter("a token consists of printable ASCII characters")
    return value


def _version() -> str:
    try:
        return version("hhs-perf")
    except PackageNotFoundError:
        return "unknown, run from its sources"


def _check_timeout(_context: click.Context, _option: click.Parameter, value: float) -> float:
    if not 0 < value <= _LONGEST_TIMEOUT:  # click's own range lets nan through
        raise click.BadParameter(f"must be above 0 and at most {_LONGEST_TIMEOUT} seconds")
    return value


class _Commands(click.Group):
    """Commands that end on their own terms.

    Click would exit with 1, which means `warning`, when a reader has gone, and write an empty
    line when interrupted.
    """

    def invoke(self, ctx: click.Context) -> object:
        """Run the command and give its exit status."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            raise Exit(_exits.BROKEN_PIPE) from None
        except KeyboardInterrupt:
            raise Exit(_exits.INTERRUPTED) from None


@click.group(cls=_Commands, invoke_without_command=True)
@click.version_option(_version(), message="hhs-perf %(version)s")
@click.option(
    "--debug", is_flag=True, help="Show log records and tracebacks, which can hold secrets."
)
@click.pass_context
def hhs_perf(context: click.Context, *, debug: bool) -> None:
    """Know how a web application performs, and whether it keeps its SLAs."""
    if debug:
        context.ensure_object(Trace).show()
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


@hhs_perf.command()
@click.argument("url", callback=_check_address)
@click.option(
    "--token",
    envvar="HHS_PERF_TOKEN",
    show_envvar=True,
    callback=_check_token,
    help="Secret of a role viewer; the variable keeps it out of the list of processes.",
)
@click.option("--json", "as_json", is_flag=True, help="Print them as JSON, no tables.")
@click.option(
    "--timeout",
    type=float,
    default=10,
    show_default=True,
    callback=_check_timeout,
    help="Seconds to wait for the whole answer.",
)
def status(url: str, token: str | None, as_json: bool, timeout: float) -> int:  # noqa: FBT001 - click hands it over by name
    """Show SLAs and alerts of the application at URL.

    \b
    Exit status: that of the worst objective observed,
      0 met, 1 warning, 2 violated; 3 if nothing is known yet,
      4 if the application cannot be reached or refuses.
    """  # noqa: D301 -- \b is click's mark for text to keep as it is
    body = fetch(url, token=token, timeout=timeout)
    report = read_report(body)
    if as_json:
        write_json(shown_parts(body))
    else:
        screen = console()
        screen.print(sla_table(report), "")
        screen.print(alert_table(report, screen.width))
    return verdict(report)


@hhs_perf.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON, no table.")
def settings(as_json: bool) -> None:  # noqa: FBT001 - click hands it over by name
    """Show every setting: variable, value, source and meaning; secrets are masked.

    Mistakes are told as the application would tell them, those of the SLA file included.
    """
    monitor = Monitor.from_env()
    monitor.close()
    engine = monitor.metrics.engine.name
    if as_json:
        write_json(settings_json(monitor.settings, engine))
    else:
        screen = console()
        screen.print(settings_table(monitor.settings))
        screen.print(f"Active digest engine: {engine}")
    for variable in monitor.settings.unknown:
        click.echo(f"hhs-perf: note: {plain(variable)} means nothing to hhs_perf", err=True)


hhs_perf.add_command(cache)
hhs_perf.add_command(partitions)
hhs_perf.add_command(platforms)
hhs_perf.add_command(scrape)


@hhs_perf.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=5000,
    show_default=True,
    help="Port to listen on; 0 takes any free one.",
)
@click.option(
    "--requests",
    type=click.IntRange(min=1),
    default=2000,
    show_default=True,
    help="How many requests the clients send in all.",
)
@click.option(
    "--framework",
    type=click.Choice(["flask", "fastapi"]),
    default="flask",
    show_default=True,
    help="What the host application is written in.",
)
@click.option(
    "--clients",
    type=click.IntRange(1, 64),
    default=8,
    show_default=True,
    help="How many clients send at once.",
)
@click.option("--exit", "leave", is_flag=True, help="Stop after the tables instead of serving on.")
@click.option(
    "--json", "as_json", is_flag=True, help="Print the body of /api/performance, no tables."
)
def demo(
    *,
    host: str,
    port: int,
    requests: int,
    framework: Framework,
    clients: int,
    leave: bool,
    as_json: bool,
) -> int:
    """Start a small application, send it real traffic, show what hhs_perf saw.

    The accounts it serves are real public accounts of US federal health agencies, the figures
    about them are generated. Exit status 1 means that the counts differ from what was sent.
    """
    from ._demo import run_demo  # noqa: PLC0415 -- httpx and SQLAlchemy are an extra

    return run_demo(
        framework=framework,
        host=host,
        port=port,
        requests=requests,
        clients=clients,
        leave=leave,
        as_json=as_json,
    )
