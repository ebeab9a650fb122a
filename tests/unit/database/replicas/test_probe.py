"""What a probe tells of servers that refuse, are silent, or are asked wrongly."""

from __future__ import annotations

import pytest
from sqlalchemy import create_engine

from hhs_perf.database.replicas.probe import PostgresProbe


class Server:
    """Answers with the next of `answers`; those that are errors are raised."""

    def __init__(self, *answers) -> None:
        self.engine = create_engine("postgresql+psycopg://me:s3cret@db.example/app")
        self.answers = list(answers)

    def ask(self, sql):
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


class RefusedError(Exception):
    """As drivers have it, for a lack of privileges."""

    sqlstate = "42501"


def test_a_refusal_is_noted_without_the_password(clock):
    replica = Server(RefusedError("me (s3cret) may not ask"), (True,))
    seen = PostgresProbe(Server(("0/100", 1.0)), replica, clock).look()
    assert seen.lag is None
    assert "me (***) may not ask" in seen.note


def test_a_primary_that_is_silent_leaves_the_replica_to_be_judged_alone(clock):
    replica = Server((True, "0/100", True, None, 1.0, 8192, 16 * 2**20))
    seen = PostgresProbe(Server(ConnectionError("gone")), replica, clock).look()
    assert (seen.lag, seen.lsn) == (0.0, 0x100)
    assert seen.note == "the primary did not tell its position: ConnectionError"


def test_an_error_of_our_own_is_not_taken_for_a_silent_primary(clock):
    with pytest.raises(ZeroDivisionError):
        PostgresProbe(Server(ZeroDivisionError()), Server(), clock).look()
