"""The accounts that ship with the package."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from urllib.parse import parse_qs, urlsplit

import attrs
import msgspec

__all__ = ["DemoAccount", "read_accounts"]


@attrs.frozen(kw_only=True)
class DemoAccount:
    """A public account of a federal health agency."""

    organization: str
    platform: str
    url: str

    @property
    def handle(self) -> str:
        """The account's name on its platform, as its address spells it, without `@`."""
        address = urlsplit(self.url)
        by_number = parse_qs(address.query).get("id")
        if by_number:
            return by_number[0]
        return address.path.rstrip("/").rpartition("/")[2].removeprefix("@")


@cache
def read_accounts() -> tuple[DemoAccount, ...]:
    """Read the accounts shipped inside the package, in their published order."""
    text = files(__package__).joinpath("accounts.json").read_bytes()
    return msgspec.json.decode(text, type=tuple[DemoAccount, ...])
