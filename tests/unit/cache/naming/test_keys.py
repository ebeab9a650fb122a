from __future__ import annotations

import datetime as dt
import enum
import functools
import subprocess
import sys
from collections import OrderedDict, namedtuple
from decimal import Decimal
from itertools import combinations
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from hhs_perf.cache.naming._recent import RecentKeys
from hhs_perf.cache.naming.keys import KeyMaker, KeyTemplate, pattern_of
from hhs_perf.exceptions import CacheError, CacheKeyError

HERE = __name__


class Color(enum.Enum):
    RED = 1
    GREEN = 2


class Flags(enum.Flag):
    A = 1
    B = 2


Point = namedtuple("Point", "x y")  # noqa: PYI024 - the oldest kind
Other = namedtuple("Other", "x y")  # noqa: PYI024 - likewise


class Account:
    def __init__(self, number: int) -> None:
        self.id = number
        self.owner = self

    def __cache_key__(self) -> tuple[str, int]:
        return ("account", self.id)

    def summary(self, days: int = 30) -> None: ...


class Plain:
    def __init__(self, number: object) -> None:
        self.id = number

    def summary(self, days: int = 30) -> None: ...


def loads(org: str, days: int = 30, *, platform: str | None = None) -> None: ...


def one(value: Any) -> None: ...


def many(first: Any, *rest: Any, **named: Any) -> None: ...


def positional(first: Any, /, second: Any = 2) -> None: ...


def key(function: Any, *args: Any, **kwargs: Any) -> str:
    return KeyMaker(function).make(args, kwargs)


# --- automatic keys ---


def test_the_key_is_the_full_name_and_all_arguments() -> None:
    assert key(loads, "hhs") == f"{HERE}.loads('hhs', 30, None)"
    assert KeyMaker(loads).pattern == f"{HERE}.loads(*)"


def test_calls_that_python_binds_alike_have_one_key() -> None:
    make = KeyMaker(loads).make
    calls = [
        (("hhs",), {}),
        (("hhs", 30), {}),
        (("hhs",), {"days": 30}),
        ((), {"org": "hhs"}),
        ((), {"days": 30, "org": "hhs"}),
        (("hhs",), {"platform": None}),
    ]
    for _ in range(2):
        assert {make(args, kwargs) for args, kwargs in calls} == {f"{HERE}.loads('hhs', 30, None)"}
    assert key(positional, 1) == key(positional, 1, second=2)


def test_any_number_of_arguments_make_a_key() -> None:
    assert key(many, 1, a=1, b=2) == key(many, 1, b=2, a=1)
    keys = {
        key(many, 1),
        key(many, 1, 2),
        key(many, 1, (2,)),
        key(many, 1, a=2),
        key(many, 1, {"a": 2}),
    }
    assert len(keys) == 5


@pytest.mark.parametrize(
    ("function", "args", "kwargs"),
    [
        (loads, (), {}),
        (loads, (1, 2, 3), {}),
        (loads, (1,), {"org": 2}),
        (loads, (1,), {"unknown": 2}),
        (positional, (), {"first": 1}),
        (many, (1,), {"first": 2}),
    ],
)
def test_a_call_that_the_function_does_not_take_fails_as_the_call_would(
    function: Any, args: tuple[object, ...], kwargs: dict[str, object]
) -> None:
    with pytest.raises(TypeError) as caught:
        KeyMaker(function).make(args, kwargs)
    assert not isinstance(caught.value, CacheError)


