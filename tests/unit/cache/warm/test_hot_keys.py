"""Keys that were hit most: how they are kept, merged, and warm again in the next run."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hhs_perf.cache import Codec, MacKey, TieredCache
from hhs_perf.cache.warm.calls import Call, Calls
from hhs_perf.cache.warm.hot_keys import EMPTY, MOST_KEPT, HotKey, HotList, dumped, merged, read
from hhs_perf.cache.warm.hot_store import FileStore
from hhs_perf.exceptions import CacheCodecError
from hhs_perf.testing import FakeClock
from tests.servers import wait_until

SIGNED = Codec(keys=MacKey.parse("a:0123456789abcdef"))


# -- the list


def test_a_list_holds_the_hundred_hit_most() -> None:
    held = merged(EMPTY, {f"k{number}": number for number in range(1, 301)}, {}, 0.0)
    assert [each.key for each in held.keys] == [f"k{n}" for n in range(300, 200, -1)]


def test_earlier_hits_fade() -> None:
    """One hit now counts as much as two an hour ago."""
    held = merged(EMPTY, {"old": 4}, {}, 1000.0)
    held = merged(held, {"new": 3, "old": 0}, {}, 1000.0 + 3600)
    assert [(each.key, each.hits) for each in held.keys] == [("new", 3.0), ("old", 2.0)]


def test_the_hits_of_processes_add_up() -> None:
    held = merged(merged(EMPTY, {"a": 2, "b": 3}, {}, 5.0), {"a": 2}, {}, 5.0)
    assert [(each.key, each.hits) for each in held.keys] == [("a", 4.0), ("b", 3.0)]


def test_a_call_is_kept_although_another_process_does_not_know_it() -> None:
    call = Call(name="m.f", args=(1, "x", b"y", None), kwargs={"z": 2.5})
    held = merged(EMPTY, {"a": 1}, {"a": call}, 0.0)
    held = merged(read(Codec(), "ns", dumped(Codec(), "ns", held)), {"a": 1}, {}, 0.0)
    assert held.keys[0].call == call


def test_a_key_that_is_too_long_is_left_out() -> None:
    assert merged(EMPTY, {"x" * 513: 9, "y" * 512: 1}, {}, 0.0).keys[0].key == "y" * 512


def test_time_that_runs_backwards_lets_nothing_grow() -> None:
    held = merged(HotList(100.0, (HotKey("a", 4.0),)), {}, {}, 50.0)
    assert held.keys[0].hits == 4.0


@pytest.mark.parametrize("codec", [Codec(), SIGNED])
def test_a_list_comes_back_as_it_was(codec: Codec) -> None:
    call = Call(name="m.f", args=(1, True, None), kwargs={})
    held = merged(EMPTY, {"a": 3, "b": 1}, {"b": call}, 7.0)
    assert read(codec, "ns", dumped(codec, "ns", held)) == held


def test_what_is_no_list_is_an_error() -> None:
    whole = dumped(SIGNED, "ns", merged(EMPTY, {"a": 1}, {}, 1.0))
    wrong = [b"", b"x", whole[:-1], whole + b"x", whole[:40] + b"\xff" + whole[41:]]
    wrong += [dumped(Codec(), "ns", EMPTY), dumped(SIGNED, "other", EMPTY)]
    for data in wrong:
        with pytest.raises(CacheCodecError):
            read(SIGNED, "ns", data)


@given(st.binary(max_size=200), st.integers(0, 150))
def test_damage_raises_nothing_else(noise: bytes, place: int) -> None:
    whole = dumped(Codec(), "ns", merged(EMPTY, {"a": 1, "b": 2}, {}, 1.0))
    for data in (noise, whole[:place] + noise + whole[place + len(noise) :]):
        try:
            held = read(Codec(), "ns", data)
        except CacheCodecError:
            continue
        assert all(each.hits > 0 for each in held.keys)


def test_a_list_of_more_than_it_may_hold_is_cut() -> None:
    many = HotList(1.0, tuple(HotKey(f"k{n}", 1.0) for n in range(500)))
    odd = HotList(1.0, (HotKey("a", -1.0), HotKey("b", float("inf")), HotKey("c" * 600, 1.0)))
    assert len(read(Codec(), "ns", dumped(Codec(), "ns", many)).keys) == MOST_KEPT
    assert read(Codec(), "ns", dumped(Codec(), "ns", odd)).keys == ()


# -- the calls


@pytest.mark.parametrize(
    "args", [(1,), ("a", None, 2.5, True, b"x"), (-(2**63),), (), ("x" * 200,)]
)
def test_plain_arguments_are_remembered(args: tuple[object, ...]) -> None:
    calls = Calls()
    calls.remember("k", "m.f", args, {"named": 1})
    assert calls.of("k") == Call(name="m.f", args=args, kwargs={"named": 1})


@pytest.mark.parametrize(
    "args", [([1],), (object(),), (2**63,), ("x" * 201,), ({},), ((1,),), (1,) * 10]
)
def test_other_arguments_are_not_held_on_to(args: tuple[object, ...]) -> None:
    calls = Calls()
    calls.remember("k", "m.f", args, {"named": 1})
    assert calls.of("k") is None


def test_the_latest_thousand_calls_are_remembered() -> None:
    calls = Calls()
    for number in [*range(1000), 0, 1000]:
        calls.remember(f"k{number}", "m.f", (number,), {})
    assert calls.of("k0") is not None
    assert calls.of("k1") is None


# -- the file


def test_the_file_is_its_owners_alone(tmp_path: Path) -> None:
    store = FileStore(tmp_path / "state" / "deep", "shop")
    assert store.load() is None
    store.change(lambda held: b"one" if held is None else b"?")
    store.change(lambda held: (held or b"") + b" two")
    assert store.load() == b"one two"
    [path] = (tmp_path / "state" / "deep").iterdir()
    assert path.name == "hot-keys-shop.bin"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_a_file_that_cannot_be_replaced_stays_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = FileStore(tmp_path, "shop")
    store.change(lambda _: b"old")

    def refuse(*_: object) -> None:
        raise OSError("the disk is full")

    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(OSError, match="full"):
        store.change(lambda _: b"new")
    assert store.load() == b"old"
    assert len(list(tmp_path.iterdir())) == 1


# -- from one run to the next


@pytest.fixture
def run(clock: FakeClock) -> Iterator[Callable[..., TieredCache]]:
    """Begin a run: a cache that is closed in the end."""
    made: list[TieredCache] = []

    def begin(**options: Any) -> TieredCache:
        made.append(TieredCache(**({"clock": clock, "l2_timeout": 5.0} | options)))
        return made[-1]

    yield begin
    for cache in made:
        cache.close()


def accounts_of(cache: TieredCache) -> tuple[Callable[[int], dict[str, int]], list[int]]:
    """Give a cached function, and what it was called with in this run."""
    loaded: list[int] = []

    @cache.cached(key="account:{number}", ttl=300)
    def account(number: int) -> dict[str, int]:
        loaded.append(number)
        return {"number": number}

    return account, loaded


def started(cache: TieredCache) -> TieredCache:
    """Start the warming, and wait until L1 will not be flushed for the link's sake any more."""
    cache.warming.start()
    below = cache.core.below
    if below is not None:
        wait_until(lambda: below.backplane.is_linked, "the link")
    return cache


