"""Looking at what a namespace holds in Redis, for people and for `hhs-perf cache`."""

from __future__ import annotations

import re
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

import attrs

from ..._redis import backend_errors
from ...exceptions import CacheBackendError, CacheCodecError
from ..drive import run
from ..naming.keys import pattern_of
from ..remote.l2 import L2Down, unreachable
from .board import Board

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from ..tiered import TieredCache
    from .board import Row

__all__ = ["Inspector", "Marked", "PatternUse", "Survey", "Targets"]

_AT_ONCE: Final = 500
_MOST_PATTERNS: Final = 200
_OTHER: Final = "other"
# Of what Redis's pattern language gives a meaning.
_SPECIAL: Final = re.compile(r"[*?\[\]\\^-]")


@attrs.frozen(kw_only=True)
class PatternUse:
    """What the keys of one pattern take; `bytes` of values as stored, times to live in seconds."""

    pattern: str
    entries: int
    bytes: int
    ttl_min: float | None
    ttl_median: float | None
    ttl_max: float | None


@attrs.frozen(kw_only=True)
class Survey:
    """What a namespace holds: values, leases of loads under way, marks of tags and of prefixes.

    With `complete` False only so many names were looked at as was asked for. Values made void by
    a mark stand there until their time is over, and are counted.
    """

    server: str
    entries: int
    bytes: int
    leases: int
    tag_marks: int
    standing_marks: int
    patterns: tuple[PatternUse, ...]
    processes: tuple[Row, ...]
    complete: bool


@attrs.frozen(kw_only=True)
class Targets:
    """What an invalidation names."""

    keys: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    prefixes: tuple[str, ...] = ()
    everything: bool = False

    def name(self, key: str, tags: Iterable[str]) -> bool:
        """Tell whether an entry is among them."""
        return (
            self.everything
            or key in self.keys
            or any(key.startswith(prefix) for prefix in self.prefixes)
            or not set(self.tags).isdisjoint(tags)
        )


@attrs.frozen(kw_only=True)
class Marked:
    """How many entries an invalidation would make void, of how many that were looked at.

    `void` are so already; `unreadable` cannot be judged: they are not signed with a known key, or
    are no values of this library.
    """

    hit: int
    void: int
    unreadable: int
    looked_at: int
    complete: bool


