"""Where the list of hot keys is kept between two runs: in Redis, or in a file."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from .board import Board

__all__ = ["FileStore", "HotStore", "RedisStore"]

_LARGEST: Final = 1_048_576
_TRIES: Final = 5


class HotStore(Protocol):
    """Keeps some bytes for the next run."""

    def load(self) -> bytes | None:
        """Give what is kept; None when that is nothing. Raises where nothing could be kept."""
        ...

    def change(self, renewed: Callable[[bytes | None], bytes]) -> None:
        """Replace what is kept by what `renewed` makes of it."""
        ...


class RedisStore:
    """Keeps the list of all processes of a namespace in Redis. Raises L2Down."""

    def __init__(self, board: Board) -> None:
        self._board = board

    def load(self) -> bytes | None:
        """Read the list."""
        return self._board.read_hot()

    def change(self, renewed: Callable[[bytes | None], bytes]) -> None:
        """Replace the list; once more where another process has just done so."""
        for _ in range(_TRIES):
            held = self._board.read_hot()
            if self._board.swap_hot(held, renewed(held)):
                return


class FileStore:
    """Keeps the list in a file that its owner alone may read. Raises OSError."""

    def __init__(self, folder: Path, namespace: str) -> None:
        self._folder = folder
        self._path = folder / f"hot-keys-{namespace}.bin"

    def load(self) -> bytes | None:
        """Read the file; None when there is none."""
        # At the start somebody may be looking at the log; at the end, when it is written, nobody.
        self._prepare()
        try:
            with self._path.open("rb") as file:
                return file.read(_LARGEST)
        except FileNotFoundError:
            return None

    def change(self, renewed: Callable[[bytes | None], bytes]) -> None:
        """Replace the file in one step, so that nobody ever reads half of it."""
        data = renewed(self.load())
        fresh = self._path.with_name(f".{self._path.name}.{os.getpid()}-{secrets.token_hex(4)}")
        # Exclusively, so that no link that somebody has laid there is followed.
        handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
            fresh.replace(self._path)
        except BaseException:
            with contextlib.suppress(OSError):
                fresh.unlink()
            raise

    def _prepare(self) -> None:
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except FileExistsError:
            raise _refusal(errno.ENOTDIR, self._folder) from None
        if not os.access(self._folder, os.W_OK | os.X_OK):
            raise _refusal(errno.EACCES, self._folder)


def _refusal(number: int, folder: Path) -> OSError:
    return OSError(number, os.strerror(number), str(folder))
