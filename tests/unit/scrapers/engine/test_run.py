"""A run: each account gets one outcome, whatever the platforms answer."""

from __future__ import annotations

import asyncio
import itertools

import pytest

from hhs_perf.exceptions import ConfigurationError, NotFoundError, UnknownPlatformError
from hhs_perf.scrapers import Account, Budget, Credential, Failure, RateSignal, Reply, SendError
from hhs_perf.scrapers.engine import health as health_module
from tests.scripted_platforms import (
    Scripted,
    accounts,
    by_handle,
    platform,
    reply,
    resolver,
    scrapers,
    well,
)


def test_each_account_gets_one_outcome() -> None:
    """Those that are not asked for say why."""
    listed = [
        *accounts(3),
        Account(url="https://plain.test/PLAIN-1/"),
        Account(url="https://elsewhere.test/x"),
        Account(url="https://plain.test/"),
        Account(url="https://plain.test/quiet", is_active=False),
    ]
    outcomes = list(scrapers(Scripted()).run(listed))
    assert [(each.handle, each.skipped) for each in outcomes] == [
        ("plain-1", "duplicate"),
        (None, "unresolvable"),
        (None, "unresolvable"),
        ("quiet", "not_selected"),
        ("plain-0", None),
        ("plain-1", None),
        ("plain-2", None),
    ]


def test_core_accounts_come_first() -> None:
    """Those marked, and those of the organization named; `is_core` says so afterwards."""
    transport = Scripted()
    listed = [
        *accounts(2),
        Account(url="https://plain.test/marked", is_core=True),
        Account(url="https://plain.test/named", organization="HHS"),
    ]
    outcomes = list(scrapers(transport).run(listed, core="organization=hhs", max_workers=1))
    assert [each.handle for each in outcomes] == ["marked", "named", "plain-0", "plain-1"]
    assert [each.account.is_core for each in outcomes] == [True, True, False, False]


def test_only_core_accounts_are_asked_for_where_that_is_wanted() -> None:
    """The others are skipped as not selected."""
    listed = [*accounts(2), Account(url="https://plain.test/marked", is_core=True)]
    report = scrapers(Scripted()).scrape(listed, core_only=True)
    assert (report.succeeded, report.skipped) == (1, {"not_selected": 2})


def test_platforms_can_be_chosen_by_title() -> None:
    """An unknown one raises and names those known."""
    held = scrapers(Scripted(), platform("one"), platform("two"))
    listed = [*accounts(1, "one"), *accounts(1, "two")]
    assert held.scrape(listed, platforms=["TWO"]).skipped == {"not_selected": 1}
    with pytest.raises(UnknownPlatformError, match="known are one, two"):
        held.run(listed, platforms=["three"])


def test_core_that_names_no_field_raises() -> None:
    """The message names the fields."""
    with pytest.raises(ConfigurationError, match="organization, platform, handle, url"):
        scrapers(Scripted()).run(accounts(1), core="followers=3")


def test_batches_are_filled_with_the_next_accounts() -> None:
    """Core accounts first, then the rest, in one request."""
    transport = Scripted()
    listed = [*accounts(3), Account(url="https://plain.test/marked", is_core=True)]
    report = scrapers(transport, platform(batch=100)).scrape(listed)
    assert transport.requests() == [("marked", "plain-0", "plain-1", "plain-2")]
    assert report.requests == 1


def test_one_bad_account_does_not_fail_its_batch() -> None:
    """The batch is halved until it is alone."""

    async def answer(url: str, whom: list[str]) -> Reply:
        return reply(404, {}) if "plain-5" in whom else await well(url, whom)

    transport = Scripted(answer)
    found = by_handle(scrapers(transport, platform(batch=16)).run(accounts(16)))
    assert [each.status for each in found.values()].count("success") == 15
    with pytest.raises(NotFoundError, match="plain-5"):
        found["plain-5"].result()
    assert len(transport.asked) == 9


def test_failures_that_may_pass_are_tried_again() -> None:
    """Attempts and seconds add up; the pauses between are no part of the seconds."""
    statuses = itertools.chain([503, 503], itertools.repeat(200))

    async def answer(url: str, whom: list[str]) -> Reply:
        status = next(statuses)
        return reply(status, {}) if status != 200 else await well(url, whom)

    [outcome] = scrapers(Scripted(answer)).run(accounts(1))
    assert outcome.status == "success"
    assert outcome.attempts == 3
    assert outcome.waited > outcome.seconds