def test_equal_values_of_different_types_have_different_keys() -> None:
    values: list[object] = [
        *(0, 1, True, False, None, 1.0, -0.0, 0.0, "1", "True", "None", "", b"1", b""),
        *(Decimal(1), Decimal("1.0"), Decimal("NaN"), float("nan"), float("inf"), "nan"),
        *((), [], {}, set(), frozenset(), (1,), [1], {1}, frozenset({1}), {1: 1}, ((1,),), (1, 2)),
        *((1.0,), (True,), ("1",), [[1], 2], [1, [2]], [[1, 2]], ["1, 2"], ["1", "2"]),
        *({"a": 1, "b": 2}, {"a": {"b": 1}}, {"a: 1, b": 2}, [("a", 1)]),
        *(UUID(int=1), str(UUID(int=1)), Color.RED, Color.GREEN, Flags.A, Flags.A | Flags.B),
        *(Point(1, 2), Other(1, 2), Point, Other, int, bool, str),
        *(dt.date(2025, 1, 2), dt.datetime(2025, 1, 2), dt.time(1), dt.timedelta(1)),  # noqa: DTZ001 - naive ones are the point
        dt.datetime(2025, 1, 2, tzinfo=dt.UTC),
        dt.datetime(2025, 1, 2, tzinfo=ZoneInfo("Europe/Paris")),
        dt.datetime(2025, 1, 2, tzinfo=ZoneInfo("Europe/Rome")),
        dt.datetime(2025, 10, 26, 2, tzinfo=ZoneInfo("Europe/Rome"), fold=0),
        dt.datetime(2025, 10, 26, 2, tzinfo=ZoneInfo("Europe/Rome"), fold=1),
        dt.time(1, tzinfo=dt.UTC),
        *(Account(1), Account(2), ("account", 1), 10**5000, -(10**5000), 10**5000 + 1),
    ]
    make = KeyMaker(one).make
    for _ in range(2):  # the second time they are remembered
        keys = [make((value,), {}) for value in values]
        for (this, first), (that, second) in combinations(zip(values, keys, strict=True), 2):
            assert first != second, (this, that)


def test_order_in_dicts_and_sets_makes_no_difference() -> None:
    assert key(one, {"a": 1, "b": {2: 3, "2": 4}}) == key(one, {"b": {"2": 4, 2: 3}, "a": 1})
    filled = {n * 8 for n in range(20)}
    assert key(one, filled) == key(one, {n * 8 for n in range(19, -1, -1)})


def test_keys_are_the_same_in_every_process() -> None:
    code = (
        "from hhs_perf.cache.naming.keys import KeyMaker\n"
        "def f(a, b): ...\n"
        "f.__module__ = 'shop'\n"
        "print(KeyMaker(f).make(({'x', 'y', 'z'}, 'long' * 100), {}))"
    )
    keys = {
        subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            check=True,
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(filter(None, sys.path))},
        ).stdout
        for seed in ("1", "2")
    }
    assert len(keys) == 1


def test_long_keys_are_hashed() -> None:
    assert len(key(one, "x" * 100)) > 100
    long, other = key(one, "x" * 500), key(one, "x" * 501)
    assert long != other
    assert long.startswith(f"{HERE}.one(#")
    assert len(long) < 100


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (object(), "builtins.object"),
        (Plain(1), f"{HERE}.Plain"),
        (OrderedDict(a=1), "collections.OrderedDict"),
        ([{"a": (1, Plain(1))}], f"{HERE}.Plain"),
        (len, "builtins.builtin_function_or_method"),
        (type("Sub", (str,), {})("x"), f"{HERE}.Sub"),
    ],
)
def test_what_makes_no_key_is_refused_with_the_ways_out(value: object, kind: str) -> None:
    with pytest.raises(CacheKeyError) as caught:
        key(loads, value)
    text = str(caught.value)
    for part in ("loads()", "'org'", kind, "__cache_key__", "{org.id}"):
        assert part in text
    assert isinstance(caught.value, TypeError)


def test_a_class_made_in_a_function_makes_no_key() -> None:
    class Local:
        pass

    with pytest.raises(CacheKeyError):
        key(one, Local)


def test_a_default_that_makes_no_key_matters_only_where_it_is_used() -> None:
    def f(a: int, missing: object = object()) -> None: ...

    assert key(f, 1, 2).endswith("f(1, 2)")
    with pytest.raises(CacheKeyError, match="'missing'"):
        key(f, 1)


def test_what_holds_itself_or_is_too_large_makes_no_key() -> None:
    loop: list[object] = []
    loop.append(loop)
    deep: object = 1
    for _ in range(40):
        deep = [deep]
    doubled: object = 1
    for _ in range(31):
        doubled = [doubled, doubled]
    for value in (loop, deep, doubled, {"a": loop}):
        with pytest.raises(CacheKeyError, match="32 levels"):
            key(one, value)
    in_bounds: object = 1
    for _ in range(30):
        in_bounds = [in_bounds]
    assert key(one, in_bounds)


def test_a_method_needs_something_that_tells_objects_apart() -> None:
    with pytest.raises(CacheKeyError, match=r"Plain\.summary.*'self'.*\{self\.id\}"):
        key(Plain.summary, Plain(1))
    assert key(Account.summary, Account(1)) == key(Account.summary, Account(1), 30)
    assert key(Account.summary, Account(1)) != key(Account.summary, Account(2))
    maker = KeyMaker(Plain.summary, "summary:{self.id}:{days}")
    assert maker.make((Plain(7),), {}) == "summary:7:30"


