"""What URLs of Redis and Valkey mean."""

from __future__ import annotations

import pytest

from hhs_perf._redis import Address, masked


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("redis://cache", Address(nodes=(("cache", 6379),))),
        ("valkey://", Address(nodes=(("localhost", 6379),))),
        ("redis://:p%40ss@cache:1/2", Address(nodes=(("cache", 1),), password="p@ss", db=2)),
        (
            "valkeys://ops:pass@[::1]:7/1?protocol=3&client_name=web",
            Address(
                nodes=(("::1", 7),),
                username="ops",
                password="pass",
                db=1,
                tls=True,
                protocol=3,
                client_name="web",
            ),
        ),
        (
            "rediss://cache?ssl_cert_reqs=CERT_NONE&ssl_check_hostname=false&ssl_ca_certs=/ca.pem",
            Address(
                nodes=(("cache", 6379),),
                tls=True,
                tls_options=(
                    ("ssl_ca_certs", "/ca.pem"),
                    ("ssl_cert_reqs", "none"),
                    ("ssl_check_hostname", False),
                ),
            ),
        ),
        ("unix:///run/redis.sock?db=3", Address(path="/run/redis.sock", db=3)),
        ("unix://:pass@/run/redis.sock", Address(path="/run/redis.sock", password="pass")),
        (
            "redis+sentinel://:pass@a,b:5/mymaster/2?sentinel_password=other",
            Address(
                kind="sentinel",
                nodes=(("a", 26379), ("b", 5)),
                service="mymaster",
                db=2,
                password="pass",
                sentinel_password="other",
            ),
        ),
        (
            "rediss+cluster://a:7000,b",
            Address(kind="cluster", nodes=(("a", 7000), ("b", 6379)), tls=True),
        ),
    ],
)
def test_a_url_is_read(url: str, expected: Address) -> None:
    assert Address.parse(url) == expected


def test_what_other_programs_say_about_waiting_is_left_out() -> None:
    url = "redis://cache:6379/0?socket_timeout=5&retry_on_timeout=true&health_check_interval=30"
    assert Address.parse(url) == Address.parse("redis://cache:6379/0")


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://cache", "the scheme must be"),
        ("redis://cache:99999", r"host\[:port\]"),
        ("redis://cache/1/2", "too many parts"),
        ("redis+sentinel://cache", "the name of the service"),
        ("redis+cluster://cache/1", "database 0 only"),
        ("redis://a,b", "several hosts"),
        ("redis://cache?ssl_cert_reqs=none", "rediss://"),
        ("redis://cache?protocol=4", "2 or 3"),
        ("redis://cache?sockt_timeout=1", "'sockt_timeout' is not known"),
        ("unix://cache/redis.sock", "absolute path"),
        ("unix://", "absolute path"),
    ],
)
def test_a_bad_url_is_told_with_the_way_out(url: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Address.parse(url)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://ops:s3cret@cache", "redis://ops:********@cache:6379/0"),
        ("redis://cache?password=s3cret", "redis://:********@cache:6379/0"),
        ("unix://:s3cret@/a%20b", "unix://:********@/a%20b"),
        (
            "redis+sentinel://a/main?sentinel_password=s3cret",
            "redis+sentinel://a:26379/main/0?sentinel_password=********",
        ),
        ("redis://:s3/cret@cache", "********"),
    ],
)
def test_the_text_of_an_address_has_no_password(url: str, shown: str) -> None:
    assert masked(url) == shown
    if shown != "********":
        assert repr(Address.parse(url)) == f"Address({shown!r})"
