"""The commands under `hhs-perf cache` and their options."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import click

from .._setting_fields import as_namespace, as_redis_url

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["cache"]

_LONGEST_TIMEOUT: Final = 3600


def _checked(parse: Callable[[str], str]) -> Callable[..., str | None]:
    def check(_context: click.Context, _option: click.Parameter, value: str | None) -> str | None:
        if value is None:
            return None
        try:
            return parse(value)
        except ValueError as exc:
            raise click.BadParameter(str(exc)) from exc

    return check


def _check_timeout(_context: click.Context, _option: click.Parameter, value: float) -> float:
    if not 0 < value <= _LONGEST_TIMEOUT:  # click's own range lets nan through
        raise click.BadParameter(f"must be above 0 and at most {_LONGEST_TIMEOUT} seconds")
    return value


def _on_redis(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add what all three commands ask for."""
    for option in (
        click.option("--json", "as_json", is_flag=True, help="Print JSON, no tables."),
        click.option(
            "--namespace",
            callback=_checked(as_namespace),
            help="Whose cache; by default that of HHS_PERF_NAMESPACE.",
        ),
        click.option(
            "--redis-url",
            callback=_checked(as_redis_url),
            help="The server; by default that of REDIS_URL, which keeps a password out of the "
            "list of processes.",
        ),
    ):
        command = option(command)
    return command


@click.group()
def cache() -> None:
    """See and change what a cache holds in Redis or Valkey."""


@cache.command()
@_on_redis
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    help="Look at so many names at most; by default at all.",
)
@click.option("--dry-run", is_flag=True, help="Only count the names that would be looked at.")
def stats(**options: Any) -> int:
    """Show what is held: entries, bytes, times to live, by pattern; marks, leases, warm-ups.

    The names are read by SCAN, which blocks nobody; nothing is changed.
    """
    from ._cache_run import run_stats  # noqa: PLC0415 -- the cache is slow to import

    return run_stats(**options)


@cache.command()
@_on_redis
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    help="With --dry-run, look at so many names at most; by default at all.",
)
@click.option("--tag", "tags", multiple=True, help="What has this tag; may be repeated.")
@click.option("--prefix", "prefixes", multiple=True, help="Keys that begin so; may be repeated.")
@click.option("--key", "keys", multiple=True, help="The entry of this key; may be repeated.")
@click.option("--everything", is_flag=True, help="All entries of the namespace.")
@click.option("--dry-run", is_flag=True, help="Only count the entries that would be hit.")
def invalidate(
    *,
    tags: tuple[str, ...],
    prefixes: tuple[str, ...],
    keys: tuple[str, ...],
    everything: bool,
    **options: Any,
) -> int:
    """Make entries void in Redis and in the memory of every process.

    It costs the same however many entries there are; with --dry-run each one is read.
    """
    if not (tags or prefixes or keys or everything):
        raise click.UsageError("say what: --tag, --prefix, --key or --everything")
    if "" in (*tags, *prefixes, *keys):
        raise click.UsageError("an empty tag, prefix or key; for all entries say --everything")
    if options["limit"] is not None and not options["dry_run"]:
        raise click.UsageError(
            "--limit is for --dry-run; without that all that is named is made void"
        )
    from ..cache.warm.inspection import Targets  # noqa: PLC0415 -- likewise
    from ._cache_run import run_invalidate  # noqa: PLC0415 -- likewise

    targets = Targets(keys=keys, tags=tags, prefixes=prefixes, everything=everything)
    return run_invalidate(targets, **options)


@cache.command()
@click.argument("name", nargs=-1)
@_on_redis
@click.option(
    "--timeout",
    type=float,
    default=60,
    show_default=True,
    callback=_check_timeout,
    help="Seconds to wait for the processes.",
)
@click.option("--dry-run", is_flag=True, help="Only list what is registered, and where.")
def warm(**options: Any) -> int:
    """Have every running process run its warm-ups, or those of NAME, and show what came of it.

    \b
    Exit status: 0 done, 1 some have failed,
      3 some have not answered, or no process is there.
    """  # noqa: D301 -- \b is click's mark for text to keep as it is
    from ._cache_run import run_warm  # noqa: PLC0415 -- likewise

    return run_warm(**options)
