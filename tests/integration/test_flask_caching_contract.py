"""Flask-Caching on our backend behaves as on its own; each test runs with L1 alone and with L2."""

from __future__ import annotations

import asyncio
import datetime as dt
import threading
from collections.abc import Callable
from decimal import Decimal
from typing import Any
from uuid import UUID

import attrs
import pytest
from flask import Flask, Response, abort, jsonify, make_response, request
from flask_caching import Cache
from markupsafe import Markup

from hhs_perf import Monitor
from hhs_perf.adapters.flask import init_app
from hhs_perf.adapters.flask_caching import TieredCache
from hhs_perf.cache import TieredCache as Tiered
from hhs_perf.collectors.api import DURATION
from hhs_perf.exceptions import CacheCodecError, ConfigurationError
from hhs_perf.testing import FakeClock
from hhs_perf.web import allow_all
from tests.servers import wait_until
from tests.web_calls import quiet_monitor

BACKEND = "hhs_perf.adapters.flask_caching.TieredCache"


@attrs.define
class Site:
    """An application whose cache is ours, and what its views count."""

    app: Flask
    cache: Cache
    monitor: Monitor
    runs: int = 0

    def run(self) -> int:
        self.runs += 1
        return self.runs

    def get(self, path: str, **options: Any) -> Any:
        return self.app.test_client().get(path, **options)

    @property
    def backend(self) -> TieredCache:
        with self.app.app_context():
            return self.cache.cache  # type: ignore[return-value]

    def kinds(self) -> dict[str, int]:
        timers = self.monitor.reader.read("5m").timers(DURATION)
        return {tags["kind"]: seen.count for tags, seen in timers}


Make = Callable[..., Site]


def _link(monitor: Monitor) -> None:
    """Wait for the first link, which begins with an empty L1."""
    below = monitor.cache.core.below
    if below is not None:
        monitor.cache.get("something")
        wait_until(lambda: below.backplane.is_linked, "the link")


@pytest.fixture(params=["l1", "l2"])
def make(request: pytest.FixtureRequest, clock: FakeClock, namespace: str) -> Any:
    """Make sites that share what they share: nothing with L1 alone, a Valkey otherwise."""
    made: list[Site] = []
    environ = {"HHS_PERF_NAMESPACE": namespace}
    time: FakeClock | None = clock
    if request.param == "l2":
        environ["REDIS_URL"] = request.getfixturevalue("valkey_url")
        time = None  # the server's goes on by itself

    def make_site(**config: Any) -> Site:
        app = Flask("site")
        app.testing = True
        app.config.update({"CACHE_TYPE": BACKEND, **config})
        monitor = init_app(app, quiet_monitor(time, environ), auth=allow_all)
        site = Site(app, Cache(app), monitor)
        made.append(site)
        _link(monitor)
        return site

    yield make_site
    for site in made:
        site.monitor.close()


@pytest.fixture
def site(make: Make) -> Site:
    return make()


@pytest.fixture
def backend(site: Site) -> TieredCache:
    return site.backend


# The contract of cachelib's BaseCache


def test_a_value_comes_back(backend: TieredCache) -> None:
    assert backend.set("key", ["value"]) is True
    assert backend.get("key") == ["value"]
    assert backend.get("other") is None


def test_none_is_a_value_that_has_tells_from_none(backend: TieredCache) -> None:
    backend.set("key", None)
    assert backend.get("key") is None
    assert (backend.has("key"), backend.has("other")) == (True, False)


def test_several_values_are_set_read_and_deleted_at_once(backend: TieredCache) -> None:
    assert backend.set_many({"a": 1, "b": [2]}) == ["a", "b"]
    assert backend.get_many("b", "x", "a") == [[2], None, 1]
    assert backend.get_dict("a", "x") == {"a": 1, "x": None}
    assert backend.delete_many("a", "x") == ["a", "x"]
    assert backend.unlink("b") == ["b"]
    assert backend.get_many("a", "b") == [None, None]
    assert backend.set_many({}) == backend.get_many() == backend.delete_many() == []


def test_delete_tells_whether_there_was_something(backend: TieredCache) -> None:
    backend.set("key", 1)
    assert [backend.delete("key"), backend.delete("key")] == [True, False]
    assert not backend.has("key")


