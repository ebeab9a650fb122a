"""`hhs-perf cache` against real servers, and against caches that run."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from hhs_perf.cache import Codec, MacKey, TieredCache
from hhs_perf.cli import main
from hhs_perf.exceptions import CacheCodecError
from tests.chaos_proxy import ChaosProxy
from tests.servers import Server, wait_until

Run = Callable[..., tuple[int, Any]]


@pytest.fixture
def url(redis_url: str) -> str:
    return redis_url


@pytest.fixture
def run(
    url: str, namespace: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Run:
    """Run a command with --json; gives the exit status and what it printed."""
    monkeypatch.setenv("REDIS_URL", url)
    monkeypatch.setenv("HHS_PERF_NAMESPACE", namespace)

    def command(*arguments: str) -> tuple[int, Any]:
        capsys.readouterr()
        status = main(["cache", *arguments, "--json"])
        shown = capsys.readouterr().out
        return status, json.loads(shown) if shown else None

    return command


@pytest.fixture
def text(run: Run, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Run a command as people do."""

    def command(*arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        status = main(["cache", *arguments])
        shown, complaints = capsys.readouterr()
        return status, shown, complaints

    return command


@pytest.fixture
def make(url: str, namespace: str) -> Iterator[Callable[..., TieredCache]]:
    """Make caches as hosts have them; closed in the end."""
    made: list[TieredCache] = []

    def build(**options: Any) -> TieredCache:
        # A machine under load takes its time, and what is not written is not there to be counted.
        held = {"redis": url, "namespace": namespace, "l2_timeout": 5.0}
        made.append(TieredCache(**(held | options)))
        return made[-1]

    yield build
    for cache in made:
        cache.close()


def fill(cache: TieredCache) -> None:
    cache.set_many({f"account:{n}": {"n": n} for n in range(20)}, ttl=100, tags=["accounts"])
    cache.set_many({f"page:{n}:x": "text" for n in range(5)}, ttl=1000, tags=["pages", "all"])
    cache.set("summary", [1, 2, 3], ttl=50, tags=["accounts", "all"])


def test_stats_tell_what_is_there(make: Callable[..., TieredCache], run: Run) -> None:
    cache = make()
    fill(cache)
    cache.invalidate(tags=["other"])
    cache.invalidate(prefix="gone:")
    status, told = run("stats")
    assert status == 0
    assert told["version"].split()[0] in {"valkey", "redis"}
    assert told["version"].split()[1][0] in "79"
    assert (told["entries"], told["leases"], told["tag_marks"], told["standing_marks"]) == (
        *(26, 0),
        *(1, 1),
    )
    patterns = {row["pattern"]: row for row in told["patterns"]}
    assert {name: row["entries"] for name, row in patterns.items()} == {
        "account:*": 20,
        "page:*:x": 5,
        "summary": 1,
    }
    assert sum(row["bytes"] for row in patterns.values()) == told["bytes"] > 0
    pages = patterns["page:*:x"]
    assert 990 < pages["ttl_min"] <= pages["ttl_median"] <= pages["ttl_max"] <= 1000
    assert told["complete"]


def test_stats_see_a_load_under_way(make: Callable[..., TieredCache], run: Run) -> None:
    cache, began, go = make(), threading.Event(), threading.Event()

    def load() -> int:
        began.set()
        go.wait(20)
        return 1

    loading = threading.Thread(target=cache.get_or_load, args=("a", load))
    loading.start()
    assert began.wait(20)
    assert run("stats")[1]["leases"] == 1
    go.set()
    loading.join(20)
    assert run("stats")[1]["leases"] == 0


def test_a_limit_ends_the_count_and_says_so(
    make: Callable[..., TieredCache], run: Run, text: Callable[..., tuple[int, str, str]]
) -> None:
    fill(make())
    _, told = run("stats", "--limit", "10")
    assert (told["entries"], told["complete"]) == (10, False)
    assert "not all" in text("stats", "--limit", "10")[1]
    _, told = run("invalidate", "--everything", "--dry-run", "--limit", "10")
    assert (told["hit"], told["looked_at"], told["complete"]) == (10, 10, False)


def test_a_namespace_is_no_pattern(
    make: Callable[..., TieredCache], namespace: str, url: str, run: Run
) -> None:
    """Its letters mean themselves to SCAN, and another one's entries are not counted."""
    fill(make(namespace=f"{namespace}x"))
    assert run("stats")[1]["entries"] == 0
    assert run("stats", "--namespace", f"{namespace}x")[1]["entries"] == 26


def test_nothing_at_all_is_said(text: Callable[..., tuple[int, str, str]]) -> None:
    status, shown, complaints = text("stats")
    assert (status, complaints) == (0, "")
    assert "No entries." in shown
    assert "No process tells of warm-ups." in shown


def test_tables_show_what_is_there(
    make: Callable[..., TieredCache], text: Callable[..., tuple[int, str, str]]
) -> None:
    cache = make()
    fill(cache)
    cache.warm("summary", lambda: 1, key="summary", every=600)
    cache.warming.start()
    wait_until(lambda: all(each.runs for each in cache.warming.results()), "the warm-ups")
    wait_until(lambda: "summary  " in text("stats")[1].split("Warm-ups")[-1], "the row")
    _, shown, _ = text("stats")
    for words in ("account:*", "page:*:x", "26 entries", "frequent", "600 s", "done"):
        assert words in shown


@pytest.mark.parametrize(
    ("arguments", "hit"),
    [
        (["--tag", "accounts"], 21),
        (["--tag", "all"], 6),
        (["--tag", "all", "--tag", "accounts"], 26),
        (["--tag", "nobody"], 0),
        (["--prefix", "account:1"], 11),
        (["--key", "summary", "--key", "nothing"], 1),
        (["--key", "summary", "--tag", "pages"], 6),
        (["--everything"], 26),
    ],
)
def test_a_dry_run_counts_what_the_invalidation_then_makes_void(
    make: Callable[..., TieredCache], run: Run, arguments: list[str], hit: int
) -> None:
    cache = make()
    fill(cache)
    keys = [*(f"account:{n}" for n in range(20)), *(f"page:{n}:x" for n in range(5)), "summary"]
    assert len(cache.get_many(keys)) == 26
    status, told = run("invalidate", *arguments, "--dry-run")
    assert (status, told["hit"], told["void"], told["unreadable"]) == (0, hit, 0, 0)
    assert len(cache.get_many(keys)) == 26
    assert run("invalidate", *arguments)[0] == 0
    wait_until(lambda: len(cache.get_many(keys)) == 26 - hit, "the word")
    assert len(make().get_many(keys)) == 26 - hit
    assert run("invalidate", *arguments, "--dry-run")[1]["hit"] == 0


def test_entries_that_cannot_be_read_are_counted_apart(
    make: Callable[..., TieredCache],
    run: Run,
    text: Callable[..., tuple[int, str, str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With keys, tags are believed where they are signed."""
    key = "a:0123456789abcdef"
    fill(make(codec=Codec(keys=MacKey.parse(key))))
    monkeypatch.setenv("HHS_PERF_CACHE_MAC_KEYS", "b:fedcba9876543210")
    _, told = run("invalidate", "--tag", "accounts", "--dry-run")
    assert (told["hit"], told["unreadable"]) == (0, 26)
    assert "HHS_PERF_CACHE_MAC_KEYS" in text("invalidate", "--tag", "accounts", "--dry-run")[1]
    monkeypatch.setenv("HHS_PERF_CACHE_MAC_KEYS", key)
    assert run("invalidate", "--tag", "accounts", "--dry-run")[1]["hit"] == 21


def test_it_says_what_it_did(
    make: Callable[..., TieredCache], text: Callable[..., tuple[int, str, str]], namespace: str
) -> None:
    fill(make())
    status, shown, complaints = text("invalidate", "--tag", "all", "--prefix", "a", "--key", "k")
    assert (status, complaints) == (0, "")
    assert shown == f"Made void in {namespace}: key k, tag all, prefix a.\n"
    _, shown, _ = text("invalidate", "--everything", "--dry-run")
    assert shown.startswith("Would make void 0 entries;") or "void already" in shown


def test_names_that_could_steer_a_terminal_are_not_obeyed(
    make: Callable[..., TieredCache], text: Callable[..., tuple[int, str, str]]
) -> None:
    make().set("evil\x1b[2J", 1)
    assert "\x1b" not in text("stats")[1]
    assert "\x1b" not in text("invalidate", "--key", "evil\x1b[2J")[1]


def fleet_of(make: Callable[..., TieredCache], size: int, loads: list[str]) -> list[TieredCache]:
    fleet = [make() for _ in range(size)]
    for number, cache in enumerate(fleet):
        cache.warm("summary", lambda: loads.append("summary"), key="summary")
        cache.warm("other", lambda: loads.append("other"), key="other")
        if number == 0:
            cache.warm("broken", lambda: 1 / 0)
        cache.warming.start()
    for cache in fleet:
        wait_until(
            lambda cache=cache: all(each.runs for each in cache.warming.results()), "the start"
        )
    return fleet


def test_warm_has_every_process_warm_and_waits(
    make: Callable[..., TieredCache], run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    loads: list[str] = []
    fleet = fleet_of(make, 3, loads)
    assert sorted(loads) == ["other", "summary"]
    status, told = run("warm", "--dry-run")
    assert (status, loads.count("summary")) == (0, 1)
    names = [each["name"] for each in told["warm_ups"]]
    assert {name: names.count(name) for name in names} == {
        "frequent": 3,
        "summary": 3,
        "other": 3,
        "broken": 1,
    }
    # All are processes of one number here, in a fleet they are not.
    status, told = run("warm", "summary")
    assert status == 0
    assert [each["state"] for each in told["warm_ups"]] == ["done"] * 3
    wait_until(
        lambda: all(
            each.runs == 2
            for cache in fleet
            for each in cache.warming.results()
            if each.name == "summary"
        ),
        "all of them",
    )
    assert (loads.count("summary"), loads.count("other")) == (2, 1)


def test_a_failure_is_exit_status_1(
    make: Callable[..., TieredCache], run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    fleet_of(make, 1, [])
    status, told = run("warm")
    assert status == 1, told
    [broken] = [each for each in told["warm_ups"] if each["name"] == "broken"]
    assert (broken["state"], broken["error"]) == ("failed", "ZeroDivisionError")


def test_a_process_that_does_not_answer_is_exit_status_3(
    make: Callable[..., TieredCache], run: Run
) -> None:
    cache, go = make(), threading.Event()
    go.set()
    cache.warm("slow", lambda: go.wait(30))
    cache.warming.start()
    wait_until(lambda: all(each.runs for each in cache.warming.results()), "the start")
    go.clear()
    status, told = run("warm", "slow", "--timeout", "0.3")
    assert (status, told["warm_ups"][0]["state"]) == (3, "no answer")
    go.set()


def test_nobody_there_is_exit_status_3(text: Callable[..., tuple[int, str, str]]) -> None:
    status, shown, complaints = text("warm")
    assert (status, shown) == (3, "")
    assert "no process" in complaints


def test_a_name_that_nobody_has_is_a_usage_error(
    make: Callable[..., TieredCache],
    text: Callable[..., tuple[int, str, str]],
    caplog: pytest.LogCaptureFixture,
) -> None:
    fleet_of(make, 1, [])
    status, shown, complaints = text("warm", "nobody")
    assert (status, shown) == (64, "")
    assert "'nobody'" in complaints
    assert "summary" in complaints


def test_rows_that_are_not_ours_are_ignored(
    make: Callable[..., TieredCache], run: Run, namespace: str
) -> None:
    cache = make()
    cache.warming.start()
    for number, value in enumerate(
        (b"", b"x", b"9" * 16, b"9" * 16 + b'{"pid":"x"}', b"\xff" * 99)
    ):
        cache.core.link.send("HSET", f"hhs:{namespace}:{{warm}}", f"f{number}", value)
    status, told = run("warm", "--dry-run")
    assert status in {0, 3}
    assert {each["name"] for each in told["warm_ups"]} <= {"frequent"}


def test_a_server_that_falls_silent_ends_the_command(
    valkey: Server,
    proxied: Callable[[Server], ChaosProxy],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from hhs_perf.cli import _cache_run

    monkeypatch.setattr(_cache_run, "_ANSWER_WITHIN", 0.2)
    proxy = proxied(valkey)
    proxy.tarpit()
    assert main(["cache", "stats", "--redis-url", proxy.url]) == 4
    assert capsys.readouterr().err == (
        f"hhs-perf: cannot use {proxy.url}: no answer within 0.2 s\n"
    )


def test_a_cluster_is_looked_at_as_well(
    cluster_url: str, namespace: str, capsys: pytest.CaptureFixture[str]
) -> None:
    cache = TieredCache(cluster_url, namespace=namespace, l2_timeout=5.0)
    fill(cache)
    options = ("--redis-url", cluster_url, "--namespace", namespace, "--json")
    assert main(["cache", "stats", *options]) == 0
    assert json.loads(capsys.readouterr().out)["entries"] == 26
    assert main(["cache", "invalidate", "--tag", "all", "--dry-run", *options]) == 0
    assert json.loads(capsys.readouterr().out)["hit"] == 6
    cache.warm("a", lambda: 1, key="a")
    cache.warming.start()
    wait_until(lambda: all(each.runs for each in cache.warming.results()), "the start")
    assert main(["cache", "warm", "a", *options]) == 0
    assert json.loads(capsys.readouterr().out)["warm_ups"][0]["state"] == "done"
    cache.close()


def test_what_the_tools_read_is_what_the_cache_wrote(make: Callable[..., TieredCache]) -> None:
    """A guard for the test data: a frame that is cut cannot be read."""
    cache = make()
    fill(cache)
    second = cache.core.lookup.second
    raw = cache.core.link.send("GET", second.level2.names.value("summary"))
    assert second.codec.peek(second.namespace, "summary", raw).tags == ("accounts", "all")
    with pytest.raises(CacheCodecError):
        second.codec.peek(second.namespace, "summary", raw[:-1])


def test_a_server_that_is_no_cluster_is_told_in_its_words(
    url: str, text: Callable[..., tuple[int, str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    where = url.partition("://")[2].partition("/")[0]
    monkeypatch.setenv("REDIS_URL", f"redis+cluster://{where}")
    for command in (["stats"], ["invalidate", "--key", "a"], ["warm"]):
        status, shown, complaints = text(*command)
        assert (status, shown) == (4, "")
        assert complaints.startswith(f"hhs-perf: cannot use redis+cluster://{where}: ")
        assert "cluster" in complaints.partition("cannot use ")[2].partition(": ")[2].lower()
        assert complaints.count("\n") == 1
