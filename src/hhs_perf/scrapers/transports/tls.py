"""Whom we believe that it is the platform."""

from __future__ import annotations

import ssl
from importlib import import_module
from importlib.util import find_spec

__all__ = ["make_context"]


def make_context() -> ssl.SSLContext:
    """Make the context that all connections share; it takes some 20 ms.

    The operating system's authorities are believed, or those of SSL_CERT_FILE and SSL_CERT_DIR,
    so that a network with an authority of its own needs no further setting. Where there are none,
    as with some builds of Python for macOS, certifi's are taken if it is installed.
    """
    context = ssl.create_default_context()
    paths = ssl.get_default_verify_paths()
    has_none = paths.cafile is None and paths.capath is None and not context.get_ca_certs()
    if has_none and find_spec("certifi") is not None:
        context.load_verify_locations(import_module("certifi").where())
    # ALPN is not offered: servers then speak HTTP/1.1.
    return context