def test_add_keeps_what_is_there(backend: TieredCache) -> None:
    assert [backend.add("key", 1), backend.add("key", 2)] == [True, False]
    assert backend.get("key") == 1
    backend.delete("key")
    assert backend.add("key", None)
    assert not backend.add("key", 3)


def test_of_many_that_add_at_once_one_succeeds(backend: TieredCache) -> None:
    results: list[bool] = []
    threads = [
        threading.Thread(target=lambda n=n: results.append(backend.add("key", n)))
        for n in range(16)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == [False] * 15 + [True]


def test_numbers_go_up_and_down(backend: TieredCache) -> None:
    assert [backend.inc("n"), backend.inc("n", 5), backend.dec("n", 2)] == [1, 6, 4]
    assert backend.get("n") == 4
    assert backend.dec("other") == -1
    backend.set("n", 10)
    assert backend.inc("n") == 11
    backend.delete("n")
    assert backend.inc("n") == 1
    assert backend.set("text", "a")
    with pytest.raises(TypeError):
        backend.inc("text")


def test_no_addition_is_lost_between_threads(backend: TieredCache) -> None:
    threads = [
        threading.Thread(target=lambda: [backend.inc("n") for _ in range(25)]) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert backend.get("n") == 200


def test_a_number_lives_on_for_as_long_as_it_would_have(backend: TieredCache) -> None:
    backend.set("n", 1, timeout=100)
    backend.inc("n")
    assert backend.tiered.ttl(backend._full("n")) == pytest.approx(100, abs=1)


def test_clear_leaves_other_prefixes_and_the_hosts_entries_alone(make: Make) -> None:
    site = make(CACHE_KEY_PREFIX="shop_")
    other = Cache(site.app, config={"CACHE_TYPE": BACKEND, "CACHE_KEY_PREFIX": "shop_2"})
    site.monitor.cache.set("own", 1)
    with site.app.app_context():
        for each in (site.cache, other):
            each.set("key", "value")
        assert site.cache.clear() is True
        assert site.cache.get("key") is None
        assert other.get("key") == "value"
        site.cache.set("key", "new")
        assert site.cache.get("key") == "new"
    assert site.monitor.cache.get("own") == 1


def test_without_a_prefix_nothing_else_is_cleared_either(make: Make) -> None:
    site = make(CACHE_KEY_PREFIX="")
    site.monitor.cache.set("own", 1)
    site.backend.set("key", 1)
    site.backend.clear()
    assert site.backend.get("key") is None
    assert site.monitor.cache.get("own") == 1


def test_a_prefix_may_depend_on_the_request(make: Make) -> None:
    tenant = ["a"]
    backend = make(CACHE_KEY_PREFIX=lambda: tenant[0]).backend
    backend.set("key", 1)
    tenant[0] = "b"
    assert backend.get("key") is None


# Timeouts


def _left(backend: TieredCache, key: str) -> float:
    left = backend.tiered.ttl(backend._full(key))
    assert left is not None
    return left


@pytest.mark.parametrize(
    ("timeout", "seconds"),
    [
        (None, 300),
        (60, 60),
        (0.5, 0.5),
        (dt.timedelta(minutes=2), 120),
        (dt.timedelta(milliseconds=200), 1),
        (0, 30 * 86400),
        (10**9, 30 * 86400),
    ],
)
def test_timeouts_are_seconds_or_timedeltas_and_0_is_as_long_as_can_be(
    backend: TieredCache, timeout: Any, seconds: float
) -> None:
    backend.set("set", 1, timeout)
    backend.set_many({"many": 1}, timeout)
    backend.add("add", 1, timeout)
    for key in ("set", "many", "add"):
        assert _left(backend, key) == pytest.approx(seconds, abs=0.2)


@pytest.mark.parametrize("timeout", ["5", True, [5]])
def test_what_is_no_timeout_is_told_so(backend: TieredCache, timeout: Any) -> None:
    with pytest.raises(TypeError, match="timeout must be seconds or a timedelta"):
        backend.set("a", 1, timeout=timeout)


def test_the_report_names_routes_and_no_paths(site: Site) -> None:
    @site.app.get("/people/<name>")
    @site.cache.cached(timeout=60)
    def people(name: str) -> str:
        return f"{name} {site.run()}"

    for n in range(120):
        site.get(f"/people/{chr(97 + n // 10)}{chr(97 + n % 10)}")
    assert site.get("/people/aa").text == "aa 1"
    site.backend.get("view//people/bob")
    rows = {row.pattern: row.puts for row in site.monitor.cache.report().patterns}
    rows.pop("something", None)  # what waited for the link
    assert rows == {"flask-caching:view//people/<name>": 120, "flask-caching:view": 0}


def test_hashed_calls_are_of_one_pattern(site: Site) -> None:
    for key in ("Q" * 22, "W+/" + "e" * 19, "f" * 64):
        site.backend.set(key, 1)
    patterns = {row.pattern for row in site.monitor.cache.report().patterns} - {"something"}
    assert patterns == {"flask-caching:flask_cache_:*"}


def test_a_value_whose_time_is_over_is_removed(backend: TieredCache) -> None:
    backend.set("key", 1)
    assert backend.set("key", 2, -1)
    assert not backend.has("key")
    assert backend.add("key", 2, -1)
    assert not backend.has("key")


def test_values_expire(clock: FakeClock) -> None:
    backend = TieredCache(cache=Tiered(clock=clock))
    backend.set("short", 1, timeout=60)
    backend.set("forever", 1, timeout=0)
    clock.advance(59.9)
    assert backend.get("short") == 1
    clock.advance(0.2)
    assert backend.get("short") is None
    assert backend.has("forever")


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({}, 300.0),
        ({"CACHE_DEFAULT_TIMEOUT": 7}, 7),
        ({"CACHE_DEFAULT_TIMEOUT": dt.timedelta(seconds=8)}, 8),
        ({"CACHE_DEFAULT_TIMEOUT": 0}, 30 * 86400),
    ],
)
def test_the_default_is_the_configurations(
    make: Make, config: dict[str, Any], expected: float
) -> None:
    backend = make(**config).backend
    backend.set("key", 1)
    assert _left(backend, "key") == pytest.approx(expected, abs=0.2)


