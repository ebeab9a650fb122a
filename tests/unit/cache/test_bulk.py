"""Values read in one go are what they are one by one, and so is what is kept and counted."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from typing import Any

import attrs
import pytest

from hhs_perf.cache import Policy, TieredCache
from hhs_perf.cache.memory import DEAF_TTL, FRESH
from hhs_perf.cache.store.entry import Detail, Entry
from hhs_perf.cache.wire.codec import Codec, Frame, MacKey
from hhs_perf.exceptions import CacheBackendError, CacheCodecError
from hhs_perf.testing import FakeClock
from tests.cache_worlds import link, open_cache
from tests.servers import Server, wait_until

Read = Callable[..., dict[str, Any]]
Open = Callable[..., TieredCache]
MISSING = object()


def one_by_one(cache: TieredCache, keys: Iterable[str], type_: Any = None) -> dict[str, Any]:
    answers = {key: cache.get(key, MISSING, type_) for key in keys}
    return {key: value for key, value in answers.items() if value is not MISSING}


def in_one_go(cache: TieredCache, keys: Iterable[str], type_: Any = None) -> dict[str, Any]:
    return cache.get_many(keys, type=type_)


def by_tasks(cache: TieredCache, keys: Iterable[str], type_: Any = None) -> dict[str, Any]:
    """Read each key in a task of its own, all at a time."""

    async def read() -> list[Any]:
        try:
            return await asyncio.gather(*(cache.aio.get(key, MISSING, type_) for key in keys))
        finally:
            await cache.aio.close()

    answers = zip(keys, asyncio.run(read()), strict=True)
    return {key: value for key, value in answers if value is not MISSING}


@pytest.fixture(params=[one_by_one, in_one_go, by_tasks], ids=lambda read: read.__name__)
def read(request) -> Read:
    """Each way of reading several keys."""
    return request.param


@pytest.fixture
def open_linked(valkey_url: str, namespace: str) -> Iterator[Open]:
    """Open caches of one namespace that hear each other."""
    with ExitStack() as stack:
        yield lambda **options: link(
            stack.enter_context(
                open_cache(valkey_url, namespace=namespace, l2_timeout=2.0, **options)
            )
        )


def write(cache: TieredCache, key: str, value: object = "v", **changes: Any) -> None:
    """Put a frame into L2 as it is, unknown to all."""
    second = cache.core.lookup.second
    now = second.level2.now()
    stamps = {"created": now, "expires": now + 60.0, "keep_until": now + 120.0, **changes}
    data = Codec().encode(second.namespace, key, Frame(value, **stamps))
    cache.core.link.client.set(second.level2.names.value(key), data)


KEYS = (
    *("account:1", "account:2", "account:1:posts", "tagged:1", "note:1", "short:1", "slow:1"),
    *("stale:1", "void:1", "before:1", "error:1", "broken:1", "absent:1", "none:1", "short:ü"),
    *("mine:1", "old:1", "old:2", "copied:1", "failed:1"),
)


def fill_l2(cache: TieredCache) -> None:
    now = cache.core.below.level2.now()
    write(cache, "account:1", {"id": 1})
    write(cache, "account:2", {"id": 2})
    write(cache, "account:1:posts", [1, 2])
    write(cache, "none:1", None)
    write(cache, "tagged:1", tags=("good", "fine"))
    write(cache, "note:1", note="etag")
    write(cache, "short:1", l1_ttl=0.5)
    write(cache, "short:ü", l1_ttl=500.0)
    write(cache, "slow:1", load_seconds=2.0)
    write(cache, "stale:1", created=now - 9, expires=now - 1)
    write(cache, "void:1", tags=("gone",), created=now - 100)
    write(cache, "before:1", created=now - 100)
    write(cache, "error:1", ("builtins.ValueError", "no"), is_error=True)
    write(cache, "old:1", "new")
    cache.core.link.client.set(cache.core.below.level2.names.value("broken:1"), b"\xc1hp\x01?")


def fill_l1(cache: TieredCache) -> None:
    memory = cache.core.memory
    pattern = memory.patterns.of("from a template")

    def keep(key: str, policy: Policy, lives: tuple[float, float], **changes: Any) -> None:
        frame = Frame(["kept"], 0.0, 0.0, 0.0, **changes)
        assert memory.keep(key, frame, memory.began(), lives, pattern, policy)

    keep("mine:1", Policy(), (60.0, 0.0))
    keep("old:1", Policy(stale_for=60.0), (-1.0, 60.0))
    keep("old:2", Policy(stale_for=60.0), (-1.0, 60.0))
    keep("copied:1", Policy(copy="on_read"), (60.0, 0.0))
    keep("failed:1", Policy(), (60.0, 0.0), is_error=True)


def counted(cache: TieredCache) -> dict[str, object]:
    """Give all that was counted but for times."""
    memory = cache.core.memory
    memory.store.harvest()
    names = (
        *("l1_hits", "l1_misses", "l1_reasons", "l2_hits", "l2_misses", "l2_reasons", "reasons"),
        *("hits", "misses", "l1_puts", "refused", "bytes_read", "unreadable"),
    )
    patterns = (
        *("l1_hits", "l2_hits", "absent", "expired", "invalidated", "evicted", "puts", "timed"),
        "timed_seconds",
    )
    return {name: getattr(memory.counts, name) for name in names} | {
        counts.pattern: {name: getattr(counts, name) for name in patterns}
        for counts in memory.patterns.all()
    }


def held(cache: TieredCache) -> dict[str, object]:
    """Give what L1 holds, with times in tenths of a second."""
    now = cache.core.memory.now()

    def told(entry: Entry) -> tuple[object, ...]:
        group = entry.group
        times = [entry.expires]
        if isinstance(group, Detail):
            times += [group.fresh_until, group.keep_until, group.eager_from]
        left = [time if time < 0 else round(time - now, 0) for time in times]
        note = group.note if isinstance(group, Detail) else None
        return entry.value, left, group.pattern.pattern, group.tags, note

    return {key: told(entry) for key, entry in cache.core.memory.store.entries()}


def test_all_that_is_found_kept_and_counted_is_the_same_one_by_one(
    open_linked: Open, read: Read
) -> None:
    writer, single, other = open_linked(), open_linked(), open_linked()
    writer.invalidate(tags=["gone"], prefix="before:")
    fill_l2(writer)
    for cache in (single, other):
        fill_l1(cache)
        wait_until(lambda cache=cache: cache.core.memory.marks.epoch >= 2, "both marks")
    answers = one_by_one(single, KEYS)
    assert set(KEYS) - set(answers) == {
        *("stale:1", "void:1", "before:1", "error:1", "broken:1", "absent:1", "old:2", "failed:1"),
    }
    assert (answers["account:1"], answers["old:1"], answers["none:1"]) == ({"id": 1}, "new", None)
    assert read(other, KEYS) == answers
    assert held(other) == held(single)
    assert counted(other) == counted(single)


def test_a_value_of_a_type_is_read_as_that_type(open_linked: Open, read: Read) -> None:
    @attrs.frozen
    class Account:
        id: int

    cache = open_linked()
    for n in range(5):
        write(cache, f"account:{n}", {"id": n})
    write(cache, "account:x", "no account")
    keys = [f"account:{n}" for n in [*range(5), "x"]]
    assert read(cache, keys, Account) == {f"account:{n}": Account(n) for n in range(5)}
    assert cache.core.memory.counts.unreadable == {"type": 1}


@pytest.mark.parametrize("change", ["delete", "write", "flush", "tag", "prefix", "everything"])
def test_what_was_changed_while_it_was_read_is_given_but_not_kept(
    open_linked: Open, read: Read, change: str
) -> None:
    """A reader that saw the old value must not bring it back."""
    cache = open_linked()
    for n in range(4):
        write(cache, f"a:{n}", n, tags=("t",) if n == 1 else ())
    memory = cache.core.memory

    def happen() -> None:
        if change == "delete":
            memory.depart(["a:1"])
        elif change == "write":
            memory.end_write("a:1", memory.begin_write("a:1"))
        elif change == "flush":
            memory.flush()
        else:
            # Of the process itself: its stamp tells nothing of when the value was read.
            memory.mark(change, {"tag": "t", "prefix": "a:1"}.get(change, ""), 1.0)

    seen = meddle(cache, happen)
    assert read(cache, [f"a:{n}" for n in range(4)]) == {f"a:{n}": n for n in range(4)}
    assert seen
    kept = {f"a:{n}" for n in range(4) if memory.look(f"a:{n}")[0] == FRESH}
    if change not in ("flush", "everything"):
        assert kept == {"a:0", "a:2", "a:3"}
        assert memory.counts.refused == 1
    elif read is one_by_one:
        assert kept == {"a:2", "a:3"}
    else:
        assert kept == set()


def meddle(cache: TieredCache, happen: Callable[[], None]) -> list[str]:
    """Let something happen once `a:1` was read in L2, and before it is kept in L1."""
    told: list[str] = []
    level2 = cache.core.below.level2
    read_many, read = level2.read_many, level2.read

    def many(keys: Iterable[str], **options: Any) -> Any:
        raws = yield from read_many(keys, **options)
        if "a:1" in keys:
            happen()
            told.append("many")
        return raws

    def one(key: str, **options: Any) -> Any:
        raw = yield from read(key, **options)
        if key == "a:1":
            happen()
            told.append("one")
        return raw

    level2.read_many, level2.read = many, one
    return told


def test_while_the_others_are_not_heard_lives_are_short(open_linked: Open, read: Read) -> None:
    cache = open_linked()
    for n in range(3):
        write(cache, f"a:{n}", n)
    cache.core.memory.deafen()
    keys = [f"a:{n}" for n in range(3)]
    assert len(read(cache, keys)) == 3
    now = cache.core.memory.now()
    lives = [cache.core.memory.find(key).expires - now for key in keys]
    assert all(DEAF_TTL - 1 < life <= DEAF_TTL for life in lives)


def test_until_it_is_known_whether_they_are_heard_nothing_is_kept(
    open_linked: Open, read: Read
) -> None:
    cache = open_linked()
    write(cache, "a:1", 1)
    write(cache, "a:2", 2)
    cache.core.memory.await_link()
    assert read(cache, ["a:1", "a:2"]) == {"a:1": 1, "a:2": 2}
    assert len(cache.core.memory.store) == 0
    assert cache.core.memory.counts.l1_puts == 0


def test_more_keys_than_are_kept_at_once_are_all_kept(open_linked: Open) -> None:
    cache = open_linked()
    for n in range(350):
        write(cache, f"a:{n}", n)
    assert len(cache.get_many([f"a:{n}" for n in range(350)])) == 350
    counts = cache.core.memory.counts
    assert len(cache.core.memory.store) == counts.l1_puts == 350
    assert len(counts.put_times) == 350 // 16
    assert cache.core.memory.patterns.of("a:*").puts == 350


def test_of_more_keys_than_l1_holds_the_first_leave(open_linked: Open, read: Read) -> None:
    cache = open_linked(l1_maxsize=10)
    keys = [f"a:{n}" for n in range(25)]
    for n, key in enumerate(keys):
        write(cache, key, n)
    assert len(read(cache, keys)) == 25
    assert {key for key, _ in cache.core.memory.store.entries()} == set(keys[15:])
    assert cache.core.memory.patterns.of("a:*").evictions == 15
    assert len(read(cache, keys[10:15])) == 5
    assert cache.core.memory.counts.l1_reasons["evicted"] == 5


def test_a_value_too_large_for_l1_is_given_and_not_kept(open_linked: Open, read: Read) -> None:
    cache = open_linked(l1_maxbytes=4_000)
    write(cache, "a:1", "x" * 10_000)
    write(cache, "a:2", "small")
    assert read(cache, ["a:1", "a:2"]) == {"a:1": "x" * 10_000, "a:2": "small"}
    assert [key for key, _ in cache.core.memory.store.entries()] == ["a:2"]
    assert cache.core.memory.counts.l1_puts == cache.core.memory.patterns.of("a:*").puts == 1


def test_a_key_named_twice_is_read_once(open_linked: Open) -> None:
    cache = open_linked()
    write(cache, "a:1", 1)
    before = cache.core.memory.counts.bytes_read
    assert cache.get_many(["a:1", "a:1"]) == {"a:1": 1}
    assert cache.core.memory.counts.l1_misses == 2  # with that of `link`
    assert cache.core.memory.counts.bytes_read - before < 200


async def test_tasks_that_read_at_a_time_share_readings_and_keep_their_defaults(
    open_linked: Open,
) -> None:
    cache = open_linked()
    for n in range(20):
        write(cache, f"a:{n}", n)
        write(cache, f"b:{n}", [n])
    sent: list[int] = []
    level2 = cache.core.below.level2
    read_many = level2.read_many

    def counting(keys: list[str], **options: Any) -> Any:
        sent.append(len(keys))
        return read_many(keys, **options)

    level2.read_many = counting
    aio = cache.aio
    answers = await asyncio.gather(
        *(aio.get(f"a:{n}", type=int) for n in range(20)),
        *(aio.get("absent", default) for default in ("x", "y")),
        *(aio.get(f"b:{n}", type=list[int]) for n in range(3)),
    )
    assert answers == [*range(20), "x", "y", [0], [1], [2]]
    # The first one went alone; then one reading for each type.
    assert sent == [19, 1, 3]
    await aio.close()


async def test_a_read_that_is_cancelled_does_not_end_those_of_others(open_linked: Open) -> None:
    cache = open_linked()
    for n in range(4):
        write(cache, f"a:{n}", n)
    tasks = [asyncio.create_task(cache.aio.get(f"a:{n}")) for n in range(4)]
    await asyncio.sleep(0)
    tasks[0].cancel()
    tasks[2].cancel()
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    assert [tasks[n].cancelled() for n in range(4)] == [True, False, True, False]
    assert (answers[1], answers[3]) == (1, 3)
    await cache.aio.close()


@pytest.mark.parametrize("policy", ["degrade", "raise"])
def test_a_redis_that_is_gone_means_the_same_to_all(
    launch: Callable[..., Server], namespace: str, read: Read, policy: str
) -> None:
    server = launch()
    with open_cache(server.url, namespace=namespace, on_l2_error=policy) as cache:
        link(cache)
        server.kill()
        if policy == "degrade":
            assert read(cache, ["a:1", "a:2"]) == {}
            assert cache.core.memory.counts.reasons["absent"] == 3  # with that of `link`
        else:
            with pytest.raises(CacheBackendError):
                read(cache, ["a:1", "a:2"])


def test_bytes_are_read_in_bulk_as_they_are_one_by_one() -> None:
    """Sound and damaged ones, signed and not, with a type and without."""
    key = MacKey(id="k1", secret=b"0123456789abcdef")
    plain = Frame({"a": [1, 2.5, "x"]}, 1.0, 2.0, 3.0)
    frames = [
        plain,
        Frame(7, 1.0, 2.0, 3.0, 5.0, ("t",), "etag", 0.25),
        Frame(("builtins.ValueError", "no"), 1.0, 2.0, 3.0, is_error=True),
        Frame("x" * 300, 1.0, 2.0, 3.0),
    ]
    codecs = [Codec(), Codec(keys=[key]), Codec(compress_above=100)]
    sound = [codec.encode("ns", "k", frame) for codec in codecs for frame in frames]
    damaged = [
        data[:place] + bytes([data[place] ^ flip]) + data[place + 1 :]
        for data in sound[:2]
        for place, flip in itertools.product(range(len(data)), (1, 0x80))
    ]
    cut = [data[:size] for data in sound[:2] for size in range(len(data))]
    others = [data + b"x" for data in sound]
    many = [*sound, *damaged, *cut, *others, "text", bytearray(sound[0])]
    for codec, type_ in itertools.product(codecs[:2], (None, dict, object())):
        names = {f"k{n}": data for n, data in enumerate(many)}
        found, failed = codec.decode_many("ns", names.items(), type_)
        assert found.keys() | failed.keys() == names.keys()
        for name, data in names.items():
            single = decoded(codec, name, data, type_)
            if isinstance(single, CacheCodecError):
                assert (failed[name].reason, str(failed[name])) == (single.reason, str(single))
            else:
                assert repr(found[name]) == repr(single)


def decoded(codec: Codec, key: str, data: Any, type_: object) -> Frame | CacheCodecError:
    try:
        return codec.decode("ns", key, data, type_)
    except CacheCodecError as exc:
        return exc


def test_a_cache_without_l2_gives_what_it_holds(clock: FakeClock, read: Read) -> None:
    cache = TieredCache(clock=clock)
    cache.set_many({"a:1": 1, "a:2": 2})
    assert read(cache, ["a:1", "a:2", "a:3"]) == {"a:1": 1, "a:2": 2}
    assert cache.core.memory.counts.reasons["absent"] == 1


def test_what_is_no_string_is_no_key(clock: FakeClock, read: Read) -> None:
    with pytest.raises(TypeError, match="a key must be a string"):
        read(TieredCache(clock=clock), ["a:1", 7])
