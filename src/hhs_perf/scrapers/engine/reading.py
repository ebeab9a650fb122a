"""What a reply means for the targets that it was asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import attrs

from ..judging import by_status, is_no_answer, merged
from ..platform import RateSignal, Reading
from ..values import FIGURE_NAMES, Failure, Figure

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..platform import Parse, Platform, Reply, Target

__all__ = ["Answer", "read"]

_LEFT_OUT: Final = Failure(kind="schema_changed", detail="the reply says nothing of this account")
_REFUSED: Final = 400
_NO_FIGURES: Final = Failure(kind="schema_changed", detail="the reply has no figures")
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
    except Exception:  # noqa: BLE001 - a named border: a plugin's function
        signal = None
    signal = merged(reply, signal if isinstance(signal, RateSignal) else None)
    failure = None
    is_answer = not is_no_answer(reply)
    if is_answer:
        try:
            failure = platform.classify(reply)
        except Exception:  # noqa: BLE001 - likewise
            failure = None
    if failure is None and not (is_answer and reply.status < _REFUSED):
        failure = by_status(reply)
    if failure is not None:
        return Answer(failure, signal=signal)
    try:
        found = parse(reply, targets)
        results = {each: _checked(found.get(each)) for each in targets}
    except Exception as exc:  # noqa: BLE001 - likewise
        what = f"the reply cannot be read: {type(exc).__name__}: {str(exc)[:200]}"
        return Answer(Failure(kind="schema_changed", detail=what), signal=signal)
    return Answer(None, results, signal)


def _checked(result: object) -> Reading | Failure:
    """Let pass what can be kept: one wrong value must not spoil a batch on its way to a table."""
    if result is None:
        return _LEFT_OUT
    if isinstance(result, Failure):
        return result
    if not isinstance(result, Reading):
        raise TypeError(f"parse gives Readings and Failures, and gave {type(result).__name__}")
    for name, figure in (result.figures or {}).items():
        if name not in FIGURE_NAMES or not isinstance(figure, Figure):
            raise TypeError(f"{name} is no figure")
    for field in ("account_id", "display_name"):
        if not isinstance(getattr(result, field), str | None):
            raise TypeError(f"{field} must be a text")
    if result.figures is not None and not result.figures:
        return _NO_FIGURES
    return result
