"""Where accounts come from and snapshots go: databases, JSON Lines, CSV."""

from __future__ import annotations

from .opening import open_sink
from .reading import read_accounts
from .recovering import recover

__all__ = ["open_sink", "read_accounts", "recover"]
