"""The warm-up that is built in: what was asked for most in the last run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import attrs

from ...exceptions import CacheCodecError
from ..drive import run
from ..remote.l2 import L2Down, unreachable
from .hot_keys import EMPTY, HotKey, HotList, dumped, merged, read
from .settling import settled

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..core import Core
    from ..drive import Steps
    from ..loading import LoadRequest
    from ..lookup import Second
    from ..wire.codec import Codec
    from .hot_store import HotStore

__all__ = ["Frequent"]

_MOST_LEARNED: Final = 500
_LONGEST: Final = 30.0


class Frequent:
    """Keeps the keys hit most for the next run, and has them in L1 when that one begins.

    At most 100 keys. A key whose call is remembered, see `Calls`, is answered by L2 or loaded;
    another one is copied up from L2 if it is there. Loading ends after 30 seconds.
    """

    def __init__(
        self, core: Core, codec: Codec, store: HotStore | None, wall: Callable[[], float]
    ) -> None:
        self._core = core
        self._codec = codec
        self._store = store
        self._wall = wall
        self._told: dict[str, int] = {}

    @property
    def is_kept(self) -> bool:
        """Tell whether there is a place to keep keys in."""
        return self._store is not None

    def learn(self) -> None:
        """Add the hits since last time to what is kept; raises OSError, L2Down."""
        memory, calls = self._core.memory, self._core.calls
        memory.tally.walk()
        if self._store is None:
            return
        counts = dict(memory.hot.top(_MOST_LEARNED))
        hits = {key: made - self._told.get(key, 0) for key, made in counts.items()}
        if not any(made > 0 for made in hits.values()):
            return
        known = {key: call for key in hits if (call := calls.of(key)) is not None}
        now = self._wall()
        self._store.change(
            lambda held: dumped(
                self._codec,
                self._core.namespace,
                merged(self._parsed(held), hits, known, now),
            )
        )
        self._told = counts

    def restore(self) -> str:
        """Have in L1 what was hit most; tells what became of it.

        Raises OSError, and CacheBackendError where Redis fails.
        """
        try:
            return self._restored(None if self._store is None else self._store.load())
        except L2Down as exc:
            raise unreachable(exc) from exc

    def _restored(self, data: bytes | None) -> str:
        held = self._parsed(data)
        loads: list[LoadRequest] = []
        others: list[str] = []
        for each in held.keys:
            request = self._request(each)
            if request is None:
                others.append(each.key)
            else:
                loads.append(request)
        copied = self._promote(others)
        loaded, failed = self._load(loads)
        if not held.keys:
            return "no keys are known yet"
        told = f"{copied + loaded} of {len(held.keys)} keys are warm"
        return f"{told}, {failed} failed" if failed else told

    def _request(self, hot: HotKey) -> LoadRequest | None:
        call = hot.call
        return None if call is None else self._core.calls.again(hot.key, call)

    def _load(self, requests: Sequence[LoadRequest]) -> tuple[int, int]:
        core = self._core
        until = core.memory.now() + _LONGEST
        loaded = failed = 0
        for request in requests:
            if core.memory.now() > until:
                break
            try:
                run(
                    core.loading(attrs.evolve(request, loader=settled(core, request.loader))),
                    core.link,
                )
            except Exception as exc:  # noqa: BLE001 - a loader raises what it likes; the next may not
                core.faults.note("the warm-up frequent", exc)
                failed += 1
            else:
                loaded += 1
        return loaded, failed

    def _promote(self, keys: Sequence[str]) -> int:
        second = self._core.lookup.second
        if second is None or not keys:
            return 0
        return run(_promoting(self._core, second, keys), self._core.link)

    def _parsed(self, data: bytes | None) -> HotList:
        """Read what is kept; what is no list counts as none."""
        if data is None:
            return EMPTY
        try:
            return read(self._codec, self._core.namespace, data)
        except CacheCodecError as exc:
            unreadable = self._core.memory.counts.unreadable
            unreadable[exc.reason] = unreadable.get(exc.reason, 0) + 1
            return EMPTY


def _promoting(core: Core, second: Second, keys: Sequence[str]) -> Steps[int]:
    """Copy up from L2 what is there; what was stored with a type only its callers can read."""
    began, is_heard = core.memory.began(), second.listens()
    raws = yield from second.level2.read_many(keys, is_heard=is_heard)
    held = [(key, raw) for key, raw in zip(keys, raws, strict=True) if raw is not None]
    frames, _ = second.codec.decode_many(second.namespace, held)
    yield from core.bulk.sift(second, frames, is_heard=is_heard)
    values = {key: frame for key, frame in frames.items() if not frame.is_error}
    return len(core.bulk.promote(values, began, core.memory.patterns.of_key))
