"""Tables of the page; everything that came from outside is escaped."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["badge", "cells", "escaped", "table"]


def escaped(value: object) -> str:
    """Write a value so that it is text wherever it stands."""
    return escape(str(value), quote=True)


def badge(status: str) -> str:
    """Write a status in its colour."""
    return f"<span class='{escaped(status)}'>{escaped(status)}</span>"


def cells(words: Iterable[str], numbers: Iterable[str]) -> str:
    """Write a row: `words`, which are escaped already, then `numbers`."""
    text = "".join(f"<td>{word}</td>" for word in words)
    return f"<tr>{text}{''.join(f'<td class=n>{number}</td>' for number in numbers)}</tr>"


def table(caption: str, heads: Sequence[str], rows: Iterable[str], words: int) -> str:
    """Write a table whose first `words` columns are text, and the others numbers."""
    body = "".join(rows)
    if not body:
        body = f"<tr><td colspan={len(heads)}>Nothing observed yet</td></tr>"
    head = "".join(
        f"<th scope=col{' class=n' * (column >= words)}>{escaped(name)}</th>"
        for column, name in enumerate(heads)
    )
    return (
        f"<div class=scroll><table><caption>{escaped(caption)}</caption>"
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )
