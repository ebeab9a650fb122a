"""What a tiered cache is told once, when it is made."""

from __future__ import annotations

from typing import Literal

import attrs

from .policy import LONGEST_TTL
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

    def problems(self) -> list[str]:
        """Say what cannot be used."""
        found: list[str] = []
        for name, ttl in (("l1_ttl", self.l1_ttl), ("l2_ttl", self.l2_ttl)):
            if not 0 < ttl <= LONGEST_TTL:
                found.append(
                    f"{name}: must be more than 0 and at most 30 days in seconds, got {ttl}"
                )
        if not 0 < self.l2_timeout < LONGEST_TTL:
            found.append(
                f"l2_timeout: must be more than 0 seconds and finite, got {self.l2_timeout}"
            )
        if self.on_l2_error not in ("degrade", "raise"):
            found.append(f"on_l2_error: must be degrade or raise, got {self.on_l2_error!r}")
        name = self.namespace
        if not name or not name.isprintable() or set(name) & set("{}: "):
            found.append(
                f"namespace: must be printable, without braces, colons and spaces, got {name!r}"
            )
        return found
