"""The second level: values in Redis or Valkey, behind a breaker."""

from __future__ import annotations

import itertools
import math
import os
from typing import TYPE_CHECKING, Any, Final

from ..._redis import answered_errors, backend_errors
from ...exceptions import CacheBackendError
from .scripts import ACQUIRE, ASK, DELETE, EXTEND, MARK, PUT, RELEASE, STAND
from .unsent import Unsent
from .waiting import Waiting

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from ..._breaker import Breaker
    from ..._clock import Timeline
    from ..drive import Request, Steps
    from ..memory import Memory
    from ..observed.operations import Operations
    from .scripts import Call, Names
    from .unsent import Deed

__all__ = ["HELD", "LEASED", "MET", "L2Down", "Level2", "unreachable"]

MET: Final = 1
LEASED: Final = 2
HELD: Final = 3
"""What asking for a lease gave: a value that came meanwhile, the lease, or somebody else's."""

_LEASE_MS: Final = 5_000
_SEEN_BYTES: Final = 64
_LONG_BYTES: Final = 1 << 20
# By how much two clocks that NTP adjusts may part: 500 ppm is the most that it does to one.
_FASTEST_DRIFT: Final = 1e-3


class L2Down(Exception):  # noqa: N818 - not an error of the caller, and never seen by one
    """L2 does not answer, or was not asked since the breaker is open."""


