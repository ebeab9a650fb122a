"""How accounts are dealt to tasks."""

from __future__ import annotations

import json

import attrs
import pytest

from hhs_perf import Settings
from hhs_perf.adapters._celery_dealing import Dealt, account_of, deal, row_of
from hhs_perf.scrapers import Account, Budget
from hhs_perf.scrapers.engine.selection import Selector, Wanted
from hhs_perf.scrapers.engine.setup import configure
from hhs_perf.scrapers.platforms import bundled
from hhs_perf.scrapers.platforms.mastodon import MASTODON

TOKENS = {
    f"HHS_PERF_{name}": "0123456789"
    for name in ("X_TOKEN", "INSTAGRAM_TOKEN", "INSTAGRAM_ID", "YOUTUBE_KEY")
}


def dealt(
    *accounts: Account, most: int = 50, spent: float = 0.0, core: str | None = None, **more: str
) -> Dealt:
    settings = Settings.from_env(TOKENS | more)
    setups = configure(bundled(), settings.scrapers, settings.platform_variables)
    selector = Selector(setups, Wanted(core=core), ids={}, now=0.0).take(accounts)
    chosen = [each for _, each in sorted(selector.selected.items())]
    return deal(chosen, most=most, spent={"x": spent}, now=0.0)


def accounts(platform: str, count: int, **more: object) -> list[Account]:
    return [Account(platform=platform, handle=f"a{n}", **more) for n in range(count)]


def sizes(found: Dealt, platform: str) -> list[int]:
    return [len(each.rows) for each in found.chunks if each.platform == platform]


def test_a_task_takes_whole_batches() -> None:
    found = dealt(*accounts("X", 250), *accounts("Bluesky", 60), most=30)
    assert sizes(found, "x") == [100, 100, 50]
    assert sizes(found, "bluesky") == [25, 25, 10]


def test_a_task_does_not_wait_for_its_platforms_pace_for_long() -> None:
    found = dealt(*accounts("Instagram", 50), most=50, HHS_PERF_INSTAGRAM_INTERVAL="10")
    assert sizes(found, "instagram") == [6] * 8 + [2]
    assert sizes(dealt(*accounts("Instagram", 50)), "instagram") == [50]


def test_core_accounts_come_first_and_platforms_alternate() -> None:
    listed = [
        *accounts("Instagram", 4),
        *accounts("X", 150),
        Account(platform="Instagram", handle="core", organization="HHS"),
        Account(platform="Bluesky", handle="late"),
    ]
    found = dealt(*listed, most=2, core="organization=HHS")
    assert [each.platform for each in found.chunks] == [
        *("instagram", "bluesky", "instagram", "x", "instagram", "x")
    ]
    first = found.chunks[0].rows
    assert [(row["handle"], row["is_core"]) for row in first] == [("core", True), ("a0", False)]


def test_what_the_days_budget_does_not_pay_is_left_out_of_all_tasks() -> None:
    listed = [*accounts("X", 10), Account(platform="X", handle="core", is_core=True)]
    found = dealt(*listed, spent=0.02, HHS_PERF_X_BUDGET="0.05")
    assert sizes(found, "x") == [3]
    assert found.chunks[0].rows[0]["handle"] == "core"
    assert [each.skipped for each in found.skipped] == ["budget"] * 8
    assert found.costs["x"] == pytest.approx(0.03)
    assert dealt(*listed, spent=1.0, HHS_PERF_X_BUDGET="0.05").chunks == ()


def test_all_hosts_of_a_platform_share_its_budget() -> None:
    """Each has tasks of its own."""
    listed = [
        Account(platform="Mastodon", handle=f"a{n}@{host}.example")
        for host in ("one", "two")
        for n in range(4)
    ]
    paid = attrs.evolve(MASTODON, budget=Budget(unit="USD", per_account=1.0, limit=6.0))
    setups = configure([paid], Settings().scrapers, {})
    selector = Selector(setups, Wanted(), ids={}, now=0.0).take(listed)
    found = deal(selector.selected.values(), most=50, spent={}, now=0.0)
    assert sizes(found, "mastodon") == [4, 2]
    assert (found.costs, len(found.skipped)) == ({"mastodon": 6.0}, 2)


def test_an_account_is_the_same_after_its_journey_as_json() -> None:
    account = Account(
        platform="X",
        url="https://x.com/HHSGov",
        organization="Sécurité \x1b[2J",
        account_id="42",
        is_core=True,
    )
    row = json.loads(json.dumps(row_of(account)))
    assert account_of(row) == account
    with pytest.raises(TypeError):
        account_of({**row, "password": "x"})


def test_every_account_is_dealt_once() -> None:
    listed = [*accounts("X", 333), *accounts("Instagram", 77), *accounts("YouTube", 51)]
    listed = [attrs.evolve(each, is_core=at % 7 == 0) for at, each in enumerate(listed)]
    found = dealt(*listed, most=10)
    rows = [(each.platform, row["handle"]) for each in found.chunks for row in each.rows]
    assert len(rows) == len(set(rows)) == len(listed)
