"""Warm-ups wait here for one of a few daemon threads, which live only while there is work."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import attrs

from ..flight import warming

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Order", "WarmQueue"]


@attrs.define(kw_only=True, eq=False)
class Order:
    """That a warm-up is to run.

    `since` is the time, on Redis's clock, since which what was loaded is new enough; None where
    all that is fresh is. `request` names the message that asked for it, if one did.
    """

    name: str
    since: float | None
    request: str = ""
    done: threading.Event = attrs.field(factory=threading.Event)


class WarmQueue:
    """Runs orders, of one name never two at a time, on `workers` threads at most."""

    def __init__(self, workers: int, work: Callable[[Order], None]) -> None:
        self._workers = workers
        self._work = work
        # Guards the three fields below.
        self._lock = threading.Condition()
        self._waiting: dict[str, Order] = {}
        self._running: set[str] = set()
        self._threads = 0

    def put(self, order: Order) -> Order:
        """Let an order be run; one of its name that waits already is made to serve for both."""
        with self._lock:
            waiting = self._waiting.setdefault(order.name, order)
            if waiting is not order:
                if order.since is not None:
                    waiting.since = max(order.since, waiting.since or order.since)
                waiting.request = max(waiting.request, order.request)
            if self._threads < min(self._workers, len(self._waiting) + len(self._running)):
                self._start()
            return waiting

    def clear(self, seconds: float) -> None:
        """Drop what waits, and give what runs some seconds to end."""
        with self._lock:
            for order in self._waiting.values():
                order.done.set()
            self._waiting.clear()
            self._lock.wait_for(lambda: not self._running, seconds)

    def after_fork_in_child(self) -> None:
        """Begin empty: the threads are the parent's."""
        self._lock = threading.Condition()
        self._waiting = {}
        self._running = set()
        self._threads = 0

    def _start(self) -> None:
        thread = threading.Thread(target=self._run, name="hhs_perf-warm", daemon=True)
        self._threads += 1
        try:
            thread.start()
        except RuntimeError:  # the interpreter ends
            self._threads -= 1

    def _run(self) -> None:
        warming.set(True)
        while (order := self._take()) is not None:
            try:
                self._work(order)
            finally:
                with self._lock:
                    self._running.discard(order.name)
                    self._lock.notify_all()
                order.done.set()

    def _take(self) -> Order | None:
        with self._lock:
            name = next((name for name in self._waiting if name not in self._running), None)
            if name is None:
                self._threads -= 1
                return None
            self._running.add(name)
            return self._waiting.pop(name)