class Level2:
    """What one process does in Redis, as generators of requests.

    An operation that fails after more than `stood_still` seconds tells nothing of Redis. Every
    method raises L2Down where Redis fails; what it did not take waits in `unsent_calls`, for the
    backplane's thread to send it again, and what is to be deleted reads as absent until then.
    """

    def __init__(
        self,
        names: Names,
        breaker: Breaker,
        memory: Memory,
        timeline: Timeline,
        stood_still: float,
        operations: Operations,
    ) -> None:
        self.names = names
        self.breaker = breaker
        self._memory = memory
        self._timeline = timeline
        self._stood_still = stood_still
        self._operations = operations
        self._errors = backend_errors()
        self._answers = answered_errors()
        # How far Redis's clock is ahead of ours, in seconds; None until it was asked.
        self.ahead: float | None = None
        self._closest = float("inf")
        self._compared_at = timeline.now()
        self.boot = _new_boot()
        self._tokens = itertools.count(1)
        self._unsent = Unsent()
        self.waiting = Waiting()

    # -- time

    def now(self) -> float:
        """Give Redis's time as far as it is known, in seconds since 1970."""
        return self._timeline.now() + (self.ahead or 0.0)

    def stamp(self) -> float:
        """Give a time to stamp a value with that is written now: after all marks known.

        But never after Redis's own time, or a mark that is set right after it would not void it.
        """
        now = self.now()
        earliest = now - _FASTEST_DRIFT * (self._timeline.now() - self._compared_at)
        return max(earliest, self._memory.marks.latest + 1e-6)

    def learn_time(self, redis_micros: bytes | str, asked: float, answered: float) -> None:
        """Compare Redis's clock with ours; the quickest answer tells it best."""
        took = answered - asked
        if took <= self._closest or self.ahead is None:
            self._closest = took
            self._compared_at = answered
            # As if the answer had taken no time to come: too low, never too high.
            self.ahead = int(redis_micros) / 1e6 - answered

    def forget_time(self) -> None:
        """Take the next comparison whatever it took: clocks drift, and servers change."""
        self._closest = float("inf")

    # -- requests

    def _ask(self, operation: str, request: Request, *, size: int = 0) -> Steps[Any]:
        if not self.breaker.is_closed:
            raise L2Down
        monotonic = self._timeline.monotonic
        started = monotonic()
        try:
            answer = yield request
        except self._errors as exc:
            took = monotonic() - started
            self._operations.take("l2", operation, took)
            self._operations.fail("l2", operation)
            # Sending so much may take longer than the time that an answer is given.
            self.failed(operation, exc, math.inf if size > _LONG_BYTES else took)
            raise L2Down from exc
        self._operations.take("l2", operation, monotonic() - started)
        return answer

    def failed(self, operation: str, error: BaseException, took: float = 0.0) -> None:
        """Take that Redis failed, after `took` seconds: more than enough tell nothing of it."""
        counts = self._memory.counts
        counts.l2_errors[operation] = counts.l2_errors.get(operation, 0) + 1
        counts.error(self._timeline.now(), f"l2 {operation}", error)
        # What Redis itself answers with an error concerns one command. And where much more time
        # went by than Redis was given, it was this process that stood still.
        if not isinstance(error, self._answers) and took < self._stood_still:
            self.breaker.failed(error)

    def _script(self, operation: str, call: Call) -> Steps[Any]:
        return self._ask(operation, ("script", (call,)))

    def _timed_script(self, operation: str, call: Call) -> Steps[Any]:
        asked = self._timeline.now()
        answer = yield from self._script(operation, call)
        stamp = answer[0] if isinstance(answer, list) else answer
        self.learn_time(stamp, asked, self._timeline.now())
        return answer

    # -- reading

    def read(self, key: str, *, is_heard: bool) -> Steps[bytes | None]:
        """Read the bytes of `key`; where nobody is heard, learn the standing marks as well."""
        name = self.names.value(key)
        if not is_heard:
            yield from self.ask_standing()
        raw: bytes | None = yield from self._ask("get", ("fetch", (name,)))
        return None if self.is_deleted(key) else raw

    def read_many(self, keys: Sequence[str], *, is_heard: bool) -> Steps[list[bytes | None]]:
        """Read the bytes of several keys, as `read`."""
        if not is_heard:
            yield from self.ask_standing()
        names = self.names.values(keys)
        answers: list[bytes | None] = yield from self._ask("get_many", ("fetch_many", (names,)))
        if len(self._unsent):
            pairs = zip(keys, answers, strict=True)
            return [None if self.is_deleted(key) else raw for key, raw in pairs]
        return answers

    def ask_standing(self) -> Steps[None]:
        """Learn the marks on prefixes and on everything, and the time."""
        answer = yield from self._timed_script("marks", (ASK, (self.names.marks,), ()))
        pairs = iter(answer[1])
        stamps = {_text(field): _stamp(raw) for field, raw in zip(pairs, pairs, strict=True)}
        everything = stamps.pop("*", 0.0)
        prefixes = {field[1:]: stamp for field, stamp in stamps.items()}
        with self._memory.lock:
            self._memory.marks.learn({}, prefixes, everything)

    def ask_tags(self, tags: Iterable[str]) -> Steps[None]:
        """Learn when `tags` were invalidated, if ever."""
        wanted = list(tags)
        names = [self.names.tag(tag) for tag in wanted]
        answers = yield from self._ask("tags", ("fetch_many", (names,)))
        stamps = {tag: _stamp(raw) for tag, raw in zip(wanted, answers, strict=True)}
        with self._memory.lock:
            self._memory.marks.learn(stamps, {}, 0.0)

    # -- leases

    def new_token(self) -> bytes:
        """Name a lease as nobody else does."""
        return f"{self.boot}-{next(self._tokens)}".encode()

    def acquire(
        self, key: str, token: bytes, seen: bytes | None, *, takes_over: bool = False
    ) -> Steps[tuple[int, float, Any]]:
        """Ask for the lease of `key`, of which the bytes `seen` are known, or take it over.

        Gives MET with the time and newer bytes, LEASED with the time, or HELD with the time and
        the seconds that the lease of somebody else still runs.
        """
        known = b"" if seen is None else b"=" + seen[:_SEEN_BYTES]
        arguments = (token, _LEASE_MS, b"!" if takes_over else known)
        keys = (self.names.value(key), self.names.lock(key))
        answer = yield from self._timed_script("acquire", (ACQUIRE, keys, arguments))
        stamp, outcome, rest = int(answer[0]) / 1e6, int(answer[1]), answer[2:]
        if outcome == HELD:
            return outcome, stamp, max(int(rest[0]), 0) / 1e3
        return outcome, stamp, rest[0] if rest else None

    def release(self, key: str, token: bytes) -> Steps[None]:
        """Give the lease of `key` back without a value."""
        yield from self._script("release", self._releasing(key, token))

    def _releasing(self, key: str, token: bytes) -> Call:
        arguments = (token, self.names.channel, self._message("f", key))
        return RELEASE, (self.names.lock(key),), arguments

    def extend(self, key: str, token: bytes, seconds: float) -> Steps[None]:
        """Let the lease of `key` run for `seconds` from now."""
        call = (EXTEND, (self.names.lock(key),), (token, int(seconds * 1e3)))
        yield from self._script("extend", call)

    # -- writing

    def put(self, key: str, data: bytes, seconds: float, token: bytes | None) -> Steps[bool]:
        """Store `data` for `seconds`; with a token only if its lease still holds."""
        request = ("script", (self._put(key, data, seconds, token),))
        answers = yield from self._ask("put", request, size=len(data))
        return bool(answers)

    def put_many(self, items: Iterable[tuple[str, bytes, float]]) -> Steps[None]:
        """Store several values, whoever is loading them."""
        calls: list[Call] = []
        size = 0
        for key, data, seconds in items:
            calls.append(self._put(key, data, seconds, None))
            size += len(data)
        yield from self._ask("put_many", ("scripts", (calls,)), size=size)

    def _put(self, key: str, data: bytes, seconds: float, token: bytes | None) -> Call:
        keys = (self.names.value(key), self.names.lock(key))
        milliseconds = max(1, int(seconds * 1e3))
        message = self._message("w", key)
        return PUT, keys, (token or b"", data, milliseconds, self.names.channel, message)

    def delete(self, keys: Sequence[str]) -> Steps[None]:
        """Remove `keys`, and break the leases of those who load them.

        Where that fails the caller says what is to be sent later: see `keep_unsent`.
        """
        yield from self._ask("delete", ("scripts", ([self.deletion(key) for key in keys],)))

    def deletion(self, key: str) -> Call:
        """What removes `key`."""
        keys = (self.names.value(key), self.names.lock(key))
        return DELETE, keys, (self.names.channel, self._message("d", key))

    def mark_tags(self, tags: Sequence[str]) -> Steps[None]:
        """Make void what has one of `tags`."""
        calls = [self.tag_mark(tag) for tag in tags]
        try:
            answers = yield from self._ask("invalidate", ("scripts", (calls,)))
        except L2Down:
            self.keep_unsent("tag", tags)
            raise
        for tag, raw in zip(tags, answers, strict=True):
            self._memory.mark("tag", tag, _stamp(raw))

    def tag_mark(self, tag: str) -> Call:
        """What marks `tag`."""
        arguments = (self.names.channel, f"t{self.boot}", tag)
        return MARK, (self.names.tag(tag),), arguments

    def stand(self, prefix: str | None) -> Steps[None]:
        """Make void what begins with `prefix`, or everything."""
        try:
            raw = yield from self._script("invalidate", self.standing_mark(prefix))
        except L2Down:
            self.keep_unsent("everything" if prefix is None else "prefix", (prefix or "",))
            raise
        self._memory.mark("everything" if prefix is None else "prefix", prefix or "", _stamp(raw))

    def standing_mark(self, prefix: str | None) -> Call:
        """What marks `prefix`, or everything."""
        field = "*" if prefix is None else f"p{prefix}"
        op = "e" if prefix is None else "p"
        arguments = (field, self.names.channel, f"{op}{self.boot}", prefix or "")
        return STAND, (self.names.marks,), arguments

    def _message(self, op: str, key: str) -> str:
        return f"{op}{self.boot}{key}"

    # -- what could not be sent

    def keep_unsent(self, kind: str, what: Iterable[str]) -> None:
        """Remember deletes and marks that Redis did not take, to repeat them."""
        if self._unsent.keep(kind, what):
            self._memory.mark("everything", "", self.now())

    def release_later(self, key: str, token: bytes) -> None:
        """Let a lease be given back by the backplane's thread, if it is held at all."""
        if self._unsent.has_room:
            self.keep_unsent("lease", (f"{token.decode()} {key}",))

    def is_deleted(self, key: str) -> bool:
        """Tell whether `key` is deleted, only that Redis could not be told yet."""
        return ("key", key) in self._unsent

    @property
    def unsent(self) -> int:
        """How many deletes and marks wait for Redis to be back."""
        return len(self._unsent)

    def unsent_calls(self) -> tuple[dict[Deed, int], list[Call]]:
        """Give what waits, and what sends it; `sent` ends it."""
        waiting = self._unsent.all()
        return waiting, [self._resending(kind, what) for kind, what in waiting]

    def _resending(self, kind: str, what: str) -> Call:
        if kind == "key":
            return self.deletion(what)
        if kind == "tag":
            return self.tag_mark(what)
        if kind == "lease":
            token, _, key = what.partition(" ")
            return self._releasing(key, token.encode())
        return self.standing_mark(what if kind == "prefix" else None)

    def sent(self, waiting: Mapping[Deed, int]) -> None:
        """Forget what was sent, but for what has come anew since."""
        self._unsent.forget(waiting)

    def after_fork_in_child(self) -> None:
        """Be somebody else than the parent."""
        self._unsent = Unsent()
        self.waiting = Waiting()
        self.boot = _new_boot()


def unreachable(error: L2Down) -> CacheBackendError:
    """Say to a caller who wants to know that L2 does not answer."""
    cause = error.__cause__
    return CacheBackendError(type(cause).__name__ if cause is not None else "the breaker is open")


def _new_boot() -> str:
    return os.urandom(8).hex()


def _text(value: bytes | str) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else value


def _stamp(raw: bytes | str | None) -> float:
    try:
        return int(raw) / 1e6 if raw is not None else 0.0
    except ValueError:  # not ours: somebody wrote to our names
        return 0.0
