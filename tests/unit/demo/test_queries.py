"""The demo's figures: generated, alike everywhere, and marked as such."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from hhs_perf.demo.queries import NOTE, Figures


@pytest.fixture(scope="module")
def figures(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Figures]:
    made = Figures.create(tmp_path_factory.mktemp("filled") / "accounts.sqlite3")
    yield made
    made.close()


def test_sample_figures_are_the_same_in_every_database(figures: Figures, tmp_path: Path) -> None:
    other = Figures.create(tmp_path / "other.sqlite3")
    assert list(figures.export("ndjson")) == list(other.export("ndjson"))
    other.close()


def test_sample_figures_say_that_they_are_generated(figures: Figures) -> None:
    answers = (figures.summary(), figures.account(1), figures.history(1))
    for answer in (*answers, figures.organizations("X"), figures.mentions(1)):
        assert answer is not None
        assert answer["figures"] == NOTE
    with figures._engine.connect() as connection:
        marked = connection.exec_driver_sql(
            "SELECT count(*), min(source), max(source) FROM dim_figure_source"
        ).one()
    assert tuple(marked) == (8, "generated", "generated")


def test_a_month_of_history_ends_with_the_newest_figures(figures: Figures) -> None:
    history, account = figures.history(7), figures.account(7)
    assert history is not None
    assert account is not None
    days = history["history"]
    assert isinstance(days, list)
    assert [day["snapshot_date"] for day in days] == [f"2026-10-{day:02}" for day in range(1, 32)]
    assert days[-1]["followers_count"] == account["followers_count"]


def test_growth_is_that_of_the_month(figures: Figures) -> None:
    rows = figures.organizations("X")["organizations"]
    assert isinstance(rows, list)
    assert len(rows) == 43
    [hhs] = [row for row in rows if row["handle"] == "HHSGov"]
    history = figures.history(5)
    assert history is not None
    days = history["history"]
    assert isinstance(days, list)
    assert hhs["followers"] == days[-1]["followers_count"]
    assert hhs["growth"] == days[-1]["followers_count"] - days[0]["followers_count"]


def test_an_account_that_no_run_finds_has_no_figures(figures: Figures) -> None:
    """It is one of LinkedIn's people, whom its API does not tell of."""
    rows = [figures.account(key) for key in range(1, 100)]
    [bare] = [row for row in rows if row is not None and row["snapshot_date"] is None]
    assert "/in/" in str(bare["account_url"])
    assert bare["followers_count"] is None
    history = figures.history(int(str(bare["account_key"])))
    assert history is not None
    assert history["history"] == []


def test_figures_that_a_platform_does_not_give_are_not_zero(figures: Figures) -> None:
    rows = figures.summary()["platforms"]
    assert isinstance(rows, list)
    followers = {row["platform"]: row["followers"] for row in rows}
    assert followers.pop("Flickr") is None
    assert min(followers.values()) > 0


def test_accounts_are_ranked_by_what_their_mentions_led_to(figures: Figures) -> None:
    rows = figures.mentions(20)["accounts"]
    assert isinstance(rows, list)
    likes = [row["likes"] for row in rows]
    assert likes == sorted(likes, reverse=True)
    assert len(rows) == 20
    assert {row["days"] for row in rows} == {31}


def test_the_database_of_the_environment_is_used(
    figures: Figures, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{figures._engine.url.database}")
    figures = Figures.from_env()
    assert figures.summary()["accounts"] == 99
    figures.close()
