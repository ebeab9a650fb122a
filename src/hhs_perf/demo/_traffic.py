"""Real HTTP traffic on the demo: a fixed mix of requests, sent by several clients at once."""

from __future__ import annotations

import random
from collections import Counter
from queue import Empty, SimpleQueue
from threading import Event, Thread
from typing import TYPE_CHECKING, Final

import attrs
import httpx

from ..web.recorder import UNMATCHED
from ._accounts import read_accounts
from ._errors import DemoError
from ._schema import top_accounts
from .cached import PAGE, PAGES, PLATFORMS, TOP
from .queries import EVENTS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from ._launch import Framework

__all__ = ["Endpoint", "Sent", "Visit", "asks_cache", "drive", "plan", "queries_of"]

_ABSENT_ACCOUNT: Final = 1_000_000
_TO_THE_TOP: Final = 0.6
_SEED: Final = 20261101
_ANSWER_WITHIN: Final = 30.0
_JOIN_EVERY: Final = 0.2


@attrs.frozen(order=True)
class Endpoint:
    """What requests are counted by: a method, and a route's template as its framework spells it."""

    method: str
    route: str


@attrs.frozen(kw_only=True)
class Visit:
    """One request to send, where it is to be counted, and the status that it should meet."""

    path: str
    endpoint: Endpoint
    status: int


@attrs.frozen(kw_only=True)
class Sent:
    """How many requests the clients sent to one endpoint, and how the answers ended."""

    count: int
    errors: int
    client_errors: int


@attrs.frozen
class _Kind:
    """A kind of visit, its share of the traffic in thousandths, and how to make its path."""

    share: int
    route: str
    status: int
    path: Callable[[random.Random], str]


def _account(chance: random.Random) -> str:
    # Most people look at what most people follow; without such a bent no cache is of much use.
    if chance.random() < _TO_THE_TOP:
        return f"/api/accounts/{chance.choice(top_accounts(TOP))}"
    return f"/api/accounts/{chance.randint(1, len(read_accounts()))}"


def _page(chance: random.Random) -> str:
    if chance.random() < 0.5:  # noqa: PLR2004 -- half of the lists are of one platform
        return f"/api/accounts?platform={chance.choice(PLATFORMS)}"
    return f"/api/accounts?limit={PAGE}&offset={PAGE * chance.randrange(PAGES)}"


def _stray(chance: random.Random) -> str:
    return f"/{chance.choice(('wp-admin', 'old', '.env'))}/{chance.getrandbits(64):x}"


_MIX: Final = (
    _Kind(240, "/api/summary", 200, lambda _: "/api/summary"),
    _Kind(240, "/api/accounts", 200, _page),
    _Kind(200, "/api/accounts/{account_key}", 200, _account),
    _Kind(160, "/api/accounts/{account_key}/history", 200, lambda c: f"{_account(c)}/history"),
    _Kind(40, "/api/accounts/{account_key}", 404, lambda _: f"/api/accounts/{_ABSENT_ACCOUNT}"),
    _Kind(30, UNMATCHED, 404, _stray),
    _Kind(30, "/api/events", 200, lambda _: "/api/events"),
    _Kind(10, "/api/export", 200, lambda c: f"/api/export?format={c.choice(('ndjson', 'csv'))}"),
    _Kind(20, "/api/broken", 500, lambda _: "/api/broken"),
    _Kind(20, "/api/slow", 200, lambda _: "/api/slow"),
    _Kind(5, "/api/organizations", 200, lambda _: "/api/organizations?platform=X"),
    _Kind(5, "/api/mentions", 200, lambda _: "/api/mentions"),
)


_THROUGH_CACHE: Final = frozenset({"/api/summary", "/api/accounts", "/api/accounts/{account_key}"})


def asks_cache(endpoint: Endpoint) -> bool:
    """Tell whether a request there looks for one thing in the cache; the others for none."""
    return endpoint.route.replace("<int:account_key>", "{account_key}") in _THROUGH_CACHE


def queries_of(endpoint: Endpoint) -> int | None:
    """Give how many queries each request there sends; None where the cache decides."""
    if endpoint.route == "/api/organizations":
        return 1 + sum(account.platform == "X" for account in read_accounts())
    if asks_cache(endpoint):
        return None
    return 0 if endpoint.route in {UNMATCHED, "/api/broken"} else 1


