"""Caching what functions return, by their arguments."""

from __future__ import annotations

import functools
import inspect
from typing import TYPE_CHECKING, Any, Final, Generic, ParamSpec, Protocol, TypeVar, get_type_hints

import msgspec

from ._hits import answering_hits
from .checked import checked_tags, checked_text
from .naming.keys import KeyMaker
from .naming.tags import TagMaker
from .policy import check_ttl, checked_policy
from .store.entry import HIT
from .warm.calls import name_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from .core import Core
    from .drive import Steps
    from .loading import LoadRequest
    from .policy import Policy

__all__ = ["CachedFunction", "Decorator", "decorate"]

P = ParamSpec("P")
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)

# They come back from MessagePack as they are; a type would only make reading dearer.
_NEED_NO_TYPE: Final = (dict, list, str, int, float, bool, bytes, type(None), object, Any)


class CachedFunction(Protocol, Generic[P, R_co]):
    """A function whose results are cached; of a coroutine function, all give awaitables."""

    pattern: str
    """What its keys look like."""

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R_co:
        """Give the cached result, or call the function."""
        ...

    def __get__(self, instance: object, owner: type | None = None) -> Callable[..., R_co]:
        """Bind to an instance, as any function does."""
        ...

    def key_of(self, *args: P.args, **kwargs: P.kwargs) -> str:
        """Give the key of the result of that call."""
        ...

    def invalidate(self, *args: P.args, **kwargs: P.kwargs) -> Any:
        """Remove the result of that call."""
        ...

    def refresh(self, *args: P.args, **kwargs: P.kwargs) -> R_co:
        """Call the function and keep its result."""
        ...


class Decorator(Protocol):
    """What `cached(…)` gives."""

    def __call__(self, function: Callable[P, R], /) -> CachedFunction[P, R]:
        """Cache what `function` returns."""
        ...


