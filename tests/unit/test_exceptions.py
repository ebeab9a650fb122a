"""Errors cross processes: pools and task queues pickle them."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable

import pytest

from hhs_perf import exceptions
from hhs_perf.exceptions import (
    SCRAPE_ERRORS,
    AccountsError,
    CacheBackendError,
    CacheCodecError,
    CacheError,
    CacheKeyError,
    CacheReentrancyError,
    CacheTimeoutError,
    ConfigurationError,
    DatabaseError,
    HhsPerfError,
    MetricKindError,
    NPlusOneError,
    PluginError,
    ReadOnlyError,
    ReplicaError,
    ScrapeError,
    StorageError,
    UnknownPlatformError,
    UnknownSlaError,
    UnknownWindowError,
)

ERRORS = (
    AccountsError("accounts.csv", ["row 2: no address", "row 7: no address"]),
    CacheBackendError("refused"),
    CacheCodecError("mac", "not ours"),
    CacheError("cache"),
    CacheKeyError("no key"),
    CacheReentrancyError("account:7"),
    CacheTimeoutError("account:7", 1.5),
    ConfigurationError(["one", "two"]),
    DatabaseError("database"),
    HhsPerfError("any", 2),
    MetricKindError("requests", "Counter", "Gauge"),
    NPlusOneError("9 x Org.accounts"),
    PluginError("webhook", "broke"),
    ReadOnlyError("refused"),
    ReplicaError("no replica"),
    ScrapeError("x", "hhsgov", "any"),
    StorageError("locked"),
    UnknownPlatformError("myspace", ["x", "youtube"]),
    UnknownSlaError("gold", ["silver"]),
    UnknownWindowError("1y", ["1h", "1d"]),
    *(of("x", "hhsgov", "HTTP 429", wait=7.5) for of in SCRAPE_ERRORS.values()),
)


def _pickled(error: Exception) -> Exception:
    back: Exception = pickle.loads(pickle.dumps(error))
    return back


def test_every_error_is_looked_at() -> None:
    """A new class belongs in this list."""
    names = {name for name in exceptions.__all__ if name.endswith("Error")}
    assert sorted(type(error).__name__ for error in ERRORS) == sorted(names)


def test_every_kind_of_failure_has_the_error_that_is_called_after_it() -> None:
    assert {kind: of.kind for kind, of in SCRAPE_ERRORS.items()} == {
        kind: kind for kind in SCRAPE_ERRORS
    }
    assert all(issubclass(of, ScrapeError) for of in SCRAPE_ERRORS.values())


@pytest.mark.parametrize("again", [_pickled, copy.copy, copy.deepcopy])
@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_an_error_comes_back_with_its_message_and_facts(
    error: HhsPerfError, again: Callable[[Exception], Exception]
) -> None:
    """Neither the message is built of the message, nor is a fact lost."""
    error.add_note("seen in a worker")
    back = again(error)
    assert type(back) is type(error)
    assert (str(back), back.args, vars(back)) == (str(error), error.args, vars(error))
