"""Arguments that cannot be meant are refused at the call, by name, before anything changed."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path
from typing import Any

import pytest

from hhs_perf.cache import NOT_MODIFIED, Codec, Loaded, Policy, TieredCache
from hhs_perf.exceptions import CacheKeyError, ConfigurationError
from hhs_perf.testing import FakeClock
from tests.cache_worlds import open_cache


@pytest.fixture
def cache(clock: FakeClock) -> Any:
    with open_cache(clock=clock) as made:
        made.set("kept", 1)
        yield made


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("redis", 5),
        ("redis", b"redis://:secret@host"),
        ("namespace", 5),
        ("namespace", None),
        ("l1", {}),
        ("l1_maxsize", 1.5),
        ("l1_maxsize", True),
        ("l1_maxsize", "5"),
        ("l1_maxsize", -1),
        ("l1_maxbytes", "x"),
        ("l1_ttl", "60"),
        ("l1_ttl", None),
        ("l1_ttl", True),
        ("l2_ttl", float("inf")),
        ("l2_timeout", "a"),
        ("l2_timeout", 0),
        ("codec", "x"),
        ("warm_workers", 0),
        ("warm_workers", "a"),
        ("state_dir", 5),
    ],
)
def test_a_cache_refuses_what_it_cannot_use(name: str, value: Any) -> None:
    """Each names the argument; none tells a password."""
    with pytest.raises(ConfigurationError, match=f"{name}: must be") as caught:
        TieredCache(**{name: value})
    assert "secret" not in str(caught.value)


def test_all_that_a_cache_cannot_use_is_said_at_once() -> None:
    """Whoever configures it corrects everything in one go."""
    with pytest.raises(ConfigurationError) as caught:
        TieredCache(namespace="", l2_timeout=0, warm_workers=0)
    assert len(caught.value.problems) == 3


def test_the_folder_may_be_given_as_text(tmp_path: Path, clock: FakeClock) -> None:
    """A setting is text."""
    TieredCache(state_dir=str(tmp_path), clock=clock).close()


def test_a_codec_takes_keys_and_not_their_text() -> None:
    """The letters of a text are no keys."""
    with pytest.raises(ConfigurationError, match="MacKey"):
        Codec(keys="secret")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ttl", True),
        ("ttl", "60"),
        ("jitter", "a"),
        ("stale_for", None),
        ("fail_safe_for", "x"),
        ("eager_at", "x"),
        ("soft_timeout", "x"),
        ("hard_timeout", 10**400),
        ("negative", 5),
        ("negative", BaseException),
        ("negative_ttl", None),
        ("copy", True),
    ],
)
def test_a_policy_refuses_what_it_cannot_use(name: str, value: Any) -> None:
    """Whatever its type, the field is named."""
    with pytest.raises(ValueError, match=f"^{name}: must be"):
        Policy(**{name: value})


def test_one_class_of_errors_needs_no_tuple() -> None:
    """As in an `except` clause."""
    assert Policy(negative=LookupError) == Policy(negative=(LookupError,))


def _one() -> int:
    return 1


CALLS: dict[str, tuple[Any, str]] = {
    "set policy": (lambda c: c.set("k", 1, policy=5), "policy"),
    "load policy": (lambda c: c.get_or_load("k", _one, policy={}), "policy"),
    "set tags": (lambda c: c.set("k", 1, tags=None), "tags"),
    "set bytes as tags": (lambda c: c.set("k", 1, tags=b"ab"), "tags"),
    "set_many list": (lambda c: c.set_many([("k", 1)]), "mapping"),
    "set_many bad key": (lambda c: c.set_many({"k": 1, 5: 2}), "key"),
    "get_many text": (lambda c: c.get_many("abc"), "keys"),
    "get_many None": (lambda c: c.get_many(None), "keys"),
    "load nothing": (lambda c: c.get_or_load("k", None), "loader"),
    "refresh nothing": (lambda c: c.refresh("k", 5), "loader"),
    "prefix number": (lambda c: c.invalidate(prefix=5), "prefix"),
    "prefix bytes": (lambda c: c.invalidate(prefix=b"z", tags="a"), "prefix"),
    "everything text": (lambda c: c.invalidate(everything="no"), "everything"),
    "no parentheses": (lambda c: c.cached(_one), "parentheses"),
    "cached policy": (lambda c: c.cached(policy="x", key="k"), "policy"),
    "cached key": (lambda c: c.cached(key=5), "key"),
    "cached tags": (lambda c: c.cached(tags=None), "tags"),
    "warm name": (lambda c: c.warm(5, _one), "name"),
    "warm nothing": (lambda c: c.warm("w", 5), "loader"),
}


@pytest.mark.parametrize("said", CALLS)
def test_a_call_that_cannot_be_meant_changes_nothing(cache: TieredCache, said: str) -> None:
    """It raises TypeError that names the argument, and the cache goes on as before."""
    call, named = CALLS[said]
    with pytest.raises(TypeError, match=named) as caught:
        call(cache)
    assert not isinstance(caught.value, CacheKeyError)
    assert (cache.get("kept"), cache.contains("k")) == (1, False)


async def test_tasks_are_told_the_same(cache: TieredCache) -> None:
    """The two faces check in one place."""
    with pytest.raises(TypeError, match="keys"):
        await cache.aio.get_many("abc")
    with pytest.raises(TypeError, match="loader"):
        await cache.aio.get_or_load("k", None)  # type: ignore[call-overload]


def test_a_ttl_is_a_number(cache: TieredCache) -> None:
    """True is not one second."""
    with pytest.raises(ValueError, match="ttl: must be"):
        cache.set("k", 1, ttl=True)


@pytest.mark.parametrize("facts", [{"tags": [5]}, {"tags": 5}, {"note": 5}, {"note": b"x"}])
def test_what_a_loader_says_is_checked_where_it_says_it(facts: Any) -> None:
    """The traceback then shows the loader's own line."""
    with pytest.raises(TypeError, match=r"tag|note"):
        Loaded(1, **facts)


def test_a_text_as_tags_of_a_loaded_value_is_one_tag(cache: TieredCache) -> None:
    """And not its letters."""
    assert Loaded(1, tags="ab").tags == ("ab",)
    cache.get_or_load("k", lambda: Loaded(1, tags="ab"))
    cache.invalidate(tags="a")
    assert cache.contains("k")
    cache.invalidate(tags="ab")
    assert not cache.contains("k")


def test_not_modified_is_one_constant() -> None:
    """What a loader in another process returned is told by identity, too."""
    for same in (pickle.loads(pickle.dumps(NOT_MODIFIED)), copy.deepcopy([NOT_MODIFIED])[0]):
        assert same is NOT_MODIFIED
    assert copy.copy(NOT_MODIFIED) is NOT_MODIFIED
