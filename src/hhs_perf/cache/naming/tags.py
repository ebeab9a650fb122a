"""Tags of cached functions, which may name arguments: `user:{user_id}`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...exceptions import CacheKeyError
from ._binding import Binder
from ._templates import KeyTemplate

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

__all__ = ["TagMaker"]


class TagMaker:
    """Makes the tags of each call of one function.

    Fields are parameters or their attributes, as in a key template, but written as `str` writes
    them: `invalidate(tags=[f"user:{user_id}"])` names the tag of `user:{user_id}`. Raises
    CacheKeyError for a field that is no parameter.
    """

    def __init__(self, function: Callable[..., object], tags: Sequence[str]) -> None:
        self._fixed = tuple(tag for tag in tags if "{" not in tag)
        self._templates = [KeyTemplate(tag) for tag in tags if "{" in tag]
        if self._templates:
            self._binder = Binder(function)
            self._reads = [self._of(template) for template in self._templates]

    def _of(self, template: KeyTemplate) -> list[tuple[int, tuple[str, ...]]]:
        for name in template.names:
            if name not in self._binder.names:
                raise CacheKeyError(
                    f"tag {template.pattern!r}: there is no parameter {name!r}, only "
                    f"{', '.join(self._binder.names) or 'none'}"
                )
        return template.reads(self._binder.names)

    def make(self, args: tuple[object, ...], kwargs: Mapping[str, object]) -> tuple[str, ...]:
        """Give the tags of the call `function(*args, **kwargs)`."""
        if not self._templates:
            return self._fixed
        values = self._binder.bound(args, kwargs)
        pairs = zip(self._templates, self._reads, strict=True)
        return (*self._fixed, *(each.spelled(each.read(values, reads)) for each, reads in pairs))