def visit(cache: TieredCache, account: Callable[[int], Any], hits: dict[int, int]) -> None:
    started(cache)
    for number, count in hits.items():
        for _ in range(count):
            account(number)


def frequent(cache: TieredCache) -> Any:
    [result] = cache.warm_now("frequent")
    return result


def test_what_was_hit_is_loaded_in_the_next_run(
    run: Callable[..., TieredCache], tmp_path: Path
) -> None:
    first = run(state_dir=tmp_path)
    account, _ = accounts_of(first)
    visit(first, account, {1: 5, 2: 3, 3: 1})
    first.close()
    second = run(state_dir=tmp_path)
    _, loaded = accounts_of(second)
    result = frequent(second)
    assert (result.state, result.note) == ("done", "2 of 2 keys are warm")
    assert loaded == [1, 2]
    assert second.get("account:1") == {"number": 1}


def test_keys_are_kept_while_it_runs_once_a_minute(
    run: Callable[..., TieredCache], tmp_path: Path, clock: FakeClock
) -> None:
    """A process that is killed loses a minute, not a day."""
    cache = run(state_dir=tmp_path)
    account, _ = accounts_of(cache)
    visit(cache, account, {1: 5})
    clock.advance(59)
    cache.warming.turn()
    assert list(tmp_path.iterdir()) == []
    clock.advance(1)
    cache.warming.turn()
    assert len(list(tmp_path.iterdir())) == 1


