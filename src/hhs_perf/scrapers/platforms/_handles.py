"""What the bundled platforms share in reading addresses."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["REPLY_OF_OTHER", "of_other", "words", "written"]

REPLY_OF_OTHER: Final = "the reply is about another account"


def written(pattern: str) -> Callable[[str], str]:
    """Make a `normalise`: lower case, no `@`; empty for what the platform cannot know.

    A name that cannot exist would make some platforms refuse the whole batch.
    """
    form = re.compile(pattern)

    def normalise(handle: str) -> str:
        name = handle.strip().lstrip("@").lower()
        return name if form.fullmatch(name) else ""

    return normalise


def words(names: str) -> frozenset[str]:
    """Make a set of names, written with blanks between them."""
    return frozenset(names.split())


def of_other(name: object, handle: str) -> bool:
    """Tell whether a reply names another account than the one that was asked for."""
    return isinstance(name, str) and name.casefold() != handle.casefold()
