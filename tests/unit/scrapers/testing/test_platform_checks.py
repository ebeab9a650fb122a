"""The rules of the conformance suite: a good platform passes, and each bad habit is found."""

from __future__ import annotations

import sys
import types
from collections.abc import Callable, Sequence

import attrs
import pytest

from hhs_perf.scrapers import (
    Address,
    Call,
    Credential,
    Credentials,
    Failure,
    Figure,
    Platform,
    RateSignal,
    Reading,
    Reply,
    Resolver,
    Target,
)
from hhs_perf.scrapers.platforms import bundled
from hhs_perf.scrapers.testing import Sample, checks
from hhs_perf.scrapers.testing.bundled_samples import bundled_samples
from hhs_perf.scrapers.testing.chosen import chosen


def match(address: Address) -> str | None:
    return address.path[0].lower() if address.host == "gazette.example" and address.path else None


def normalise(handle: str) -> str:
    name = handle.strip().lstrip("@").lower()
    return name if name.isalnum() and name.isascii() else ""


def build(targets: tuple[Target, ...], credentials: Credentials) -> Call:
    return Call(
        path="/papers",
        params=[("names", ",".join(each.handle for each in targets))],
        headers={"Authorization": f"Bearer {credentials['token']}"},
    )


def count(value: object) -> Figure:
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(f"no count: {value!r}")
    return Figure.ok(value)


def parse(reply: Reply, targets: tuple[Target, ...]) -> dict[Target, Reading | Failure]:
    papers = reply.json()["papers"]
    return {
        each: Reading(figures={"followers_count": count(papers[each.handle]["readers"])})
        for each in targets
        if each.handle in papers
    }


GOOD = Platform(
    name="gazette",
    title="Gazette",
    base_url="https://api.gazette.example",
    match=match,
    normalise=normalise,
    build=build,
    parse=parse,
    figures=("followers_count",),
    batch_size=10,
    credentials=(Credential(name="token", how="Ask the editor."),),
)
SAMPLE = Sample(
    platform="gazette",
    url="https://gazette.example/Daily",
    handle="daily",
    replies=[{"papers": {"daily": {"readers": 1200, "founded": 1843}}}],
    expected={"followers_count": 1200},
)
GONE = Sample(
    platform="gazette",
    url="https://gazette.example/weekly",
    handle="weekly",
    replies=[Reply(status=404, headers={}, body=b"", received_at=0.0)],
    expected="not_found",
)


def broken_by(platform: Platform, samples: Sequence[Sample] = (SAMPLE, GONE)) -> set[str]:
    """Give the names of the rules that a platform breaks."""
    broken = set()
    for name in checks.__all__:
        check = getattr(checks, name)
        try:
            check(platform) if name == "check_declaration" else check(platform, samples)
        except AssertionError:
            broken.add(name.removeprefix("check_"))
    return broken


def test_a_good_platform_breaks_no_rule() -> None:
    """Samples of figures and of failures are both tried."""
    assert broken_by(GOOD) == set()


@pytest.mark.parametrize("platform", bundled(), ids=lambda each: each.name)
def test_bundled_platforms_break_no_rule(platform: Platform) -> None:
    """What we ask of plugins, we keep to ourselves."""
    assert broken_by(platform, bundled_samples(platform)) == set()


def parsed(
    read: Callable[[object], Figure | None],
) -> Callable[[Reply, tuple[Target, ...]], dict[Target, Reading | Failure]]:
    def parse_so(reply: Reply, targets: tuple[Target, ...]) -> dict[Target, Reading | Failure]:
        papers = reply.json()["papers"]
        found: dict[Target, Reading | Failure] = {}
        for each in targets:
            if each.handle in papers:
                figure = read(papers[each.handle].get("readers"))
                found[each] = Reading(figures={"followers_count": figure} if figure else {})
        return found

    return parse_so


def for_all(reply: Reply, targets: tuple[Target, ...]) -> dict[Target, Reading | Failure]:
    (paper, *_) = reply.json()["papers"].values()
    return dict.fromkeys(targets, Reading(figures={"followers_count": count(paper["readers"])}))


def by_pattern(reply: Reply, targets: tuple[Target, ...]) -> dict[Target, Reading | Failure]:
    digits = "".join(filter(str.isdigit, reply.body.decode(errors="replace")[:40]))
    return {targets[0]: Reading(figures={"followers_count": Figure.ok(int(digits or 0))})}


def at_odds(reply: Reply, targets: tuple[Target, ...]) -> dict[Target, Reading | Failure]:
    return {each: Reading(figures={"posts_count": Figure.ok(1)}) for each in targets}