def test_the_environment_gives_the_default_that_the_configuration_does_not(
    clock: FakeClock,
) -> None:
    for config, expected in (({}, 40.0), ({"CACHE_DEFAULT_TIMEOUT": 300}, 300)):
        app = Flask("site")
        app.config.update({"CACHE_TYPE": BACKEND, **config})
        cache = Cache(app)
        init_app(app, quiet_monitor(clock, {"CACHE_DEFAULT_TIMEOUT": "40"}), auth=allow_all)
        with app.app_context():
            assert cache.cache.default_timeout == expected
            cache.cache.default_timeout = 5
            assert cache.cache.default_timeout == 5


# Values


@attrs.frozen
class Point:
    x: int


VALUES = [
    *(True, False, 0, 1.5, float("inf"), "text", b"bytes", "", [], {}),
    [1, ["a", {"b": None}]],
    {"a": 1, 2: "b"},
    {(1, 2): "tuple key", None: 1},
    {"\0hhs_perf": ["tuple", []]},
    (),
    ("body", 201, {"X-A": "1"}),
    [(1, "row"), (2, "row")],
    {1, 2},
    frozenset({"a"}),
    Markup("<b>"),
    Decimal("1.10"),
    UUID(int=5),
    dt.date(2026, 1, 2),
    dt.datetime(2026, 1, 2, 3, 4, 5, 6),  # noqa: DTZ001 - they are values, too
    dt.datetime(2026, 1, 2, tzinfo=dt.UTC),
    dt.datetime(2026, 1, 2, tzinfo=dt.timezone(dt.timedelta(hours=2))),
    dt.timedelta(days=-1, microseconds=1),
]


def _typed(value: Any) -> Any:
    """Give the value with the types of all that is in it."""
    if isinstance(value, dict):
        return dict, [(_typed(k), _typed(v)) for k, v in value.items()]
    if isinstance(value, list | tuple):
        return type(value), [_typed(item) for item in value]
    return type(value), value


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_values_come_back_as_they_were_from_memory_and_from_redis(make: Make, value: Any) -> None:
    one, other = make(), make()
    one.backend.set("key", value)
    assert _typed(one.backend.get("key")) == _typed(value)
    if one.monitor.cache.has_l2:
        assert _typed(other.backend.get("key")) == _typed(value)
        assert _typed(other.backend.get_many("key")) == _typed([value])


