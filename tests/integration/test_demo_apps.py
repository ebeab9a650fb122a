"""The demo's two host applications, which answer alike."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from hhs_perf import Monitor
from hhs_perf.demo import fastapi_app, flask_app
from hhs_perf.demo.queries import EVENTS, Figures

TOKEN = "s3cret-s3cret-s3cret"
HEADERS = {"Authorization": f"Bearer {TOKEN}"}
Get = Callable[[str], tuple[int, str, str]]


@pytest.fixture
def figures(tmp_path: Path) -> Iterator[Figures]:
    made = Figures.create(tmp_path / "accounts.sqlite3")
    yield made
    made.close()


def ask_flask(figures: Figures) -> tuple[Get, Monitor]:
    app = flask_app.create_app(figures)
    client = app.test_client()

    def get(path: str) -> tuple[int, str, str]:
        with client.get(path, headers=HEADERS) as answer:
            return answer.status_code, answer.mimetype, answer.get_data(as_text=True)

    return get, app.extensions["hhs_perf"]


def ask_fastapi(figures: Figures) -> tuple[Get, Monitor]:
    app = fastapi_app.create_app(figures)
    client = TestClient(app, raise_server_exceptions=False)

    def get(path: str) -> tuple[int, str, str]:
        answer = client.get(path, headers=HEADERS)
        return answer.status_code, answer.headers["content-type"].partition(";")[0], answer.text

    return get, app.state.hhs_perf


@pytest.fixture(params=[ask_flask, ask_fastapi], ids=["flask", "fastapi"])
def get(
    request: pytest.FixtureRequest, figures: Figures, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Get]:
    monkeypatch.setenv("HHS_PERF_TOKENS", f"viewer:test={TOKEN}")
    get, monitor = request.param(figures)
    yield get
    monitor.close()


def read(answer: tuple[int, str, str]) -> Any:
    status, kind, text = answer
    assert (status, kind) == (200, "application/json")
    return json.loads(text)


def test_summary_adds_up_the_platforms(get: Get) -> None:
    summary = read(get("/api/summary"))
    assert summary["accounts"] == 99
    assert summary["followers"] == sum(row["followers"] for row in summary["platforms"])


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
    assert len(rows) == 99 * 31
    status, kind, text = get("/api/export?format=csv")
    assert (status, kind) == (200, "text/csv")
    table = list(csv.DictReader(io.StringIO(text)))
    assert [row["followers_count"] for row in table] == [
        str(row["followers_count"]) for row in rows
    ]


def test_events_end_by_themselves(get: Get) -> None:
    status, kind, text = get("/api/events")
    assert (status, kind) == (200, "text/event-stream")
    assert text.count("event: platform\n") == text.count("\n\n") == EVENTS


def test_the_broken_view_is_a_server_error(get: Get) -> None:
    assert get("/api/broken")[0] == 500


def test_views_on_the_database_are_counted_as_such(get: Get) -> None:
    for path in ("summary", "accounts", "accounts/1", "export", "events", "broken"):
        get(f"/api/{path}")
    routes = read(get("/api/performance"))["api"]["routes"]
    assert len(routes) == 6
    for row in routes:
        assert row["kind"] == ("uncached" if row["route"] == "/api/broken" else "database")
