"""Lists of accounts: many spellings, and every bad row named."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from hhs_perf.exceptions import AccountsError, ConfigurationError
from hhs_perf.scrapers import Account, open_sink, read_accounts
from hhs_perf.scrapers.simulate import simulate_metrics

HHS = Account(platform="X", url="https://x.com/HHSGov", organization="HHS", is_core=True)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (
            "a.json",
            (
                '[{"platform": "X", "url": "https://x.com/HHSGov", "organization": "HHS",'
                ' "is_core": true}]'
            ),
        ),
        (
            "a.json",
            (
                '{"accounts": [{"platform": "X", "account_url": "https://x.com/HHSGov",'
                ' "org_name": "HHS", "is_core_account": 1, "unknown": {}}]}'
            ),
        ),
        (
            "a.jsonl",
            (
                '\n{"platform": "X", "url": " https://x.com/HHSGov ", "organization": "HHS",'
                ' "core": "yes", "handle": null}\n\n'
            ),
        ),
        ("a.csv", "\ufefforganization,platform,url,is_core\nHHS,X,https://x.com/HHSGov,TRUE\n\n"),
        ("a.CSV", "Org Name;Platform;Account URL;Core\r\nHHS;X;https://x.com/HHSGov;x\r\n"),
    ],
)
def test_lists_are_read_as_people_write_them(name: str, text: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    assert read_accounts(tmp_path / name) == (HHS,)
    assert read_accounts(str(tmp_path / name)) == (HHS,)


def test_rows_themselves_are_a_list() -> None:
    rows = [HHS, {"platform": "flickr", "handle": "hhs", "account_id": 12, "is_active": "no"}]
    assert read_accounts(rows) == (
        HHS,
        Account(platform="flickr", handle="hhs", account_id="12", is_active=False),
    )


@pytest.mark.parametrize("name", ["a.json", "a.jsonl", "a.csv"])
def test_an_empty_list_has_no_accounts(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text("[]" if name == "a.json" else "")
    assert read_accounts(tmp_path / name) == ()


def test_every_bad_row_is_named(tmp_path: Path) -> None:
    rows = [
        {"url": "https://x.com/a"},
        {"organization": "HHS"},
        "https://x.com/b",
        {"url": 7, "is_core": "perhaps"},
        {"platform": "X"},
        {"url": "x" * 3000},
    ]
    (tmp_path / "a.json").write_text(json.dumps(rows))
    with pytest.raises(AccountsError) as caught:
        read_accounts(tmp_path / "a.json")
    assert caught.value.problems == (
        "row 2: has neither a url nor a platform and a handle",
        "row 3: is str 'https://x.com/b', not an object",
        "row 4: url is int '7', not text, is_core is 'perhaps', neither true nor false",
        "row 5: has neither a url nor a platform and a handle",
        "row 6: url is longer than 2000 characters",
    )


def test_rows_of_csv_are_numbered_as_a_spreadsheet_does(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("url,is_core\nhttps://x.com/a,no\n,yes\na,b,c\n")
    with pytest.raises(AccountsError) as caught:
        read_accounts(tmp_path / "a.csv")
    assert [each.partition(":")[0] for each in caught.value.problems] == ["row 3", "row 4"]


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.json", b"{"),
        ("a.json", b"7"),
        ("a.json", b"[" * 100_000),
        ("a.json", b'["\xff"]'),
        ("a.jsonl", b'{"url": "a"}\n{\n'),
        ("a.csv", b"name of it,other\na,b\n"),
        ("a.csv", b"url\n" + b"x" * 200_000),
        ("none.json", None),
    ],
)
def test_a_file_that_is_no_list_is_an_accounts_error(
    name: str, data: bytes | None, tmp_path: Path
) -> None:
    if data is not None:
        (tmp_path / name).write_bytes(data)
    with pytest.raises(AccountsError, match=name) as caught:
        read_accounts(tmp_path / name)
    # The command line shows problems alone, and those of rows without the file.
    [problem] = caught.value.problems
    assert name in problem or problem.startswith("row ")


def test_a_file_that_is_not_there_is_named_by_the_problem(tmp_path: Path) -> None:
    path = tmp_path / "none.json"
    with pytest.raises(AccountsError) as caught:
        read_accounts(path)
    assert caught.value.problems == (f"No such file or directory: {str(path)!r}",)


@pytest.mark.parametrize("source", ["a.txt", "nodb://x", 7])
def test_what_is_no_source_is_a_configuration_error(source: object) -> None:
    with pytest.raises(ConfigurationError):
        read_accounts(source)


def test_a_database_without_the_table_is_an_accounts_error(tmp_path: Path) -> None:
    with pytest.raises(AccountsError, match="dim_account") as caught:
        read_accounts(f"sqlite:///{tmp_path}/a.db")
    assert f"{tmp_path}/a.db" in caught.value.problems[0]


def test_a_hundred_thousand_rows_are_read_within_seconds(tmp_path: Path) -> None:
    rows = [{"url": f"https://x.com/a{n}", "organization": "HHS"} for n in range(100_000)]
    (tmp_path / "a.json").write_text(json.dumps(rows))
    begin = time.process_time()
    assert len(read_accounts(tmp_path / "a.json")) == 100_000
    assert time.process_time() - begin < 20


@pytest.mark.parametrize("name", ["a.db", "a.csv", "a.jsonl"])
def test_what_a_run_stored_is_a_list_for_the_next_one(name: str, tmp_path: Path) -> None:
    """With the ids that the first one found out."""
    listed = [HHS, Account(url="https://www.youtube.com/@hhsgov", organization="=HHS")]
    simulate_metrics(accounts=listed, to=open_sink(tmp_path / name), latency=0)
    found = read_accounts(tmp_path / name)
    assert {each.url: each.organization for each in found} == {
        "https://x.com/HHSGov": "HHS",
        "https://www.youtube.com/@hhsgov": "=HHS",
    }
    assert all(each.account_id for each in found if each.platform == "youtube")
    assert {each.url for each in found if each.is_core} == {HHS.url}