def test_attempts_end() -> None:
    """The failure of the last one is told."""

    async def answer(url: str, whom: list[str]) -> Reply:
        raise SendError("connect", "refused")

    held = scrapers(Scripted(answer), attempts=2)
    [outcome] = held.run(accounts(1))
    assert outcome.failure == Failure(kind="network", detail="connect: refused")
    assert outcome.attempts == 2


@pytest.mark.parametrize("spelling", ["0.3", "0.30"])
def test_retry_after_holds_back_the_whole_platform(spelling: str) -> None:
    """Nobody starts before it is over, and everybody soon after."""
    refused = iter([True])

    async def answer(url: str, whom: list[str]) -> Reply:
        if next(refused, False):
            return reply(429, {}, retry_after=spelling)
        return await well(url, whom)

    transport = Scripted(answer)
    report = scrapers(transport, platform(interval=0.01)).scrape(accounts(4), max_workers=1)
    times = [at for at, _, _ in transport.asked]
    assert report.succeeded == 4
    assert 0.3 <= times[1] - times[0] < 0.5


def test_retry_after_of_nothing_still_waits() -> None:
    """Some platforms say 0 and refuse again."""
    refused = iter([True])

    async def answer(url: str, whom: list[str]) -> Reply:
        if next(refused, False):
            return reply(429, {}, retry_after="0")
        return await well(url, whom)

    transport = Scripted(answer)
    scrapers(transport).scrape(accounts(1))
    first, second = (at for at, _, _ in transport.asked)
    assert second - first >= 0.05


def test_a_pause_that_is_too_long_ends_the_platform_alone() -> None:
    """The accounts say when to come back; other platforms go on."""

    async def answer(url: str, whom: list[str]) -> Reply:
        if "//api.slow" in url:
            return reply(429, {}, retry_after="7200")
        return await well(url, whom)

    transport = Scripted(answer)
    held = scrapers(transport, platform("slow", interval=0.01), platform())
    found = list(held.run([*accounts(5, "slow"), *accounts(2)], max_workers=1))
    failures = [each.failure for each in found if each.failure is not None]
    assert {each.kind for each in failures} == {"rate_limited"}
    assert len(failures) == 5
    assert all(7190 < (each.wait or 0) <= 7200 for each in failures)
    assert len(transport.requests("slow")) == 1


def test_an_exhausted_quota_asks_no_more() -> None:
    """Everybody else of the platform fails alike, without a request."""

    def classify(answer: Reply) -> Failure | None:
        used_up = Failure(kind="quota_exhausted", detail="used up")
        return used_up if answer.status == 429 else None

    async def answer(url: str, whom: list[str]) -> Reply:
        return reply(429, {})

    transport = Scripted(answer)
    held = scrapers(transport, platform(classify=classify))
    report = held.scrape(accounts(50), max_workers=1)
    assert report.platforms[0].failures == {"quota_exhausted": 50}
    assert len(transport.asked) <= 3


@pytest.mark.parametrize(("status", "kind"), [(403, "challenge"), (401, "auth")])
def test_a_wall_ends_the_platform_after_few_requests(status: int, kind: str) -> None:
    """However many workers there are."""

    async def answer(url: str, whom: list[str]) -> Reply:
        await asyncio.sleep(0.001)
        if status == 401:
            return reply(401, {})
        return reply(403, b"<html><title>Just a moment...</title>", content_type="text/html")

    transport = Scripted(answer)
    report = scrapers(transport).scrape(accounts(100), max_workers=50)
    assert report.platforms[0].failures == {kind: 100}
    assert len(transport.asked) <= 5


def test_a_dead_platform_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """The breaker opens after five failures in a row; two probes decide."""
    monkeypatch.setattr(health_module, "_PROBE_AFTER", 0.01)

    async def answer(url: str, whom: list[str]) -> Reply:
        if "//api.dead" in url:
            raise SendError("connect", "refused")
        return await well(url, whom)

    transport = Scripted(answer)
    held = scrapers(transport, platform("dead"), platform())
    report = held.scrape([*accounts(40, "dead"), *accounts(40)])
    assert {each.platform: each.succeeded for each in report.platforms} == {"dead": 0, "plain": 40}
    assert len(transport.requests("dead")) <= 8
    [dead, _] = held.state()
    assert dead.breaker.state == "open"
    assert [each.kind for each in dead.newest_failures] == ["network"] * len(dead.newest_failures)