@attrs.define
class _Use:
    entries: int = 0
    bytes: int = 0
    ttls: list[float] = attrs.field(factory=list)

    def row(self, pattern: str) -> PatternUse:
        ttls = sorted(self.ttls)
        return PatternUse(
            pattern=pattern,
            entries=self.entries,
            bytes=self.bytes,
            ttl_min=ttls[0] if ttls else None,
            ttl_median=ttls[len(ttls) // 2] if ttls else None,
            ttl_max=ttls[-1] if ttls else None,
        )


class Inspector:
    """Looks, and changes nothing, by SCAN; raises CacheBackendError where Redis fails."""

    def __init__(self, cache: TieredCache) -> None:
        core = cache.core
        if core.below is None:
            raise ValueError("there is no Redis to look at")
        self._core = core
        self._client: Any = core.link.client
        self._level2 = core.below.level2
        self._names = core.below.level2.names
        self._codec = core.below.second.codec
        self._errors = backend_errors()
        self.board = Board(core)

    def reach(self) -> None:
        """Raise CacheBackendError, with its cause, unless the server answers."""
        # Looked up within: a cluster is connected to when something is wanted of its client.
        self._ask(lambda: self._client.execute_command("PING"))

    def server(self) -> str:
        """Name the server and its version, as it tells them."""
        told = self._ask(lambda: self._client.execute_command("INFO", "server"))
        facts = told if isinstance(told, dict) else {}
        if facts and all(isinstance(value, dict) for value in facts.values()):
            facts = next(iter(facts.values()))  # a cluster: one answer for each node
        name = facts.get("server_name", "redis")
        version = facts.get("valkey_version") or facts.get("redis_version", "unknown")
        return f"{name} {version}"

    def size(self) -> int:
        """Count the names in the database, those of others included."""
        told = self._ask(self._client.dbsize)
        return int(told)

    def processes(self) -> tuple[Row, ...]:
        """Give what the processes that are there tell of their warm-ups."""
        try:
            return self.board.processes()
        except L2Down as exc:
            raise unreachable(exc) from exc

    def survey(self, *, limit: int | None, seen: Callable[[int], None]) -> Survey:
        """Count what is held, looking at `limit` names at most; `seen` is told how many were."""
        uses: dict[str, _Use] = {}
        leases = tags = total = 0
        for names in self._scanned(limit):
            total += len(names)
            values = [
                (name, key) for name in names if (key := self._names.key_of(name)) is not None
            ]
            leases += sum(name.endswith("}lock") for name in names)
            tags += sum(name.startswith(self._names.tag("")[:-1]) for name in names)
            sizes = self._piped([("STRLEN", name) for name, _ in values])
            lives = self._piped([("PTTL", name) for name, _ in values])
            for (_, key), size, life in zip(values, sizes, lives, strict=True):
                if life == _GONE or not isinstance(size, int):
                    continue
                use = _use_of(uses, pattern_of(key))
                use.entries += 1
                use.bytes += size
                if life >= 0:
                    use.ttls.append(life / 1e3)
            seen(len(names))
        rows = sorted(
            (use.row(pattern) for pattern, use in uses.items()),
            key=lambda row: (-row.entries, row.pattern),
        )
        return Survey(
            server=self.server(),
            entries=sum(row.entries for row in rows),
            bytes=sum(row.bytes for row in rows),
            leases=leases,
            tag_marks=tags,
            standing_marks=int(
                self._ask(lambda: self._client.execute_command("HLEN", self._names.marks))
            ),
            patterns=tuple(rows),
            processes=self.processes(),
            complete=limit is None or total < limit,
        )

    def marked(self, targets: Targets, *, limit: int | None, seen: Callable[[int], None]) -> Marked:
        """Count what an invalidation of `targets` would make void."""
        self._learn_marks(targets.tags)
        hit = void = unreadable = total = 0
        if targets.keys and not (targets.tags or targets.prefixes or targets.everything):
            batches: Iterable[Sequence[str]] = [[self._names.value(key) for key in targets.keys]]
        else:
            batches = self._scanned(limit)
        for names in batches:
            total += len(names)
            keys = [key for name in names if (key := self._names.key_of(name)) is not None]
            raws = self._piped([("GET", self._names.value(key)) for key in keys])
            for key, raw in zip(keys, raws, strict=True):
                if not isinstance(raw, bytes):
                    continue
                try:
                    stamps = self._codec.peek(self._names.namespace, key, raw)
                except CacheCodecError:
                    unreadable += 1
                    continue
                if not targets.name(key, stamps.tags):
                    continue
                marks = self._core.memory.marks
                if marks.voids_frame(key, stamps.tags, stamps.created):
                    void += 1
                else:
                    hit += 1
            seen(len(names))
        return Marked(
            hit=hit,
            void=void,
            unreadable=unreadable,
            looked_at=total,
            complete=limit is None or total < limit,
        )

    def _learn_marks(self, tags: Sequence[str]) -> None:
        try:
            run(self._level2.ask_standing(), self._core.link)
            if tags:
                run(self._level2.ask_tags(tags), self._core.link)
        except L2Down as exc:
            raise unreachable(exc) from exc

    def _scanned(self, limit: int | None) -> Iterator[list[str]]:
        match = _SPECIAL.sub(r"\\\g<0>", self._names.own) + "*"
        found = islice(self._names_like(match), limit)
        while batch := list(islice(found, _AT_ONCE)):
            yield batch

    def _names_like(self, match: str) -> Iterator[str]:
        scanned = iter(self._ask(lambda: self._client.scan_iter(match=match, count=1000)))
        while True:
            name = self._ask(lambda: next(scanned, None))
            if name is None:
                return
            yield name.decode(errors="surrogateescape") if isinstance(name, bytes) else name

    def _piped(self, commands: Sequence[tuple[str, str]]) -> list[Any]:
        """Ask many things in one go; an error of a single one stands in place of its answer."""
        if not commands:
            return []

        def ask() -> list[Any]:
            with self._client.pipeline(transaction=False) as pipeline:
                for verb, name in commands:
                    pipeline.execute_command(verb, name.encode(errors="surrogateescape"))
                return list(pipeline.execute(raise_on_error=False))

        answers: list[Any] = self._ask(ask)
        return answers

    def _ask(self, act: Callable[[], Any]) -> Any:
        try:
            return act()
        except self._errors as exc:
            raise CacheBackendError(type(exc).__name__) from exc


_GONE: Final = -2


def _use_of(uses: dict[str, _Use], pattern: str) -> _Use:
    if pattern not in uses and len(uses) >= _MOST_PATTERNS:
        pattern = _OTHER
    return uses.setdefault(pattern, _Use())
