"""Wrappers written for a function's parameters bind as it does, and hit what it loads."""

from __future__ import annotations

import asyncio
import functools
import inspect
from typing import TYPE_CHECKING, Any

import cachetools
import pytest

from hhs_perf.cache import Policy, TieredCache
from hhs_perf.exceptions import CacheKeyError
from hhs_perf.testing import FakeClock

if TYPE_CHECKING:
    from collections.abc import Callable

Bound = tuple[Any, ...]


@pytest.fixture
def cache() -> TieredCache:
    return TieredCache()


def one(a: int) -> Bound:
    return (a,)


def none() -> Bound:
    return ()


def two(a: int, b: int = 2) -> Bound:
    return (a, b)


def first_only(a: int, b: int = 2, /) -> Bound:
    return (a, b)


def mixed(a: int, /, b: int, c: int = 3, *, d: int, e: int = 5) -> Bound:
    return (a, b, c, d, e)


def shadowing(type: int, held: int = 1, KeyError: int = 2) -> Bound:  # noqa: A002, N803 - such names are the point
    return (type, held, KeyError)


def ours(_hhs_held: int) -> Bound:
    return (_hhs_held,)


def many(*args: int, **kwargs: int) -> Bound:
    return (args, kwargs)


CALLS: list[tuple[Callable[..., Bound], list[tuple[Bound, dict[str, int]]]]] = [
    (none, [((), {}), ((), {})]),
    (one, [((1,), {}), ((), {"a": 1})]),
    (two, [((1,), {}), ((1, 2), {}), ((1,), {"b": 2}), ((), {"b": 2, "a": 1})]),
    (first_only, [((1,), {}), ((1, 2), {})]),
    (mixed, [((1, 2), {"d": 4}), ((1,), {"d": 4, "b": 2}), ((1, 2, 3), {"d": 4, "e": 5})]),
    (shadowing, [((1,), {}), ((), {"type": 1, "KeyError": 2})]),
    (ours, [((1,), {}), ((), {"_hhs_held": 1})]),
    (many, [((1, 2), {"c": 3}), ((1, 2), {"c": 3})]),
]


def counted(function: Callable[..., Bound]) -> tuple[Callable[..., Bound], list[None]]:
    """Give a function with the same parameters, and a list as long as its calls are many."""
    calls: list[None] = []
    code = function.__code__
    # Its own parameters, not those of a wrapper, are what is tested.
    names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    if function is many:

        def anything(*args: int, **kwargs: int) -> Bound:
            calls.append(None)
            return many(*args, **kwargs)

        return anything, calls
    passed = ", ".join(
        name if place < code.co_posonlyargcount else f"{name}={name}"
        for place, name in enumerate(names)
    )
    signature = inspect.signature(function).replace(return_annotation=inspect.Signature.empty)
    plain = signature.replace(
        parameters=[
            each.replace(annotation=inspect.Parameter.empty)
            for each in signature.parameters.values()
        ]
    )
    space: dict[str, Any] = {"inner": function, "calls": calls}
    exec(f"def {function.__name__}{plain}:\n calls.append(None)\n return inner({passed})", space)
    space[function.__name__].__module__ = __name__
    return space[function.__name__], calls


@pytest.mark.parametrize(("function", "calls"), CALLS, ids=[each.__name__ for each, _ in CALLS])
def test_calls_that_bind_alike_load_once_and_get_what_the_function_gives(
    cache: TieredCache, function: Callable[..., Bound], calls: list[tuple[Bound, dict[str, int]]]
) -> None:
    """However the arguments were passed, the function sees them as Python would bind them."""
    made, loads = counted(function)
    cached = cache.cached()(made)
    expected = function(*calls[0][0], **calls[0][1])
    for args, kwargs in [*calls, *calls]:
        assert cached(*args, **kwargs) == expected
    assert len(loads) == 1


@pytest.mark.parametrize("function", [one, two, mixed, first_only])
def test_calls_that_cannot_be_bound_raise_the_type_error_of_the_function(
    cache: TieredCache, function: Callable[..., Bound]
) -> None:
    """Neither too few nor unknown arguments make a key."""
    cached = cache.cached()(function)
    with pytest.raises(TypeError, match=f"{function.__name__}\\(\\)"):
        cached()
    with pytest.raises(TypeError, match=f"{function.__name__}\\(\\)"):
        cached(1, 2, z=3, d=4)


def test_the_wrapper_looks_like_the_function(cache: TieredCache) -> None:
    """Name, documentation, signature and kind are those of what is wrapped."""

    def loads(a: int, b: str = "x") -> str:
        """Say something."""
        return b * a

    cached = cache.cached()(loads)
    assert inspect.signature(cached) == inspect.signature(loads)
    assert cached.__name__ == "loads"
    assert cached.__doc__ == "Say something."
    assert inspect.unwrap(cached) is loads
    assert not inspect.iscoroutinefunction(cached)


