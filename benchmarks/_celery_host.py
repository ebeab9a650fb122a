"""What the benchmark's Celery workers load: our tasks, and one with Celery's own limit."""

from __future__ import annotations

import contextlib
import os
import urllib.error
import urllib.request

from celery import Celery

from hhs_perf import Monitor
from hhs_perf.adapters.celery import init_app

app = Celery("benchmark", broker=os.environ["REDIS_URL"], set_as_current=False)
app.conf.broker_connection_retry_on_startup = True
app.conf.worker_prefetch_multiplier = 1
monitor = init_app(app, Monitor.from_env(), chunk_size=4)


@app.task(name="benchmark.fetch", rate_limit="2/s", ignore_result=True)
def fetch(url: str) -> None:
    """Ask for one account, as a task that relies on Celery's limit does."""
    with contextlib.suppress(urllib.error.HTTPError), urllib.request.urlopen(url) as answer:
        answer.read()
