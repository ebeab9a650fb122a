from __future__ import annotations

import gzip

import pytest

from hhs_perf.web.negotiate import accepts_gzip, compress, etag_of, matches


@pytest.mark.parametrize(
    ("header", "accepted"),
    [
        (None, False),
        ("", False),
        ("gzip", True),
        ("GZIP", True),
        ("br, gzip;q=0.5", True),
        ("gzip;q=0", False),
        ("gzip; q=0.001", True),
        ("*", True),
        ("*;q=0", False),
        ("identity", False),
        ("gzip;q=much", False),
        ("gzip;q=0, *", False),
    ],
)
def test_gzip_is_sent_only_where_it_is_accepted(header: str | None, accepted: bool) -> None:
    assert accepts_gzip(header) is accepted


def test_small_bodies_are_left_alone_and_equal_bodies_pack_alike() -> None:
    assert compress(b"x" * 100) is None
    packed = compress(b"x" * 10_000)
    assert packed is not None
    assert packed == compress(b"x" * 10_000)
    assert gzip.decompress(packed) == b"x" * 10_000


def test_tags_compare_weakly_in_lists_and_by_star() -> None:
    etag = etag_of("a", "b")
    assert etag != etag_of("ab", "")
    assert matches(etag, etag)
    assert matches(f'"x", {etag.removeprefix("W/")}', etag)
    assert matches("*", etag)
    assert not matches(None, etag)
    assert not matches('"x"', etag)
