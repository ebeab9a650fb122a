"""Reading TOML files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .exceptions import ConfigurationError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["parse_toml", "read_toml"]


def read_toml(path: Path) -> dict[str, object]:
    """Read a TOML file; raises ConfigurationError naming the file, and the line of the mistake."""
    try:
        text = path.read_text("utf-8-sig")
    except OSError as exc:
        raise ConfigurationError(f"{path}: cannot be read: {exc.strerror or exc}") from exc
    except UnicodeDecodeError as exc:
        raise ConfigurationError(f"{path}: is not UTF-8 text: {exc}") from exc
    return parse_toml(text, str(path))


def parse_toml(text: str, source: str) -> dict[str, object]:
    """Parse TOML; raises ConfigurationError that starts with `source`."""
    import tomllib  # noqa: PLC0415 - slow to import, and most processes have no file

    try:
        return tomllib.loads(text)
    except RecursionError as exc:
        raise ConfigurationError(f"{source}: is nested too deeply") from exc
    except ValueError as exc:  # TOMLDecodeError is one; so is an integer of too many digits
        raise ConfigurationError(f"{source}: {exc}") from exc
