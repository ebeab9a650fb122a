"""What a reply means for the targets that it was asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import attrs

from ..judging import by_status, is_no_answer, merged
from ..values import Failure

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..platform import Parse, Platform, RateSignal, Reading, Reply, Target

__all__ = ["Answer", "read"]

_LEFT_OUT: Final = Failure(kind="schema_changed", detail="the reply says nothing of this account")
_REFUSED: Final = 400
_NOTHING: Final[Mapping[Target, Reading | Failure]] = {}


@attrs.frozen
class Answer:
    """What came of a request: a failure of all that it asked for, or something for each target."""

    failure: Failure | None
    found: Mapping[Target, Reading | Failure] = _NOTHING
    signal: RateSignal | None = None


def read(platform: Platform, parse: Parse, reply: Reply, targets: tuple[Target, ...]) -> Answer:
    """Judge a reply, then read it; what a platform's functions raise is that it has changed."""
    try:
        signal = platform.rate_signal(reply)
    except (ValueError, KeyError, TypeError, LookupError, AttributeError):
        signal = None
    signal = merged(reply, signal)
    failure = None
    is_answer = not is_no_answer(reply)
    if is_answer:
        try:
            failure = platform.classify(reply)
        except (ValueError, KeyError, TypeError, LookupError, AttributeError):
            failure = None
    if failure is None and not (is_answer and reply.status < _REFUSED):
        failure = by_status(reply)
    if failure is not None:
        return Answer(failure, signal=signal)
    try:
        found = parse(reply, targets)
    except (ValueError, KeyError, TypeError, LookupError, AttributeError) as exc:
        what = f"the reply cannot be read: {type(exc).__name__}: {str(exc)[:200]}"
        return Answer(Failure(kind="schema_changed", detail=what), signal=signal)
    return Answer(None, {each: found.get(each) or _LEFT_OUT for each in targets}, signal)
