"""Warming: loaders that run before anybody has to wait for them."""

from __future__ import annotations

import math
import random
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

import attrs

from ..._fork import renew_after_fork
from ..._ticker import Ticker
from ...exceptions import CacheBackendError
from ..checked import checked_loader, checked_tags, checked_text
from ..policy import check_ttl
from ..remote.l2 import L2Down
from .board import Board
from .frequent import Frequent
from .hot_store import FileStore, RedisStore
from .warm_queue import Order, WarmQueue
from .warm_ups import WarmResult, WarmUp, keyed, loose, planned

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from ..core import Core
    from ..policy import Policy
    from ..wire.codec import Codec
    from .board import WarmUpRow
    from .hot_store import HotStore

__all__ = ["FREQUENT", "WarmResult", "Warming"]

FREQUENT: Final = "frequent"
"""The name of the warm-up that is built in."""

_TURN: Final = 1.0
_LEARN_EVERY: Final = 60.0
_ENDS_WITHIN: Final = 2.0
_LINKED_WITHIN: Final = 1.0
_REQUEST: Final = 16
_LONGEST_NAME: Final = 100
# Where a warm-up says how often but not how long: so that no value ends before the next is there.
_LIVES_FOR: Final = 1.5
_NOTHING_KEPT: Final = "nothing is kept from one run to the next: no Redis, no HHS_PERF_STATE_DIR"


