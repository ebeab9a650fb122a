"""Text for a terminal: what came from elsewhere is shown, never obeyed."""

from __future__ import annotations

import json
import sys
from typing import Final, NoReturn, TextIO

from rich.console import Console
from rich.text import Text

__all__ = ["PlainConsole", "cell", "console", "plain", "write_json"]

_LONGEST: Final = 500


class PlainConsole(Console):
    """A console that leaves it to its caller what to do when its reader has gone."""

    def on_broken_pipe(self) -> NoReturn:
        """Raise `BrokenPipeError`; rich itself would exit with 1, which means `warning` here."""
        self.quiet = True
        raise BrokenPipeError


def console(stream: TextIO | None = None) -> PlainConsole:
    """Make a console on `stream` (stdout unless given) that takes no text for markup."""
    file = stream or sys.stdout
    # A table cut at 80 columns is no use in a file or a pipe.
    width = None if file.isatty() else 160
    return PlainConsole(file=file, width=width, markup=False, highlight=False, emoji=False)


def plain(text: str, longest: int = _LONGEST) -> str:
    """Replace what could steer a terminal: control, bidirectional and unassigned characters."""
    shown = text if len(text) <= longest else f"{text[:longest]}…"
    return "".join(
        letter if letter.isprintable() else " " if letter.isspace() else "\N{REPLACEMENT CHARACTER}"
        for letter in shown
    )


def cell(text: str, style: str = "") -> Text:
    """Make a table cell of text that is not ours."""
    return Text(plain(text), style=style)


def write_json(value: object) -> None:
    """Print `value` as JSON in ASCII: escaped, no letter in it can steer a terminal."""
    sys.stdout.write(json.dumps(value, indent=2) + "\n")
