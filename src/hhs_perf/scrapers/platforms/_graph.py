"""What Facebook, Instagram and Threads share: the errors and the usage headers of Meta's API."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from ..platform import RateSignal
from ._replies import failed, said, told

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..platform import Reply
    from ..values import Failure, FailureKind

__all__ = ["VERSION", "classify", "rate_signal"]

VERSION: Final = "v25.0"

_THROTTLED: Final = frozenset({4, 17, 32, 341, 613, *range(80_000, 80_015)})
_DOWN: Final = frozenset({1, 2})
_TOKEN: Final = frozenset({3, 102, 190, 368, 463, 467})
_GONE: Final = frozenset({24, 110, 803})
_PERMISSIONS: Final = frozenset({10, *range(200, 300)})
# What the whole app lacks, not the one page: it is the same for all.
_LACKING: Final = "requires the '"
_PARAMETER: Final = 100
_UNSUPPORTED: Final = 33
_PARTS: Final = ("call_count", "total_time", "total_cputime")
# The percentage is of a rolling hour: a sixtieth of it comes back each minute.
_A_MINUTE: Final = 60.0
_ALL: Final = 100.0


def classify(reply: Reply) -> Failure | None:
    """Tell a failure by the error's code: throttles too come as HTTP 400 and 403."""
    error = told(reply).get("error")
    if not isinstance(error, dict):
        return None
    code, message = error.get("code"), said(error.get("message", ""))
    kind = _kind(code, error.get("error_subcode"), message)
    if kind is None:
        return None
    signal = rate_signal(reply) if kind == "rate_limited" else None
    return failed(kind, f"code {code}: {message}", None if signal is None else signal.wait)


def rate_signal(reply: Reply) -> RateSignal | None:
    """Read `X-App-Usage`, `X-Page-Usage` and `X-Business-Use-Case-Usage`: percent and minutes."""
    usages = list(_usages(reply))
    if not usages:
        return None
    used = max((_number(usage.get(part)) for usage in usages for part in _PARTS), default=0.0)
    minutes = max(_number(each.get("estimated_time_to_regain_access")) for each in usages)
    wait = minutes * 60.0 if minutes > 0 else _A_MINUTE if used >= _ALL else None
    return RateSignal(wait=wait, used=used / _ALL)


def _kind(code: object, subcode: object, message: str) -> FailureKind | None:
    if not isinstance(code, int):
        return None
    if code in _THROTTLED:
        return "rate_limited"
    if code in _TOKEN or (code in _PERMISSIONS and _LACKING in message):
        return "auth"
    if code in _PERMISSIONS:
        return "forbidden"
    if code in _GONE or (
        code == _PARAMETER and (subcode == _UNSUPPORTED or "does not exist" in message)
    ):
        return "not_found"
    return "server" if code in _DOWN else "schema_changed"


def _usages(reply: Reply) -> Iterator[dict[str, Any]]:
    for name in ("x-app-usage", "x-page-usage"):
        usage = _decoded(reply.headers.get(name))
        if usage:
            yield usage
    for listed in _decoded(reply.headers.get("x-business-use-case-usage")).values():
        for usage in listed if isinstance(listed, list) else ():
            if isinstance(usage, dict):
                yield usage


def _decoded(header: str | None) -> dict[str, Any]:
    if not header:
        return {}
    try:
        value = msgspec.json.decode(header)
    except (ValueError, msgspec.MsgspecError):
        return {}
    return value if isinstance(value, dict) else {}


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return 0.0
    return max(0.0, float(value))
