"""What one version wrote, later ones read: frames in Redis outlive a deployment.

`wire_frames.json` holds, by wire version, what `Codec.encode` made of `WRITTEN` for every
combination of flags. Never change what stands there: a new version adds its own frames.
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from hhs_perf.cache.wire.codec import Codec, Frame, MacKey

FRAMES: dict[str, str] = json.loads(Path(__file__).with_name("wire_frames.json").read_text())["1"]
KEYS = [MacKey(id="new-1", secret=b"0123456789abcdef0123456789abcdef")]


@dataclasses.dataclass
class Account:
    id: int
    tags: tuple[str, ...]


FACTS = {
    "created": 1_750_000_000.25,
    "expires": 1_750_000_300.25,
    "keep_until": 1_750_003_600.25,
    "l1_ttl": 60.0,
    "tags": ("accounts", "org:7"),
    "note": 'W/"5d41"',
    "load_seconds": 0.125,
}
PLAIN = {"id": 7, "name": "HHS ä", "rows": [[1, -2, 2.5, None, True, b"\x00\xff"]] * 8}
WRITTEN: dict[str, tuple[Frame, object]] = {
    "plain": (Frame(PLAIN, **FACTS), None),
    "bare": (Frame([None], 0.0, float("inf"), float("inf")), None),
    "error": (Frame(("shop.NotFound", "no account 7" * 8), is_error=True, **FACTS), None),
    "typed": (Frame([Account(7, ("a", "b"))] * 8, **FACTS), list[Account]),
    "pickled": (Frame([(1, {2}, "x")] * 8, **FACTS), None),
}
CODECS = {
    "": Codec(),
    "+compressed": Codec(compress_above=16),
    "+signed": Codec(keys=KEYS),
    "+compressed+signed": Codec(keys=KEYS, compress_above=16),
    "+pickle": Codec(keys=KEYS, pickle=True),
    "+pickle+compressed": Codec(keys=KEYS, pickle=True, compress_above=16),
}
FLAGS = {
    "plain": 0,
    "error": 8,
    "typed": 16,
    "plain+compressed": 1,
    "error+compressed": 9,
    "typed+compressed": 17,
    "plain+signed": 4,
    "error+signed": 12,
    "typed+signed": 20,
    "plain+compressed+signed": 5,
    "error+compressed+signed": 13,
    "typed+compressed+signed": 21,
    "pickled+pickle": 6,
    "pickled+pickle+compressed": 7,
    "bare": 0,
    "bare+signed": 4,
}


def parts(name: str) -> tuple[Codec, Frame, object]:
    what, plus, how = name.partition("+")
    return CODECS[plus + how], *WRITTEN[what]


def test_there_is_a_frame_for_every_combination_of_flags() -> None:
    assert FRAMES.keys() == FLAGS.keys()
    assert {name: bytes.fromhex(text)[4] for name, text in FRAMES.items()} == FLAGS


@pytest.mark.parametrize("name", FLAGS)
def test_frames_of_version_1_are_read(name: str) -> None:
    codec, frame, type_ = parts(name)
    assert codec.decode("shop", "account:7", bytes.fromhex(FRAMES[name]), type_) == frame


@pytest.mark.parametrize("name", [name for name in FLAGS if "pressed" not in name])
def test_frames_are_written_as_version_1_has_them(name: str) -> None:
    """A change of the bytes is a new version; compression may differ from one zlib to the next."""
    codec, frame, type_ = parts(name)
    assert codec.encode("shop", "account:7", frame, type_).hex() == FRAMES[name]
