"""Tasks that are to be done again later."""

from __future__ import annotations

import random
from typing import Any, Final, Protocol

from celery.exceptions import Reject

__all__ = ["Task", "backoff", "sent_again"]

_FIRST_BACKOFF: Final = 30.0
# Kombu keeps a message with a countdown unacknowledged: well below its visibility time-out.
_LONGEST_COUNTDOWN: Final = 1800.0


class Task(Protocol):
    """A task of Celery, bound to the message that it runs for."""

    request: Any

    def retry(self, **options: Any) -> BaseException:
        """Send the message again, and give what is to be raised."""
        ...


def sent_again(task: Task, *, countdown: float, **options: Any) -> BaseException:
    """Send the message of a task again, and give what is to be raised."""
    try:
        return task.retry(countdown=min(countdown, _LONGEST_COUNTDOWN), **options)
    except Reject as exc:
        # Celery drops what it cannot send again. The broker still has the first message.
        refused: BaseException = Reject(exc.reason, requeue=True)
        return refused


def backoff(tries: int) -> float:
    """Full jitter over the upper half: later, but never all at once."""
    longest: float = _FIRST_BACKOFF * 2**tries
    return random.uniform(longest / 2, longest)  # noqa: S311 - jitter
