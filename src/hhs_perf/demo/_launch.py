"""How the demo's server is started: its command, its environment, and whether that can work."""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from .._monitor import Monitor
from ..exceptions import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Framework", "check", "command", "environment", "redis_url", "with_l2"]

Framework = Literal["flask", "fastapi"]

_NEEDS: Final[Mapping[Framework, tuple[str, ...]]] = {
    "flask": ("flask", "gunicorn"),
    "fastapi": ("fastapi", "uvicorn"),
}
_THREADS: Final = 8
_KEEP_ALIVE: Final = 75
_SMALL_L1: Final = "32"
# What of the user's own settings is worth trying in the demo; the rest could only blur its counts.
_SETTINGS_KEPT: Final = frozenset({"HHS_PERF_DIGEST", "HHS_PERF_REDIS_URL", "HHS_PERF_SLA_FILE"})
_SETTINGS_DROPPED: Final = frozenset(
    {
        "CACHE_DEFAULT_TIMEOUT",
        "CACHE_L1_MAXSIZE",
        "CACHE_L1_TTL",
        "CACHE_L2_TTL",
        "DATABASE_READ_REPLICA_URL",
        "DATABASE_URL",
        "DB_MAX_OVERFLOW",
        "DB_POOL_RECYCLE",
        "DB_POOL_SIZE",
        "DB_POOL_TIMEOUT",
        "ENABLE_READ_REPLICA",
        "GUNICORN_CMD_ARGS",
        "WEB_CONCURRENCY",
    }
)


def environment(token: str, environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """Make the server's environment of `environ`, or of that of the process.

    Paths in it are absolute, since the server runs in a folder of its own.
    """
    kept = {
        name: value
        for name, value in (os.environ if environ is None else environ).items()
        if name in _SETTINGS_KEPT or not (name.startswith("HHS_PERF_") or name in _SETTINGS_DROPPED)
    }
    if kept.get("HHS_PERF_SLA_FILE"):
        kept["HHS_PERF_SLA_FILE"] = str(Path(kept["HHS_PERF_SLA_FILE"]).resolve())
    if kept.get("PYTHONPATH"):
        paths = kept["PYTHONPATH"].split(os.pathsep)
        kept["PYTHONPATH"] = os.pathsep.join(str(Path(path).resolve()) for path in paths)
    return kept | {
        "ENABLE_QUERY_PROFILING": "true",  # as in development: plans, and indexes tried out
        "HHS_PERF_NAMESPACE": "hhs-perf-demo",  # a server of the user's holds other things as well
        "HHS_PERF_EVALUATE_EVERY": "0.1",  # so that who reads finds the alerts of this moment
        "HHS_PERF_TOKENS": f"viewer+admin:demo={token}",
        "PYTHONUNBUFFERED": "1",
    }


def redis_url(environ: Mapping[str, str]) -> str | None:
    """Give the address of L2 that an environment names."""
    return environ.get("HHS_PERF_REDIS_URL") or environ.get("REDIS_URL") or None


def with_l2(environ: Mapping[str, str], url: str | None) -> dict[str, str]:
    """Add what the server is to know of its L2, if there is one.

    L1 is made too small for all accounts then: so that L2 has something to answer.
    """
    if url is None:
        return dict(environ)
    return {**environ, "REDIS_URL": url, "CACHE_L1_MAXSIZE": _SMALL_L1}


def check(framework: Framework, environ: Mapping[str, str]) -> None:
    """Make what the server will make of `environ`, and throw it away.

    Raises `ConfigurationError` for what would end the server at its start: a package that is
    missing, a bad setting, an SLA file that cannot be used.
    """
    if os.name != "posix":
        raise ConfigurationError("the demo hands a socket to its server, which needs POSIX")
    missing = [name for name in _NEEDS[framework] if find_spec(name) is None]
    if missing:
        raise ConfigurationError.missing_extra(f"the demo on {framework}", "demo")
    Monitor.from_env(environ).close()


def command(framework: Framework, fd: int) -> list[str]:
    """Give the command that serves the framework's application on the listening socket `fd`."""
    guard = [sys.executable, "-m", "hhs_perf.demo._guard", str(os.getpid()), sys.executable, "-m"]
    if framework == "flask":
        return [
            *guard,
            "gunicorn",
            f"--bind=fd://{fd}",
            "--worker-class=gthread",
            "--workers=1",
            f"--threads={_THREADS}",
            f"--keep-alive={_KEEP_ALIVE}",
            "--timeout=120",
            "--graceful-timeout=2",
            "hhs_perf.demo.flask_app:create_app()",
        ]
    return [
        *guard,
        "uvicorn",
        f"--fd={fd}",
        "--factory",
        "--workers=1",
        f"--timeout-keep-alive={_KEEP_ALIVE}",
        "--timeout-graceful-shutdown=2",
        "--no-access-log",
        "hhs_perf.demo.fastapi_app:create_app",
    ]
