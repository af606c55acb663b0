"""The cache gives back what it was given, or nothing; what the disk refuses is a note."""

from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np
import pytest

from trainctl.engine.data.quality import cache as quality_cache
from trainctl.engine.data.quality.cache import ABOUT, IMAGES, Entry, cache_root, load_entry, save_entry

ABOUT_IT = {"names": ["a", "ß"]}


def entry(seed: int = 0, num: int = 4) -> Entry:
    return Entry(np.random.default_rng(seed).integers(0, 256, (num, 3, 8, 8), dtype=np.uint8), ABOUT_IT)


def test_what_was_kept_is_found_again(tmp_path: Path) -> None:
    root = tmp_path / "not" / "yet"
    assert load_entry(root, "k") is None
    assert save_entry(root, "k", entry()) == ""
    found = load_entry(root, "k")
    assert found is not None
    assert (found.images == entry().images).all()
    assert found.about == ABOUT_IT
    assert [path.name for path in root.iterdir()] == ["k"]
    assert (np.load(root / "k" / IMAGES) == entry().images).all()


@pytest.mark.parametrize("name", [IMAGES, ABOUT])
@pytest.mark.parametrize("harm", ["cut", "flip", "remove", "empty"])
def test_a_damaged_entry_is_none_and_can_be_replaced(tmp_path: Path, name: str, harm: str) -> None:
    save_entry(tmp_path, "k", entry())
    file = tmp_path / "k" / name
    content = bytearray(file.read_bytes())
    content[-4] ^= 1
    if harm == "remove":
        file.unlink()
    else:
        file.write_bytes({"cut": content[: len(content) // 2], "flip": content, "empty": b""}[harm])
    assert load_entry(tmp_path, "k") is None
    assert save_entry(tmp_path, "k", entry(1)) == ""
    found = load_entry(tmp_path, "k")
    assert found is not None
    assert (found.images == entry(1).images).all()


def test_no_pickle_is_read(tmp_path: Path) -> None:
    save_entry(tmp_path, "k", entry())
    np.save(tmp_path / "k" / IMAGES, np.array([object()]), allow_pickle=True)
    assert load_entry(tmp_path, "k") is None


def test_the_longest_unused_entry_makes_way(tmp_path: Path) -> None:
    size = entry().images.nbytes
    for age, key in ((300, "a"), (200, "b"), (100, "c")):
        save_entry(tmp_path, key, entry(), limit=10 * size)
        used = time.time() - age
        os.utime(tmp_path / key, (used, used))
    assert load_entry(tmp_path, "a") is not None  # used now
    assert save_entry(tmp_path, "d", entry(), limit=4 * size) == ""
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "c", "d"]


def test_an_entry_above_the_limit_is_not_kept_and_others_stay(tmp_path: Path) -> None:
    save_entry(tmp_path, "a", entry())
    assert "more than its limit" in save_entry(tmp_path, "b", entry(), limit=100)
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_what_a_killed_process_left_is_removed_after_a_while(tmp_path: Path) -> None:
    old, new = tmp_path / ".x.1.tmp", tmp_path / ".y.2.tmp"
    old.mkdir()
    new.mkdir()
    os.utime(old, (0, 0))
    save_entry(tmp_path, "k", entry())
    assert sorted(path.name for path in tmp_path.iterdir()) == [".y.2.tmp", "k"]


def test_a_full_disk_is_a_note_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(descriptor: int, data: bytes) -> None:
        os.write(descriptor, b"some")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(quality_cache, "write_all", refuse)
    assert "No space left on device" in save_entry(tmp_path, "k", entry())
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_is_a_note(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    problem = save_entry(tmp_path / "file" / "cache", "k", entry())
    assert "Not a directory" in problem
    assert load_entry(tmp_path / "file" / "cache", "k") is None


def test_where_it_lies(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", "/somebody")
    for named, root in (("", "/somebody/.cache"), ("relative", "/somebody/.cache"), ("/fast", "/fast")):
        monkeypatch.setenv("XDG_CACHE_HOME", named)
        assert cache_root() == Path(root) / "trainctl" / "quality"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_root() == tmp_path / "trainctl" / "quality"
