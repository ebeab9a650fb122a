"""What `init_app` makes of a Celery application; nobody is connected to."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from celery import Celery
from celery.schedules import crontab

from hhs_perf import Monitor
from hhs_perf.adapters.celery import beat_schedule, init_app
from hhs_perf.exceptions import ConfigurationError

NOBODY = "redis://127.0.0.1:1/0"


def monitor(**variables: str) -> Monitor:
    return Monitor.from_env({"REDIS_URL": NOBODY, **variables})


def celery(**settings: object) -> Celery:
    app = Celery("host", broker=NOBODY, set_as_current=False)
    app.conf.update(settings)
    return app


def test_the_variables_of_celery_become_its_settings() -> None:
    app = celery()
    init_app(app, monitor(CELERY_MAX_WORKERS="10", CELERY_PREFETCH="8"))
    assert (app.conf.worker_concurrency, app.conf.worker_prefetch_multiplier) == (10, 8)


def test_unset_they_leave_what_the_host_or_celery_decides() -> None:
    app = celery()
    before = (app.conf.worker_concurrency, app.conf.worker_prefetch_multiplier)
    init_app(app, monitor())
    assert (app.conf.worker_concurrency, app.conf.worker_prefetch_multiplier) == before
    app = celery(worker_concurrency=3, worker_prefetch_multiplier=2)
    init_app(app, monitor())
    assert (app.conf.worker_concurrency, app.conf.worker_prefetch_multiplier) == (3, 2)


@pytest.mark.parametrize(
    ("held", "timeout", "expected"),
    [
        ({}, 600.0, None),  # Kombu's hour is longer than five tasks of eleven minutes
        ({}, 900.0, 5 * 960.0),
        ({"visibility_timeout": 43_200}, 900.0, 43_200),
        ({"visibility_timeout": 100}, 600.0, 5 * 660.0),
    ],
)
def test_the_visibility_timeout_fits_the_longest_wait_and_is_never_lowered(
    held: dict[str, float], timeout: float, expected: float | None
) -> None:
    app = celery(broker_transport_options={**held, "queue_order_strategy": "priority"})
    init_app(app, monitor(), chunk_timeout=timeout)
    options = app.conf.broker_transport_options
    assert options.get("visibility_timeout") == expected
    assert options["queue_order_strategy"] == "priority"


def test_a_broker_without_such_a_timeout_gets_none() -> None:
    app = Celery("host", broker="amqp://localhost", set_as_current=False)
    init_app(app, monitor(), chunk_timeout=9000.0)
    assert "visibility_timeout" not in (app.conf.broker_transport_options or {})


def test_the_tasks_are_acknowledged_late_and_keep_no_results() -> None:
    app = celery()
    held = init_app(app, monitor())
    for name in ("hhs_perf.scrape", "hhs_perf.scrape_chunk"):
        task = app.tasks[name]
        assert (task.acks_late, task.reject_on_worker_lost, task.ignore_result) == (True,) * 3
        assert task.serializer == "json"
    assert app.hhs_perf is held
    other = celery()
    other.finalize()
    assert "hhs_perf.scrape" not in other.tasks


@pytest.mark.parametrize(
    "options", [{"chunk_size": 0}, {"chunk_timeout": 0}, {"max_wait": float("nan")}]
)
def test_options_that_mean_nothing_are_refused(options: dict[str, float]) -> None:
    with pytest.raises(ConfigurationError, match="above 0"):
        init_app(celery(), monitor(), **options)


def test_a_second_monitor_and_one_without_redis_are_refused() -> None:
    app = celery()
    init_app(app, monitor())
    with pytest.raises(ConfigurationError, match="already has a monitor"):
        init_app(app, monitor())
    with pytest.raises(ConfigurationError, match="REDIS_URL"):
        init_app(celery(), Monitor.from_env({}))


def test_a_schedule_is_what_beat_understands() -> None:
    [(name, entry)] = beat_schedule(core_only=True, platforms=("x",)).items()
    assert name == entry["task"] == "hhs_perf.scrape"
    assert entry["schedule"] == crontab(hour=6, minute=0)
    assert json.loads(json.dumps(entry["kwargs"])) == {
        "platforms": ["x"],
        "core_only": True,
        "core": None,
    }
    assert entry["options"]["expires"] == 6 * 3600
    other = beat_schedule(60.0, name="each minute")
    assert other["each minute"]["schedule"] == 60.0


SCRIPT = """
import sys
import hhs_perf.adapters.celery as adapter
slow = ("hhs_perf.scrapers", "sqlalchemy", "httpx")
loaded = [each for each in sys.modules if each.startswith(slow)]
assert not loaded, loaded
assert adapter.GatheredRun is adapter.GatheredRun
print("light")
"""


def test_who_only_sends_tasks_does_not_load_the_engine() -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True
    )
    assert done.stdout == "light\n"


def test_without_its_extra_it_names_the_command_that_installs_it() -> None:
    code = "import sys; sys.modules['celery'] = None; import hhs_perf.adapters.celery"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "pip install 'hhs-perf[celery]'" in done.stderr
