"""Scrapers that take turns, each in a process of its own, at one server on the other core."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self
from urllib.request import urlopen

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT: Final = Path(__file__).parent.parent


class ScrapeServer:
    """The ten platforms, in a process of their own."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks._scrape_server"],
            cwd=ROOT,
            text=True,
            stdout=subprocess.PIPE,
        )
        assert self._process.stdout is not None
        self.port: int = json.loads(self._process.stdout.readline())["port"]

    def __enter__(self) -> Self:
        """Use it."""
        return self

    def __exit__(self, *_: object) -> None:
        """End it."""
        self._process.terminate()
        self._process.communicate()

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.port}"

    def ask(self, path: str) -> Any:  # noqa: ANN401 - JSON
        """Ask what it has seen."""
        with urlopen(self.url + path) as reply:
            return json.load(reply)


def run(module: str, *arguments: object) -> dict[str, float]:
    """Run a worker to its end, and give what it says."""
    command = [sys.executable, "-m", f"benchmarks.{module}", *map(str, arguments)]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])


class Rounds:
    """What each contender took, round by round."""

    def __init__(self, names: Sequence[str], workers: int, accounts: int) -> None:
        self._names = list(names)
        self._workers = workers
        self._accounts = accounts
        self._rng = random.Random(0)
        self.taken: dict[str, list[dict[str, float]]] = {name: [] for name in names}

    def round(self, port: int) -> None:
        """Let each run once, in an order drawn anew; all have to find all figures."""
        self._rng.shuffle(self._names)
        for name in self._names:
            taken = run("_scrape_worker", name, port, self._workers, self._accounts)
            assert taken["right"] == self._accounts, name
            self.taken[name].append(taken)

    def of(self, name: str, what: str, factor: float = 1.0) -> list[float]:
        """Give the figures of one contender."""
        return [each[what] * factor for each in self.taken[name]]
