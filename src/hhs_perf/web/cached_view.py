"""Serving a view from the cache: one run of it for all who ask for the same at a time."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from .._scope import request_scope
from ..cache.policy import Loaded
from .http import Response
from .response_cache import Asked, Plan, Seen, Stored, answer, key_of, life_of, private, store

if TYPE_CHECKING:
    from ..cache.tiered import TieredCache

__all__ = ["CachedView", "note_cached"]

N = TypeVar("N")

_BORDER: Final = "cached response"
_APART_SECONDS: Final = 5.0
_MOST_APART: Final = 1_000


_APART: Final = Loaded(None, keep=False)
"""What a load gives for a response that belongs to its request alone."""


class _ViewError(Exception):
    """Carries what a view raised through the cache, whose own errors concern nobody."""

    def __init__(self, error: Exception) -> None:
        super().__init__(f"{type(error).__name__}: {error}")
        self.error = error


class CachedView(Generic[N]):
    """The responses of one view; `N` is the framework's response.

    `read` looks into one: None where it cannot be kept, such as a stream.
    """

    def __init__(self, plan: Plan, read: Callable[[N], Seen | None]) -> None:
        self.plan = plan
        self.read = read
        # Keys whose last answer was for one request alone, and until when that is remembered:
        # in the meantime nobody waits for another's run.
        self._apart: dict[str, float] = {}

    def serve(
        self, cache: TieredCache, asked: Asked, ttl: float, view: Callable[[], N]
    ) -> Response | N:
        """Answer from the cache, or run the view, once for all who ask for the same meanwhile.

        What the view raises reaches all of them; what is wrong with the cache does not. `ttl` in
        seconds holds where the plan has none.
        """
        key = key_of(self.plan, asked)
        if key is None:
            return view()
        turn = _Turn(self, cache, key, asked, ttl)

        def load() -> Loaded[Stored] | Loaded[None]:
            with turn.running():
                turn.native = view()
            return turn.kept()

        with turn.asking():
            if turn.shares_runs:
                turn.found = cache.get_or_load(key, load, tags=self.plan.tags, type=Stored)
            else:
                turn.found = cache.get(key, type=Stored)
                if turn.must_run:
                    turn.found = load()
                    if (stored := turn.stored) is not None:
                        cache.set(key, stored, ttl=stored.life, tags=self.plan.tags, type=Stored)
        given = turn.end()
        return view() if given is None else given

    async def serve_async(
        self, cache: TieredCache, asked: Asked, ttl: float, view: Callable[[], Awaitable[N]]
    ) -> Response | N:
        """Do as `serve`, in an event loop."""
        key = key_of(self.plan, asked)
        if key is None:
            return await view()
        turn = _Turn(self, cache, key, asked, ttl)
        aio = cache.aio

        async def load() -> Loaded[Stored] | Loaded[None]:
            with turn.running():
                turn.native = await view()
            return turn.kept()

        with turn.asking():
            if turn.shares_runs:
                turn.found = await aio.get_or_load(key, load, tags=self.plan.tags, type=Stored)
            else:
                turn.found = await aio.get(key, type=Stored)
                if turn.must_run:
                    turn.found = await load()
                    if (stored := turn.stored) is not None:
                        await aio.set(
                            key, stored, ttl=stored.life, tags=self.plan.tags, type=Stored
                        )
        given = turn.end()
        return await view() if given is None else given

    def keep_apart(self, key: str, now: float) -> None:
        """Remember that the answer was for one request alone."""
        if len(self._apart) >= _MOST_APART:
            self._apart.clear()
        self._apart[key] = now + _APART_SECONDS

    def is_apart(self, key: str, now: float) -> bool:
        """Tell whether the last answer was for one request alone, some seconds ago."""
        return bool(self._apart) and now < self._apart.get(key, now)


class _Turn(Generic[N]):
    """What comes of one request; the view runs once for it at the most."""

    def __init__(
        self, view: CachedView[N], cache: TieredCache, key: str, asked: Asked, ttl: float
    ) -> None:
        self._view = view
        self._cache = cache
        self._key = key
        self._asked = asked
        self._ttl = ttl if view.plan.ttl is None else view.plan.ttl
        self._wall = cache.core.lookup.wall
        self._started = self._wall()
        self._error: Exception | None = None
        self._ran = False
        self.native: N | None = None
        self.found: object = None
        # HEAD may make less than GET, so that nothing is kept of its runs.
        self._is_head = asked.method == "HEAD"
        self.shares_runs = not self._is_head and not view.is_apart(key, cache.core.memory.now())

    @property
    def must_run(self) -> bool:
        """Tell whether nothing was found, and a run may give something to keep."""
        return self.found is None and not self._is_head

    @property
    def stored(self) -> Stored | None:
        """What was found or made, if it can be shared."""
        found = self.found.value if isinstance(self.found, Loaded) else self.found
        return found if isinstance(found, Stored) else None

    @contextmanager
    def running(self) -> Iterator[None]:
        """Run the view."""
        self._ran = True
        try:
            yield
        except Exception as exc:
            raise _ViewError(exc) from exc

    @contextmanager
    def asking(self) -> Iterator[None]:
        """Ask the cache."""
        try:
            yield
        except _ViewError as exc:
            self._error = exc.error
        except Exception as exc:  # noqa: BLE001 - the border
            self._cache.core.faults.note(_BORDER, exc)

    def kept(self) -> Loaded[Stored] | Loaded[None]:
        """Give what the cache is to keep of the run."""
        native, plan = self.native, self._view.plan
        seen = None if native is None else self._view.read(native)
        life = None if seen is None else life_of(plan, seen, self._ttl)
        if seen is None or life is None:
            self._view.keep_apart(self._key, self._cache.core.memory.now())
            return _APART
        return Loaded(store(plan, self._asked, seen, life, self._wall()), ttl=life)

    def end(self) -> Response | N | None:
        """Give the answer, or raise what the view raised; None where it has to run for itself."""
        if self._error is not None:
            raise self._error
        stored = self.stored
        if stored is None:
            return self.native if self._ran else None
        # Who waited for another's run was not answered by the cache.
        if not self._ran and stored.created <= self._started:
            note_cached()
        return answer(
            self._view.plan,
            self._asked,
            stored,
            self._wall(),
            may_be_public=stored.control == "private" or _keep_cookies_private(),
        )


def note_cached() -> None:
    """Tell the request under way that the cache answers it."""
    scope = request_scope()
    if scope is not None:
        scope.kind = "cached"


def _keep_cookies_private() -> bool:
    """Take `public` back where the framework adds a cookie after the view: a session's, say.

    False where nothing is timed, so that we do not see the response leave.
    """
    scope = request_scope()
    if scope is None:
        return False
    if scope.at_response_start is None:
        scope.at_response_start = []
    scope.at_response_start.append(_private_with_cookie)
    return True


def _private_with_cookie(headers: list[tuple[str, str]]) -> None:
    if any(name.lower() == "set-cookie" for name, _ in headers):
        headers[:] = [
            (name, private(value)) if name.lower() == "cache-control" else (name, value)
            for name, value in headers
        ]
