"""One scraper in a process of its own: what 2,000 accounts on ten platforms cost it.

Usage: ``python -m benchmarks._scrape_worker CONTENDER PORT WORKERS ACCOUNTS``.  Answers with a line
of JSON: seconds of CPU and of the clock from the first request on, accounts that it has the right
figures of, and the largest resident memory in MB.  Imports and set-up are not measured.
"""

from __future__ import annotations

import importlib
import json
import resource
import sys
import time
from typing import TYPE_CHECKING, Final

from benchmarks._scrape_cores import pin

if TYPE_CHECKING:
    from collections.abc import Callable

PLATFORMS: Final = 10
# Where each contender is: a function of its own in a module, called with what stands after a colon.
CONTENDERS: Final = {
    "ours, aiohttp": ("_scrape_ours", "engine", "aiohttp"),
    "ours, httpx2": ("_scrape_ours", "engine", "httpx2"),
    "ours, httpx": ("_scrape_ours", "engine", "httpx"),
    "ours, aiohttp, no SQL": ("_scrape_ours", "engine_without_sql", "aiohttp"),
    "ours, httpx, no SQL": ("_scrape_ours", "engine_without_sql", "httpx"),
    "our transport, aiohttp": ("_scrape_ours", "transport", "aiohttp"),
    "our transport, httpx": ("_scrape_ours", "transport", "httpx"),
    "aiohttp": ("_scrape_peers", "by_aiohttp", ""),
    "httpx": ("_scrape_peers", "by_httpx", "httpx"),
    "httpx2": ("_scrape_peers", "by_httpx", "httpx2"),
    "scrapy": ("_scrape_peers", "by_scrapy", ""),
    "crawlee": ("_scrape_peers", "by_crawlee", ""),
}


def paths(accounts: int) -> list[str]:
    """Give the paths of the accounts, spread over the platforms."""
    return [f"/p{n % PLATFORMS}/users/account{n}" for n in range(accounts)]


def is_right(path: str, followers: object) -> bool:
    """Tell whether these are the figures of that account."""
    return followers == sum(path.rpartition("/")[2].encode()) + 1000


def main(contender: str, port: int, workers: int, accounts: int) -> None:
    """Run one contender once."""
    pin(0)
    module, function, argument = CONTENDERS[contender]
    prepare: Callable[..., Callable[[], int]] = getattr(
        importlib.import_module(f"benchmarks.{module}"), function
    )
    run = prepare(f"http://127.0.0.1:{port}", workers, accounts, argument)
    cpu, wall = time.process_time(), time.perf_counter()
    right = run()
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"cpu": cpu, "wall": wall, "right": right, "rss": memory}), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))