def plan(requests: int, framework: Framework) -> tuple[Visit, ...]:
    """Lay out exactly `requests` visits: the same ones in the same order at each call.

    With at least as many requests as kinds of visit, every kind occurs, the troublemakers first:
    what takes a while to be looked at, a missing index, is so while the others are sent.
    """
    chance = random.Random(_SEED)  # noqa: S311 -- a repeatable mix, no secret
    first = list(reversed(_MIX[:requests]))
    left = requests - len(first)
    rest = [kind for kind in _MIX for _ in range(left * kind.share // 1000)]
    rest += [_MIX[0]] * (left - len(rest))  # what rounding left over
    chance.shuffle(rest)
    return tuple(
        Visit(
            path=kind.path(chance),
            endpoint=Endpoint("GET", _spelled(kind.route, framework)),
            status=kind.status,
        )
        for kind in (*first, *rest)
    )


def _spelled(route: str, framework: Framework) -> str:
    if framework == "flask":
        return route.replace("{account_key}", "<int:account_key>")
    return route


def drive(
    url: str, visits: Sequence[Visit], *, clients: int, answered: Callable[[], None]
) -> dict[Endpoint, Sent]:
    """Send every visit once, by `clients` threads, and count what was sent and how it ended.

    `answered` is called after each answer, from the thread of its client. Raises `DemoError` on
    the first visit without a whole answer, or with another one than it should meet.
    """
    waiting: SimpleQueue[Visit] = SimpleQueue()
    for visit in visits:
        waiting.put(visit)
    stop = Event()
    failures: SimpleQueue[DemoError] = SimpleQueue()
    met: list[Counter[tuple[Endpoint, int]]] = [Counter() for _ in range(clients)]

    def visit_all(answers: Counter[tuple[Endpoint, int]]) -> None:
        try:
            for endpoint, status in _answers(url, waiting, stop):
                answers[endpoint, status] += 1
                answered()
        except DemoError as exc:
            stop.set()
            failures.put(exc)

    threads = [Thread(target=visit_all, args=(answers,), daemon=True) for answers in met]
    for thread in threads:
        thread.start()
    try:
        for thread in threads:
            while thread.is_alive():
                thread.join(_JOIN_EVERY)
    finally:
        stop.set()
    if not failures.empty():
        raise failures.get()
    return _tally(sum(met, Counter()))


def _answers(url: str, waiting: SimpleQueue[Visit], stop: Event) -> Iterator[tuple[Endpoint, int]]:
    # trust_env=False: a proxy has no business between the demo and itself.
    with httpx.Client(base_url=url, timeout=_ANSWER_WITHIN, trust_env=False) as client:
        while not stop.is_set():
            try:
                visit = waiting.get_nowait()
            except Empty:
                return
            try:
                answer = client.get(visit.path, headers=_last_words(visit))
            except httpx.HTTPError as exc:
                reason = str(exc) or type(exc).__name__
                raise DemoError(f"GET {visit.path} got no whole answer: {reason}") from exc
            if answer.status_code != visit.status:
                raise DemoError(
                    f"GET {visit.path} answered {answer.status_code}, not {visit.status}"
                )
            if visit.path == "/api/events" and answer.text.count("\n\n") != EVENTS:
                raise DemoError(f"GET {visit.path} did not send its {EVENTS} events")
            yield visit.endpoint, answer.status_code


def _last_words(visit: Visit) -> dict[str, str]:
    # uvicorn drops a connection after a view's exception, but does not say so: the next request
    # on it could be lost, and nobody would know whether it was counted.
    return {"Connection": "close"} if visit.status >= 500 else {}  # noqa: PLR2004 - a class of HTTP


def _tally(met: Counter[tuple[Endpoint, int]]) -> dict[Endpoint, Sent]:
    endpoints = sorted({endpoint for endpoint, _ in met})
    return {
        endpoint: Sent(
            count=sum(n for (at, _), n in met.items() if at == endpoint),
            errors=sum(n for (at, status), n in met.items() if at == endpoint and status >= 500),  # noqa: PLR2004 - a class of HTTP
            client_errors=sum(
                n
                for (at, status), n in met.items()
                if at == endpoint and 400 <= status < 500  # noqa: PLR2004 - a class of HTTP
            ),
        )
        for endpoint in endpoints
    }