def test_hits_are_told_once(
    run: Callable[..., TieredCache], tmp_path: Path, clock: FakeClock
) -> None:
    cache = run(state_dir=tmp_path)
    account, _ = accounts_of(cache)
    visit(cache, account, {1: 5})
    cache.warming._frequent.learn()
    cache.warming._frequent.learn()
    held = read(Codec(), "default", (tmp_path / "hot-keys-default.bin").read_bytes())
    assert [(each.key, each.hits) for each in held.keys] == [("account:1", 4.0)]


def test_a_function_that_is_gone_or_different_is_not_called(
    run: Callable[..., TieredCache], tmp_path: Path
) -> None:
    """The key is the proof of what a call means."""
    first = run(state_dir=tmp_path)
    account, _ = accounts_of(first)
    visit(first, account, {1: 5, 2: 5})
    first.close()
    second = run(state_dir=tmp_path)
    calls: list[Any] = []

    @second.cached(key="person:{name}")
    def account(name: str) -> None:
        calls.append(name)

    account.plan.name = "tests"
    second.core.calls.know(account.plan)
    known = second.core.calls._functions
    known[f"{__name__}.accounts_of.<locals>.account"] = account.plan
    assert frequent(second).note == "0 of 2 keys are warm"
    assert calls == []
    third = run(state_dir=tmp_path)
    assert frequent(third).note == "0 of 2 keys are warm"


