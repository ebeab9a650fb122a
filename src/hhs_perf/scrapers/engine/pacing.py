"""When to ask again: pauses that platforms want, and random ones before a retry."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import random

    from .lane import Job
    from .reading import Answer

__all__ = ["SHORTEST_PAUSE", "backoff", "pause_after"]

SHORTEST_PAUSE: Final = 0.05
_LONGEST_PAUSE: Final = 31 * 86_400.0
_FIRST_BACKOFF: Final = 0.5
_LONGEST_BACKOFF: Final = 30.0


def backoff(chance: random.Random, tries: int, *, least: float = 0.0) -> float:
    """Give a random number of seconds up to 1, 2, 4, … 30, at least the share `least` of it.

    Full jitter, as in M. Brooker, "Exponential Backoff And Jitter", AWS, 2015.
    """
    longest = min(_LONGEST_BACKOFF, _FIRST_BACKOFF * 2**tries)
    return chance.uniform(least * longest, longest)


def pause_after(answer: Answer, job: Job, chance: random.Random) -> float:
    """Give the seconds for which a reply asks to be left alone; 0: go on."""
    failure, signal = answer.failure, answer.signal
    wait = 0.0 if signal is None or signal.wait is None else signal.wait
    if failure is not None and failure.wait is not None:
        wait = max(wait, failure.wait)
    if wait > _LONGEST_PAUSE:
        wait = 0.0  # milliseconds taken for seconds, say: nobody means that
    if failure is not None and failure.kind == "rate_limited":
        # Some say `Retry-After: 0`, and refuse again.
        return max(wait, SHORTEST_PAUSE) if wait else backoff(chance, job.tries, least=0.5)
    used_up = signal is not None and (
        (signal.remaining is not None and signal.remaining < 1)
        or (signal.used is not None and signal.used >= 1)
    )
    if used_up:
        return wait
    # The end of an allowance of which something is left is nothing to wait for.
    is_down = failure is not None and failure.kind == "server"
    return wait if is_down and failure is not None and failure.wait is not None else 0.0
