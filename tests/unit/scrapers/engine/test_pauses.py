"""What a platform tells of its limits is waited for when it is meant, and only then."""

from __future__ import annotations

import pytest

from hhs_perf.scrapers import Reply
from hhs_perf.scrapers.platforms.signals import standard
from tests.scripted_platforms import Scripted, accounts, platform, reply, scrapers, well

LATER = "7200"


@pytest.mark.parametrize("status", [200, 404, 503])
def test_the_end_of_an_allowance_is_not_waited_for_while_some_is_left(status: int) -> None:
    """A platform that fails names it too; its retries come soon."""
    failed: list[str] = []

    async def answer(url: str, whom: list[str]) -> Reply:
        if not failed and status != 200:
            failed.extend(whom)
            return reply(status, {}, ratelimit_remaining="299", ratelimit_reset=LATER)
        good = await well(url, whom)
        headers = {"ratelimit-remaining": "299", "ratelimit-reset": LATER}
        return Reply(status=200, headers=headers, body=good.body, received_at=good.received_at)

    held = scrapers(Scripted(answer), platform(rate_signal=standard))
    report = held.scrape(accounts(3), max_workers=1)
    assert report.succeeded == (2 if status == 404 else 3)


def test_an_allowance_that_is_used_up_ends_the_platform_where_that_takes_long() -> None:
    """The accounts that are left say so, and the one that was read is kept."""

    async def answer(url: str, whom: list[str]) -> Reply:
        good = await well(url, whom)
        headers = {"ratelimit-remaining": "0", "ratelimit-reset": LATER}
        return Reply(status=200, headers=headers, body=good.body, received_at=good.received_at)

    transport = Scripted(answer)
    report = scrapers(transport, platform(rate_signal=standard)).scrape(accounts(3), max_workers=1)
    assert (report.succeeded, len(transport.asked)) == (1, 1)
    assert report.platforms[0].failures == {"rate_limited": 2}
