"""Flickr: every error is a 200, every text is wrapped, and nobody has followers."""

from __future__ import annotations

from typing import Any

import pytest

from hhs_perf.scrapers.platform import Reading
from hhs_perf.scrapers.platforms.flickr import FLICKR
from tests.platform_replies import call, counts, failure, found, reply, target

ID = "44494372@N05"
NAMED, KNOWN = target(FLICKR, "HHSgov"), target(FLICKR, "hhsgov", ID)
PHOTOS = {"count": {"_content": "853"}, "views": {"_content": "3309"}}


def _person(**photos: Any) -> dict[str, Any]:
    person = {"id": ID, "nsid": ID, "username": {"_content": "HHS"}, "photos": PHOTOS | photos}
    return {"person": person, "stat": "ok"}


def test_a_name_is_looked_up_by_its_address() -> None:
    """It brings the id and no figures."""
    made = call(FLICKR, NAMED, resolving=True)
    assert dict(made.params)["url"] == "https://www.flickr.com/photos/hhsgov/"
    body = {"user": {"id": ID, "username": {"_content": "HHS"}}, "stat": "ok"}
    (one,) = found(FLICKR, reply(body), NAMED, resolving=True)
    assert one == Reading(figures=None, account_id=ID, display_name="HHS")


def test_an_id_needs_no_look_up() -> None:
    """In whichever case it stands in the address."""
    assert FLICKR.resolve is not None
    assert not FLICKR.resolve.needs(target(FLICKR, ID.lower()))
    assert FLICKR.resolve.needs(NAMED)
    assert dict(call(FLICKR, KNOWN).params)["user_id"] == ID


def test_photos_and_views_are_read() -> None:
    """Followers are not in the API."""
    (one,) = found(FLICKR, reply(_person()), KNOWN)
    assert counts(one) == {"posts_count": 853, "views_count": 3309}
    assert "followers_count" not in FLICKR.figures


@pytest.mark.parametrize("value", [None, -1, "x", {"_content": "-1"}, {"_content": None}, {}])
def test_bad_counts_are_refused(value: Any) -> None:
    """Wrapped or not."""
    assert failure(FLICKR, reply(_person(count=value)), KNOWN).kind == "schema_changed"


@pytest.mark.parametrize("resolving", [False, True])
@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (1, "not_found"),
        (5, "not_found"),
        (100, "auth"),
        (99, "auth"),
        (105, "server"),
        (112, "schema_changed"),
        ("1", "schema_changed"),
        (None, "schema_changed"),
    ],
)
def test_the_code_tells_the_kind(code: Any, kind: str, resolving: bool) -> None:
    """The status is 200."""
    body = {"stat": "fail", "code": code, "message": "no"}
    one = NAMED if resolving else KNOWN
    assert failure(FLICKR, reply(body), one, resolving=resolving).kind == kind
