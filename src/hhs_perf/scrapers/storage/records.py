"""Rows as lines of a file: JSON, and CSV that a spreadsheet may open."""

from __future__ import annotations

import csv
import io
from datetime import date
from typing import TYPE_CHECKING, Any, Final, Protocol, cast, get_args

import msgspec

from ..values import ABSENT, FIGURE_NAMES, Figure, FigureStatus
from .rows import Row

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ..values import FigureName

__all__ = ["CsvLines", "JsonLines", "Lines", "guarded", "unguarded"]

_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "'")
_TEXTS: Final = (
    *("snapshot_date", "platform", "handle", "account_id", "account_display_name"),
    *("account_url", "org_name", "is_core_account", "taken_at"),
)
_COLUMNS: Final = (*_TEXTS, *FIGURE_NAMES, "status")
_YES: Final = "true"


class Lines(Protocol):
    """How rows are written, each of them in a line or more, and read again."""

    @property
    def head(self) -> bytes:
        """What a file begins with."""
        ...

    def encode(self, rows: Iterable[Row]) -> bytes:
        """Write rows, each to the end of its line."""
        ...

    def decode(self, record: bytes) -> Row:
        """Read a row. Raises ValueError for what is none."""
        ...

    def is_whole(self, record: bytes) -> bool:
        """Tell whether lines make a record, or the next line belongs to it too."""
        ...


class JsonLines:
    """A JSON object a line; figures are `{"value", "status", "granularity"}`."""

    head: bytes = b""

    def encode(self, rows: Iterable[Row]) -> bytes:
        """Write rows as objects, one a line."""
        return b"".join(msgspec.json.encode(_object(row)) + b"\n" for row in rows)

    def decode(self, record: bytes) -> Row:
        """Read an object. Raises ValueError."""
        try:
            found = msgspec.json.decode(record)
            return _row(found, _figures(found["figures"]))
        except (KeyError, TypeError, AttributeError, msgspec.MsgspecError) as exc:
            raise ValueError(f"no snapshot: {exc!r}") from exc

    def is_whole(self, record: bytes) -> bool:
        """Tell whether a line ended: JSON writes the ends of lines in texts as escapes."""
        return record.endswith(b"\n")


class CsvLines:
    """A column for each figure, and one that tells which of them are not exact, and how.

    `status` reads `likes_count=hidden followers_count=rounded:1000`. Text that a spreadsheet
    would take for a formula is written behind an apostrophe, which is taken off when it is read.
    """

    @property
    def head(self) -> bytes:
        """The names of the columns."""
        return (",".join(_COLUMNS) + "\n").encode()

    def encode(self, rows: Iterable[Row]) -> bytes:
        """Write rows with their columns in order."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerows(map(_cells, rows))
        return text.getvalue().encode()

    def decode(self, record: bytes) -> Row:
        """Read a record. Raises ValueError."""
        try:
            [cells] = csv.reader(io.StringIO(record.decode(), newline=""), strict=True)
        except csv.Error as exc:
            raise ValueError(f"no snapshot: {exc}") from exc
        if len(cells) != len(_COLUMNS):
            raise ValueError(f"no snapshot: {len(cells)} columns")
        found: dict[str, Any] = dict(zip(_COLUMNS, map(unguarded, cells), strict=True))
        said = dict(each.split("=", 1) for each in found["status"].split())
        figures: dict[FigureName, Figure] = {}
        for name in FIGURE_NAMES:
            if found[name] or name in said:
                value = int(found[name]) if found[name] else None
                status, _, granularity = said.get(name, "ok").partition(":")
                figures[name] = _figure(value, status, int(granularity) if granularity else None)
        found["is_core_account"] = found["is_core_account"] == _YES
        return _row(found, figures)

    def is_whole(self, record: bytes) -> bool:
        """Tell whether a line ended, and no quotation mark is left open."""
        return record.endswith(b"\n") and record.count(b'"') % 2 == 0


def guarded(text: str) -> str:
    """Put an apostrophe before text that a spreadsheet would take for a formula."""
    return f"'{text}" if text.startswith(_FORMULA) else text


def unguarded(text: str) -> str:
    """Take off the apostrophe that `guarded` put there."""
    return text[1:] if text.startswith("'") and text[1:].startswith(_FORMULA) else text


def _object(row: Row) -> dict[str, object]:
    figures: dict[str, dict[str, object]] = {}
    for name, figure in row.figures.items():
        held: dict[str, object] = {"value": figure.value, "status": figure.status}
        if figure.granularity is not None:
            held["granularity"] = figure.granularity
        figures[name] = held
    return {
        "snapshot_date": None if row.day is None else row.day.isoformat(),
        "platform": row.platform,
        "handle": row.handle,
        "account_id": row.account_id,
        "account_display_name": row.display_name,
        "account_url": row.url,
        "org_name": row.organization,
        "is_core_account": row.is_core,
        "taken_at": row.taken_at,
        "figures": figures,
    }


def _cells(row: Row) -> list[str]:
    said = " ".join(
        f"{name}={figure.status}" + ("" if figure.granularity is None else f":{figure.granularity}")
        for name, figure in row.figures.items()
        if figure.status != "ok"
    )
    values = (
        "" if (figure := row.figures.get(name, ABSENT)).value is None else str(figure.value)
        for name in FIGURE_NAMES
    )
    texts = (
        *(
            "" if row.day is None else row.day.isoformat(),
            row.platform,
            row.handle,
            row.account_id or "",
        ),
        *(row.display_name or "", row.url or "", row.organization),
        *(_YES if row.is_core else "false", repr(row.taken_at)),
    )
    return [*map(guarded, texts), *values, said]


def _row(found: Mapping[str, Any], figures: dict[FigureName, Figure]) -> Row:
    return Row(
        platform=str(found["platform"]),
        handle=str(found["handle"]),
        account_id=found["account_id"] or None,
        display_name=found["account_display_name"] or None,
        organization=str(found["org_name"]),
        url=found["account_url"] or None,
        is_core=bool(found["is_core_account"]),
        is_active=True,
        day=date.fromisoformat(day) if (day := found["snapshot_date"]) else None,
        taken_at=float(found["taken_at"]),
        figures=figures,
    )


def _figures(found: Mapping[str, Any]) -> dict[FigureName, Figure]:
    return {
        name: _figure(held["value"], held["status"], held.get("granularity"))
        for name in FIGURE_NAMES
        if (held := found.get(name)) is not None
    }


def _figure(value: int | None, status: str, granularity: int | None) -> Figure:
    if status not in get_args(FigureStatus):
        raise ValueError(f"no figure is {status!r}")
    return Figure(value, cast("FigureStatus", status), granularity)
