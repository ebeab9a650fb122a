"""Where a Redis or Valkey is: one server, a primary that Sentinels know, or a cluster."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, Literal
from urllib.parse import parse_qsl, quote, unquote, urlsplit

import attrs

if TYPE_CHECKING:
    from collections.abc import Callable
    from urllib.parse import SplitResult

__all__ = ["Address", "Kind", "Node", "masked"]

Kind = Literal["single", "sentinel", "cluster"]
Node = tuple[str, int]

_HIDDEN: Final = "********"
# The scheme's first word, and whether it means TLS.
_BASES: Final = {"redis": False, "valkey": False, "rediss": True, "valkeys": True}
_KINDS: Final[dict[str, Kind]] = {"": "single", "sentinel": "sentinel", "cluster": "cluster"}
_PORT: Final = 6379
_SENTINEL_PORT: Final = 26379
_WORD: Final = re.compile(r"[a-z][a-z_]*")
_NODE: Final = re.compile(r"(?P<host>\[[0-9A-Fa-f:.%\w]+\]|[^:\[\]]*)(?::(?P<port>\d{1,5}))?")
_VERIFY: Final = {"none": "none", "optional": "optional", "required": "required"}


def _protocol(text: str) -> int:
    if text not in ("2", "3"):
        raise ValueError("protocol must be 2 or 3")
    return int(text)


def _number_of_db(text: str) -> int:
    if not re.fullmatch(r"\d{1,5}", text):
        raise ValueError("the database must be a whole number")
    return int(text)


def _flag(text: str) -> bool:
    known = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
    if text.lower() not in known:
        raise ValueError("ssl_check_hostname must be true or false")
    return known[text.lower()]


def _verify(text: str) -> str:
    # Celery's spelling of the same variable is CERT_REQUIRED.
    word = text.lower().removeprefix("cert_")
    if word not in _VERIFY:
        raise ValueError("ssl_cert_reqs must be none, optional or required")
    return word


_TLS_OPTIONS: Final[dict[str, Callable[[str], str | bool]]] = {
    "ssl_ca_certs": str,
    "ssl_certfile": str,
    "ssl_keyfile": str,
    "ssl_password": str,
    "ssl_cert_reqs": _verify,
    "ssl_check_hostname": _flag,
}
_OPTIONS: Final = (
    *("db", "protocol", "client_name", "username", "password"),
    *("sentinel_username", "sentinel_password", *_TLS_OPTIONS),
)
_SECRET_OPTIONS: Final = frozenset({"password", "sentinel_password", "ssl_password"})
# Other programs may share the URL. These say how to wait and to try again, which is settled here.
_OVERRULED: Final = frozenset(
    {
        *("decode_responses", "encoding", "health_check_interval", "max_connections"),
        *("retry_on_error", "retry_on_timeout", "socket_connect_timeout", "socket_keepalive"),
        *("socket_timeout", "timeout"),
    }
)


@attrs.frozen(kw_only=True, repr=False)
class Address:
    """What a URL says; its text, which `str` and `repr` give, has no password.

    `nodes` are servers, Sentinels or members of the cluster; it is empty where `path` names a
    unix socket. `protocol` is None where the URL leaves it open.
    """

    kind: Kind = "single"
    nodes: tuple[Node, ...] = ()
    path: str | None = None
    service: str | None = None
    db: int = 0
    tls: bool = False
    protocol: int | None = None
    username: str | None = None
    password: str | None = None
    sentinel_username: str | None = None
    sentinel_password: str | None = None
    client_name: str | None = None
    tls_options: tuple[tuple[str, str | bool], ...] = ()

    @classmethod
    def parse(cls, url: str) -> Address:
        """Read a URL.

        - `redis://[[user]:password@]host[:port][/db]`; `rediss` is TLS; `valkey` and `valkeys`
          mean the same two;
        - `unix://[[user]:password@]/path/of/socket[?db=0]`;
        - `redis+sentinel://[…@]host[:port],host2[:port]/service[/db]`, or `rediss+sentinel`;
        - `redis+cluster://[…@]host[:port],host2[:port]`, or `rediss+cluster`.

        Options after `?` are those of redis-py for names, protocol, database and TLS. Raises
        ValueError that says what is wrong and holds nothing of the URL but names of options.
        """
        parts = _split(url.strip())
        options = _read_options(parts)
        if parts.scheme == "unix":
            return cls(**_common(parts, options, tls=False), path=_socket_path(parts))
        base, _, rest = parts.scheme.partition("+")
        if base not in _BASES or rest not in _KINDS:
            raise ValueError(
                "the scheme must be redis, rediss, valkey, valkeys or unix;"
                " +sentinel or +cluster may follow all but the last"
            )
        kind, tls = _KINDS[rest], _BASES[base]
        found = _common(parts, options, tls=tls)
        nodes = _read_nodes(parts, _SENTINEL_PORT if kind == "sentinel" else _PORT)
        if kind == "single" and len(nodes) > 1:
            raise ValueError("several hosts need the scheme redis+sentinel or redis+cluster")
        service, db = _read_path(parts, has_service=kind == "sentinel")
        if db is not None:
            found["db"] = db
        if kind == "cluster" and found["db"]:
            raise ValueError("a cluster has database 0 only")
        return cls(**found, kind=kind, nodes=nodes, service=service, tls=tls)

    def __str__(self) -> str:
        scheme = "unix" if self.path is not None else "rediss" if self.tls else "redis"
        scheme += "" if self.kind == "single" else f"+{self.kind}"
        login = ""
        if self.username is not None or self.password is not None:
            login = quote(self.username or "", safe="")
            login += f":{_HIDDEN}@" if self.password is not None else "@"
        hosts = ",".join(_host_text(host) + f":{port}" for host, port in self.nodes)
        path = quote(self.path or "") + (f"/{quote(self.service)}" if self.service else "")
        options = {"protocol": self.protocol, "client_name": self.client_name}
        if self.path is not None:
            options["db"] = self.db or None
        elif self.kind != "cluster":
            path += f"/{self.db}"
        options["sentinel_username"] = self.sentinel_username
        options["sentinel_password"] = self.sentinel_password and _HIDDEN
        for name, value in self.tls_options:
            options[name] = _HIDDEN if name in _SECRET_OPTIONS else str(value).lower()
        query = "&".join(f"{k}={v}" for k, v in options.items() if v is not None)
        return f"{scheme}://{login}{hosts}{path}" + (f"?{query}" if query else "")

    def __repr__(self) -> str:
        return f"Address({str(self)!r})"


def masked(url: str) -> str:
    """Write a URL without its passwords, and one that cannot be read not at all."""
    try:
        return str(Address.parse(url))
    except ValueError:
        return _HIDDEN


def _split(url: str) -> SplitResult:
    if not re.match(r"[A-Za-z+]+://", url):
        raise ValueError("must begin with redis:// or another scheme, and has none")
    try:
        parts = urlsplit(url)
    except ValueError:
        raise ValueError("the host is malformed") from None
    if parts.fragment:
        raise ValueError("'#' in a password must be written %23")
    return parts


def _host_text(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _read_options(parts: SplitResult) -> dict[str, str]:
    options: dict[str, str] = {}
    for name, value in parse_qsl(parts.query, keep_blank_values=True):
        if name in _OPTIONS:
            options[name] = value
        elif name not in _OVERRULED:
            # A password with a bare '?' would stand here, so only what cannot be one is named.
            named = f" {name!r}" if "@" not in parts.query and _WORD.fullmatch(name) else ""
            raise ValueError(f"the option{named} is not known; known are {', '.join(_OPTIONS)}")
    return options


def _common(parts: SplitResult, options: dict[str, str], *, tls: bool) -> dict[str, Any]:
    login, at, _ = parts.netloc.rpartition("@")
    username, colon, password = login.partition(":")
    if at and not colon and "password" not in options:
        raise ValueError("a password without a user name is written with a colon before it")
    found: dict[str, Any] = {
        "username": unquote(username) or options.get("username") or None,
        "password": unquote(password) or options.get("password") or None,
        "db": _number_of_db(options.get("db", "0")),
        "protocol": _protocol(options["protocol"]) if "protocol" in options else None,
        "client_name": options.get("client_name"),
        "sentinel_username": options.get("sentinel_username"),
        "sentinel_password": options.get("sentinel_password"),
    }
    of_tls = {name: read(options[name]) for name, read in _TLS_OPTIONS.items() if name in options}
    if of_tls and not tls:
        raise ValueError("options that begin with ssl_ need a TLS scheme, such as rediss://")
    found["tls_options"] = tuple(of_tls.items())
    return found


def _socket_path(parts: SplitResult) -> str:
    if parts.netloc.rpartition("@")[2] or not parts.path.strip("/"):
        raise ValueError("unix:// must be followed by the absolute path of a socket")
    return unquote(parts.path)


def _read_path(parts: SplitResult, *, has_service: bool) -> tuple[str | None, int | None]:
    """Give the name of the service and the number of the database, as far as there are any."""
    segments = [unquote(segment) for segment in parts.path.split("/") if segment]
    if has_service and not segments:
        raise ValueError("the name of the service must follow the Sentinels: /mymaster")
    service = segments.pop(0) if has_service else None
    if len(segments) > 1:
        raise ValueError("too many parts after the host")
    return service, _number_of_db(segments[0]) if segments else None


def _read_nodes(parts: SplitResult, port: int) -> tuple[Node, ...]:
    nodes: list[Node] = []
    for entry in parts.netloc.rpartition("@")[2].split(","):
        found = _NODE.fullmatch(entry.strip())
        if found is None or int(found["port"] or port) not in range(1, 65536):
            raise ValueError(
                "must have host[:port] after the scheme;"
                " ':', '/', '?', '#' and '@' in a password are written %3A, %2F, %3F, %23 and %40"
            )
        host = found["host"].strip("[]") or "localhost"
        nodes.append((host, int(found["port"] or port)))
    return tuple(nodes)