def test_coroutine_functions_stay_such_and_load_once(cache: TieredCache) -> None:
    """The written wrapper of an `async def` is one itself."""
    loads: list[int] = []

    async def doubled(a: int, *, by: int = 2) -> int:
        loads.append(a)
        await asyncio.sleep(0)
        return a * by

    cached = cache.cached(ttl=60)(doubled)
    assert inspect.iscoroutinefunction(cached)

    async def ask() -> list[int]:
        return [await cached(3), await cached(a=3), await cached(3, by=2), await cached(3, by=3)]

    assert asyncio.run(ask()) == [6, 6, 6, 9]
    assert loads == [3, 3]


def test_equal_arguments_of_other_types_are_other_calls(cache: TieredCache) -> None:
    """Python takes 1, True and 1.0 for equal; keys do not, and hits go by keys."""
    cached = cache.cached()(kind_of)
    values = (1, True, 1.0, "1", b"1", None, 1)
    assert [cached(value) for value in values] == [type(value).__name__ for value in values]
    assert [cached(value) for value in values] == [type(value).__name__ for value in values]


def kind_of(value: object) -> str:
    return type(value).__name__


def test_methods_hit_by_what_their_template_reads(cache: TieredCache) -> None:
    """Attributes are read at every call, so another value of one is another key."""

    class Shop:
        def __init__(self, name: str) -> None:
            self.name = name
            self.loads = 0

        @cache.cached(key="shop:{self.name}:{day}")
        def sales(self, day: int) -> str:
            self.loads += 1
            return f"{self.name} {day}"

    shop = Shop("a")
    assert [shop.sales(1), shop.sales(day=1), Shop("a").sales(1)] == ["a 1"] * 3
    assert shop.loads == 1
    shop.name = "b"
    assert shop.sales(1) == "b 1"
    del shop.name
    with pytest.raises(CacheKeyError, match="name"):
        shop.sales(1)


def test_only_the_parameters_of_the_template_tell_calls_apart(cache: TieredCache) -> None:
    """What the key does not name may differ, even be of no type that keys know."""
    loads: list[object] = []

    @cache.cached(key="row:{number}")
    def row(session: object, number: int) -> int:
        loads.append(session)
        return number

    assert [row(object(), 7), row(object(), 7), row(session=[], number=7)] == [7, 7, 7]
    assert len(loads) == 1


@pytest.mark.parametrize("argument", [1.5, (1, 2), [1], {"a": {2}}, frozenset({1})])
def test_arguments_that_no_key_is_remembered_for_hit_as_well(
    cache: TieredCache, argument: object
) -> None:
    """They only take longer."""
    loads: list[object] = []

    @cache.cached()
    def shown(what: object) -> str:
        loads.append(what)
        return repr(what)

    assert shown(argument) == shown(argument) == shown(what=argument) == repr(argument)
    assert len(loads) == 1


def test_expiry_and_invalidation_are_seen() -> None:
    """A hit is one only while the entry is fresh and nothing has made it void."""
    clock = FakeClock()
    cache = TieredCache(clock=clock)
    loads: list[int] = []

    @cache.cached(ttl=10, tags=["rows"])
    def row(number: int) -> int:
        loads.append(number)
        return number

    row(1)
    row(1)
    assert len(loads) == 1
    clock.advance(10)
    row(1)
    assert len(loads) == 2
    cache.invalidate(tags=["rows"])
    row(1)
    assert len(loads) == 3
    row.invalidate(1)
    row(number=1)
    assert len(loads) == 4
    row(1)
    assert len(loads) == 4


def test_hits_are_counted() -> None:
    """A hit of the written wrapper is a hit like any other."""
    cache = TieredCache()
    cached = cache.cached()(one)
    for _ in range(4):
        cached(1)
    cache.core.memory.tally.walk()
    assert cache.core.memory.counts.l1_hits == 3


@pytest.mark.parametrize("make", [lambda: cachetools.LRUCache(100), lambda: None])
def test_any_first_level_answers(make: Callable[[], Any]) -> None:
    """Where L1 is no dict, or each caller gets a copy, the plain wrapper answers."""
    cache = TieredCache(l1=make())
    loads: list[int] = []

    @cache.cached(policy=Policy(copy="on_read"))
    def rows(count: int) -> list[int]:
        loads.append(count)
        return list(range(count))

    first, second = rows(2), rows(2)
    assert first == second == [0, 1]
    assert first is not second
    assert loads == [2]


def test_what_is_wrapped_already_is_called_as_it_was(cache: TieredCache) -> None:
    """A wrapper may tell positional arguments from keywords, so that they are passed as given."""
    seen: list[tuple[Bound, dict[str, Any]]] = []

    def noting(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def noted(*args: Any, **kwargs: Any) -> Any:
            seen.append((args, kwargs))
            return function(*args, **kwargs)

        return noted

    cached = cache.cached()(noting(two))
    assert cached(1, b=3) == cached(1, 3) == (1, 3)
    assert seen == [((1,), {"b": 3})]
