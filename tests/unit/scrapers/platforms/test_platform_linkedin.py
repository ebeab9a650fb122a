"""LinkedIn: ids are found out once, then followers by id; limits of a day."""

from __future__ import annotations

from typing import Any

import pytest

from hhs_perf.scrapers.platform import Reading
from hhs_perf.scrapers.platforms.linkedin import LINKEDIN
from tests.platform_replies import call, counts, failure, found, reply, target

NAMED = target(LINKEDIN, "OPREACF")
KNOWN = target(LINKEDIN, "opreacf", "622072")
ELEMENT = {"id": 622072, "vanityName": "opreACF", "localizedName": "OPRE", "x": "NONE"}


@pytest.mark.parametrize(
    ("one", "needs"),
    [
        (NAMED, True),
        (KNOWN, False),
        (target(LINKEDIN, "10897894"), False),
        (target(LINKEDIN, "opreacf", "urn:li:organization:622072"), False),
        (target(LINKEDIN, "opreacf", "../me"), True),
    ],
)
def test_a_number_needs_no_look_up(one: Any, needs: bool) -> None:
    """Some addresses hold it; what is no number never gets into a path."""
    assert LINKEDIN.resolve is not None
    assert LINKEDIN.resolve.needs(one) is needs
    if not needs:
        path = call(LINKEDIN, one).path
        assert path.startswith("/rest/networkSizes/urn%3Ali%3Aorganization%3A")
        assert path.rpartition("%3A")[2] in ("622072", "10897894")


def test_a_name_is_looked_up() -> None:
    """It brings the id and no figures."""
    made = call(LINKEDIN, NAMED, resolving=True)
    assert (made.path, dict(made.params)["vanityName"]) == ("/rest/organizations", "opreacf")
    assert made.headers["LinkedIn-Version"] == "202601"
    assert made.headers["X-Restli-Protocol-Version"] == "2.0.0"
    (one,) = found(LINKEDIN, reply({"elements": [ELEMENT]}), NAMED, resolving=True)
    assert one == Reading(figures=None, account_id="622072", display_name="OPRE")


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ({"elements": []}, "not_found"),
        ({"elements": [{**ELEMENT, "vanityName": "another"}]}, "not_found"),
        ({"elements": [{**ELEMENT, "id": None}]}, "schema_changed"),
        ({"elements": [{**ELEMENT, "id": "../me"}]}, "schema_changed"),
        ({"elements": ["x"]}, "schema_changed"),
        ({"paging": {}}, "schema_changed"),
    ],
)
def test_a_look_up_that_finds_nobody_says_so(body: Any, kind: str) -> None:
    """Another organization's id is not taken."""
    assert failure(LINKEDIN, reply(body), NAMED, resolving=True).kind == kind


def test_followers_are_read() -> None:
    """They are all that there is."""
    (one,) = found(LINKEDIN, reply({"firstDegreeSize": 4821}), KNOWN)
    assert counts(one) == {"followers_count": 4821}
    assert isinstance(one, Reading)
    assert one.account_id == "622072"


@pytest.mark.parametrize("size", [None, -1, "x", True, 10**14])
def test_bad_followers_are_refused(size: Any) -> None:
    """Null too."""
    assert failure(LINKEDIN, reply({"firstDegreeSize": size}), KNOWN).kind == "schema_changed"


DAY = "Resource level throttle APPLICATION DAY limit for calls to this resource is reached."


@pytest.mark.parametrize(
    ("status", "body", "kind", "wait"),
    [
        (429, {"message": DAY, "serviceErrorCode": 101, "status": 429}, "quota_exhausted", 43_200),
        (429, {"message": "Too many requests", "status": 429}, "rate_limited", None),
        (403, {"status": 403, "serviceErrorCode": 100, "code": "ACCESS_DENIED"}, "forbidden", None),
        (404, {"code": "NOT_FOUND", "message": "x"}, "not_found", None),
        (401, {"code": "EXPIRED_ACCESS_TOKEN"}, "auth", None),
        (400, {"message": "Invalid edgeType"}, "schema_changed", None),
        (500, {}, "server", None),
    ],
)
def test_a_failure_has_a_kind(status: int, body: Any, kind: str, wait: float | None) -> None:
    """The quota of a day lasts until midnight UTC."""
    failed = failure(LINKEDIN, reply(body, status), KNOWN)
    assert (failed.kind, failed.wait) == (kind, wait)
