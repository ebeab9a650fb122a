"""The parts of the demo that need no server: accounts, plan, port, comparison."""

from __future__ import annotations

import json
import socket
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest

from hhs_perf.demo._accounts import read_accounts
from hhs_perf.demo._check import differences
from hhs_perf.demo._server import Framework, listen
from hhs_perf.demo._traffic import Endpoint, Sent, plan
from hhs_perf.demo.queries import NOTE, Figures
from hhs_perf.exceptions import ConfigurationError

FRAMEWORKS: tuple[Framework, ...] = get_args(Framework)


def test_all_accounts_ship_with_the_package() -> None:
    accounts = read_accounts()
    assert len(accounts) == 99
    assert len({account.url for account in accounts}) == 99
    assert all(account.url.startswith("https://") for account in accounts)


def test_handles_are_read_off_the_addresses() -> None:
    handles = {account.url: account.handle for account in read_accounts()}
    assert all(handles.values())
    assert handles["https://www.instagram.com/seckennedy/"] == "seckennedy"
    assert handles["https://www.truthsocial.com/@seckennedy"] == "seckennedy"
    assert handles["https://www.facebook.com/profile.php?id=100066204115008"] == "100066204115008"


@pytest.fixture
def figures(tmp_path: Path) -> Iterator[Figures]:
    made = Figures.create(tmp_path / "accounts.sqlite3")
    yield made
    made.close()


def test_sample_figures_are_the_same_in_every_database(figures: Figures, tmp_path: Path) -> None:
    other = Figures.create(tmp_path / "other.sqlite3")
    assert list(figures.export("ndjson")) == list(other.export("ndjson"))
    other.close()


def test_sample_figures_say_that_they_are_generated(figures: Figures) -> None:
    for answer in (figures.summary(), figures.account(1), figures.history(1)):
        assert answer is not None
        assert answer["figures"] == NOTE
    with figures._engine.connect() as connection:
        marked = connection.exec_driver_sql(
            "SELECT count(*), min(status), max(status) FROM fact_figure_status"
        ).one()
    assert tuple(marked) == (7, "generated", "generated")


def test_a_month_of_history_ends_with_the_newest_figures(figures: Figures) -> None:
    history, account = figures.history(7), figures.account(7)
    assert history is not None
    assert account is not None
    days = history["history"]
    assert isinstance(days, list)
    assert [day["snapshot_date"] for day in days] == [f"2026-10-{day:02}" for day in range(1, 32)]
    assert days[-1]["followers_count"] == account["followers_count"]


@pytest.mark.parametrize("framework", FRAMEWORKS)
@pytest.mark.parametrize("requests", [1, 3, 9, 10, 11, 99, 300, 500, 2000])
def test_a_plan_has_exactly_as_many_visits_as_asked(requests: int, framework: Framework) -> None:
    visits = plan(requests, framework)
    assert len(visits) == requests
    assert visits == plan(requests, framework)


@pytest.mark.parametrize("requests", [10, 11, 300])
def test_every_kind_of_visit_occurs(requests: int) -> None:
    met = Counter((visit.endpoint.route, visit.status) for visit in plan(requests, "flask"))
    assert len(met) == 10
    assert ("/api/broken", 500) in met
    assert ("unmatched", 404) in met
    assert ("/api/accounts/<int:account_key>", 404) in met


def test_routes_are_spelled_as_their_framework_does() -> None:
    def routes(framework: Framework) -> set[str]:
        return {visit.endpoint.route for visit in plan(100, framework)}

    assert {
        route.replace("int:", "").replace("<", "{").replace(">", "}") for route in routes("flask")
    } == routes("fastapi")


def test_a_taken_port_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(ConfigurationError, match=f"port {port} on 127.0.0.1 is taken"):
            listen("127.0.0.1", port)


def test_a_stranger_on_localhost_by_ipv6_takes_the_port_too() -> None:
    """The name localhost leads there first, so the curl lines shown would."""
    try:
        other = socket.create_server(("::1", 0), family=socket.AF_INET6)
    except OSError:  # no IPv6 on this machine: nobody can be there
        return
    with other:
        port = other.getsockname()[1]
        with pytest.raises(ConfigurationError, match=f"port {port} on localhost is taken"):
            listen("127.0.0.1", port)


@pytest.mark.parametrize("host", ["no-such-host.invalid", "192.0.2.1"])
def test_a_host_that_is_not_ours_is_named(host: str) -> None:
    with pytest.raises(ConfigurationError, match=f"cannot listen on {host}"):
        listen(host, 0)


def counted(route: str, count: int, errors: int = 0, client_errors: int = 0) -> dict[str, object]:
    return {
        "method": "GET",
        "route": route,
        "count": count,
        "errors": errors,
        "client_errors": client_errors,
    }


def compare(*routes: dict[str, object]) -> tuple[str, ...]:
    sent = {
        Endpoint("GET", "/a"): Sent(count=3, errors=1, client_errors=0),
        Endpoint("GET", "/b"): Sent(count=2, errors=0, client_errors=2),
    }
    return differences(json.dumps({"api": {"routes": routes}}).encode(), sent)


def test_equal_counts_are_no_difference() -> None:
    assert compare(counted("/b", 2, 0, 2), counted("/a", 3, 1)) == ()


def test_a_route_that_answers_in_several_kinds_is_added_up() -> None:
    assert compare(counted("/a", 1), counted("/b", 2, 0, 2), counted("/a", 2, 1)) == ()


def test_every_difference_is_told() -> None:
    assert compare(counted("/a", 3, 0), counted("/c", 1)) == (
        "GET /a: sent 3 (1 errors, 0 client errors), counted 3 (0 errors, 0 client errors)",
        "GET /b: sent 2 (0 errors, 2 client errors), counted 0 (0 errors, 0 client errors)",
        "GET /c: sent 0 (0 errors, 0 client errors), counted 1 (0 errors, 0 client errors)",
    )
