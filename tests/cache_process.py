"""A process with a cache of its own, told by lines of JSON what to do.

`python -m tests.cache_process <url> <namespace> <file that stands for a database>`
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

__all__ = ["CacheProcess"]

PATIENCE = 40.0


class CacheProcess:
    """The process, as the test sees it."""

    def __init__(self, url: str, namespace: str, database: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.cache_process", url, namespace, str(database)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            cwd=Path(__file__).parents[1],
        )

    @property
    def pid(self) -> int:
        return self._process.pid

    def tell(self, verb: str, *arguments: Any) -> None:
        """Say what to do; the answer is read later."""
        self._process.stdin.write(json.dumps([verb, *arguments]) + "\n")
        self._process.stdin.flush()

    def answer(self) -> Any:
        """Give the next answer."""
        line = self._process.stdout.readline()
        assert line, f"the process ended with {self._process.wait(5)}"
        return json.loads(line)

    def ask(self, verb: str, *arguments: Any) -> Any:
        """Say what to do, and give what came of it."""
        self.tell(verb, *arguments)
        return self.answer()

    def kill(self) -> None:
        self._process.kill()
        self._process.wait(10)

    def __enter__(self) -> Self:
        assert self.answer() == "ready"
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        self._process.stdin.close()
        self._process.stdout.close()


class Worker:
    """What the process does."""

    def __init__(self, url: str, namespace: str, database: Path) -> None:
        from hhs_perf.cache import TieredCache
        from tests.cache_worlds import link

        self.cache = link(TieredCache(url, namespace=namespace, l2_timeout=2.0))
        self._database = database
        self.calls = 0

    def row(self, key: str) -> str:
        """Read what the database says."""
        return (self._database / key).read_text()

    def load(self, key: str, seconds: float = 0.0, tags: list[str] | None = None) -> str:
        """Get a value whose load takes so long after it has read the database."""

        def loader() -> str:
            self.calls += 1
            row = self.row(key)
            time.sleep(seconds)
            return row

        return self.cache.get_or_load(key, loader, tags=tags or ())

    def crowd(self, key: str, callers: int, seconds: float, at: float) -> list[Any]:
        """Let so many threads ask at once at a time; give loads, slowest caller, and values."""
        self.calls = 0
        found: list[str] = []
        took: list[float] = []
        time.sleep(max(0.0, at - time.time()))

        def ask() -> None:
            began = time.perf_counter()
            found.append(self.load(key, seconds))
            took.append(time.perf_counter() - began)

        threads = [threading.Thread(target=ask) for _ in range(callers)]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
        return [self.calls, max(took), sorted(set(found))]

    def keep_loading(self, keys: list[str], seconds: float) -> None:
        """Load keys at random in the background."""
        self._stop = threading.Event()

        def go_on(chance: random.Random) -> None:
            while not self._stop.is_set():
                key = chance.choice(keys)
                self.load(key, chance.random() * seconds, [f"tag-{key}"])

        self._threads = [
            threading.Thread(target=go_on, args=(random.Random(os.getpid() + number),))
            for number in range(2)
        ]
        for each in self._threads:
            each.start()

    def end_loading(self) -> None:
        self._stop.set()
        for each in self._threads:
            each.join()

    def get(self, key: str) -> Any:
        return self.cache.get(key)

    def set(self, key: str, value: Any) -> None:
        self.cache.set(key, value)

    def delete(self, key: str) -> None:
        self.cache.delete(key)

    def invalidate(self, tags: list[str], prefix: str | None, everything: bool) -> None:
        self.cache.invalidate(tags=tags, prefix=prefix, everything=everything)

    def nested(self, outer: str, inner: str, at: float) -> str:
        """Load one key whose loader loads another; give the value, or the error's name."""
        time.sleep(max(0.0, at - time.time()))

        def loader() -> str:
            time.sleep(0.2)
            return "of " + self.cache.get_or_load(inner, backwards)

        def backwards() -> str:
            return self.cache.get_or_load(outer, lambda: "plain")

        try:
            return self.cache.get_or_load(outer, loader)
        except RuntimeError as exc:
            return type(exc).__name__

    def losses(self) -> int:
        return self.cache.core.below.backplane.losses


def _serve(answer: Callable[[Any], None]) -> None:
    worker = Worker(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
    answer("ready")
    for line in sys.stdin:
        verb, *arguments = json.loads(line)
        answer(getattr(worker, verb)(*arguments))


if __name__ == "__main__":
    _serve(lambda what: print(json.dumps(what), flush=True))
