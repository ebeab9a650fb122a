"""What marks a statement as the library's own."""

from __future__ import annotations

from typing import Final

__all__ = ["OURS"]

OURS: Final = "/* hhs_perf */ "
"""What every statement begins with that the library sends itself: it is never counted."""
