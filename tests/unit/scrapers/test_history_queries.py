"""Questions to the history: null is never zero, and every filter has an index."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

import pytest
from sqlalchemy import Engine, create_engine, event, insert
from sqlalchemy.pool import StaticPool

from hhs_perf.scrapers import Figure, queries
from hhs_perf.scrapers.storage.tables import Tables
from hhs_perf.scrapers.values import ABSENT, HIDDEN

TABLES = Tables()
NAMES = ("a", "b", "c", "d", "gone")
DAYS = {
    # account: {day of November: (followers, posts)}
    1: {1: (100, 1), 2: (110, None), 4: (130, 5)},
    2: {1: (1000, 2), 4: (1500, 3)},
    3: {4: (None, 0)},
    4: {1: (7, 1)},
    5: {4: (10**12, 1)},
}


def fill(engine: Engine) -> Engine:
    TABLES.metadata.create_all(engine)
    accounts = [
        {
            "account_key": key,
            "platform": "x" if key < 3 else "flickr",
            "handle": name,
            "org_name": "HHS" if key == 1 else "CDC",
            "is_core_account": False,
            "is_active": name != "gone",
        }
        for key, name in enumerate(NAMES, start=1)
    ]
    snapshots = [
        {
            "account_key": key,
            "snapshot_date": date(2026, 11, day),
            "followers_count": followers,
            "posts_count": posts,
        }
        for key, days in DAYS.items()
        for day, (followers, posts) in days.items()
    ]
    statuses = [
        (2, 4, "followers_count", "rounded", 100),
        (3, 4, "followers_count", "hidden", None),
    ]
    with engine.begin() as connection:
        connection.execute(insert(TABLES.account), accounts)
        connection.execute(insert(TABLES.snapshot), snapshots)
        for key, day, figure, status, granularity in statuses:
            connection.execute(
                insert(TABLES.figure).values(
                    account_key=key,
                    snapshot_date=date(2026, 11, day),
                    figure=figure,
                    status=status,
                    granularity=granularity,
                )
            )
    return engine


@pytest.fixture
def engine() -> Iterator[Engine]:
    made = fill(create_engine("sqlite://", poolclass=StaticPool))
    yield made
    made.dispose()


def test_the_summary_counts_what_is_known(engine: Engine) -> None:
    found = queries.summary(engine)
    assert found.day == date(2026, 11, 4)
    assert [
        (each.platform, each.accounts, each.counted, each.followers) for each in found.platforms
    ] == [
        ("flickr", 2, 1, 7),
        ("x", 2, 2, 1630),
    ]
    assert (found.accounts, found.followers) == (4, 1637)


def test_an_older_snapshot_stands_in_for_so_many_days(engine: Engine) -> None:
    flickr, _ = queries.summary(engine, lookback=2).platforms
    assert (flickr.accounts, flickr.counted, flickr.followers) == (2, 0, None)
    first = queries.summary(engine, day=date(2026, 11, 1))
    assert first.followers == 1107


def test_nothing_is_known_of_empty_tables() -> None:
    engine = create_engine("sqlite://", poolclass=StaticPool)
    TABLES.metadata.create_all(engine)
    found = queries.summary(engine)
    assert (found.day, found.accounts, found.followers) == (None, 0, None)
    assert queries.top_accounts(engine) == ()
    assert queries.growth(engine) == ()
    assert queries.history(engine, 1) is None
    engine.dispose()


def test_accounts_are_ranked_by_a_figure(engine: Engine) -> None:
    found = queries.top_accounts(engine, 2)
    assert [each.account.handle for each in found] == ["b", "a"]
    assert found[0].figure == Figure.rounded(1500, 100)
    chosen = queries.top_accounts(engine, figure="posts_count", platform="x", organization="HHS")
    assert [(each.account.handle, each.figure.value) for each in chosen] == [("a", 5)]
    with pytest.raises(ValueError, match="no figure is called 'fans'"):
        queries.top_accounts(engine, figure="fans")


def test_a_history_tells_hidden_from_absent(engine: Engine) -> None:
    found = queries.history(engine, 3)
    assert found is not None
    [day] = found.days
    assert day.figure("followers_count") == HIDDEN
    assert day.figure("posts_count") == Figure.ok(0)
    assert day.figure("likes_count") == ABSENT
    assert queries.history(engine, 99) is None


def test_a_history_is_cut_to_its_days(engine: Engine) -> None:
    found = queries.history(engine, 1, since=date(2026, 11, 2), until=date(2026, 11, 3))
    assert found is not None
    assert [each.day.day for each in found.days] == [2]
    none = queries.history(engine, 1, since=date(2027, 1, 1))
    assert none is not None
    assert none.days == ()


def test_rates_go_from_one_known_figure_to_the_next(engine: Engine) -> None:
    found = queries.history(engine, 1)
    assert found is not None
    first, second = found.rates()
    assert (first.days, first.per_day, first.ratio) == (1, 10.0, 0.1)
    assert (second.days, second.per_day) == (2, 10.0)
    [posts] = found.rates("posts_count")
    assert (posts.days, posts.per_day, posts.ratio) == (3, 4 / 3, 4.0)


def test_growth_says_how_sure_it_is(engine: Engine) -> None:
    a, b, d = queries.growth(engine, days=30)
    assert (a.gained, a.days, a.per_day, a.ratio, a.margin) == (30, 3, 10.0, 0.3, 0)
    assert (b.gained, b.margin) == (500, 100)
    assert (d.gained, d.per_day) == (0, None)
    [only] = queries.growth(engine, organization="HHS", platform="x", days=2)
    assert only.first_day == date(2026, 11, 2)


def test_a_connection_may_be_asked_on(engine: Engine) -> None:
    with engine.connect() as connection:
        assert queries.summary(connection).accounts == 4


@pytest.mark.parametrize(
    "ask",
    [
        lambda engine: queries.summary(engine, day=date(2026, 11, 4)),
        lambda engine: queries.top_accounts(engine, platform="x"),
        lambda engine: queries.top_accounts(engine, organization="HHS"),
        lambda engine: queries.history(engine, 1),
        lambda engine: queries.growth(engine, days=2),
    ],
)
def test_no_question_reads_all_snapshots(engine: Engine, ask) -> None:
    """Each is one query, and SQLite finds its snapshots by an index."""
    asked: list[tuple[str, object]] = []
    event.listen(engine, "before_cursor_execute", lambda *args: asked.append((args[2], args[3])))
    ask(engine)
    [(statement, parameters)] = asked
    with engine.connect() as connection:
        plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
        steps = [row[3] for row in plan]
    scans = [step for step in steps if step.startswith("SCAN fact_")]
    assert not scans, steps
