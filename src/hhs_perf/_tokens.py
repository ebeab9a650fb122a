"""Bearer tokens as the environment spells them."""

from __future__ import annotations

import hashlib
import hmac
import re
from typing import TYPE_CHECKING, Final, Literal, cast, get_args

import attrs

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["ROLES", "Role", "Token", "parse_tokens"]

Role = Literal["viewer", "admin"]
ROLES: Final[tuple[Role, ...]] = get_args(Role)

_NAMED: Final = re.compile(r"(?P<name>[A-Za-z0-9_.@-]{1,64})=(?P<secret>.*)", re.DOTALL)
# What `secrets` and `base64` make ends in one or two of the signs that also end a name.
_PADDED: Final = re.compile(r"(?:[A-Za-z0-9+/_-]{4}){3,}[A-Za-z0-9+/_-]{2,3}={1,2}")
_HASHED: Final = re.compile(r"sha256\$(?P<hex>[0-9a-fA-F]{64})")


@attrs.frozen(kw_only=True)
class Token:
    """What may present a secret: a name for logs, roles, and the secret's SHA-256."""

    name: str
    roles: frozenset[Role]
    sha256: bytes = attrs.field(repr=False)

    def admits(self, secret: str) -> bool:
        """Compare in constant time."""
        presented = hashlib.sha256(secret.encode("utf-8", "surrogateescape")).digest()
        return hmac.compare_digest(self.sha256, presented)


def parse_tokens(text: str) -> tuple[Token, ...]:
    """Read `role[+role]:[name=]secret`, comma-separated; `sha256$…` stands for a secret's hash.

    `admin` includes `viewer`. Raises ValueError with every mistake, by the entry's number and
    never with its text, since any part of a mistyped entry may be the secret.
    """
    tokens: list[Token] = []
    problems: list[str] = []
    for number, entry in enumerate(_entries(text), 1):
        try:
            tokens.append(_parse(entry, number))
        except ValueError as exc:
            problems.append(f"entry {number}: {exc}")
    for number, token in enumerate(tokens):
        if any(token.sha256 == other.sha256 for other in tokens[:number]):
            problems.append(f"{token.name}: its secret stands twice")
    if problems:
        raise ValueError("; ".join(problems))
    return tuple(tokens)


def _entries(text: str) -> Iterator[str]:
    for entry in text.split(","):
        if stripped := entry.strip():
            yield stripped


def _parse(entry: str, number: int) -> Token:
    before, colon, rest = entry.partition(":")
    if not colon:
        raise ValueError("must be role:secret, and has no colon")
    roles = {role.strip() for role in before.split("+")}
    if not roles <= set(ROLES):
        raise ValueError(f"the roles before the colon must be of {', '.join(ROLES)}")
    if "admin" in roles:
        roles.add("viewer")
    name, secret = f"token {number}", rest.strip()
    padded = _PADDED.fullmatch(secret) and not len(secret) % 4
    if not padded and (named := _NAMED.fullmatch(secret)):
        name, secret = named["name"], named["secret"]
    if not secret:
        raise ValueError("the secret is empty")
    if not secret.isascii() or not secret.isprintable():
        raise ValueError("the secret has characters that a header cannot carry")
    if secret.startswith("sha256$"):
        hashed = _HASHED.fullmatch(secret)
        if hashed is None:
            raise ValueError("sha256$ must be followed by 64 hexadecimal digits")
        digest = bytes.fromhex(hashed["hex"])
    else:
        digest = hashlib.sha256(secret.encode("utf-8", "surrogateescape")).digest()
    return Token(name=name, roles=frozenset(cast("set[Role]", roles)), sha256=digest)