def test_a_call_that_fails_keeps_no_other_from_being_made(
    run: Callable[..., TieredCache], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first = run(state_dir=tmp_path)
    account, _ = accounts_of(first)
    visit(first, account, {1: 5, 2: 4})
    first.close()
    second = run(state_dir=tmp_path)
    account, loaded = accounts_of(second)
    plan = account.plan
    whole = plan._function

    def fails_once(number: int) -> dict[str, int]:
        if number == 1:
            raise LookupError
        return whole(number)

    plan._function = fails_once
    result = frequent(second)
    assert (result.state, result.note) == ("done", "1 of 2 keys are warm, 1 failed")
    assert loaded == [2]


@pytest.mark.parametrize("damage", [b"", b"not ours", b"\0" * 4096])
def test_a_file_that_is_damaged_is_ignored_and_counted(
    run: Callable[..., TieredCache], tmp_path: Path, damage: bytes
) -> None:
    (tmp_path / "hot-keys-default.bin").write_bytes(damage)
    cache = run(state_dir=tmp_path)
    assert frequent(cache).note == "no keys are known yet"
    assert sum(cache.core.memory.counts.unreadable.values()) == 1
    account, _ = accounts_of(cache)
    visit(cache, account, {1: 5})
    cache.close()
    assert frequent(run(state_dir=tmp_path)).note == "0 of 1 keys are warm"


def test_a_folder_that_cannot_be_written_to_is_a_fault_and_no_more(
    run: Callable[..., TieredCache], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("")
    for folder in (tmp_path / "file" / "state", tmp_path / "file"):
        caplog.clear()
        cache = run(state_dir=folder)
        told = frequent(cache)
        assert (told.state, told.error) == ("failed", "NotADirectoryError")
        assert told.note == "HHS_PERF_STATE_DIR cannot be used: Not a directory"
        account, _ = accounts_of(cache)
        visit(cache, account, {1: 5})
        cache.close()
        # Once, at the start, in one line; and not once more at the end.
        [record] = caplog.records
        assert "HHS_PERF_STATE_DIR failed; the host goes on: NotADirectory" in record.getMessage()
        assert str(folder) in record.getMessage()
        assert record.exc_info is None


def test_a_folder_that_may_not_be_written_to_is_told_before_anything_is_lost(
    run: Callable[..., TieredCache], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who runs the tests as root may write anywhere, so that the answer is given here."""
    monkeypatch.setattr(os, "access", lambda *_: False)
    told = frequent(run(state_dir=tmp_path))
    assert (told.state, told.error) == ("failed", "PermissionError")
    assert told.note == "HHS_PERF_STATE_DIR cannot be used: Permission denied"


def test_a_disk_that_fills_up_later_is_in_the_report(
    run: Callable[..., TieredCache], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = run(state_dir=tmp_path)
    assert frequent(cache).state == "done"
    account, _ = accounts_of(cache)
    visit(cache, account, {1: 5})

    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", refuse)
    cache.close()
    told = next(each for each in cache.report().warm_ups if each.name == "frequent")
    assert (told.state, told.error) == ("failed", "OSError")
    assert told.note == "HHS_PERF_STATE_DIR cannot be used: No space left on device"


def test_without_redis_and_folder_it_says_that_nothing_is_kept(
    run: Callable[..., TieredCache],
) -> None:
    [result] = run().warm_now()
    assert (result.state, result.runs) == ("off", 0)
    assert "HHS_PERF_STATE_DIR" in result.note


# -- in Redis


def test_plain_keys_are_copied_up_from_l2(
    valkey_url: str, namespace: str, run: Callable[..., TieredCache]
) -> None:
    first = started(run(redis=valkey_url, namespace=namespace))
    first.set_many({"a": 1, "b": 2, "c": 3}, ttl=300, tags=["t"])
    for key in ("a", "a", "b", "b", "c"):
        first.get(key)
    first.warming._frequent.learn()
    first.delete("b")
    second = run(redis=valkey_url, namespace=namespace)
    assert frequent(second).note == "2 of 3 keys are warm"
    assert second.core.memory.find("a").value == 1
    assert second.core.memory.find("b") is None
    first.invalidate(tags=["t"])
    third = run(redis=valkey_url, namespace=namespace)
    assert frequent(third).note == "0 of 3 keys are warm"


def test_what_was_stored_with_a_type_is_left_to_its_callers(
    valkey_url: str, namespace: str, run: Callable[..., TieredCache]
) -> None:
    first = started(run(redis=valkey_url, namespace=namespace))
    first.set("a", (1, 2), type=tuple[int, int])
    for _ in range(3):
        first.get("a", type=tuple[int, int])
    first.close()
    second = run(redis=valkey_url, namespace=namespace)
    assert frequent(second).note == "0 of 1 keys are warm"
    assert second.core.memory.counts.unreadable == {}
    assert second.get("a", type=tuple[int, int]) == (1, 2)


def test_calls_are_answered_by_l2_or_loaded(
    valkey_url: str, namespace: str, run: Callable[..., TieredCache]
) -> None:
    first = run(redis=valkey_url, namespace=namespace)
    account, _ = accounts_of(first)
    visit(first, account, {1: 5, 2: 3})
    first.warming._frequent.learn()
    account.invalidate(2)
    first.close()
    second = run(redis=valkey_url, namespace=namespace)
    _, loaded = accounts_of(second)
    assert frequent(second).note == "2 of 2 keys are warm"
    assert loaded == [2]


def test_processes_keep_one_list(
    valkey_url: str, namespace: str, run: Callable[..., TieredCache]
) -> None:
    fleet = [run(redis=valkey_url, namespace=namespace) for _ in range(3)]
    for number, cache in enumerate(fleet):
        account, _ = accounts_of(cache)
        visit(cache, account, {number: 5, 7: 2})
    for cache in fleet:
        cache.close()
    last = run(redis=valkey_url, namespace=namespace)
    _, _ = accounts_of(last)
    assert frequent(last).note in {"0 of 4 keys are warm", "4 of 4 keys are warm"}
    held = last.warming._frequent._store.load()
    assert {each.key for each in read(Codec(), namespace, held).keys} == {
        *("account:0", "account:1", "account:2", "account:7")
    }


def test_a_list_that_somebody_else_signed_is_not_obeyed(
    valkey_url: str, namespace: str, run: Callable[..., TieredCache]
) -> None:
    first = run(redis=valkey_url, namespace=namespace)
    account, _ = accounts_of(first)
    visit(first, account, {1: 5})
    first.close()
    second = run(redis=valkey_url, namespace=namespace, codec=SIGNED)
    _, loaded = accounts_of(second)
    assert frequent(second).note == "no keys are known yet"
    assert loaded == []
    assert second.core.memory.counts.unreadable == {"mac": 1}
