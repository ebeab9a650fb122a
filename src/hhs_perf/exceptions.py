"""The errors of hhs_perf.

```text
HhsPerfError
├─ ConfigurationError(ValueError)    bad settings, all of them in one message
├─ MetricKindError(TypeError)        the name already is another kind of instrument
├─ UnknownSlaError(LookupError)
├─ UnknownWindowError(LookupError)
├─ CacheError
│  ├─ CacheBackendError              Redis refused, was silent or answered with an error
│  ├─ CacheCodecError(ValueError)    a value does not survive being written, or bytes are no value
│  ├─ CacheKeyError(TypeError)       no unambiguous key can be made of the arguments
│  ├─ CacheReentrancyError(RuntimeError)   a loader waits for itself
│  └─ CacheTimeoutError(TimeoutError)      the hard time-out of a load is over
├─ DatabaseError
│  ├─ NPlusOneError(RuntimeError)    one query for each row of another, where that was to raise
│  └─ ReplicaError
│     └─ ReadOnlyError(RuntimeError)   a write inside of read_only()
├─ PluginError
│  └─ UnknownPlatformError(LookupError)
├─ AccountsError(ValueError)         a list of accounts cannot be read, every bad row of it
├─ ScrapeError                       an account has no snapshot; one class for each kind
│  ├─ RateLimitedError
│  ├─ QuotaExhaustedError
│  ├─ AuthError(PermissionError)
│  ├─ ForbiddenError(PermissionError)
│  ├─ NotFoundError(LookupError)
│  ├─ SuspendedError
│  ├─ ChallengeError
│  ├─ SchemaChangedError(ValueError)
│  ├─ NetworkError(ConnectionError)
│  └─ ServerError
└─ StorageError                      snapshots cannot be written; the cause is chained
```

Private errors of `cli/` and `demo/` derive from HhsPerfError directly.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = [
    "SCRAPE_ERRORS",
    "AccountsError",
    "AuthError",
    "CacheBackendError",
    "CacheCodecError",
    "CacheError",
    "CacheKeyError",
    "CacheReentrancyError",
    "CacheTimeoutError",
    "ChallengeError",
    "ConfigurationError",
    "DatabaseError",
    "ForbiddenError",
    "HhsPerfError",
    "MetricKindError",
    "NPlusOneError",
    "NetworkError",
    "NotFoundError",
    "PluginError",
    "QuotaExhaustedError",
    "RateLimitedError",
    "ReadOnlyError",
    "ReplicaError",
    "SchemaChangedError",
    "ScrapeError",
    "ServerError",
    "StorageError",
    "SuspendedError",
    "UnknownPlatformError",
    "UnknownSlaError",
    "UnknownWindowError",
]


class HhsPerfError(Exception):
    """Base of all errors that hhs_perf raises on purpose; they can be pickled and copied."""

    def __reduce__(self) -> tuple[Any, ...]:
        """Be rebuilt from what is held: the parameters of `__init__` are not the message."""
        return _rebuilt, (type(self), self.args), self.__dict__


class ConfigurationError(HhsPerfError, ValueError):
    """The configuration cannot be used; `problems` lists every mistake, not only the first."""

    def __init__(self, problems: str | Iterable[str]) -> None:
        self.problems: tuple[str, ...] = (
            (problems,) if isinstance(problems, str) else tuple(problems)
        )
        super().__init__("; ".join(self.problems))

    @classmethod
    def missing_extra(cls, what: str, extra: str) -> ConfigurationError:
        """Say that `what` needs the extra `extra`, and the command that installs it."""
        return cls(f"{what} needs an extra that is not installed: pip install 'hhs-perf[{extra}]'")


class MetricKindError(HhsPerfError, TypeError):
    """The instrument `name` already exists as `kind` and was asked for as `wanted`."""

    def __init__(self, name: str, kind: str, wanted: str) -> None:
        self.name = name
        self.kind = kind
        self.wanted = wanted
        super().__init__(f"{name!r} is a {kind}, not a {wanted}")


class UnknownSlaError(HhsPerfError, LookupError):
    """No SLA has that name; `known` lists those that exist."""

    def __init__(self, name: str, known: Iterable[str]) -> None:
        self.name = name
        self.known: tuple[str, ...] = tuple(known)
        super().__init__(f"unknown SLA {name!r}; known are {', '.join(self.known) or 'none'}")


class UnknownWindowError(HhsPerfError, LookupError):
    """No window has that name; `known` lists those that exist."""

    def __init__(self, name: str, known: Iterable[str]) -> None:
        self.name = name
        self.known: tuple[str, ...] = tuple(known)
        super().__init__(f"unknown window {name!r}; allowed are {', '.join(self.known)}")


class CacheError(HhsPerfError):
    """Base of what the tiered cache raises."""


class CacheBackendError(CacheError):
    """Redis refused, was silent or answered with an error; the cause is chained."""


class CacheCodecError(CacheError, ValueError):
    """A value would not come back as it went in, or bytes cannot be read as a value.

    `reason` is one of a closed set: `foreign` (not this library's bytes), `version` (a later
    version's), `truncated`, `mac` (not signed with a known key), `value` (the value itself),
    `type` (not of the type asked for), `size` (larger than is allowed).
    """

    def __init__(
        self,
        reason: Literal["foreign", "version", "truncated", "mac", "value", "type", "size"],
        detail: str,
    ) -> None:
        self.reason = reason
        super().__init__(detail)


class CacheKeyError(CacheError, TypeError):
    """No unambiguous key can be made: the message names the parameter and the ways out."""


class CacheReentrancyError(CacheError, RuntimeError):
    """The loader of `key` asked for `key` again and would have waited for itself."""

    def __init__(self, key: str) -> None:
        self.key = key
        super().__init__(f"the loader of {key!r} asks for {key!r} again: it would wait for itself")


class CacheTimeoutError(CacheError, TimeoutError):
    """Loading `key` took longer than its hard time-out of `seconds`, and nothing stale was kept."""

    def __init__(self, key: str, seconds: float) -> None:
        self.key = key
        self.seconds = seconds
        super().__init__(f"loading {key!r} took longer than {seconds:g} s")


class DatabaseError(HhsPerfError):
    """Base of what the database part raises; the cause is chained."""


class NPlusOneError(DatabaseError, RuntimeError):
    """N+1 queries were found where they are to raise; `finding` tells line and way out."""

    def __init__(self, finding: object) -> None:
        self.finding = finding
        super().__init__(str(finding))


class ReplicaError(DatabaseError):
    """Read replicas cannot be used as they are set up."""


class ReadOnlyError(ReplicaError, RuntimeError):
    """A write was tried inside of `read_only()`."""


class PluginError(HhsPerfError):
    """A plugin broke a rule of its hooks; `plugin` names it."""

    def __init__(self, plugin: str, reason: str) -> None:
        self.plugin = plugin
        super().__init__(f"plugin {plugin!r}: {reason}")


class UnknownPlatformError(PluginError, LookupError):
    """No platform has that name; `known` lists those that exist."""

    def __init__(self, name: str, known: Iterable[str]) -> None:
        self.name = name
        self.known: tuple[str, ...] = tuple(known)
        super().__init__(name, f"no such platform; known are {', '.join(self.known) or 'none'}")


class AccountsError(HhsPerfError, ValueError):
    """A list of accounts cannot be read; `problems` names every bad row, not only the first."""

    def __init__(self, source: str, problems: Iterable[str]) -> None:
        self.source = source
        self.problems: tuple[str, ...] = tuple(problems)
        super().__init__(f"{source}: {'; '.join(self.problems)}")


class StorageError(HhsPerfError):
    """Snapshots cannot be written or read back; the cause is chained."""


class ScrapeError(HhsPerfError):
    """The account `handle` of `platform` has no snapshot; `kind` is the kind of failure.

    `wait` is for how many seconds the platform asked to be left alone, None where it did not.
    """

    kind: ClassVar[str] = ""

    def __init__(
        self, platform: str, handle: str, detail: str, *, wait: float | None = None
    ) -> None:
        self.platform = platform
        self.handle = handle
        self.detail = detail
        self.wait = wait
        super().__init__(f"{platform}: {handle}: {self.kind}: {detail}")


class RateLimitedError(ScrapeError):
    """The platform was asked too often."""

    kind = "rate_limited"


class QuotaExhaustedError(ScrapeError):
    """What the platform allows in a day or a month is used up."""

    kind = "quota_exhausted"


class AuthError(ScrapeError, PermissionError):
    """The credentials are wrong or have expired."""

    kind = "auth"


class ForbiddenError(ScrapeError, PermissionError):
    """The credentials do not allow this, or the account is private."""

    kind = "forbidden"


class NotFoundError(ScrapeError, LookupError):
    """The platform has no such account."""

    kind = "not_found"


class SuspendedError(ScrapeError):
    """The account is suspended or deactivated."""

    kind = "suspended"


class ChallengeError(ScrapeError):
    """A login page or a test for robots came back; no way around it is tried."""

    kind = "challenge"


class SchemaChangedError(ScrapeError, ValueError):
    """The reply is not what the platform documents: nothing is read out of it."""

    kind = "schema_changed"


class NetworkError(ScrapeError, ConnectionError):
    """No reply: refused, lost, cut short or too late."""

    kind = "network"


class ServerError(ScrapeError):
    """The platform says that it failed itself."""

    kind = "server"


SCRAPE_ERRORS: Final[Mapping[str, type[ScrapeError]]] = {
    each.kind: each
    for each in (
        RateLimitedError,
        QuotaExhaustedError,
        AuthError,
        ForbiddenError,
        NotFoundError,
        SuspendedError,
        ChallengeError,
        SchemaChangedError,
        NetworkError,
        ServerError,
    )
}
"""The error of each kind of failure."""


def _rebuilt(kind: type[HhsPerfError], args: tuple[Any, ...]) -> HhsPerfError:
    error = kind.__new__(kind, *args)
    error.args = args  # OSError, the base of TimeoutError, leaves that to an __init__ of its own
    return error
