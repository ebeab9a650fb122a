"""What others scrape with, at their defaults; nothing is stored and nothing measured."""

from __future__ import annotations

import asyncio
import logging
from importlib import import_module
from typing import TYPE_CHECKING, Any

from benchmarks._scrape_worker import is_right, paths

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def _followers(profile: Any) -> object:  # noqa: ANN401 - JSON
    return profile["data"]["public_metrics"]["followers_count"]


def by_httpx(base_url: str, workers: int, accounts: int, library: str) -> Callable[[], int]:
    """Prepare one client for all, as people write it."""
    httpx = import_module(library)
    wanted = paths(accounts)

    async def run() -> int:
        left = iter(wanted)
        right = 0
        limits = httpx.Limits(max_connections=workers, max_keepalive_connections=workers)
        async with httpx.AsyncClient(limits=limits) as client:

            async def work() -> None:
                nonlocal right
                for path in left:
                    reply = await client.get(base_url + path, params={"fields": "metrics"})
                    right += is_right(path, _followers(reply.json()))

            await asyncio.gather(*(work() for _ in range(workers)))
        return right

    return lambda: asyncio.run(run())


def by_aiohttp(base_url: str, workers: int, accounts: int, _: str) -> Callable[[], int]:
    """Prepare one session for all."""
    aiohttp = import_module("aiohttp")
    wanted = paths(accounts)

    async def run() -> int:
        left = iter(wanted)
        right = 0
        async with aiohttp.ClientSession() as session:

            async def work() -> None:
                nonlocal right
                for path in left:
                    url = f"{base_url}{path}?fields=metrics"
                    async with session.get(url) as reply:
                        right += is_right(path, _followers(await reply.json()))

            await asyncio.gather(*(work() for _ in range(workers)))
        return right

    return lambda: asyncio.run(run())


def by_scrapy(base_url: str, workers: int, accounts: int, _: str) -> Callable[[], int]:
    """Prepare a spider without delay, whose only slot has all workers."""
    scrapy = import_module("scrapy")
    crawler = import_module("scrapy.crawler")
    wanted = paths(accounts)
    right: list[bool] = []

    class Spider(scrapy.Spider):  # type: ignore[misc, name-defined] # imported above
        name = "profiles"

        async def start(self) -> Any:  # noqa: ANN401 - an iterator of theirs
            for path in wanted:
                yield scrapy.Request(f"{base_url}{path}?fields=metrics", cb_kwargs={"path": path})

        def parse(self, response: Any, path: str) -> Iterator[dict[str, object]]:  # noqa: ANN401 - theirs
            followers = _followers(response.json())
            right.append(is_right(path, followers))
            yield {"path": path, "followers": followers}

    process = crawler.CrawlerProcess(
        {
            "LOG_ENABLED": False,
            "CONCURRENT_REQUESTS": workers,
            "CONCURRENT_REQUESTS_PER_DOMAIN": workers,
            "DOWNLOAD_DELAY": 0,
            "ROBOTSTXT_OBEY": False,
            "TELNETCONSOLE_ENABLED": False,
        }
    )

    def run() -> int:
        process.crawl(Spider)
        process.start()
        return sum(right)

    return run


def by_crawlee(base_url: str, workers: int, accounts: int, _: str) -> Callable[[], int]:
    """Prepare its crawler of plain HTTP, with the client that it comes with."""
    crawlers = import_module("crawlee.crawlers")
    crawlee = import_module("crawlee")
    json = import_module("json")
    logging.disable(logging.CRITICAL)
    wanted = {f"{base_url}{path}?fields=metrics": path for path in paths(accounts)}
    right: list[bool] = []

    async def run() -> int:
        crawler = crawlers.HttpCrawler(
            concurrency_settings=crawlee.ConcurrencySettings(
                min_concurrency=workers, desired_concurrency=workers, max_concurrency=workers
            ),
            configure_logging=False,
        )

        @crawler.router.default_handler
        async def handle(context: Any) -> None:  # noqa: ANN401 - theirs
            profile = json.loads(await context.http_response.read())
            right.append(is_right(wanted[context.request.url], _followers(profile)))

        await crawler.run(list(wanted))
        return sum(right)

    return lambda: asyncio.run(run())
