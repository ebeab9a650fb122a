"""Tags that name arguments."""

from __future__ import annotations

import pytest

from hhs_perf.cache import TieredCache
from hhs_perf.exceptions import CacheKeyError


@pytest.fixture
def cache(clock) -> TieredCache:
    return TieredCache(clock=clock)


def test_a_tag_with_a_field_is_that_of_the_call(cache):
    """Invalidating one user's tag makes void what was cached for that user, and nothing else."""
    calls = []

    @cache.cached(ttl=60, tags=["users", "user:{user_id}"])
    def profile(user_id, *, full=False):
        calls.append(user_id)
        return {"id": user_id}

    profile(1), profile("2")
    cache.invalidate(tags=["user:2"])
    profile(1), profile("2")
    assert calls == [1, "2", "2"]
    cache.invalidate(tags=["users"])
    profile(1), profile("2")
    assert calls == [1, "2", "2", 1, "2"]


def test_a_tag_may_name_an_attribute(cache):
    """As in a key template, `{self.id}` is the attribute of an argument."""

    class Page:
        id = "home"
        calls = 0

        @cache.cached(ttl=60, key="page:{self.id}", tags=["page:{self.id}"])
        def text(self):
            self.calls += 1
            return self.id

    page = Page()
    page.text()
    cache.invalidate(tags=["page:home"])
    page.text()
    assert page.calls == 2


def test_a_tag_with_an_unknown_field_is_refused_at_decoration(cache):
    """The mistake shows where it was made, and names what there is."""
    with pytest.raises(CacheKeyError, match=r"user_id.*only who"):

        @cache.cached(tags=["user:{user_id}"])
        def profile(who):
            return who
