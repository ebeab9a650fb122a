"""The world that fake platforms live in: accounts, clocks, limits, credentials and faults."""

from __future__ import annotations

import random
import threading
from collections import Counter
from email.utils import formatdate
from functools import lru_cache
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl, unquote

import attrs

from ..._clock import SystemClock
from .faults import Armed, Fault
from .inventing import folded, id_of, invented, looks_like_id
from .shapes import all_shapes
from .values import Answer, FakeAccount, Limits, Refusal, Request

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ..._clock import Clock
    from .values import FakePlatform, State

__all__ = ["FakeWorld"]

_DAY: Final = 86_400
_REMEMBERED: Final = 50_000


@attrs.define
class _Window:
    limit: int
    seconds: float
    start: float
    used: int = 0

    def take(self, now: float) -> bool:
        if now >= self.start + self.seconds:
            self.start, self.used = now, 0
        self.used += 1
        return self.used <= self.limit

    def read(self, now: float) -> Limits:
        reset_at = self.start + self.seconds
        return Limits(limit=self.limit, used=self.used, reset_at=reset_at, now=now)


@attrs.frozen
class _View:
    """What one fake platform sees of the world."""

    world: FakeWorld
    platform: str

    def find(self, name: str, *, by_id: bool = False) -> FakeAccount:
        return self.world.account(self.platform, name, by_id=by_id)

    def knows(self, name: str) -> bool:
        return self.world.knows(self.platform, name)


