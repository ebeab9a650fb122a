"""What plugins get wrong stays theirs: no run, batch or page falls over it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from hhs_perf.scrapers import Account, Failure, Figure, Reading, Reply
from tests.scripted_platforms import Scripted, accounts, platform, reply, scrapers, well

if TYPE_CHECKING:
    from collections.abc import Callable

OK = {"followers_count": Figure.ok(1)}


@pytest.mark.parametrize(
    "result",
    [
        Reading(figures=OK, account_id=5),  # type: ignore[arg-type]
        Reading(figures=OK, display_name=b"x"),  # type: ignore[arg-type]
        Reading(figures={"followers_count": 3}),  # type: ignore[dict-item]
        Reading(figures={"fans": Figure.ok(1)}),  # type: ignore[dict-item]
        Reading(figures={}),
        3,
    ],
)
def test_a_value_that_cannot_be_kept_is_a_failure_of_its_own_request(result: Any) -> None:
    """Others are kept."""
    odd = platform("odd", parse=lambda _, targets: dict.fromkeys(targets, result))
    report = scrapers(Scripted(), odd, platform()).scrape([*accounts(2, "odd"), *accounts(3)])
    assert report.succeeded == 3
    assert [each.failures for each in report.platforms] == [{"schema_changed": 2}, {}]


@pytest.mark.parametrize("value", [None, [], 7])
def test_parse_that_gives_no_mapping_is_a_changed_schema(value: Any) -> None:
    """It is not the platform's server that failed."""
    [outcome] = scrapers(Scripted(), platform(parse=lambda *_: value)).run(accounts(1))
    assert outcome.failure is not None
    assert outcome.failure.kind == "schema_changed"


@pytest.mark.parametrize(
    "error", [ZeroDivisionError, RecursionError, AssertionError, OverflowError]
)
@pytest.mark.parametrize(
    "function", ["match", "normalise", "build", "parse", "classify", "rate_signal"]
)
def test_whatever_a_function_raises_the_others_go_on(function: str, error: type[Exception]) -> None:
    """Each account gets its outcome."""

    def fail(*_: object) -> Any:
        raise error("broken")

    held = scrapers(Scripted(), platform("odd", **{function: fail}), platform())
    outcomes = list(held.run([*accounts(2, "odd"), *accounts(2)]))
    assert len(outcomes) == 4
    assert [each.status for each in outcomes if each.platform == "plain"] == ["success"] * 2
    assert all(each.failure is None or each.failure.kind == "schema_changed" for each in outcomes)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Figure(3.5, "ok"),  # type: ignore[arg-type]
        lambda: Figure(True, "ok"),
        lambda: Figure(-1, "ok"),
        lambda: Figure(None, "ok"),
        lambda: Figure(2**63, "ok"),
        lambda: Failure(kind="oops", detail=""),  # type: ignore[arg-type]
    ],
)
def test_values_that_lie_cannot_be_made(make: Callable[[], object]) -> None:
    """The mistake shows where it is made."""
    with pytest.raises(ValueError, match=r"figure|failure"):
        make()


@pytest.mark.parametrize("wait", ["1795549896406", "1e12", "1e300"])
def test_a_pause_of_ages_is_not_believed(wait: str) -> None:
    """Milliseconds taken for seconds would mute a platform for ever."""
    refused = iter([True])

    async def answer(url: str, whom: list[str]) -> Reply:
        if next(refused, False):
            return reply(429, {}, retry_after=wait)
        return await well(url, whom)

    assert scrapers(Scripted(answer)).scrape(accounts(2)).succeeded == 2


def test_a_login_in_an_address_is_not_repeated() -> None:
    """It is refused, and what names the account leaves it out."""
    account = Account(url="https://user:secret@plain.test/a")
    [outcome] = scrapers(Scripted()).run([account])
    assert outcome.skipped == "unresolvable"
    assert "secret" not in outcome.detail + account.name