class Warming:
    """The warm-ups of one cache.

    All run when `start` is called, side by side on a few daemon threads, and those with a
    schedule again and again until `close`. One that fails is logged, counted, and told in
    `results()`; the others do not notice. In a child forked after `start` they run again, as its
    memory begins empty.
    """

    def __init__(
        self,
        core: Core,
        codec: Codec,
        *,
        workers: int = 4,
        state_dir: Path | None = None,
        share: Callable[[], float] = random.random,
    ) -> None:
        self._core = core
        self._share = share
        self._now = core.memory.now
        self._wall = core.lookup.wall
        self._board = None if core.below is None else Board(core)
        store: HotStore | None = None
        if self._board is not None:
            store = RedisStore(self._board)
        elif state_dir is not None:
            store = FileStore(state_dir, core.namespace)
        self._frequent = Frequent(core, codec, store, self._wall)
        self._queue = WarmQueue(workers, self._run)
        # Held while this process's row is written.
        self._telling = threading.Lock()
        # Guards the fields below.
        self._lock = threading.RLock()
        self._warm_ups: dict[str, WarmUp] = {}
        self._is_started = False
        self._runs_anew = False
        self._learn_at = math.inf
        self._ticker = Ticker(self.turn, _TURN, "hhs_perf-warm-ups", core.faults)
        off = WarmResult(name=FREQUENT, state="off", note=_NOTHING_KEPT)
        is_kept = self._frequent.is_kept
        result = WarmResult(name=FREQUENT) if is_kept else off
        self._warm_ups[FREQUENT] = WarmUp(warm=lambda _: self._frequent.restore(), result=result)
        core.on_warm = self.asked
        renew_after_fork(self)

    def add(
        self,
        name: str,
        loader: Callable[[], Any],
        *,
        key: str | None = None,
        ttl: float | None = None,
        tags: Iterable[str] = (),
        policy: Policy | None = None,
        type_: Any = None,
        every: float | None = None,
    ) -> None:
        """Take a warm-up, in place of one of the same name; see `TieredCache.warm`."""
        checked_text(name, "name")
        checked_loader(loader)
        if not name or not name.isprintable() or len(name) > _LONGEST_NAME or name == FREQUENT:
            raise ValueError(
                f"name: must be 1 to {_LONGEST_NAME} printable characters"
                f" and not {FREQUENT!r}, which is built in, got {name!r}"
            )
        tags = checked_tags(tags)
        if key is None and (ttl is not None or tags or policy is not None or type_ is not None):
            raise ValueError("ttl, tags, policy and type belong to a key, and there is none")
        if every is not None:
            check_ttl(every, "every")
        warm = loose(self._core, loader)
        if key is not None:
            if ttl is None and every is not None:
                ttl = _LIVES_FOR * every
            request = self._core.request(
                key, loader, ttl=ttl, tags=tags, policy=policy, type_=type_
            )
            warm = keyed(self._core, request)
        elif (request_of_call := planned(loader)) is not None:
            warm = keyed(self._core, request_of_call)
        with self._lock:
            self._warm_ups[name] = WarmUp(warm=warm, result=WarmResult(name=name, every=every))
            is_started = self._is_started
        if is_started:
            self._queue.put(Order(name=name, since=None))

    def results(self) -> tuple[WarmResult, ...]:
        """Tell how each warm-up stands, in the order of their registration."""
        with self._lock:
            return tuple(each.result for each in self._warm_ups.values())

    def start(self) -> None:
        """Run all warm-ups in the background, and from now on those with a schedule in time."""
        with self._lock:
            if self._is_started:
                return
            self._is_started = True
            self._learn_at = self._now() + _LEARN_EVERY
        if self._core.below is not None:
            # Requests of `hhs-perf cache warm` are to be heard although nobody looks anything up.
            self._core.below.backplane.ensure_started()
        self._run_all()
        self._ticker.start()

    def run_now(self, names: Iterable[str], timeout: float | None) -> tuple[WarmResult, ...]:
        """Load anew what those warm-ups, or all, load; wait for it, and tell how they stand."""
        chosen = list(dict.fromkeys(names)) or [each.name for each in self.results()]
        with self._lock:
            unknown = [name for name in chosen if name not in self._warm_ups]
            known = ", ".join(self._warm_ups)
            active = [name for name in chosen if self._is_active(name)]
        if unknown:
            raise ValueError(f"no warm-up is called {unknown[0]!r}; there are {known}")
        since = self._redis_now()
        orders = [self._queue.put(Order(name=name, since=since)) for name in active]
        until = None if timeout is None else self._now() + timeout
        for order in orders:
            order.done.wait(None if until is None else max(0.0, until - self._now()))
        return tuple(each for each in self.results() if each.name in chosen)

    def asked(self, message: str) -> None:
        """Take a request of `hhs-perf cache warm`: the time that it was made, and a name or ``."""
        request, name = message[:_REQUEST], message[_REQUEST:]
        if not (request.isascii() and request.isdigit()):
            return
        active: list[str] = []
        with self._lock:
            for each, warm_up in self._warm_ups.items():
                # Who asks does so again until all have answered.
                if name not in ("", each) or request <= warm_up.heard:
                    continue
                warm_up.heard = request
                if self._is_active(each):
                    active.append(each)
                else:
                    warm_up.request = request
        for each in active:
            self._queue.put(Order(name=each, since=int(request) / 1e6, request=request))

    def turn(self) -> None:
        """Do what is due."""
        now = self._now()
        with self._lock:
            anew, self._runs_anew = self._runs_anew, False
            due = [(name, each) for name, each in self._warm_ups.items() if each.due <= now]
            for _, each in due:
                each.due = math.inf
            learns = now >= self._learn_at
            if learns:
                self._learn_at = now + _LEARN_EVERY
        if anew:
            self._run_all()
        for name, each in due:
            # Where another process has done so half a turn ago, its value is taken.
            since = self._redis_now() - (each.result.every or 0.0) / 2
            self._queue.put(Order(name=name, since=since))
        if learns:
            self._learn()
            self._tell()

    def close(self) -> None:
        """End the schedule, give what runs two seconds, and keep the hot keys."""
        with self._lock:
            was_started, self._is_started = self._is_started, False
            for each in self._warm_ups.values():
                each.due = math.inf
        self._ticker.stop()
        self._queue.clear(_ENDS_WITHIN)
        if was_started:
            self._learn()
            if self._board is not None:
                with self._telling:
                    self._try(self._board.leave)

    def after_fork_in_child(self) -> None:
        """Know nothing of the parent's runs; all run again at the first turn."""
        self._telling = threading.Lock()
        self._lock = threading.RLock()
        self._queue.after_fork_in_child()
        self._runs_anew = self._is_started
        self._learn_at = self._now() + _LEARN_EVERY
        for name, each in self._warm_ups.items():
            each.due = math.inf
            if each.result.state != "off":
                each.result = WarmResult(name=name, every=each.result.every)

    def _is_active(self, name: str) -> bool:
        found = self._warm_ups.get(name)
        return found is not None and found.result.state != "off"

    def _run_all(self) -> None:
        with self._lock:
            active = [name for name in self._warm_ups if self._is_active(name)]
        for name in active:
            self._queue.put(Order(name=name, since=None))
        self._tell()

    def _await_link(self) -> None:
        """Wait until others are heard: then memory begins anew, and what is in it is lost."""
        below = self._core.below
        if below is not None and not below.second.listens():
            with suppress(TimeoutError):
                below.backplane.first_try.result(_LINKED_WITHIN)

    def _run(self, order: Order) -> None:
        self._await_link()
        with self._lock:
            warm_up = self._warm_ups[order.name]
            before = warm_up.result
            warm_up.result = attrs.evolve(before, state="running")
        started = self._now()
        note: str | None = None
        error: BaseException | None = None
        try:
            note = warm_up.warm(order.since)
        except (Exception, SystemExit) as exc:  # noqa: BLE001 - a named border: warm-ups
            error = exc
            note = self._noted(order.name, exc)
        ended = self._now()
        every = before.every
        with self._lock:
            warm_up.result = attrs.evolve(
                before,
                state="done" if error is None else "failed",
                seconds=ended - started,
                error=None if error is None else type(error).__name__,
                finished_at=self._wall(),
                note=note,
                runs=before.runs + 1,
                failures=before.failures + (error is not None),
            )
            warm_up.request = max(warm_up.request, order.request)
            if every is not None and self._is_started:
                # Not all processes at once.
                warm_up.due = ended + every * (0.9 + 0.2 * self._share())
        self._tell()

    def _noted(self, name: str, error: BaseException) -> str | None:
        """Note what a warm-up raised; of what is known without a traceback, give the reason."""
        faults = self._core.faults
        if name == FREQUENT and isinstance(error, OSError):
            faults.note("keeping the hot keys in HHS_PERF_STATE_DIR", error, is_plain=True)
            return f"HHS_PERF_STATE_DIR cannot be used: {error.strerror or error}"
        if isinstance(error, CacheBackendError):
            faults.note(f"the warm-up {name}", error, is_plain=True)
            return f"Redis cannot be used: {error}"
        faults.note(f"the warm-up {name}", error)
        return None

    def _learn(self) -> None:
        try:
            self._frequent.learn()
        except L2Down:  # nothing is lost: it is told next time
            return
        except OSError as exc:
            note = self._noted(FREQUENT, exc)
            with self._lock:
                frequent = self._warm_ups[FREQUENT]
                frequent.result = attrs.evolve(
                    frequent.result, state="failed", error=type(exc).__name__, note=note
                )

    def _tell(self) -> None:
        board = self._board
        if board is None:
            return
        # One after the other, or an older row could take the place of a newer one.
        with self._telling:
            if self._is_started:
                self._try(lambda: board.tell(self._rows()))

    def _rows(self) -> tuple[WarmUpRow, ...]:
        with self._lock:
            return tuple(each.row() for each in self._warm_ups.values())

    def _redis_now(self) -> float:
        below = self._core.below
        return self._wall() if below is None else below.level2.now()

    def _try(self, act: Callable[[], None]) -> None:
        try:
            act()
        except L2Down:  # whoever asks gets no answer from this process meanwhile
            return
