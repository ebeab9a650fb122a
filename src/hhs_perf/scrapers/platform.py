"""What a platform is made of: pure functions from targets to a request, from a reply to readings.

A plugin gives values of `Platform` through the hook `hhs_perf_register_platforms`. Its functions
know neither sockets nor clocks, so that each can be tried offline with a reply made by hand.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

import attrs
import msgspec

from .values import FIGURE_NAMES, Failure, Figure, FigureName

if TYPE_CHECKING:
    from .accounts import Account

__all__ = [
    "Address",
    "Budget",
    "Call",
    "Credential",
    "Credentials",
    "Platform",
    "RateSignal",
    "Reading",
    "Reply",
    "Resolver",
    "Target",
]

_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,39}")

Credentials: TypeAlias = Mapping[str, str]
"""What the environment holds of a platform's credentials: `{"token": "…"}`."""


@attrs.frozen(kw_only=True)
class Address:
    """An account's address, taken apart; a platform's `match` makes a handle of it.

    `host` is in lower case, without `www.`, `m.` and port. `path` are the segments that are not
    empty, percent-decoded, as written. `query` holds the first value of each parameter.
    """

    host: str
    path: tuple[str, ...]
    query: Mapping[str, str]
    is_named: bool
    """True where the list itself names the platform, so that any host may belong to it."""


# Compared by identity: a reply is read for the very targets that it was asked for.
@attrs.frozen(kw_only=True, eq=False)
class Target:
    """An account as its platform knows it."""

    account: Account
    handle: str
    account_id: str | None = None
    host: str | None = None
    """The host of the address; only platforms of many hosts look at it."""
    is_remembered: bool = False
    """Whether `account_id` is what an earlier run found out: it may be out of date."""


@attrs.frozen(kw_only=True)
class Credential:
    """Something that must be in the environment; never shown, never logged.

    The variable is `HHS_PERF_<PLATFORM>_<NAME>`.
    """

    name: str
    """In lower case: `token`."""
    how: str
    """Where to get it, in one sentence."""
    required: bool = True

    def variable(self, platform: str) -> str:
        """Name the variable that holds it."""
        return f"HHS_PERF_{platform.upper()}_{self.name.upper()}"


@attrs.frozen(kw_only=True)
class Call:
    """One request.

    `path` is appended to the platform's `base_url`, or to `https://host` where `host` is given;
    `params` are the query, in order. `json` is sent as the body. The repr leaves out what may hold
    a secret.
    """

    path: str
    params: Iterable[tuple[str, str]] = attrs.field(default=(), repr=False)
    headers: Mapping[str, str] = attrs.field(factory=dict, repr=False)
    method: Literal["GET", "POST"] = "GET"
    json: Any = attrs.field(default=None, repr=False)
    host: str | None = None


@attrs.define(kw_only=True, eq=False)
class Reply:
    """What came back. Names of headers are in lower case; `body` has at most the cap's bytes."""

    status: int
    headers: Mapping[str, str] = attrs.field(repr=False)
    body: bytes = attrs.field(repr=False)
    received_at: float
    """The receiver's clock; seconds since 1970-01-01 UTC."""
    is_cut: bool = False
    """True where the body went on past the cap."""
    _decoded: Any = attrs.field(default=None, init=False, repr=False)

    def json(self) -> Any:  # noqa: ANN401 - whatever a platform sends
        """Decode the body, once. Raises ValueError for what is no JSON in UTF-8."""
        if self._decoded is None:
            try:
                self._decoded = (msgspec.json.decode(self.body),)
            except msgspec.MsgspecError as exc:  # it is a ValueError in new versions only
                raise ValueError(str(exc)) from exc
        return self._decoded[0]


@attrs.frozen(kw_only=True)
class RateSignal:
    """What a reply tells of its platform's limits.

    `wait` seconds from the reply on the platform wants to be left alone, or `remaining` requests
    are allowed until so many seconds have passed. `used` is the share of the allowance that is
    used up, 1.0 being all. The engine pauses when the reply was refused for its rate, when
    `remaining` is below 1 or when `used` is 1.0 or more.
    """

    wait: float | None = None
    remaining: float | None = None
    used: float | None = None


@attrs.frozen(kw_only=True)
class Reading:
    """What a reply says of one target.

    `account_id`, once known, is handed back in later runs. One without figures, from a resolver,
    only says who the account is: its figures are asked for with the next batch.
    """

    figures: Mapping[FigureName, Figure] | None
    account_id: str | None = None
    display_name: str | None = None


