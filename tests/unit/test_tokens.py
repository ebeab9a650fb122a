from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hhs_perf._tokens import parse_tokens


def test_roles_names_and_secrets_are_told_apart() -> None:
    viewer, admin = parse_tokens("viewer:abc, admin:ops=def==")
    assert (viewer.name, viewer.roles) == ("token 1", {"viewer"})
    assert (admin.name, admin.roles) == ("ops", {"admin", "viewer"})
    assert viewer.admits("abc")
    assert admin.admits("def==")
    assert not viewer.admits("def==")


def test_padding_of_a_base64_secret_is_no_name() -> None:
    (token,) = parse_tokens("viewer:c2VjcmV0LXNlY3JldA==")
    assert token.name == "token 1"
    assert token.admits("c2VjcmV0LXNlY3JldA==")
    (named,) = parse_tokens("viewer:ci=c2VjcmV0LXNlY3JldA==")
    assert named.name == "ci"
    assert named.admits("c2VjcmV0LXNlY3JldA==")


@pytest.mark.parametrize("text", ["viewer:ci=", "viewer:a-name-of-some-length=", "viewer: "])
def test_a_name_without_a_secret_is_refused(text: str) -> None:
    """As `viewer:ci=$UNSET` leaves it."""
    with pytest.raises(ValueError, match="empty"):
        parse_tokens(text)


def test_a_hash_keeps_the_secret_out_of_the_environment() -> None:
    hashed = hashlib.sha256(b"correct horse").hexdigest()
    (token,) = parse_tokens(f"admin+viewer:ci=sha256${hashed}")
    assert token.admits("correct horse")
    assert not token.admits(f"sha256${hashed}")


@pytest.mark.parametrize(
    "text",
    ["secret", "root:x", "viewer:", "viewer:sha256$12", ":x", "viewer+:x", "a=b", "viewer:sécret"],
)
def test_a_malformed_entry_is_refused_by_number_without_its_text(text: str) -> None:
    with pytest.raises(ValueError, match="entry 2") as caught:
        parse_tokens(f"viewer:fine,{text}")
    assert "fine" not in str(caught.value)
    assert "root" not in str(caught.value)


def test_every_malformed_entry_is_told() -> None:
    with pytest.raises(ValueError, match=r"entry 1: .*entry 3: "):
        parse_tokens("x,viewer:ok,y")


@given(st.text())
def test_any_text_parses_or_is_refused(text: str) -> None:
    try:
        parse_tokens(text)
    except ValueError:
        return


@given(st.text())
def test_any_presented_secret_is_compared_without_error(secret: str) -> None:
    (token,) = parse_tokens("viewer:abc")
    assert token.admits(secret) == (secret == "abc")


def test_one_secret_for_two_is_refused() -> None:
    with pytest.raises(ValueError, match="ops: its secret stands twice"):
        parse_tokens("viewer:abc,admin:ops=abc")
