"""The demo's two host applications, which answer alike."""

from __future__ import annotations

import csv
import inspect
import io
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from hhs_perf import Monitor
from hhs_perf.demo import fastapi_app, flask_app
from hhs_perf.demo._schema import top_accounts
from hhs_perf.demo.queries import EVENTS, Figures
from tests.servers import wait_until

TOKEN = "s3cret-s3cret-s3cret"
HEADERS = {"Authorization": f"Bearer {TOKEN}"}


class Get:
    """Asks an application; knows its monitor."""

    def __init__(self, ask: Callable[[str], tuple[int, str, str]], monitor: Monitor) -> None:
        self.ask = ask
        self.monitor = monitor

    def __call__(self, path: str) -> tuple[int, str, str]:
        return self.ask(path)


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database file to copy: filling one takes a while."""
    path = tmp_path_factory.mktemp("filled") / "accounts.sqlite3"
    Figures.create(path).close()
    return path


@pytest.fixture
def figures(filled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Figures]:
    path = shutil.copy(filled, tmp_path / "accounts.sqlite3")
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{path}")
    made = Figures.from_env()
    yield made
    made.close()


def ask_flask(figures: Figures) -> Get:
    app = flask_app.create_app(figures)
    client = app.test_client()

    def get(path: str) -> tuple[int, str, str]:
        with client.get(path, headers=HEADERS) as answer:
            return answer.status_code, answer.mimetype, answer.get_data(as_text=True)

    return Get(get, app.extensions["hhs_perf"])


def ask_fastapi(figures: Figures) -> Get:
    app = fastapi_app.create_app(figures)
    client = TestClient(app, raise_server_exceptions=False)

    def get(path: str) -> tuple[int, str, str]:
        answer = client.get(path, headers=HEADERS)
        return answer.status_code, answer.headers["content-type"].partition(";")[0], answer.text

    return Get(get, app.state.hhs_perf)


@pytest.fixture(params=[ask_flask, ask_fastapi], ids=["flask", "fastapi"])
def get(
    request: pytest.FixtureRequest, figures: Figures, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Get]:
    monkeypatch.setenv("HHS_PERF_TOKENS", f"viewer:test={TOKEN}")
    monkeypatch.setenv("ENABLE_QUERY_PROFILING", "true")
    monkeypatch.delenv("REDIS_URL", raising=False)
    get = request.param(figures)
    yield get
    get.monitor.close()


def read(answer: tuple[int, str, str]) -> Any:
    status, kind, text = answer
    assert (status, kind) == (200, "application/json")
    return json.loads(text)


def test_summary_adds_up_the_platforms(get: Get) -> None:
    summary = read(get("/api/summary"))
    assert summary["accounts"] == 99
    assert summary["followers"] == sum(row["followers"] or 0 for row in summary["platforms"])


def test_list_is_paged_and_filtered(get: Get) -> None:
    first, second = read(get("/api/accounts?limit=40")), read(get("/api/accounts?offset=40"))
    assert first["total"] == second["total"] == 99
    assert [row["account_key"] for row in first["accounts"]] == list(range(1, 41))
    assert [row["account_key"] for row in second["accounts"]] == list(range(41, 61))
    tubes = read(get("/api/accounts?platform=YouTube"))
    assert tubes["total"] == 8
    assert {row["platform"] for row in tubes["accounts"]} == {"YouTube"}


@pytest.mark.parametrize("query", ["limit=0", "limit=101", "offset=-1"])
def test_a_page_of_no_sensible_size_is_refused(get: Get, query: str) -> None:
    assert get(f"/api/accounts?{query}")[0] in {400, 422}


def test_detail_and_history_of_one_account(get: Get) -> None:
    assert read(get("/api/accounts/1"))["handle"] == "HHS"
    assert len(read(get("/api/accounts/1/history"))["history"]) == 31


@pytest.mark.parametrize("path", ["/api/accounts/1000", "/api/accounts/1000/history", "/nowhere"])
def test_what_is_not_there_is_404(get: Get, path: str) -> None:
    assert get(path)[0] == 404


def test_export_holds_every_snapshot_in_both_forms(get: Get) -> None:
    status, kind, text = get("/api/export")
    assert (status, kind) == (200, "application/x-ndjson")
    rows = [json.loads(line) for line in text.splitlines()]
    assert len(rows) == 98 * 31  # one account is no platform's to tell of
    status, kind, text = get("/api/export?format=csv")
    assert (status, kind) == (200, "text/csv")
    table = list(csv.DictReader(io.StringIO(text)))
    assert [row["followers_count"] for row in table] == [
        str("" if (count := row["followers_count"]) is None else count) for row in rows
    ]


def test_events_end_by_themselves(get: Get) -> None:
    status, kind, text = get("/api/events")
    assert (status, kind) == (200, "text/event-stream")
    assert text.count("event: platform\n") == text.count("\n\n") == EVENTS


def test_the_broken_view_is_a_server_error(get: Get) -> None:
    assert get("/api/broken")[0] == 500


def test_requests_are_of_the_kind_that_answered_them(get: Get) -> None:
    """The database the first time, the cache from then on; the history is never cached."""
    get.monitor.cache.warm_now("summary", "top accounts")
    once = ("summary", "accounts/1/history", "export", "events", "broken", "slow")
    for path in (*once, "organizations", "mentions"):
        get(f"/api/{path}")
    for _ in range(2):
        get("/api/accounts?limit=7")
    routes = read(get("/api/performance"))["api"]["routes"]
    kinds = {(row["route"].rpartition("/")[2], row["kind"]): row["count"] for row in routes}
    assert kinds == {
        ("summary", "cached"): 1,
        ("accounts", "database"): 1,
        ("accounts", "cached"): 1,
        ("history", "database"): 1,
        ("export", "database"): 1,
        ("events", "database"): 1,
        ("organizations", "database"): 1,
        ("mentions", "database"): 1,
        ("slow", "uncached"): 1,
        ("broken", "uncached"): 1,
    }


def test_the_guides_three_warm_ups_run_at_the_start(get: Get) -> None:
    results = {each.name: each for each in get.monitor.cache.warming.results()}
    assert list(results) == ["frequent", "summary", "top accounts"]
    assert results["frequent"].state == "off"  # neither a server nor a folder
    for name in ("summary", "top accounts"):
        wait_until(lambda name=name: is_done(get.monitor, name), name)


def is_done(monitor: Monitor, name: str) -> bool:
    [result] = [each for each in monitor.cache.warming.results() if each.name == name]
    return result.state == "done"


def test_the_top_accounts_are_warm(get: Get, figures: Figures) -> None:
    get.monitor.cache.warm_now("top accounts")
    keys = figures.top_accounts(5)
    assert keys == list(top_accounts(5))
    followers = [read(get(f"/api/accounts/{key}"))["followers_count"] for key in keys]
    assert followers == sorted(followers, reverse=True)
    routes = read(get("/api/performance"))["api"]["routes"]
    assert [(row["kind"], row["count"]) for row in routes] == [("cached", 5)]


def test_that_there_is_no_account_is_kept_as_well(get: Get) -> None:
    assert [get("/api/accounts/1000")[0] for _ in range(3)] == [404] * 3
    cache = read(get("/api/performance"))["cache"]
    assert (cache["hits"], cache["misses"]) == (2, 1)


def lines_of(method: Callable[..., object]) -> range:
    source, first = inspect.getsourcelines(method)
    return range(first, first + len(source))


def is_in(line: dict[str, Any], method: Callable[..., object]) -> bool:
    place = (Path(line["file"]).resolve(), line["function"])
    expected = (Path(inspect.getfile(method)).resolve(), method.__qualname__)
    return place == expected and line["line"] in lines_of(method)


def text_at(line: dict[str, Any]) -> str:
    return Path(line["file"]).read_text(encoding="utf-8").splitlines()[line["line"] - 1].strip()


def test_the_three_deliberate_faults_are_named_with_file_and_line(get: Get) -> None:
    """And no other: an N+1 view, a slow query, and the index that it lacks."""
    for path in ("organizations", "mentions", "accounts/1/history", "events"):
        assert get(f"/api/{path}")[0] == 200
    get.monitor.database.look_closer()
    body = read(get("/api/performance/database"))

    [found] = body["n_plus_one"]
    assert (found["kind"], found["advice"]) == ("lazy", "selectinload(Account.snapshots)")
    assert (found["most"], found["times"]) == (43, 1)
    assert is_in(found["line"], Figures.organizations)
    assert text_at(found["line"]) == "newest, *_, oldest = account.snapshots"

    slow = max(body["slow_latest"], key=lambda each: each["seconds"])
    assert slow["statement"].startswith("SELECT fact_mention ")
    assert slow["seconds"] > body["slow_query"] == 0.1
    assert slow["route"] == "/api/mentions"
    assert is_in(slow["line"], Figures.mentions)
    assert text_at(slow["line"]) == "rows = connection.execute(query).mappings().all()"
    assert "SCAN fact_mention" in slow["plan"]["text"]

    [database] = body["indexes"]
    [index] = database["advice"]
    assert (index["table"], index["columns"]) == ("fact_mention", ["account_key"])
    assert index["statements"] == [slow["statement"]]
    assert index["line"] == slow["line"]
    assert index["gain"] > 2
    assert index["migration"] == (
        'op.create_index("ix_fact_mention_account_key", "fact_mention", ["account_key"])'
    )
    assert {"n-plus-one", "missing-index"} <= {each["rule"] for each in body["advice"]}


def test_what_the_faults_ask_for_is_right(figures: Figures) -> None:
    """With the index the database no longer reads all mentions, and the answer is the same."""
    before = figures.mentions(20)
    with figures._engine.begin() as connection:
        connection.exec_driver_sql(
            "CREATE INDEX ix_fact_mention_account_key ON fact_mention (account_key)"
        )
    assert figures.mentions(20) == before


def test_the_queries_of_a_request_are_kept_in_development(get: Get) -> None:
    get("/api/organizations")
    [profile] = get.monitor.database.profiles.latest()
    assert len(profile.queries) + profile.left_out == 44
