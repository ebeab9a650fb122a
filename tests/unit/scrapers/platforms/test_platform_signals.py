"""Each spelling of "when may I come back" gives the same seconds, whatever our own clock shows."""

from __future__ import annotations

import pytest

from hhs_perf.scrapers.platforms import bundled, signals
from tests.platform_replies import NOON_EPOCH, reply

BY_NAME = {each.name: each for each in bundled()}
RESET = NOON_EPOCH + 90


@pytest.mark.parametrize(
    ("platform", "headers", "remaining", "wait"),
    [
        ("x", {"x_rate_limit_remaining": "0", "x_rate_limit_reset": f"{RESET:.0f}"}, 0, 90),
        ("bluesky", {"ratelimit_remaining": "7", "ratelimit_reset": f"{RESET:.0f}"}, 7, 90),
        ("reddit", {"x_ratelimit_remaining": "596.0", "x_ratelimit_reset": "90"}, 596, 90),
        ("reddit", {"x_ratelimit_remaining": "0.0", "x_ratelimit_reset": "90"}, 0, 90),
        (
            "mastodon",
            {
                "x_ratelimit_remaining": "0",
                "x_ratelimit_reset": "2026-11-24T12:01:30.000000Z",
            },
            0,
            90,
        ),
        (
            "truth_social",
            {"x_ratelimit_remaining": "3", "x_ratelimit_reset": "2026-11-24T13:01:30+01:00"},
            3,
            90,
        ),
        ("tiktok", {"ratelimit": '"default";r=0;t=90', "ratelimit_policy": "x"}, 0, 90),
    ],
)
def test_a_reset_is_reckoned_on_the_servers_clock(
    platform: str, headers: dict[str, str], remaining: float, wait: float
) -> None:
    """Ours is a day off."""
    signal = BY_NAME[platform].rate_signal(reply({}, **headers))
    assert signal is not None
    assert (signal.remaining, signal.wait) == (remaining, wait)


@pytest.mark.parametrize("platform", ["facebook", "instagram", "threads"])
@pytest.mark.parametrize(
    ("headers", "used", "wait"),
    [
        ({"x_app_usage": '{"call_count":28,"total_time":25,"total_cputime":25}'}, 0.28, None),
        ({"x_app_usage": '{"call_count":3,"total_time":101,"total_cputime":2}'}, 1.01, 60),
        ({"x_page_usage": '{"call_count":50}'}, 0.5, None),
        (
            {
                "x_app_usage": '{"call_count":28,"total_time":25,"total_cputime":25}',
                "x_business_use_case_usage": (
                    '{"10101":[{"type":"pages","call_count":100,"total_cputime":25,'
                    '"total_time":25,"estimated_time_to_regain_access":19}]}'
                ),
            },
            1.0,
            19 * 60,
        ),
    ],
)
def test_meta_tells_percent_and_minutes(
    platform: str, headers: dict[str, str], used: float, wait: float | None
) -> None:
    """The fullest of its allowances counts."""
    signal = BY_NAME[platform].rate_signal(reply({}, **headers))
    assert signal is not None
    assert signal.used == pytest.approx(used)
    assert signal.wait == wait


@pytest.mark.parametrize("platform", BY_NAME)
@pytest.mark.parametrize(
    "value", ["", "nan", "inf", "-5", "soon", "[]", "null", "1e999", '{"a":[1]}']
)
def test_headers_that_say_nothing_are_no_signal(platform: str, value: str) -> None:
    """Nor do they raise."""
    kinds = ("x_rate_limit", "ratelimit", "x_ratelimit")
    names = [f"{kind}_{part}" for kind in kinds for part in ("remaining", "reset")]
    names += ["ratelimit", "x_app_usage", "x_business_use_case_usage"]
    signal = BY_NAME[platform].rate_signal(reply({}, **dict.fromkeys(names, value)))
    assert signal is None or signal.used == 0


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("1795521690", 90), ("1795521690000", 90), ("90", 90), ("2026-11-24T12:01:30", 90), ("1", 1)],
)
def test_a_reset_may_be_a_moment_or_a_span(value: str, seconds: float) -> None:
    """An epoch in seconds or milliseconds, seconds left, or a date, which is in UTC."""
    assert signals.reset_in(reply({}), value) == seconds


def test_a_reset_that_is_over_is_no_wait() -> None:
    """It is never negative."""
    assert signals.reset_in(reply({}), str(NOON_EPOCH - 5)) == 0


def test_of_two_allowances_the_one_that_is_used_up_holds() -> None:
    """X has one of fifteen minutes and one of a day."""
    headers = {
        "x_rate_limit_remaining": "299",
        "x_rate_limit_reset": str(RESET),
        "x_app_limit_24hour_remaining": "0",
        "x_app_limit_24hour_reset": str(NOON_EPOCH + 3600),
    }
    signal = BY_NAME["x"].rate_signal(reply({}, **headers))
    assert signal is not None
    assert (signal.remaining, signal.wait) == (0, 3600)


@pytest.mark.parametrize(("hour", "seconds"), [(13, 3600), (12, 86_400), (0, 12 * 3600)])
def test_a_day_ends_at_an_hour_of_the_servers_clock(hour: int, seconds: float) -> None:
    """At that hour sharp it is a day until the next."""
    assert signals.until_hour(reply({}), hour) == seconds