def test_functions_that_one_factory_made_have_different_keys() -> None:
    def factory(n: int) -> Any:
        def f(x: int) -> int:
            return x + n

        return f

    assert key(factory(1), 5) == key(factory(1), 5)
    assert key(factory(1), 5) != key(factory(2), 5)


def test_what_a_function_counts_is_no_part_of_its_key() -> None:
    calls = 0

    def f(x: int) -> None:
        nonlocal calls
        calls += x

    before = key(f, 1)
    f(1)
    assert key(f, 1) == before


def test_a_function_without_a_name_needs_a_template() -> None:
    nameless = lambda a: a  # noqa: E731 - that is the point
    for function in (nameless, functools.partial(loads, "hhs")):
        with pytest.raises(CacheKeyError, match="key="):
            KeyMaker(function)
    assert KeyMaker(nameless, "k:{a}").make((1,), {}) == "k:1"
    with pytest.raises(CacheKeyError, match="parameters"):
        KeyMaker(3, "k")  # type: ignore[arg-type]


def test_a_script_goes_by_the_name_of_its_file(tmp_path: Any) -> None:
    script = tmp_path / "worker.py"
    script.write_text(
        "from hhs_perf.cache.naming.keys import KeyMaker\n"
        "def f(a): ...\n"
        "print(KeyMaker(f).make((1,), {}))\n"
    )
    for command in ([str(script)], ["-m", "worker"]):
        done = subprocess.run(
            [sys.executable, *command],
            capture_output=True,
            text=True,
            check=True,
            cwd=tmp_path,
            env={"PYTHONPATH": ":".join(filter(None, sys.path))},
        )
        assert done.stdout.strip() == "worker.f(1)"


def test_versions_have_different_keys() -> None:
    keys = {KeyMaker(one, None, version).make((1,), {}) for version in (None, 1, 2, "2.0")}
    assert len(keys) == 4
    templated = {KeyMaker(one, "k:{value}", version).make((1,), {}) for version in (None, 1, "a:b")}
    assert templated == {"k:1", "k:1:@1", "k:1:@a%3Ab"}


# --- templates ---


def test_a_template_is_filled_with_arguments_and_their_attributes() -> None:
    template = KeyTemplate("account:{account_id}:{owner.id}:all")
    assert template.pattern == "account:{account_id}:{owner.id}:all"
    assert template.names == ("account_id", "owner")
    assert template.render({"account_id": 7, "owner": Plain("hhs")}) == "account:7:hhs:all"
    assert KeyTemplate("everything").render({}) == "everything"
    assert KeyTemplate("{{{a}}}").render({"a": 1}) == "{1}"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (7, "7"),
        (-7, "-7"),
        ("7", "'7"),
        ("007", "'007"),
        ("7a", "7a"),
        ("hhs", "hhs"),
        ("HHS ä", "HHS ä"),
        (None, "None"),
        ("None", "'None"),
        (True, "True"),
        (1.5, "1.5"),
        ("1e5", "'1e5"),
        ("", ""),
        ("a:b%", "a%3Ab%25"),
        ("{x}\n", "%7Bx%7D%0A"),
        ("\ud800", "%u00D800"),
        ("'", "''"),
        ("~x", "'~x"),
        (b"x", "~b'x'"),
        (UUID(int=1), "~UUID(00000000-0000-0000-0000-000000000001)"),
        (dt.date(2025, 1, 2), "~date(2025-01-02)"),
        ([1, "a"], "~[1, 'a']"),
    ],
    ids=repr,
)
def test_values_are_written_so_that_their_type_can_be_told(value: object, text: str) -> None:
    rendered = KeyTemplate("k:{a}").render({"a": value})
    assert rendered == f"k:{text}"
    assert rendered.encode()


def test_long_values_are_hashed_and_keep_what_stands_before() -> None:
    rendered = KeyTemplate("account:{a}").render({"a": "x" * 1000})
    assert rendered.startswith("account:~#")
    assert len(rendered) < 60
    assert rendered != KeyTemplate("account:{a}").render({"a": "x" * 1001})


