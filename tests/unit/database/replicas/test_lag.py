"""The lag of a PostgreSQL replica, and which positions it shows."""

from __future__ import annotations

from math import inf

import pytest

from hhs_perf.database.replicas.lag import (
    History,
    PrimarySight,
    ReplicaSight,
    parse_lsn,
    reached,
)

BLOCK, SEGMENT = 8192, 16 * 2**20
WALL = 1_700_000_000.0


def primary(at, lsn, skew=0.0):
    return PrimarySight(at=at, lsn=lsn, wall=WALL + at + skew)


def replica(at, visible, last_commit=None, skew=0.0, *, is_fed=True):
    """A replica's answer; the commit's time is the primary's, `skew` the replica's clock."""
    return ReplicaSight(
        at=at,
        wall=WALL + at + skew,
        visible=visible,
        last_commit=None if last_commit is None else WALL + last_commit,
        is_fed=is_fed,
    )


def test_positions_are_read_as_postgresql_writes_them():
    assert parse_lsn("0/0") == 0
    assert parse_lsn("16/B374D848") == 0x16B374D848


@pytest.mark.parametrize(
    ("replayed", "visible"),
    [
        (3 * SEGMENT + 5, 3 * SEGMENT + 5),
        (3 * SEGMENT + BLOCK, 3 * SEGMENT + BLOCK + 24),
        (3 * SEGMENT, 3 * SEGMENT + 40),
        (3 * SEGMENT + 2**20, 3 * SEGMENT + 2**20 + 24),
    ],
)
def test_a_replayed_page_reaches_behind_the_next_header(replayed, visible):
    """Else an idle primary, whose insert position stands there, would never be caught up with."""
    assert reached(replayed, BLOCK, SEGMENT) == visible


def test_a_replica_that_misses_nothing_has_no_lag_however_long_the_primary_is_idle():
    history = History()
    for at in (0.0, 10.0, 10_000.0):
        assert history.lag(primary(at, 500), replica(at, 500, last_commit=-5.0)) == 0.0


def test_the_lag_grows_from_the_moment_that_something_is_missing():
    history = History()
    history.lag(primary(10.0, 500), replica(10.0, 500, last_commit=2.0))
    assert history.lag(primary(11.0, 600), replica(11.0, 500, last_commit=2.0)) == 1.0
    assert history.lag(primary(14.0, 900), replica(14.0, 500, last_commit=2.0)) == 4.0
    assert history.lag(primary(15.0, 900), replica(15.0, 900, last_commit=14.0)) == 0.0


def test_under_steady_writes_the_lag_is_that_of_the_last_commit_replayed():
    """The positions were last equal a probe ago; the commit's time says more."""
    history = History()
    history.lag(primary(10.0, 500), replica(10.0, 490, last_commit=9.9))
    lag = history.lag(primary(11.0, 1500), replica(11.0, 1495, last_commit=10.99))
    assert lag == pytest.approx(0.01)


@pytest.mark.parametrize("skew", [-3600.0, -0.7, 0.7, 86_400.0])
def test_clocks_that_differ_change_nothing(skew):
    history = History()
    lag = history.lag(primary(10.0, 500), replica(10.0, 400, last_commit=9.5, skew=skew))
    assert lag == pytest.approx(0.5)


def test_a_replica_cut_off_from_its_primary_lags_though_it_replayed_all_that_it_received():
    history = History()
    history.lag(primary(10.0, 500), replica(10.0, 500, last_commit=9.0, is_fed=True))
    lag = history.lag(primary(13.0, 501), replica(13.0, 500, last_commit=9.0, is_fed=True))
    assert lag == 3.0


def test_what_is_missing_since_nobody_knows_when_lags_without_end():
    assert History().lag(primary(1.0, 500), replica(1.0, 400)) == inf


def test_without_positions_the_lag_is_unknown():
    assert History().lag(primary(1.0, 500), replica(1.0, None)) is None


def test_while_the_primary_is_silent_a_fed_replica_has_no_lag():
    assert History().lag(None, replica(1.0, 400, last_commit=-100.0)) == 0.0


def test_while_the_primary_is_silent_what_was_last_heard_of_it_counts():
    history = History()
    history.lag(primary(1.0, 500), replica(1.0, 500, last_commit=0.5))
    assert history.lag(None, replica(90.0, 500, last_commit=0.5, is_fed=False)) == 0.0
    history.lag(primary(91.0, 600), replica(91.0, 550, last_commit=90.5, skew=50.0))
    silent = replica(92.0, 550, last_commit=90.5, skew=50.0, is_fed=False)
    assert history.lag(None, silent) == pytest.approx(1.5)
    assert history.lag(None, replica(92.0, 550, is_fed=False)) == inf


def test_a_primary_that_went_back_begins_a_new_history():
    history = History()
    history.lag(primary(1.0, 9000), replica(1.0, 9000))
    history.lag(primary(2.0, 500), replica(2.0, 500))
    assert history.lag(primary(4.0, 600), replica(4.0, 500)) == 2.0