def test_a_platform_that_comes_back_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """A good probe closes the breaker."""
    monkeypatch.setattr(health_module, "_PROBE_AFTER", 0.01)
    down = iter(range(6))

    async def answer(url: str, whom: list[str]) -> Reply:
        if next(down, None) is not None:
            raise SendError("connect", "refused")
        return await well(url, whom)

    assert scrapers(Scripted(answer)).scrape(accounts(20)).succeeded == 20


def test_who_an_account_is_is_asked_first() -> None:
    """The figures of all are asked for in as few requests as possible."""
    transport = Scripted()
    held = scrapers(transport, platform(batch=10, resolve=resolver(batch_size=2)))
    outcomes = list(
        held.run([*accounts(4), Account(url="https://plain.test/known", account_id="7")])
    )
    assert transport.requests() == [
        ("plain-0", "plain-1"),
        ("plain-2", "plain-3"),
        ("7", *(f"id of plain-{n}" for n in range(4))),
    ]
    assert all(each.status == "success" for each in outcomes)
    assert [each.attempts for each in outcomes] == [1, 2, 2, 2, 2]
    assert outcomes[1].result().account_id == "id of plain-0"


def test_an_account_that_nobody_knows_stops_no_other() -> None:
    """It fails as not found where the resolver says so."""

    async def answer(url: str, whom: list[str]) -> Reply:
        if url.endswith("/ids") and whom == ["plain-1"]:
            return reply(404, {})
        return await well(url, whom)

    held = scrapers(Scripted(answer), platform(batch=10, resolve=resolver()))
    found = by_handle(held.run(accounts(3)))
    assert found["plain-1"].failure is not None
    assert found["plain-1"].failure.kind == "not_found"
    assert [found[f"plain-{n}"].status for n in (0, 2)] == ["success", "success"]


def test_a_budget_is_kept_to_the_account() -> None:
    """The batch is cut down to what it still pays; the rest is skipped and says so."""
    transport = Scripted()
    paid = platform(batch=10, budget=Budget(unit="USD", per_account=0.01, limit=0.25))
    held = scrapers(transport, paid)
    report = held.scrape(accounts(40))
    assert (report.succeeded, report.skipped) == (25, {"budget": 15})
    assert report.platforms[0].cost == pytest.approx(0.25)
    assert held.state()[0].spent_today == pytest.approx(0.25)
    again = held.scrape(accounts(40))  # what was paid for today costs nothing more
    assert (again.succeeded, again.skipped) == (25, {"budget": 15})
    assert again.platforms[0].cost == 0


def test_a_budget_of_nothing_pays_for_nothing() -> None:
    """It is no missing budget."""
    paid = platform(budget=Budget(unit="USD", per_account=0.01, limit=5.0))
    held = scrapers(Scripted(), paid, variables={"HHS_PERF_PLAIN_BUDGET": "0"})
    assert held.scrape(accounts(3)).skipped == {"budget": 3}
    assert not held.plan(accounts(3)).platforms[0].is_within_budget


def test_a_budget_in_percent_is_what_the_platform_says() -> None:
    """It ends the run, but for the one that waits already; the next run asks again."""
    shares = itertools.count(0.7, 0.04)

    def rate_signal(answer: Reply) -> RateSignal:
        return RateSignal(used=next(shares))

    transport = Scripted()
    budget = Budget(unit="percent", limit=80.0)
    held = scrapers(transport, platform(budget=budget, rate_signal=rate_signal))
    report = held.scrape(accounts(9), max_workers=1)
    assert (report.succeeded, report.skipped) == (5, {"budget": 4})
    assert held.state()[0].spent_today == pytest.approx(86.0)
    assert held.scrape(accounts(1)).succeeded == 1


def test_missing_credentials_skip_the_platform() -> None:
    """The variable is named; other platforms go on, and nothing is asked."""
    transport = Scripted()
    token = Credential(name="token", how="from its developers' page")
    held = scrapers(transport, platform("locked", credentials=(token,)), platform())
    found = list(held.run([*accounts(2, "locked"), *accounts(1)]))
    assert [each.skipped for each in found] == ["no_credentials", "no_credentials", None]
    assert found[0].detail == "HHS_PERF_LOCKED_TOKEN not set"
    assert transport.requests("locked") == []


