"""Tags that name arguments, and values that a loader does not want kept."""

from __future__ import annotations

import pytest

from hhs_perf.cache import Loaded, TieredCache
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


def test_a_loader_may_want_its_value_not_kept(cache):
    """With a ttl of 0 every call loads, and the value reaches its callers all the same."""
    values = iter([Loaded(None, ttl=0), Loaded(2, ttl=0), 3])
    assert [cache.get_or_load("k", lambda: next(values)) for _ in range(4)] == [None, 2, 3, 3]


def test_a_value_not_kept_gives_its_lease_back(valkey_url, namespace):
    """The next process does not wait for a value that never comes."""
    one, two = (TieredCache(valkey_url, namespace=namespace) for _ in range(2))
    try:
        assert one.get_or_load("k", lambda: Loaded(1, ttl=0)) == 1
        assert two.get_or_load("k", lambda: 2) == 2
        assert one.get_or_load("k", lambda: 3) == 2
    finally:
        one.close()
        two.close()
