"""What is said of errors: no password, no statement."""

from __future__ import annotations

import pytest
from sqlalchemy import make_url
from sqlalchemy.exc import OperationalError

from hhs_perf.database.telling import tell, told


@pytest.mark.parametrize(
    "url",
    ["postgresql://me:p%40ss+w@h/d", "postgresql://h/d?user=me&password=p%40ss%2Bw"],
)
@pytest.mark.parametrize("written", ["p@ss+w", "p%40ss%2Bw"])
def test_the_password_is_masked_however_it_is_written(url: str, written: str) -> None:
    """In the message as it is, and as it stands in an address."""
    error = OperationalError("SELECT 'x'", {}, ValueError(f"no login with {written} here\nmore"))
    assert told(error, make_url(url)) == "no login with *** here"


def test_the_kind_is_told_where_asked_and_where_there_is_nothing_else() -> None:
    """An error without a message has its name at least."""
    assert told(ValueError("a\n b"), None, kind=True) == "ValueError: a"
    assert told(ValueError(), None) == "ValueError"
    assert len(told(ValueError("x" * 1000), None)) == 300


def test_of_a_statement_of_the_hosts_no_message_is_told() -> None:
    """It may hold the statement's values."""
    assert tell(OperationalError("SELECT 's3cret'", {}, ValueError("s3cret"))) == "ValueError"
