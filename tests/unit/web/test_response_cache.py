"""The rules of response caching, without a framework."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote_from_bytes

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hhs_perf.cache.naming.keys import pattern_of
from hhs_perf.exceptions import ConfigurationError
from hhs_perf.web.response_cache import (
    CREDENTIALS,
    Asked,
    Plan,
    Seen,
    answer,
    kept_apart,
    key_of,
    life_of,
    private,
    store,
)


def asked(path: str = "/x", method: str = "GET", **headers: str) -> Asked:
    path, _, query = path.partition("?")
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Asked(method=method, base="http://h", path=path, query=query, header=named.get)


def seen(*headers: tuple[str, str], status: int = 200, body: bytes = b"body") -> Seen:
    return Seen(status=status, headers=headers, body=body)


@given(st.lists(st.tuples(st.text("ab", min_size=1), st.text("12&=é% ")), max_size=5), st.randoms())
def test_the_key_does_not_know_the_order_of_names(pairs: Any, random: Any) -> None:
    from urllib.parse import urlencode

    shuffled = sorted(pairs, key=lambda pair: pair[0])
    names = list(dict.fromkeys(name for name, _ in pairs))
    random.shuffle(names)
    regrouped = [pair for name in names for pair in shuffled if pair[0] == name]
    one, other = (key_of(Plan(), asked(f"/x?{urlencode(p)}")) for p in (pairs, regrouped))
    assert one == other


@given(st.text(max_size=300), st.text(max_size=20))
def test_any_path_and_query_make_a_key_that_can_be_written(path: str, query: str) -> None:
    made = Asked(method="GET", base="http://h", path=path, query=query, header=lambda _: None)
    key = key_of(Plan(), made)
    assert key is not None
    assert key.encode()
    assert len(key) < 250


BODIES = [
    {"content_length": "1"},
    {"content_length": "017"},
    {"content_length": "soon"},
    {"transfer_encoding": "chunked"},
]


@pytest.mark.parametrize("headers", BODIES)
def test_a_request_with_a_body_has_no_key(headers: dict[str, str]) -> None:
    """What the body asks for would be answered to those who ask for nothing."""
    assert key_of(Plan(), asked(**headers)) is None
    assert key_of(Plan(), asked(content_length="0")) == key_of(Plan(), asked())


@given(st.binary(max_size=4), st.binary(max_size=4), st.booleans())
def test_other_bytes_in_a_query_are_another_key(one: bytes, other: bytes, as_name: bool) -> None:
    """Frameworks decode what is not UTF-8 each in a way of its own."""
    keys = [
        key_of(Plan(), asked(f"/x?{text}=1" if as_name else f"/x?a={text}"))
        for text in (quote_from_bytes(one, safe=""), quote_from_bytes(other, safe=""))
    ]
    assert (keys[0] == keys[1]) == (one == other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("a=%ff", "a=%fe"),
        ("a=%ff", "a=%ef%bf%bd"),
        ("a=\xff", "a=\xfe"),
        ("a=\xe9&b=%E9", "a=%E9&b=\xe9"),
        ("a=%26b=1", "a=&b=1"),
    ],
)
def test_queries_that_a_view_tells_apart_never_share_a_key(one: str, other: str) -> None:
    assert key_of(Plan(), asked(f"/x?{one}")) != key_of(Plan(), asked(f"/x?{other}"))


def test_ways_to_write_one_query_share_a_key() -> None:
    plan = Plan(query=["é"])
    spellings = ["%C3%A9=a+b", "%c3%a9=%61%20b", "&%C3%A9=a%20b&utm=1"]
    assert len({key_of(plan, asked(f"/x?{query}")) for query in spellings}) == 1
    assert key_of(plan, asked("/x?\xc3\xa9=1")) != key_of(plan, asked("/x?\xc3\xa9=2"))


def test_the_pattern_of_a_response_is_its_route() -> None:
    """Paths tell of people, and there are more of them than patterns."""
    paths = ["/people/alice", "/people/a:b", "/people/" + "x" * 300, "/people/x:/y:" + "0" * 32]
    for path in paths:
        made = attrs.evolve(asked(), path=path, route="/people/<path:n>")
        key = key_of(Plan(), made)
        assert key is not None
        assert key.startswith(f"response:{path[:200]}:")
        assert pattern_of(key) == "response:/people/<path:n>"
    assert pattern_of(key_of(Plan(), asked("/people/alice")) or "") == "response:*"
    assert pattern_of("response:mine") == "response:mine"


@pytest.mark.parametrize(
    ("said", "left"),
    [
        ("public", "private"),
        ("Public, s-maxage=9, max-age=60", "private, max-age=60"),
        ("max-age=60, must-revalidate", "private, max-age=60, must-revalidate"),
        ("private", "private"),
    ],
)
def test_private_leaves_nothing_for_shared_caches(said: str, left: str) -> None:
    assert private(said) == left


@pytest.mark.parametrize("name", CREDENTIALS)
def test_no_secret_stands_in_a_key(name: str) -> None:
    sender = Asked(method="GET", base="", path="/x", query="", header={name: "s3cret"}.get)
    key = key_of(Plan(credentials="vary"), sender)
    assert key is not None
    assert "s3cret" not in key
    assert key != key_of(Plan(credentials="vary"), asked())
    assert key_of(Plan(), sender) is None


def test_credentials_in_one_header_are_not_those_in_another() -> None:
    plan = Plan(credentials="vary")
    made = {key_of(plan, asked(**{name: "a"})) for name in ("authorization", "cookie", "x_api_key")}
    assert len(made) == 3


def test_an_empty_header_is_not_a_missing_one() -> None:
    plan = Plan(vary="x-a")
    assert key_of(plan, asked(x_a="")) != key_of(plan, asked())
    assert key_of(Plan(), asked(authorization="")) is None


@pytest.mark.parametrize(
    ("control", "life"),
    [
        (None, 300.0),
        ("public", 300.0),
        ("max-age=60", 60.0),
        ("max-age=600", 300.0),
        ('MAX-AGE = "60"', 60.0),
        ("max-age=600, s-maxage=30", 30.0),
        ("s-maxage=0, max-age=600", None),
        ("max-age=-1", None),
        ("max-age", None),
        ("public, No-Store", None),
        ('private="x-a"', None),
        ('no-cache="set-cookie"', None),
    ],
)
def test_what_the_view_says_bounds_the_life(control: str | None, life: float | None) -> None:
    headers = [] if control is None else [("cache-control", control)]
    assert life_of(Plan(), seen(*headers), 300.0) == life


def test_a_vary_on_credentials_is_met_where_they_are_told_apart() -> None:
    told = seen(("Vary", "Cookie, accept-language"), ("vary", "Authorization"))
    for credentials, expected in (("bypass", 5.0), ("vary", 5.0), ("ignore", None)):
        plan = Plan(vary=["Accept-Language"], credentials=credentials)  # type: ignore[arg-type]
        assert life_of(plan, told, 5.0) == expected


def test_what_belongs_to_one_transfer_is_not_stored() -> None:
    made = seen(
        *(("Connection", "close"), ("Date", "now"), ("Age", "5"), ("Content-Length", "9")),
        *(("Transfer-Encoding", "chunked"), ("X-A", "1")),
    )
    stored = store(Plan(credentials="ignore"), asked(), made, 60.0, 1_000.0)
    assert [name for name, _ in stored.headers] == ["X-A", "ETag"]


def test_the_tag_depends_on_body_type_and_language_alone() -> None:
    bodies = [
        seen(("Content-Type", "text/plain")),
        seen(("content-type", "text/plain"), ("X-A", "1")),
        seen(("Content-Type", "text/html")),
        seen(("Content-Type", "text/plain"), body=b"other"),
        seen(("Content-Type", "text/plain"), ("Content-Language", "de")),
    ]
    tags = [store(Plan(), asked(), each, 60.0, 0.0).etag for each in bodies]
    assert tags[0] == tags[1]
    assert len(set(tags)) == 4
    assert all(tag.startswith('W/"') for tag in tags)


@given(
    ttl=st.floats(1, 10_000),
    waited=st.floats(-5, 20_000),
    max_age=st.none() | st.floats(0, 10_000),
)
def test_no_client_keeps_a_response_longer_than_we_do(
    ttl: float, waited: float, max_age: float | None
) -> None:
    """What is left of max-age, once the age is taken off, is at most what is left of our life."""
    plan = Plan(ttl=ttl, max_age=max_age)
    stored = store(plan, asked(), seen(), ttl, 1_000.0)
    headers = dict(answer(plan, asked(), stored, 1_000.0 + waited).headers)
    age = int(headers["Age"])
    assert 0 <= age <= ttl
    if max_age != 0:
        longest = int(headers["Cache-Control"].partition("max-age=")[2]) - age
        assert longest <= max(0.0, ttl - waited) + 1 or waited > ttl or waited < 0
        assert max_age is None or longest <= max_age


def test_of_a_304_nothing_tells_of_a_body() -> None:
    made = seen(
        *(("Content-Type", "a/b"), ("Content-Language", "de"), ("Content-Location", "/y")),
        *(("X-A", "1"), ("Link", "<z>")),
    )
    stored = store(Plan(), asked(), made, 60.0, 0.0)
    for method in ("GET", "HEAD"):
        given_back = answer(Plan(), asked("/x", method, if_none_match=stored.etag), stored, 0.0)
        assert (given_back.status, given_back.body) == (304, b"")
        assert {name.lower() for name, _ in given_back.headers} == {
            *("content-location", "x-a", "link", "etag", "vary", "cache-control", "age")
        }


def test_what_was_not_for_the_cache_is_kept_apart_further_on() -> None:
    plan = Plan(vary="Origin")
    expected = "Accept, Origin, Authorization, Cookie, X-API-Key"
    assert kept_apart(plan, "accept, cookie, , origin", None) == {
        "Vary": "Accept, Cookie, Origin, Authorization, X-API-Key",
        "Cache-Control": "private",
    }
    assert kept_apart(plan, "Accept", "public")["Vary"] == expected
    assert "Cache-Control" not in kept_apart(plan, None, "public")


def test_all_that_makes_no_sense_is_told_at_once() -> None:
    with pytest.raises(ConfigurationError) as caught:
        Plan(ttl=-1, max_age=-1, vary=["*"], credentials="all")  # type: ignore[arg-type]
    assert len(caught.value.problems) == 4
    assert all(problem.startswith("cached_response: ") for problem in caught.value.problems)
