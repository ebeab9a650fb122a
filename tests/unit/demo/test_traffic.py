"""The plan of the demo's traffic."""

from __future__ import annotations

from collections import Counter
from typing import get_args

import pytest

from hhs_perf.demo._launch import Framework
from hhs_perf.demo._traffic import plan

FRAMEWORKS: tuple[Framework, ...] = get_args(Framework)


@pytest.mark.parametrize("framework", FRAMEWORKS)
@pytest.mark.parametrize("requests", [1, 3, 11, 12, 13, 99, 300, 500, 2000])
def test_a_plan_has_exactly_as_many_visits_as_asked(requests: int, framework: Framework) -> None:
    visits = plan(requests, framework)
    assert len(visits) == requests
    assert visits == plan(requests, framework)


@pytest.mark.parametrize("requests", [12, 13, 300])
def test_every_kind_of_visit_occurs_early(requests: int) -> None:
    """The slow query first of all, which has to be looked at while the others are sent."""
    visits = plan(requests, "flask")[:12]
    assert visits[0].path == "/api/mentions"
    met = Counter((visit.endpoint.route, visit.status) for visit in visits)
    assert len(met) == 12
    assert ("/api/broken", 500) in met
    assert ("unmatched", 404) in met
    assert ("/api/accounts/<int:account_key>", 404) in met


def test_routes_are_spelled_as_their_framework_does() -> None:
    def routes(framework: Framework) -> set[str]:
        return {visit.endpoint.route for visit in plan(100, framework)}

    assert {
        route.replace("int:", "").replace("<", "{").replace(">", "}") for route in routes("flask")
    } == routes("fastapi")
