"""What a web timer must see: eight scenarios for Flask and eight for FastAPI.

Pure standard library and ignorant of the code that it judges.  A scenario says what is sent to a
host application (``app_needs`` says what the host must offer) and which series must come of it:
method, route template and class of status, how often, and between which durations.  ``None``
leaves a tag free; the number of series is always exact.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

MANY: Final = 30
STREAM_SECONDS: Final = 0.1
BACKGROUND_SECONDS: Final = 0.15
UNMATCHED: Final = "unmatched"


@dataclass(frozen=True, kw_only=True)
class Sent:
    """One request of the scenario."""

    path: str
    method: str = "GET"


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """One series that the scenario must leave, with the number of requests counted in it."""

    status_class: str
    count: int = 1
    method: str | None = "GET"
    route: str | None = None
    at_least: float = 0.0
    at_most: float = 60.0


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """Requests to send, in order, and the series they must leave: these and no others."""

    name: str
    app_needs: str
    sent: tuple[Sent, ...]
    wanted: tuple[Wanted, ...]


def _each(pattern: str) -> tuple[Sent, ...]:
    return tuple(Sent(path=pattern.format(n)) for n in range(MANY))


_FAKE_METHODS: Final = tuple(f"FAKE{n}" for n in range(MANY))

FASTAPI: Final = (
    Scenario(
        name="included_router",
        app_needs="GET /x/{y} in a router at /deep, included in a router at /api/v1",
        sent=(Sent(path="/api/v1/deep/x/7"),),
        wanted=(Wanted(route="/api/v1/deep/x/{y}", status_class="2xx"),),
    ),
    Scenario(
        name="mounted_app",
        app_needs="an app with GET /s/{z} mounted at /t/{tenant}",
        sent=(Sent(path="/t/acme/s/9"),),
        wanted=(Wanted(route="/t/{tenant}/s/{z}", status_class="2xx"),),
    ),
    Scenario(
        name="many_tenants",
        app_needs="an app with GET /s/{z} mounted at /t/{tenant}",
        sent=_each("/t/tenant{}/s/9"),
        wanted=(Wanted(route="/t/{tenant}/s/{z}", status_class="2xx", count=MANY),),
    ),
    Scenario(
        name="many_unknown_paths",
        app_needs="no route at /nothing…",
        sent=_each("/nothing{}"),
        wanted=(Wanted(route=UNMATCHED, status_class="4xx", count=MANY),),
    ),
    Scenario(
        name="many_unknown_methods",
        app_needs="GET /api/v1/deep/x/{y}, no other method",
        sent=tuple(Sent(path="/api/v1/deep/x/7", method=method) for method in _FAKE_METHODS),
        wanted=(Wanted(method=None, route=None, status_class="4xx", count=MANY),),
    ),
    Scenario(
        name="exception",
        app_needs="GET /boom that raises",
        sent=(Sent(path="/boom"),),
        wanted=(Wanted(route="/boom", status_class="5xx"),),
    ),
    Scenario(
        name="stream",
        app_needs="GET /stream, a body that takes STREAM_SECONDS after the response has started",
        sent=(Sent(path="/stream"),),
        wanted=(Wanted(route="/stream", status_class="2xx", at_least=STREAM_SECONDS),),
    ),
    Scenario(
        name="background_task",
        app_needs="GET /background with a background task of BACKGROUND_SECONDS",
        sent=(Sent(path="/background"),),
        wanted=(Wanted(route="/background", status_class="2xx", at_most=BACKGROUND_SECONDS * 0.9),),
    ),
)

FLASK: Final = (
    Scenario(
        name="template",
        app_needs="GET /x/<int:y> in a blueprint at /api/v1",
        sent=(Sent(path="/api/v1/x/7"),),
        wanted=(Wanted(route="/api/v1/x/<int:y>", status_class="2xx"),),
    ),
    Scenario(
        name="abort_before_request",
        app_needs="GET /private; a before_request hook that aborts with 401 there",
        sent=(Sent(path="/private"),),
        wanted=(Wanted(route="/private", status_class="4xx"),),
    ),
    Scenario(
        name="exception",
        app_needs="GET /boom that raises",
        sent=(Sent(path="/boom"),),
        wanted=(Wanted(route="/boom", status_class="5xx"),),
    ),
    Scenario(
        name="stream",
        app_needs="GET /stream, a generator that takes STREAM_SECONDS",
        sent=(Sent(path="/stream"),),
        wanted=(Wanted(route="/stream", status_class="2xx", at_least=STREAM_SECONDS),),
    ),
    Scenario(
        name="exception_in_stream",
        app_needs="GET /broken, a generator that raises after its first chunk",
        sent=(Sent(path="/broken"),),
        wanted=(Wanted(route="/broken", status_class="5xx"),),
    ),
    Scenario(
        name="many_ids",
        app_needs="GET /x/<int:y> in a blueprint at /api/v1",
        sent=_each("/api/v1/x/{}"),
        wanted=(Wanted(route="/api/v1/x/<int:y>", status_class="2xx", count=MANY),),
    ),
    Scenario(
        name="many_unknown_paths",
        app_needs="no route at /nothing…",
        sent=_each("/nothing{}"),
        wanted=(Wanted(route=UNMATCHED, status_class="4xx", count=MANY),),
    ),
    Scenario(
        name="many_unknown_methods",
        app_needs="GET /api/v1/x/<int:y>, no other method",
        sent=tuple(Sent(path="/api/v1/x/7", method=method) for method in _FAKE_METHODS),
        wanted=(Wanted(method=None, route=None, status_class="4xx", count=MANY),),
    ),
)
