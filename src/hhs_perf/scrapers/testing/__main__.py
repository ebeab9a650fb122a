"""Serve fake platforms: `python -m hhs_perf.scrapers.testing [--port N] [--latency SECONDS]`."""

from __future__ import annotations

import argparse
import threading

from .server import FakeServer
from .world import FakeWorld


def main() -> None:
    """Serve until interrupted; the address is printed once it listens."""
    parser = argparse.ArgumentParser(description="Serve fake platforms on 127.0.0.1.")
    parser.add_argument("--port", type=int, default=0, help="0: any that is free")
    parser.add_argument("--latency", type=float, default=0.0, help="seconds before each answer")
    parser.add_argument("--seed", type=int, default=0, help="of the accounts that are made up")
    asked = parser.parse_args()
    with FakeServer(FakeWorld(seed=asked.seed), latency=asked.latency, port=asked.port) as server:
        print(server.url, flush=True)  # noqa: T201 - for whoever started it
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            return


if __name__ == "__main__":
    main()