@attrs.frozen(kw_only=True)
class Budget:
    """What a platform takes for its answers, and how much of it there is.

    `unit` is `USD`, `units`, `requests`, or `percent`: then it is `RateSignal.used` that counts.
    `limit` a UTC day; None: none is known, and `HHS_PERF_<PLATFORM>_BUDGET` sets one.
    """

    unit: str
    per_account: float = 0.0
    per_request: float = 0.0
    limit: float | None = None


Build: TypeAlias = Callable[[tuple[Target, ...], Credentials], Call]
Parse: TypeAlias = Callable[[Reply, tuple[Target, ...]], "Mapping[Target, Reading | Failure]"]


@attrs.frozen(kw_only=True)
class Resolver:
    """Finds out what a platform calls the accounts that are known by a handle alone.

    A Reading that has figures already spares the second request.
    """

    build: Build
    parse: Parse
    batch_size: int = 1
    gives_figures: bool = False
    """Whether its Readings have figures, as a rule: a plan counts no second request then."""
    needs: Callable[[Target], bool] = lambda target: target.account_id is None
    """Whether a target has to be resolved."""


def _nothing(_: Reply) -> None:
    return None


@attrs.frozen(kw_only=True)
class Platform:
    """A platform: how its addresses read, what is asked of it and what its replies mean.

    Functions are pure. `parse` gives each target of a reply that `classify` let pass a Reading
    or a Failure; a target that it leaves out is a `schema_changed`, and so is a ValueError,
    KeyError or TypeError raised by it. `classify` tells a reply that failed as a whole; None
    leaves it to the statuses of HTTP, see `classify.by_status`.
    """

    name: str
    """In lower case, as in metrics and variables: `truth_social`."""
    title: str
    """As people write it."""
    base_url: str
    """Where all requests go: `https://api.x.com`; `HHS_PERF_<PLATFORM>_URL` replaces it."""
    match: Callable[[Address], str | None]
    """The handle that an address names, None where it is no account of this platform.

    A ValueError says why an address of this platform can be no account.
    """
    build: Build
    parse: Parse
    figures: tuple[FigureName, ...]
    """What it can give."""
    aliases: tuple[str, ...] = ()
    """What lists call it besides its name and title, in any case: `twitter`."""
    normalise: Callable[[str], str] = lambda handle: handle.strip().lstrip("@").lower()
    """Write a handle one way, so that equal accounts are equal."""
    classify: Callable[[Reply], Failure | None] = _nothing
    rate_signal: Callable[[Reply], RateSignal | None] = _nothing
    """Further spellings of limits; Retry-After is understood without."""
    resolve: Resolver | None = None
    batch_size: int = 1
    interval: float | None = None
    """Seconds between two starts; None: `HHS_PERF_SCRAPE_INTERVAL`."""
    credentials: tuple[Credential, ...] = ()
    budget: Budget | None = None
    many_hosts: bool = False
    """True where requests go to the host of the account, as with Mastodon; limits are each host's.

    A token must go to its own host alone, since a list of accounts can name any.
    """
    host_of: Callable[[Target], str | None] = lambda target: target.host
    """The host of an account, where there are many."""
    notes: str = ""
    """What to know of its terms and limits, in a sentence or two."""

    def __attrs_post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ValueError(f"a platform's name is like truth_social, not {self.name!r}")
        if self.batch_size < 1:
            raise ValueError(f"{self.name}: batch_size must be at least 1")
        if not self.base_url.startswith(("https://", "http://")):
            raise ValueError(f"{self.name}: base_url must be an http or https URL")
        unknown = [each for each in self.figures if each not in FIGURE_NAMES]
        if unknown:
            raise ValueError(f"{self.name}: unknown figures {', '.join(unknown)}")

    def missing(self, credentials: Credentials) -> tuple[str, ...]:
        """Name the variables that would have to be set."""
        return tuple(
            each.variable(self.name)
            for each in self.credentials
            if each.required and not credentials.get(each.name)
        )

    def answers_to(self, name: str) -> bool:
        """Tell whether a list that says `name` means this platform."""
        return name.strip().casefold() in _in_any_case(self.name, self.title, *self.aliases)


@lru_cache(maxsize=256)
def _in_any_case(*names: str) -> frozenset[str]:
    return frozenset(each.casefold() for each in names)