def test_no_caller_changes_what_is_in_the_cache(backend: TieredCache) -> None:
    for value in ([[1]], ([1],), {"a": [1]}, {"a": ([1],)}):
        backend.set("key", value)
        (value["a"] if isinstance(value, dict) else value[0]).__str__()
        _spoil(value)
        _spoil(backend.get("key"))
        assert "spoilt" not in repr(backend.get("key"))


def _spoil(value: Any) -> None:
    if isinstance(value, list):
        value.append("spoilt")
    for item in value.values() if isinstance(value, dict) else value:
        if isinstance(item, list | tuple):
            _spoil(item)


def test_other_objects_are_kept_in_memory_and_it_is_said(
    make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    one, other = make(), make()
    point = Point(1)
    one.backend.set("point", point)
    one.backend.set("points", [point])
    assert one.backend.get("point") == point
    assert one.backend.get("point") is not point
    assert one.backend.get("points") == [point]
    if one.monitor.cache.has_l2:
        assert other.backend.get("point") is None
        assert "stay in L1 alone" in caplog.text
        assert "Point" in caplog.text


def test_a_stream_is_refused(backend: TieredCache) -> None:
    with pytest.raises(CacheCodecError, match="stream"):
        backend.set("key", Response(iter(["a"])))


@pytest.mark.parametrize(
    "kept",
    [
        {"\0hhs_perf": ["folded", {"\0hhs_perf": ["response", ["200", [["A", "b\nC: d"]], b""]]}]},
        {"\0hhs_perf": ["folded", {"\0hhs_perf": ["eval", "1"]}]},
        {"\0hhs_perf": ["folded", {"\0hhs_perf": ["error", ["SystemExit", {}]]}]},
        {"\0hhs_perf": 5},
    ],
)
def test_what_somebody_else_wrote_is_a_miss_and_counted(site: Site, kept: Any) -> None:
    site.monitor.cache.set(site.backend._full("key"), kept)
    assert site.backend.get("key") is None
    assert sum(site.monitor.faults.values()) == 1


# Views


def run_async(function: Callable[..., Any]) -> Callable[..., Any]:
    """Stand in for asgiref, which Flask wants for async views."""
    return lambda *args, **kwargs: asyncio.run(function(*args, **kwargs))


def test_a_view_runs_once(site: Site) -> None:
    @site.app.get("/")
    @site.cache.cached(timeout=60)
    def view() -> str:
        return f"run {site.run()}"

    assert [site.get("/").text for _ in range(3)] == ["run 1"] * 3
    assert site.kinds() == {"uncached": 1, "cached": 2}
    with site.app.app_context():
        assert site.cache.delete("view//")
    assert site.get("/").text == "run 2"


RETURNED: dict[str, Callable[[int], Any]] = {
    "a dict": lambda n: {"n": n},
    "a list": lambda n: [n],
    "a tuple with status": lambda n: (f"{n}", 201),
    "a tuple with headers": lambda n: ({"n": n}, 202, {"X-N": str(n)}),
    "a response": lambda n: Response(str(n), 203, {"X-N": str(n)}, mimetype="text/x-n"),
    "a response in a tuple": lambda n: (jsonify(n=n), 201, [("X-A", "1"), ("X-A", "2")]),
    "make_response": lambda n: make_response((b"\xff", 200)),
    "markup": lambda n: Markup("<b>{}</b>").format(n),
    "lines": lambda n: (line for line in ("a", "b", str(n))),
}
if hasattr(Cache, "_call_fn_or_exception"):  # since 2.5 what views abort with is kept as well
    RETURNED["an abort"] = lambda n: abort(418, f"short {n}")
    RETURNED["an abort with a response"] = lambda n: abort(Response(f"no {n}", 409))


@pytest.mark.parametrize("returned", RETURNED.values(), ids=RETURNED)
def test_what_views_may_return_is_the_same_from_the_cache(
    make: Make, returned: Callable[[int], Any]
) -> None:
    """In the process that ran the view, and in the next one from Redis."""
    sites = [make(), make()]
    answers = []
    for site in sites:
        site.app.get("/")(site.cache.cached()(lambda site=site: returned(site.run())))
        answers += [site.get("/") for _ in range(3)]
    assert len({answer.data for answer in answers}) == 1
    assert len({answer.status for answer in answers}) == 1
    assert len({tuple(answer.headers.to_wsgi_list()) for answer in answers}) == 1
    shared = sites[0].monitor.cache.has_l2
    assert [site.runs for site in sites] == ([1, 0] if shared else [1, 1])
    assert sites[0].kinds() == {"uncached": 1, "cached": 2}


def test_a_response_is_never_shared(site: Site) -> None:
    """What happens to one answer after the view does not happen to the next."""

    @site.app.after_request
    def number(response: Response) -> Response:
        response.headers.add("X-Number", "1")
        return response

    @site.app.get("/")
    @site.cache.cached()
    def view() -> Response:
        return Response("text")

    assert [site.get("/").headers.getlist("X-Number") for _ in range(3)] == [["1"]] * 3


def test_a_streaming_view_is_passed_on(site: Site) -> None:
    @site.app.get("/")
    @site.cache.cached()
    def view() -> Response:
        return Response(iter(["a", str(site.run())]))

    site.app.testing = False
    assert [site.get("/").text for _ in range(2)] == ["a1", "a2"]


def test_an_async_view_is_cached(site: Site) -> None:
    site.app.async_to_sync = run_async  # type: ignore[method-assign]

    @site.app.get("/")
    @site.cache.cached()
    async def view() -> str:
        return f"run {site.run()}"

    assert [site.get("/").text for _ in range(2)] == ["run 1"] * 2


def test_query_strings_are_told_apart_whatever_their_order(site: Site) -> None:
    @site.app.get("/")
    @site.cache.cached(query_string=True)
    def view() -> str:
        return f"{request.args.get('a')} {site.run()}"

    paths = ("/?a=1&b=2", "/?b=2&a=1", "/?a=2&b=2", "/")
    assert [site.get(path).text for path in paths] == ["1 1", "1 1", "2 2", "None 3"]


def test_the_conditions_of_cached_hold(site: Site) -> None:
    """`unless`, `forced_update` and `response_filter`."""
    answers = {"unless": False, "forced": False}

    @site.app.get("/")
    @site.cache.cached(
        unless=lambda: answers["unless"],
        forced_update=lambda: answers["forced"],
        response_filter=lambda response: response != "run 1",
    )
    def view() -> str:
        return f"run {site.run()}"

    assert [site.get("/").text for _ in range(3)] == ["run 1", "run 2", "run 2"]
    answers["unless"] = True
    assert site.get("/").text == "run 3"
    answers.update(unless=False, forced=True)
    assert site.get("/").text == "run 4"
    answers["forced"] = False
    assert site.get("/").text == "run 4"


def test_the_timeout_of_a_view_can_be_changed(site: Site) -> None:
    @site.app.get("/")
    @site.cache.cached(timeout=50)
    def view() -> str:
        return "text"

    view.cache_timeout = 20
    site.get("/")
    assert _left(site.backend, "view//") == pytest.approx(20, abs=0.2)


def test_none_is_cached_where_asked_for(site: Site) -> None:
    @site.cache.cached(key_prefix="kept", cache_none=True)
    def kept() -> None:
        site.run()

    @site.cache.cached(key_prefix="lost")
    def lost() -> None:
        site.run()

    with site.app.test_request_context():
        kept(), kept()
        assert site.runs == 1
        lost(), lost()
        assert site.runs == 3


def test_a_source_check_makes_keys_of_the_source(make: Make) -> None:
    site = make(CACHE_SOURCE_CHECK=True)

    def one() -> str:
        return "one"

    def other() -> str:
        return "other"

    with site.app.test_request_context():
        for each in (one, other, one):
            assert site.cache.cached(key_prefix="same")(each)() == each()


def test_fragments_of_templates_are_cached(site: Site) -> None:
    from flask import render_template_string

    template = "{% cache 60, 'part' %}<b>{{ n }}</b>{% endcache %}"
    with site.app.test_request_context():
        shown = [render_template_string(template, n=n) for n in range(3)]
    assert shown == ["<b>0</b>"] * 3


# Memoized functions


def test_a_memoized_function_runs_once_for_equal_arguments(site: Site) -> None:
    @site.cache.memoize(60)
    def add(a: int, b: int = 2) -> tuple[int, int]:
        return a + b, site.run()

    with site.app.test_request_context():
        assert add(1) == add(1, 2) == add(a=1, b=2) == (3, 1)
        assert add(1, 3) == (4, 2)


def test_memoized_functions_are_deleted_by_call_and_altogether(site: Site) -> None:
    @site.cache.memoize()
    def run(number: int) -> tuple[int, int]:
        return number, site.run()

    with site.app.test_request_context():
        assert [run(1), run(2), run(1)] == [(1, 1), (2, 2), (1, 1)]
        site.cache.delete_memoized(run, 1)
        assert [run(1), run(2)] == [(1, 3), (2, 2)]
        site.cache.delete_memoized(run)
        assert [run(1), run(2)] == [(1, 4), (2, 5)]
        site.cache.delete_memoized_verhash(run)
        assert run(1) == (1, 6)


def test_a_deletion_in_one_process_holds_in_the_other(make: Make) -> None:
    """The version of a memoized function is an entry like any other."""
    sites = [make(), make()]
    if not sites[0].monitor.cache.has_l2:
        return
    functions = []
    for site in sites:

        def run(site: Site = site) -> int:
            return site.run()

        run.__qualname__ = "run"
        functions.append(site.cache.memoize(args_to_ignore=["site"])(run))
    one, other = sites
    with one.app.test_request_context():
        assert functions[0]() == 1
    with other.app.test_request_context():
        assert functions[1]() == 1
        other.cache.delete_memoized(functions[1])
        assert functions[1]() == 1
    assert other.runs == 1

    def sees_it() -> bool:
        with one.app.test_request_context():
            functions[0]()
            return one.backend.get_many("x") == [None] and one.runs == 1

    wait_until(sees_it, "the invalidation")


def test_methods_are_memoized_by_instance(site: Site) -> None:
    class Adder:
        def __init__(self, number: int) -> None:
            self.number = number

        def __repr__(self) -> str:
            return f"Adder({self.number})"

        @site.cache.memoize()
        def add(self, number: int) -> tuple[int, int]:
            return self.number + number, site.run()

    one, other = Adder(1), Adder(10)
    with site.app.test_request_context():
        assert [one.add(1), other.add(1), one.add(1)] == [(2, 1), (11, 2), (2, 1)]
        site.cache.delete_memoized(one.add)
        assert [one.add(1), other.add(1)] == [(2, 3), (11, 2)]
        site.cache.delete_memoized(Adder.add)
        assert [one.add(1), other.add(1)] == [(2, 4), (11, 5)]


def test_a_memoized_hit_does_not_make_the_request_a_cached_one(site: Site) -> None:
    @site.cache.memoize()
    def helper() -> dict[str, int]:
        return {"n": 1}

    @site.app.get("/")
    def view() -> dict[str, int]:
        return {**helper(), "fresh": site.run()}

    @site.app.get("/whole")
    def whole() -> dict[str, int]:
        return helper()

    for _ in range(2):
        site.get("/")
    assert site.kinds() == {"uncached": 2}
    site.get("/whole")
    assert site.kinds() == {"uncached": 2, "cached": 1}


# Where the values are


def test_the_cache_of_the_monitor_is_used_whenever_it_is_mounted(clock: FakeClock) -> None:
    app = Flask("site")
    app.config["CACHE_TYPE"] = BACKEND
    cache = Cache(app)
    with app.app_context():
        before = cache.cache.tiered
        assert cache.cache.tiered is before
        monitor = init_app(app, quiet_monitor(clock), auth=allow_all)
        assert cache.cache.tiered is monitor.cache


def test_without_a_monitor_the_configuration_says_where(valkey_url: str, namespace: str) -> None:
    config = {
        "CACHE_TYPE": BACKEND,
        "CACHE_REDIS_URL": valkey_url,
        "CACHE_L1_MAXSIZE": 7,
        "HHS_PERF_NAMESPACE": namespace,
    }
    caches = [Cache(Flask("site"), config=config) for _ in range(2)]
    for each in caches:
        with each.app.app_context():
            backend = each.cache
            assert backend.tiered.core.memory.store.maxsize == 7
            assert backend.tiered.namespace == namespace
    with caches[0].app.app_context():
        caches[0].set("key", ("tuple",))
    with caches[1].app.app_context():
        assert caches[1].get("key") == ("tuple",)
    for each in caches:
        with each.app.app_context():
            each.cache.tiered.close()


def test_another_redis_than_the_monitors_is_used_and_it_is_said(
    clock: FakeClock, valkey_url: str, namespace: str, caplog: pytest.LogCaptureFixture
) -> None:
    app = Flask("site")
    app.config.update(CACHE_TYPE=BACKEND, CACHE_REDIS_URL=valkey_url)
    app.config["HHS_PERF_NAMESPACE"] = namespace
    monitor = init_app(app, quiet_monitor(clock), auth=allow_all)
    cache = Cache(app)
    with app.app_context():
        cache.set("key", 1)
        assert cache.get("key") == 1
        assert cache.cache.tiered.has_l2
        assert not monitor.cache.has_l2
        cache.cache.tiered.close()
    assert "set REDIS_URL alone" in caplog.text
    lookups = monitor.reader.read("5m").counters("cache.lookups")
    assert {t["result"]: n for t, n in lookups if t["layer"] == "all"} == {"hit": 1}


def test_the_redis_of_the_redis_backend_is_understood() -> None:
    from hhs_perf.adapters._flask_caching_home import _redis_url

    host = {"CACHE_REDIS_HOST": "cache", "CACHE_REDIS_PASSWORD": "a/b", "CACHE_REDIS_DB": 3}
    assert _redis_url(host) == "redis://:a%2Fb@cache:6379/3"
    assert _redis_url({"CACHE_REDIS_URL": "redis://x", **host}) == "redis://x"
    assert _redis_url({"CACHE_REDIS_URL": ""}) is None
    for host in ("::1", "[::1]"):
        assert _redis_url({"CACHE_REDIS_HOST": host}) == "redis://[::1]:6379/0"


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"CACHE_OPTIONS": {"socket_timeout": 1}}, "socket_timeout"),
        ({"CACHE_ARGS": [1]}, "CACHE_ARGS"),
        ({"CACHE_REDIS_SENTINELS": [("a", 1)]}, r"redis\+sentinel"),
        ({"CACHE_REDIS_CLUSTER": "a:1"}, r"redis\+cluster"),
        ({"CACHE_REDIS_HOST": object()}, "CACHE_REDIS_HOST"),
        ({"CACHE_REDIS_HOST": "a", "CACHE_REDIS_PORT": "x"}, "^CACHE_REDIS_HOST, CACHE_REDIS_PORT"),
        ({"CACHE_REDIS_URL": "htp://a"}, "^CACHE_REDIS_URL: the scheme"),
        ({"CACHE_REDIS_URL": b"redis://a"}, "^CACHE_REDIS_URL: must be a URL, got a bytes"),
    ],
)
def test_what_means_nothing_here_is_refused(config: dict[str, Any], words: str) -> None:
    app = Flask("site")
    app.config.update(CACHE_TYPE=BACKEND, **config)
    with pytest.raises(ConfigurationError, match=words):
        Cache(app)


