"""What marks a statement as the library's own."""

from __future__ import annotations

from typing import Final

__all__ = ["OURS", "OWN_POOL"]

OURS: Final = "/* hhs_perf */ "
"""What every statement begins with that the library sends itself: it is never counted."""
OWN_POOL: Final = "_hhs_perf_own"
"""The attribute of pools of the library's own: the host's listeners hear of their connections."""
