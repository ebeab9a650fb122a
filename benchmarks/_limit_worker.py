"""A process that starts under a limit that others share; started by `test_scrape_limits`."""

from __future__ import annotations

import asyncio
import json
import sys
import time

from benchmarks._limit_peers import SHARED


async def _serve(contender: str, url: str, namespace: str, skew: float, interval: float) -> None:
    limiter = SHARED[contender](url, namespace, skew, interval)
    await limiter.open()
    print(json.dumps("ready"), flush=True)
    work = json.loads(await asyncio.to_thread(sys.stdin.readline))
    await asyncio.sleep(work["at"] - time.perf_counter())
    starts: list[float] = []

    async def start() -> None:
        for _ in range(work["count"]):
            await limiter.acquire()
            starts.append(time.perf_counter())

    began = time.process_time()
    await asyncio.gather(*(start() for _ in range(work["tasks"])))
    print(json.dumps({"starts": starts, "cpu": time.process_time() - began}), flush=True)
    await limiter.close()


if __name__ == "__main__":
    asyncio.run(_serve(*sys.argv[1:4], *map(float, sys.argv[4:])))  # type: ignore[call-arg] # as many as it takes