BAD = {
    "null is zero": ("hostile_numbers", {"parse": parsed(lambda n: Figure.ok(n or 0))}),
    "text is a number": (
        "hostile_numbers",
        {"parse": parsed(lambda n: Figure.ok(abs(int(str(n)))))},
    ),
    "true is one": ("hostile_numbers", {"parse": parsed(lambda n: Figure.ok(int(n)))}),
    "zero is nothing": ("hostile_numbers", {"parse": parsed(lambda n: count(n or 7))}),
    "the same for all": ("batches", {"parse": for_all}),
    "digits wherever they are": ("hostile_replies", {"parse": by_pattern}),
    "figures that nobody declared": ("figures", {"parse": at_odds}),
    "no figures": ("declaration", {"figures": ()}),
    "plain HTTP": ("declaration", {"base_url": "http://api.gazette.example"}),
    "a credential from nowhere": (
        "declaration",
        {"credentials": (Credential(name="token", how=" "),)},
    ),
    "every address": ("addresses", {"match": lambda address: "daily"}),
    "capitals matter": ("addresses", {"match": lambda a: a.path[0] if a.path else None}),
    "a handle that changes": ("handles", {"normalise": lambda handle: f"{handle}x"}),
    "quoting left out": (
        "requests",
        {
            "normalise": lambda handle: handle,
            "build": lambda targets, _: Call(path=f"/papers/{targets[0].handle}"),
        },
    ),
    "a secret in the path": (
        "requests",
        {"build": lambda _, credentials: Call(path=f"/papers/{credentials['token']}")},
    ),
    "another host": ("requests", {"build": lambda *_: Call(path="/", host="evil.example")}),
    "a number for a parameter": (
        "requests",
        {"build": lambda *_: Call(path="/", params=[("page", 1)])},  # type: ignore[list-item]
    ),
    "all is well": (
        "statuses",
        {"classify": lambda reply: Failure(kind="not_found", detail="what else")},
    ),
    "a wait for ever": ("limits", {"rate_signal": lambda _: RateSignal(wait=float("inf"))}),
}


@pytest.mark.parametrize("habit", BAD)
def test_a_bad_habit_is_found(habit: str) -> None:
    """By the rule that forbids it, if not by others too."""
    rule, change = BAD[habit]
    assert rule in broken_by(attrs.evolve(GOOD, **change))


def test_samples_are_asked_for() -> None:
    """Without one most rules could not be tried, so that a pass would mean nothing."""
    assert broken_by(GOOD, ()) == {"samples"}
    assert "samples" in broken_by(GOOD, [GONE])
    wrong = attrs.evolve(SAMPLE, expected={"followers_count": 1201})
    assert "figures" in broken_by(GOOD, [wrong])
    with pytest.raises(AssertionError, match="no reply for request 1"):
        checks.check_figures(GOOD, [attrs.evolve(SAMPLE, replies=[])])


def test_resolved_accounts_are_tried_by_their_ids() -> None:
    """The first reply is the resolver's, the second that with the figures."""

    def found(reply: Reply, targets: tuple[Target, ...]) -> dict[Target, Reading | Failure]:
        return {targets[0]: Reading(figures=None, account_id=reply.json()["id"])}

    def by_id(reply: Reply, targets: tuple[Target, ...]) -> dict[Target, Reading | Failure]:
        papers = reply.json()["papers"]
        return {
            each: Reading(figures={"followers_count": count(papers[each.account_id]["readers"])})
            for each in targets
            if each.account_id in papers
        }

    platform = attrs.evolve(GOOD, resolve=Resolver(build=build, parse=found), parse=by_id)
    replies = [{"id": "p12"}, {"papers": {"p12": {"readers": 1200}}}]
    assert broken_by(platform, [attrs.evolve(SAMPLE, replies=replies)]) == set()


def test_platforms_are_chosen_by_name() -> None:
    """Else those installed; samples of platforms that are not tried are an error."""
    here = "subject_of_conformance"
    subject = types.ModuleType(here)
    subject.PLATFORM, subject.SAMPLES = GOOD, (SAMPLE, GONE)  # type: ignore[attr-defined]
    sys.modules[here] = subject
    try:
        both = chosen([f"{here}:PLATFORM"], [f"{here}:SAMPLES"], ())
        assert both == [(GOOD, (SAMPLE, GONE))]
        ((_, ours),) = chosen([], [], bundled()[:1])
        assert [each.url for each in ours] == [each.url for each in bundled_samples(bundled()[0])]
        assert chosen([], [], [GOOD]) == [(GOOD, ())]
        for bad in (here, f"{here}:NOTHING", f"{here}:SAMPLES"):
            with pytest.raises(ValueError, match=r"not|no Platform"):
                chosen([bad], [], ())
        with pytest.raises(ValueError, match="not tried: gazette"):
            chosen([], [f"{here}:SAMPLES"], bundled())
    finally:
        del sys.modules[here]
