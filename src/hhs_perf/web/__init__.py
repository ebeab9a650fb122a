"""The web layer: routes, authentication and request timing that belong to no framework."""

from __future__ import annotations

from .auth import Authenticator, Principal, TokenAuthenticator, allow_all
from .http import Request, Response, problem
from .site import Endpoint, Site

__all__ = [
    "Authenticator",
    "Endpoint",
    "Principal",
    "Request",
    "Response",
    "Site",
    "TokenAuthenticator",
    "allow_all",
    "problem",
]
