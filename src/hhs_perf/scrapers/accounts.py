"""Accounts: whose figures are wanted."""

from __future__ import annotations

import re
from typing import Final

import attrs

__all__ = ["Account"]

_LOGIN: Final = re.compile(r"//[^/?#\s]*@")


@attrs.frozen(kw_only=True)
class Account:
    """An account on a platform, as somebody listed it: an address, or a handle and a platform.

    `account_id` is what the platform calls it for ever, where an earlier run found that out.
    """

    platform: str = ""
    """As listed: `X`, `Facebook Español`; empty where the address says it all."""
    url: str | None = None
    handle: str | None = None
    organization: str = ""
    account_id: str | None = None
    display_name: str | None = None
    is_core: bool = False
    is_active: bool = True

    def __attrs_post_init__(self) -> None:
        if not self.url and not (self.platform and self.handle):
            raise ValueError("an account needs a URL, or a platform and a handle")

    @property
    def name(self) -> str:
        """How messages call it: a login in the address is left out."""
        if self.url is None:
            return f"{self.platform} {self.handle}"
        return _LOGIN.sub("//********@", self.url)
