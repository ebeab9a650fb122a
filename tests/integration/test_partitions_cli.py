"""`hhs-perf partitions` on a real PostgreSQL."""

from __future__ import annotations

import json

import pytest

from hhs_perf.cli import main
from tests.postgres import Database


@pytest.fixture
def table(pg_database: Database, monkeypatch: pytest.MonkeyPatch) -> Database:
    """A partitioned table, and a DEFAULT partition with one row of the distant future."""
    monkeypatch.setenv("DATABASE_URL", pg_database.url())
    pg_database.say("CREATE TABLE fact (ts date, platform text) PARTITION BY RANGE (ts)")
    pg_database.say("CREATE TABLE fact_default PARTITION OF fact DEFAULT")
    pg_database.say("INSERT INTO fact VALUES (date_trunc('month', now()), 'x')")
    return pg_database


ARGUMENTS = ["partitions", "plan", "fact", "--by", "month:ts", "--by", "list:platform=x,youtube"]


@pytest.mark.parametrize("driver", ["", "psycopg", "asyncpg"])
def test_the_printed_script_is_what_psql_can_run(
    table: Database, driver: str, capsys: pytest.CaptureFixture[str]
) -> None:
    url = table.url(driver)
    assert main([*ARGUMENTS, "--ahead", "2", "--database-url", url]) == 0
    script = capsys.readouterr().out
    assert script.startswith("BEGIN;\n-- ")
    assert "move 1 rows of" in script
    assert table.say("SELECT count(*) FROM pg_inherits") == [(1,)]
    table.say(script)
    assert table.say("SELECT count(*) FROM pg_inherits") == [(1 + 3 * 4,)]
    assert main([*ARGUMENTS, "--ahead", "2", "--url", url]) == 0
    assert capsys.readouterr().out == "-- public.fact has all of its partitions.\n"


def test_json_holds_every_statement_with_its_reason(
    table: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*ARGUMENTS, "--json"]) == 0
    plan = json.loads(capsys.readouterr().out)
    assert (plan["table"], plan["rows_to_move"], plan["notices"]) == ("public.fact", 1, [])
    assert {step["kind"] for step in plan["steps"]} == {"lock", "create", "move", "attach"}
    assert all(step["why"] and step["sql"] for step in plan["steps"])


@pytest.mark.parametrize(
    ("table_name", "told"),
    [("nobody", "there is no table nobody"), ("pg_class", "is a table without partitions")],
)
def test_a_table_that_cannot_be_planned_is_a_matter_of_configuration(
    table: Database, table_name: str, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["partitions", "plan", table_name, "--by", "month:ts"]) == 78
    shown, complaints = capsys.readouterr()
    assert shown == ""
    assert told in complaints


@pytest.mark.parametrize("driver", ["psycopg", "asyncpg"])
def test_a_database_that_is_not_there_is_one_line_and_4(
    table: Database, driver: str, capsys: pytest.CaptureFixture[str]
) -> None:
    address = table.url(driver).replace("postgres@", "postgres:geheim@") + "_nope"
    assert main([*ARGUMENTS, "--url", address]) == 4
    complaints = capsys.readouterr().err
    assert complaints.count("\n") == 1
    assert "does not exist" in complaints
    assert "geheim" not in complaints
