"""What functions are called in automatic keys, and which have no name that would do."""

from __future__ import annotations

import functools
import math
from typing import Any

import pytest

from hhs_perf.cache.naming.keys import KeyMaker
from hhs_perf.exceptions import CacheKeyError
from tests.cache_worlds import open_cache

HERE = __name__


class Plain:
    def __init__(self, name: str) -> None:
        self.name = name

    def get(self) -> str:
        return self.name


class Keyed(Plain):
    def __cache_key__(self) -> str:
        return self.name


class Base:
    @classmethod
    def make(cls, number: int = 1) -> str:
        return f"{cls.__name__} {number}"


class One(Base):
    pass


class Two(Base):
    pass


def double(number: int) -> int:
    return 2 * number


def triple(number: int) -> int:
    return 3 * number


def key(function: Any, *args: Any) -> str:
    return KeyMaker(function).make(args, {})


def closing_over(value: Any) -> Any:
    def f(number: int) -> Any:
        return value, number

    return f


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"rate": 1}, {"rate": 2}),
        ([1], [2]),
        ((1, "a"), (1, "b")),
        (double, triple),
        (len, sum),
        (math, functools),
        (One, Two),
        (Keyed("one"), Keyed("two")),
        (Keyed("one").get, Keyed("two").get),
        (closing_over(1), closing_over(2)),
    ],
)
def test_what_a_function_closes_over_is_part_of_its_key(one: Any, other: Any) -> None:
    """Or a function would be given what another one of its factory returned."""
    assert key(closing_over(one), 1) == key(closing_over(one), 1)
    assert key(closing_over(one), 1) != key(closing_over(other), 1)


def test_cached_functions_that_are_closed_over_go_by_their_keys() -> None:
    """One that has a template needs no other name."""
    with open_cache() as cache:
        one = cache.cached(key="one:{number}")(closing_over(Plain("x")))
        two = cache.cached(key="two:{number}")(closing_over(Plain("x")))
        assert key(closing_over(one), 1) != key(closing_over(two), 1)


@pytest.mark.parametrize(
    "value",
    [Plain("one"), lambda: 1, [Plain("one")], functools.partial(double, 1), closing_over(object())],
)
def test_closing_over_what_makes_no_key_is_refused_at_decoration(value: Any) -> None:
    """The message names the function, the variable and the ways out; a template is one."""
    with open_cache() as cache:
        with pytest.raises(CacheKeyError) as caught:
            cache.cached()(closing_over(value))
        for part in ("closing_over.<locals>.f()", "'value'", "key='…'", "__cache_key__"):
            assert part in str(caught.value)
        assert cache.cached(key="f:{number}")(closing_over(5))(1) == (5, 1)


def test_bound_methods_are_told_by_their_objects() -> None:
    """The object is no argument of a bound method, and tells its calls apart all the same."""
    assert key(Keyed("one").get) == key(Keyed("one").get)
    assert key(Keyed("one").get) != key(Keyed("two").get)
    with pytest.raises(CacheKeyError, match=rf"Plain\.get\(\) is bound to a {HERE}\.Plain"):
        KeyMaker(Plain("one").get)
    assert KeyMaker(Plain("one").get, "plain:one").make((), {}) == "plain:one"


def test_class_methods_are_told_by_their_classes() -> None:
    """What two classes inherit has one qualified name."""
    assert key(One.make) != key(Two.make)
    with open_cache() as cache:
        assert [cache.cached()(each.make)() for each in (One, Two)] == ["One 1", "Two 1"]


def test_tools_of_a_decorator_in_between_are_no_part_of_the_name() -> None:
    """A retry or a lock around a function does not change what it computes; a factor may."""

    def tried_by(tool: object) -> Any:
        def decorator(function: Any) -> Any:
            @functools.wraps(function)
            def wrapper(*args: Any) -> Any:
                return tool, function(*args)

            return wrapper

        return decorator

    assert key(tried_by(object())(double), 1) == key(double, 1)
    assert key(tried_by(2)(double), 1) != key(tried_by(3)(double), 1)
    with pytest.raises(CacheKeyError, match="'value'"):
        KeyMaker(tried_by(object())(closing_over(Plain("x"))))


def test_functions_that_close_over_each_other_have_keys() -> None:
    """The name of one is not looked for in its own name."""

    def even(number: int) -> bool:
        return number == 0 or odd(number - 1)

    def odd(number: int) -> bool:
        return number != 0 and even(number - 1)

    assert key(even, 1) != key(odd, 1)


def test_a_method_that_uses_super_goes_by_its_name() -> None:
    """Its class is closed over, and is no more than its name says."""

    class Local(Keyed):
        def get(self) -> str:
            return super().get()

    assert key(Local.get, Keyed("one")) == key(Local.get, Keyed("one"))


def test_two_functions_of_one_qualified_name_are_one() -> None:
    """A line number in the key would lose all entries whenever a line is added above."""
    if key:

        def f() -> int:
            return 1

    first = f

    def f() -> int:  # type: ignore[no-redef]
        return 2

    assert key(first) == key(f)