def test_a_cache_may_be_given(clock: FakeClock) -> None:
    tiered = Tiered(clock=clock)
    app = Flask("site")
    app.config.update(CACHE_TYPE=BACKEND, CACHE_OPTIONS={"cache": tiered})
    cache = Cache(app)
    with app.app_context():
        assert cache.cache.tiered is tiered
    assert TieredCache(cache=tiered, key_prefix="x").set("key", 1)


def test_a_dead_redis_breaks_no_view(launch: Any, namespace: str) -> None:
    server = launch()
    app = Flask("site")
    app.config["CACHE_TYPE"] = BACKEND
    environ = {"REDIS_URL": server.url, "HHS_PERF_NAMESPACE": namespace}
    site = Site(app, Cache(app), init_app(app, quiet_monitor(None, environ), auth=allow_all))
    _link(site.monitor)
    app.get("/")(site.cache.cached()(lambda: f"run {site.run()}"))
    assert site.get("/").text == "run 1"
    server.kill()
    assert site.get("/").text == "run 1"
    with app.app_context():
        assert site.cache.delete_many("view//") == ["view//"]
        assert site.cache.set("key", 1)
        assert site.backend.inc("n") == 1
        assert site.backend.add("new", 1)
    assert site.get("/").text == "run 2"
    site.monitor.close()
