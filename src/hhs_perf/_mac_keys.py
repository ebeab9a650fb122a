"""Keys that sign what is written to Redis, as the environment spells them."""

from __future__ import annotations

import re
from typing import Final

import attrs

__all__ = ["MacKey"]

_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,16}")
_LEAST_BYTES: Final = 16
# BLAKE2b takes keys up to this length; a longer secret would be cut unseen.
_MOST_BYTES: Final = 64


def _check_id(_key: MacKey, _field: attrs.Attribute[str], value: str) -> None:
    if not _ID.fullmatch(value):
        raise ValueError("the id before the colon must be 1 to 16 letters, digits, '-' or '_'")


def _check_secret(_key: MacKey, _field: attrs.Attribute[bytes], value: bytes) -> None:
    if not _LEAST_BYTES <= len(value) <= _MOST_BYTES:
        raise ValueError(
            f"the secret must have {_LEAST_BYTES} to {_MOST_BYTES} bytes, has {len(value)}"
        )


@attrs.frozen(kw_only=True)
class MacKey:
    """A secret of 16 to 64 bytes, and the id under which readers find it."""

    id: str = attrs.field(validator=_check_id)
    secret: bytes = attrs.field(validator=_check_secret, repr=lambda _: "********")

    @classmethod
    def parse(cls, text: str) -> tuple[MacKey, ...]:
        """Read `id:secret`, comma-separated, newest first: that one signs, all of them verify.

        Raises ValueError with every mistake, by the entry's number and never with its text.
        """
        keys: list[MacKey] = []
        problems: list[str] = []
        entries = [entry.strip() for entry in text.split(",") if entry.strip()]
        for number, entry in enumerate(entries, 1):
            before, colon, secret = entry.partition(":")
            if not colon:
                problems.append(f"entry {number}: must be id:secret, and has no colon")
                continue
            try:
                keys.append(cls(id=before.strip(), secret=secret.strip().encode()))
            except ValueError as exc:
                problems.append(f"entry {number}: {exc}")
        ids = [key.id for key in keys]
        problems += [f"the id {one!r} stands twice" for one in sorted({*ids}) if ids.count(one) > 1]
        if problems:
            raise ValueError("; ".join(problems))
        return tuple(keys)