class _Plan(Generic[P, R]):
    """How the results of one function are cached."""

    def __init__(
        self,
        core: Core,
        function: Callable[P, R],
        *,
        ttl: float | None,
        tags: tuple[str, ...],
        key: str | None,
        policy: Policy | None,
        type_: Any,
        version: str | int | None,
    ) -> None:
        self._core = core
        self._function = function
        self._ttl = ttl
        self._tags = TagMaker(function, tags)
        self._policy = policy
        self._type = type_
        self._knows_type = type_ is not None
        self.maker = KeyMaker(function, key, version)
        # Where each caller gets a copy no entry may pass unseen, whoever stored it.
        copies = policy is not None and policy.copy == "on_read"
        self.find = _nothing if copies else core.memory.find
        self.name = name_of(function)
        core.calls.know(self)

    def key_of(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> str:
        return self.maker.make(args, kwargs)

    def answering_hits(self, otherwise: Callable[..., Any]) -> Callable[..., Any]:
        memory, maker = self._core.memory, self.maker
        if self.find is not memory.find:
            return otherwise
        return answering_hits(
            self._function, otherwise, memory, told_by=maker.told_by, keys=maker.known
        )

    def request(
        self, key: str, args: tuple[Any, ...], kwargs: dict[str, Any], *, is_forced: bool = False
    ) -> LoadRequest:
        if not self._knows_type:
            self._type, self._knows_type = _returned(self._function), True
        return self._core.request(
            key,
            functools.partial(self._call, key, args, kwargs),
            ttl=self._ttl,
            tags=self._tags.make(args, kwargs),
            policy=self._policy,
            type_=self._type,
            pattern=self.maker.pattern,
            is_forced=is_forced,
        )

    def _call(self, key: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> R:
        self._core.calls.remember(key, self.name, args, kwargs)
        return self._function(*args, **kwargs)


def decorate(
    core: Core,
    run: Callable[[Steps[Any]], Any],
    *,
    ttl: float | None,
    tags: Iterable[str],
    key: str | None,
    policy: Policy | None,
    type_: Any,
    version: str | int | None,
) -> Decorator:
    """Make the decorator that `cached(…)` gives; `run` answers steps in the calling thread."""
    if ttl is not None:
        check_ttl(ttl)
    checked = checked_tags(tags)
    checked_policy(policy)
    if key is not None:
        checked_text(key, "key")

    def decorator(function: Callable[..., Any], /) -> Any:
        if isinstance(function, staticmethod | classmethod | property):
            raise TypeError(f"put cached() below @{type(function).__name__}, next to the function")
        if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
            raise TypeError("a generator can be read once, so it cannot be cached: return a list")
        plan: _Plan[..., Any] = _Plan(
            core,
            function,
            ttl=ttl,
            tags=checked,
            key=key,
            policy=policy,
            type_=type_,
            version=version,
        )
        wrap = _wrap_async if inspect.iscoroutinefunction(function) else _wrap
        return wrap(core, run, function, plan)

    return decorator


def _wrap(
    core: Core,
    run: Callable[[Steps[Any]], Any],
    function: Callable[..., Any],
    plan: _Plan[..., Any],
) -> Callable[..., Any]:
    # All that a hit reads is bound here: looking it up would take longer than the hit.
    memory = core.memory
    find, marks, now = plan.find, memory.marks, memory.now
    key_of = plan.maker.make

    def cached(*args: Any, **kwargs: Any) -> Any:
        key = key_of(args, kwargs)
        entry = find(key)
        if entry is not None and entry.expires > now() and entry.group.epoch == marks.quick:
            entry.hits += HIT
            return entry.value
        return run(core.loading(plan.request(key, args, kwargs)))

    def invalidate(*args: Any, **kwargs: Any) -> None:
        run(core.deletion((key_of(args, kwargs),)))

    def refresh(*args: Any, **kwargs: Any) -> Any:
        return run(core.loading(plan.request(key_of(args, kwargs), args, kwargs, is_forced=True)))

    return _complete(function, cached, plan, invalidate, refresh)


def _wrap_async(
    core: Core,
    _: Callable[[Steps[Any]], Any],
    function: Callable[..., Any],
    plan: _Plan[..., Any],
) -> Callable[..., Any]:
    memory = core.memory
    find, marks, now = plan.find, memory.marks, memory.now
    key_of, load, run = plan.maker.make, core.loading_async, core.run_async

    async def cached(*args: Any, **kwargs: Any) -> Any:
        key = key_of(args, kwargs)
        entry = find(key)
        if entry is not None and entry.expires > now() and entry.group.epoch == marks.quick:
            entry.hits += HIT
            return entry.value
        return await load(plan.request(key, args, kwargs))

    async def invalidate(*args: Any, **kwargs: Any) -> None:
        await run(core.deletion((key_of(args, kwargs),)))

    async def refresh(*args: Any, **kwargs: Any) -> Any:
        key = key_of(args, kwargs)
        return await load(plan.request(key, args, kwargs, is_forced=True))

    return _complete(function, cached, plan, invalidate, refresh)


def _complete(
    function: Callable[..., Any],
    cached: Callable[..., Any],
    plan: _Plan[..., Any],
    invalidate: Callable[..., Any],
    refresh: Callable[..., Any],
) -> Callable[..., Any]:
    def key_of(*args: Any, **kwargs: Any) -> str:
        return plan.maker.make(args, kwargs)

    whole: Any = functools.wraps(function)(plan.answering_hits(cached))
    whole.pattern = plan.maker.pattern
    whole.plan = plan
    whole.key_of = key_of
    whole.invalidate = invalidate
    whole.refresh = refresh
    answering: Callable[..., Any] = whole
    return answering


def _nothing(_: str) -> None:
    return None


def _returned(function: Callable[..., Any]) -> Any:
    """Give the type that a function's annotation names, if values are to be read as one."""
    try:
        hint = get_type_hints(function).get("return")
        if hint in _NEED_NO_TYPE:
            return None
        msgspec.msgpack.Decoder(hint)
    except Exception:  # noqa: BLE001 - annotations may hold anything, and name what is not there
        return None
    return hint
