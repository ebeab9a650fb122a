"""Bodies of `/api/performance` for the tests of `hhs-perf status`, and what its errors are."""

from __future__ import annotations

import json

__all__ = ["TOKEN", "alert", "body", "objective", "one_line", "sla"]

TOKEN = "s3cret-token"


def objective(name: str = "p95", status: str = "met", **more: object) -> dict[str, object]:
    return {
        "name": name,
        "status": status,
        "value": 0.12,
        "target": 0.5,
        "op": "<",
        "unit": "s",
        "samples": 1234,
        "window": "1h",
        **more,
    }


def sla(*objectives: dict[str, object], name: str = "api-response-time") -> dict[str, object]:
    return {"name": name, "status": "unknown", "objectives": list(objectives)}


def alert(**more: object) -> dict[str, object]:
    return {
        "rule": "error-rate",
        "severity": "warning",
        "state": "firing",
        "figure": "errors / responses",
        "op": ">",
        "threshold": 0.05,
        "value": 0.07,
        "unit": "ratio",
        "tags": {"route": "/api/broken"},
        "since": "2026-11-24T08:00:00.000Z",
        **more,
    }


def body(*slas: dict[str, object], active: tuple[dict[str, object], ...] = ()) -> bytes:
    return json.dumps(
        {
            "generated_from": "2026-11-24T08:00:00.000Z",
            "window": {"name": "5m", "seconds": 300},
            "scope": "process",
            "api": {"observed": False},
            "sla": {"status": "unknown", "slas": slas},
            "alerts": {"active": active, "history": []},
        }
    ).encode()


def one_line(text: str) -> str:
    assert text.count("\n") == 1
    assert text.startswith("hhs-perf: ")
    assert "Traceback" not in text
    assert TOKEN not in text
    return text