class FakeWorld:
    """All fake platforms, as pure as can be: a request in, an answer out.

    Accounts that were not added are made up when somebody asks for them, by `seed` and day, or
    are unknown where `invents` is False. `skew` is how many seconds the platforms' clocks are
    ahead of ours. `tokens` holds the one secret that a platform lets in; without one any will do.

    >>> world = FakeWorld(invents=False)
    >>> world.add("bluesky", "hhs.gov", followers_count=12)
    FakeAccount(platform='bluesky', handle='hhs.gov', ...)
    >>> world.answer("GET", "public.api.bsky.app", "/xrpc/app.bsky.actor.getProfile",
    ...              "actor=hhs.gov").status
    200
    """

    def __init__(
        self,
        accounts: Iterable[FakeAccount] = (),
        *,
        seed: int = 0,
        invents: bool = True,
        clock: Clock | None = None,
        skew: float = 0.0,
        day: int | None = None,
        tokens: Mapping[str, str] | None = None,
        platforms: Iterable[FakePlatform] = (),
    ) -> None:
        self.seed = seed
        self.invents = invents
        self.skew = skew
        self.day = day
        """Days since 1970-01-01 that figures are of; None: today."""
        self.tokens = dict(tokens or {})
        self.asked: Counter[str] = Counter()
        """Requests by platform, those that went wrong included."""
        self._clock = clock or SystemClock()
        self._lock = threading.Lock()  # guards what changes from request to request
        self._platforms = {each.name: each for each in (*platforms, *all_shapes())}
        self._accounts: dict[tuple[str, str], FakeAccount] = {}
        self._states: dict[tuple[str, str], State] = {}
        self._handles: dict[tuple[str, str], str] = {}
        self._faults: list[Armed] = []
        self._windows: dict[str, _Window] = {}
        for account in accounts:
            self._keep(account)

    @property
    def names(self) -> tuple[str, ...]:
        """The platforms that it has."""
        return tuple(self._platforms)

    def add(
        self,
        platform: str,
        handle: str,
        *,
        account_id: str = "",
        display_name: str = "",
        state: State = "active",
        **figures: int,
    ) -> FakeAccount:
        """Add an account, or replace it: `add("x", "HHSGov", followers_count=7)`."""
        return self._keep(
            FakeAccount(
                platform=platform,
                handle=handle,
                account_id=account_id,
                display_name=display_name,
                state=state,
                figures=figures,  # type: ignore[arg-type] # names of theirs
            )
        )

    def mark(self, platform: str, handle: str, state: State) -> None:
        """Let an account be `unknown`, `suspended`, `private`, `hidden`, or `active` again."""
        account = self.account(platform, handle)
        with self._lock:
            self._states[platform, folded(handle)] = state
            self._states[platform, account.account_id] = state

    def limit(self, platform: str, requests: int, seconds: float) -> None:
        """Let a platform refuse more than so many requests in so many seconds."""
        with self._lock:
            self._windows[platform] = _Window(requests, seconds, self.now())

    def arm(self, *faults: Fault) -> None:
        """Let requests go wrong; the first fault that befalls a request decides."""
        with self._lock:
            for fault in faults:
                chance = random.Random(f"{self.seed} {len(self._faults)}")  # noqa: S311 - chances of faults, no secret
                self._faults.append(Armed(fault, chance))

    def heal(self) -> None:
        """Take all faults and limits back."""
        with self._lock:
            self._faults.clear()
            self._windows.clear()

    def now(self) -> float:
        """Give the platforms' clock; seconds since 1970-01-01 UTC."""
        return self._clock.wall() + self.skew

    def account(self, platform: str, name: str, *, by_id: bool = False) -> FakeAccount:
        """Give an account as its platform holds it today; of the state `unknown` if it is none."""
        key = (platform, name if by_id else folded(name))
        account = self._accounts.get(key)
        if account is None and self.invents:
            account = self._invented(platform, name, by_id=by_id)
        if account is None:
            return FakeAccount(platform=platform, handle=name, state="unknown")
        state = self._states.get(key)
        return account if state is None else attrs.evolve(account, state=state)

    def knows(self, platform: str, handle: str) -> bool:
        """Tell whether somebody added or marked an account of this handle."""
        key = (platform, folded(handle))
        return key in self._accounts or key in self._states

    def answer(
        self,
        method: str,
        host: str,
        path: str,
        query: str = "",
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
    ) -> Answer:
        """Answer a request to a real host's name; `path` and `query` as they are sent."""
        request = _request(method, host, path, query, headers or {}, body)
        for platform in self._platforms.values():
            if host in platform.hosts and (platform.handles(request) or len(platform.hosts) > 1):
                return self.answer_as(platform.name, request)
        return self.answer_as("mastodon", request)

    def answer_raw(
        self,
        platform: str,
        method: str,
        host: str,
        path: str,
        query: str,
        headers: Mapping[str, str],
        body: bytes,
    ) -> Answer:
        """Answer as one platform; `path` and `query` as they are sent."""
        return self.answer_as(platform, _request(method, host, path, query, headers, body))

    def answer_as(self, name: str, request: Request) -> Answer:
        """Answer as one platform, whatever the host. Raises LookupError for an unknown one."""
        platform = self._platforms[name]
        now = self.now()
        fault = None
        with self._lock:
            self.asked[name] += 1
            window = self._windows.get(name)
            is_allowed = window is None or window.take(now)
            if window is None:
                limit, seconds = platform.usual
                limits = Limits(limit=limit, used=1, reset_at=now + seconds, now=now)
            else:
                limits = window.read(now)
            if self._faults:
                handles = platform.handles(request)
                found = (each.fault for each in self._faults if each.befalls(name, handles))
                fault = next(found, None)
        if fault is not None:
            answer = fault.falsify(platform, limits, lambda: self._right(platform, request, limits))
        elif not is_allowed:
            answer = platform.refuse(Refusal(kind="rate_limited", limits=limits))
        else:
            answer = self._right(platform, request, limits)
        answer.headers.setdefault("date", _date(int(now)))
        return answer

    def _right(self, platform: FakePlatform, request: Request, limits: Limits) -> Answer:
        if platform.secret is not None:
            secret = platform.secret(request)
            wanted = self.tokens.get(platform.name)
            if not secret or (wanted is not None and secret != wanted):
                return platform.refuse(Refusal(kind="auth", limits=limits))
        answer = platform.answer(_View(self, platform.name), request)
        answer.headers.update(platform.limit_headers(limits))
        return answer

    def _keep(self, account: FakeAccount) -> FakeAccount:
        account_id = account.account_id or id_of(self.seed, account.platform, account.handle)
        kept = attrs.evolve(
            account,
            account_id=account_id,
            display_name=account.display_name or account.handle,
        )
        with self._lock:
            self._accounts[kept.platform, folded(kept.handle)] = kept
            self._accounts[kept.platform, account_id] = kept
        return kept

    def _invented(self, platform: str, name: str, *, by_id: bool) -> FakeAccount:
        if by_id or looks_like_id(platform, name):
            account_id = name
            handle = self._handles.get((platform, name), name)
        else:
            handle = folded(name)
            account_id = id_of(self.seed, platform, handle)
            if len(self._handles) < _REMEMBERED:
                self._handles[platform, account_id] = handle
        day = self.day if self.day is not None else int(self._clock.wall() // _DAY)
        return invented(self.seed, platform, handle, account_id, day)


def _request(
    method: str,
    host: str,
    path: str,
    query: str,
    headers: Mapping[str, str],
    body: bytes,
) -> Request:
    if "%" in query or "+" in query or ";" in query:
        pairs = tuple(parse_qsl(query, keep_blank_values=True))
    else:
        split = (each.partition("=") for each in query.split("&") if each)
        pairs = tuple((name, value) for name, _, value in split)
    return Request(
        method=method,
        host=host,
        path=unquote(path) if "%" in path else path,
        query=pairs,
        headers=headers,
        body=body,
    )


@lru_cache(maxsize=4)
def _date(second: int) -> str:
    return formatdate(second, usegmt=True)