def test_what_a_platform_function_raises_is_a_failure_of_its_accounts() -> None:
    """The run goes on, and the reply that was read wrong is told as changed."""

    def parse(answer: Reply, targets: object) -> dict[object, object]:
        raise KeyError("followers")

    held = scrapers(Scripted(), platform("odd", parse=parse), platform())
    report = held.scrape([*accounts(2, "odd"), *accounts(2)])
    assert report.succeeded == 2
    assert [each.failure.kind for each in report.not_fetched if each.failure] == [
        "schema_changed",
        "schema_changed",
    ]


@pytest.mark.parametrize("body", [b"", b"{", b"\xff\xfe", b"[]", b"null", b'{"plain-0": null}'])
def test_a_reply_without_the_figures_gives_none(body: bytes) -> None:
    """It never becomes 0."""

    async def answer(url: str, whom: list[str]) -> Reply:
        return reply(200, body, content_type="application/json")

    [outcome] = scrapers(Scripted(answer)).run(accounts(1))
    assert outcome.failure is not None
    assert outcome.failure.kind == "schema_changed"


def test_an_empty_list_is_a_run_of_nothing() -> None:
    """Its rates are unknown, not perfect."""
    report = scrapers(Scripted()).scrape([])
    assert report.success_rate is None
    assert report.is_complete


def test_who_stops_early_leaves_nothing_under_way() -> None:
    """Transports are closed, and the report tells how many were not reached."""

    async def answer(url: str, whom: list[str]) -> Reply:
        await asyncio.sleep(0.002)
        return await well(url, whom)

    transport = Scripted(answer)
    run = scrapers(transport).run(accounts(200))
    for number, _ in enumerate(run):
        if number == 3:
            break
    assert transport.under_way == 0
    assert transport.closed == transport.opened
    assert run.report.left > 150
    assert not run.report.is_complete


async def test_a_cancelled_run_leaves_nothing_under_way() -> None:
    """What was fetched before is in the report."""
    fifty = asyncio.Event()

    async def answer(url: str, whom: list[str]) -> Reply:
        await asyncio.sleep(0.001)
        if len(transport.asked) >= 50:
            fifty.set()
        return await well(url, whom)

    transport = Scripted(answer)
    held = scrapers(transport)
    task = asyncio.create_task(held.scrape_async(accounts(5000)))
    await fifty.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert transport.under_way == 0
    assert transport.closed == transport.opened


async def test_the_blocking_calls_refuse_a_running_loop() -> None:
    """The message names what to use instead."""
    held = scrapers(Scripted())
    with pytest.raises(RuntimeError, match="await scrape_async"):
        held.scrape([])
    with pytest.raises(RuntimeError, match="async for"):
        iter(held.run([]))


async def test_outcomes_can_be_awaited_one_by_one() -> None:
    """As with `for`."""
    outcomes = [each async for each in scrapers(Scripted()).run(accounts(7))]
    assert len(outcomes) == 7


def test_no_more_requests_are_under_way_than_workers() -> None:
    """Over all platforms together."""
    most = 0
    transport = Scripted()

    async def answer(url: str, whom: list[str]) -> Reply:
        nonlocal most
        most = max(most, transport.under_way)
        await asyncio.sleep(0.001)
        return await well(url, whom)

    transport.answer = answer
    names = [f"p{n}" for n in range(5)]
    held = scrapers(transport, *map(platform, names))
    held.scrape([each for name in names for each in accounts(20, name)], max_workers=3)
    assert most == 3


def test_starts_of_a_platform_are_kept_apart() -> None:
    """By its interval, retries included, while other platforms go on."""
    transport = Scripted()
    held = scrapers(transport, platform(interval=0.05), platform("other", interval=0.05))
    held.scrape([*accounts(8), *accounts(8, "other")])
    times = [at for at, name, _ in transport.asked if name == "plain"]
    gaps = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert min(gaps) >= 0.045
    assert times[-1] - times[0] < 0.6


def test_a_plan_asks_nobody() -> None:
    """It tells requests, seconds and cost, and who would be left out."""
    transport = Scripted()
    paid = platform(batch=10, interval=0.5, budget=Budget(unit="USD", per_account=0.01))
    both = platform("both", resolve=resolver(batch_size=5), interval=0.5)
    held = scrapers(transport, paid, both)
    plan = held.plan([*accounts(43), *accounts(11, "both"), Account(url="https://x.test/")])
    assert [(each.platform, each.requests, each.cost) for each in plan.platforms] == [
        ("both", 14, None),
        ("plain", 5, pytest.approx(0.43)),
    ]
    assert plan.seconds == pytest.approx(6.5)
    assert [each.skipped for each in plan.skipped] == ["unresolvable"]
    assert transport.asked == []
