"""Settings: read once, from the environment over a TOML file over defaults."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final, Literal

import attrs

from ._setting_fields import (
    PREFIX,
    DigestName,
    NPlusOneMode,
    QueryDetail,
    TransportName,
    as_boolean,
    as_path,
    setting,
    spellings,
)
from ._setting_groups import (
    SLA_FILE,
    CacheSettings,
    DatabaseSettings,
    EvaluationSettings,
    MetricsSettings,
    PluginSettings,
    RedisSettings,
    ScraperSettings,
    WebSettings,
)
from ._toml import read_toml
from .exceptions import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path


__all__ = [
    "CacheSettings",
    "DatabaseSettings",
    "DigestName",
    "EvaluationSettings",
    "MetricsSettings",
    "NPlusOneMode",
    "PluginSettings",
    "QueryDetail",
    "RedisSettings",
    "ScraperSettings",
    "Settings",
    "Source",
    "TransportName",
    "WebSettings",
    "setting_fields",
]

Source = Literal["environment", "file", "default", "code"]

_CONFIG: Final = "HHS_PERF_CONFIG"
# Read by the command line alone, which talks to somebody else's monitor.
_FOREIGN: Final = frozenset({"HHS_PERF_TOKEN"})


def files_named(environ: Mapping[str, str] | None) -> tuple[Path | None, Path | None]:
    """Give the configuration file and the SLA file that variables name, other mistakes or not."""
    held = os.environ if environ is None else environ
    config, sla_file = (held.get(name) for name in (_CONFIG, SLA_FILE))
    return as_path(config) if config else None, as_path(sla_file) if sla_file else None


@attrs.frozen(kw_only=True)
class Settings:
    """All settings of one monitor."""

    enabled: bool = setting(
        "HHS_PERF_ENABLED", as_boolean, True, "false turns all measuring and the routes off"
    )
    config: Path | None = setting(
        _CONFIG, as_path, None, "TOML file with [settings], [sla.…] and [alerts.…] tables"
    )
    metrics: MetricsSettings = attrs.field(factory=MetricsSettings)
    evaluation: EvaluationSettings = attrs.field(factory=EvaluationSettings)
    web: WebSettings = attrs.field(factory=WebSettings)
    plugins: PluginSettings = attrs.field(factory=PluginSettings)
    redis: RedisSettings = attrs.field(factory=RedisSettings)
    cache: CacheSettings = attrs.field(factory=CacheSettings)
    database: DatabaseSettings = attrs.field(factory=DatabaseSettings)
    scrapers: ScraperSettings = attrs.field(factory=ScraperSettings)
    unknown: tuple[str, ...] = ()
    """Variables that start with HHS_PERF_ and are no settings: a platform's, or misspelt ones."""
    platform_variables: Mapping[str, str] = attrs.field(
        factory=dict, repr=lambda held: repr(sorted(held))
    )
    """Their values, of which some are the credentials of platforms: only their names are shown."""
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
    for group, of in ((None, Settings), *_GROUPS.items()):
        for field in attrs.fields(of):
            if "variable" in field.metadata:
                yield group, field


_GROUPS: Final[Mapping[str, type]] = {
    "metrics": MetricsSettings,
    "evaluation": EvaluationSettings,
    "web": WebSettings,
    "plugins": PluginSettings,
    "redis": RedisSettings,
    "cache": CacheSettings,
    "database": DatabaseSettings,
    "scrapers": ScraperSettings,
}


def _load_file(environ: Mapping[str, str], problems: list[str]) -> dict[str, str]:
    path = environ.get(_CONFIG)
    if not path:
        return {}
    try:
        table = read_toml(as_path(path)).get("settings", {})
    except ConfigurationError as exc:
        problems += exc.problems
        return {}
    known = {
        name for _, field in setting_fields() for name in spellings(field.metadata["variable"])
    }
    known -= {_CONFIG}
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
    places: tuple[tuple[Source, Mapping[str, str]], ...] = (
        ("environment", environ),
        ("file", from_file),
    )
    values: dict[str | None, dict[str, Any]] = {}
    sources: dict[str, Source] = {}
    known = set(_FOREIGN)
    for group, field in setting_fields():
        variable = field.metadata["variable"]
        names = spellings(variable)
        known.update(names)
        sources[variable] = "default"
        for source, place in places:
            # An empty variable is an unset one: that is how shells and compose files unset.
            name = next((name for name in names if place.get(name)), None)
            if name is None:
                continue
            sources[variable] = source
            try:
                values.setdefault(group, {})[field.name] = field.metadata["parse"](place[name])
            except ValueError as exc:
                problems.append(f"{name}: {exc}")
            break
    if problems:
        raise ConfigurationError(problems)
    unknown = sorted(name for name in environ if name.startswith(PREFIX) and name not in known)
    return Settings(
        **values.get(None, {}),
        **{name: of(**values.get(name, {})) for name, of in _GROUPS.items()},
        unknown=tuple(unknown),
        platform_variables={name: environ[name] for name in unknown if environ[name]},
        sources=sources,
    )
