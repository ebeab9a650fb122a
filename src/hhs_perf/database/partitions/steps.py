"""A plan: statements with what each is for, and what could not be planned."""

from __future__ import annotations

from typing import Final, Literal

import attrs

__all__ = ["Notice", "NoticeKind", "PartitionPlan", "Step"]

NoticeKind = Literal["gap", "overlap", "covered", "blocked", "name", "shape", "detached"]

_CONTROL: Final = dict.fromkeys((*range(32), 127), " ")


@attrs.frozen(kw_only=True, slots=False)
class Step:
    """One statement of a plan.

    `partition` is the table it is about, `rows` how many it moves as counted when it was planned.
    One with `alone` cannot run in a transaction.
    """

    kind: Literal["lock", "create", "move", "attach", "detach", "finalize", "drop"]
    partition: str
    sql: str
    why: str
    rows: int | None = None
    alone: bool = False


@attrs.frozen(kw_only=True, slots=False)
class Notice:
    """Something that was seen, and that no statement is planned for.

    `gap`: no partition takes those months. `overlap`: another partition takes a part of the month.
    `covered`: a wider one takes all of it. `blocked`: rows cannot be moved out of DEFAULT safely.
    `name`: the name is in use. `shape`: a partition has no partitions of its own, or others.
    `detached`: the statement that would drop what is detached; it is not part of the plan.
    """

    kind: NoticeKind
    partition: str | None
    text: str


@attrs.frozen(kw_only=True, slots=False)
class PartitionPlan:
    """What is to be done to a table; `table` is its quoted name.

    The statements with `alone` come last and run one by one, the others in one transaction.
    """

    table: str
    steps: tuple[Step, ...]
    notices: tuple[Notice, ...]

    @property
    def together(self) -> tuple[Step, ...]:
        """The steps of the one transaction."""
        return tuple(step for step in self.steps if not step.alone)

    @property
    def alone(self) -> tuple[Step, ...]:
        """The steps that run each outside a transaction."""
        return tuple(step for step in self.steps if step.alone)

    @property
    def rows_to_move(self) -> int:
        """Rows that leave a DEFAULT partition, as counted when it was planned."""
        return sum(step.rows or 0 for step in self.steps)

    def script(self) -> str:
        """Write it as SQL to be copied, each statement under a comment that says why."""
        lines = [_comment(f"{notice.kind}: {notice.text}") for notice in self.notices]
        if self.together:
            lines += ["BEGIN;", *map(_statement, self.together), "COMMIT;"]
        lines += map(_statement, self.alone)
        return "\n".join(lines) + "\n" if lines else ""


def _statement(step: Step) -> str:
    return f"{_comment(step.why)}\n{step.sql};"


def _comment(text: str) -> str:
    return f"-- {text.translate(_CONTROL)}"
