"""Tasks that are to be done again, while the broker that keeps them is away or not."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from celery import Celery
from celery.exceptions import Reject, Retry

from hhs_perf.adapters._celery_retry import backoff, sent_again


def task_of(send: Callable[..., object]) -> Any:
    """A task of Celery's own, whose messages go to `send`."""
    app = Celery("host", broker="memory://", set_as_current=False)

    def scrape(self: object) -> None:
        """Never run here."""

    task = app.task(name="scrape", bind=True, max_retries=None, lazy=False, shared=False)(scrape)
    task.push_request(id="one", called_directly=False, args=(), kwargs={}, retries=0)
    task.signature_from_request = lambda *_, **options: SimpleNamespace(
        apply_async=lambda: send(**options)
    )
    return task


def test_a_broker_that_takes_no_message_keeps_the_one_it_has() -> None:
    """Celery alone would have it thrown away."""

    def send(**_: object) -> None:
        raise ConnectionError("refused")

    refused = sent_again(task_of(send), countdown=1.0)
    assert isinstance(refused, Reject)
    assert refused.requeue


def test_no_message_waits_for_longer_than_brokers_keep_it() -> None:
    """Half an hour, where Kombu's time-out is a whole one."""
    sent: list[float] = []

    def send(*, countdown: float, **_: object) -> None:
        sent.append(countdown)

    task = task_of(send)
    for tries in (0, 9):
        with pytest.raises(Retry):
            raise sent_again(task, countdown=backoff(tries))
    assert 15 <= sent[0] <= 30
    assert sent[1] == 1800
