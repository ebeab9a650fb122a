"""What a loader says with NOT_MODIFIED."""

from __future__ import annotations

from hhs_perf.cache import NOT_MODIFIED, Loaded, Policy, TieredCache, previous


def _load() -> object:
    return Loaded("value", tags=["named"], note="v1") if previous() is None else NOT_MODIFIED


def test_a_value_that_is_not_modified_keeps_the_tags_that_its_loader_named() -> None:
    """A tag named when the value was loaded voids it after it was confirmed, too."""
    cache = TieredCache()
    cache.get_or_load("key", _load, policy=Policy(stale_for=60))
    assert cache.refresh("key", _load) == "value"
    cache.invalidate(tags=["named"])
    assert cache.get("key") is None


def test_a_value_that_is_not_modified_keeps_its_note() -> None:
    """The validator is handed back at the next refresh as well."""
    cache = TieredCache()
    notes: list[str | None] = []

    def load() -> object:
        before = previous()
        notes.append(None if before is None else before.note)
        return _load()

    for _ in range(3):
        cache.refresh("key", load)
    assert notes == [None, "v1", "v1"]


def test_a_confirmed_value_takes_the_tags_of_the_call_as_well() -> None:
    """A release that adds a tag to the call can invalidate by it from the next refresh on."""
    cache = TieredCache()
    cache.get_or_load("key", _load)
    cache.refresh("key", _load, tags=["added"])
    cache.invalidate(tags=["added"])
    assert cache.get("key") is None
