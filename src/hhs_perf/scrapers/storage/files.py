"""Snapshots in a file: JSON Lines or CSV, appended, and whole after a kill."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final

from ...exceptions import StorageError
from .records import CsvLines, JsonLines
from .rows import rows_of

try:
    import fcntl
except ImportError:  # pragma: no cover - Windows, where nobody else may write an open file anyway
    fcntl = None  # type: ignore[assignment] # Windows has none

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from collections.abc import Set as AbstractSet
    from datetime import date

    from ..values import Outcome
    from .records import Lines
    from .rows import Row
    from .sink import AccountKey

__all__ = ["CsvSink", "FileSink", "JsonLinesSink"]

_DAYS: Final = 2  # whose lines are kept in mind: today's, and those from before midnight


class FileSink:
    """Appends snapshots to a file, a batch at a time, each of them flushed to the disk.

    A batch that was cut short by a kill loses its last line when the file is opened again. What
    is taken again on the same day is appended too; when the file is opened or closed, the lines
    of an account and day are made one. One sink at a time writes a file.

    Raises StorageError where the file cannot be used or is none of its kind.
    """

    def __init__(self, path: Path | str, lines: Lines, *, mode: int = 0o666) -> None:
        self.path = Path(path)
        self._lines = lines
        self._mode = mode
        self._ids: dict[AccountKey, str] = {}
        # Of the days that are asked for: where the newest line of an account is, and its length.
        self._days: dict[date, dict[AccountKey, tuple[int, int]]] = {}
        self._newest: date | None = None
        self._has_twins = False
        self._file = self._opened()
        try:
            self._read_all()
            if self._has_twins:
                self._compact()
        except BaseException:
            self._file.close()
            raise

    def account_ids(self) -> Mapping[AccountKey, str]:
        """Give the ids that stand in the file."""
        return dict(self._ids)

    def done_on(self, day: date) -> AbstractSet[AccountKey]:
        """Give the accounts that have a line of this UTC day."""
        return set(self._of(day))

    def write(self, outcomes: Sequence[Outcome]) -> None:
        """Append the snapshots among them, all or none. Raises StorageError."""
        rows = [
            row
            for row in rows_of(outcomes)
            if row.day is not None or self._ids.get(row.key) != row.account_id
        ]
        if not rows:
            return
        with self._errors():
            rows = [self._laid_over(row) for row in rows]
            parts = [self._lines.encode((row,)) for row in rows]
            begin = self._file.seek(0, os.SEEK_END)
            try:
                _write_whole(self._file, b"".join(parts))
                os.fsync(self._file.fileno())
            except OSError:
                with contextlib.suppress(OSError):
                    self._file.truncate(begin)
                raise
        for row, part in zip(rows, parts, strict=True):
            self._note(row, begin, len(part))
            begin += len(part)

    def close(self) -> None:
        """Make one line of those of the same account and day, and close the file."""
        if self._file.closed:
            return
        try:
            if self._has_twins:
                self._compact()
        finally:
            self._file.close()

    def rows(self) -> Iterator[Row]:
        """Read what stands in the file: of each account and day one, and ids without a day."""
        for row, place, _ in self._walk():
            held = None if row.day is None else self._of(row.day).get(row.key)
            if held is None or held[0] == place:
                yield row

    def _opened(self) -> IO[bytes]:
        with self._errors():
            flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0)
            # Unbuffered: what failed to be written must not be tried again by a later flush.
            file = os.fdopen(os.open(self.path, flags, self._mode), "r+b", buffering=0)
        if fcntl is not None:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as exc:
                file.close()
                raise StorageError(f"{self.path} is being written by another run") from exc
        return file

    def _read_all(self) -> None:
        """Learn ids and the places of the newest days; drop what a kill left of a line."""
        head = self._lines.head
        with self._errors(), self.path.open("rb") as file:
            begin = file.read(len(head))
            if begin != head:
                if not head.startswith(begin):
                    raise StorageError(f"{self.path} is no file of snapshots: its head differs")
                self._file.truncate(0)
                _write_whole(self._file, head)
        end = len(head)
        for row, place, length in self._walk():
            if row.day is not None and (self._newest is None or row.day > self._newest):
                self._days.setdefault(row.day, {})
                for day in sorted(self._days)[:-_DAYS]:
                    del self._days[day]
            self._note(row, place, length)
            end = place + length
        with self._errors():
            self._file.truncate(end)

    def _walk(self) -> Iterator[tuple[Row, int, int]]:
        """Read the whole records: a row, where it begins and how many bytes it takes."""
        with self._errors(), self.path.open("rb") as file:
            place = file.seek(len(self._lines.head))
            record = b""
            for line in file:
                record += line
                if not self._lines.is_whole(record):
                    continue
                try:
                    row = self._lines.decode(record)
                except ValueError as exc:
                    raise StorageError(f"{self.path}: no snapshot at byte {place}: {exc}") from exc
                yield row, place, len(record)
                place, record = place + len(record), b""

    def _of(self, day: date) -> dict[AccountKey, tuple[int, int]]:
        """Give the places of a day's lines, read again where they are not at hand."""
        if day not in self._days:
            places = {}
            if self._newest is not None and day < self._newest:
                for row, place, length in self._walk():
                    if row.day == day:
                        places[row.key] = (place, length)
            self._days[day] = places
        return self._days[day]

    def _note(self, row: Row, place: int, length: int) -> None:
        if row.account_id is not None:
            self._ids[row.key] = row.account_id
        if row.day is None:
            return
        if self._newest is None or row.day > self._newest:
            self._newest = row.day
        places = self._days.get(row.day)
        if places is not None:
            self._has_twins |= row.key in places
            places[row.key] = (place, length)

    def _laid_over(self, row: Row) -> Row:
        if row.day is None:
            return row
        held = self._of(row.day).get(row.key)
        if held is None:
            return row
        other = self._lines.decode(self._part(*held))
        return row.over(other) if row.taken_at >= other.taken_at else other.over(row)

    def _part(self, place: int, length: int) -> bytes:
        self._file.seek(place)
        found = b""
        while len(found) < length and (more := self._file.read(length - len(found))):
            found += more
        return found

    def _compact(self) -> None:
        """Write the file anew beside itself, and put it in its place at once."""
        beside = self.path.with_name(f".{self.path.name}.{os.getpid()}")
        flags = os.O_RDWR | os.O_CREAT | os.O_TRUNC | getattr(os, "O_BINARY", 0)
        with self._errors():
            try:
                with os.fdopen(os.open(beside, flags, self._mode), "r+b") as file:
                    beside.chmod(self.path.stat().st_mode & 0o777)
                    file.write(self._lines.head)
                    for row, place, length in self._walk():
                        known = None if row.day is None else self._days.get(row.day)
                        held = None if known is None else known.get(row.key)
                        if held is None or held[0] == place:
                            file.write(self._part(place, length))
                    file.flush()
                    os.fsync(file.fileno())
                beside.replace(self.path)
            except BaseException:
                with contextlib.suppress(OSError):
                    beside.unlink()
                raise
        self._file.close()
        self._file = self._opened()
        self._ids, self._days, self._newest, self._has_twins = {}, {}, None, False
        self._read_all()

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as exc:
            raise StorageError(f"{self.path}: {exc.strerror or exc}") from exc


class JsonLinesSink(FileSink):
    """A JSON object for each account and day, one a line."""

    def __init__(self, path: Path | str, *, mode: int = 0o666) -> None:
        super().__init__(path, JsonLines(), mode=mode)


class CsvSink(FileSink):
    """A row of CSV for each account and day, with a column for each figure."""

    def __init__(self, path: Path | str, *, mode: int = 0o666) -> None:
        super().__init__(path, CsvLines(), mode=mode)


def _write_whole(file: IO[bytes], data: bytes) -> None:
    """Write all of it, or raise: without a buffer a full disk writes a part and says how much."""
    view = memoryview(data)
    while view:
        view = view[file.write(view) :]
