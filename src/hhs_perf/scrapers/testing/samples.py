"""Samples: what a platform's author knows of one account, for the conformance suite to try."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
import msgspec

from ..accounts import Account
from ..engine.reading import read
from ..platform import Reading, Reply, Target
from ..values import Failure, Figure

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..platform import Call, Platform
    from ..values import FailureKind, FigureName

__all__ = ["Sample", "credentials_of", "played", "reply_of"]

_AT = 1_700_000_000.0


@attrs.frozen(kw_only=True)
class Sample:
    """An account's address, the replies that its platform gives, and what is in them.

    `replies` are those to the platform's requests in their order: to the resolver, if the account
    has to be resolved, and to the request for figures. Each is what JSON can hold, the bytes of a
    body, or a whole Reply. `expected` are the figures, or the kind of the failure; a whole number
    stands for a Figure that is exact.
    """

    platform: str
    """The platform's name."""
    url: str
    handle: str
    replies: Sequence[object] = attrs.field(repr=False)
    expected: Mapping[FigureName, Figure | int] | FailureKind
    account_id: str | None = None
    """As an earlier run found it out."""

    @property
    def figures(self) -> dict[FigureName, Figure]:
        """The figures that are expected; none where a failure is."""
        if isinstance(self.expected, str):
            return {}
        return {
            name: Figure.ok(value) if isinstance(value, int) else value
            for name, value in self.expected.items()
        }

    @property
    def target(self) -> Target:
        """The account, as the platform's functions get it."""
        return Target(
            account=Account(url=self.url, platform=self.platform),
            handle=self.handle,
            account_id=self.account_id,
        )


def credentials_of(platform: Platform) -> dict[str, str]:
    """Make credentials that can be recognised wherever they turn up."""
    return {each.name: f"s3cr3t-{each.name}" for each in platform.credentials}


def reply_of(given: object, *, status: int = 200) -> Reply:
    """Make a reply of what a sample holds."""
    if isinstance(given, Reply):
        return given
    body = given if isinstance(given, bytes) else msgspec.json.encode(given)
    headers = {"content-type": "application/json"}
    return Reply(status=status, headers=headers, body=body, received_at=_AT)


@attrs.frozen(kw_only=True)
class Played:
    """A sample, played through: the requests made, the last reply, and what it says."""

    calls: tuple[Call, ...]
    target: Target
    """As it was when the last request was made: its id may be known by then."""
    reply: Reply
    resolves: bool
    """Whether the last reply was the resolver's."""
    result: Reading | Failure


def played(platform: Platform, sample: Sample) -> Played:
    """Do what the engine does for one account, with the sample's replies.

    Raises AssertionError where there are too few of them.
    """
    target = sample.target
    calls: list[Call] = []
    replies = iter(sample.replies)
    while True:
        resolver = platform.resolve
        resolves = resolver is not None and not calls and resolver.needs(target)
        way = resolver if resolves and resolver is not None else platform
        calls.append(way.build((target,), credentials_of(platform)))
        given = next(replies, None)
        if given is None:
            raise AssertionError(f"{sample.url}: no reply for request {len(calls)}: {calls[-1]}")
        reply = reply_of(given)
        answer = read(platform, way.parse, reply, (target,))
        result = answer.failure or answer.found[target]
        if isinstance(result, Failure) or result.figures is not None or not resolves:
            return Played(
                calls=tuple(calls), target=target, reply=reply, resolves=resolves, result=result
            )
        target = attrs.evolve(target, account_id=result.account_id)
