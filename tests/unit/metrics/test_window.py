"""The windows that exist."""

from __future__ import annotations

import pytest

from hhs_perf.exceptions import UnknownWindowError
from hhs_perf.metrics import DAY, FIVE_MINUTES, HOUR, WINDOWS, Window, window_named


@pytest.mark.parametrize(
    ("window", "slot_seconds", "slots", "seconds"),
    [(FIVE_MINUTES, 30, 10, 300), (HOUR, 300, 12, 3600), (DAY, 3600, 24, 86_400)],
)
def test_windows_are_made_of_whole_slots(
    window: Window, slot_seconds: int, slots: int, seconds: int
) -> None:
    assert (window.slot_seconds, window.slots, window.seconds) == (slot_seconds, slots, seconds)


def test_windows_are_found_by_name() -> None:
    assert [window_named(name) for name in ("5m", "1h", "24h")] == list(WINDOWS)


@pytest.mark.parametrize("name", ["", "1d", "5M", "5m ", "<img onerror=alert(1)>"])
def test_an_unknown_window_is_answered_with_those_that_exist(name: str) -> None:
    with pytest.raises(UnknownWindowError, match="allowed are 5m, 1h, 24h") as caught:
        window_named(name)
    assert caught.value.known == ("5m", "1h", "24h")
