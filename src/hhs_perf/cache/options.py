"""What a tiered cache is told once, when it is made."""

from __future__ import annotations

from os import PathLike
from typing import Literal

import attrs

from .policy import check_ttl
from .wire.codec import Codec

__all__ = ["Options"]


@attrs.frozen(kw_only=True)
class Options:
    """The arguments of `TieredCache` that concern more than L1; see there."""

    redis: str | None = attrs.field(repr=False)
    namespace: str
    l1_ttl: float
    l2_ttl: float
    l2_timeout: float
    codec: Codec = attrs.field(factory=Codec)
    on_l2_error: Literal["degrade", "raise"] = "degrade"
    warm_workers: int = 4
    state_dir: str | PathLike[str] | None = None

    def problems(self) -> list[str]:
        """Say what cannot be used."""
        found: list[str] = []
        if not isinstance(self.redis, str | None):
            # Bytes may hold a password, so that only their type is told.
            found.append(f"redis: must be a URL as text, got {type(self.redis).__qualname__}")
        for name in ("l1_ttl", "l2_ttl", "l2_timeout"):
            try:
                check_ttl(getattr(self, name), name)
            except ValueError as exc:
                found.append(str(exc))
        if not isinstance(self.codec, Codec):
            found.append(f"codec: must be a Codec, got {self.codec!r}")
        if type(self.warm_workers) is not int or self.warm_workers < 1:
            found.append(f"warm_workers: must be a whole number from 1, got {self.warm_workers!r}")
        if not isinstance(self.state_dir, str | PathLike | None):
            found.append(f"state_dir: must be the path of a folder, got {self.state_dir!r}")
        if self.on_l2_error not in ("degrade", "raise"):
            found.append(f"on_l2_error: must be degrade or raise, got {self.on_l2_error!r}")
        name = self.namespace
        is_text = isinstance(name, str) and name.isprintable()
        if not is_text or not name or set(name) & set("{}: "):
            found.append(
                f"namespace: must be printable, without braces, colons and spaces, got {name!r}"
            )
        return found