def test_what_separates_fields_is_escaped_in_them() -> None:
    template = KeyTemplate("{a}-{b}")
    assert template.render({"a": "x-y", "b": "z"}) == "x%2Dy-z"
    assert template.render({"a": -5, "b": 3}) == "%2D5-3"
    assert template.render({"a": "", "b": "5-3"}) == "-5-3"
    words = KeyTemplate("{a} and {b}")
    assert words.render({"a": "x and y", "b": "z"}) != words.render({"a": "x", "b": "y and z"})


@pytest.mark.parametrize(
    "text",
    [
        "a:{",
        "a:}",
        "a:{}",
        "a:{0}",
        "a:{x[0]}",
        "a:{x!r}",
        "a:{x:>5}",
        "a:{_x}",
        "a:{x._y}",
        "a:{x.__class__}",
        "a:{x.}",
        "a:{x y}",
        "{x}{y}",
        "{x}and{y}",
        "{x}%{y}",
    ],
)
def test_a_template_that_could_not_be_told_apart_is_refused(text: str) -> None:
    with pytest.raises(CacheKeyError, match="key template"):
        KeyTemplate(text)


def test_what_is_missing_is_named() -> None:
    with pytest.raises(CacheKeyError, match="'b'"):
        KeyTemplate("{a}:{b}").render({"a": 1})
    with pytest.raises(CacheKeyError, match="nothing"):
        KeyTemplate("{a.nothing}").render({"a": Plain(1)})
    with pytest.raises(CacheKeyError, match="'c', only a, b"):
        KeyMaker(lambda a, b: a, "{c}")
    with pytest.raises(CacheKeyError, match="Plain"):
        KeyTemplate("{a}").render({"a": Plain(1)})


def test_attributes_are_read_at_every_call() -> None:
    make = KeyMaker(Plain.summary, "summary:{self.id}").make
    plain = Plain(1)
    assert make((plain,), {}) == "summary:1"
    plain.id = True
    assert make((plain,), {}) == "summary:True"
    plain.id = "1"
    assert make((plain,), {}) == "summary:'1"


def test_fields_need_not_name_all_parameters() -> None:
    make = KeyMaker(loads, "org:{org}").make
    assert make(("hhs", Plain(1)), {"platform": Plain(2)}) == "org:hhs"
    assert make((), {"org": "hhs", "days": object()}) == "org:hhs"


# --- remembered keys ---


def test_remembering_is_bounded() -> None:
    recent = RecentKeys()
    for n in range(5000):
        recent.keep((n,), str(n))
        recent.keep((n, "a"), str(n))
        recent.keep((1.5, n), str(n))
        recent.keep((n, "b"), "x" * 1000)
    assert sum(map(len, recent.by_kinds.values())) <= 2 * 1024
    assert recent.find((4999, "a")) == "4999"
    assert recent.find((1.5, 4999)) is None
    assert recent.find((4999, "b")) is None


def test_of_other_classes_not_even_the_hash_is_asked() -> None:
    class Loud:
        def __cache_key__(self) -> int:
            return 1

        def __hash__(self) -> int:
            raise RuntimeError("asked")

        def __eq__(self, other: object) -> bool:
            raise RuntimeError("asked")

    make = KeyMaker(many).make
    for args in ((Loud(),), (1, Loud()), (1, 2, Loud())):
        assert make(args, {}) == make(args, {})


# --- patterns ---


@pytest.mark.parametrize(
    ("name", "pattern"),
    [
        ("account:7", "account:*"),
        ("account:7:posts", "account:*:posts"),
        ("summary", "summary"),
        ("summary:all", "summary:all"),
        ("user:a@b.c", "user:*"),
        ("user:" + "x" * 40, "user:*"),
        ("user:a%3Ab", "user:*"),
        ("user:'nan", "user:*"),
        ("org:~[1]", "org:*"),
        ("shop.views.summary('a:b', 5)", "shop.views.summary(*)"),
        ("shop.f()", "shop.f(*)"),
        ("", ""),
        (":", ":"),
        (":".join("abcdefghijklmnop"), "a:b:c:d:e:f:g:h:i:j:k:l:*"),
    ],
)
def test_parts_that_look_like_an_id_are_left_out_of_the_pattern(name: str, pattern: str) -> None:
    assert pattern_of(name) == pattern


def test_the_pattern_of_any_key_is_short() -> None:
    for name in ("x" * 10**6, "a:" * 10**5, "(" * 10**5 + ")", "f" * 10**5 + "()"):
        assert len(pattern_of(name)) <= 250
