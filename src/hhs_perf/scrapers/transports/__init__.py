"""What speaks HTTP: one small file for each library, and what they share.

All of them keep connections alive, follow no redirect, keep no cookie and cap a body while they
read it. No library is loaded before a transport is made.
"""

from __future__ import annotations

from .choice import TRANSPORTS, factory_of

__all__ = ["TRANSPORTS", "factory_of"]
