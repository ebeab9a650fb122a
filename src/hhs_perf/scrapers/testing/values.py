"""What fake platforms are made of: accounts, requests, answers and refusals."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, Protocol

import attrs
import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ..values import FigureName

__all__ = [
    "Answer",
    "Delivery",
    "FakeAccount",
    "FakePlatform",
    "Limits",
    "Refusal",
    "RefusalKind",
    "Request",
    "Scene",
    "State",
    "bearer",
    "json_answer",
]

State = Literal["active", "unknown", "suspended", "private", "hidden"]
"""`hidden`: active, and keeps its number of followers back where its platform lets it."""

Delivery = Literal["whole", "silent", "stalled", "dripped", "closed", "reset", "cut"]
"""How an answer travels.

`silent`: nothing comes. `stalled`: headers and half of the body, then nothing. `dripped`: a byte
at a time. `closed`, `reset`: the connection ends before the answer. `cut`: in the midst of it.
"""

RefusalKind = Literal["rate_limited", "throttled", "quota", "auth", "forbidden"]


@attrs.frozen(kw_only=True)
class FakeAccount:
    """An account of a fake platform. What `figures` leaves out is 0 there, as on the real one."""

    platform: str
    handle: str
    account_id: str = ""
    display_name: str = ""
    figures: Mapping[FigureName, int] = attrs.field(factory=dict)
    state: State = "active"

    @property
    def exists(self) -> bool:
        """Tell whether the platform knows it at all."""
        return self.state != "unknown"

    def count(self, name: FigureName) -> int:
        """Give one number."""
        return self.figures.get(name, 0)


@attrs.frozen(kw_only=True)
class Request:
    """What a fake platform is asked. Names of headers are in lower case."""

    method: str
    host: str
    path: str
    """Percent-decoded, without the query."""
    query: tuple[tuple[str, str], ...] = ()
    headers: Mapping[str, str] = attrs.field(factory=dict, repr=False)
    body: bytes = attrs.field(default=b"", repr=False)

    def first(self, name: str) -> str:
        """Give the first value of a parameter, empty where there is none."""
        return next((value for key, value in self.query if key == name), "")

    def listed(self, name: str) -> tuple[str, ...]:
        """Give all values of a parameter, repeated or with commas between them."""
        values = (value for key, value in self.query if key in (name, f"{name}[]"))
        return tuple(each for value in values for each in value.split(",") if each)

    def field(self, name: str) -> str:
        """Give a field of the JSON body, empty where there is none."""
        try:
            found = msgspec.json.decode(self.body, type=dict[str, object]).get(name, "")
        except msgspec.MsgspecError:
            return ""
        return found if isinstance(found, str) else ""


# Not frozen: the world adds its headers to thousands of them a second.
@attrs.define(kw_only=True, eq=False)
class Answer:
    """What a fake platform says, and how it gets to the client. Headers in lower case."""

    status: int = 200
    headers: dict[str, str] = attrs.field(factory=dict)
    body: bytes = attrs.field(default=b"", repr=False)
    delivery: Delivery = "whole"
    pause: float = 0.0
    """Seconds before each byte of a dripped answer, before any other as a whole."""


@attrs.frozen(kw_only=True)
class Limits:
    """Where a window of a platform's limit stands. `now` and `reset_at` are the server's clock."""

    limit: int
    used: int
    reset_at: float
    now: float

    @property
    def remaining(self) -> int:
        """Requests that are left until `reset_at`."""
        return max(0, self.limit - self.used)

    @property
    def seconds_left(self) -> float:
        """Seconds until the window ends."""
        return max(0.0, self.reset_at - self.now)


@attrs.frozen(kw_only=True)
class Refusal:
    """What a fake platform has to refuse in its own words.

    `limits` is the window that is used up, for a refusal for the rate. `status` asks for another
    status than the usual one, where the platform has several.
    """

    kind: RefusalKind
    limits: Limits
    status: int | None = None


class Scene(Protocol):
    """What a fake platform sees of its world."""

    def find(self, name: str, *, by_id: bool = False) -> FakeAccount:
        """Give an account; one of the state `unknown` where there is none."""
        ...

    def knows(self, name: str) -> bool:
        """Tell whether somebody added or marked an account of this name."""
        ...


def _no_headers(_: Limits) -> Mapping[str, str]:
    return {}


def bearer(request: Request) -> str:
    """Give the token of an Authorization header."""
    kind, _, token = request.headers.get("authorization", "").partition(" ")
    return token if kind.lower() == "bearer" else ""


@attrs.frozen(kw_only=True)
class FakePlatform:
    """How one platform answers: pure functions, as with the real plugin."""

    name: str
    hosts: tuple[str, ...] = ()
    """Those of its addresses; of many platforms on one host, the first that `asks` says."""
    handles: Callable[[Request], tuple[str, ...]]
    """The handles or ids that a request is about."""
    answer: Callable[[Scene, Request], Answer]
    refuse: Callable[[Refusal], Answer]
    limit_headers: Callable[[Limits], Mapping[str, str]] = _no_headers
    """What each answer tells of the limits."""
    secret: Callable[[Request], str] | None = bearer
    """What a request brings to be let in; None where nobody has to bring anything."""
    usual: tuple[int, float] = (1000, 3600.0)
    """The documented limit: so many requests in so many seconds."""


_JSON: Final = "application/json; charset=utf-8"


def json_answer(
    body: object, status: int = 200, headers: Mapping[str, str] | None = None
) -> Answer:
    """Make an answer of what JSON can hold."""
    return Answer(
        status=status,
        headers={"content-type": _JSON, **(headers or {})},
        body=msgspec.json.encode(body),
    )
