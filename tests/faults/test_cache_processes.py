"""Four processes over one Redis: one load, no old value, nobody waits for ever."""

from __future__ import annotations

import contextlib
import itertools
import os
import random
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from tests.cache_process import CacheProcess
from tests.servers import wait_until

COUNT = 4
NAMESPACE = f"processes-{os.getpid()}"
_numbers = itertools.count(1)
RUNS = [
    pytest.param(100, id="100"),
    pytest.param(10_000, id="10000", marks=[pytest.mark.soak, pytest.mark.timeout(1800)]),
]
# A message needs a fraction of a millisecond; a machine that stalls needs more.
HEARD_WITHIN = 3.0


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder whose files are the rows of a database."""
    return tmp_path_factory.mktemp("database")


@pytest.fixture(scope="module")
def processes(valkey_url: str, database: Path) -> Iterator[list[CacheProcess]]:
    """Four processes of one namespace."""
    with contextlib.ExitStack() as stack:
        made = [CacheProcess(valkey_url, NAMESPACE, database) for _ in range(COUNT)]
        yield [stack.enter_context(each) for each in made]


@pytest.fixture
def key() -> str:
    """A key that no other test uses."""
    return f"key-{next(_numbers)}"


@contextlib.contextmanager
def counted_commands(url: str) -> Iterator[list[str]]:
    """Note the commands that the clients send meanwhile, but for the pings of the links."""
    sent: list[str] = []
    with redis.Redis.from_url(url) as client, client.monitor() as monitor:
        yield sent
        with redis.Redis.from_url(url) as another:
            another.echo("the end")
        for told in monitor.listen():
            if told["command"].startswith("ECHO"):
                return
            if told["client_type"] != "lua" and not told["command"].startswith("PING"):
                sent.append(told["command"])


@pytest.mark.parametrize("seconds", [0.1, 2.0])
def test_four_processes_of_fifty_callers_load_once(
    processes: list[CacheProcess], database: Path, valkey_url: str, key: str, seconds: float
) -> None:
    """No more than ten commands of each process, however long the load takes."""
    (database / key).write_text("1")
    with counted_commands(valkey_url) as sent:
        at = time.time() + 0.3
        for each in processes:
            each.tell("crowd", key, 50, seconds, at)
        answers = [each.answer() for each in processes]
    slowest = max(took for _, took, _ in answers)
    print(f"load {seconds} s: slowest {slowest:.3f} s, {len(sent) / COUNT:.1f} commands each")
    assert sum(loads for loads, _, _ in answers) == 1
    assert all(values == ["1"] for _, _, values in answers)
    assert len(sent) <= 10 * COUNT
    assert slowest <= seconds + 1.0


def test_two_processes_that_wait_for_each_other_go_on(processes: list[CacheProcess]) -> None:
    """A loads B while the other one, loading B, loads A: nobody waits for ever."""
    at = time.time() + 0.3
    one, two = processes[:2]
    began = time.monotonic()
    one.tell("nested", "a", "b", at)
    two.tell("nested", "b", "a", at)
    ends = [one.answer(), two.answer()]
    assert time.monotonic() - began < 20
    assert all(isinstance(end, str) for end in ends)


def test_a_killed_process_holds_nobody_up_for_long(
    processes: list[CacheProcess], database: Path, valkey_url: str, key: str
) -> None:
    """Its lease ends after five seconds."""
    (database / key).write_text("1")
    lease = f"hhs:{NAMESPACE}:{{k:{key}}}lock"
    with (
        redis.Redis.from_url(valkey_url) as client,
        CacheProcess(valkey_url, NAMESPACE, database) as doomed,
    ):
        doomed.tell("load", key, 60.0)
        wait_until(lambda: client.exists(lease) == 1, "the lease")
        processes[0].tell("load", key, 0.0)
        doomed.kill()
        began = time.monotonic()
        assert processes[0].answer() == "1"
        assert time.monotonic() - began < 8


@pytest.mark.parametrize("runs", RUNS)
def test_no_invalidation_during_a_load_leaves_an_old_value(
    processes: list[CacheProcess], database: Path, runs: int
) -> None:
    """All load at random moments; one changes the row and says so; then all ask again.

    Who changed it gets the new value at once, the others as soon as they have heard.
    """
    seed = random.randrange(2**32)
    print("seed", seed)
    chance = random.Random(seed)
    stale: list[tuple[int, str]] = []
    slow: list[float] = []
    for run in range(runs):
        key = f"{run}:k"
        row = database / key
        row.write_text("old")
        changer, *others = chance.sample(processes, COUNT)
        for each in others:
            each.tell("load", key, chance.random() * 0.004, [key])
        time.sleep(chance.random() * 0.006)
        row.write_text("new")
        how = chance.choice(["delete", "tags", "prefix", "everything", "set"])
        if how == "delete":
            changer.ask("delete", key)
        elif how == "set":
            changer.ask("set", key, "new")
        else:
            tags = [key] if how == "tags" else []
            prefix = f"{run}:" if how == "prefix" else None
            changer.ask("invalidate", tags, prefix, how == "everything")
        if changer.ask("load", key, 0.0, [key]) != "new":
            stale.append((run, f"{how}: the changer"))
        for each in others:
            each.answer()
        began = time.monotonic()
        for each in others:
            while each.ask("load", key, 0.0, [key]) != "new":
                if time.monotonic() - began > HEARD_WITHIN:
                    stale.append((run, f"{how}: another one"))
                    break
        slow.append(time.monotonic() - began)
    print(f"all had heard within {max(slow):.3f} s")
    assert stale == []
