"""The demo's figures: generated, alike everywhere, and marked as such."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from hhs_perf.demo.queries import NOTE, Figures


@pytest.fixture
def figures(tmp_path: Path) -> Iterator[Figures]:
    made = Figures.create(tmp_path / "accounts.sqlite3")
    yield made
    made.close()


def test_sample_figures_are_the_same_in_every_database(figures: Figures, tmp_path: Path) -> None:
    other = Figures.create(tmp_path / "other.sqlite3")
    assert list(figures.export("ndjson")) == list(other.export("ndjson"))
    other.close()


def test_sample_figures_say_that_they_are_generated(figures: Figures) -> None:
    for answer in (figures.summary(), figures.account(1), figures.history(1)):
        assert answer is not None
        assert answer["figures"] == NOTE
    with figures._engine.connect() as connection:
        marked = connection.exec_driver_sql(
            "SELECT count(*), min(status), max(status) FROM fact_figure_status"
        ).one()
    assert tuple(marked) == (7, "generated", "generated")


def test_a_month_of_history_ends_with_the_newest_figures(figures: Figures) -> None:
    history, account = figures.history(7), figures.account(7)
    assert history is not None
    assert account is not None
    days = history["history"]
    assert isinstance(days, list)
    assert [day["snapshot_date"] for day in days] == [f"2026-10-{day:02}" for day in range(1, 32)]
    assert days[-1]["followers_count"] == account["followers_count"]
