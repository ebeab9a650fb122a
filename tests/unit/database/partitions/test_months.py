"""Months and bounds."""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hhs_perf.database.partitions.months import INFINITY, Month, instant_of, literal_of

MONTHS = st.builds(Month, st.integers(1100, 9800), st.integers(1, 12))
ZONES = st.sampled_from(["UTC", "America/New_York", "Asia/Kolkata", "Pacific/Auckland"])


@given(MONTHS, st.integers(-1200, 1200))
def test_months_add_up(month: Month, n: int) -> None:
    later = month.plus(n)
    assert later.plus(-n) == month
    assert (later.year - month.year) * 12 + later.month - month.month == n
    assert (later > month) == (n > 0)


@given(MONTHS)
def test_a_month_is_read_as_it_is_written(month: Month) -> None:
    assert Month.parse(str(month)) == month


@given(MONTHS, ZONES)
def test_months_follow_each_other_without_a_gap(month: Month, name: str) -> None:
    zone = ZoneInfo(name)
    begins, ends = month.starts(zone), month.plus(1).starts(zone)
    assert dt.timedelta(days=27) < ends - begins < dt.timedelta(days=32)
    assert Month.of(begins.astimezone(zone).date()) == month
    assert Month.of((ends - dt.timedelta(seconds=1)).astimezone(zone).date()) == month


@given(MONTHS, ZONES)
def test_a_bound_is_read_as_it_is_written(month: Month, name: str) -> None:
    begins = month.starts(ZoneInfo(name))
    if begins.second == 0:  # before standard time, offsets had seconds; PostgreSQL reads those too
        assert instant_of(literal_of(begins, "timestamp with time zone")) == begins
    naive = month.starts(dt.UTC)
    assert instant_of(literal_of(naive, "date")) == naive
    assert instant_of(literal_of(naive, "timestamp without time zone")) == naive


@pytest.mark.parametrize("text", ["2026", "2026-1", "2026-13", "2026-00", "0999-01", "x", ""])
def test_what_is_no_month_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        Month.parse(text)


@pytest.mark.parametrize(
    ("bound", "instant"),
    [
        ("'2026-01-01'", dt.datetime(2026, 1, 1, tzinfo=dt.UTC)),
        ("'2026-01-01 00:00:00-05'", dt.datetime(2026, 1, 1, 5, tzinfo=dt.UTC)),
        ("'2026-01-01 00:00:00+05:30'", dt.datetime(2025, 12, 31, 18, 30, tzinfo=dt.UTC)),
        ("MAXVALUE", INFINITY),
        ("'infinity'", INFINITY),
        ("'12026-01-01'", INFINITY),
        ("MINVALUE", dt.datetime.min.replace(tzinfo=dt.UTC)),
        ("'0044-03-15 BC'", dt.datetime.min.replace(tzinfo=dt.UTC)),
        ("42", None),
        ("'a'", None),
    ],
)
def test_bounds_of_every_form_are_read(bound: str, instant: dt.datetime | None) -> None:
    assert instant_of(bound) == instant
