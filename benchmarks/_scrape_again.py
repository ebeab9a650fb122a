"""Ten accounts that are refused twice: ``python -m benchmarks._scrape_again CONTENDER PORT``.

Answers with a line of JSON: the seconds that it took, and how many profiles were had in the end.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
import time
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ACCOUNTS: Final = 10
WORKERS: Final = 5


def ours(base_url: str, platforms: int) -> Callable[[], int]:
    """Prepare our engine; its platforms go by names, and the limits of each are its own."""
    from benchmarks._scrape_ours import load, scrapers
    from hhs_perf.scrapers import Account

    names = [f"a{n}" for n in range(platforms)]
    load("aiohttp")
    engine = scrapers(f"{base_url}/again", "aiohttp", *names)
    listed = [
        Account(url=f"https://{names[n % platforms]}.example/account{n}") for n in range(ACCOUNTS)
    ]
    return lambda: engine.scrape(listed, max_workers=WORKERS).succeeded


def by_scrapy(urls: list[str]) -> Callable[[], int]:
    """Prepare a spider as it comes, which asks again up to twice."""
    scrapy = import_module("scrapy")
    had: list[str] = []

    class Spider(scrapy.Spider):  # type: ignore[misc, name-defined] # imported above
        name = "again"
        start_urls = urls

        def parse(self, response: Any) -> Iterator[object]:  # noqa: ANN401 - theirs
            had.append(response.url)
            yield from ()

    process = import_module("scrapy.crawler").CrawlerProcess(
        {
            "LOG_ENABLED": False,
            "TELNETCONSOLE_ENABLED": False,
            "CONCURRENT_REQUESTS_PER_DOMAIN": WORKERS,
            "DOWNLOAD_DELAY": 0,
        }
    )

    def run() -> int:
        process.crawl(Spider)
        process.start()
        return len(had)

    return run


def by_crawlee(urls: list[str]) -> Callable[[], int]:
    """Prepare its crawler of plain HTTP as it comes."""
    crawlers = import_module("crawlee.crawlers")
    crawlee = import_module("crawlee")
    logging.disable(logging.CRITICAL)
    had: list[str] = []

    async def run() -> int:
        concurrency = crawlee.ConcurrencySettings(
            desired_concurrency=WORKERS, max_concurrency=WORKERS
        )
        crawler = crawlers.HttpCrawler(
            concurrency_settings=concurrency, configure_logging=False, max_request_retries=4
        )

        @crawler.router.default_handler
        async def handle(context: Any) -> None:  # noqa: ANN401 - theirs
            had.append(context.request.url)

        await crawler.run(urls)
        return len(had)

    return lambda: asyncio.run(run())


def main(contender: str, port: str) -> None:
    """Run one contender once."""
    base_url = f"http://127.0.0.1:{port}"
    urls = [f"{base_url}/again/account{n}" for n in range(ACCOUNTS)]
    run = {
        "ours": lambda: ours(base_url, ACCOUNTS),
        "ours, one platform": lambda: ours(base_url, 1),
        "scrapy": lambda: by_scrapy(urls),
        "crawlee": lambda: by_crawlee(urls),
    }[contender]()
    began = time.perf_counter()
    had = run()
    print(json.dumps({"wall": time.perf_counter() - began, "had": had}), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
