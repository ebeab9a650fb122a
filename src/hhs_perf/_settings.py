"""Settings: read once, from the environment over a TOML file over defaults."""

from __future__ import annotations

import math
import os
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar, cast

import attrs

from ._toml import read_toml
from .exceptions import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from ._tokens import Token

__all__ = [
    "EvaluationSettings",
    "MetricsSettings",
    "PluginSettings",
    "Settings",
    "Source",
    "WebSettings",
    "setting_fields",
]

V = TypeVar("V")
Source = Literal["environment", "file", "default", "code"]
DigestName = Literal["auto", "fastdigest", "tdigest"]

_PREFIX: Final = "HHS_PERF_"
_CONFIG: Final = "HHS_PERF_CONFIG"
_SLA_FILE: Final = "HHS_PERF_SLA_FILE"
# Read by the command line alone, which talks to somebody else's monitor.
_FOREIGN: Final = frozenset({"HHS_PERF_TOKEN"})


def _setting(
    variable: str,
    parse: Callable[[str], V],
    default: V | tuple[()],
    meaning: str,
    *,
    secret: bool = False,
) -> Any:
    metadata = {"variable": variable, "parse": parse, "meaning": meaning, "secret": secret}
    return attrs.field(default=default, metadata=metadata)


def _boolean(text: str) -> bool:
    known = {"true": True, "1": True, "yes": True, "on": True}
    known |= {"false": False, "0": False, "no": False, "off": False}
    try:
        return known[text.strip().lower()]
    except KeyError:
        raise ValueError(f"must be true or false, got {text!r}") from None


def _integer(at_least: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            raise ValueError(f"must be a whole number, got {text!r}") from None
        if value < at_least:
            raise ValueError(f"must be at least {at_least}, got {value}")
        return value

    return parse


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise ValueError(f"must be a number of seconds, got {text!r}") from None
    if not 0 < value < math.inf:
        raise ValueError(f"must be more than 0 seconds and finite, got {text}")
    return value


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(",") if word.strip())


def files_named(environ: Mapping[str, str] | None) -> tuple[Path | None, Path | None]:
    """Give the configuration file and the SLA file that variables name, other mistakes or not."""
    held = os.environ if environ is None else environ
    config, sla_file = (held.get(name) for name in (_CONFIG, _SLA_FILE))
    return _path(config) if config else None, _path(sla_file) if sla_file else None


def _path(text: str) -> Path:
    from pathlib import Path  # noqa: PLC0415 - slow, and most processes have no file

    return Path(text)


def _tokens(text: str) -> tuple[Token, ...]:
    from ._tokens import parse_tokens  # noqa: PLC0415 - hashlib is slow to import

    return parse_tokens(text)


def _digest(text: str) -> DigestName:
    if text not in ("auto", "fastdigest", "tdigest"):
        raise ValueError(f"must be auto, fastdigest or tdigest, got {text!r}")
    return cast("DigestName", text)


@attrs.frozen(kw_only=True)
class MetricsSettings:
    """How observations are kept."""

    digest: DigestName = _setting(
        "HHS_PERF_DIGEST", _digest, "auto", "t-digest engine: auto, fastdigest or tdigest"
    )
    max_series: int = _setting(
        "HHS_PERF_MAX_SERIES", _integer(1), 2000, "most series held; what is past it is `other`"
    )
    max_series_per_instrument: int = _setting(
        "HHS_PERF_MAX_SERIES_PER_INSTRUMENT", _integer(1), 500, "most series under one name"
    )


@attrs.frozen(kw_only=True)
class EvaluationSettings:
    """How SLAs and alerts are judged."""

    evaluate_every: float = _setting(
        "HHS_PERF_EVALUATE_EVERY", _seconds, 15.0, "seconds between two evaluations"
    )
    sla_file: Path | None = _setting(
        _SLA_FILE, _path, None, "TOML file with [sla.…] and [alerts.…] tables"
    )


@attrs.frozen(kw_only=True)
class WebSettings:
    """How requests are timed and who may see the figures."""

    tokens: tuple[Token, ...] = _setting(
        "HHS_PERF_TOKENS",
        _tokens,
        (),
        "Bearer tokens, role[+role]:[name=]secret, comma-separated",
        secret=True,
    )
    ignore_routes: tuple[str, ...] = _setting(
        "HHS_PERF_IGNORE_ROUTES",
        _words,
        (),
        "route templates left untimed, comma-separated; a trailing * stands for anything",
    )


