"""How the replicas stand and where transactions went, as frozen values."""

from __future__ import annotations

from typing import Final, Literal, get_args

import attrs

__all__ = [
    "REASONS",
    "FallbackCount",
    "Reason",
    "ReplicaReport",
    "ReplicaState",
    "State",
]

State = Literal["healthy", "lagging", "down", "promoted", "unknown"]
Reason = Literal[
    "lag",
    "down",
    "promoted",
    "unknown",
    "own writes",
    "write",
    "for update",
    "connection",
    "conflict",
    "pinned",
    "two-phase",
    "off",
]
REASONS: Final[tuple[Reason, ...]] = get_args(Reason)


@attrs.frozen(kw_only=True, slots=False)
class ReplicaState:
    """One replica; times are seconds, `since` is a wall time, None is unknown.

    `lagging` is more than `max_lag` behind. `promoted` is no replica any more. `unknown` was not
    asked yet. `replay_lsn` is what the last probe saw, `probe_p50` the time of a probe.
    """

    name: str
    address: str
    state: State
    lag: float | None
    replay_lsn: str | None
    since: float
    last_error: str | None
    note: str | None
    transactions: int
    probes: int
    probe_p50: float | None


@attrs.frozen(kw_only=True, slots=False)
class FallbackCount:
    """Transactions, or rests of them, that ran on the primary for one reason.

    `own writes`: no replica had replayed the context's last commit. `write` and `for update`:
    the statement asked for it. `connection`: a raw connection was asked for. `conflict`: the
    standby cancelled the query. `pinned`: within `primary()`. `off`: there are no replicas.
    """

    reason: Reason
    transactions: int


@attrs.frozen(kw_only=True, slots=False)
class ReplicaReport:
    """A router since its start; `enabled` is False where everything runs on the primary."""

    enabled: bool
    note: str | None
    primary: str
    max_lag: float
    stick_for: float
    probe_every: float
    primary_transactions: int
    replica_transactions: int
    replicas: tuple[ReplicaState, ...]
    fallbacks: tuple[FallbackCount, ...]
