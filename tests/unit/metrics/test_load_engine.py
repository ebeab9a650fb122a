"""Which engine is loaded, and how the fast one copes with another release's bytes."""

from __future__ import annotations

import sys
from array import array
from types import ModuleType

import fastdigest
import pytest

from hhs_perf.exceptions import ConfigurationError
from hhs_perf.metrics.digest import FastdigestEngine, load_engine


def hide(monkeypatch: pytest.MonkeyPatch, *modules: str) -> None:
    """Let importing these modules fail, as if they were not installed."""
    for module in modules:
        monkeypatch.setitem(sys.modules, module, None)


def pretend_tdigest(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let `import tdigest` work, whether or not the library is here."""
    module = ModuleType("tdigest")
    module.TDigest = object  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "tdigest", module)


def test_auto_prefers_fastdigest(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend_tdigest(monkeypatch)
    assert load_engine().name == load_engine("auto").name == "fastdigest"


def test_auto_takes_tdigest_where_fastdigest_is_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend_tdigest(monkeypatch)
    hide(monkeypatch, "fastdigest")
    assert load_engine().name == "tdigest"


def test_the_engine_asked_for_is_the_one_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend_tdigest(monkeypatch)
    assert load_engine("tdigest").name == "tdigest"
    assert load_engine("fastdigest").name == "fastdigest"


def test_without_any_engine_both_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    hide(monkeypatch, "fastdigest", "tdigest")
    with pytest.raises(ConfigurationError) as caught:
        load_engine()
    assert "fastdigest" in str(caught.value)
    assert "hhs-perf[tdigest]" in str(caught.value)
    assert isinstance(caught.value.__cause__, ImportError)


def test_a_missing_fastdigest_asked_for_by_name_is_no_reason_to_take_the_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pretend_tdigest(monkeypatch)
    hide(monkeypatch, "fastdigest")
    with pytest.raises(ConfigurationError, match="HHS_PERF_DIGEST=fastdigest"):
        load_engine("fastdigest")


def test_a_missing_tdigest_asked_for_by_name_names_the_extra(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hide(monkeypatch, "tdigest")
    with pytest.raises(ConfigurationError, match=r"HHS_PERF_DIGEST=tdigest.*hhs-perf\[tdigest\]"):
        load_engine("tdigest")


class Panic(BaseException):
    """What a panic of Rust looks like from Python."""


class NextRelease:
    """A release of fastdigest that refuses our bytes."""

    now = fastdigest.TDigest
    from_dict = now.from_dict

    def __init__(self, error: BaseException) -> None:
        self.error = error

    def __call__(self, *, max_centroids: int) -> fastdigest.TDigest:
        return self.now(max_centroids=max_centroids)

    def from_bytes(self, state: bytes) -> fastdigest.TDigest:
        raise self.error


@pytest.mark.parametrize("error", [ValueError("other version"), Panic("index out of range")])
def test_bytes_of_another_release_are_not_used(
    monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    """The self-test fails, and the public from_dict builds the same digest."""
    means, weights = array("d", [0.1, 0.5, 2.0]), array("d", [3.0, 10.0, 1.0])
    by_bytes = FastdigestEngine().build(means, weights)
    monkeypatch.setattr(fastdigest, "TDigest", NextRelease(error))
    by_dict = FastdigestEngine().build(means, weights)
    assert by_dict.centroids() == by_bytes.centroids() == (means, weights)
    assert by_dict.quantile(0.5) == by_bytes.quantile(0.5)


def test_an_interrupt_during_the_self_test_is_not_swallowed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(fastdigest, "TDigest", NextRelease(KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        FastdigestEngine()


def test_bytes_of_this_release_are_understood() -> None:
    """A release that changes them must be noticed: from_dict is ten times slower."""
    assert FastdigestEngine()._builds_from_bytes
