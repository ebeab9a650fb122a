"""The accounts that ship with the demo."""

from __future__ import annotations

from hhs_perf.demo._accounts import read_accounts


def test_all_accounts_ship_with_the_package() -> None:
    accounts = read_accounts()
    assert len(accounts) == 99
    assert len({account.url for account in accounts}) == 99
    assert all(account.url.startswith("https://") for account in accounts)


def test_handles_are_read_off_the_addresses() -> None:
    handles = {account.url: account.handle for account in read_accounts()}
    assert all(handles.values())
    assert handles["https://www.instagram.com/seckennedy/"] == "seckennedy"
    assert handles["https://www.truthsocial.com/@seckennedy"] == "seckennedy"
    assert handles["https://www.facebook.com/profile.php?id=100066204115008"] == "100066204115008"
