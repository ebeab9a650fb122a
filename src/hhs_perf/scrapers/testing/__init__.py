"""For tests of scrapers and of plugins: fake platforms, offline, over sockets or in one process."""

from __future__ import annotations

from .faults import FAULT_KINDS, Fault
from .ports import deaf_url, refusing_url
from .rebased import rebased
from .samples import Sample
from .server import Arrival, FakeServer
from .simulated import SimulatedTransport
from .values import (
    Answer,
    FakeAccount,
    FakePlatform,
    Limits,
    Refusal,
    Request,
    Scene,
    bearer,
    json_answer,
)
from .world import FakeWorld

__all__ = [
    "FAULT_KINDS",
    "Answer",
    "Arrival",
    "FakeAccount",
    "FakePlatform",
    "FakeServer",
    "FakeWorld",
    "Fault",
    "Limits",
    "Refusal",
    "Request",
    "Sample",
    "Scene",
    "SimulatedTransport",
    "bearer",
    "deaf_url",
    "json_answer",
    "rebased",
    "refusing_url",
]
