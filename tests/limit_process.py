"""A process that shares limits with others: told over stdin what to start, it answers with times.

Run as a script: `limit_process.py URL NAMESPACE SKEW`.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from typing import Any, Self

from hhs_perf.scrapers.limits.shared import SharedLimiter

__all__ = ["LimitProcess"]


class LimitProcess:
    """Such a process, seen from the test."""

    def __init__(self, url: str, namespace: str, skew: float = 0.0) -> None:
        command = [sys.executable, __file__, url, namespace, str(skew)]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def wait_until_ready(self) -> None:
        """Wait until it is connected and listens."""
        assert self.answer() == "ready"

    def tell(self, **work: Any) -> None:
        """Tell it to do something, see `_work`."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(work) + "\n")
        self._process.stdin.flush()

    def answer(self) -> Any:
        """Wait for what it answers."""
        assert self._process.stdout is not None
        return json.loads(self._process.stdout.readline())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate("", timeout=10)


class SkewedClock:
    """Clocks that are wrong by so many seconds."""

    def __init__(self, skew: float) -> None:
        self._skew = skew

    def monotonic(self) -> float:
        return time.perf_counter() + self._skew

    def wall(self) -> float:
        return time.time() + self._skew


async def _work(
    limiter: SharedLimiter,
    *,
    count: int = 0,
    tasks: int = 1,
    interval: float = 0.05,
    pause: float = 0.0,
    at: float = 0.0,
    platform: str = "x",
) -> dict[str, Any]:
    """Pause, or start `count` times in each of `tasks`; not before the time `at`."""
    starts: list[float] = []

    async def start() -> None:
        for _ in range(count):
            await limiter.acquire(platform, interval)
            starts.append(time.perf_counter())

    await asyncio.sleep(max(0.0, at - time.perf_counter()))
    if pause:
        await limiter.pause(platform, pause)
    began = time.process_time()
    await asyncio.gather(*(start() for _ in range(tasks)))
    return {
        "starts": starts,
        "cpu": time.process_time() - began,
        "free_in": limiter.free_in(platform),
        "now": time.perf_counter(),
    }


async def _serve(url: str, namespace: str, skew: float) -> None:
    limiter = SharedLimiter(url, SkewedClock(skew), namespace=namespace)
    # Connects, loads the script and listens, so that what follows is measured alone.
    await limiter.acquire("warm-up", 0)
    while not limiter.is_listening:  # noqa: ASYNC110 - a thread makes it so
        await asyncio.sleep(0.01)
    print(json.dumps("ready"), flush=True)
    while line := await asyncio.to_thread(sys.stdin.readline):
        print(json.dumps(await _work(limiter, **json.loads(line))), flush=True)
    await limiter.close()


if __name__ == "__main__":
    asyncio.run(_serve(sys.argv[1], sys.argv[2], float(sys.argv[3])))
