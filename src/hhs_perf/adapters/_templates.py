"""Route templates of FastAPI and Starlette applications, mounts and inclusions included."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from ..web.recorder import UNMATCHED
from ._common import OWN

if TYPE_CHECKING:
    from collections.abc import Iterable, MutableMapping

__all__ = ["RouteTemplates"]

_MOST_FOREIGN: Final = 256
_DEEPEST: Final = 20
_PARAMETER: Final = re.compile(r"{[^:}]*(:[a-z]+)?}")


class _Several:
    """The templates of something that stands at several places, told apart by the path."""

    def __init__(self, templates: Iterable[str]) -> None:
        self.templates = tuple(templates)
        self._patterns = [(_pattern(each), each) for each in self.templates]

    def pick(self, path: str) -> str:
        found = (template for pattern, template in self._patterns if pattern.fullmatch(path))
        return next(found, UNMATCHED)


class RouteTemplates:
    """Finds the template of the route that an ASGI scope was matched to.

    What a scope tells differs by version: FastAPI before 0.137 put the whole path on the route,
    later ones keep the prefixes of included routers in a context of their own; Starlette before
    1.0 told the endpoint only. The endpoint, the context and the route are therefore looked up
    by identity in a table that walks the application once, and again when something unknown
    turns up. A path never is its own template. The endpoints `own` have `OWN` for theirs.
    """

    def __init__(self, app: object, own: Iterable[object] = ()) -> None:
        self._app = app
        self._own = {id(endpoint): endpoint for endpoint in own}
        self._known: dict[int, str | _Several] = dict.fromkeys(self._own, OWN)
        # Keeps alive what the table knows by its id, which could be used again otherwise.
        self._alive: list[object] = []
        self._foreign: dict[int, object] = {}

    def template_of(self, scope: MutableMapping[str, Any]) -> str | None:
        """Give the template, None if no route matched."""
        endpoint = scope.get("endpoint")
        if endpoint is None:
            return _frontend(scope)
        found = self._known.get(id(endpoint))
        if type(found) is str:
            return found
        if found is None:
            self._walk_again()
            found = self._known.get(id(endpoint))
        if isinstance(found, _Several):
            return self._tell_apart(found, scope)
        return found if found is not None else self._remember_foreign(endpoint, scope)

    def _tell_apart(self, found: _Several, scope: MutableMapping[str, Any]) -> str:
        context = scope.get("fastapi", {}).get("effective_route_context")
        for candidate in (context, scope.get("route")):
            template = self._known.get(id(candidate))
            # A context or route left over from further out knows another endpoint's template.
            if isinstance(template, str) and template in found.templates:
                return template
        root = scope.get("app_root_path", scope.get("root_path", ""))
        return found.pick(scope["path"].removeprefix(root))

    def _remember_foreign(self, endpoint: object, scope: MutableMapping[str, Any]) -> str:
        """Name an endpoint that stands in no list of routes; only so many of them are kept."""
        if len(self._foreign) >= _MOST_FOREIGN:
            return UNMATCHED
        route = scope.get("route")
        template = getattr(route, "path", None)
        if getattr(route, "endpoint", None) is not endpoint or not isinstance(template, str):
            template = UNMATCHED
        self._foreign[id(endpoint)] = endpoint
        self._known[id(endpoint)] = template
        return template

    def _walk_again(self) -> None:
        if len(self._foreign) >= _MOST_FOREIGN:
            return  # they would make every request walk
        places: dict[int, list[str]] = {}
        alive: list[object] = []
        for thing, template in _walk(_routes_of(self._app), "", 0):
            held = places.setdefault(id(thing), [])
            alive.append(thing)
            if template not in held:
                held.append(template)
        known: dict[int, str | _Several] = {
            key: held[0] if len(held) == 1 else _Several(held) for key, held in places.items()
        }
        for key in self._foreign:
            known.setdefault(key, self._known[key])
        known.update(dict.fromkeys(self._own, OWN))
        self._alive, self._known = alive, known


def _walk(routes: Iterable[object], prefix: str, depth: int) -> Iterable[tuple[object, str]]:
    """Yield each endpoint, route, context and mounted application with its template."""
    for route in routes:
        contexts = getattr(route, "effective_route_contexts", None)
        if contexts is None:
            yield from _walk_one(route, prefix, depth)
            continue
        for context in contexts():
            inner = getattr(context, "starlette_route", None)
            if inner is not None:
                for thing, template in _walk_one(inner, prefix, depth):
                    yield thing, template
                    if thing is inner:
                        yield context, template
            elif context.path:
                yield context.endpoint, prefix + context.path
                yield context, prefix + context.path


def _walk_one(route: object, prefix: str, depth: int) -> Iterable[tuple[object, str]]:
    path = prefix + (getattr(route, "path", None) or "")
    endpoint = getattr(route, "endpoint", None)
    if endpoint is not None:
        yield endpoint, path
        yield route, path
        return
    mounted = getattr(route, "app", None)
    inner = _routes_of(mounted) if depth < _DEEPEST else []
    # A scope that names the mount came no further: a whole application of its own (static
    # files), or no route in it.
    template = UNMATCHED if inner else path or "/"
    yield mounted, template
    yield route, template
    yield from _walk(inner, path, depth + 1)


def _routes_of(app: object) -> list[object]:
    """Find the routes of an application under the middleware that wraps it."""
    for _ in range(_DEEPEST):
        routes = getattr(app, "routes", None)
        if isinstance(routes, list | tuple):
            return list(routes)
        app = getattr(app, "app", None)
    return []


def _frontend(scope: MutableMapping[str, Any]) -> str | None:
    """Name the built frontend that answered; FastAPI matches those by their literal prefix."""
    inside = scope.get("fastapi", {}).get("frontend_path")
    if inside is None or "app_root_path" in scope:  # a mount's prefix may have parameters
        return None
    path: str = scope["path"].removeprefix(scope.get("root_path", ""))
    return path.removesuffix(inside).rstrip("/") + "/{path}"


def _pattern(template: str) -> re.Pattern[str]:
    parts, start = [], 0
    for parameter in _PARAMETER.finditer(template):
        parts.append(re.escape(template[start : parameter.start()]))
        parts.append(".*" if parameter[1] == ":path" else "[^/]+")
        start = parameter.end()
    return re.compile("".join([*parts, re.escape(template[start:])]))
