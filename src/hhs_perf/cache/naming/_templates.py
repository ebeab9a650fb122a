"""Keys spelled by the caller, such as `account:{account_id}`."""

from __future__ import annotations

import re
from string import Formatter
from typing import TYPE_CHECKING, Final, NamedTuple

from ...exceptions import CacheKeyError
from ._canonical import canonical, hashed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["KeyTemplate", "escaped"]

_LONGEST_VALUE: Final = 200
# What parts of a key are told apart by, and what cannot be written to Redis or a terminal.
_SPECIAL: Final = r"%:{}\x00-\x1f\x7f-\x9f\ud800-\udfff"
_LOOKS_LIKE_ANOTHER: Final = re.compile(
    r"['~].*|None|True|False|-?(?:inf|nan|0x[0-9a-f]+|[0-9]+(?:\.[0-9]+)?(?:e[+-]?[0-9]+)?)",
    re.DOTALL,
)

_ESCAPED: Final = re.compile(f"[{_SPECIAL}]")
_LAST_BYTE: Final = 0xFF
_PLAIN: Final = (int, float, bool, type(None))


class _Field(NamedTuple):
    name: str
    attributes: tuple[str, ...]
    special: re.Pattern[str]
    after: str


class KeyTemplate:
    """A key with fields in braces, filled with arguments or their attributes: `user:{self.id}`.

    Integers, floats, booleans and None are written as Python writes them, text as it is; text that
    looks like one of those gets an apostrophe in front (`'7` is the text, `7` the number); all
    other types that automatic keys know are written as there, behind a tilde, and values of more
    than 200 characters as a hash. `%`, `:`, braces, control characters and what separates a field
    from the next are percent-encoded. Two different fillings thus never give one key.

    Raises CacheKeyError for a template that is none: with indexes, formats, private names, or
    fields with nothing between them that would tell where one ends.
    """

    def __init__(self, text: str) -> None:
        self.pattern = text
        self._title = f"key template {text!r}"
        self._before, self._fields = _parsed(text)
        self.names: tuple[str, ...] = tuple(dict.fromkeys(each.name for each in self._fields))
        self.paths = tuple(".".join((each.name, *each.attributes)) for each in self._fields)

    def render(self, values: Mapping[str, object]) -> str:
        """Fill the fields in; raises CacheKeyError naming a value that is missing or unfit."""
        for name in self.names:
            if name not in values:
                raise CacheKeyError(f"{self._title}: no value for {name!r}")
        return self.filled(self.read([values[name] for name in self.names], self.reads(self.names)))

    def reads(self, names: Sequence[str]) -> list[tuple[int, tuple[str, ...]]]:
        """Tell where each field is found among values that have these names, and in it."""
        return [(names.index(each.name), each.attributes) for each in self._fields]

    def read(
        self, values: Sequence[object], reads: list[tuple[int, tuple[str, ...]]]
    ) -> tuple[object, ...]:
        """Give what stands for each field."""
        found = []
        for place, attributes in reads:
            value = values[place]
            for attribute in attributes:
                try:
                    value = getattr(value, attribute)
                except AttributeError as exc:
                    raise CacheKeyError(f"{self._title}: {exc}") from exc
            found.append(value)
        return tuple(found)

    def filled(self, values: tuple[object, ...]) -> str:
        """Make the key of what `read` gave."""
        key = self._before
        for value, (name, _, special, after) in zip(values, self._fields, strict=True):
            key += _rendered(value, special, self._title, name) + after
        return key

    def spelled(self, values: tuple[object, ...]) -> str:
        """Make a text of what `read` gave with the values as `str` gives them: not a key, a tag."""
        text = self._before
        for value, field in zip(values, self._fields, strict=True):
            text += f"{value}{field.after}"
        return text


def _parsed(template: str) -> tuple[str, tuple[_Field, ...]]:
    try:
        parts = list(Formatter().parse(template))
    except ValueError as exc:
        raise CacheKeyError(f"key template {template!r}: {exc}") from exc
    texts: list[str] = [""]
    paths: list[str] = []
    for literal, path, spec, conversion in parts:
        texts[-1] += literal
        if path is None:
            continue
        if spec or conversion:
            raise CacheKeyError(f"key template {template!r}: {{{path}}} may have no format")
        if not all(part.isidentifier() and part[0] != "_" for part in path.split(".")):
            raise CacheKeyError(
                f"key template {template!r}: {{{path}}} must be a parameter's name, or public "
                "attributes of one as in {account.id}"
            )
        paths.append(path)
        texts.append("")
    fields = []
    for number, path in enumerate(paths):
        name, *attributes = path.split(".")
        is_last = number == len(paths) - 1
        special = _special(template, "" if is_last else texts[number + 1], is_last=is_last)
        fields.append(_Field(name, tuple(attributes), special, texts[number + 1]))
    return texts[0], tuple(fields)


def _special(template: str, following: str, *, is_last: bool) -> re.Pattern[str]:
    """Find the characters that a value may not hold: where it ends must be seen in the key."""
    if is_last:
        return re.compile(f"[{_SPECIAL}]")
    separator = next((each for each in following if not each.isalnum() and each != "%"), None)
    if separator is None:
        raise CacheKeyError(
            f"key template {template!r}: between two fields there must be a separator, such as ':'"
        )
    return re.compile(f"[{_SPECIAL}{re.escape(separator)}]")


def _rendered(value: object, special: re.Pattern[str], where: str, name: str) -> str:
    if type(value) is str:
        text = value
        if _LOOKS_LIKE_ANOTHER.fullmatch(text):
            text = "'" + text
    else:
        text = canonical(value, where, name)
        if type(value) not in _PLAIN:
            text = "~" + text
    if len(text) > _LONGEST_VALUE:
        return "~#" + hashed(text)
    return text if text.isalnum() else special.sub(_percent, text)


def _percent(found: re.Match[str]) -> str:
    code = ord(found[0])
    return f"%{code:02X}" if code <= _LAST_BYTE else f"%u{code:06X}"


def escaped(text: str) -> str:
    """Percent-encode what has a meaning in keys."""
    return _ESCAPED.sub(_percent, text)
