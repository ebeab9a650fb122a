"""A day on which much goes wrong: what can be had is had, and nothing is invented."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import attrs
from sqlalchemy import create_engine, text

from hhs_perf._clock import SystemClock
from hhs_perf._settings import ScraperSettings
from hhs_perf.scrapers import Account, bundled
from hhs_perf.scrapers.scrapers import Scrapers
from hhs_perf.scrapers.testing import FakeServer, Fault

ACCOUNTS = 60
HEALTHY = ("flickr", "truth_social", "bluesky")
DEAD = "instagram"
URLS = {
    "flickr": "https://www.flickr.com/photos/{}/",
    "truth_social": "https://truthsocial.com/@{}",
    "bluesky": "https://bsky.app/profile/{}.bsky.social",
    "instagram": "https://www.instagram.com/{}/",
}


def accounts() -> list[Account]:
    return [
        Account(url=URLS[name].format(f"agency{n}"))
        for n in range(ACCOUNTS)
        for name in (*HEALTHY, DEAD)
    ]


def scrapers(server: FakeServer) -> Scrapers:
    platforms = [each for each in bundled() if each.name in (*HEALTHY, DEAD)]
    return Scrapers(
        ScraperSettings(interval=0.0, read_timeout=0.3, attempts=6),
        platforms=[attrs.evolve(each, interval=0.0) for each in server.platforms(platforms)],
        clock=SystemClock(),
        variables=server.environment(platforms),
    )


def test_a_bad_day(tmp_path: Path) -> None:
    """Refusals, failures and silence cost time, a platform behind a login nothing but itself."""
    database = f"sqlite:///{tmp_path / 'snapshots.db'}"
    with FakeServer() as server:
        server.world.arm(
            Fault(kind="login_page", platform=DEAD),
            *(
                Fault(kind=kind, platform=name, share=share, wait=wait)
                for name in HEALTHY
                for kind, share, wait in (
                    ("retry_after", 0.1, 0.1),
                    ("server", 0.05, None),
                    ("silent", 0.02, None),
                )
            ),
        )
        ours = scrapers(server)
        outcomes = list(ours.run(accounts(), to=database, max_workers=10))
        asked = len(server.arrived(DEAD))
    ended = Counter((each.platform, each.status) for each in outcomes)
    for name in HEALTHY:
        assert ended[name, "success"] >= 0.99 * ACCOUNTS, ended
    assert ended[DEAD, "failure"] == ACCOUNTS
    assert {each.failure.kind for each in outcomes if each.platform == DEAD} == {"challenge"}
    assert asked <= 5
    with create_engine(database).connect() as connection:
        rows = connection.execute(text("select * from fact_followers_snapshot")).mappings().all()
    assert len(rows) == sum(ended[name, "success"] for name in HEALTHY)
    assert not any(value == 0 for row in rows for key, value in row.items() if "count" in key)
