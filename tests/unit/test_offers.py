from __future__ import annotations

import sys
import zipfile
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from hhs_perf._offers import offered

OFFER = "[hhs_perf]\nfine = fine_plugin\n"


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def _install(place: Path, folder: str, offer: str = OFFER) -> None:
    (place / folder).mkdir()
    (place / folder / "METADATA").write_text("Metadata-Version: 2.1\nName: fine\nVersion: 1\n")
    (place / folder / "PKG-INFO").write_text("Metadata-Version: 2.1\nName: fine\nVersion: 1\n")
    (place / folder / "entry_points.txt").write_text(offer)


@pytest.mark.parametrize("folder", ["fine-1.dist-info", "fine-1.egg-info"])
def test_what_is_installed_is_offered(place: Path, folder: str) -> None:
    _install(place, folder)
    assert [point.name for point in offered("hhs_perf")] == ["fine"]


def test_eggs_and_zip_files_are_left_to_those_who_know_them(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _install(place, "fine.egg")
    (place / "fine.egg" / "entry_points.txt").rename(place / "entry_points.txt")
    (place / "fine.egg" / "EGG-INFO").mkdir()
    (place / "entry_points.txt").rename(place / "fine.egg" / "EGG-INFO" / "entry_points.txt")
    assert list(offered("hhs_perf")) == list(entry_points(group="hhs_perf"))
    with zipfile.ZipFile(place / "more.zip", "w") as packed:
        packed.writestr("more-1.dist-info/METADATA", "Metadata-Version: 2.1\nName: more\n")
        packed.writestr("more-1.dist-info/entry_points.txt", "[hhs_perf]\nmore = more\n")
    monkeypatch.syspath_prepend(place / "more.zip")
    assert "more" in [point.name for point in offered("hhs_perf")]


def test_finders_of_others_are_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    class Finder:
        def find_spec(self, *_: object) -> None:
            return None

        def find_distributions(self, context: object = None) -> list[object]:
            asked.append(context)
            return []

    asked: list[object] = []
    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path, Finder()])
    assert list(offered("hhs_perf_nobody")) == []
    assert asked


def test_places_that_do_not_exist_offer_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", ["/nowhere/at/all", ""])
    assert list(offered("hhs_perf_nobody")) == []


def test_other_groups_are_not_looked_up(place: Path) -> None:
    _install(place, "other-1.dist-info", "[console_scripts]\nhhs_perf = x:y\n")
    monkey = sys.modules.pop("importlib.metadata", None)
    try:
        assert list(offered("hhs_perf")) == []
    finally:
        if monkey is not None:
            sys.modules["importlib.metadata"] = monkey
