"""Plans read from what databases of several versions say."""

import json

import pytest

from hhs_perf.database.plans import postgresql, sqlite


@pytest.mark.parametrize(
    ("detail", "expected"),
    [
        ("SCAN t", ("t", None, "seq", None)),
        ("SCAN TABLE t", ("t", None, "seq", None)),
        ("SCAN TABLE t AS x", ("t", "x", "seq", None)),
        ("SCAN t USING COVERING INDEX ix", ("t", None, "index", "ix")),
        ("SEARCH t USING INDEX ix (a=?)", ("t", None, "index", "ix")),
        ("SEARCH TABLE t USING INDEX ix (a=? AND b>?)", ("t", None, "index", "ix")),
        ("SEARCH t USING INTEGER PRIMARY KEY (rowid=?)", ("t", None, "key", None)),
        ("SEARCH t USING PRIMARY KEY (a=?)", ("t", None, "key", None)),
        ("SEARCH t USING AUTOMATIC COVERING INDEX (a=?)", ("t", None, "automatic", None)),
        (
            "SEARCH t USING AUTOMATIC PARTIAL COVERING INDEX (a=?) LEFT-JOIN",
            ("t", None, "automatic", None),
        ),
        ("SCAN t LEFT-JOIN", ("t", None, "seq", None)),
        ("SCAN my table", ("my table", None, "seq", None)),
    ],
)
def test_sqlite_scans(detail, expected):
    """Old and new spellings give the same scan."""
    [scan] = sqlite.read([(2, 0, 0, detail)]).scans
    assert (scan.table, scan.alias, scan.kind, scan.index) == expected


@pytest.mark.parametrize(
    "detail",
    [
        "SCAN CONSTANT ROW",
        "SCAN SUBQUERY 1",
        "SCAN (subquery-3)",
        "SCAN f VIRTUAL TABLE INDEX 0:'x'",
        "USE TEMP B-TREE FOR ORDER BY",
        "CO-ROUTINE recent",
    ],
)
def test_what_is_no_table_is_no_scan(detail):
    """Subqueries and virtual tables have no indexes to advise."""
    assert sqlite.read([(2, 0, 0, detail)]).scans == ()


def test_sqlite_plans_are_indented():
    """The tree of the plan is its text."""
    rows = [(3, 0, 0, "MERGE"), (5, 3, 0, "SCAN a"), (7, 5, 0, "SCAN b")]
    assert sqlite.read(rows).text.splitlines() == ["MERGE", "  SCAN a", "    SCAN b"]


def _node(**fields):
    return {"Startup Cost": 0.0, "Total Cost": 9.5, "Plan Rows": 3, **fields}


def test_postgresql_plans_hold_no_literals():
    """Values that the planner put into conditions are masked."""
    node = _node(
        **{
            "Node Type": "Seq Scan",
            "Relation Name": "users",
            "Schema": "public",
            "Alias": "users",
            "Filter": "((email = 'ann@secret.org'::text) AND (age > 4711) AND (x = E'a\\\\b''c'))",
        }
    )
    plan = postgresql.read(json.dumps([{"Plan": node, "Query Identifier": -5}]))
    for value in ("ann", "secret", "4711", "a\\\\b"):
        assert value not in plan.text
    assert "email" in plan.text
    [scan] = plan.scans
    assert (scan.table, scan.schema, scan.kind, scan.has_filter) == ("users", "public", "seq", True)
    assert (plan.query_id, plan.cost, plan.rows) == (-5, 9.5, 3)


def test_partitions_below_an_append_are_counted():
    """So many tables a statement reads for one that it names."""
    children = [
        _node(**{"Node Type": "Seq Scan", "Relation Name": f"p{i}", "Alias": f"p_{i}"})
        for i in range(3)
    ]
    plan = postgresql.read([{"Plan": _node(**{"Node Type": "Append", "Plans": children})}])
    assert plan.partitions_scanned == 3


def test_a_bitmap_scan_names_the_index_below_it():
    """The heap scan has the table, its child the index."""
    child = _node(**{"Node Type": "Bitmap Index Scan", "Index Name": "ix"})
    node = _node(**{"Node Type": "Bitmap Heap Scan", "Relation Name": "t", "Plans": [child]})
    [scan] = postgresql.read([{"Plan": node}]).scans
    assert (scan.kind, scan.index) == ("bitmap", "ix")


def test_anything_else_is_no_plan():
    """An answer without a plan is an error."""
    with pytest.raises(ValueError, match="plan"):
        postgresql.read("[]")
