"""The backplane: one thread of a process that hears what the others say on a channel.

It has a connection of its own. When nothing answers a ping on it for a second the link counts as
lost. Whoever listens is given turns on that thread as well, to do what no caller shall wait for.
"""

from __future__ import annotations

import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, Final, Protocol
from weakref import ref

if TYPE_CHECKING:
    from collections.abc import Callable

    import redis
    from redis.client import PubSub

__all__ = ["Backplane", "Listener"]

_TURN: Final = 0.1
_PING_EVERY: Final = 1.0
_PONG_WITHIN: Final = 1.0
_RETRY_AT_MOST: Final = 0.25


class Listener(Protocol):
    """Whom a backplane tells what it hears; all is called on its thread."""

    def heard(self, message: str) -> None:
        """Take a message of some process, this one's own included."""
        ...

    def linked(self) -> bool:
        """Take that messages are heard from now on; False where that cannot be made use of."""
        ...

    def lost(self, error: BaseException | None) -> None:
        """Take that messages are not heard any more."""
        ...

    def turn(self) -> None:
        """Do what is due; called ten times a second, unless the backplane is told otherwise."""
        ...

    def fault(self, error: BaseException) -> None:
        """Take an error that the listener itself raised."""
        ...


class Backplane:
    """Listens on one channel, on a daemon thread that ends when the listener is collected."""

    def __init__(
        self,
        make_client: Callable[[], redis.Redis],
        channel: str,
        listener: Listener,
        monotonic: Callable[[], float],
        errors: tuple[type[BaseException], ...],
        name: str = "hhs_perf-backplane",
        turn: float = _TURN,
    ) -> None:
        self._make_client = make_client
        self._channel = channel
        self._listener = ref(listener)
        self._now = monotonic
        self._errors = errors
        self._name = name
        self._turn = turn
        # Guards the start and the end of the thread; reentrant as that of flights.
        self._lock = threading.RLock()
        self._thread: threading.Thread | None = None
        self._stop = threading.Event()
        self.first_try: Future[None] = Future()
        """Done when the first attempt to listen has ended, well or not."""
        self.is_linked = False
        self.lag: float | None = None
        """Seconds that the last ping took through the queue of messages; None when never."""
        self.losses = 0

    @property
    def is_running(self) -> bool:
        """Tell whether the thread was started, and not stopped."""
        return self._thread is not None

    def ensure_started(self) -> None:
        """Start the thread, unless it runs."""
        if self._thread is None:
            with self._lock:
                if self._thread is None:
                    thread = threading.Thread(
                        target=self._run,
                        args=(self._stop,),
                        name=self._name,
                        daemon=True,
                    )
                    # At first: a signal handler may ask for it while it starts.
                    self._thread = thread
                    try:
                        thread.start()
                    except BaseException:
                        self._thread = None
                        raise

    def stop(self, *, wait: float = 2) -> None:
        """End the thread, which takes it a turn, and wait for it for so many seconds at most."""
        with self._lock:
            self._stop.set()
            self._stop = threading.Event()
            thread, self._thread = self._thread, None
        if thread is not None:
            # One that a signal handler stops while it starts has no number yet.
            if thread is not threading.current_thread() and thread.ident is not None:
                thread.join(wait)
            self._lost(None)

    def restart(self) -> None:
        """Let `ensure_started` start anew after `stop`, or in a forked child."""
        self._lock = threading.RLock()
        self._thread = None
        self._stop = threading.Event()
        self.first_try = Future()
        self.is_linked = False
        self.lag = None

    def _run(self, stop: threading.Event) -> None:
        pause = _TURN
        while not stop.is_set() and self._listener() is not None:
            error: BaseException | None = None
            try:
                was_linked = self._listen(stop)
            except self._errors as exc:
                error, was_linked = exc, self.is_linked
            except Exception as exc:  # noqa: BLE001 - a named border: without the thread all is deaf
                error, was_linked = exc, self.is_linked
                self._fault(exc)
            pause = _TURN if was_linked else min(2 * pause, _RETRY_AT_MOST)
            if stop.is_set():
                return
            self._lost(error)
            self._tell("turn")
            stop.wait(pause)

    def _listen(self, stop: threading.Event) -> bool:
        """Hear and tell until the link breaks; give whether there was one."""
        client = self._make_client()
        try:
            subscribe: Callable[[], PubSub] = client.pubsub
            with subscribe() as pubsub:
                pubsub.subscribe(self._channel)
                self._hear(pubsub, stop)
        finally:
            client.close()
        return self.is_linked

    def _hear(self, pubsub: PubSub, stop: threading.Event) -> None:
        pinged: float | None = None
        next_ping = self._now() + _PING_EVERY
        next_turn = self._now()
        deadline = self._now() + _PONG_WITHIN
        while not stop.is_set() and self._listener() is not None:
            message: dict[str, Any] = pubsub.get_message(timeout=self._turn) or {}
            if stop.is_set():
                return
            now = self._now()
            kind = message.get("type")
            if kind == "message":
                self._tell("heard", _text(message["data"]))
            elif kind == "subscribe":
                self._linked()
                next_ping = now + _PING_EVERY
            elif kind == "pong" and pinged is not None:
                self.lag, pinged = now - pinged, None
            if not self.is_linked and now > deadline:
                raise TimeoutError("the subscription was not confirmed")
            if pinged is not None and now - pinged > _PONG_WITHIN:
                raise TimeoutError("the ping was not answered")
            if pinged is None and self.is_linked and now >= next_ping:
                pubsub.ping()
                pinged, next_ping = now, now + _PING_EVERY
            if now >= next_turn:
                self._tell("turn")
                next_turn = now + self._turn

    def _linked(self) -> None:
        if not self._tell("linked"):
            raise ConnectionError("what was said meanwhile is not known")
        self.is_linked = True
        self._tried()

    def _lost(self, error: BaseException | None) -> None:
        if self.is_linked:
            self.is_linked = False
            self.losses += 1
            self.lag = None
        self._tell("lost", error)
        self._tried()

    def _tried(self) -> None:
        if not self.first_try.done():
            self.first_try.set_result(None)

    def _tell(self, what: str, *arguments: Any) -> Any:
        listener = self._listener()
        if listener is None:
            return None
        try:
            return getattr(listener, what)(*arguments)
        except Exception as exc:  # noqa: BLE001 - a named border: the thread must go on
            self._fault(exc)
            return None

    def _fault(self, error: Exception) -> None:
        listener = self._listener()
        if listener is not None:
            listener.fault(error)


def _text(data: bytes | str) -> str:
    return data.decode(errors="replace") if isinstance(data, bytes) else data