@attrs.frozen(kw_only=True)
class PluginSettings:
    """Which plugins are used."""

    disabled: tuple[str, ...] = _setting(
        "HHS_PERF_DISABLE_PLUGINS", _words, (), "names of plugins left out, comma-separated"
    )


@attrs.frozen(kw_only=True)
class Settings:
    """All settings of one monitor."""

    enabled: bool = _setting(
        "HHS_PERF_ENABLED", _boolean, True, "false turns all measuring and the routes off"
    )
    config: Path | None = _setting(
        _CONFIG, _path, None, "TOML file with [settings], [sla.…] and [alerts.…] tables"
    )
    metrics: MetricsSettings = attrs.field(factory=MetricsSettings)
    evaluation: EvaluationSettings = attrs.field(factory=EvaluationSettings)
    web: WebSettings = attrs.field(factory=WebSettings)
    plugins: PluginSettings = attrs.field(factory=PluginSettings)
    unknown: tuple[str, ...] = ()
    """Variables that start with HHS_PERF_ and mean nothing: most often, misspelt ones."""
    sources: Mapping[str, Source] = attrs.field(factory=dict, repr=False, eq=False)
    """Where each variable's value comes from; `code` for settings made by hand."""

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None) -> Settings:
        """Read `environ`, or the environment of the process, over the file HHS_PERF_CONFIG.

        Raises ConfigurationError with every mistake of both at once.
        """
        return _read(os.environ if environ is None else environ)


def setting_fields() -> Iterator[tuple[str | None, attrs.Attribute[Any]]]:
    """Give every field that is a setting, with the name of the group that it stands in."""
    groups = {
        "metrics": MetricsSettings,
        "evaluation": EvaluationSettings,
        "web": WebSettings,
        "plugins": PluginSettings,
    }
    for group, of in ((None, Settings), *groups.items()):
        for field in attrs.fields(of):
            if "variable" in field.metadata:
                yield group, field


def _load_file(environ: Mapping[str, str], problems: list[str]) -> dict[str, str]:
    path = environ.get(_CONFIG)
    if not path:
        return {}
    try:
        table = read_toml(_path(path)).get("settings", {})
    except ConfigurationError as exc:
        problems += exc.problems
        return {}
    known = {field.metadata["variable"] for _, field in setting_fields()} - {_CONFIG}
    found: dict[str, str] = {}
    if not isinstance(table, dict):
        problems.append(f"{path}: settings: must be a table")
        return {}
    for variable, value in table.items():
        if variable not in known:
            problems.append(f"{path}: settings.{variable}: unknown setting")
        elif isinstance(value, list) and all(isinstance(item, str) for item in value):
            found[variable] = ",".join(value)
        elif isinstance(value, str | int | float):
            found[variable] = str(value)
        else:
            problems.append(f"{path}: settings.{variable}: must be a string, number or boolean")
    return found


def _read(environ: Mapping[str, str]) -> Settings:
    problems: list[str] = []
    from_file = _load_file(environ, problems)
    values: dict[str | None, dict[str, Any]] = {}
    sources: dict[str, Source] = {}
    known = set(_FOREIGN)
    for group, field in setting_fields():
        variable = field.metadata["variable"]
        known.add(variable)
        # An empty variable is an unset one: that is how shells and compose files unset.
        text = environ.get(variable) or from_file.get(variable)
        if not text:
            sources[variable] = "default"
            continue
        sources[variable] = "environment" if environ.get(variable) else "file"
        try:
            values.setdefault(group, {})[field.name] = field.metadata["parse"](text)
        except ValueError as exc:
            problems.append(f"{variable}: {exc}")
    if problems:
        raise ConfigurationError(problems)
    return Settings(
        **values.get(None, {}),
        metrics=MetricsSettings(**values.get("metrics", {})),
        evaluation=EvaluationSettings(**values.get("evaluation", {})),
        web=WebSettings(**values.get("web", {})),
        plugins=PluginSettings(**values.get("plugins", {})),
        unknown=tuple(sorted(v for v in environ if v.startswith(_PREFIX) and v not in known)),
        sources=sources,
    )
