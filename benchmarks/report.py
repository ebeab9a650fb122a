"""Make docs/performance.md from the results that ``nox -s bench`` has saved.

Run ``python -m benchmarks.report``.  With ``--check`` nothing is written, and the exit status says
whether the page is the one that the saved results make.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, Final

from benchmarks._results import RESULTS

PAGE: Final = Path(__file__).parent.parent / "docs" / "performance.md"
TITLES: Final = {
    "recording": "One observation",
    "requests": "One request",
    "growth": "A request in an old process",
    "page": "Reading the figures",
    "startup": "Start",
    "memory": "Memory",
    "accuracy": "Accuracy",
    "cache_l1": "Cache: a hit in memory",
    "cache_l2": "Cache: a read from Redis",
    "cache_flight": "Cache: one load for many callers",
    "cache_outage": "Cache: while Redis is away",
    "cache_coherence": "Cache: what others changed",
    "cache_hit_ratio": "Cache: what the first level misses",
    "cache_memory": "Cache: memory of an entry",
    "database_cost": "Database: a query that is watched",
    "database_server_cost": "Database: a query to a server that is watched",
    "database_fingerprint": "Database: a statement known again",
    "database_time_seen": "Database: the time that is seen",
    "database_n_plus_one": "Database: N+1 queries found",
    "database_pool": "Database: the pool",
    "database_replicas": "Database: read replicas",
    "database_indexes": "Database: advice on indexes",
    "scrape_engine": "Scraping: an account",
    "scrape_limits": "Scrapers: one start after the other",
    "scrape_celery": "Scrapers: one start after the other on Celery workers",
    "scrape_storage": "Scrapers: a snapshot stored",
}
HEAD: Final = """# Performance

What hhs_perf costs and how exact it is, measured beside the libraries that do the nearest job.
`nox -s bench` measures anew, keeps what it finds in `benchmarks/results`, and makes this page
of it.

## Method

A bound is a ratio to a peer or to a yardstick, never an absolute time: contenders run in one
process, in turns, in an order drawn anew for each round, and only the ratio within a round counts.
What is compared is CPU time of the whole process, user and system, all threads included; garbage
is collected before each turn and not counted. The tables give the median over the rounds and, in
brackets, the quartiles. Costs of a request and of a start are what comes on top of the bare
application and of the bare interpreter, which take their turns too.

hhs_perf runs with default settings and all its features on: its SLAs and alerts watch the
very series that are measured, and every figure includes the flush that moves observations into the
digests. Peers record the same values under the same dimensions, with their defaults; what they
would pay later for an export is not charged to them.

The cache is compared with what Python has for caching, and its second level with redis-py itself,
on servers that the run starts: Valkey 9 and Redis 7, with both protocols. Waiting is part of some
figures there; they are wall time, and say so.

The database part is compared with an empty pair of SQLAlchemy's listeners, with which every other
instrumentation begins, and with what is shipped to watch queries, on SQLite and on PostgreSQL 18
servers that the run starts. Peers that patch what all engines share run in processes of their own,
in the same rounds; what they do at the end of a request is not charged to them.

Scraping is compared with crawlers and with bare clients, each in a process of its own on a core of
its own, at a server on another one. There, too, only figures of one round are compared. Time on
the clock is told beside CPU time, as a scraper mostly waits.

The scenarios, their seeds and the truth (`sorted(raw)[ceil(q n) - 1]`, nearest rank) stand in
`benchmarks/scenarios.py` and are older than the code that they judge.
"""


def load(folder: Path = RESULTS) -> dict[str, dict[str, Any]]:
    """Return the saved results by subject, in the order in which the page tells them."""
    found = {path.stem: json.loads(path.read_text("utf-8")) for path in folder.glob("*.json")}
    order = [*TITLES, *sorted(set(found) - set(TITLES))]
    return {subject: found[subject] for subject in order if subject in found}


def page(saved: dict[str, dict[str, Any]]) -> str:
    """Return the page as Markdown."""
    parts = [HEAD]
    for subject, run in saved.items():
        title = TITLES.get(subject, subject.replace("_", " ").capitalize())
        parts.append(f"## {title}\n\n{_table(run['results'])}\n\n{_circumstances(run)}\n")
    return "\n".join(parts)


def _table(results: list[dict[str, Any]]) -> str:
    rows = [
        "| what | hhs_perf | peer | the peer's | ratio [quartiles] | bound |",
        "|---|---|---|---|---|---|",
    ]
    rows += [_row(result) for result in results]
    notes = [result["note"] for result in results if result["note"]]
    return "\n".join([*rows, *(f"\n{note}" for note in dict.fromkeys(notes))])


def _row(result: dict[str, Any]) -> str:
    unit, ratio, theirs = result["unit"], result["ratio"], result["theirs"]
    cells = [
        result["what"],
        f"{_figure(result['ours']['median'])} {unit}",
        result["peer"] or "-",
        "-" if theirs is None else f"{_figure(theirs['median'])} {unit}",
        "-" if ratio is None else "{} [{}, {}]".format(*map(_figure, _spread(ratio))),
        _bound(result),
    ]
    return f"| {' | '.join(cells)} |"


def _spread(ratio: dict[str, float]) -> tuple[float, float, float]:
    return ratio["median"], ratio["low"], ratio["high"]


def _bound(result: dict[str, Any]) -> str:
    if result["bound"] is None:
        return "shown"
    unit = "" if result["ratio"] else f" {result['unit']}"
    text = f"≤ {_figure(result['bound'])}{unit}"
    return text if result["holds"] else f"{text} **missed**"


def _figure(value: float) -> str:
    if value == 0 or abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def _circumstances(run: dict[str, Any]) -> str:
    machine = run["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in sorted(run["versions"].items()))
    return (
        f"Measured on {machine['python']}, {machine['system']}, {machine['cores']} cores of"
        f" {machine['cpu']}, with {versions}."
    )


def write() -> None:
    """Write the page."""
    PAGE.write_text(page(load()), "utf-8")


def main(arguments: list[str]) -> int:
    """Write or check the page; return 1 if a check finds another page."""
    if "--check" in arguments:
        return int(not PAGE.exists() or PAGE.read_text("utf-8") != page(load()))
    write()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
